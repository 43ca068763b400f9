/* SPDX-License-Identifier: MIT */
/* The pool in good times: calls, streams of jobs, payloads, maps, limits, cancelling, opening and closing. */
#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool/parent.h"
#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

static int fill(const void *in, size_t len, ox_reply *out)
{
	size_t n = *(const size_t *)in;
	(void)len;
	void *at = ox_reply_reserve(out, n);
	if (at != NULL)
		memset(at, 'x', n);
	return 0;
}
static OX_JOB(fill_job, fill);
static OX_JOB(limited_job, fill, .max_result = 1000);

static int status(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	return *(const int *)in;
}
static OX_JOB(status_job, status);

static bool all_are(const uint8_t *p, size_t n, uint8_t c)
{
	return n == 0 || (p[0] == c && memcmp(p, p + 1, n - 1) == 0);
}

/* ---- calls ---- */

static int call_echo(void *arg)
{
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_call(pool, &echo_job, "hello", 5, &r), 0);
	EXPECT_EQ(ox_result_bytes(r).len, 5);
	EXPECT(memcmp(ox_result_bytes(r).data, "hello", 5) == 0);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_call_returns_what_the_job_replied)
{
	with_pool(call_echo, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1));
}
END_TEST

static int call_statuses(void *arg)
{
	static const int codes[] = { 0, 7, INT32_MAX, -1, OX_ECANCELED, OX_ECRASHED };
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		ox_future *f = ox_submit(g, pool, &status_job, &codes[i], sizeof codes[i]);
		EXPECT_EQ(ox_await(f), codes[i]);
		EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_JOB);
		EXPECT(ox_future_crash(f) == NULL);
	}
	return 0;
}

START_TEST(a_status_passes_through_unchanged_and_is_told_from_the_pools_own)
{
	with_pool(call_statuses, POOL_OPTIONS(.jobs = OX_JOBS(&status_job), .workers = 1));
}
END_TEST

static char logged[256];

static void remember(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	snprintf(logged, sizeof logged, "%s", text);
}

static int fail_unheard(void *arg)
{
	static const int code = -EIO;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_submit(g, pool, &status_job, &code, sizeof code);
	return ox_group_join(g);
}

START_TEST(a_failure_that_nobody_asks_for_is_reported_with_the_jobs_name)
{
	logged[0] = '\0';
	ox_log_set(remember, NULL);
	with_pool(fail_unheard, POOL_OPTIONS(.jobs = OX_JOBS(&status_job), .workers = 1));
	ox_log_set(NULL, NULL);
	ck_assert_str_eq(logged, "job status_job failed and nobody asked: Input/output error");
}
END_TEST

static int call_sizes(void *arg)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 72, 73, 4095, 4096, 4097, 65536, OX_MIB(1) + 1, OX_MIB(5) };
	uint8_t *data = malloc(OX_MIB(5));
	(void)arg;
	for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
		size_t n = sizes[i / 2];
		OX_AUTO_RESULT *r = NULL;
		memset(data, (int)i + 1, n);
		EXPECT_EQ(ox_call(pool, &echo_job, data, n, &r), 0);
		EXPECT_EQ(ox_result_bytes(r).len, n);
		EXPECT(all_are(ox_result_bytes(r).data, n, (uint8_t)(i + 1)));
	}
	free(data);
	return 0;
}

START_TEST(payloads_of_all_sizes_come_back_as_they_went)
{
	with_pool(call_sizes, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2));
}
END_TEST

static int grows_by_steps(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t part[100];
		memset(part, 'y', sizeof part);
		if (ox_reply_write(out, part, sizeof part) < 0)
			return -1;
	}
	ox_reply_truncate(out, 99999);
	return (int)ox_reply_len(out);
}
static OX_JOB(growing_job, grows_by_steps);

static int call_growing(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		OX_AUTO_RESULT *r = NULL;
		EXPECT_EQ(ox_call(pool, &growing_job, NULL, 0, &r), 99999);
		EXPECT_EQ(ox_result_bytes(r).len, 99999);
		EXPECT(all_are(ox_result_bytes(r).data, 99999, 'y'));
	}
	return 0;
}

START_TEST(a_reply_grows_by_small_writes_and_can_be_cut)
{
	with_pool(call_growing, POOL_OPTIONS(.jobs = OX_JOBS(&growing_job), .workers = 1));
}
END_TEST

/* F30 */
static int call_too_big(void *arg)
{
	size_t n = 1001, fits = 1000;
	pid_t before, after;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_RESULT *a = NULL, *b = NULL;
	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &a), 0);
	ox_future *f = ox_submit(g, pool, &limited_job, &n, sizeof n);
	EXPECT_EQ(ox_await(f), OX_ETOOBIG);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	n = OX_MIB(3);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &fill_job, &n, sizeof n)), OX_ETOOBIG);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &limited_job, &fits, sizeof fits)), 0);
	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &b), 0);
	memcpy(&before, ox_result_bytes(a).data, sizeof before);
	memcpy(&after, ox_result_bytes(b).data, sizeof after);
	EXPECT_EQ(before, after);
	return 0;
}

START_TEST(f30_a_result_over_its_limit_fails_its_job_and_the_worker_stays)
{
	with_pool(call_too_big, POOL_OPTIONS(.jobs = OX_JOBS(&limited_job, &fill_job, &pid_job), .workers = 1, .max_result = OX_MIB(2)));
}
END_TEST

/* ---- sharing memory ---- */

static int is_at(const void *in, size_t len, ox_reply *out)
{
	(void)len;
	return ox_reply_write(out, &in, sizeof in);
}
static OX_JOB(address_job, is_at);

static int share(void *arg)
{
	const void *seen;
	size_t n = OX_MIB(1);
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_blob *b = ox_blob_new(pool, 100);
	void *data = ox_blob_data(b);
	ox_future *f = ox_submit(g, pool, &address_job, (char *)data + 16, 16);
	ox_blob_free(b);                /* the job goes on using it */
	EXPECT_EQ(ox_await(f), 0);
	memcpy(&seen, ox_future_value(f, NULL), sizeof seen);
	EXPECT(seen == (char *)data + 16);

	ox_future *made = ox_submit(g, pool, &fill_job, &n, sizeof n);
	EXPECT_EQ(ox_await(made), 0);
	f = ox_submit(g, pool, &address_job, ox_future_value(made, NULL), n);
	EXPECT_EQ(ox_await(f), 0);
	memcpy(&seen, ox_future_value(f, NULL), sizeof seen);
	EXPECT(seen == ox_future_value(made, NULL));
	return 0;
}

START_TEST(a_blob_and_a_result_become_inputs_where_they_lie)
{
	with_pool(share, POOL_OPTIONS(.jobs = OX_JOBS(&address_job, &fill_job), .workers = 2));
}
END_TEST

static int write_to_input(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	*(volatile char *)(uintptr_t)in = 1;
	return 0;
}
static OX_JOB(scribble_job, write_to_input);

static int scribble(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	void *data = calloc(1, OX_KIB(64));
	ox_future *f = ox_submit(g, pool, &scribble_job, data, OX_KIB(64));
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGSEGV);
	free(data);
	return 0;
}

START_TEST(a_job_that_writes_to_shared_input_crashes_alone)
{
	with_pool(scribble, POOL_OPTIONS(.jobs = OX_JOBS(&scribble_job), .workers = 1));
}
END_TEST

static int keep_results(void *arg)
{
	size_t n = OX_MIB(1);
	ox_result **kept = arg;
	EXPECT_EQ(ox_call(pool, &fill_job, &n, sizeof n, &kept[0]), 0);
	n = 10;
	EXPECT_EQ(ox_call(pool, &fill_job, &n, sizeof n, &kept[1]), 0);
	return 0;
}

START_TEST(results_outlive_the_pool)
{
	ox_result *kept[2];
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&fill_job), .workers = 1), &pool), 0);
	run_real(keep_results, kept);
	close_pool(pool);
	ck_assert(all_are(ox_result_bytes(kept[0]).data, OX_MIB(1), 'x'));
	ck_assert(all_are(ox_result_bytes(kept[1]).data, 10, 'x'));
	ox_result_free(kept[0]);
	ox_result_free(kept[1]);
}
END_TEST

/* F25: payloads lie in a memfd, whatever the size of /dev/shm. */
static int call_64_mib(void *arg)
{
	(void)arg;
	uint8_t *data = malloc(OX_MIB(64));
	memset(data, 5, OX_MIB(64));
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_call(pool, &echo_job, data, OX_MIB(64), &r), 0);
	EXPECT(all_are(ox_result_bytes(r).data, OX_MIB(64), 5));
	free(data);
	return 0;
}

START_TEST(f25_64_mib_payloads_do_not_depend_on_dev_shm)
{
	with_pool(call_64_mib, OX_POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1, .arena_bytes = OX_MIB(256)));
}
END_TEST

/* ---- many jobs ---- */

struct stream {
	ox_group *group;
	unsigned n;
};

static int submit_stream(void *arg)
{
	struct stream *s = arg;
	for (uint64_t i = 0; i < s->n; i++)
		ox_submit(s->group, pool, &echo_job, &i, sizeof i);
	return 0;
}

static int stream(void *arg)
{
	struct stream s = { .group = ox_group_open(), .n = *(unsigned *)arg };
	uint8_t *seen = calloc(1, s.n);
	ox_future *f, *producer = ox_spawn(s.group, submit_stream, &s);
	unsigned n = 0;
	EXPECT(producer != NULL);
	while (ox_group_next(s.group, &f) == 1) {
		if (f == producer)
			continue;
		uint64_t i = *(const uint64_t *)ox_future_value(f, NULL);
		EXPECT(ox_future_status(f) == 0 && i < s.n && seen[i]++ == 0);
		n++;
	}
	EXPECT_EQ(n, s.n);
	ox_pool_stats st = stats_of(pool);
	EXPECT_EQ(st.done, s.n);
	EXPECT_EQ(st.pending, 0);
	EXPECT_EQ(st.late, 0);
	free(seen);
	ox_group_close(s.group);
	return 0;
}

START_TEST(a_stream_of_jobs_through_a_small_window_gives_each_result_once)
{
	unsigned n = under_sanitizer || under_valgrind() ? 5000 : 100000;
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .max_pending = 500), &pool), 0);
	run_real(stream, &n);
	close_pool(pool);
}
END_TEST

static ox_time longest_turn;
static bool ticking;

/* On a shared machine the CPU's time says what the loop itself took. */
static ox_time cpu_time(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return OX_SEC(t.tv_sec) + t.tv_nsec;
}

static int ticker(void *arg)
{
	(void)arg;
	ox_time last = cpu_time();
	while (ticking) {
		ox_yield();
		ox_time now = cpu_time();
		if (ticking && now - last > longest_turn)
			longest_turn = now - last;
		last = now;
	}
	return 0;
}

/* F26 */
static int queue_a_million(void *arg)
{
	unsigned n = *(unsigned *)arg;
	char in[8] = "payload";
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f, *tick;
	OX_AUTO_RESULT *first = NULL;
	EXPECT_EQ(ox_call(pool, &echo_job, in, sizeof in, &first), 0);
	size_t before = mallinfo2().uordblks;
	ticking = true;
	tick = ox_spawn(g, ticker, NULL);
	for (unsigned i = 0; i < n; i++)
		ox_submit(g, pool, &echo_job, in, sizeof in);
	size_t each = (mallinfo2().uordblks - before) / n;
	unsigned done = 0;
	EXPECT_EQ(ox_pool_drain(pool), 0);
	ticking = false;
	while (ox_group_next(g, &f) == 1)
		done += f != tick && ox_future_status(f) == 0;
	EXPECT_EQ(done, n);
	if (!under_sanitizer && !under_valgrind()) {
		printf("%u jobs of 8 bytes: %zu bytes each, longest turn %.1f ms\n", n, each, (double)longest_turn / 1e6);
		EXPECT(each <= 200 + 16);       /* and malloc's own word or two */
	}
	return 0;
}

/* What a hypervisor takes of our time is counted as ours; but a turn that is too long by itself is so each time. */
static void queue_with_short_turns(unsigned n)
{
	for (int tries = 0; tries < 5; tries++) {
		longest_turn = 0;
		run_real(queue_a_million, &n);
		if (longest_turn <= OX_MS(5) || under_sanitizer || under_valgrind())
			return;
	}
	ck_assert_int_le(longest_turn, OX_MS(5));
}

START_TEST(f26_a_million_queued_jobs_take_200_bytes_each_and_no_turn_5_ms)
{
	unsigned n = under_sanitizer || under_valgrind() ? 10000 : 1000000;
	ck_assert_uint_le(sizeof(struct ox_result) + OXI_ROOM_SMALL, 200);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .max_pending = 2000000), &pool), 0);
	queue_with_short_turns(n);
	close_pool(pool);
}
END_TEST

static int submit_three(void *arg)
{
	(void)arg;
	int ms = 20;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 3; i++) {
		ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
		EXPECT(stats_of(pool).pending <= 2);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	return 0;
}

START_TEST(submit_waits_while_max_pending_jobs_are_under_way)
{
	with_pool(submit_three, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1, .max_pending = 2));
}
END_TEST

static int submit_bytes(void *arg)
{
	(void)arg;
	char data[1000] = { 0 };
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 20; i++) {
		ox_submit(g, pool, &echo_job, data, sizeof data);
		EXPECT(stats_of(pool).pending_bytes <= 2500);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	return 0;
}

static int submit_one_more(void *arg)
{
	static const char large[98];
	return ox_await(ox_submit(arg, pool, &echo_job, large, sizeof large));
}

static int try_when_full(void *arg)
{
	static const int ms = 20;
	ox_future *f = NULL;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_try_submit(g, pool, &sleep_job, &ms, sizeof ms, NULL, &f), 0);
	EXPECT_EQ(ox_try_submit(g, pool, &sleep_job, &ms, sizeof ms, OX_SUBMIT_OPTIONS(.priority = 3), &f), 0);
	ox_future *last = f;
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, "busy", 4, NULL, &f), OX_EBUSY);
	EXPECT(f == last);
	EXPECT_EQ(ox_await(last), ms);
	EXPECT_EQ(ox_try_submit(g, pool, &sleep_job, &ms, sizeof ms, NULL, &f), 0);
	ox_spawn(g, submit_one_more, g);
	ox_yield();
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 0, NULL, &f), OX_EBUSY);      /* there is room, but another waits */
	EXPECT_EQ(ox_group_join(g), 0);         /* busy was no failure of this group */
	EXPECT_EQ(stats_of(pool).submitted, 4);
	return 0;
}

START_TEST(trying_to_submit_says_busy_instead_of_waiting)
{
	with_pool(try_when_full, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &sleep_job), .workers = 1, .max_pending = 2,
	                                    .max_pending_bytes = 100));
}
END_TEST

static int submit_at_a_rate(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);  /* a worker is there */
	ox_time begin = oxi_pool_now();
	for (int i = 0; i < 40; i++)
		ox_submit(g, pool, &echo_job, NULL, 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT(oxi_pool_now() - begin >= OX_MS(4 * (40 - 4)));
	return 0;
}

START_TEST(a_pool_with_an_interval_begins_jobs_at_that_rate)
{
	with_pool(submit_at_a_rate, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .interval = OX_MS(4)));
}
END_TEST

enum { RANKED = 7 };

static int submit_by_priority(void *arg)
{
	static const int ms = 20;
	ox_future *f[RANKED], *next;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_call(pool, &sleep_job, &ms, sizeof ms, NULL), ms);         /* the worker is there */
	ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	for (int i = 0; i < RANKED; i++)
		f[i] = ox_submit_with(g, pool, &sleep_job, &ms, sizeof ms, OX_SUBMIT_OPTIONS(.priority = i - 3));
	EXPECT_EQ(ox_group_next(g, &next), 1);
	for (int i = RANKED; i-- > 0;) {
		EXPECT_EQ(ox_group_next(g, &next), 1);
		EXPECT(next == f[i]);
	}
	return 0;
}

START_TEST(waiting_jobs_begin_by_priority)
{
	with_pool(submit_by_priority, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1));
}
END_TEST

START_TEST(submit_waits_while_max_pending_bytes_are_under_way)
{
	with_pool(submit_bytes, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .max_pending_bytes = 2500));
}
END_TEST

static int blocked_submitter(void *arg)
{
	int ms = 0;
	ox_future *f = ox_submit(arg, pool, &sleep_job, &ms, sizeof ms);
	EXPECT_EQ(ox_future_status(f), OX_ECANCELED);
	return OX_ECANCELED;
}

static int cancel_submitter(void *arg)
{
	(void)arg;
	int ms = 50;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *job = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *f = ox_spawn(g, blocked_submitter, g);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_await(job), 50);
	EXPECT_EQ(stats_of(pool).submitted, 1);
	return 0;
}

START_TEST(a_submitter_that_is_cancelled_while_it_waits_has_submitted_nothing)
{
	with_pool(cancel_submitter, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1, .max_pending = 1));
}
END_TEST

/* ---- maps ---- */

struct numbers {
	int next, end, last;
};

static int next_number(void *arg, ox_bytes *ret_in)
{
	struct numbers *n = arg;
	if (n->next == n->end)
		return 0;
	n->last = n->next++;
	*ret_in = (ox_bytes){ &n->last, sizeof n->last };
	return 1;
}

static int map_both_ways(void *arg)
{
	ox_future *f;
	(void)arg;
	for (int unordered = 0; unordered < 2; unordered++) {
		struct numbers n = { .end = 300 };
		int count = 0, sum = 0, r;
		OX_AUTO_MAP *m = ox_map_open(pool, OX_MAP_OPTIONS(.job = &echo_job, .next = next_number, .arg = &n,
		                                                  .unordered = unordered, .in_flight = 7));
		while ((r = ox_map_next(m, &f)) == 1) {
			int i = *(const int *)ox_future_value(f, NULL);
			EXPECT(unordered || i == count);
			EXPECT(n.next - count <= 7);
			count++;
			sum += i;
		}
		EXPECT_EQ(r, 0);
		EXPECT_EQ(count, 300);
		EXPECT_EQ(sum, 299 * 300 / 2);
	}
	return 0;
}

START_TEST(a_map_is_lazy_and_bounded_in_order_or_not)
{
	with_pool(map_both_ways, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2));
}
END_TEST

/* The codes of the jobs, or of the end. Each input has its end, or the map has. */
static int map_short_of_memory(void *arg)
{
	struct numbers n = { .end = 5 };
	ox_future *f;
	int error = 0, count = 0, r;
	OX_AUTO_MAP *m = ox_map_open(pool, OX_MAP_OPTIONS(.job = &echo_job, .next = next_number, .arg = &n,
	                                                  .unordered = *(bool *)arg, .in_flight = 2));
	if (m == NULL)
		return OX_ENOMEM;
	while ((r = ox_map_next(m, &f)) == 1) {
		int status = ox_future_status(f);
		count++;
		error = status < 0 ? status : error;
	}
	EXPECT(r < 0 || count == 5);
	return r < 0 ? r : error;
}

static int warm_up(void *arg)
{
	(void)arg;
	return ox_call(pool, &echo_job, NULL, 0, NULL);
}

START_TEST(each_allocation_of_a_map_may_fail)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	run_real(warm_up, NULL);        /* the worker has its descriptors */
	fails_cleanly_real(map_short_of_memory, &(bool){ false });
	fails_cleanly_real(map_short_of_memory, &(bool){ true });
	close_pool(pool);
}
END_TEST

static int map_too_wide(void *arg)
{
	(void)arg;
	for (size_t n = SIZE_MAX; n > SIZE_MAX / 16; n /= 2)
		EXPECT(ox_map_open(pool, OX_MAP_OPTIONS(.job = &echo_job, .next = next_number, .in_flight = n)) == NULL);
	return 0;
}

START_TEST(a_map_cannot_be_wider_than_memory)
{
	with_pool(map_too_wide, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1));
}
END_TEST

static int fails_after_three(void *arg, ox_bytes *ret_in)
{
	struct numbers *n = arg;
	return n->next == 3 ? -EIO : next_number(arg, ret_in);
}

static int map_failing(void *arg)
{
	struct numbers n = { .end = 10 };
	ox_future *f;
	(void)arg;
	OX_AUTO_MAP *m = ox_map_open(pool, OX_MAP_OPTIONS(.job = &echo_job, .next = fails_after_three, .arg = &n));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ox_map_next(m, &f), 1);
	EXPECT_EQ(ox_map_next(m, &f), -EIO);
	return 0;
}

START_TEST(a_map_gives_the_results_before_its_inputs_error)
{
	with_pool(map_failing, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2));
}
END_TEST

/* ---- cancelling and timeouts ---- */

static int spin_blocked(const void *in, size_t len, ox_reply *out)
{
	sigset_t all;
	(void)in, (void)len, (void)out;
	atomic_fetch_add(begun, 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (volatile unsigned i = 0;; i++)
		;
	return 0;
}
static OX_JOB(spin_job, spin_blocked, .timeout = OX_MS(50));
static OX_JOB(endless_job, spin_blocked);

/* F07 */
static int time_out(void *arg)
{
	int ms = 200;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	ox_future *other = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_time start = ox_now();
	ox_future *f = ox_submit(g, pool, &spin_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	ox_time took = ox_now() - start;
	EXPECT(took >= OX_MS(50));
	EXPECT(took < OX_MS(50) + OX_MS(under_sanitizer || under_valgrind() ? 2000 : 100));
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	EXPECT(ox_future_crash(f) != NULL && ox_future_crash(f)->signal == SIGKILL);
	EXPECT_EQ(ox_await(other), 200);
	EXPECT_EQ(stats_of(pool).killed, 1);
	return 0;
}

/* Works until it is told to end, and says so; or does not listen. */
static int work(const void *in, size_t len, ox_reply *out)
{
	bool listens = *(const bool *)in;
	(void)len;
	atomic_fetch_add(begun, 1);
	while (!listens || !ox_job_cancelled(out))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return ox_reply_write(out, "so far", 6);
}
static OX_JOB(graceful_job, work, .timeout = OX_MS(30), .grace = OX_SEC(20));
static OX_JOB(impatient_job, work, .timeout = OX_MS(30), .grace = OX_MS(40));
static OX_JOB(timeless_job, work, .timeout = OX_NEVER, .grace = OX_SEC(20));
static OX_JOB(left_job, work, .on_cancel = OX_ABANDON);

static int grace(void *arg)
{
	static const bool listens = true, deaf = false;
	size_t len;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, pool, &graceful_job, &listens, sizeof listens);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT(ox_future_value(f, &len) != NULL && len == 6);
	EXPECT(ox_future_run_time(f) >= OX_MS(30));
	f = ox_submit(g, pool, &timeless_job, &listens, sizeof listens);
	await_begun(2);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 0);
	f = ox_submit(g, pool, &left_job, &listens, sizeof listens);
	await_begun(3);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);  /* the one worker is free again, and has not been killed */
	EXPECT_EQ(stats_of(pool).killed, 0);

	ox_time begin = oxi_pool_now();
	f = ox_submit(g, pool, &impatient_job, &deaf, sizeof deaf);
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT(oxi_pool_now() - begin >= OX_MS(70));
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	EXPECT_EQ(stats_of(pool).killed, 1);
	return 0;
}

START_TEST(a_job_with_grace_is_told_to_end_before_it_is_killed)
{
	with_pool(grace, POOL_OPTIONS(.jobs = OX_JOBS(&graceful_job, &impatient_job, &timeless_job, &left_job, &echo_job),
	                              .workers = 1));
}
END_TEST

START_TEST(f07_a_job_that_blocks_all_signals_is_killed_at_its_timeout)
{
	with_pool(time_out, POOL_OPTIONS(.jobs = OX_JOBS(&spin_job, &sleep_job, &echo_job), .workers = 2));
}
END_TEST

static int cancel_running(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *running = ox_submit(g, pool, &endless_job, NULL, 0);
	ox_future *queued = ox_submit(g, pool, &endless_job, NULL, 0);
	await_begun(1);
	EXPECT(ox_future_cancel(queued));
	EXPECT(ox_future_done(queued));
	EXPECT_EQ(ox_future_status(queued), OX_ECANCELED);
	EXPECT_EQ(ox_wait_for(running, 0), OX_ETIMEDOUT);
	EXPECT_EQ(ox_future_origin(running), OX_ORIGIN_CANCEL);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.cancelled, 2);
	EXPECT_EQ(s.killed, 1);
	EXPECT_EQ(s.crashed, 0);
	return 0;
}

START_TEST(cancelling_removes_a_queued_job_and_kills_the_worker_of_a_running_one)
{
	with_pool(cancel_running, POOL_OPTIONS(.jobs = OX_JOBS(&endless_job, &echo_job), .workers = 1));
}
END_TEST

static int call_with_deadline(void *arg)
{
	ox_scope s;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	ox_scope_enter(&s, OX_MS(30));
	int r = ox_call(pool, &endless_job, NULL, 0, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(stats_of(pool).cancelled, 1);
	return 0;
}

START_TEST(a_deadline_around_a_call_kills_the_work)
{
	with_pool(call_with_deadline, POOL_OPTIONS(.jobs = OX_JOBS(&endless_job, &echo_job), .workers = 1));
}
END_TEST

/* F27 */
static int cancel_at_random(void *arg)
{
	unsigned n = *(unsigned *)arg, done = 0, cancelled = 0;
	int zero = 0;
	ox_future **fs = malloc(n * sizeof *fs);
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	srand(1);
	for (unsigned i = 0; i < n; i++) {
		fs[i] = ox_submit(g, pool, i % 1000 == 0 ? &endless_job : &echo_job, &zero, sizeof zero);
		unsigned k = (unsigned)rand() % (i + 1);
		if (i % 2 == 0)
			ox_future_cancel(fs[k]);
	}
	for (unsigned i = 0; i < n; i += 1000)
		ox_future_cancel(fs[i]);
	for (unsigned i = 0; i < n; i++) {
		int r = ox_await(fs[i]);
		EXPECT(r == 0 || r == OX_ECANCELED);
		done += r == 0;
		cancelled += r == OX_ECANCELED;
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.submitted, n);
	EXPECT_EQ(s.done, done);
	EXPECT_EQ(s.cancelled, cancelled);
	EXPECT(s.killed <= n / 1000 + 1);
	free(fs);
	return 0;
}

START_TEST(f27_jobs_cancelled_at_random_end_exactly_once_each)
{
	unsigned n = under_sanitizer || under_valgrind() ? 2000 : 100000;
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &endless_job), .workers = 2, .max_pending = 200000),
	                              &pool), 0);
	run_real(cancel_at_random, &n);
	close_pool(pool);
}
END_TEST

/* ---- opening and closing ---- */

START_TEST(opening_refuses_what_makes_no_sense)
{
	static const ox_job twin = { .size = sizeof twin, .name = "echo_job", .fn = NULL };
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.workers = 1), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(NULL)), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &echo_job)), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&twin)), &pool), OX_EINVAL);
	const ox_job odd[] = {
		{ .size = sizeof twin, .name = "a", .fn = echo_job.fn, .retry_on = 1u << 9 },
		{ .size = sizeof twin, .name = "b", .fn = echo_job.fn, .retry_delay = -1 },
		{ .size = sizeof twin, .name = "c", .fn = echo_job.fn, .retry_max = -1 },
		{ .size = sizeof twin, .name = "d", .fn = echo_job.fn, .timeout = -1 },
		{ .size = sizeof twin, .name = "e", .fn = echo_job.fn, .grace = -1 },
	};
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&odd[i])), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .ageing = -1), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .interval = -1), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(NULL, &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_close(NULL), 0);
}
END_TEST

START_TEST(a_job_in_a_library_loaded_after_the_spawner_was_forked_is_unknown)
{
	void *library = dlopen("libxml2.so.2", RTLD_NOW);
	if (library == NULL)
		SKIP("no libxml2.so.2");
	ox_job late = { .size = sizeof late, .name = "late", .fn = (ox_job_fn *)(uintptr_t)dlsym(library, "xmlInitParser") };
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &late), .workers = 1), &pool), OX_ENOJOB);
	dlclose(library);
}
END_TEST

static int submit_wrongly(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	EXPECT_EQ(ox_future_status(ox_submit(g, pool, &sleep_job, NULL, 0)), OX_ENOJOB);
	EXPECT_EQ(ox_future_status(ox_submit(NULL, pool, &echo_job, NULL, 0)), OX_ENOMEM);
	EXPECT_EQ(ox_future_status(ox_submit(g, NULL, &echo_job, NULL, 0)), OX_ENOMEM);
	EXPECT_EQ(ox_future_status(ox_submit(g, pool, NULL, NULL, 0)), OX_EINVAL);
	EXPECT_EQ(ox_future_status(ox_submit(g, pool, &echo_job, NULL, 3)), OX_EINVAL);
	EXPECT_EQ(ox_call(pool, &sleep_job, NULL, 0, NULL), OX_ENOJOB);
	EXPECT_EQ(stats_of(pool).submitted, 0);
	return 0;
}

static int submit_with_wrong_options(void *arg)
{
	static const ox_submit_options no_size;
	ox_future *f = NULL;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	EXPECT_EQ(ox_future_status(ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(.priority = 4))), OX_EINVAL);
	EXPECT_EQ(ox_future_status(ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(.priority = -4))), OX_EINVAL);
	EXPECT_EQ(ox_future_status(ox_submit_with(g, pool, &echo_job, NULL, 0, &no_size)), OX_EINVAL);
	EXPECT_EQ(ox_try_submit(g, pool, &sleep_job, NULL, 0, NULL, &f), OX_ENOJOB);
	EXPECT_EQ(ox_try_submit(NULL, pool, &echo_job, NULL, 0, NULL, &f), OX_ENOMEM);
	EXPECT_EQ(ox_try_submit(g, NULL, &echo_job, NULL, 0, NULL, &f), OX_ENOMEM);
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 3, NULL, &f), OX_EINVAL);
	ox_group_cancel(g);
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 0, NULL, &f), OX_ECANCELED);
	EXPECT(f == NULL);
	EXPECT_EQ(stats_of(pool).submitted, 0);
	return 0;
}

START_TEST(options_that_make_no_sense_are_refused)
{
	ox_future *f = NULL;
	with_pool(submit_with_wrong_options, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1));
	ck_assert_int_eq(ox_try_submit(NULL, NULL, &echo_job, NULL, 0, NULL, &f), OX_ESTATE);
}
END_TEST

/* The first failure; what was taken is ended with the group. */
static int submit_each_way(void *arg)
{
	static const char data[200];
	ox_future *f;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	if (g == NULL)
		return OX_ENOMEM;
	int r = ox_await(ox_submit_with(g, pool, &echo_job, data, sizeof data, OX_SUBMIT_OPTIONS(.priority = -1)));
	if (r == 0)
		r = ox_try_submit(g, pool, &echo_job, data, 3, NULL, &f);
	return r == 0 ? ox_await(f) : r;
}

START_TEST(submitting_fails_cleanly_without_memory)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	run_real(submit_each_way, NULL);        /* the worker is there */
	fails_cleanly_real(submit_each_way, NULL);
	close_pool(pool);
}
END_TEST

START_TEST(what_cannot_be_submitted_is_a_failed_future)
{
	with_pool(submit_wrongly, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1));
}
END_TEST

START_TEST(a_pool_serves_one_loop_after_the_other)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2), &pool), 0);
	for (int i = 0; i < 3; i++)
		run_real(call_echo, NULL);
	close_pool(pool);
}
END_TEST

START_TEST(a_pool_that_was_never_used_closes)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job)), &pool), 0);
	close_pool(pool);
}
END_TEST

static int open_inside(void *arg)
{
	(void)arg;
	OX_AUTO_POOL *a = NULL, *b = NULL;
	EXPECT_EQ(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &a), 0);
	EXPECT_EQ(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &b), 0);
	EXPECT_EQ(ox_call(a, &echo_job, "a", 1, NULL), 0);
	EXPECT_EQ(ox_call(b, &echo_job, "b", 1, NULL), 0);
	return 0;
}

START_TEST(pools_open_and_close_inside_a_loop)
{
	run_real(open_inside, NULL);
}
END_TEST

static int close_busy(void *arg)
{
	int ms = 100;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *stuck = ox_submit(g, pool, &endless_job, NULL, 0);
	ox_future *ending = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(2);
	ox_future *queued = ox_submit(g, pool, &endless_job, NULL, 0);
	ox_time start = ox_now();
	close_pool(pool);
	EXPECT(ox_now() - start < OX_SEC(under_sanitizer || under_valgrind() ? 10 : 2));
	EXPECT_EQ(ox_future_status(queued), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(stuck), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(ending), 100);
	return 0;
}

START_TEST(closing_a_busy_pool_ends_every_job)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&endless_job, &sleep_job), .workers = 2), &pool), 0);
	run_real(close_busy, NULL);
}
END_TEST

static int drain_pool(void *arg)
{
	int ms = 20;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 4; i++)
		ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	EXPECT_EQ(ox_pool_drain(pool), 0);
	EXPECT_EQ(stats_of(pool).done, 4);
	EXPECT_EQ(ox_call(pool, &sleep_job, &ms, sizeof ms, NULL), 20);
	return 0;
}

START_TEST(draining_waits_for_every_job)
{
	with_pool(drain_pool, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 2));
}
END_TEST

static int flag;

static int init_flag(void *arg)
{
	flag = *(int *)arg;
	return 0;
}

static int read_flag(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	return flag;
}
static OX_JOB(flag_job, read_flag);

static int call_flag(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_call(pool, &flag_job, NULL, 0, NULL), 42);
	return 0;
}

START_TEST(worker_init_runs_first_in_each_worker)
{
	static int value = 42;
	with_pool(call_flag, POOL_OPTIONS(.jobs = OX_JOBS(&flag_job), .workers = 1, .worker_init = init_flag, .worker_arg = &value));
	ck_assert_int_eq(flag, 0);
}
END_TEST

START_TEST(the_default_number_of_workers_is_what_affinity_and_quota_allow)
{
	unsigned n = ox_cpu_count();
	ck_assert_uint_ge(n, 1);
	ck_assert_uint_le(n, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, NULL);
	Suite *s = suite_create("pool");
	TCase *c = new_pool_case(s, "calls", 30);
	tcase_add_test(c, a_call_returns_what_the_job_replied);
	tcase_add_test(c, a_status_passes_through_unchanged_and_is_told_from_the_pools_own);
	tcase_add_test(c, a_failure_that_nobody_asks_for_is_reported_with_the_jobs_name);
	tcase_add_test(c, payloads_of_all_sizes_come_back_as_they_went);
	tcase_add_test(c, a_reply_grows_by_small_writes_and_can_be_cut);
	tcase_add_test(c, f30_a_result_over_its_limit_fails_its_job_and_the_worker_stays);
	c = new_pool_case(s, "memory", 30);
	tcase_add_test(c, a_blob_and_a_result_become_inputs_where_they_lie);
	tcase_add_test(c, a_job_that_writes_to_shared_input_crashes_alone);
	tcase_add_test(c, results_outlive_the_pool);
	tcase_add_test(c, f25_64_mib_payloads_do_not_depend_on_dev_shm);
	c = new_pool_case(s, "many", 60);
	tcase_add_test(c, a_stream_of_jobs_through_a_small_window_gives_each_result_once);
	tcase_add_test(c, f26_a_million_queued_jobs_take_200_bytes_each_and_no_turn_5_ms);
	tcase_add_test(c, submit_waits_while_max_pending_jobs_are_under_way);
	tcase_add_test(c, submit_waits_while_max_pending_bytes_are_under_way);
	tcase_add_test(c, trying_to_submit_says_busy_instead_of_waiting);
	tcase_add_test(c, waiting_jobs_begin_by_priority);
	tcase_add_test(c, a_pool_with_an_interval_begins_jobs_at_that_rate);
	tcase_add_test(c, a_submitter_that_is_cancelled_while_it_waits_has_submitted_nothing);
	c = new_pool_case(s, "map", 30);
	tcase_add_test(c, a_map_is_lazy_and_bounded_in_order_or_not);
	tcase_add_test(c, a_map_gives_the_results_before_its_inputs_error);
	tcase_add_test(c, each_allocation_of_a_map_may_fail);
	tcase_add_test(c, a_map_cannot_be_wider_than_memory);
	c = new_pool_case(s, "cancel", 60);
	tcase_add_test(c, f07_a_job_that_blocks_all_signals_is_killed_at_its_timeout);
	tcase_add_test(c, a_job_with_grace_is_told_to_end_before_it_is_killed);
	tcase_add_test(c, cancelling_removes_a_queued_job_and_kills_the_worker_of_a_running_one);
	tcase_add_test(c, a_deadline_around_a_call_kills_the_work);
	tcase_add_test(c, f27_jobs_cancelled_at_random_end_exactly_once_each);
	c = new_pool_case(s, "open and close", 30);
	tcase_add_test(c, opening_refuses_what_makes_no_sense);
	tcase_add_test(c, a_job_in_a_library_loaded_after_the_spawner_was_forked_is_unknown);
	tcase_add_test(c, what_cannot_be_submitted_is_a_failed_future);
	tcase_add_test(c, options_that_make_no_sense_are_refused);
	tcase_add_test(c, submitting_fails_cleanly_without_memory);
	tcase_add_test(c, a_pool_serves_one_loop_after_the_other);
	tcase_add_test(c, a_pool_that_was_never_used_closes);
	tcase_add_test(c, pools_open_and_close_inside_a_loop);
	tcase_add_test(c, closing_a_busy_pool_ends_every_job);
	tcase_add_test(c, draining_waits_for_every_job);
	tcase_add_test(c, worker_init_runs_first_in_each_worker);
	tcase_add_test(c, the_default_number_of_workers_is_what_affinity_and_quota_allow);
	return run_suite(s);
}
