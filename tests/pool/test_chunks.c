/* SPDX-License-Identifier: MIT */
/* Payloads in pieces, both ends in one process: only the state machines of pool/chunks.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool/chunks.h"
#include "tests/support/random.h"
#include "tests/support/support.h"

#define LEASE 77u

/* Both ends of one payload, and what was seen on the way. */
struct transfer {
	struct oxi_sending sending;
	struct oxi_receiving receiving;
	uint64_t chunks, takes, most_under_way;
};

static void begin(struct transfer *t, const void *data, void *memory, uint64_t len, uint32_t credit)
{
	*t = (struct transfer){ .chunks = 0 };
	oxi_sending_init(&t->sending, LEASE, data, len, credit);
	ck_assert_int_eq(oxi_receiving_init(&t->receiving, LEASE, len, len, credit), 0);
	t->receiving.data = memory;
}

/* A record as the other process reads it. */
static struct oxi_record over_the_wire(const struct oxi_record *r)
{
	uint8_t bytes[OXI_WIRE_RECORD];
	struct oxi_record read;

	oxi_record_encode(bytes, r);
	oxi_record_decode(bytes, &read);
	return read;
}

/* Moves chunks, at most as many as are seen before a TAKE goes back, until none moves. What the last put said. */
static int transfer(struct transfer *t, unsigned at_once)
{
	struct oxi_record r, read;
	const void *bytes;
	int put = 0;

	for (;;) {
		unsigned n = 0;
		if (oxi_receiving_take(&t->receiving, &r)) {
			read = over_the_wire(&r);
			ck_assert_int_eq(oxi_sending_credit(&t->sending, &read), 0);
			t->takes++;
		}
		while (n < at_once && oxi_sending_next(&t->sending, &r, &bytes)) {
			read = over_the_wire(&r);
			put = oxi_receiving_put(&t->receiving, &read, bytes);
			ck_assert_int_ge(put, 0);
			n++;
		}
		t->chunks += n;
		if (n > t->most_under_way)
			t->most_under_way = n;
		if (n == 0)
			return put;
	}
}

START_TEST(any_length_arrives_as_it_was)
{
	static const uint64_t lengths[] = {
		1, 15, 4097, OXI_CHUNK_SIZE - 1, OXI_CHUNK_SIZE, OXI_CHUNK_SIZE + 1, 4 * OXI_CHUNK_SIZE, 9 * OXI_CHUNK_SIZE + 5,
	};
	size_t most = 10 * OXI_CHUNK_SIZE;
	uint8_t *data = malloc(most), *memory = malloc(most);
	uint64_t seed = 5;

	for (size_t i = 0; i < most; i++)
		data[i] = (uint8_t)random_next(&seed);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		for (uint32_t credit = 0; credit <= OXI_CHUNK_WINDOW; credit++)
			for (unsigned at_once = 1; at_once <= OXI_CHUNK_WINDOW; at_once++) {
				struct transfer t;
				memset(memory, 0, most);
				begin(&t, data, memory, lengths[i], credit);
				ck_assert_int_eq(transfer(&t, at_once), 1);
				ck_assert(oxi_sending_done(&t.sending));
				ck_assert_uint_eq(t.chunks, (lengths[i] + OXI_CHUNK_SIZE - 1) / OXI_CHUNK_SIZE);
				ck_assert_uint_le(t.most_under_way, OXI_CHUNK_WINDOW);
				ck_assert_mem_eq(memory, data, lengths[i]);
				ck_assert_uint_eq(memory[lengths[i]], 0);
				/* nothing is left allowed: the lease can be forgotten at both ends */
				ck_assert_uint_eq(t.receiving.allowed, t.sending.credit);
				if (lengths[i] > credit * OXI_CHUNK_SIZE)
					ck_assert_uint_eq(t.receiving.allowed, 0);
			}
	free(data);
	free(memory);
}
END_TEST

/* A megabyte of memory, mapped again and again until it is len bytes. */
static uint8_t *map_again_and_again(uint64_t len)
{
	int fd = memfd_create("chunk", MFD_CLOEXEC);
	uint8_t *base = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ck_assert_int_eq(ftruncate(fd, (off_t)OXI_CHUNK_SIZE), 0);
	ck_assert_ptr_ne(base, MAP_FAILED);
	for (uint64_t at = 0; at < len; at += OXI_CHUNK_SIZE) {
		size_t n = len - at < OXI_CHUNK_SIZE ? len - at : OXI_CHUNK_SIZE;
		ck_assert_ptr_eq(mmap(base + at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), base + at);
	}
	close(fd);
	return base;
}

START_TEST(more_than_4_gib_arrive)
{
	uint64_t len = ((uint64_t)1 << 32) + 4097;
	struct transfer t;

	if (under_valgrind() || under_emulator())
		SKIP("4 GiB are too much to copy here");
	uint8_t *data = map_again_and_again(len), *memory = map_again_and_again(len);
	memset(data, 'd', OXI_CHUNK_SIZE);
	begin(&t, data, memory, len, 1);
	ck_assert_int_eq(transfer(&t, 2), 1);
	ck_assert_uint_eq(t.receiving.got, len);
	ck_assert_uint_eq(t.chunks, 4097);
	ck_assert_mem_eq(memory, data, OXI_CHUNK_SIZE);
	munmap(data, len);
	munmap(memory, len);
}
END_TEST

START_TEST(the_arithmetic_holds_up_to_the_largest_length)
{
	struct oxi_sending s;
	struct oxi_receiving r;
	struct oxi_record chunk, take;
	const void *bytes;

	ck_assert_int_eq(oxi_receiving_init(&r, LEASE, 0, UINT64_MAX, 0), OX_EPROTO);
	ck_assert_int_eq(oxi_receiving_init(&r, LEASE, (uint64_t)INT64_MAX + 1, UINT64_MAX, 0), OX_ETOOBIG);
	ck_assert_int_eq(oxi_receiving_init(&r, LEASE, 101, 100, 0), OX_ETOOBIG);
	ck_assert_int_eq(oxi_receiving_init(&r, LEASE, INT64_MAX, INT64_MAX, 0), 0);
	oxi_sending_init(&s, LEASE, NULL, INT64_MAX, 0);
	s.sent = INT64_MAX - OXI_CHUNK_SIZE - 1;
	r.got = s.sent;
	ck_assert(oxi_receiving_take(&r, &take));
	ck_assert_uint_eq(take.length, 2);
	ck_assert_int_eq(oxi_sending_credit(&s, &take), 0);
	ck_assert(oxi_sending_next(&s, &chunk, &bytes));
	chunk = over_the_wire(&chunk);
	ck_assert_uint_eq(oxi_chunk_total(&chunk), INT64_MAX);
	ck_assert_uint_eq(chunk.job, INT64_MAX - OXI_CHUNK_SIZE - 1);
	ck_assert_uint_eq(chunk.length, OXI_CHUNK_SIZE);
	ck_assert(oxi_sending_next(&s, &chunk, &bytes));
	ck_assert_uint_eq(chunk.length, 1);
	ck_assert(oxi_sending_done(&s));
	ck_assert(!oxi_sending_next(&s, &chunk, &bytes));
	chunk.time = -1;
	ck_assert_uint_eq(oxi_chunk_total(&chunk), 0);
}
END_TEST

START_TEST(a_chunk_that_was_not_to_come_is_refused)
{
	static uint8_t data[3 * OXI_CHUNK_SIZE], memory[3 * OXI_CHUNK_SIZE];
	struct transfer t;
	struct oxi_record right, take;
	const void *bytes;

	begin(&t, data, memory, sizeof data - 7, 0);
	ck_assert(oxi_receiving_take(&t.receiving, &take));
	ck_assert_int_eq(oxi_sending_credit(&t.sending, &take), 0);
	ck_assert(oxi_sending_next(&t.sending, &right, &bytes));
	const struct oxi_record wrong[] = {
		{ .lease = LEASE + 1, .job = 0, .time = right.time, .length = right.length },
		{ .lease = LEASE, .job = 1, .time = right.time, .length = right.length },
		{ .lease = LEASE, .job = OXI_CHUNK_SIZE, .time = right.time, .length = right.length },
		{ .lease = LEASE, .job = UINT64_MAX, .time = right.time, .length = right.length },
		{ .lease = LEASE, .job = 0, .time = right.time - 1, .length = right.length },
		{ .lease = LEASE, .job = 0, .time = -right.time, .length = right.length },
		{ .lease = LEASE, .job = 0, .time = right.time, .length = right.length - 1 },
		{ .lease = LEASE, .job = 0, .time = right.time, .length = right.length + 1 },
		{ .lease = LEASE, .job = 0, .time = right.time, .length = 0 },
		{ .lease = LEASE, .job = 0, .time = right.time, .length = UINT64_MAX },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(oxi_receiving_put(&t.receiving, &wrong[i], bytes), OX_EPROTO);
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &right, NULL), OX_EPROTO);
	ck_assert_uint_eq(t.receiving.got, 0);
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &right, bytes), 0);
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &right, bytes), OX_EPROTO);    /* twice */
	t.receiving.allowed = 0;
	ck_assert(oxi_sending_next(&t.sending, &right, &bytes));
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &right, bytes), OX_EPROTO);    /* without credit */
}
END_TEST

START_TEST(after_the_last_chunk_none_is_taken)
{
	static uint8_t data[OXI_CHUNK_SIZE], memory[OXI_CHUNK_SIZE];
	struct transfer t;
	struct oxi_record chunk;
	const void *bytes;

	begin(&t, data, memory, 10, 2);
	ck_assert(oxi_sending_next(&t.sending, &chunk, &bytes));
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &chunk, bytes), 1);
	ck_assert(!oxi_receiving_take(&t.receiving, &chunk));
	const struct oxi_record more = { .lease = LEASE, .job = 10, .time = 10 };
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &more, data), OX_EPROTO);
}
END_TEST

START_TEST(more_credit_than_the_window_is_refused)
{
	static uint8_t data[9 * OXI_CHUNK_SIZE];
	struct oxi_sending s;

	oxi_sending_init(&s, LEASE, data, sizeof data, 1);
	ck_assert_int_eq(oxi_sending_credit(&s, &(struct oxi_record){ .lease = LEASE, .length = OXI_CHUNK_WINDOW }), OX_EPROTO);
	ck_assert_int_eq(oxi_sending_credit(&s, &(struct oxi_record){ .lease = LEASE, .length = UINT64_MAX }), OX_EPROTO);
	ck_assert_int_eq(oxi_sending_credit(&s, &(struct oxi_record){ .lease = LEASE + 1, .length = 1 }), OX_EPROTO);
	ck_assert_uint_eq(s.credit, 1);
	ck_assert_int_eq(oxi_sending_credit(&s, &(struct oxi_record){ .lease = LEASE, .length = OXI_CHUNK_WINDOW - 1 }), 0);
	ck_assert_uint_eq(s.credit, OXI_CHUNK_WINDOW);
}
END_TEST

START_TEST(either_end_gives_up_with_a_reason)
{
	static uint8_t data[2 * OXI_CHUNK_SIZE], memory[2 * OXI_CHUNK_SIZE];
	struct transfer t;
	struct oxi_record r;

	begin(&t, data, memory, sizeof data, 1);
	r = oxi_chunk_refusal(LEASE, OX_ECANCELED);
	r = over_the_wire(&r);
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &r, NULL), OX_ECANCELED);
	ck_assert_int_eq(oxi_sending_credit(&t.sending, &r), OX_ECANCELED);
	r = oxi_chunk_refusal(LEASE + 1, OX_ECANCELED);
	ck_assert_int_eq(oxi_receiving_put(&t.receiving, &r, NULL), OX_EPROTO);
	ck_assert_int_eq(oxi_sending_credit(&t.sending, &r), OX_EPROTO);
}
END_TEST

/* Whatever a worker says: never outside of the memory, which is of exactly its size where sanitizers look. */
START_TEST(random_chunks_never_lead_outside)
{
	uint8_t *bytes = calloc(1, OXI_CHUNK_SIZE);
	uint64_t seed = 9;

	for (int round = 0; round < 300; round++) {
		struct oxi_receiving r;
		uint64_t total = 1 + random_below(&seed, 2 * OXI_CHUNK_SIZE), got = 0;
		ck_assert_int_eq(oxi_receiving_init(&r, LEASE, total, total, 1), 0);
		r.data = malloc(total);
		for (int i = 0; i < 40; i++) {
			struct oxi_record take, chunk = {
				.lease = LEASE, .job = r.got, .time = (int64_t)total,
				.length = total - r.got < OXI_CHUNK_SIZE ? total - r.got : OXI_CHUNK_SIZE,
			};
			switch (random_below(&seed, 5)) {
			case 0: chunk.job = random_next(&seed); break;
			case 1: chunk.length = random_below(&seed, 2 * OXI_CHUNK_SIZE); break;
			case 2: chunk.time = (int64_t)random_next(&seed); break;
			case 3: chunk.status = (int32_t)random_next(&seed); break;
			default: break;
			}
			oxi_receiving_take(&r, &take);
			int put = oxi_receiving_put(&r, &chunk, bytes);
			ck_assert(put < 0 || r.got > got);
			got = r.got;
			ck_assert_uint_le(got, total);
		}
		free(r.data);
	}
	free(bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("chunks");
	TCase *t = new_case(s, "chunks", 120);

	tcase_add_test(t, any_length_arrives_as_it_was);
	tcase_add_test(t, more_than_4_gib_arrive);
	tcase_add_test(t, the_arithmetic_holds_up_to_the_largest_length);
	tcase_add_test(t, a_chunk_that_was_not_to_come_is_refused);
	tcase_add_test(t, after_the_last_chunk_none_is_taken);
	tcase_add_test(t, more_credit_than_the_window_is_refused);
	tcase_add_test(t, either_end_gives_up_with_a_reason);
	tcase_add_test(t, random_chunks_never_lead_outside);
	return run_suite(s);
}
