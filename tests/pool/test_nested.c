/* SPDX-License-Identifier: MIT */
/* Jobs that call back into the main process, and jobs of jobs: no number of workers is too small, and nothing is left. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

/* ---- callbacks ---- */

static int running, most, ended_calls;

/* "n text": text n times. Ends with what sleep says, if that is not 0. */
static int repeat(void *arg, const void *in, size_t len, ox_answer *out)
{
	int n = *(const int *)in, r = 0;

	running++;
	most = running > most ? running : most;
	if (n < 0)
		r = ox_sleep(OX_MS(-n));
	for (int i = 0; i < n; i++)
		ox_answer_write(out, (const char *)in + sizeof n, len - sizeof n);
	running--;
	ended_calls++;
	return r < 0 ? r : *(int *)arg;
}
static OX_CALLBACK(repeat_call, repeat);
static OX_CALLBACK(limited_call, repeat, .limit = 2);
static int refuse(void *arg, const void *in, size_t len, ox_answer *out)
{
	(void)arg, (void)in, (void)len;
	ox_answer_write(out, "no", 2);
	return -EPERM;
}
static OX_CALLBACK(refuse_call, refuse);

static int nobody(void *arg, const void *in, size_t len, ox_answer *out)
{
	(void)arg, (void)in, (void)len, (void)out;
	return 0;
}
static OX_CALLBACK(unknown_call, nobody);

/* Passes its input on to the callback, twice, and what is answered the second time back. */
static int ask(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b;

	ox_reply_write(out, "<", 1);
	atomic_fetch_add(begun, 1);
	int r = ox_job_call(out, &repeat_call, in, len, NULL);
	if (r >= 0)
		r = ox_job_call(out, &repeat_call, in, len, &b);
	if (r >= 0)
		ox_reply_write(out, b.data, b.len);
	return r;
}
static OX_JOB(ask_job, ask);
static OX_JOB(patient_job, ask, .grace = OX_SEC(60));
static OX_JOB(hasty_job, ask, .timeout = OX_MS(20), .grace = OX_SEC(60));

static int ask_refused(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	if (ox_job_call(out, &unknown_call, NULL, 0, NULL) != OX_ENOJOB || ox_job_call(out, NULL, NULL, 0, NULL) != OX_ENOJOB)
		return 1;
	return ox_job_call(out, &refuse_call, NULL, 0, NULL);
}
static OX_JOB(refused_job, ask_refused);

static int call_back(void *arg)
{
	static const struct { int n; size_t len; } tries[] = { { 0, 0 }, { 1, 5 }, { 3, 1000 }, { 2, 3000 }, { 1, 100000 }, { 50, 100000 } };
	char *in = calloc(1, 100004);
	(void)arg;
	memset(in + 4, 'y', 100000);
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		OX_AUTO_RESULT *r = NULL;
		memcpy(in, &tries[i].n, 4);
		EXPECT_EQ(ox_call(pool, &ask_job, in, 4 + tries[i].len, &r), 42);
		ox_bytes b = ox_result_bytes(r);
		EXPECT_EQ(b.len, 1 + (size_t)tries[i].n * tries[i].len);
		EXPECT(b.len == 1 || (((const char *)b.data)[0] == '<' && ((const char *)b.data)[b.len - 1] == 'y'));
	}
	free(in);
	EXPECT_EQ(ox_call(pool, &refused_job, NULL, 0, NULL), -EPERM);
	return 0;
}

static int answer = 42;

#define CALLING(workers_, ...) \
	POOL_OPTIONS(.jobs = OX_JOBS(&ask_job, &patient_job, &hasty_job, &refused_job, &echo_job, &segv_job), .workers = (workers_), \
	             .calls = OX_CALLS(__VA_ARGS__), .call_arg = &answer)

START_TEST(a_job_calls_the_main_process_and_gets_an_answer)
{
	static const ox_callback unnamed = { .size = sizeof unnamed, .fn = refuse };

	with_pool(call_back, CALLING(1, &repeat_call, &refuse_call));
	ck_assert_int_eq(ox_pool_open(CALLING(1, &repeat_call, &limited_call), &pool), OX_EINVAL);
	ck_assert_int_eq(ox_pool_open(CALLING(1, &unnamed), &pool), OX_EINVAL);
}
END_TEST

static int call_at_once(void *arg)
{
	int ms = -30;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	most = 0;
	for (int i = 0; i < 8; i++)
		ox_submit(g, pool, &ask_job, &ms, sizeof ms);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(running, 0);
	return 0;
}

START_TEST(several_workers_call_at_the_same_time_up_to_the_limit)
{
	with_pool(call_at_once, CALLING(4, &repeat_call));
	ck_assert_int_eq(most, 4);
	with_pool(call_at_once, CALLING(4, &limited_call));
	ck_assert_int_eq(most, 2);
}
END_TEST

/* Each coroutine ends with its job, and before the group does. */
static int end_callers(void *arg)
{
	int long_time = -1000000, calls = 0;
	(void)arg;
	const ox_job *jobs[] = { &ask_job, &patient_job, &hasty_job, &ask_job, &ask_job };
	for (int i = 0; i < 5; i++) {
		OX_AUTO_GROUP *g = COLLECT;
		pid_t worker;
		ended_calls = 0;
		ox_future *f = ox_submit(g, pool, jobs[i], &long_time, sizeof long_time);
		while (running == 0)
			ox_sleep(OX_MS(1));
		if (i == 3 && find_processes(NULL, "oxbow-worker", &worker, 1) == 1)
			kill(worker, SIGKILL);
		else if (i == 4)
			ox_group_cancel(g);
		else if (i < 2)
			ox_future_cancel(f);
		EXPECT_EQ(ox_await(f), i == 3 ? OX_ECRASHED : OX_ECANCELED);
		EXPECT_EQ(running, 0);
		EXPECT_EQ(ended_calls, 1);
		calls++;
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 2);
	EXPECT_EQ(s.crashed, 1);
	return 0;
}

START_TEST(a_callback_ends_with_its_job_however_that_ends)
{
	with_pool(end_callers, CALLING(1, &repeat_call));
}
END_TEST

/* Two wait for the limit behind two that run. */
static int end_waiting(void *arg)
{
	int long_time = -1000000;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f[4];
	for (int i = 0; i < 4; i++)
		f[i] = ox_submit(g, pool, &patient_job, &long_time, sizeof long_time);
	await_begun(4);
	while (running < 2)
		ox_sleep(OX_MS(1));
	for (int i = 3; i >= 0; i--) {
		ox_future_cancel(f[i]);
		EXPECT_EQ(ox_await(f[i]), OX_ECANCELED);
	}
	EXPECT_EQ(running, 0);
	EXPECT_EQ(stats_of(pool).killed, 0);
	return 0;
}

START_TEST(a_call_that_waits_for_its_turn_is_given_up)
{
	with_pool(end_waiting, CALLING(4, &limited_call));
}
END_TEST

static int close_under_callers(void *arg)
{
	int long_time = -1000000;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f[2] = { ox_submit(g, pool, &ask_job, &long_time, sizeof long_time), ox_submit(g, pool, &ask_job, &long_time, sizeof long_time) };
	while (running < 2)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_pool_close(pool), 0);
	EXPECT_EQ(running, 0);
	EXPECT_EQ(ox_future_status(f[0]), OX_ECLOSED);
	EXPECT_EQ(ox_future_status(f[1]), OX_ECLOSED);
	return 0;
}

START_TEST(closing_the_pool_ends_callbacks)
{
	ck_assert_int_eq(ox_pool_open(CALLING(2, &repeat_call), &pool), 0);
	run_real(close_under_callers, NULL);
}
END_TEST

/* ---- jobs of jobs ---- */

static int fib(const void *in, size_t len, ox_reply *out);
static OX_JOB(fib_job, fib);

static int fib_of(ox_bytes b)
{
	return b.len == sizeof(int) ? *(const int *)b.data : -1000000;
}

static int fib(const void *in, size_t len, ox_reply *out)
{
	int n = *(const int *)in, result = n;
	(void)len;

	if (n >= 2) {
		uint64_t ticket;
		int less = n - 1, lesser = n - 2, r;
		ox_bytes b;
		if ((r = ox_job_submit(out, &fib_job, &less, sizeof less, &ticket)) < 0)
			return r;
		if ((r = ox_job_run(out, &fib_job, &lesser, sizeof lesser, &b)) < 0)
			return r;
		result = fib_of(b);
		if ((r = ox_job_await(out, ticket, &b)) < 0)
			return r;
		result += fib_of(b);
	}
	return ox_reply_write(out, &result, sizeof result);
}

static int compute(void *arg)
{
	int n = under_sanitizer ? 9 : 13;
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *small[10];
	for (int i = 0; i < 10; i++)
		small[i] = ox_submit(g, pool, &fib_job, &i, sizeof i);
	EXPECT_EQ(ox_call(pool, &fib_job, &n, sizeof n, &r), 0);
	EXPECT_EQ(fib_of(ox_result_bytes(r)), under_sanitizer ? 34 : 233);
	static const int fibs[] = { 0, 1, 1, 2, 3, 5, 8, 13, 21, 34 };
	for (int i = 0; i < 10; i++) {
		size_t len;
		EXPECT_EQ(ox_await(small[i]), 0);
		const void *value = ox_future_value(small[i], &len);
		EXPECT_EQ(fib_of((ox_bytes){ value, len }), fibs[i]);
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.pending, 0);
	EXPECT_EQ(s.done, s.submitted);
	EXPECT_EQ(s.crashed + s.killed + s.rejected, 0);
	return 0;
}

START_TEST(recursion_ends_with_any_number_of_workers)
{
	for (unsigned workers = 1; workers <= 3; workers++)
		with_pool(compute, POOL_OPTIONS(.jobs = OX_JOBS(&fib_job), .workers = workers));
	with_pool(compute, POOL_OPTIONS(.jobs = OX_JOBS(&fib_job), .workers = 2, .max_jobs = 20));
	with_pool(compute, POOL_OPTIONS(.jobs = OX_JOBS(&fib_job), .workers = 2, .output = OX_OUTPUT_CAPTURE));
}
END_TEST

static int descend(const void *in, size_t len, ox_reply *out);
static OX_JOB(descend_job, descend);

/* Its own depth, or what stops it. Says at the bottom how deep it is. */
static int descend(const void *in, size_t len, ox_reply *out)
{
	int n = *(const int *)in + 1;
	(void)len;
	int r = ox_job_run(out, &descend_job, &n, sizeof n, NULL);
	return r == OX_EDEPTH ? n : r;
}

static int reach_the_bottom(void *arg)
{
	int n = 0;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &descend_job, &n, sizeof n, NULL), 64);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.submitted, 65);
	EXPECT_EQ(s.done, 64);
	EXPECT_EQ(s.failed, 1);
	return 0;
}

START_TEST(jobs_stand_in_one_another_up_to_a_limit)
{
	with_pool(reach_the_bottom, POOL_OPTIONS(.jobs = OX_JOBS(&descend_job), .workers = 1));
	with_pool(reach_the_bottom, POOL_OPTIONS(.jobs = OX_JOBS(&descend_job), .workers = 2));
}
END_TEST

/* Sends a payload of so many bytes through two jobs of its own, one after the other, and parts of it up. */
static int relay(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b, again;
	int r = ox_job_run(out, &echo_job, in, len, &b);

	if (r < 0 || b.len != len || (len > 0 && memcmp(b.data, in, len) != 0))
		return r < 0 ? r : 1;
	ox_reply_write(out, b.data, b.len);
	r = ox_job_emit(out, b.data, b.len);
	if (r == 0)
		r = ox_job_run(out, &echo_job, "abc", 3, &again);
	return r < 0 || again.len != 3 ? r - 2 : 0;
}
static OX_JOB(relay_job, relay);

static int relay_sizes(void *arg)
{
	static const size_t sizes[] = { 0, 1, 4096, 4097, 100000, 5000000 };
	uint8_t *data = calloc(1, 5000000);
	(void)arg;
	memset(data, 'r', 5000000);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		OX_AUTO_GROUP *g = COLLECT;
		ox_bytes b;
		size_t len;
		ox_future *f = ox_submit(g, pool, &relay_job, data, sizes[i]);
		EXPECT_EQ(ox_emit_next(f, &b), 1);
		EXPECT_EQ(b.len, sizes[i]);
		EXPECT_EQ(ox_await(f), 0);
		ox_future_value(f, &len);
		EXPECT_EQ(len, sizes[i]);
	}
	free(data);
	return 0;
}

START_TEST(payloads_of_any_size_go_down_and_up)
{
	with_pool(relay_sizes, POOL_OPTIONS(.jobs = OX_JOBS(&relay_job, &echo_job), .workers = 1));
	with_pool(relay_sizes, POOL_OPTIONS(.jobs = OX_JOBS(&relay_job, &echo_job), .workers = 3));
}
END_TEST

/* ---- bad ends ---- */

static int wait_long(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	atomic_fetch_add(begun, 1);
	while (pause() < 0)
		;
	return 0;
}
static OX_JOB(wait_job, wait_long);
static OX_JOB(short_job, wait_long, .timeout = OX_MS(20));

static int obey(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	atomic_fetch_add(begun, 1);
	while (!ox_job_cancelled(out))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return 3;
}
static OX_JOB(listen_job, obey, .grace = OX_SEC(60));

static int fail_first(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	ox_reply_write(out, "late", 4);
	return atomic_fetch_add(begun, 1) < 2 ? -EAGAIN : 9;
}
static OX_JOB(flaky_job, fail_first, .retries = 3, .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_MS(1));
static const ox_job unknown_job = { .size = sizeof unknown_job, .name = "unknown", .fn = fail_first };

/* 'r' runs the job named by the second letter, 's' submits it only; then what is told by the third. */
static int parent(const void *in, size_t len, ox_reply *out)
{
	const char *order = in;
	const ox_job *job = order[1] == 's' ? &segv_job : order[1] == 'w' ? &wait_job : order[1] == 't' ? &short_job :
	                    order[1] == 'f' ? &flaky_job : order[1] == 'u' ? &unknown_job : order[1] == 'l' ? &listen_job : &echo_job;
	uint64_t ticket[2];
	int r;
	(void)len;

	r = ox_job_submit(out, job, NULL, 0, &ticket[0]);
	if (r == 0)
		r = ox_job_submit(out, &echo_job, "x", 1, &ticket[1]);
	if (r == 0 && order[0] == 'r')
		r = ox_job_await(out, ticket[0], NULL);
	atomic_fetch_add(begun, 100);
	if (order[2] == 'k')
		raise(SIGKILL);
	if (order[2] == 'w')
		wait_long(NULL, 0, out);
	return r;
}
static OX_JOB(parent_job, parent);
static OX_JOB(again_job, parent, .retries = 1, .retry_delay = OX_MS(1), .retry_on = OX_RETRY_CRASH | OX_RETRY_TIMEOUT);
static OX_JOB(limited_job, parent, .timeout = OX_MS(50));
static OX_JOB(told_job, parent, .grace = OX_SEC(60));
static OX_JOB(abandoned_job, parent, .on_cancel = OX_ABANDON);

#define FAMILY(n) POOL_OPTIONS(.jobs = OX_JOBS(&parent_job, &again_job, &limited_job, &told_job, &abandoned_job, &echo_job, \
                                               &segv_job, &wait_job, &short_job, &flaky_job, &listen_job), .workers = (n))

static int end_of(const ox_job *job, const char *order)
{
	int r = ox_call(pool, job, order, strlen(order), NULL);
	ox_pool_stats s = stats_of(pool);

	EXPECT_EQ(s.pending, 0);
	EXPECT_EQ(s.rejected, 0);
	return r;
}

static int end_badly(void *arg)
{
	(void)arg;
	EXPECT_EQ(end_of(&parent_job, "re."), 0);
	EXPECT_EQ(end_of(&parent_job, "rf."), 9);
	EXPECT_EQ(end_of(&parent_job, "su."), OX_ENOJOB);
	EXPECT_EQ(end_of(&parent_job, "sw."), 0);       /* its jobs end with it */
	EXPECT_EQ(end_of(&parent_job, "swk"), OX_ECRASHED);
	EXPECT_EQ(end_of(&again_job, "swk"), OX_ECRASHED);
	EXPECT_EQ(end_of(&limited_job, "sww"), OX_ETIMEDOUT);
	EXPECT_EQ(end_of(&limited_job, "rw."), OX_ETIMEDOUT);
	EXPECT_EQ(end_of(&parent_job, "re."), 0);
	return 0;
}

static int end_badly_inside(void *arg)
{
	end_badly(arg);
	EXPECT_EQ(end_of(&parent_job, "rs."), OX_ECRASHED);     /* both */
	EXPECT_EQ(end_of(&again_job, "rs."), OX_ECRASHED);
	EXPECT_EQ(end_of(&parent_job, "rt."), OX_ECRASHED);     /* its worker was killed for the one inside */
	EXPECT_EQ(end_of(&parent_job, "re."), 0);
	return 0;
}

START_TEST(a_job_and_those_it_has_submitted_end_together_in_one_worker)
{
	with_pool(end_badly_inside, FAMILY(1));
}
END_TEST

START_TEST(a_job_and_those_it_has_submitted_end_together_in_several_workers)
{
	with_pool(end_badly, FAMILY(2));
	with_pool(end_badly, FAMILY(4));
}
END_TEST

/* The parent waits for one that runs, here or elsewhere, and is cancelled. */
static int cancel_parents(void *arg)
{
	static const struct { const ox_job *job; const char *order; int begun, status; } ways[] = {
		{ &parent_job, "rw.", 1, OX_ECANCELED }, { &parent_job, "sww", 100, OX_ECANCELED },
		{ &told_job, "rl.", 1, 0 }, { &abandoned_job, "rw.", 1, OX_ECANCELED },
		{ &abandoned_job, "sww", 100, OX_ECANCELED },
	};
	(void)arg;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {       /* the last one goes on, and would for ever */
		OX_AUTO_GROUP *g = COLLECT;
		atomic_store(begun, 0);
		ox_future *f = ox_submit(g, pool, ways[i].job, ways[i].order, 3);
		await_begun(ways[i].begun);
		ox_future_cancel(f);
		int r = ox_await(f);
		EXPECT(r == ways[i].status || (ways[i].status == 0 && (r == 3 || r == OX_ECANCELED)));  /* whether it ran it itself */
		EXPECT_EQ(stats_of(pool).pending, 0);
	}
	return 0;
}

START_TEST(cancelling_a_job_cancels_those_it_has_submitted)
{
	with_pool(cancel_parents, FAMILY(1));
	with_pool(cancel_parents, FAMILY(2));
}
END_TEST

static int close_over_parents(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f[4];
	for (int i = 0; i < 4; i++)
		f[i] = ox_submit(g, pool, &parent_job, i % 2 ? "rw." : "sww", 3);
	await_begun(1);
	EXPECT_EQ(ox_pool_close(pool), 0);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(ox_future_status(f[i]), OX_ECLOSED);
	return 0;
}

START_TEST(closing_the_pool_ends_jobs_of_jobs)
{
	for (unsigned workers = 1; workers <= 3; workers++) {
		ck_assert_int_eq(ox_pool_open(FAMILY(workers), &pool), 0);
		atomic_store(begun, 0);
		run_real(close_over_parents, NULL);
		ck_assert(no_worker_left(NULL));
	}
}
END_TEST

/* Workers are killed from outside at any moment of a recursion; each job ends once, and the pool goes on. */
static int kill_at_random(void *arg)
{
	uint64_t seed = 1;
	int n = 12;
	(void)arg;
	for (int round = 0; round < 12; round++) {
		OX_AUTO_GROUP *g = COLLECT;
		ox_future *f[3];
		for (int i = 0; i < 3; i++)
			f[i] = ox_submit(g, pool, &fib_job, &n, sizeof n);
		for (int k = 0; k < 4; k++) {
			pid_t pids[8];
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			ox_sleep(OX_US((seed >> 40) % 4000));
			unsigned found = find_processes(NULL, "oxbow-worker", pids, 8);
			if (found > 0)
				kill(pids[(seed >> 33) % (found < 8 ? found : 8)], SIGKILL);
		}
		if (round % 3 == 2)
			ox_group_cancel(g);
		for (int i = 0; i < 3; i++) {
			int r = ox_await(f[i]);
			if (r != OX_ECRASHED && r != OX_ECANCELED)
				EXPECT_EQ(r, 0);
		}
		EXPECT_EQ(stats_of(pool).pending, 0);
	}
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(workers_are_killed_at_any_moment_of_a_recursion)
{
	with_pool(kill_at_random, POOL_OPTIONS(.jobs = OX_JOBS(&fib_job, &echo_job), .workers = 1, .init_limit = 1000));
	with_pool(kill_at_random, POOL_OPTIONS(.jobs = OX_JOBS(&fib_job, &echo_job), .workers = 3, .init_limit = 1000));
}
END_TEST

/* ---- misuse, memory ---- */

static int misuse(const void *in, size_t len, ox_reply *out)
{
	uint64_t ticket, last;
	(void)in, (void)len;

	if (ox_job_await(out, 1, NULL) != OX_EINVAL || ox_job_submit(out, &echo_job, NULL, 0, &ticket) != 0 || ticket != 1 ||
	    ox_job_await(out, 0, NULL) != OX_EINVAL || ox_job_await(out, 2, NULL) != OX_EINVAL || ox_job_await(out, 1, NULL) != 0)
		return 1;
	if (ox_job_run(out, &echo_job, NULL, 0, NULL) != 0 || ox_job_await(out, 1, NULL) != OX_EINVAL)
		return 2;
	for (int i = 0; i < 1024; i++)
		if (ox_job_submit(out, &echo_job, &i, sizeof i, &last) != 0)
			return 3;
	if (ox_job_submit(out, &echo_job, NULL, 0, &ticket) != OX_EBUSY)
		return 4;
	ox_bytes b;
	if (ox_job_await(out, last - 5, &b) != 0 || b.len != sizeof(int) || *(const int *)b.data != 1018)
		return 5;
	return ox_job_submit(out, &echo_job, NULL, 0, &ticket);
}
static OX_JOB(misuse_job, misuse);

static int misuse_all(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_call(pool, &misuse_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).rejected + stats_of(pool).crashed, 0);
	EXPECT_EQ(stats_of(pool).pending, 0);
	return 0;
}

START_TEST(tickets_are_checked_and_limited)
{
	with_pool(misuse_all, POOL_OPTIONS(.jobs = OX_JOBS(&misuse_job, &echo_job), .workers = 1));
}
END_TEST

static int use_all(const void *in, size_t len, ox_reply *out)
{
	ox_bytes b;
	int n = 2, r = ox_job_run(out, &fib_job, &n, sizeof n, &b);
	(void)in, (void)len;

	if (r == 0 && fib_of(b) != 1)
		return 1;
	struct { int times; char text[4]; } call = { 3000, "abc" };
	if (r == 0)
		r = ox_job_call(out, &repeat_call, &call, sizeof call.times + 3, &b);
	return r >= 0 && b.len != 9000 ? 2 : r;
}
static OX_JOB(use_all_job, use_all);

static int without_memory(void *arg)
{
	(void)arg;
	for (size_t n = 1, used = n; used >= n; n++) {
		ox_test_fail_allocation(n);
		int r = ox_call(pool, &use_all_job, NULL, 0, NULL);
		used = ox_test_fail_allocation(0);
		EXPECT(r == 42 || r == OX_ENOMEM);
		EXPECT_EQ(running, 0);
		EXPECT_EQ(stats_of(pool).pending, 0);
	}
	EXPECT_EQ(ox_call(pool, &use_all_job, NULL, 0, NULL), 42);
	return 0;
}

START_TEST(without_memory_for_its_inside_a_job_fails_and_nothing_else)
{
	with_pool(without_memory, POOL_OPTIONS(.jobs = OX_JOBS(&use_all_job, &fib_job), .workers = 1, .calls = OX_CALLS(&repeat_call),
	                                       .call_arg = &answer));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, (struct driver[]){ { NULL, NULL } });
	Suite *s = suite_create("nested");
	TCase *c = new_pool_case(s, "calls", 60);

	tcase_add_test(c, a_job_calls_the_main_process_and_gets_an_answer);
	tcase_add_test(c, several_workers_call_at_the_same_time_up_to_the_limit);
	tcase_add_test(c, a_callback_ends_with_its_job_however_that_ends);
	tcase_add_test(c, a_call_that_waits_for_its_turn_is_given_up);
	tcase_add_test(c, closing_the_pool_ends_callbacks);
	c = new_pool_case(s, "nested", 120);
	tcase_add_test(c, recursion_ends_with_any_number_of_workers);
	tcase_add_test(c, jobs_stand_in_one_another_up_to_a_limit);
	tcase_add_test(c, payloads_of_any_size_go_down_and_up);
	tcase_add_test(c, a_job_and_those_it_has_submitted_end_together_in_one_worker);
	tcase_add_test(c, a_job_and_those_it_has_submitted_end_together_in_several_workers);
	tcase_add_test(c, cancelling_a_job_cancels_those_it_has_submitted);
	tcase_add_test(c, closing_the_pool_ends_jobs_of_jobs);
	tcase_add_test(c, workers_are_killed_at_any_moment_of_a_recursion);
	tcase_add_test(c, tickets_are_checked_and_limited);
	tcase_add_test(c, without_memory_for_its_inside_a_job_fails_and_nothing_else);
	return run_suite(s);
}
