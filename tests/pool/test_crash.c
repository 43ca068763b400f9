/* SPDX-License-Identifier: MIT */
/* What jobs do to their workers, case by case: it costs the one job, and nothing is left behind. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

static bool slow_machine(void)
{
	return under_sanitizer || under_valgrind();
}

/* Runs a bad job beside a long one and four short ones, two workers; all but the bad one must end well. */
static ox_future *among_others(ox_group *g, const ox_job *bad, const void *in, size_t len)
{
	ox_future *others[5];
	int ms[5] = { 100, 1, 1, 1, 1 };

	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	others[0] = ox_submit(g, pool, &sleep_job, &ms[0], sizeof ms[0]);
	ox_future *f = ox_submit(g, pool, bad, in, len);
	for (int i = 1; i < 5; i++)
		others[i] = ox_submit(g, pool, &sleep_job, &ms[i], sizeof ms[i]);
	ox_wait(&f, 1, OX_WAIT_ALL, OX_NEVER);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(ox_await(others[i]), ms[i]);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return f;
}

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

/* ---- F01 ---- */

static int crash(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_time start = ox_now();
	ox_future *f = among_others(g, &segv_job, NULL, 0);
	const ox_crash *c = ox_future_crash(f);
	EXPECT_EQ(ox_future_status(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
	EXPECT(c != NULL);
	if (c == NULL)
		return 0;
	EXPECT(c->pid > 0);
	EXPECT_EQ(c->signal, SIGSEGV);
	EXPECT(c->address == (void *)8);
	EXPECT(c->backtrace_len >= 3);
	EXPECT(c->max_rss > 0);
	bool found = false;             /* the job's function is among the frames, valid in this process */
	for (size_t i = 0; i < c->backtrace_len; i++)
		found |= (char *)c->backtrace[i] > (char *)segv_job.fn && (char *)c->backtrace[i] < (char *)segv_job.fn + 256;
	EXPECT(found);
	EXPECT(ox_now() - start < OX_SEC(slow_machine() ? 20 : 2));
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.crashed, 1);
	EXPECT_EQ(s.failed, 1);
	return 0;
}

START_TEST(f01_a_null_dereference_costs_one_job_and_tells_its_story)
{
	with_pool(crash, POOL_OPTIONS(.jobs = OX_JOBS(&segv_job, &sleep_job, &echo_job), .workers = 2));
}
END_TEST

static int time_crash(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
		ox_time start = ox_now();
		EXPECT_EQ(ox_await(ox_submit(g, pool, &segv_job, NULL, 0)), OX_ECRASHED);
		ox_time told = ox_now() - start;
		EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
		ox_time replaced = ox_now() - start;
		printf("crash told after %.2f ms, replaced after %.2f ms\n", (double)told / 1e6, (double)replaced / 1e6);
		EXPECT(told < OX_MS(slow_machine() ? 2000 : 100));
		EXPECT(replaced < OX_MS(slow_machine() ? 5000 : 500));
	}
	return 0;
}

START_TEST(f01_a_crash_is_told_and_the_worker_replaced_within_milliseconds)
{
	with_pool(time_crash, POOL_OPTIONS(.jobs = OX_JOBS(&segv_job, &echo_job), .workers = 1));
}
END_TEST

static int overflow(const void *in, size_t len, ox_reply *out)
{
	static ox_job_fn *volatile again = overflow;
	volatile char frame[4096];
	frame[0] = (char)len;
	return again(in, len, out) + frame[0];
}
static OX_JOB(overflow_job, overflow);

static int divide(const void *in, size_t len, ox_reply *out)
{
	volatile int zero = (int)len;
	(void)in, (void)out;
	return 100 / zero;
}
static OX_JOB(divide_job, divide);

static int abort_here(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	abort();
}
static OX_JOB(abort_job, abort_here);

static int crash_in_ways(void *arg)
{
	static const struct { const ox_job *job; int signal; } ways[] = {
		{ &overflow_job, SIGSEGV }, { &divide_job, SIGFPE }, { &abort_job, SIGABRT },
	};
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		ox_future *f = ox_submit(g, pool, ways[i].job, NULL, 0);
		EXPECT_EQ(ox_await(f), OX_ECRASHED);
		const ox_crash *c = ox_future_crash(f);
		EXPECT_EQ(c != NULL ? c->signal : -1, ways[i].signal);
		EXPECT(c != NULL && c->backtrace_len > 0);
	}
	return 0;
}

START_TEST(a_stack_overflow_a_division_and_an_abort_tell_their_stories_too)
{
	if (under_valgrind())
		SKIP("valgrind ends the process itself when its stack overflows");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SKIP("the sanitizer reports these itself");
#endif
	with_pool(crash_in_ways, POOL_OPTIONS(.jobs = OX_JOBS(&overflow_job, &divide_job, &abort_job), .workers = 1));
}
END_TEST

/* ---- F02: what was sent to a worker and not begun is not a crash ---- */

static int stop_self(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	atomic_fetch_add(begun, 1);
	raise(SIGSTOP);
	return 0;
}
static OX_JOB(stop_job, stop_self);

static int kill_with_a_full_queue(void *arg)
{
	enum { N = 200 };
	ox_future *fs[N];
	pid_t pid;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	OX_AUTO_RESULT *r = NULL;
	for (int i = 0; i < 50; i++)    /* so that batches grow */
		ox_submit(g, pool, &pid_job, NULL, 0);
	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	kill(pid, SIGSTOP);             /* it receives nothing from here on */
	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	ox_sleep(OX_MS(10));            /* the batch is on its way, or in its socket */
	kill(pid, SIGKILL);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		EXPECT(memcmp(ox_future_value(fs[i], NULL), &pid, sizeof pid) != 0);
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.retried, 0);
	EXPECT_EQ(s.failed, 0);
	EXPECT_EQ(s.crashed, 1);
	return 0;
}

START_TEST(f02_jobs_that_a_killed_worker_had_not_begun_run_elsewhere_once)
{
	with_pool(kill_with_a_full_queue, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 1));
}
END_TEST

/* ---- F04 ---- */

static int exit_zero(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	_exit(0);
}
static OX_JOB(exit_job, exit_zero);

static int exits(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = among_others(g, &exit_job, NULL, 0);
	EXPECT_EQ(ox_future_status(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(f)->signal, 0);
	EXPECT_EQ(ox_future_crash(f)->exit_code, 0);
	return 0;
}

START_TEST(f04_a_job_that_exits_with_0_has_crashed)
{
	with_pool(exits, POOL_OPTIONS(.jobs = OX_JOBS(&exit_job, &sleep_job, &echo_job), .workers = 2));
}
END_TEST

/* ---- retries; F32: a reply for an attempt that is over is dropped ---- */

static int crash_first(const void *in, size_t len, ox_reply *out)
{
	char path[128];
	snprintf(path, sizeof path, "%.*s", (int)len, (const char *)in);
	if (unlink(path) == 0)
		raise(SIGKILL);
	return ox_reply_write(out, "second", 6);
}
static OX_JOB(flaky_job, crash_first, .retries = 1);
static OX_JOB(fatal_job, exit_zero, .retries = 2);

static int retry(void *arg)
{
	char path[] = "/tmp/oxbow-test-XXXXXX";
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	close(mkstemp(path));
	ox_future *f = ox_submit(g, pool, &flaky_job, path, strlen(path));
	EXPECT_EQ(ox_await(f), 0);
	EXPECT(memcmp(ox_future_value(f, NULL), "second", 6) == 0);
	f = ox_submit(g, pool, &fatal_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.retried, 3);
	EXPECT_EQ(s.crashed, 4);
	return 0;
}

static int fail_twice(const void *in, size_t len, ox_reply *out)
{
	int r = ox_reply_write(out, in, len);           /* what failed attempts reply is dropped */
	return atomic_fetch_add(begun, 1) % 3 < 2 ? -EAGAIN : r;
}
static OX_JOB(failing_job, fail_twice, .retries = 2, .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_MS(2));
static OX_JOB(hopeless_job, fail_twice, .retries = 1, .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_MS(2));
static OX_JOB(once_job, fail_twice, .retries = 9);

static int retry_failures(void *arg)
{
	static uint8_t data[OX_KIB(100)];
	static const size_t sizes[] = { 3, 1000, sizeof data };
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	memset(data, 'x', sizeof data);
	for (int i = 0; i < 3; i++) {
		ox_future *f = ox_submit(g, pool, &failing_job, data, sizes[i]);
		EXPECT_EQ(ox_await(f), 0);
		size_t len;
		EXPECT(memcmp(ox_future_value(f, &len), data, sizes[i]) == 0);
		EXPECT_EQ(len, sizes[i]);
	}
	EXPECT_EQ(stats_of(pool).retried, 6);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &hopeless_job, data, sizeof data)), -EAGAIN);
	EXPECT_EQ(stats_of(pool).retried, 7);
	atomic_store(begun, 0);
	EXPECT_EQ(ox_await(ox_submit(g, pool, &once_job, NULL, 0)), -EAGAIN);   /* a failure is no crash */
	EXPECT_EQ(stats_of(pool).retried, 7);
	EXPECT_EQ(stats_of(pool).killed, 0);
	return 0;
}

START_TEST(a_job_that_failed_is_run_again_with_its_input_if_it_says_so)
{
	with_pool(retry_failures, POOL_OPTIONS(.jobs = OX_JOBS(&failing_job, &hopeless_job, &once_job), .workers = 1));
}
END_TEST

static int late_first(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	while (atomic_fetch_add(begun, 1) == 0)
		pause();
	return 0;
}
static OX_JOB(late_job, late_first, .retries = 1, .timeout = OX_MS(50), .retry_on = OX_RETRY_TIMEOUT);
static OX_JOB(patient_job, fail_twice, .retries = 9, .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_SEC(3600), .retry_max = OX_SEC(3600));

static int retry_timeout(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	EXPECT_EQ(ox_await(ox_submit(g, pool, &late_job, NULL, 0)), 0);
	EXPECT_EQ(stats_of(pool).retried, 1);
	EXPECT_EQ(stats_of(pool).killed, 1);
	atomic_store(begun, 0);
	ox_scope s;
	ox_scope_enter(&s, OX_MS(50));
	int r = ox_call(pool, &patient_job, NULL, 0, NULL);
	EXPECT_EQ(ox_scope_leave(&s, r), OX_ETIMEDOUT);
	EXPECT_EQ(stats_of(pool).retried, 2);
	EXPECT_EQ(stats_of(pool).pending, 0);
	EXPECT_EQ(stats_of(pool).killed, 1);
	return 0;
}

START_TEST(a_job_that_was_too_late_is_run_again_if_it_says_so_and_a_deadline_ends_the_pause)
{
	with_pool(retry_timeout, POOL_OPTIONS(.jobs = OX_JOBS(&late_job, &patient_job), .workers = 1));
}
END_TEST

START_TEST(a_job_with_retries_is_run_again_after_a_crash)
{
	with_pool(retry, POOL_OPTIONS(.jobs = OX_JOBS(&flaky_job, &fatal_job), .workers = 1));
}
END_TEST

static int large_late(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	atomic_fetch_add(begun, 1);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	return ox_reply_reserve(out, OX_MIB(1)) != NULL ? 0 : -1;
}
static OX_JOB(abandoned_job, large_late, .on_cancel = OX_ABANDON);

static int abandon(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 40; i++) {
		ox_future *f = ox_submit(g, pool, &abandoned_job, NULL, 0);
		await_begun(i + 1);
		ox_future_cancel(f);
		EXPECT_EQ(ox_await(f), OX_ECANCELED);
		while (stats_of(pool).late < (uint64_t)i + 1)
			ox_sleep(OX_MS(1));
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 0);
	EXPECT_EQ(s.late, 40);          /* 40 MiB of them in a zone of 32: each was given back */
	return 0;
}

START_TEST(f32_a_late_reply_is_dropped_counted_and_its_memory_freed)
{
	with_pool(abandon, OX_POOL_OPTIONS(.jobs = OX_JOBS(&abandoned_job), .workers = 1, .arena_bytes = OX_MIB(32)));
}
END_TEST

/* ---- F12 ---- */

static int close_all(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	close_range(3, ~0u, 0);
	for (int i = 0; i < 64; i++)    /* and takes the low numbers for files of its own */
		if (open("/dev/null", O_WRONLY) < 0)
			return -1;
	return 0;
}
static OX_JOB(close_all_job, close_all);

static int closes_everything(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = among_others(g, &close_all_job, NULL, 0);
	EXPECT_EQ(ox_future_status(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
	EXPECT_EQ(stats_of(pool).failed, 1);
	return 0;
}

START_TEST(f12_a_job_that_closes_all_descriptors_has_crashed_its_worker)
{
	with_pool(closes_everything, POOL_OPTIONS(.jobs = OX_JOBS(&close_all_job, &sleep_job, &echo_job), .workers = 2));
}
END_TEST

/* ---- F13 ---- */

static int flood(const void *in, size_t len, ox_reply *out)
{
	static uint8_t garbage[OX_KIB(64)];
	size_t total = *(const size_t *)in;
	(void)len;
	for (size_t i = 0; i < sizeof garbage; i++)
		garbage[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n < total; n += sizeof garbage)
		if (write(1 + (n / sizeof garbage) % 2, garbage, sizeof garbage) < 0)
			return -errno;
	return ox_reply_write(out, "intact", 6);
}
static OX_JOB(flood_job, flood);

static int print(const void *in, size_t len, ox_reply *out)
{
	(void)out;
	printf("%.*s", (int)len, (const char *)in);     /* no newline: it stays in the buffer until somebody flushes */
	return 0;
}
static OX_JOB(print_job, print);

static int print_and_crash(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	if (write(2, "last words", 10) == 10)
		raise(SIGKILL);
	return 0;
}
static OX_JOB(last_words_job, print_and_crash);

static int capture(void *arg)
{
	size_t total = slow_machine() ? 10000000 : 100000000, len;
	bool truncated;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &flood_job, &total, sizeof total);
	EXPECT_EQ(ox_await(f), 0);
	EXPECT(memcmp(ox_future_value(f, NULL), "intact", 6) == 0);
	EXPECT(ox_future_output(f, &len, &truncated) != NULL);
	EXPECT_EQ(len, 1000);
	EXPECT(truncated);

	ox_future *fs[20];
	char text[20][16];
	for (int i = 0; i < 20; i++) {
		snprintf(text[i], sizeof text[i], "job %d", i);
		fs[i] = ox_submit(g, pool, &print_job, text[i], strlen(text[i]));
	}
	for (int i = 0; i < 20; i++) {  /* each has its own, and only that */
		EXPECT_EQ(ox_await(fs[i]), 0);
		const char *o = ox_future_output(fs[i], &len, &truncated);
		EXPECT(o != NULL && len == strlen(text[i]) && memcmp(o, text[i], len) == 0 && !truncated);
	}

	f = ox_submit(g, pool, &last_words_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL && c->output_len == 10 && memcmp(c->output, "last words", 10) == 0);
	return 0;
}

START_TEST(f13_output_is_captured_capped_and_told_apart)
{
	with_pool(capture, POOL_OPTIONS(.jobs = OX_JOBS(&flood_job, &print_job, &last_words_job), .workers = 2, .capture = 1000));
}
END_TEST

/* ---- F15 ---- */

static int fork_and_return(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return ox_reply_write(out, pid > 0 ? "parent" : "child!", 6);
}
static OX_JOB(fork_job, fork_and_return);

static int forks(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 10; i++) {
		ox_future *f = ox_submit(g, pool, &fork_job, NULL, 0);
		EXPECT_EQ(ox_await(f), 0);
		EXPECT_EQ(f != NULL ? memcmp(ox_future_value(f, NULL), "parent", 6) : 1, 0);
	}
	while (stats_of(pool).workers < 2)
		ox_sleep(OX_MS(1));
	EXPECT_EQ(find_processes(NULL, "oxbow-worker", NULL, 0), 2);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.done, 10);
	EXPECT_EQ(s.late, 0);
	EXPECT_EQ(s.spawned, 2);
	return 0;
}

START_TEST(f15_a_forked_child_that_returns_into_the_worker_is_stopped)
{
	with_pool(forks, POOL_OPTIONS(.jobs = OX_JOBS(&fork_job), .workers = 2));
}
END_TEST

/* ---- F16 ---- */

static int fails(void *arg)
{
	(void)arg;
	return -ENOENT;
}

static int crashes(void *arg)
{
	(void)arg;
	raise(SIGKILL);
	return 0;
}

static int await_init_failure(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &echo_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_EINIT);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), OX_EINIT);
	EXPECT(stats_of(pool).spawned <= 8);
	return 0;
}

START_TEST(f16_a_worker_init_that_fails_every_time_breaks_the_pool)
{
	with_pool(await_init_failure, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2, .worker_init = fails, .init_limit = 4));
	with_pool(await_init_failure, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1, .worker_init = crashes, .init_limit = 3));
}
END_TEST

/* ---- F22 ---- */

static int fds[4096], fd_count;

static void take_all_fds(void)
{
	int fd;
	for (; fd_count < 4096 && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0; fd_count++)
		fds[fd_count] = fd;
}

static void give_back_fds(void)
{
	while (fd_count > 0)
		close(fds[--fd_count]);
}

static int run_out_of_fds(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	ox_future *f = NULL;
	for (int i = 0; i < 5; i++) {   /* a death gives some back: they are taken while its replacement is on its way */
		take_all_fds();
		f = ox_submit(g, pool, &segv_job, NULL, 0);
		ox_wait(&f, 1, OX_WAIT_ALL, OX_MS(50));
		take_all_fds();
		ox_sleep(OX_MS(20));
	}
	give_back_fds();
	ox_wait(&f, 1, OX_WAIT_ALL, OX_NEVER);
	EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	return 0;
}

START_TEST(f22_without_free_descriptors_workers_wait_and_nothing_aborts)
{
	struct rlimit before, low;
	getrlimit(RLIMIT_NOFILE, &before);
	low = before;
	low.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &low);
	with_pool(run_out_of_fds, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job, &segv_job), .workers = 1));
	take_all_fds();
	ck_assert_int_lt(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1), &pool), 0);
	give_back_fds();
	setrlimit(RLIMIT_NOFILE, &before);
}
END_TEST

static int kill_stopped(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &stop_job, NULL, 0);
	await_begun(1);
	EXPECT_EQ(ox_wait_for(f, OX_MS(20)), OX_ETIMEDOUT);
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	return 0;
}

START_TEST(a_worker_that_stopped_itself_can_be_killed)
{
	with_pool(kill_stopped, POOL_OPTIONS(.jobs = OX_JOBS(&stop_job, &echo_job), .workers = 1));
}
END_TEST

/* A finished result wins: what the worker had done before it died counts, though its message never left. */
static int count_in_file(const void *in, size_t len, ox_reply *out)
{
	(void)len;
	int n = *(const int *)in;
	if (n < 0)
		raise(SIGKILL);
	return ox_reply_write(out, &n, sizeof n);
}
static OX_JOB(counting_job, count_in_file);

static int die_in_a_batch(void *arg)
{
	enum { N = 100 };
	ox_future *fs[N];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 500; i++)   /* so that batches grow */
		EXPECT_EQ(ox_call(pool, &counting_job, &i, sizeof i, NULL), 0);
	for (int i = 0; i < N; i++) {
		int n = i == 60 ? -1 : i;
		fs[i] = ox_submit(g, pool, &counting_job, &n, sizeof n);
	}
	for (int i = 0; i < N; i++)
		EXPECT_EQ(ox_await(fs[i]), i == 60 ? OX_ECRASHED : 0);
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.late, 0);
	EXPECT_EQ(s.failed, 1);
	EXPECT_EQ(s.retried, 0);
	return 0;
}

START_TEST(results_finished_before_a_death_count_and_the_rest_of_the_batch_runs_elsewhere)
{
	with_pool(die_in_a_batch, POOL_OPTIONS(.jobs = OX_JOBS(&counting_job), .workers = 1));
}
END_TEST

/* A long job in a batch of short ones keeps nobody's result. */
static int sleep_if_told(const void *in, size_t len, ox_reply *out)
{
	return *(const int *)in == 0 ? 0 : sleep_job.fn(in, len, out);
}
static OX_JOB(uneven_job, sleep_if_told);

static int wait_for_neighbours(void *arg)
{
	enum { N = 50 };
	ox_future *fs[N];
	int zero = 0, long_ms = slow_machine() ? 4000 : 1000;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	for (int i = 0; i < 500; i++)
		EXPECT_EQ(ox_call(pool, &uneven_job, &zero, sizeof zero, NULL), 0);
	ox_time start = ox_now();
	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &uneven_job, i == 25 ? &long_ms : &zero, sizeof zero);
	for (int i = 0; i < N; i++)
		if (i != 25)
			EXPECT_EQ(ox_await(fs[i]), 0);
	EXPECT(ox_now() - start < OX_MS(long_ms / 2));
	EXPECT_EQ(ox_await(fs[25]), long_ms);
	EXPECT_EQ(stats_of(pool).late, 0);
	return 0;
}

START_TEST(a_long_job_in_a_batch_holds_up_no_other)
{
	with_pool(wait_for_neighbours, POOL_OPTIONS(.jobs = OX_JOBS(&uneven_job), .workers = 2));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, NULL);
	Suite *s = suite_create("crash");
	TCase *c = new_pool_case(s, "deaths", 60);
	tcase_add_test(c, f01_a_null_dereference_costs_one_job_and_tells_its_story);
	tcase_add_test(c, f01_a_crash_is_told_and_the_worker_replaced_within_milliseconds);
	tcase_add_test(c, a_stack_overflow_a_division_and_an_abort_tell_their_stories_too);
	tcase_add_test(c, f02_jobs_that_a_killed_worker_had_not_begun_run_elsewhere_once);
	tcase_add_test(c, f04_a_job_that_exits_with_0_has_crashed);
	tcase_add_test(c, f12_a_job_that_closes_all_descriptors_has_crashed_its_worker);
	tcase_add_test(c, f16_a_worker_init_that_fails_every_time_breaks_the_pool);
	tcase_add_test(c, a_worker_that_stopped_itself_can_be_killed);
	c = new_pool_case(s, "results", 60);
	tcase_add_test(c, a_job_with_retries_is_run_again_after_a_crash);
	tcase_add_test(c, a_job_that_failed_is_run_again_with_its_input_if_it_says_so);
	tcase_add_test(c, a_job_that_was_too_late_is_run_again_if_it_says_so_and_a_deadline_ends_the_pause);
	tcase_add_test(c, f32_a_late_reply_is_dropped_counted_and_its_memory_freed);
	tcase_add_test(c, results_finished_before_a_death_count_and_the_rest_of_the_batch_runs_elsewhere);
	tcase_add_test(c, a_long_job_in_a_batch_holds_up_no_other);
	c = new_pool_case(s, "processes and files", 60);
	tcase_add_test(c, f13_output_is_captured_capped_and_told_apart);
	tcase_add_test(c, f15_a_forked_child_that_returns_into_the_worker_is_stopped);
	tcase_add_test(c, f22_without_free_descriptors_workers_wait_and_nothing_aborts);
	return run_suite(s);
}
