/* SPDX-License-Identifier: MIT */
/*
 * The codec. It reads and writes bytes one by one, little-endian (compilers turn that into plain loads and
 * stores), so it works on any host and at any alignment, and it never trusts a number: a count is compared
 * with the length of its body in 64 bits, where count * 48 cannot overflow, and a place by subtraction, where
 * place + length cannot.
 *
 * The decoder does not know what a type means. Who may send which, and whether an arena place is a live
 * block, is for the receiver; flags that it does not know are passed on.
 */
#include "ipc/wire.h"

#include <string.h>

#include "include/private/check.h"

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

const char *oxi_message_name(uint8_t type)
{
	switch (type) {
#define NAME_CASE(name, number, from, text) case OXI_##name: return #name;
	OXI_MESSAGES(NAME_CASE)
#undef NAME_CASE
	default:
		return NULL;
	}
}

void oxi_header_encode(uint8_t out[OXI_WIRE_HEADER], const struct oxi_header *h)
{
	put16(out, OXI_WIRE_MAGIC);
	out[2] = OXI_WIRE_VERSION;
	out[3] = h->type;
	put16(out + 4, h->flags);
	put16(out + 6, 0);
	put32(out + 8, h->count);
	put32(out + 12, h->epoch);
	put32(out + 16, h->generation);
	put32(out + 20, 0);
	put64(out + 24, h->length);
}

int oxi_header_decode(const void *data, size_t len, struct oxi_header *ret)
{
	const uint8_t *p = data;

	if (len != OXI_WIRE_HEADER || get16(p) != OXI_WIRE_MAGIC)
		return OX_EPROTO;
	if (p[2] != OXI_WIRE_VERSION)
		return OX_EVERSION;
	if (oxi_message_name(p[3]) == NULL || get16(p + 6) != 0 || get32(p + 20) != 0)
		return OX_EPROTO;
	if ((uint64_t)get32(p + 8) * OXI_WIRE_RECORD > get64(p + 24))
		return OX_EPROTO;
	ret->type = p[3];
	ret->flags = get16(p + 4);
	ret->count = get32(p + 8);
	ret->epoch = get32(p + 12);
	ret->generation = get32(p + 16);
	ret->length = get64(p + 24);
	return 0;
}

void oxi_record_encode(uint8_t out[OXI_WIRE_RECORD], const struct oxi_record *r)
{
	put64(out, r->job);
	put64(out + 8, r->lease);
	put16(out + 16, r->index);
	put16(out + 18, r->flags);
	put32(out + 20, (uint32_t)r->status);
	put64(out + 24, (uint64_t)r->time);
	put64(out + 32, r->length);
	put64(out + 40, r->place);
}

void oxi_record_decode(const uint8_t in[OXI_WIRE_RECORD], struct oxi_record *ret)
{
	ret->job = get64(in);
	ret->lease = get64(in + 8);
	ret->index = get16(in + 16);
	ret->flags = get16(in + 18);
	ret->status = (int32_t)get32(in + 20);
	ret->time = (int64_t)get64(in + 24);
	ret->length = get64(in + 32);
	ret->place = get64(in + 40);
}

static bool is_inline(const struct oxi_record *r)
{
	static const unsigned elsewhere = OXI_RECORD_ARENA | OXI_RECORD_GRANT | OXI_RECORD_TERMS | OXI_RECORD_CHUNKS;

	return (r->flags & elsewhere) == 0;
}

int oxi_body_record(const void *body, size_t len, uint32_t count, uint32_t i, struct oxi_record *ret,
		    const void **ret_payload)
{
	const uint8_t *p = body;
	uint64_t records = (uint64_t)count * OXI_WIRE_RECORD;
	struct oxi_record r;

	if (i >= count || records > len)
		return OX_EPROTO;
	oxi_record_decode(p + (size_t)i * OXI_WIRE_RECORD, &r);
	if (!is_inline(&r)) {
		*ret = r;
		*ret_payload = NULL;
		return 0;
	}
	if (r.place < records || r.place > len || r.length > len - r.place || r.place % 16 != 0)
		return OX_EPROTO;
	*ret = r;
	*ret_payload = p + r.place;
	return 0;
}

void oxi_body_init(struct oxi_body *b, void *data, size_t cap, uint32_t count)
{
	OXI_CHECK(count <= cap / OXI_WIRE_RECORD);
	*b = (struct oxi_body){ .data = data, .cap = cap, .count = count, .len = (size_t)count * OXI_WIRE_RECORD };
}

int oxi_body_put(struct oxi_body *b, const struct oxi_record *r, const void *payload)
{
	struct oxi_record put = *r;

	OXI_CHECK(b->used < b->count);
	if (is_inline(r)) {
		size_t room = b->cap - b->len;

		if (r->length > room || oxi_align16((size_t)r->length) > room)
			return OX_ETOOBIG;
		put.place = b->len;
		if (r->length > 0)
			memcpy(b->data + b->len, payload, (size_t)r->length);
		memset(b->data + b->len + r->length, 0, oxi_align16((size_t)r->length) - (size_t)r->length);
		b->len += oxi_align16((size_t)r->length);
	}
	oxi_record_encode(b->data + (size_t)b->used++ * OXI_WIRE_RECORD, &put);
	return 0;
}
