/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target of the wire codec: the first 32 bytes are a header frame, the rest is a body frame. Whatever they are, the
 * decoder must stay inside them, and what it accepts must survive being written and read again.
 *
 * With clang: -fsanitize=fuzzer,address and this file beside ipc/wire.c. With any compiler: replay.c runs the corpus.
 */
#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "ipc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static volatile uint8_t seen;           /* or the compiler would leave the reading out */

static void touch(const uint8_t *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		seen = p[i];
}

static void check_header(const uint8_t *frame, const struct oxi_header *h)
{
	uint8_t again[OXI_WIRE_HEADER];

	oxi_header_encode(again, h);
	OXI_CHECK(memcmp(again, frame, sizeof(again)) == 0);
}

static void check_again(const struct oxi_record *r, const void *payload)
{
	struct oxi_body b;
	struct oxi_record back;
	const void *p;
	size_t cap = OXI_WIRE_RECORD + (payload != NULL ? oxi_align16((size_t)r->length) : 0);
	uint8_t *data = malloc(cap);

	if (data == NULL)
		return;
	oxi_body_init(&b, data, cap, 1);
	OXI_CHECK(oxi_body_put(&b, r, payload) == 0 && b.len == cap);
	OXI_CHECK(oxi_body_record(data, b.len, 1, 0, &back, &p) == 0);
	OXI_CHECK(back.job == r->job && back.lease == r->lease && back.index == r->index && back.flags == r->flags);
	OXI_CHECK(back.status == r->status && back.time == r->time && back.length == r->length);
	OXI_CHECK((p == NULL) == (payload == NULL));
	OXI_CHECK(p == NULL || memcmp(p, payload, (size_t)r->length) == 0);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t head = len < OXI_WIRE_HEADER ? len : OXI_WIRE_HEADER;
	const uint8_t *body = data + head;
	size_t body_len = len - head;
	struct oxi_header h = { 0 };

	if (oxi_header_decode(data, head, &h) == 0)
		check_header(data, &h);
	else if (head == OXI_WIRE_HEADER)
		memcpy(&h.count, data + 8, sizeof(h.count));    /* the body's own checks must hold without the header's */
	for (uint32_t i = 0; i < h.count && i <= body_len; i++) {
		struct oxi_record r;
		const void *payload;

		if (oxi_body_record(body, body_len, h.count, i, &r, &payload) < 0)
			continue;
		if (payload != NULL)
			touch(payload, r.length);
		check_again(&r, payload);
	}
	return 0;
}
