/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "ipc/wire.h"
#include "tests/support/random.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t all_types[] = {
#define TYPE(name, number, from, text) number,
	OXI_MESSAGES(TYPE)
#undef TYPE
};

/* ---- a random message ---- */

enum { MAX_RECORDS = 12, MAX_PAYLOAD = 70 };

struct message {
	struct oxi_header header;
	struct oxi_record records[MAX_RECORDS];
	uint8_t payloads[MAX_RECORDS][MAX_PAYLOAD];
	uint8_t bytes[OXI_WIRE_HEADER + MAX_RECORDS * (OXI_WIRE_RECORD + MAX_PAYLOAD + 16)];
	size_t len;
};

static const unsigned elsewhere = OXI_RECORD_ARENA | OXI_RECORD_GRANT | OXI_RECORD_TERMS | OXI_RECORD_CHUNKS;    /* no inline payload */

static void random_record(uint64_t *seed, struct oxi_record *r, uint8_t payload[MAX_PAYLOAD])
{
	static const uint16_t kinds[] = {
		0, OXI_RECORD_PART, OXI_RECORD_ARENA, OXI_RECORD_GRANT, OXI_RECORD_TERMS, OXI_RECORD_CHUNKS, 0x8000
	};

	*r = (struct oxi_record){
		.job = random_next(seed), .lease = random_next(seed), .index = (uint16_t)random_next(seed),
		.flags = kinds[random_below(seed, 7)], .status = (int32_t)random_next(seed),
		.time = (int64_t)random_next(seed), .place = random_next(seed),
	};
	r->length = (r->flags & elsewhere) != 0 ? random_next(seed) : random_below(seed, MAX_PAYLOAD + 1);
	for (size_t i = 0; i < MAX_PAYLOAD; i++)
		payload[i] = (uint8_t)random_next(seed);
}

static void random_message(uint64_t *seed, uint8_t type, struct message *m)
{
	struct oxi_body b;
	uint32_t count = (uint32_t)random_below(seed, MAX_RECORDS + 1);

	oxi_body_init(&b, m->bytes + OXI_WIRE_HEADER, sizeof(m->bytes) - OXI_WIRE_HEADER, count);
	for (uint32_t i = 0; i < count; i++) {
		random_record(seed, &m->records[i], m->payloads[i]);
		ck_assert_int_eq(oxi_body_put(&b, &m->records[i], m->payloads[i]), 0);
	}
	m->header = (struct oxi_header){
		.type = type, .flags = (uint16_t)random_next(seed), .count = count, .epoch = (uint32_t)random_next(seed),
		.generation = (uint32_t)random_next(seed), .length = b.len,
	};
	oxi_header_encode(m->bytes, &m->header);
	m->len = OXI_WIRE_HEADER + b.len;
}

/* ---- tests ---- */

START_TEST(every_type_survives_a_round_trip)
{
	uint64_t seed = 1;

	for (int round = 0; round < 300; round++) {
		for (size_t t = 0; t < sizeof(all_types); t++) {
			struct message m;
			struct oxi_header h;

			random_message(&seed, all_types[t], &m);
			ck_assert_int_eq(oxi_header_decode(m.bytes, OXI_WIRE_HEADER, &h), 0);
			ck_assert_uint_eq(h.type, m.header.type);
			ck_assert_uint_eq(h.flags, m.header.flags);
			ck_assert_uint_eq(h.count, m.header.count);
			ck_assert_uint_eq(h.epoch, m.header.epoch);
			ck_assert_uint_eq(h.generation, m.header.generation);
			ck_assert_uint_eq(h.length, m.len - OXI_WIRE_HEADER);
			for (uint32_t i = 0; i < h.count; i++) {
				const struct oxi_record *want = &m.records[i];
				struct oxi_record r;
				const void *payload;

				ck_assert_int_eq(oxi_body_record(m.bytes + OXI_WIRE_HEADER, h.length, h.count, i, &r, &payload), 0);
				ck_assert_uint_eq(r.job, want->job);
				ck_assert_uint_eq(r.lease, want->lease);
				ck_assert_uint_eq(r.index, want->index);
				ck_assert_uint_eq(r.flags, want->flags);
				ck_assert_int_eq(r.status, want->status);
				ck_assert_int_eq(r.time, want->time);
				ck_assert_uint_eq(r.length, want->length);
				if ((r.flags & elsewhere) != 0) {
					ck_assert_uint_eq(r.place, want->place);
					ck_assert_ptr_null(payload);
				} else {
					ck_assert_uint_eq(r.place % 16, 0);
					ck_assert_mem_eq(payload, m.payloads[i], r.length);
				}
			}
		}
	}
}
END_TEST

START_TEST(bytes_are_little_endian_and_where_the_header_says)
{
	static const uint8_t want[OXI_WIRE_HEADER] = {
		0x4f, 0x78, 1, 9, 0x02, 0x01, 0, 0, 0x06, 0x05, 0x04, 0x03, 0x0a, 0x09, 0x08, 0x07,
		0x0e, 0x0d, 0x0c, 0x0b, 0, 0, 0, 0, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, 0x0f,
	};
	struct oxi_header h = {
		.type = OXI_RESULTS, .flags = 0x0102, .count = 0x03040506, .epoch = 0x0708090a, .generation = 0x0b0c0d0e,
		.length = 0x0f10111213141516,
	};
	struct oxi_record r = { .job = 1, .lease = 2, .index = 3, .flags = 4, .status = -2, .time = -1, .length = 5, .place = 6 };
	uint8_t out[OXI_WIRE_RECORD];

	oxi_header_encode(out, &h);
	ck_assert_mem_eq(out, want, OXI_WIRE_HEADER);
	oxi_record_encode(out, &r);
	ck_assert_uint_eq(out[0], 1);
	ck_assert_uint_eq(out[8], 2);
	ck_assert_uint_eq(out[16], 3);
	ck_assert_uint_eq(out[18], 4);
	ck_assert_uint_eq(out[20], 0xfe);
	ck_assert_uint_eq(out[31], 0xff);
	ck_assert_uint_eq(out[32], 5);
	ck_assert_uint_eq(out[40], 6);
}
END_TEST

START_TEST(a_header_with_any_wrong_field_is_refused)
{
	struct oxi_header h = { .type = OXI_JOBS, .count = 2, .length = 2 * OXI_WIRE_RECORD }, got;
	uint8_t good[OXI_WIRE_HEADER + 1] = { 0 }, bad[OXI_WIRE_HEADER];

	oxi_header_encode(good, &h);
	ck_assert_int_eq(oxi_header_decode(good, OXI_WIRE_HEADER, &got), 0);
	for (size_t len = 0; len < OXI_WIRE_HEADER; len++)
		ck_assert_int_eq(oxi_header_decode(good, len, &got), OX_EPROTO);
	ck_assert_int_eq(oxi_header_decode(good, OXI_WIRE_HEADER + 1, &got), OX_EPROTO);
#define WITH(at, value, code)                                                           \
	do {                                                                            \
		memcpy(bad, good, sizeof(bad));                                         \
		bad[at] = (value);                                                      \
		ck_assert_int_eq(oxi_header_decode(bad, sizeof(bad), &got), (code));    \
	} while (0)
	WITH(0, 0, OX_EPROTO);
	WITH(2, 2, OX_EVERSION);
	WITH(3, 0, OX_EPROTO);
	WITH(3, 30, OX_EPROTO);
	WITH(6, 1, OX_EPROTO);
	WITH(23, 1, OX_EPROTO);
	WITH(8, 3, OX_EPROTO);          /* three records do not fit 96 bytes */
	WITH(24, 95, OX_EPROTO);
#undef WITH
	/* 2^32 - 1 records, whose bytes would not fit 32 bits */
	h.count = UINT32_MAX;
	h.length = (uint32_t)(UINT32_MAX * OXI_WIRE_RECORD);
	oxi_header_encode(bad, &h);
	ck_assert_int_eq(oxi_header_decode(bad, sizeof(bad), &got), OX_EPROTO);
}
END_TEST

START_TEST(a_body_cut_at_any_byte_is_refused_where_it_is_cut)
{
	struct message m;
	uint64_t seed = 7;

	do
		random_message(&seed, OXI_RESULTS, &m);
	while (m.header.count < 5);
	for (size_t len = 0; len < m.header.length; len++) {
		uint8_t *cut = malloc(len + (len == 0));

		memcpy(cut, m.bytes + OXI_WIRE_HEADER, len);
		for (uint32_t i = 0; i < m.header.count; i++) {
			struct oxi_record r;
			const void *payload;
			int got = oxi_body_record(cut, len, m.header.count, i, &r, &payload);

			if (len < m.header.count * OXI_WIRE_RECORD)
				ck_assert_int_eq(got, OX_EPROTO);
			else if (got == 0 && payload != NULL)
				ck_assert_uint_le(r.place + r.length, len);
		}
		LLVMFuzzerTestOneInput(cut, len);
		free(cut);
	}
}
END_TEST

START_TEST(places_and_lengths_outside_the_body_are_refused)
{
	uint8_t body[OXI_WIRE_RECORD + 32] = { 0 };
	const struct { uint64_t place, length; int want; } cases[] = {
		{ 48, 32, 0 }, { 64, 16, 0 }, { 80, 0, 0 }, { 48, 0, 0 },
		{ 48, 33, OX_EPROTO }, { 64, 17, OX_EPROTO }, { 80, 1, OX_EPROTO }, { 96, 0, OX_EPROTO },
		{ 0, 8, OX_EPROTO }, { 32, 8, OX_EPROTO }, { 49, 8, OX_EPROTO },
		{ 64, UINT64_MAX, OX_EPROTO }, { UINT64_MAX - 15, 64, OX_EPROTO }, { UINT64_MAX, 1, OX_EPROTO },
		{ 48, UINT64_MAX - 47, OX_EPROTO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct oxi_record r = { .place = cases[i].place, .length = cases[i].length };
		const void *payload;

		oxi_record_encode(body, &r);
		ck_assert_int_eq(oxi_body_record(body, sizeof(body), 1, 0, &r, &payload), cases[i].want);
	}
}
END_TEST

START_TEST(a_body_takes_what_fits_and_refuses_the_rest)
{
	uint8_t data[2 * OXI_WIRE_RECORD + 32];
	uint8_t payload[64] = { 0 };
	struct oxi_body b;

	oxi_body_init(&b, data, sizeof(data), 2);
	ck_assert_int_eq(oxi_body_put(&b, &(struct oxi_record){ .length = 33 }, payload), OX_ETOOBIG);
	ck_assert_int_eq(oxi_body_put(&b, &(struct oxi_record){ .length = UINT64_MAX }, payload), OX_ETOOBIG);
	ck_assert_int_eq(oxi_body_put(&b, &(struct oxi_record){ .length = 17 }, payload), 0);
	ck_assert_uint_eq(b.len, sizeof(data));
	ck_assert_int_eq(oxi_body_put(&b, &(struct oxi_record){ .length = 1 }, payload), OX_ETOOBIG);
	ck_assert_int_eq(oxi_body_put(&b, &(struct oxi_record){ .length = 0 }, NULL), 0);
	ck_assert_uint_eq(b.used, 2);
}
END_TEST

START_TEST(every_type_has_a_name_and_no_other_number_has)
{
	ck_assert_str_eq(oxi_message_name(OXI_JOBS), "JOBS");
	ck_assert_str_eq(oxi_message_name(24), "RUN");
	ck_assert_str_eq(oxi_message_name(26), "TAKE");
	ck_assert_str_eq(oxi_message_name(29), "KILL");
	ck_assert_ptr_null(oxi_message_name(0));
	for (int t = 30; t < 256; t++)
		ck_assert_ptr_null(oxi_message_name((uint8_t)t));
}
END_TEST

/* F33: whatever a peer sends. In memory of exactly its size, where sanitizers see one byte too many. */
START_TEST(mutated_messages_never_lead_outside)
{
	const char *rounds = getenv("OXBOW_TEST_ROUNDS");
	long n = rounds != NULL ? atol(rounds) : 200000;
	uint64_t seed = 42;
	struct message m;

	for (long i = 0; i < n; i++) {
		size_t len;
		uint8_t *data;

		if (i % 64 == 0)
			random_message(&seed, all_types[random_below(&seed, sizeof(all_types))], &m);
		len = random_below(&seed, 4) == 0 ? random_below(&seed, m.len + 1) : m.len;
		data = malloc(len + (len == 0));
		memcpy(data, m.bytes, len);
		for (uint64_t k = random_below(&seed, 6); k > 0 && len > 0; k--) {
			size_t at = random_below(&seed, len);

			data[at] = random_below(&seed, 3) == 0 ? 0xff : (uint8_t)random_next(&seed);
		}
		LLVMFuzzerTestOneInput(data, len);
		free(data);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");
	TCase *t = new_case(s, "wire", 120);

	tcase_add_test(t, every_type_survives_a_round_trip);
	tcase_add_test(t, bytes_are_little_endian_and_where_the_header_says);
	tcase_add_test(t, a_header_with_any_wrong_field_is_refused);
	tcase_add_test(t, a_body_cut_at_any_byte_is_refused_where_it_is_cut);
	tcase_add_test(t, places_and_lengths_outside_the_body_are_refused);
	tcase_add_test(t, a_body_takes_what_fits_and_refuses_the_rest);
	tcase_add_test(t, every_type_has_a_name_and_no_other_number_has);
	tcase_add_test(t, mutated_messages_never_lead_outside);
	return run_suite(s);
}
