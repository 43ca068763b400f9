/* SPDX-License-Identifier: MIT */
/*
 * Splitting and putting together. Every number of a chunk is known before it comes: its offset is what has come
 * so far, its length a whole chunk or what is left, its total the same each time. So a chunk is right or the
 * other side runs wild, and nothing is ever written outside of the payload's memory.
 *
 * Credit is counted in chunks and not in bytes: the bound on memory is the same, and there is no remainder that
 * could get stuck. It is given back by halves of the window, one TAKE for two chunks, and never for chunks that
 * will not come: when all is received, sender and receiver agree that none is allowed, and forget the lease.
 */
#include "pool/chunks.h"

#include <string.h>

#include "include/private/check.h"

static uint64_t chunk_at(uint64_t total, uint64_t offset)
{
	uint64_t left = total - offset;

	return left < OXI_CHUNK_SIZE ? left : OXI_CHUNK_SIZE;
}

/* How many chunks left bytes are; no sum that could overflow. */
static uint64_t chunks_in(uint64_t left)
{
	return left / OXI_CHUNK_SIZE + (left % OXI_CHUNK_SIZE != 0);
}

struct oxi_record oxi_chunk_refusal(uint64_t lease, int why)
{
	OXI_CHECK(why < 0);
	return (struct oxi_record){ .lease = lease, .flags = OXI_RECORD_CHUNKS, .status = why };
}

/* ---- sending ---- */

void oxi_sending_init(struct oxi_sending *s, uint64_t lease, const void *data, uint64_t total, uint32_t credit)
{
	OXI_CHECK(total > 0 && total <= INT64_MAX && credit <= OXI_CHUNK_WINDOW);
	*s = (struct oxi_sending){ .lease = lease, .data = data, .total = total, .credit = credit };
}

int oxi_sending_credit(struct oxi_sending *s, const struct oxi_record *take)
{
	if (take->lease != s->lease)
		return OX_EPROTO;
	if (take->status < 0)
		return take->status;
	if (take->length > OXI_CHUNK_WINDOW - s->credit)
		return OX_EPROTO;
	s->credit += (uint32_t)take->length;
	return 0;
}

bool oxi_sending_next(struct oxi_sending *s, struct oxi_record *ret, const void **ret_bytes)
{
	if (s->credit == 0 || s->sent == s->total)
		return false;
	*ret = (struct oxi_record){
		.lease = s->lease, .job = s->sent, .time = (int64_t)s->total, .length = chunk_at(s->total, s->sent),
	};
	*ret_bytes = s->data + s->sent;
	s->sent += ret->length;
	s->credit--;
	return true;
}

/* ---- receiving ---- */

uint64_t oxi_chunk_total(const struct oxi_record *chunk)
{
	return chunk->time > 0 ? (uint64_t)chunk->time : 0;
}

int oxi_receiving_init(struct oxi_receiving *r, uint64_t lease, uint64_t total, uint64_t limit, uint32_t credit)
{
	OXI_CHECK(credit <= OXI_CHUNK_WINDOW);
	if (total == 0)
		return OX_EPROTO;
	if (total > limit || total > PTRDIFF_MAX)
		return OX_ETOOBIG;
	*r = (struct oxi_receiving){ .lease = lease, .total = total, .allowed = credit };
	return 0;
}

int oxi_receiving_put(struct oxi_receiving *r, const struct oxi_record *chunk, const void *bytes)
{
	if (chunk->lease != r->lease)
		return OX_EPROTO;
	if (chunk->status < 0)
		return chunk->status;
	if (r->allowed == 0 || r->got == r->total || bytes == NULL || oxi_chunk_total(chunk) != r->total ||
	    chunk->job != r->got || chunk->length != chunk_at(r->total, r->got))
		return OX_EPROTO;
	memcpy(r->data + r->got, bytes, (size_t)chunk->length);
	r->got += chunk->length;
	r->allowed--;
	return r->got == r->total;
}

bool oxi_receiving_take(struct oxi_receiving *r, struct oxi_record *ret)
{
	uint64_t coming = chunks_in(r->total - r->got);
	uint32_t want = coming < OXI_CHUNK_WINDOW ? (uint32_t)coming : OXI_CHUNK_WINDOW;

	if (r->allowed >= want || r->allowed > OXI_CHUNK_WINDOW / 2)
		return false;
	*ret = (struct oxi_record){ .lease = r->lease, .flags = OXI_RECORD_CHUNKS, .length = want - r->allowed };
	r->allowed = want;
	return true;
}
