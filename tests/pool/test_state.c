/* SPDX-License-Identifier: MIT */
/* A job finds its worker as worker_init left it, whatever the job before it did; what cannot be put back costs the worker. */
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;
static char heard[64][512];
static int heard_count;

static void hear(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	if (heard_count < 64)
		snprintf(heard[heard_count++], sizeof heard[0], "%s", text);
}

static int count_heard(const char *part)
{
	int n = 0;

	for (int i = 0; i < heard_count; i++)
		n += strstr(heard[i], part) != NULL;
	return n;
}

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	heard_count = 0;
	ox_log_set(hear, NULL);
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
	ox_log_set(NULL, NULL);
}

/* ---- jobs ---- */

static void on_signal(int n)
{
	(void)n;
}

static void *stand_about(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int make_timer(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec soon = { .it_value = { .tv_sec = 3600 } };
	timer_t t;

	return timer_create(CLOCK_MONOTONIC, &e, &t) < 0 || timer_settime(t, 0, &soon, NULL) < 0 ? -errno : 0;
}

static int leave_a_child(void)
{
	int ready[2];
	char c;

	if (pipe(ready) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		if (fork() == 0) {
			if (write(ready[1], "x", 1) == 1)
				for (;;)
					pause();
		}
		_exit(0);
	}
	ssize_t n = read(ready[0], &c, 1);
	close(ready[0]);
	close(ready[1]);
	return n == 1 ? 0 : -EPIPE;
}

static int change(unsigned kind)
{
	sigset_t set;
	pthread_t thread;

	switch (kind) {
	case OX_STATE_CWD: return chdir("/proc") < 0 ? -errno : 0;
	case OX_STATE_UMASK: umask(0123); return 0;
	case OX_STATE_MASK: sigfillset(&set); return sigprocmask(SIG_BLOCK, &set, NULL);
	case OX_STATE_SIGNALS: signal(SIGUSR1, on_signal); signal(SIGPIPE, SIG_IGN); return 0;
	case OX_STATE_TIMERS: alarm(3600); return make_timer();
	case OX_STATE_LOCALE: return setlocale(LC_ALL, "C.UTF-8") == NULL ? -ENOENT : 0;
	case OX_STATE_FPU: return fesetround(FE_UPWARD);
	case OX_STATE_NICE: return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 2) < 0 ? -errno : 0;
	case OX_STATE_THREADS: return -pthread_create(&thread, NULL, stand_about, NULL);
	case OX_STATE_CHILDREN: return leave_a_child();
	case OX_STATE_FILES: return open("/dev/null", O_RDONLY) < 0 ? -errno : 0;
	default: return -EINVAL;
	}
}

/* Replies its pid, from before. */
static int spoil(const void *in, size_t len, ox_reply *out)
{
	pid_t pid = getpid();
	(void)len;

	int r = ox_reply_write(out, &pid, sizeof pid);
	return r < 0 ? r : change(*(const unsigned *)in);
}
static OX_JOB(spoil_job, spoil);

struct state {
	char cwd[256], locale[64];
	mode_t umask;
	sigset_t mask;
	void (*usr1)(int), (*pipe)(int), (*segv)(int);
	bool alarm, timers;
	int round, nice;
	pid_t pid;
};

static bool has_timers(void)
{
	char c;
	int fd = open("/proc/self/timers", O_RDONLY);
	bool some = fd >= 0 && read(fd, &c, 1) == 1;

	if (fd >= 0)
		close(fd);
	return some;
}

static int show(const void *in, size_t len, ox_reply *out)
{
	struct state s;
	struct sigaction a;
	struct itimerval alarm;
	(void)in, (void)len;

	memset(&s, 0, sizeof s);
	if (getcwd(s.cwd, sizeof s.cwd) == NULL)
		return -errno;
	snprintf(s.locale, sizeof s.locale, "%s", setlocale(LC_ALL, NULL));
	s.umask = umask(0);
	umask(s.umask);
	sigprocmask(SIG_SETMASK, NULL, &s.mask);
	sigaction(SIGUSR1, NULL, &a);
	s.usr1 = a.sa_handler;
	sigaction(SIGPIPE, NULL, &a);
	s.pipe = a.sa_handler;
	sigaction(SIGSEGV, NULL, &a);
	s.segv = a.sa_handler;
	getitimer(ITIMER_REAL, &alarm);
	s.alarm = alarm.it_value.tv_sec > 0;
	s.timers = has_timers();
	s.round = fegetround();
	s.nice = getpriority(PRIO_PROCESS, 0);
	s.pid = getpid();
	return ox_reply_write(out, &s, sizeof s);
}
static OX_JOB(show_job, show);

static struct state state_now(void)
{
	OX_AUTO_RESULT *r = NULL;
	struct state s;

	memset(&s, 0, sizeof s);
	EXPECT_EQ(ox_call(pool, &show_job, NULL, 0, &r), 0);
	if (r != NULL)
		memcpy(&s, ox_result_bytes(r).data, sizeof s);
	return s;
}

static pid_t spoil_by(unsigned kind)
{
	OX_AUTO_RESULT *r = NULL;
	pid_t pid = 0;

	EXPECT_EQ(ox_call(pool, &spoil_job, &kind, sizeof kind, &r), 0);
	if (r != NULL)
		memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	return pid;
}

static pid_t pid_now(void)
{
	OX_AUTO_RESULT *r = NULL;
	pid_t pid = 0;

	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	if (r != NULL)
		memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	return pid;
}

#define JOBS OX_JOBS(&spoil_job, &show_job, &pid_job, &segv_job)

/* ---- put back ---- */

static int change_all(void *arg)
{
	static const unsigned kinds[] = {
		OX_STATE_CWD, OX_STATE_UMASK, OX_STATE_MASK, OX_STATE_SIGNALS, OX_STATE_TIMERS, OX_STATE_LOCALE, OX_STATE_FPU,
		OX_STATE_NICE,
	};
	struct state before = state_now();
	(void)arg;

	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
			if (kinds[i] == OX_STATE_NICE && geteuid() != 0)
				continue;       /* nobody else may be less nice again */
			spoil_by(kinds[i]);
			struct state after = state_now();
			EXPECT_EQ(memcmp(&before, &after, sizeof after), 0);
		}
	EXPECT_EQ(stats_of(pool).spoiled, 0);
	EXPECT_EQ(count_heard("job spoil_job changed or left"), geteuid() == 0 ? 8 : 7);   /* each once */
	EXPECT_EQ(count_heard("left the working directory: put back"), 1);
	return 0;
}

START_TEST(what_a_job_changed_is_put_back_before_the_next_and_told_once)
{
	with_pool(change_all, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .name = "state"));
}
END_TEST

/* So many pairs, spoil and show, in one turn: they travel together once the pool knows that they are short. */
static void in_one_message(unsigned kind, void (*check)(const struct state *s))
{
	enum { N = 100 };
	static ox_future *fs[N];
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < 200; i++)
		pid_now();
	for (int i = 0; i < N; i++) {
		ox_submit(g, pool, &spoil_job, &kind, sizeof kind);
		fs[i] = ox_submit(g, pool, &show_job, NULL, 0);
	}
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		if (ox_future_value(fs[i], NULL) != NULL)
			check(ox_future_value(fs[i], NULL));
	}
}

static void is_at_home(const struct state *s)
{
	EXPECT(strcmp(s->cwd, "/proc") != 0);
}

static void rounds_to_nearest(const struct state *s)
{
	EXPECT_EQ(s->round, FE_TONEAREST);
}

static int change_among_others(void *arg)
{
	(void)arg;
	in_one_message(OX_STATE_CWD, is_at_home);
	return 0;
}

START_TEST(with_strict_state_the_next_job_of_a_message_finds_no_change)
{
	with_pool(change_among_others, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .strict_state = true));
}
END_TEST

static int round_among_others(void *arg)
{
	(void)arg;
	in_one_message(OX_STATE_FPU, rounds_to_nearest);
	return 0;
}

START_TEST(rounding_is_put_back_after_every_job)
{
	with_pool(round_among_others, POOL_OPTIONS(.jobs = JOBS, .workers = 1));
}
END_TEST

/* A handler in the place of ours would cost the next crash its story. */
static int take_the_handler(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	signal(SIGSEGV, on_signal);
	return 0;
}
static OX_JOB(handler_job, take_the_handler);

static int crash_after_handler(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_call(pool, &handler_job, NULL, 0, NULL), 0);
	ox_future *f = ox_submit(g, pool, &segv_job, NULL, 0);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	const ox_crash *c = ox_future_crash(f);
	EXPECT(c != NULL && c->signal == SIGSEGV && c->backtrace_len > 0);
	return 0;
}

START_TEST(a_jobs_own_crash_handler_does_not_cost_the_next_one_its_story)
{
	with_pool(crash_after_handler, POOL_OPTIONS(.jobs = OX_JOBS(&handler_job, &segv_job), .workers = 1, .strict_state = true));
}
END_TEST

/* ---- what cannot be put back ---- */

static int leave_behind(void *arg)
{
	static const unsigned kinds[] = { OX_STATE_THREADS, OX_STATE_CHILDREN, OX_STATE_FILES };
	(void)arg;

	for (size_t i = 0; i < 3; i++) {
		pid_t pid = spoil_by(kinds[i]);
		EXPECT(pid > 0);
		EXPECT(pid_now() != pid);
		EXPECT_EQ(stats_of(pool).spoiled, i + 1);
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.failed + s.crashed + s.killed + s.retried, 0);
	EXPECT_EQ(count_heard("left a running thread: its worker is replaced"), 1);
	EXPECT_EQ(count_heard("left a running process: its worker is replaced"), 1);
	EXPECT_EQ(count_heard("left another set of open descriptors: its worker is replaced"), 1);
	return 0;
}

START_TEST(a_job_that_leaves_a_thread_a_child_or_a_descriptor_hands_in_its_result_and_costs_its_worker)
{
	with_pool(leave_behind, POOL_OPTIONS(.jobs = JOBS, .workers = 1));
	with_pool(leave_behind, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .max_jobs = 1000));    /* with an heir */
}
END_TEST

static int spoil_before_others(void *arg)
{
	enum { N = 200 };
	static ox_future *fs[N];
	unsigned kind = OX_STATE_THREADS;
	pid_t spoiled = 0;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < 200; i++)
		pid_now();
	ox_future *f = ox_submit(g, pool, &spoil_job, &kind, sizeof kind);
	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	EXPECT_EQ(ox_await(f), 0);
	if (ox_future_value(f, NULL) != NULL)
		memcpy(&spoiled, ox_future_value(f, NULL), sizeof spoiled);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		EXPECT(ox_future_value(fs[i], NULL) != NULL && *(const pid_t *)ox_future_value(fs[i], NULL) != spoiled);
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.spoiled, 1);
	EXPECT_EQ(s.failed + s.crashed + s.killed + s.retried + s.late, 0);
	return 0;
}

START_TEST(nothing_begins_in_a_spoiled_worker_and_what_it_had_runs_elsewhere_once)
{
	with_pool(spoil_before_others, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .strict_state = true));
}
END_TEST

static int keep_all(void *arg)
{
	pid_t pid = pid_now();
	(void)arg;

	EXPECT_EQ(spoil_by(OX_STATE_THREADS), pid);
	EXPECT_EQ(spoil_by(OX_STATE_FILES), pid);
	EXPECT_EQ(spoil_by(OX_STATE_CHILDREN), pid);
	EXPECT_EQ(spoil_by(OX_STATE_CWD), pid);
	EXPECT_EQ(spoil_by(OX_STATE_UMASK), pid);
	struct state s = state_now();
	EXPECT_EQ(strcmp(s.cwd, "/proc"), 0);
	EXPECT(s.umask != 0123);        /* this was not to be kept */
	EXPECT_EQ(s.pid, pid);
	EXPECT_EQ(stats_of(pool).spoiled, 0);
	EXPECT_EQ(count_heard("left"), 1);
	return 0;
}

START_TEST(what_is_to_be_kept_is_left_alone)
{
	with_pool(keep_all, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .keep_state = OX_STATE_THREADS | OX_STATE_FILES |
	                                 OX_STATE_CHILDREN | OX_STATE_CWD));
}
END_TEST

static int hold_on(void *arg)
{
	pthread_t thread;
	(void)arg;

	return open("/dev/null", O_RDONLY) < 0 || chdir("/") < 0 ? -errno : -pthread_create(&thread, NULL, stand_about, NULL);
}

static int look_at_home(void *arg)
{
	pid_t pid = pid_now();
	(void)arg;

	spoil_by(OX_STATE_CWD);
	struct state s = state_now();
	EXPECT_EQ(strcmp(s.cwd, "/"), 0);
	EXPECT_EQ(s.pid, pid);
	EXPECT_EQ(stats_of(pool).spoiled, 0);
	return 0;
}

START_TEST(what_worker_init_made_is_the_state_that_is_kept)
{
	with_pool(look_at_home, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .worker_init = hold_on));
}
END_TEST

/* ---- F11 ---- */

/* Workers and what they forked: all have the name. */
static bool await_processes(unsigned n)
{
	ox_time begin = ox_now();

	while (find_processes(NULL, "oxbow-worker", NULL, 0) != n) {
		if (ox_now() - begin > OX_SEC(20))
			return false;
		ox_sleep(OX_MS(1));
	}
	return true;
}

static int leave_a_daemon(void *arg)
{
	(void)arg;

	pid_t pid = spoil_by(OX_STATE_CHILDREN);
	EXPECT(pid_now() != pid);
	EXPECT(await_processes(1));
	EXPECT_EQ(stats_of(pool).spoiled, 1);
	spoil_by(OX_STATE_CHILDREN);    /* this one goes with the pool, at the latest: close_pool() sees to it */
	return 0;
}

START_TEST(f11_a_daemon_that_a_job_left_is_killed_as_its_worker_is_replaced)
{
	with_pool(leave_a_daemon, POOL_OPTIONS(.jobs = JOBS, .workers = 1));
}
END_TEST

static int leave_a_daemon_for_long(void *arg)
{
	OX_AUTO_GROUP *g = COLLECT;
	(void)arg;

	pid_t pid = spoil_by(OX_STATE_CHILDREN);
	EXPECT_EQ(pid_now(), pid);
	EXPECT(await_processes(2));
	EXPECT_EQ(ox_await(ox_submit(g, pool, &segv_job, NULL, 0)), OX_ECRASHED);
	EXPECT(pid_now() != pid);
	EXPECT(await_processes(2));      /* it outlives its worker */
	EXPECT_EQ(stats_of(pool).spoiled, 0);
	EXPECT_EQ(count_heard("left a running process: it goes on until the pool closes"), 1);
	return 0;
}

START_TEST(f11_with_strays_warn_a_daemon_is_told_and_lives_until_the_pool_closes)
{
	with_pool(leave_a_daemon_for_long, POOL_OPTIONS(.jobs = JOBS, .workers = 1, .strays = OX_STRAYS_WARN));
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver none[] = { { NULL, NULL } };

	pool_main(argc, argv, none);
	Suite *s = suite_create("state");
	TCase *c = new_pool_case(s, "put back", 60);
	tcase_add_test(c, what_a_job_changed_is_put_back_before_the_next_and_told_once);
	tcase_add_test(c, with_strict_state_the_next_job_of_a_message_finds_no_change);
	tcase_add_test(c, rounding_is_put_back_after_every_job);
	tcase_add_test(c, a_jobs_own_crash_handler_does_not_cost_the_next_one_its_story);
	c = new_pool_case(s, "spoiled", 60);
	tcase_add_test(c, a_job_that_leaves_a_thread_a_child_or_a_descriptor_hands_in_its_result_and_costs_its_worker);
	tcase_add_test(c, nothing_begins_in_a_spoiled_worker_and_what_it_had_runs_elsewhere_once);
	tcase_add_test(c, what_is_to_be_kept_is_left_alone);
	tcase_add_test(c, what_worker_init_made_is_the_state_that_is_kept);
	c = new_pool_case(s, "strays", 60);
	tcase_add_test(c, f11_a_daemon_that_a_job_left_is_killed_as_its_worker_is_replaced);
	tcase_add_test(c, f11_with_strays_warn_a_daemon_is_told_and_lives_until_the_pool_closes);
	return run_suite(s);
}
