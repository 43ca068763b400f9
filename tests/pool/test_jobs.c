/* SPDX-License-Identifier: MIT */
/* What a job may be submitted with: deadlines, keys, jobs that come after others, work that is shared. With real workers. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool/parent.h"
#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	ck_assert_uint_eq(pool->same.count, 0);
	close_pool(pool);
}

static ox_group *collect(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

/* ---- jobs ---- */

/* Runs until it is told to end, or for ever. */
static int endless(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	atomic_fetch_add(begun, 1);
	while (!ox_job_cancelled(out))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	return 7;
}
static OX_JOB(polite_job, endless, .grace = OX_SEC(100));

static int deaf(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	atomic_fetch_add(begun, 1);
	while (atomic_load(begun) > 0)
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
	return 0;
}
static OX_JOB(deaf_job, deaf, .grace = OX_MS(20));

/* Replies its deadline, and when it began. */
static int tell_deadline(const void *in, size_t len, ox_reply *out)
{
	struct timespec t;
	(void)in, (void)len;
	clock_gettime(CLOCK_MONOTONIC, &t);
	ox_time times[2] = { ox_job_deadline(out), OX_SEC(t.tv_sec) + t.tv_nsec };
	return ox_reply_write(out, times, sizeof times);
}
static OX_JOB(deadline_job, tell_deadline);
static OX_JOB(deadline_timeout_job, tell_deadline, .timeout = OX_SEC(10));

static int status(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	return *(const int *)in;
}
static OX_JOB(status_job, status);

/* Replies so many bytes of one letter, after a while. */
struct piece {
	size_t len;
	int ms;
	char letter;
};

static int make(const void *in, size_t len, ox_reply *out)
{
	const struct piece *p = in;
	void *at = ox_reply_reserve(out, p->len);
	(void)len;
	atomic_fetch_add(begun, 1);
	nanosleep(&(struct timespec){ p->ms / 1000, p->ms % 1000 * 1000000L }, NULL);
	if (at != NULL)
		memset(at, p->letter, p->len);
	return (int)p->letter;
}
static OX_JOB(make_job, make);

/* Replies of each dependency: status, length, where it lies, first and last byte. */
struct seen {
	int status;
	size_t len;
	const void *at;
	char first, last;
};

static int look(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b;
	(void)in;
	for (size_t i = 0; i < ox_job_dependencies(out); i++) {
		struct seen s = { .status = ox_job_dependency(out, i, &b) };
		s.len = b.len;
		s.at = b.data;
		if (b.len > 0) {
			s.first = ((const char *)b.data)[0];
			s.last = ((const char *)b.data)[b.len - 1];
		}
		ox_reply_write(out, &s, sizeof s);
	}
	if (ox_job_dependency(out, ox_job_dependencies(out), &b) != OX_EINVAL)
		return -1;
	return (int)len;
}
static OX_JOB(look_job, look);

/* Crashes once, then looks. */
static int crash_once(const void *in, size_t len, ox_reply *out)
{
	if (atomic_fetch_add(begun, 1) == 1)
		abort();
	return look(in, len, out);
}
static OX_JOB(crash_once_job, crash_once, .retries = 1);

#define ALL_JOBS OX_JOBS(&polite_job, &deaf_job, &deadline_job, &deadline_timeout_job, &status_job, &make_job, \
                         &look_job, &crash_once_job, &echo_job, &sleep_job, &segv_job, &pid_job)

static ox_future *submit_piece(ox_group *g, size_t len, int ms, char letter)
{
	return ox_submit(g, pool, &make_job, &(struct piece){ len, ms, letter }, sizeof(struct piece));
}

/* ---- deadlines ---- */

static int run_into_deadlines(void *arg)
{
	ox_scope s;
	ox_future *f[3];
	(void)arg;
	ox_scope_enter(&s, OX_SEC(1000));
	ox_group *g = collect();
	f[0] = ox_submit(g, pool, &polite_job, NULL, 0);
	f[1] = ox_submit(g, pool, &deaf_job, NULL, 0);
	for (int i = 0; i < 2; i++)
		await_begun(i + 1);
	f[2] = ox_submit(g, pool, &deaf_job, NULL, 0);
	EXPECT_EQ(ox_scope_reschedule(&s, ox_now()), 0);
	EXPECT_EQ(ox_group_join(g), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(f[0]), 7);           /* was told, and ended by itself */
	EXPECT_EQ(ox_future_origin(f[0]), OX_ORIGIN_JOB);
	EXPECT_EQ(ox_future_status(f[1]), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(f[1]), OX_ORIGIN_CANCEL);
	EXPECT(ox_future_crash(f[1]) != NULL);          /* was killed */
	EXPECT_EQ(ox_future_status(f[2]), OX_ECANCELED);
	EXPECT(ox_future_crash(f[2]) == NULL);
	EXPECT_EQ(atomic_load(begun), 2);
	ox_group_close(g);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	return 0;
}

START_TEST(a_deadline_ends_a_job_wherever_it_is)
{
	with_pool(run_into_deadlines, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

/* Has the deadline pass once a job has begun. */
static int end_scope(void *arg)
{
	await_begun(1);
	return ox_scope_reschedule(arg, ox_now());
}

static int call_within(ox_group *g, const ox_job *job)
{
	ox_scope s;
	atomic_store(begun, 0);
	ox_scope_enter(&s, OX_SEC(1000));
	ox_spawn(g, end_scope, &s);
	int r = ox_call(pool, job, NULL, 0, NULL);
	return ox_scope_leave(&s, r);
}

static int call_into_deadline(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(call_within(g, &deaf_job), OX_ETIMEDOUT);
	EXPECT_EQ(call_within(g, &polite_job), 7);
	return ox_group_join(g);
}

START_TEST(a_deadline_ends_a_call)
{
	with_pool(call_into_deadline, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

static ox_time told_deadline(const ox_job *job, ox_time timeout, ox_time *ret_began)
{
	ox_group *g = collect();
	ox_future *f = ox_submit_with(g, pool, job, NULL, 0, OX_SUBMIT_OPTIONS(.timeout = timeout));
	EXPECT_EQ(ox_await(f), 0);
	size_t len = 0;
	const ox_time *times = ox_future_value(f, &len);
	EXPECT_EQ(len, 2 * sizeof *times);
	ox_time at = times[0];
	*ret_began = times[1];
	ox_group_close(g);
	return at;
}

static int ask_deadlines(void *arg)
{
	ox_time began, at;
	ox_scope s;
	OX_AUTO_RESULT *res = NULL;
	(void)arg;
	EXPECT_EQ(told_deadline(&deadline_job, 0, &began), OX_NEVER);
	at = told_deadline(&deadline_timeout_job, 0, &began);
	EXPECT(at <= began + OX_SEC(10) && at > began + OX_SEC(5));
	at = told_deadline(&deadline_job, OX_SEC(100), &began);
	EXPECT(at <= began + OX_SEC(100) && at > began + OX_SEC(50));
	EXPECT_EQ(told_deadline(&deadline_timeout_job, OX_NEVER, &began), OX_NEVER);
	ox_scope_enter(&s, OX_SEC(1000));
	EXPECT_EQ(told_deadline(&deadline_job, 0, &began), ox_scope_deadline(&s));
	EXPECT_EQ(told_deadline(&deadline_timeout_job, OX_NEVER, &began), ox_scope_deadline(&s));
	EXPECT_EQ(ox_call(pool, &deadline_job, NULL, 0, &res), 0);
	EXPECT_EQ(*(const ox_time *)ox_result_bytes(res).data, ox_scope_deadline(&s));
	at = told_deadline(&deadline_timeout_job, 0, &began);
	EXPECT(at <= began + OX_SEC(10) && at > began + OX_SEC(5));
	ox_scope inner;
	ox_scope_shield(&inner, OX_NEVER);
	EXPECT_EQ(told_deadline(&deadline_job, 0, &began), OX_NEVER);
	EXPECT_EQ(ox_scope_leave(&inner, 0), 0);
	return ox_scope_leave(&s, 0);
}

START_TEST(a_job_sees_the_nearer_of_its_timeout_and_its_submitters_deadline)
{
	with_pool(ask_deadlines, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int override_timeouts(void *arg)
{
	int ms = 50;
	(void)arg;
	ox_group *g = collect();
	ox_future *f = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(.timeout = OX_MS(30)));
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	EXPECT(ox_future_run_time(f) == 0);
	f = ox_submit_with(g, pool, &sleep_job, &ms, sizeof ms, OX_SUBMIT_OPTIONS(.timeout = OX_SEC(100)));
	EXPECT_EQ(ox_await(f), 50);
	f = ox_submit_with(g, pool, &sleep_job, &ms, sizeof ms, OX_SUBMIT_OPTIONS(.timeout = -1));
	EXPECT_EQ(ox_await(f), OX_EINVAL);
	ox_group_close(g);
	return 0;
}

START_TEST(a_timeout_of_the_submit_replaces_the_jobs)
{
	with_pool(override_timeouts, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

/* The loop is held up past the deadline, so that it is the worker, or the dispatcher, who sees it first. */
static int submit_too_late(void *arg)
{
	ox_scope s;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	for (int held = 0; held < 2; held++) {
		ox_scope_enter(&s, OX_MS(30));
		ox_group *g = collect();
		ox_future *f = NULL, *moved;
		if (held == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 40000000 }, NULL);
		EXPECT_EQ(ox_try_submit(g, pool, &deaf_job, NULL, 0, NULL, &f), 0);
		if (held == 1) {
			ox_yield();
			nanosleep(&(struct timespec){ .tv_nsec = 40000000 }, NULL);
		}
		moved = f;
		EXPECT_EQ(ox_await(moved), OX_ECANCELED);
		EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CANCEL);
		ox_group_close(g);
		EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	}
	return 0;
}

START_TEST(a_job_submitted_too_late_never_begins)
{
	with_pool(submit_too_late, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
	ck_assert_int_le(atomic_load(begun), 1);        /* the second may have come in time */
}
END_TEST

static int move_deadline(void *arg)
{
	int ms = 60;
	ox_scope s;
	(void)arg;
	ox_scope_enter(&s, OX_MS(40));
	ox_group *g = collect();
	ox_future *before = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *f = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	EXPECT_EQ(ox_scope_reschedule(&s, ox_now() + OX_SEC(100)), 0);
	EXPECT_EQ(ox_await(before), 60);
	EXPECT_EQ(ox_await(f), 60);
	ox_group_close(g);
	return ox_scope_leave(&s, 0);
}

START_TEST(a_deadline_that_was_moved_is_the_one_that_counts)
{
	with_pool(move_deadline, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

static int virtual_deadline(void *arg)
{
	ox_scope s;
	ox_time began;
	(void)arg;
	ox_scope_enter(&s, OX_SEC(5));
	EXPECT_EQ(told_deadline(&deadline_job, 0, &began), OX_NEVER);
	return ox_scope_leave(&s, 0);
}

START_TEST(workers_know_nothing_of_virtual_time)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1), &pool), 0);
	run_virtual(virtual_deadline, NULL);
	close_pool(pool);
}
END_TEST

/* ---- keys ---- */

static int by_keys(void *arg)
{
	int ms = 5;
	(void)arg;
	ox_group *g = collect();
	ox_future *f[42];
	for (int i = 0; i < 42; i++)    /* the first of each key runs until it is told to end */
		f[i] = ox_submit_with(g, pool, i < 2 ? &polite_job : &sleep_job, &ms, sizeof ms,
		                      OX_SUBMIT_OPTIONS(.key = { i % 2 == 0 ? "even" : "odd", i % 2 == 0 ? 4 : 3 }));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(ox_await(ox_submit(g, pool, &echo_job, NULL, 0)), 0);         /* passes them */
	await_begun(2);
	for (int i = 0; i < 42; i++)
		EXPECT_EQ(ox_future_status(f[i]), OX_EBUSY);
	EXPECT_EQ(atomic_load(begun), 2);
	ox_future_cancel(f[0]);
	ox_future_cancel(f[1]);
	while (ox_group_pending(g) > 0) {
		EXPECT(stats_of(pool).busy <= 2);
		ox_sleep(OX_MS(1));
	}
	for (int i = 2; i < 42; i++)
		EXPECT_EQ(ox_future_status(f[i]), 5);
	ox_group_close(g);
	return 0;
}

START_TEST(jobs_of_one_key_do_not_run_together)
{
	with_pool(by_keys, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 4));
}
END_TEST

static int cancel_by_key(void *arg)
{
	int ms = 5;
	(void)arg;
	ox_group *g = collect();
	ox_future *a = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	ox_future *b = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	ox_future *c = ox_submit_with(g, pool, &sleep_job, &ms, sizeof ms, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	await_begun(1);
	EXPECT(ox_future_cancel(b));
	EXPECT_EQ(ox_await(b), OX_ECANCELED);
	EXPECT(ox_future_cancel(a));
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(ox_await(c), 5);
	EXPECT_EQ(ox_await(ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { NULL, 1 }))), OX_EINVAL);
	ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	await_begun(3);
	ox_group_close(g);              /* cancels both */
	return 0;
}

START_TEST(a_place_of_a_key_is_given_on_when_a_job_is_cancelled)
{
	with_pool(cancel_by_key, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

/* ---- after others ---- */

static const struct seen *seen_by(ox_future *f, size_t n)
{
	size_t len = 0;
	EXPECT_EQ(ox_await(f), 2);
	const void *value = ox_future_value(f, &len);
	EXPECT_EQ(len, n * sizeof(struct seen));
	return len == n * sizeof(struct seen) ? value : NULL;
}

static int gather_results(void *arg)
{
	static const size_t sizes[] = { 0, 5, 4096, 5000, OX_MIB(3) };
	enum { N = sizeof sizes / sizeof *sizes };
	ox_future *f[N];
	(void)arg;
	for (int done = 0; done < 2; done++) {  /* when it is submitted, they are on their way, or done */
		ox_group *g = collect();
		for (int i = 0; i < N; i++)
			f[i] = submit_piece(g, sizes[i], 10, (char)('a' + i));
		if (done)
			EXPECT_EQ(ox_group_join(g), 0);
		ox_future *sum = ox_submit_with(g, pool, &look_job, "in", 2, OX_SUBMIT_OPTIONS(.after = f, .after_count = N));
		EXPECT_EQ(stats_of(pool).waiting, !done);
		const struct seen *s = seen_by(sum, N);
		for (int i = 0; s != NULL && i < N; i++) {
			EXPECT_EQ(s[i].status, 'a' + i);
			EXPECT_EQ(s[i].len, sizes[i]);
			if (sizes[i] > 0)
				EXPECT(s[i].first == 'a' + i && s[i].last == 'a' + i);
			if (sizes[i] > OX_KIB(4))
				EXPECT(s[i].at == ox_future_value(f[i], NULL));         /* as it lies */
		}
		EXPECT_EQ(stats_of(pool).waiting, 0);
		ox_group_close(g);
	}
	return 0;
}

START_TEST(a_job_gets_the_results_of_those_it_comes_after_as_they_lie)
{
	with_pool(gather_results, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

/* The group of the first ones is closed, and their memory used again, before the last one is sent. */
static int outlive(void *arg)
{
	ox_future *f[2];
	(void)arg;
	ox_group *outer = collect(), *g = collect();
	f[0] = submit_piece(g, 100, 0, 'x');
	f[1] = submit_piece(g, 10000, 0, 'y');
	ox_future *blocker = ox_submit_with(outer, pool, &polite_job, NULL, 0, OX_SUBMIT_OPTIONS(.key = { "k", 1 }));
	ox_future *last = ox_submit_with(outer, pool, &look_job, "in", 2, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(f[0], f[1]), .key = { "k", 1 }));
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	for (int i = 0; i < 50; i++)
		EXPECT_EQ(ox_call(pool, &make_job, &(struct piece){ 10000, 0, 'z' }, sizeof(struct piece), NULL), 'z');
	EXPECT_EQ(ox_future_status(last), OX_EBUSY);
	ox_future_cancel(blocker);
	const struct seen *s = seen_by(last, 2);
	EXPECT(s != NULL && s[0].first == 'x' && s[0].last == 'x' && s[1].first == 'y' && s[1].last == 'y');
	ox_group_close(outer);
	return 0;
}

START_TEST(results_outlive_their_futures)
{
	with_pool(outlive, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int chain(void *arg)
{
	enum { N = 3000 };
	int zero = 0;
	(void)arg;
	ox_group *g = collect();
	ox_future *f = submit_piece(g, 10, 20, 'c');
	for (int i = 0; i < N; i++)     /* more than max_pending, and each waits for the one before */
		f = ox_submit_with(g, pool, &status_job, &zero, sizeof zero, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(f)));
	EXPECT_EQ(ox_await(f), 0);
	ox_group_close(g);
	return 0;
}

START_TEST(a_chain_longer_than_the_pool_lets_in_comes_to_its_end)
{
	with_pool(chain, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2, .max_pending = 100));
}
END_TEST

static int many_to_one(void *arg)
{
	enum { N = 2000 };
	static ox_future *f[N];
	(void)arg;
	ox_group *g = collect();
	for (int i = 0; i < N; i++)
		f[i] = submit_piece(g, 100, 0, (char)('a' + i % 26));
	ox_future *sum = ox_submit_with(g, pool, &look_job, "in", 2, OX_SUBMIT_OPTIONS(.after = f, .after_count = N));
	const struct seen *s = seen_by(sum, N);
	for (int i = 0; s != NULL && i < N; i++)
		EXPECT(s[i].last == 'a' + i % 26);
	ox_group_close(g);
	return 0;
}

START_TEST(a_job_may_come_after_thousands)
{
	with_pool(many_to_one, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int fail_first(void *arg)
{
	int bad = -EIO;
	(void)arg;
	ox_group *g = collect();
	ox_future *fails = ox_submit(g, pool, &status_job, &bad, sizeof bad);
	ox_future *slow = ox_submit(g, pool, &polite_job, NULL, 0);
	ox_future *after = ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(slow, fails)));
	ox_future *next = ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(after)));
	EXPECT_EQ(ox_await(after), OX_EDEPENDENCY);     /* waits for no more than the first failure */
	EXPECT_EQ(ox_future_origin(after), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_await(next), OX_EDEPENDENCY);
	EXPECT_EQ(ox_future_status(slow), OX_EBUSY);
	EXPECT_EQ(ox_await(ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(fails)))), OX_EDEPENDENCY);
	EXPECT_EQ(ox_await(ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(NULL)))), OX_EDEPENDENCY);

	ox_future *waits = ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(slow, next), .after_any = true));
	ox_future *crash = ox_submit(g, pool, &segv_job, NULL, 0);
	ox_future *any = ox_submit_with(g, pool, &look_job, "in", 2,
	                                OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(fails, crash, NULL), .after_any = true));
	const struct seen *s = seen_by(any, 3);
	EXPECT(s != NULL && s[0].status == -EIO && s[1].status == OX_ECRASHED && s[2].status == OX_ENOMEM && s[1].len == 0);
	ox_future_cancel(slow);
	EXPECT_EQ(ox_await(waits), 0);
	ox_group_close(g);
	return 0;
}

START_TEST(a_failure_fails_what_comes_after_it_unless_that_wants_any_end)
{
	with_pool(fail_first, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int fail_in_a_group(void *arg)
{
	int bad = -EIO;
	(void)arg;
	ox_group *g = ox_group_open();
	ox_future *fails = ox_submit(g, pool, &status_job, &bad, sizeof bad);
	ox_future *after = ox_submit_with(g, pool, &look_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(fails)));
	EXPECT_EQ(ox_group_join(g), -EIO);              /* and not that another one could not begin */
	EXPECT_EQ(ox_group_error(g, 1), 0);
	EXPECT_EQ(ox_future_status(after), OX_ECANCELED);
	ox_group_close(g);
	return 0;
}

START_TEST(the_failure_of_a_group_is_the_first_one)
{
	with_pool(fail_in_a_group, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

static int cancel_each_state(void *arg)
{
	(void)arg;
	ox_group *g = collect();
	ox_future *first = ox_submit(g, pool, &polite_job, NULL, 0);
	await_begun(1);
	ox_future *after = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(first), .key = { "k", 1 }));
	EXPECT(ox_future_cancel(after));                /* waits */
	EXPECT_EQ(ox_future_status(after), OX_ECANCELED);
	EXPECT_EQ(stats_of(pool).waiting, 0);
	after = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(first)));
	ox_future *with = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(after)));
	ox_future_cancel(after);
	EXPECT_EQ(ox_await(with), OX_ECANCELED);        /* its dependency was cancelled */
	after = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(first)));
	ox_future_cancel(first);
	EXPECT_EQ(ox_await(first), 7);                  /* with a result, after all */
	await_begun(2);
	EXPECT(ox_future_cancel(after));                /* runs */
	EXPECT_EQ(ox_await(after), OX_ECANCELED);

	ox_future *queued = ox_submit(g, pool, &polite_job, NULL, 0);
	await_begun(3);
	ox_future *quick = ox_submit(g, pool, &echo_job, NULL, 0);
	after = ox_submit_with(g, pool, &deaf_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(quick), .priority = -3));
	ox_future_cancel(quick);
	EXPECT(ox_future_cancel(after));                /* ripe */
	EXPECT_EQ(ox_future_status(after), OX_ECANCELED);
	ox_future_cancel(queued);
	ox_group_close(g);
	return 0;
}

START_TEST(what_comes_after_can_be_cancelled_in_each_state)
{
	with_pool(cancel_each_state, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

struct late_submit {
	ox_group *group;
	ox_future *first;
	bool done;
};

static int submit_after(void *arg)
{
	struct late_submit *s = arg;
	ox_future *f = ox_submit_with(s->group, pool, &look_job, "in", 2, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(s->first)));
	s->done = true;
	if (ox_future_done(f) && ox_future_status(f) < 0)
		return ox_future_status(f);
	const struct seen *seen = seen_by(f, 1);
	EXPECT(seen != NULL && seen->last == 'w' && seen->len == 7000);
	return 0;
}

/* The pool is full; when it has room, the future that is to be waited for has been freed. */
static int wait_to_be_let_in(void *arg)
{
	(void)arg;
	ox_group *g = collect(), *reaping = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true));
	struct late_submit s = { .group = g, .first = submit_piece(reaping, 7000, 20, 'w') };
	ox_future *task = ox_spawn(g, submit_after, &s);
	ox_yield();
	EXPECT(!s.done);
	EXPECT_EQ(ox_await(task), 0);

	ox_future *blocker = ox_submit(g, pool, &polite_job, NULL, 0);
	struct late_submit t = { .group = g, .first = blocker };
	task = ox_spawn(g, submit_after, &t);
	ox_yield();
	ox_future_cancel(task);
	EXPECT_EQ(ox_await(task), OX_ECANCELED);
	ox_future_cancel(blocker);
	ox_group_close(reaping);
	ox_group_close(g);
	return 0;
}

START_TEST(who_waits_to_be_let_in_has_taken_note_of_the_futures)
{
	with_pool(wait_to_be_let_in, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1, .max_pending = 1));
}
END_TEST

static int a_task(void *arg)
{
	(void)arg;
	return 0;
}

static int refuse(void *arg)
{
	ox_pool *other;
	ox_future *f;
	(void)arg;
	ox_group *g = collect();
	ox_future *task = ox_spawn(g, a_task, NULL), *promise = ox_promise(g);
	EXPECT_EQ(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1), &other), 0);
	ox_future *elsewhere = ox_submit(g, other, &echo_job, NULL, 0);
	ox_future *refused[] = { task, promise, elsewhere };
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(refused[i])), &f), OX_EINVAL);
		EXPECT_EQ(ox_await(ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(refused[i])))), OX_EINVAL);
	}
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(.after_count = 1), &f), OX_EINVAL);
	EXPECT_EQ(ox_try_submit(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(.after = refused, .after_count = 70000), &f), OX_EINVAL);
	ox_promise_resolve(promise, 0, NULL, 0);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	EXPECT_EQ(ox_pool_close(other), 0);
	return 0;
}

START_TEST(only_jobs_of_the_pool_can_be_waited_for)
{
	with_pool(refuse, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

static int retry_after(void *arg)
{
	(void)arg;
	ox_group *g = collect();
	ox_future *first = submit_piece(g, 6000, 0, 'r');
	ox_future *f = ox_submit_with(g, pool, &crash_once_job, "in", 2, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(first), .key = { "k", 1 }));
	const struct seen *s = seen_by(f, 1);
	EXPECT(s != NULL && s->first == 'r' && s->last == 'r' && s->len == 6000);
	EXPECT_EQ(stats_of(pool).retried, 1);
	ox_group_close(g);
	return 0;
}

START_TEST(a_job_that_is_run_again_gets_the_results_again)
{
	with_pool(retry_after, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int close_below(void *arg)
{
	(void)arg;
	ox_group *g = collect();
	ox_future *first = ox_submit(g, pool, &deaf_job, NULL, 0);
	ox_future *after = ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(first), .key = { "k", 1 }));
	ox_future *next = ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(after)));
	ox_future *same = ox_submit_with(g, pool, &echo_job, NULL, 0, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(next), .same = { "s", 1 }));
	await_begun(1);
	close_pool(pool);
	EXPECT_EQ(ox_future_status(first), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(after), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(next), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(same), OX_ECLOSED);
	ox_group_close(g);
	return 0;
}

START_TEST(closing_the_pool_ends_what_waits)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1), &pool), 0);
	run_real(close_below, NULL);
}
END_TEST

/* ---- the same work ---- */

static ox_future *submit_same(ox_group *g, const ox_job *job, const char *key, const struct piece *p)
{
	return ox_submit_with(g, pool, job, p, sizeof *p, OX_SUBMIT_OPTIONS(.same = { key, strlen(key) }));
}

static int share(void *arg)
{
	enum { N = 10 };
	ox_future *f[N];
	const struct piece p = { OX_KIB(10), 20, 's' };
	(void)arg;
	ox_group *outer = collect(), *g = collect();
	for (int i = 0; i < N; i++)
		f[i] = submit_same(i == 7 ? outer : g, &make_job, "key", &p);
	ox_future *other = submit_same(g, &make_job, "kez", &p);
	ox_future *kind = submit_same(g, &status_job, "key", &p);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_await(f[7]), 's');
	EXPECT_EQ(ox_future_status(other), 's');
	EXPECT_EQ(ox_future_status(kind), OX_KIB(10));
	EXPECT_EQ(atomic_load(begun), 2);
	size_t len;
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_future_status(f[i]), 's');
		EXPECT_EQ(ox_future_origin(f[i]), OX_ORIGIN_JOB);
		EXPECT(ox_future_value(f[i], &len) == ox_future_value(f[0], NULL) && len == OX_KIB(10));        /* not copied */
		EXPECT(ox_future_run_time(f[i]) >= OX_MS(20));
	}
	EXPECT_EQ(stats_of(pool).shared, N - 1);
	EXPECT_EQ(stats_of(pool).done, N + 2);
	const char *value = ox_future_value(f[7], NULL);
	ox_group_close(g);
	EXPECT(value[0] == 's' && value[len - 1] == 's');       /* lives as long as one of them */
	EXPECT_EQ(ox_await(submit_same(outer, &make_job, "key", &p)), 's');     /* that was over: it is done again */
	EXPECT_EQ(atomic_load(begun), 3);
	ox_group_close(outer);
	return 0;
}

START_TEST(the_same_work_is_done_once_and_its_result_shared)
{
	with_pool(share, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int leave(void *arg)
{
	const struct piece p = { 10, 0, 'l' };
	ox_future *f[3];
	(void)arg;
	ox_group *g = collect();
	ox_future *blocker = ox_submit(g, pool, &polite_job, NULL, 0);
	await_begun(1);
	for (int i = 0; i < 3; i++)
		f[i] = ox_submit_with(g, pool, &make_job, &p, sizeof p, OX_SUBMIT_OPTIONS(.same = { "key", 3 }, OX_AFTER_JOBS(blocker)));
	EXPECT(ox_future_cancel(f[0]));
	EXPECT(!ox_future_cancel(f[0]));
	EXPECT_EQ(ox_future_status(f[0]), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(f[0]), OX_ORIGIN_CANCEL);
	EXPECT(ox_future_cancel(f[2]));
	ox_future_cancel(blocker);
	EXPECT_EQ(ox_await(f[1]), 'l');
	EXPECT(ox_future_crash(f[0]) == NULL && ox_future_run_time(f[0]) == 0);
	EXPECT_EQ(stats_of(pool).killed, 0);
	EXPECT_EQ(atomic_load(begun), 2);

	for (int i = 0; i < 2; i++)
		f[i] = submit_same(g, &deaf_job, "key", &p);
	await_begun(3);
	ox_future_cancel(f[0]);
	EXPECT(ox_future_cancel(f[1]));         /* the last one: the worker is killed */
	f[2] = submit_same(g, &deaf_job, "key", &p);
	await_begun(4);                         /* a new one does not end with it */
	EXPECT_EQ(ox_await(f[1]), OX_ECANCELED);
	EXPECT(ox_future_crash(f[1]) != NULL);
	EXPECT_EQ(ox_future_status(f[2]), OX_EBUSY);
	ox_group_close(g);
	EXPECT_EQ(stats_of(pool).killed, 2);
	EXPECT_EQ(stats_of(pool).cancelled, 5);         /* the blocker was told, and ended by itself */
	return 0;
}

START_TEST(shared_work_is_cancelled_when_nobody_wants_it_any_more)
{
	with_pool(leave, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int crash_shared(void *arg)
{
	const struct piece p = { 0 };
	ox_future *f[4];
	(void)arg;
	ox_group *g = collect(), *reaping = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true));
	for (int i = 0; i < 4; i++)
		f[i] = submit_same(i < 3 ? g : reaping, &segv_job, "key", &p);
	EXPECT_EQ(ox_group_join(reaping), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_future_status(f[i]), OX_ECRASHED);
		EXPECT_EQ(ox_future_origin(f[i]), OX_ORIGIN_CRASH);
		EXPECT(ox_future_crash(f[i]) != NULL && ox_future_crash(f[i])->signal == SIGSEGV);
	}
	EXPECT_EQ(stats_of(pool).crashed, 1);
	EXPECT_EQ(stats_of(pool).failed, 4);
	ox_group_close(reaping);
	ox_group_close(g);
	return 0;
}

START_TEST(a_crash_is_told_to_all_who_share)
{
	with_pool(crash_shared, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

static int fail_fast_shared(void *arg)
{
	const struct piece p = { 0 };
	(void)arg;
	ox_group *g = ox_group_open();
	for (int i = 0; i < 4; i++)
		submit_same(g, &segv_job, "key", &p);
	EXPECT_EQ(ox_group_join(g), OX_ECRASHED);
	ox_group_close(g);
	return 0;
}

START_TEST(sharers_of_one_group_fail_it_once)
{
	with_pool(fail_fast_shared, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

/* The nearest deadline ends one future; the work goes on until the last of them. */
static int share_deadlines(void *arg)
{
	const struct piece p = { 10, 0, 'd' };
	ox_scope s;
	(void)arg;
	ox_group *outer = collect();
	ox_future *blocker = ox_submit(outer, pool, &polite_job, NULL, 0);
	await_begun(1);
	ox_scope_enter(&s, OX_MS(50));
	ox_group *g = collect();
	ox_future *first = submit_same(g, &make_job, "key", &p);
	ox_future *second = submit_same(outer, &make_job, "key", &p);
	EXPECT_EQ(ox_await(first), OX_ECANCELED);
	ox_group_close(g);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	ox_future_cancel(blocker);
	EXPECT_EQ(ox_await(second), 'd');
	EXPECT_EQ(ox_await(blocker), 7);
	ox_group_close(outer);
	return 0;
}

START_TEST(shared_work_has_the_last_deadline_of_all)
{
	with_pool(share_deadlines, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1));
}
END_TEST

static int share_places(void *arg)
{
	const struct piece p = { 10, 0, 'p' };
	ox_future *f = NULL;
	(void)arg;
	ox_group *g = collect();
	ox_future *blocker = ox_submit(g, pool, &polite_job, NULL, 0);
	for (int i = 0; i < 3; i++)
		submit_same(g, &make_job, "key", &p);
	EXPECT_EQ(ox_try_submit(g, pool, &make_job, &p, sizeof p, OX_SUBMIT_OPTIONS(.same = { "key", 3 }), &f), OX_EBUSY);
	EXPECT_EQ(stats_of(pool).pending, 4);
	EXPECT_EQ(stats_of(pool).pending_bytes, sizeof p);
	ox_future_cancel(blocker);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(pool->pending + pool->pending_bytes, 0);
	ox_group_close(g);
	return 0;
}

START_TEST(who_shares_takes_a_place_too)
{
	with_pool(share_places, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1, .max_pending = 4));
}
END_TEST

static int after_shared(void *arg)
{
	const struct piece p = { 9000, 20, 'q' };
	(void)arg;
	ox_group *g = collect();
	ox_future *a = submit_same(g, &make_job, "key", &p), *b = submit_same(g, &make_job, "key", &p);
	ox_future *f = ox_submit_with(g, pool, &look_job, "in", 2, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(a, b)));
	const struct seen *s = seen_by(f, 2);
	EXPECT(s != NULL && s[0].at == s[1].at && s[0].last == 'q');
	ox_group_close(g);
	return 0;
}

START_TEST(a_job_may_come_after_shared_work)
{
	with_pool(after_shared, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 2));
}
END_TEST

/* ---- together ---- */

/* Everything at once; whatever was not cancelled must have ended well, and the sums be right. */
static int mixture(void *arg)
{
	enum { N = 600 };
	static ox_future *f[N];
	uint64_t seed = 42;
	(void)arg;
	ox_group *g = collect();
	for (int i = 0; i < N; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		unsigned x = (unsigned)(seed >> 33);
		struct piece p = { x % 7 == 0 ? 5000 : x % 50, 0, 'm' };
		char name = (char)('a' + x / 64 % 5);
		ox_submit_options o = { .size = sizeof o, .priority = (int)(x / 16 % 7) - 3 };
		if (x % 3 == 0)
			o.key = (ox_bytes){ &name, 1 };
		if (x % 4 == 0)
			o.same = (ox_bytes){ &name, 1 };
		if (x % 5 == 0 && i > 10) {
			o.after = &f[i - 10];
			o.after_count = x / 128 % 10;
			o.after_any = true;
		}
		f[i] = ox_submit_with(g, pool, x % 97 == 0 ? &segv_job : &make_job, &p, sizeof p, &o);
		if (x % 11 == 0)
			ox_future_cancel(f[i - (int)(x / 256 % 10 < (unsigned)i ? x / 256 % 10 : 0)]);
		if (x % 29 == 0)
			ox_yield();
	}
	EXPECT_EQ(ox_group_join(g), 0);
	for (int i = 0; i < N; i++) {
		int r = ox_future_status(f[i]);
		EXPECT(r == 'm' || r == OX_ECANCELED || r == OX_ECRASHED);
	}
	ox_group_close(g);
	EXPECT_EQ(pool->pending + pool->pending_bytes + pool->waiting_count, 0);
	return 0;
}

START_TEST(all_of_it_together_adds_up)
{
	with_pool(mixture, POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 3, .max_pending = 200));
}
END_TEST

/* ---- without memory ---- */

static int first_error(int a, int b)
{
	return a < 0 ? a : b < 0 ? b : 0;
}

static int short_of_memory(void *arg)
{
	const struct piece p = { 20, 0, 'n' };
	(void)arg;
	ox_group *g = collect();
	if (g == NULL)
		return OX_ENOMEM;
	ox_future *a = submit_piece(g, 100, 0, 'n');
	ox_future *b = ox_submit_with(g, pool, &make_job, &p, sizeof p, OX_SUBMIT_OPTIONS(OX_AFTER_JOBS(a), .key = { "k", 1 }));
	ox_future *c = submit_same(g, &make_job, "key", &p), *d = submit_same(g, &make_job, "key", &p);
	int r = first_error(first_error(ox_await(a), ox_await(b)), first_error(ox_await(c), ox_await(d)));
	ox_group_close(g);
	EXPECT_EQ(pool->pending + pool->pending_bytes + pool->waiting_count + pool->same.count, 0);
	return r == OX_EDEPENDENCY ? OX_ENOMEM : r;     /* of one that could not be made */
}

static int warm_up(void *arg)
{
	(void)arg;
	return ox_call(pool, &echo_job, NULL, 0, NULL);
}

START_TEST(each_allocation_may_fail)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = ALL_JOBS, .workers = 1), &pool), 0);
	run_real(warm_up, NULL);        /* the worker has its descriptors */
	fails_cleanly_real(short_of_memory, NULL);
	close_pool(pool);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = { { NULL, NULL } };

	pool_main(argc, argv, drivers);
	Suite *suite = suite_create("jobs");
	TCase *c = new_pool_case(suite, "deadlines", 60);
	tcase_add_test(c, a_deadline_ends_a_job_wherever_it_is);
	tcase_add_test(c, a_deadline_ends_a_call);
	tcase_add_test(c, a_job_sees_the_nearer_of_its_timeout_and_its_submitters_deadline);
	tcase_add_test(c, a_timeout_of_the_submit_replaces_the_jobs);
	tcase_add_test(c, a_job_submitted_too_late_never_begins);
	tcase_add_test(c, a_deadline_that_was_moved_is_the_one_that_counts);
	tcase_add_test(c, workers_know_nothing_of_virtual_time);
	c = new_pool_case(suite, "keys", 60);
	tcase_add_test(c, jobs_of_one_key_do_not_run_together);
	tcase_add_test(c, a_place_of_a_key_is_given_on_when_a_job_is_cancelled);
	c = new_pool_case(suite, "after", 60);
	tcase_add_test(c, a_job_gets_the_results_of_those_it_comes_after_as_they_lie);
	tcase_add_test(c, results_outlive_their_futures);
	tcase_add_test(c, a_chain_longer_than_the_pool_lets_in_comes_to_its_end);
	tcase_add_test(c, a_job_may_come_after_thousands);
	tcase_add_test(c, a_failure_fails_what_comes_after_it_unless_that_wants_any_end);
	tcase_add_test(c, the_failure_of_a_group_is_the_first_one);
	tcase_add_test(c, what_comes_after_can_be_cancelled_in_each_state);
	tcase_add_test(c, who_waits_to_be_let_in_has_taken_note_of_the_futures);
	tcase_add_test(c, only_jobs_of_the_pool_can_be_waited_for);
	tcase_add_test(c, a_job_that_is_run_again_gets_the_results_again);
	tcase_add_test(c, closing_the_pool_ends_what_waits);
	c = new_pool_case(suite, "same", 60);
	tcase_add_test(c, the_same_work_is_done_once_and_its_result_shared);
	tcase_add_test(c, shared_work_is_cancelled_when_nobody_wants_it_any_more);
	tcase_add_test(c, a_crash_is_told_to_all_who_share);
	tcase_add_test(c, sharers_of_one_group_fail_it_once);
	tcase_add_test(c, shared_work_has_the_last_deadline_of_all);
	tcase_add_test(c, who_shares_takes_a_place_too);
	tcase_add_test(c, a_job_may_come_after_shared_work);
	c = new_pool_case(suite, "together", 120);
	tcase_add_test(c, all_of_it_together_adds_up);
	tcase_add_test(c, each_allocation_may_fail);
	return run_suite(suite);
}
