/* SPDX-License-Identifier: MIT */
/* Where payloads lie, and how they travel: zones, overflow, chunks; limits; workers that die or run wild in the middle. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/chunks.h"
#include "pool/parent.h"
#include "pool/worker.h"
#include "tests/pool/pool_support.h"

static ox_pool *pool;

/* Every block has been given back. */
static void expect_no_block_left(void)
{
	for (unsigned i = 0; i <= pool->arena.zones; i++)
		EXPECT_EQ(oxi_zone_used(pool->zones[i]), 0);
}

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	expect_no_block_left();
	close_pool(pool);
}

/* Zones of 8 MiB, an overflow of 64. */
#define OVERFLOWING(...) OX_POOL_OPTIONS(.arena_bytes = OX_MIB(8), .overflow_bytes = OX_MIB(64), __VA_ARGS__)
/* Nothing of more than 2 MiB fits anywhere. */
#define CHUNKING(...) OX_POOL_OPTIONS(.arena_bytes = OX_MIB(2), .overflow_bytes = OX_MIB(2), __VA_ARGS__)

static bool in_overflow(const void *data)
{
	return oxi_memory_inside(pool, data) &&
	       oxi_arena_zone_of(&pool->arena, (size_t)((const uint8_t *)data - pool->arena.base)) == pool->arena.zones;
}

/* Bytes that say where they stand, with another period than any power of two. */
static void write_pattern(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i % 251 + i / 4096);
}

static bool is_pattern(const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		if (p[i] != (uint8_t)(i % 251 + i / 4096))
			return false;
	return true;
}

static uint8_t *pattern(size_t n)
{
	uint8_t *p = malloc(n);

	write_pattern(p, n);
	return p;
}

/* ---- jobs ---- */

/* Replies so many bytes of the pattern. */
static int make(const void *in, size_t len, ox_reply *out)
{
	size_t n = *(const size_t *)in;
	(void)len;
	uint8_t *at = ox_reply_reserve(out, n);
	if (at != NULL)
		write_pattern(at, n);
	return 0;
}
static OX_JOB(make_job, make);
static OX_JOB(limited_job, make, .max_result = OX_MIB(3));

/* The same, a thousand bytes at a time, and 7 too many that it takes back. */
static int make_by_steps(const void *in, size_t len, ox_reply *out)
{
	size_t n = *(const size_t *)in;
	uint8_t *all = pattern(n + 7);
	(void)len;
	for (size_t at = 0; at < n + 7; at += 1000)
		ox_reply_write(out, all + at, n + 7 - at < 1000 ? n + 7 - at : 1000);
	free(all);
	ox_reply_truncate(out, n);
	return 0;
}
static OX_JOB(steps_job, make_by_steps);

static int address(const void *in, size_t len, ox_reply *out)
{
	return is_pattern(in, len) ? ox_reply_write(out, &in, sizeof in) : -1;
}
static OX_JOB(address_job, address);

static int scribble(const void *in, size_t len, ox_reply *out)
{
	(void)out;
	((volatile char *)(uintptr_t)in)[len - 1] = 1;
	return 0;
}
static OX_JOB(scribble_job, scribble);

/* ---- the overflow ---- */

static int overflow_inputs(void *arg)
{
	const void *seen;
	size_t n = OX_MIB(6);
	(void)arg;
	uint8_t *data = pattern(n);
	OX_AUTO_GROUP *g = ox_group_open();
	ox_blob *fill = ox_blob_new(pool, OX_MIB(8)), *b = ox_blob_new(pool, n);
	EXPECT(fill != NULL && !in_overflow(ox_blob_data(fill)));
	EXPECT(b != NULL && in_overflow(ox_blob_data(b)));
	memcpy(ox_blob_data(b), data, n);
	ox_future *of_blob = ox_submit(g, pool, &address_job, ox_blob_data(b), n);
	ox_future *of_copy = ox_submit(g, pool, &address_job, data, n);
	EXPECT_EQ(ox_await(of_blob), 0);
	EXPECT_EQ(ox_await(of_copy), 0);
	memcpy(&seen, ox_future_value(of_blob, NULL), sizeof seen);
	EXPECT(seen == ox_blob_data(b));
	memcpy(&seen, ox_future_value(of_copy, NULL), sizeof seen);
	EXPECT(in_overflow(seen) && seen != ox_blob_data(b));
	EXPECT(ox_blob_new(pool, OX_MIB(60)) == NULL);  /* no room for it; for a copy there are chunks */
	ox_blob_free(b);
	ox_blob_free(fill);
	free(data);
	return 0;
}

START_TEST(inputs_that_find_no_room_in_their_zone_lie_in_the_overflow)
{
	with_pool(overflow_inputs, OVERFLOWING(.jobs = OX_JOBS(&address_job), .workers = 2));
}
END_TEST

/* Kept results fill the zone of the worker, then the overflow, then private memory. */
static int keep_results(void *arg)
{
	enum { KEPT = 30 };
	ox_result *kept[KEPT] = { NULL }, *r;
	size_t n = OX_MIB(3) + 5, by_place[3] = { 0 };
	(void)arg;
	for (int i = 0; i < KEPT; i++)
		EXPECT_EQ(ox_call(pool, i % 2 ? &make_job : &steps_job, &n, sizeof n, &kept[i]), 0);
	for (int i = 0; i < KEPT; i++) {
		ox_bytes b = ox_result_bytes(kept[i]);
		EXPECT_EQ(b.len, n);
		EXPECT(is_pattern(b.data, b.len));
		by_place[!oxi_memory_inside(pool, b.data) ? 2 : in_overflow(b.data)]++;
		EXPECT_EQ(ox_call(pool, &address_job, b.data, b.len, &r), 0);
		const void *seen = *(void *const *)ox_result_bytes(r).data;
		EXPECT(!oxi_memory_inside(pool, b.data) || seen == b.data);     /* the next job's input as it lies */
		ox_result_free(r);
	}
	EXPECT(by_place[0] >= 1 && by_place[1] >= 8 && by_place[2] >= 1);
	for (int i = 0; i < KEPT; i++)
		ox_result_free(kept[i]);
	return 0;
}

START_TEST(results_overflow_to_the_next_place_and_stay_valid_there)
{
	with_pool(keep_results, OVERFLOWING(.jobs = OX_JOBS(&make_job, &steps_job, &address_job), .workers = 1));
}
END_TEST

static int grow_step_by_step(void *arg)
{
	static const size_t lengths[] = { 0, 4089, 4096, 5000, OX_KIB(100), OX_MIB(1), OX_MIB(5) + 3, OX_MIB(20) };
	(void)arg;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		OX_AUTO_RESULT *r = NULL;
		EXPECT_EQ(ox_call(pool, &steps_job, &lengths[i], sizeof lengths[i], &r), 0);
		EXPECT_EQ(ox_result_bytes(r).len, lengths[i]);
		EXPECT(is_pattern(ox_result_bytes(r).data, lengths[i]));
	}
	return 0;
}

START_TEST(a_reply_grows_by_small_writes_through_every_place)
{
	with_pool(grow_step_by_step, OVERFLOWING(.jobs = OX_JOBS(&steps_job), .workers = 1));
	with_pool(grow_step_by_step, CHUNKING(.jobs = OX_JOBS(&steps_job), .workers = 1));
}
END_TEST

/* Many jobs wait in a worker with room for their results, and the one that runs still finds more. */
static int queue_behind_grants(void *arg)
{
	size_t small = OX_KIB(8), large = OX_MIB(1);
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(ox_await(ox_submit(g, pool, &make_job, &small, sizeof small)), 0);
	for (int i = 0; i < 300; i++)
		ox_submit(g, pool, i % 10 ? &make_job : &steps_job, i % 10 ? &small : &large, sizeof small);
	return ox_group_join(g);
}

START_TEST(jobs_that_wait_with_room_leave_some_to_the_one_that_runs)
{
	with_pool(queue_behind_grants, OVERFLOWING(.jobs = OX_JOBS(&make_job, &steps_job), .workers = 1));
}
END_TEST

/* ---- memory that goes back ---- */

static size_t committed(void)
{
	struct stat st;

	return fstat(pool->arena.fd, &st) == 0 ? (size_t)st.st_blocks * 512 : 0;
}

static int leave_large_payloads(void *arg)
{
	size_t n = OX_MIB(96);
	ox_result *result, **kept = arg;

	EXPECT_EQ(ox_call(pool, &make_job, &n, sizeof n, &result), 0);
	size_t before = committed();
	EXPECT(before >= n);
	ox_result_free(result);
	EXPECT_EQ(committed(), before); /* whoever comes next finds it warm */
	while (committed() > OX_MIB(64 + 2))
		ox_sleep(OX_MS(10));
	EXPECT(pool->calm_at == OX_NEVER);
	EXPECT_EQ(ox_call(pool, &make_job, &n, sizeof n, kept), 0);
	return 0;
}

START_TEST(what_large_payloads_have_left_goes_back_when_it_is_not_needed_for_a_while)
{
	ox_result *kept = NULL;

	ck_assert_int_eq(ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&make_job), .workers = 1), &pool), 0);
	run_real(leave_large_payloads, &kept);
	close_pool(pool);
	ck_assert_ptr_nonnull(kept);
	ck_assert(is_pattern(ox_result_bytes(kept).data, OX_MIB(96)));
	ox_result_free(kept);           /* of a pool that is closed */
}
END_TEST

/* ---- chunks ---- */

static int echo_in_chunks(void *arg)
{
	static const size_t lengths[] = {
		OX_MIB(2) + 1, OX_MIB(3), OX_MIB(4) - 1, OX_MIB(4), OX_MIB(4) + 1, OX_MIB(9) + 5, OX_MIB(33),
	};
	uint8_t *data = pattern(OX_MIB(33));
	(void)arg;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		OX_AUTO_RESULT *r = NULL;
		EXPECT_EQ(ox_call(pool, &echo_job, data, lengths[i], &r), 0);
		EXPECT_EQ(ox_result_bytes(r).len, lengths[i]);
		EXPECT(!oxi_memory_inside(pool, ox_result_bytes(r).data));
		EXPECT(memcmp(ox_result_bytes(r).data, data, lengths[i]) == 0);
	}
	free(data);
	return 0;
}

START_TEST(where_no_memory_is_left_to_share_payloads_travel_in_chunks)
{
	with_pool(echo_in_chunks, CHUNKING(.jobs = OX_JOBS(&echo_job), .workers = 1));
}
END_TEST

/* Small ones, ones in the arena, ones in chunks, in one stream. */
static int echo_all_sizes(void *arg)
{
	static const size_t lengths[] = { 3, OX_MIB(3), 5000, 0, OX_MIB(2) + 9, OX_KIB(700), 4096, OX_MIB(5) };
	enum { JOBS = 80 };
	ox_future *f[JOBS];
	uint8_t *data = pattern(OX_MIB(5));
	size_t len;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < JOBS; i++)
		f[i] = ox_submit(g, pool, &echo_job, data, lengths[i % 8]);
	for (int i = 0; i < JOBS; i++) {
		EXPECT_EQ(ox_await(f[i]), 0);
		const void *value = ox_future_value(f[i], &len);
		EXPECT_EQ(len, lengths[i % 8]);
		EXPECT(len == 0 || memcmp(value, data, len) == 0);
	}
	free(data);
	return 0;
}

/* Results of a few KiB, many to a batch, while no shared memory is left at all. */
static int many_small_chunks(void *arg)
{
	size_t whole = OX_MIB(2), small = 5000;
	ox_result *kept = NULL;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_call(pool, &make_job, &whole, sizeof whole, &kept), 0);    /* fills the worker's zone */
	ox_blob *inputs = ox_blob_new(pool, whole), *overflow = ox_blob_new(pool, whole);
	EXPECT(inputs != NULL && overflow != NULL);
	for (int i = 0; i < 300; i++)
		ox_submit(g, pool, &make_job, &small, sizeof small);
	ox_future *f;
	while (ox_group_next(g, &f) == 1) {
		size_t len;
		EXPECT_EQ(ox_future_status(f), 0);
		const void *value = ox_future_value(f, &len);
		EXPECT(len == small && !oxi_memory_inside(pool, value) && is_pattern(value, len));
	}
	ox_blob_free(inputs);
	ox_blob_free(overflow);
	ox_result_free(kept);
	return 0;
}

START_TEST(each_result_of_a_batch_comes_in_chunks_of_its_own)
{
	with_pool(many_small_chunks, CHUNKING(.jobs = OX_JOBS(&make_job), .workers = 1));
}
END_TEST

START_TEST(payloads_of_all_kinds_mix)
{
	with_pool(echo_all_sizes, CHUNKING(.jobs = OX_JOBS(&echo_job), .workers = 3));
}
END_TEST

/* madvise(MADV_POPULATE_WRITE) answers ENOMEM from now on, as where a system has no pages to give. */
static bool forbid_commits(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof code / sizeof *code, .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* In the driver, where nothing of Check's may be called. 0, or the number of what went wrong. */
static int run_without_pages(void *arg)
{
	size_t n = OX_MIB(9);
	uint8_t *data = pattern(n);
	(void)arg;
	for (int i = 0; i < 3; i++) {
		OX_AUTO_RESULT *r = NULL;
		if (ox_call(pool, &echo_job, data, n, &r) != 0)
			return 1;
		ox_bytes b = ox_result_bytes(r);
		if (oxi_memory_inside(pool, b.data) || b.len != n || memcmp(b.data, data, n) != 0)
			return 2;
	}
	if (ox_blob_new(pool, n) != NULL)
		return 3;
	n = OX_MIB(8);                  /* what its own zone holds is not asked about */
	if (ox_call(pool, &make_job, &n, sizeof n, NULL) != 0)
		return 4;
	free(data);
	return 0;
}

static int driver_without_pages(void)
{
	if (!forbid_commits())
		return 77;
	if (ox_pool_open(OVERFLOWING(.jobs = OX_JOBS(&echo_job, &make_job), .workers = 1), &pool) < 0)
		return 5;
	int r = ox_run(run_without_pages, NULL, NULL);
	ox_pool_close(pool);
	return r;
}

static int exit_code_of(const char *driver)
{
	char nonce[64];
	int out, status;
	pid_t pid = start_driver(driver, nonce, &out);

	close(out);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(eventually(no_process_left, nonce, 1000));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

START_TEST(where_the_system_has_no_pages_for_the_overflow_payloads_travel_in_chunks)
{
	int code = exit_code_of("without_pages");

	if (code == 77)
		SKIP("no seccomp here");
	ck_assert_int_eq(code, 0);
}
END_TEST

/* ---- lengths ---- */

/* The last byte of an input far away, and a reply of the same length of which two pages are touched. */
static int far(const void *in, size_t len, ox_reply *out)
{
	const uint8_t *p = in;
	uint8_t *at = ox_reply_reserve(out, len);

	if (at == NULL)
		return -1;
	at[0] = p[len - 1];
	at[len - 1] = p[0];
	return 0;
}
static OX_JOB(far_job, far);

static int call_5_gib(void *arg)
{
	size_t n = OX_GIB(5) + 1;
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	ox_blob *b = ox_blob_new(pool, n);
	EXPECT(b != NULL);
	uint8_t *data = ox_blob_data(b);
	data[0] = 3;
	data[n - 1] = 7;
	EXPECT_EQ(ox_call(pool, &far_job, data, n, &r), 0);
	EXPECT_EQ(ox_result_bytes(r).len, n);
	const uint8_t *back = ox_result_bytes(r).data;
	EXPECT_EQ(back[0], 7);
	EXPECT_EQ(back[n - 1], 3);
	ox_blob_free(b);
	return 0;
}

START_TEST(more_than_4_gib_go_both_ways)
{
	if (under_sanitizer || under_emulator())
		SKIP("address space");
	with_pool(call_5_gib, OX_POOL_OPTIONS(.jobs = OX_JOBS(&far_job), .workers = 1, .arena_bytes = OX_GIB(6),
	                                      .max_input = OX_GIB(8), .max_result = OX_GIB(8), .max_pending_bytes = OX_GIB(8)));
}
END_TEST

/* F30: checked before anything is sent, wherever it would have gone. */
static int call_too_big(void *arg)
{
	size_t fits = OX_MIB(3), n = fits + 1;
	uint8_t *data = calloc(1, OX_MIB(5));
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, pool, &echo_job, data, OX_MIB(4) + 1);
	EXPECT_EQ(ox_await(f), OX_ETOOBIG);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &echo_job, data, OX_MIB(4))), 0);
	f = ox_submit(g, pool, &limited_job, &n, sizeof n);
	EXPECT_EQ(ox_await(f), OX_ETOOBIG);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &limited_job, &fits, sizeof fits)), 0);
	EXPECT_EQ(stats_of(pool).spawned, 1);
	free(data);
	return 0;
}

START_TEST(f30_limits_hold_in_every_place)
{
	with_pool(call_too_big, OVERFLOWING(.jobs = OX_JOBS(&echo_job, &limited_job), .workers = 1, .max_input = OX_MIB(4)));
	with_pool(call_too_big, CHUNKING(.jobs = OX_JOBS(&echo_job, &limited_job), .workers = 1, .max_input = OX_MIB(4)));
}
END_TEST

/* ---- read-only inputs ---- */

static int write_to_inputs(void *arg)
{
	size_t n = OX_MIB(3);
	(void)arg;
	uint8_t *data = pattern(n);
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_blob *b = ox_blob_new(pool, OX_KIB(64));
	uint8_t *small = b != NULL ? memset(ox_blob_data(b), 5, OX_KIB(64)) : NULL;
	ox_future *f = ox_submit(g, pool, &scribble_job, small, OX_KIB(64));
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGSEGV);
	EXPECT(ox_future_crash(f)->address == small + OX_KIB(64) - 1);
	EXPECT_EQ(small[OX_KIB(64) - 1], 5);
	f = ox_submit(g, pool, &scribble_job, data, n);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGSEGV);
	EXPECT(ox_future_crash(f)->address != NULL);
	EXPECT_EQ((uintptr_t)ox_future_crash(f)->address % OX_KIB(4), OX_KIB(4) - 1);
	ox_blob_free(b);
	free(data);
	return 0;
}

START_TEST(a_write_to_an_input_is_a_crash_at_its_address_wherever_it_lies)
{
	with_pool(write_to_inputs, OX_POOL_OPTIONS(.jobs = OX_JOBS(&scribble_job), .workers = 1, .arena_bytes = OX_MIB(32)));
	with_pool(write_to_inputs, OX_POOL_OPTIONS(.jobs = OX_JOBS(&scribble_job), .workers = 1, .arena_bytes = OX_MIB(2),
	                                           .overflow_bytes = OX_MIB(32)));
	with_pool(write_to_inputs, CHUNKING(.jobs = OX_JOBS(&scribble_job), .workers = 1));
}
END_TEST

/* Writes to a room of the overflow that is no longer its own: the one of the job before. */
static int remember(const void *in, size_t len, ox_reply *out)
{
	static uint8_t *room;
	(void)in, (void)len;
	if (room != NULL)
		*(volatile uint8_t *)room = 1;
	room = ox_reply_reserve(out, OX_MIB(6));
	return room != NULL ? 0 : -1;
}
static OX_JOB(remembering_job, remember);

static int write_to_the_past(void *arg)
{
	ox_result *r[2] = { NULL, NULL };
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	EXPECT_EQ(ox_call(pool, &remembering_job, NULL, 0, &r[0]), 0);
	EXPECT(in_overflow(ox_result_bytes(r[0]).data));
	ox_future *f = ox_submit(g, pool, &remembering_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT(ox_future_crash(f)->address == ox_result_bytes(r[0]).data);
	ox_result_free(r[0]);
	return 0;
}

START_TEST(a_result_in_the_overflow_is_read_only_once_it_is_given_away)
{
	with_pool(write_to_the_past, OX_POOL_OPTIONS(.jobs = OX_JOBS(&remembering_job), .workers = 1, .arena_bytes = OX_MIB(2),
	                                             .overflow_bytes = OX_MIB(32)));
}
END_TEST

/* ---- workers that die in the middle, or run wild ---- */

/* The worker's side of a result in chunks, as far as it is told to; then it dies, or says that it was all. */
struct wild {
	int chunks;
	enum { DIE, TOO_LONG, WRONG_OFFSET, MUCH_CREDIT, BOAST } then;
};

static void say(ox_reply *out, enum oxi_message type, struct oxi_record r, const void *bytes)
{
	static uint8_t body[OXI_WIRE_RECORD + OXI_CHUNK_SIZE];
	struct oxi_body b;

	oxi_body_init(&b, body, sizeof body, 1);
	oxi_body_put(&b, &r, bytes);
	oxi_worker_send(out->worker, &(struct oxi_header){ .type = (uint8_t)type, .count = 1, .length = b.len }, body);
}

static int be_wild(const void *in, size_t len, ox_reply *out)
{
	struct wild w;
	static uint8_t bytes[OXI_CHUNK_SIZE];
	struct oxi_record r = { .lease = out->lease, .time = OX_MIB(9), .length = OXI_CHUNK_SIZE };
	(void)len;
	memcpy(&w, in, sizeof w);
	for (int i = 0; i < w.chunks; i++, r.job += OXI_CHUNK_SIZE) {
		say(out, OXI_CHUNK, r, bytes);
		if (i % 2 == 0 || i == w.chunks - 1)
			free(oxi_worker_await(out->worker, 1u << OXI_TAKE));
	}
	switch (w.then) {
	case DIE:
		raise(SIGKILL);
		break;
	case TOO_LONG:
		r.time = INT64_MAX;
		say(out, OXI_CHUNK, r, bytes);
		struct oxi_mail *m = oxi_worker_await(out->worker, 1u << OXI_TAKE);
		oxi_record_decode(m->body, &r);
		free(m);
		return r.status;
	case WRONG_OFFSET:
		r.job += 1;
		say(out, OXI_CHUNK, r, bytes);
		pause();
		break;
	case MUCH_CREDIT:
		say(out, OXI_TAKE, (struct oxi_record){ .lease = out->lease, .flags = OXI_RECORD_CHUNKS, .length = 1000 }, NULL);
		pause();
		break;
	case BOAST:                     /* one in a room of the arena that was never given */
		out->where = OXI_IN_ARENA;
		out->data = out->worker->heritage->arena.base + out->worker->heritage->arena.control_size;
		out->len = OX_KIB(64);
		break;
	}
	return 0;
}
static OX_JOB(wild_job, be_wild);

static int run_wild(void *arg)
{
	static const struct { struct wild w; int status; } cases[] = {
		{ { 0, DIE }, OX_ECRASHED }, { { 1, DIE }, OX_ECRASHED }, { { 3, DIE }, OX_ECRASHED },
		{ { 0, TOO_LONG }, OX_ETOOBIG }, { { 0, WRONG_OFFSET }, OX_ECRASHED }, { { 3, WRONG_OFFSET }, OX_ECRASHED },
		{ { 0, MUCH_CREDIT }, OX_ECRASHED }, { { 0, BOAST }, OX_EPROTO },
	};
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = OX_MIB(3);
		EXPECT_EQ(ox_await(ox_submit(g, pool, &wild_job, &cases[i].w, sizeof cases[i].w)), cases[i].status);
		EXPECT_EQ(ox_await(ox_submit(g, pool, &make_job, &n, sizeof n)), 0);
	}
	return 0;
}

START_TEST(a_worker_that_dies_or_runs_wild_in_the_middle_of_a_payload_costs_one_job)
{
	with_pool(run_wild, CHUNKING(.jobs = OX_JOBS(&wild_job, &make_job), .workers = 1));
}
END_TEST

/* Kills a worker again and again while payloads of all kinds go both ways, until all jobs have ended. */
static OX_JOB(stubborn_job, address, .retries = 255, .retry_delay = OX_MS(1), .retry_max = OX_MS(1));
static bool killing;

static int kill_workers(void *arg)
{
	pid_t pids[4];
	(void)arg;
	for (int i = 0; i < 40 && killing; i++) {
		unsigned n = find_processes(NULL, "oxbow-worker", pids, 4);
		if (n > 0)
			kill(pids[(unsigned)i % (n < 4 ? n : 4)], SIGKILL);
		ox_sleep(OX_MS(7));
	}
	return 0;
}

static int work_under_fire(void *arg)
{
	static const size_t lengths[] = { OX_MIB(9), 5000, OX_MIB(3), 10 };
	uint8_t *data = pattern(OX_MIB(9));
	(void)arg;
	killing = true;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_spawn(g, kill_workers, NULL);
	for (int i = 0; i < 60; i++)
		ox_submit(g, pool, &stubborn_job, data, lengths[i % 4]);
	int r = ox_pool_drain(pool);
	killing = false;
	if (r == 0)
		r = ox_group_join(g);
	free(data);
	return r;
}

START_TEST(jobs_with_retries_get_their_chunks_however_often_workers_die)
{
	with_pool(work_under_fire, CHUNKING(.jobs = OX_JOBS(&stubborn_job), .workers = 2, .init_limit = 1000));
}
END_TEST

static int slow_make(const void *in, size_t len, ox_reply *out)
{
	atomic_fetch_add(begun, 1);
	return make(in, len, out);
}
static OX_JOB(killed_job, slow_make);
static OX_JOB(abandoned_job, slow_make, .on_cancel = OX_ABANDON);

/* Cancelled at any moment between submit and result, killed or abandoned. */
static int cancel_anywhere(void *arg)
{
	size_t len = OX_MIB(5), n = OX_MIB(5);
	size_t *data = calloc(1, len);
	(void)arg;
	data[0] = n;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (int i = 0; i < 30; i++) {
		ox_future *f = ox_submit(g, pool, i % 2 ? &killed_job : &abandoned_job, data, len);
		ox_sleep(OX_US(300) * i);
		ox_future_cancel(f);
		int r = ox_await(f);
		EXPECT(r == OX_ECANCELED || r == 0);
	}
	EXPECT_EQ(ox_await(ox_submit(g, pool, &killed_job, data, len)), 0);
	free(data);
	return 0;
}

START_TEST(a_job_is_cancelled_at_any_moment_of_its_chunks)
{
	ck_assert_int_eq(ox_pool_open(CHUNKING(.jobs = OX_JOBS(&killed_job, &abandoned_job), .workers = 1), &pool), 0);
	run_real(cancel_anywhere, NULL);
	close_pool(pool);
}
END_TEST

static int close_in_the_middle(void *arg)
{
	uint8_t *data = calloc(1, OX_MIB(30));
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, pool, &echo_job, data, OX_MIB(30));
	ox_sleep(OX_MS(5));
	EXPECT_EQ(ox_pool_close(pool), 0);
	int r = ox_await(f);
	EXPECT(r == 0 || r == OX_ECLOSED);
	free(data);
	return 0;
}

START_TEST(a_pool_closes_in_the_middle_of_a_payload)
{
	ck_assert_int_eq(ox_pool_open(CHUNKING(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	run_real(close_in_the_middle, NULL);
	ck_assert(no_worker_left(NULL));
}
END_TEST

/* ---- no memory ---- */

static int echo_chunks_once(void *arg)
{
	static uint8_t data[OX_MIB(3)];
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	return ox_call(pool, &echo_job, data, sizeof data, &r);
}

START_TEST(chunks_fail_cleanly_without_memory)
{
	ck_assert_int_eq(ox_pool_open(CHUNKING(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	run_real(echo_chunks_once, NULL);       /* the worker is there */
	fails_cleanly_real(echo_chunks_once, NULL);
	expect_no_block_left();
	close_pool(pool);
}
END_TEST

static int allow_little(void *arg)
{
	struct rlimit l = { OX_MIB(64), OX_MIB(64) };
	(void)arg;
	return setrlimit(RLIMIT_DATA, &l);
}

static int call_where_little_is_allowed(void *arg)
{
	size_t n = OX_MIB(100);
	uint8_t *data = calloc(1, n);
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, pool, &echo_job, data, n);
	EXPECT_EQ(ox_await(f), OX_ENOMEM);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &make_job, &n, sizeof n)), OX_ENOMEM);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &echo_job, data, OX_MIB(3))), 0);
	EXPECT_EQ(stats_of(pool).spawned, 1);
	free(data);
	return 0;
}

START_TEST(a_worker_without_memory_for_a_payload_fails_the_job_and_stays)
{
	if (under_sanitizer)
		SKIP("a sanitizer's shadow needs more");
	with_pool(call_where_little_is_allowed,
	          CHUNKING(.jobs = OX_JOBS(&echo_job, &make_job), .workers = 1, .worker_init = allow_little));
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { "without_pages", driver_without_pages }, { NULL, NULL } };
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("payload");
	TCase *t = new_pool_case(s, "overflow", 120);
	tcase_add_test(t, inputs_that_find_no_room_in_their_zone_lie_in_the_overflow);
	tcase_add_test(t, results_overflow_to_the_next_place_and_stay_valid_there);
	tcase_add_test(t, a_reply_grows_by_small_writes_through_every_place);
	tcase_add_test(t, jobs_that_wait_with_room_leave_some_to_the_one_that_runs);
	tcase_add_test(t, what_large_payloads_have_left_goes_back_when_it_is_not_needed_for_a_while);
	t = new_pool_case(s, "chunks", 120);
	tcase_add_test(t, where_no_memory_is_left_to_share_payloads_travel_in_chunks);
	tcase_add_test(t, each_result_of_a_batch_comes_in_chunks_of_its_own);
	tcase_add_test(t, payloads_of_all_kinds_mix);
	tcase_add_test(t, where_the_system_has_no_pages_for_the_overflow_payloads_travel_in_chunks);
	t = new_pool_case(s, "limits", 120);
	tcase_add_test(t, more_than_4_gib_go_both_ways);
	tcase_add_test(t, f30_limits_hold_in_every_place);
	tcase_add_test(t, a_write_to_an_input_is_a_crash_at_its_address_wherever_it_lies);
	tcase_add_test(t, a_result_in_the_overflow_is_read_only_once_it_is_given_away);
	t = new_pool_case(s, "middle", 120);
	tcase_add_test(t, a_worker_that_dies_or_runs_wild_in_the_middle_of_a_payload_costs_one_job);
	tcase_add_test(t, jobs_with_retries_get_their_chunks_however_often_workers_die);
	tcase_add_test(t, a_job_is_cancelled_at_any_moment_of_its_chunks);
	tcase_add_test(t, a_pool_closes_in_the_middle_of_a_payload);
	tcase_add_test(t, chunks_fail_cleanly_without_memory);
	tcase_add_test(t, a_worker_without_memory_for_a_payload_fails_the_job_and_stays);
	return run_suite(s);
}
