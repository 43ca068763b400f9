/* SPDX-License-Identifier: MIT */
/* Children forked from the program, which see its memory as it was. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <oxbow/snapshot.h>

#include "tests/pool/pool_support.h"

static void pause_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static bool no_snapshot_left(void *arg)
{
	(void)arg;
	return find_processes(NULL, "oxbow-snapshot", NULL, 0) == 0;
}

/* Says that it has begun, and goes on for ever, or until it is told. */
static int run_for_ever(void *arg, ox_reply *out)
{
	(void)arg;
	atomic_fetch_add(begun, 1);
	while (!ox_job_cancelled(out))
		pause_ms(1);
	pause();
	return 0;
}

static int end_when_told(void *arg, ox_reply *out)
{
	(void)arg;
	atomic_fetch_add(begun, 1);
	while (!ox_job_cancelled(out))
		pause_ms(1);
	ox_reply_write(out, "so far", 6);
	return 5;
}

/* ---- what it sees ---- */

enum { NUMBERS = 100000 };

struct store {
	size_t count;
	uint64_t *numbers;
};

/* Takes its time, and replies the numbers: the same in all places if nothing has changed meanwhile. */
static int sum_up(void *arg, ox_reply *out)
{
	const struct store *s = arg;
	uint64_t *at = ox_reply_reserve(out, s->count * sizeof *at);

	atomic_fetch_add(begun, 1);
	for (size_t i = 0; i < s->count; i++) {
		at[i] = s->numbers[i];
		if (i % 1000 == 0)
			pause_ms(1);
	}
	return 0;
}

static int change_meanwhile(void *arg)
{
	struct store s = { NUMBERS, calloc(NUMBERS, sizeof(uint64_t)) };
	ox_future *f[3];
	size_t len;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (size_t n = 0; n < 3; n++) {
		for (size_t i = 0; i < NUMBERS; i++)
			s.numbers[i] = n;
		f[n] = ox_snapshot_submit(g, sum_up, &s, OX_SNAPSHOT_OPTIONS(.max_result = OX_MIB(1)));
	}
	memset(s.numbers, 0xff, NUMBERS * sizeof(uint64_t));
	free(s.numbers);
	s = (struct store){ 0, NULL };
	for (size_t n = 0; n < 3; n++) {
		EXPECT_EQ(ox_await(f[n]), 0);
		const uint64_t *seen = ox_future_value(f[n], &len);
		EXPECT_EQ(len, NUMBERS * sizeof *seen);
		for (size_t i = 0; i < NUMBERS; i++)
			if (seen[i] != n)
				EXPECT_EQ(seen[i], n);
		EXPECT(ox_future_run_time(f[n]) > 0);
		EXPECT(ox_future_crash(f[n]) == NULL);
	}
	return 0;
}

START_TEST(it_sees_the_heap_as_it_was_while_the_program_goes_on)
{
	run_real(change_meanwhile, NULL);
}
END_TEST

static int reply_much(void *arg, ox_reply *out)
{
	size_t n = *(const size_t *)arg;
	uint8_t *at = ox_reply_reserve(out, n);

	if (at == NULL)
		return 0;               /* the reply's failure is the status */
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(i % 251);
	return 7;
}

static int call_100_mb(void *arg)
{
	size_t n = 100000000;
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, NULL, &r), 7);
	EXPECT_EQ(ox_result_status(r), 7);
	ox_bytes b = ox_result_bytes(r);
	EXPECT_EQ(b.len, n);
	for (size_t i = 0; i < n; i += 997)
		if (((const uint8_t *)b.data)[i] != i % 251)
			EXPECT(false);
	return 0;
}

START_TEST(a_hundred_megabytes_come_back)
{
	run_real(call_100_mb, NULL);
}
END_TEST

static int return_it(void *arg, ox_reply *out)
{
	(void)out;
	return *(const int *)arg;
}

static int call_statuses(void *arg)
{
	static const int statuses[] = { 0, 1, 255, 100000, -1, -ECANCELED, OX_ECRASHED };
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		ox_future *f = ox_snapshot_submit(g, return_it, (void *)&statuses[i], OX_SNAPSHOT_OPTIONS(.name = "statuses"));
		EXPECT_EQ(ox_await(f), statuses[i]);
		EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_JOB);
		EXPECT(ox_future_value(f, NULL) == NULL);
		EXPECT_EQ(ox_snapshot_call(return_it, (void *)&statuses[i], NULL, NULL), statuses[i]);
	}
	return 0;
}

START_TEST(its_status_passes_through)
{
	run_real(call_statuses, NULL);
}
END_TEST

/* ---- what it has ---- */

/* Replies the numbers of its descriptors, as a text. */
static int list_descriptors(void *arg, ox_reply *out)
{
	DIR *d = opendir("/proc/self/fd");
	(void)arg;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			ox_reply_write(out, e->d_name, 1);
	closedir(d);
	return read(0, &(char){ 0 }, 1) == 0 ? 0 : -1;  /* standard input is empty */
}

static int call_list(void *arg)
{
	char seen[8] = "";
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_snapshot_call(list_descriptors, NULL, NULL, &r), 0);
	ox_bytes b = ox_result_bytes(r);
	EXPECT_EQ(b.len, 3);
	if (b.len == 3)
		memcpy(seen, b.data, 3);
	EXPECT(strchr(seen, '0') != NULL && strchr(seen, '1') != NULL && strchr(seen, '2') != NULL);
	return 0;
}

START_TEST(it_has_no_descriptor_of_the_programs_but_the_standard_ones)
{
	int more[2];
	ck_assert_int_eq(pipe(more), 0);
	run_real(call_list, NULL);
	close(more[0]);
	close(more[1]);
}
END_TEST

static void own_handler(int signo)
{
	(void)signo;
	_exit(99);
}

static int look_at_signals(void *arg, ox_reply *out)
{
	struct sigaction a;
	sigset_t mask;
	(void)arg, (void)out;
	sigaction(SIGTERM, NULL, &a);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	return a.sa_handler == SIG_DFL && !sigismember(&mask, SIGUSR1) ? 0 : -1;
}

static int call_signals(void *arg)
{
	(void)arg;
	return ox_snapshot_call(look_at_signals, NULL, NULL, NULL);
}

START_TEST(its_signals_are_default_ones)
{
	sigset_t some, before;
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	sigprocmask(SIG_BLOCK, &some, &before);
	signal(SIGTERM, own_handler);
	run_real(call_signals, NULL);
	signal(SIGTERM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
END_TEST

static int noop(void *arg)
{
	(void)arg;
	return 0;
}

static int use_oxbow(void *arg, ox_reply *out)
{
	ox_result *r = NULL;
	(void)arg, (void)out;
	if (ox_snapshot_call(return_it, &(int){ 0 }, NULL, &r) != OX_EFORKED || ox_sleep(1) != OX_EFORKED)
		return -1;
	return ox_run(noop, NULL, NULL) == OX_EFORKED && strcmp(ox_strerror(OX_EFORKED), "") != 0 ? 0 : -2;
}

static int call_oxbow(void *arg)
{
	(void)arg;
	return ox_snapshot_call(use_oxbow, NULL, NULL, NULL);
}

START_TEST(f20_calls_of_the_library_say_that_they_are_in_a_forked_child)
{
	run_real(call_oxbow, NULL);
}
END_TEST

static int eat_data(void *arg, ox_reply *out)
{
	size_t n = *(const size_t *)arg;
	(void)out;
	void *p = malloc(n);
	if (p == NULL)
		return -ENOMEM;
	free(p);
	return 0;
}

static int write_file(void *arg, ox_reply *out)
{
	char data[4096] = "";
	int fd = memfd_create("file", MFD_CLOEXEC);
	ssize_t n;
	(void)arg, (void)out;
	signal(SIGXFSZ, SIG_IGN);
	n = pwrite(fd, data, sizeof data, 100000);
	return n < 0 ? -errno : 0;
}

static int tell_nice(void *arg, ox_reply *out)
{
	(void)arg, (void)out;
	return getpriority(PRIO_PROCESS, 0);
}

static int call_limited(void *arg)
{
	size_t small = OX_MIB(1), large = OX_MIB(200);
	int nice = getpriority(PRIO_PROCESS, 0);
	(void)arg;
	if (!under_sanitizer) {
		EXPECT_EQ(ox_snapshot_call(eat_data, &small, OX_SNAPSHOT_OPTIONS(.max_data = OX_MIB(64)), NULL), 0);
		EXPECT_EQ(ox_snapshot_call(eat_data, &large, OX_SNAPSHOT_OPTIONS(.max_data = OX_MIB(64)), NULL), -ENOMEM);
	}
	EXPECT_EQ(ox_snapshot_call(write_file, NULL, NULL, NULL), 0);
	EXPECT_EQ(ox_snapshot_call(write_file, NULL, OX_SNAPSHOT_OPTIONS(.max_file_size = 50000), NULL), -EFBIG);
	EXPECT_EQ(ox_snapshot_call(tell_nice, NULL, OX_SNAPSHOT_OPTIONS(.nice = 3), NULL), nice + 3 < 19 ? nice + 3 : 19);
	return 0;
}

START_TEST(it_has_the_limits_that_were_asked_for)
{
	run_real(call_limited, NULL);
}
END_TEST

/* ---- how it ends ---- */

enum way { SEGV, ABORT, KILL, EXIT_3, EXIT_0, RETURN_FROM_FORK };

static int end_so(void *arg, ox_reply *out)
{
	static int *volatile nowhere = (int *)8;
	enum way way = *(const enum way *)arg;
	ox_reply_write(out, "half", 4);
	switch (way) {
	case SEGV: *nowhere = 1; break;
	case ABORT: abort();
	case KILL: raise(SIGKILL); break;
	case EXIT_3: exit(3);
	case EXIT_0: _exit(0);
	case RETURN_FROM_FORK:
		if (fork() == 0)
			return 1;       /* the one that nobody knows */
		wait(NULL);
		return 2;
	}
	return 0;
}

static int crash_all_ways(void *arg)
{
	static const struct { enum way way; int signal, exit_code; } cases[] = {
		{ SEGV, SIGSEGV, 0 }, { ABORT, SIGABRT, 0 }, { KILL, SIGKILL, 0 }, { EXIT_3, 0, 3 }, { EXIT_0, 0, 0 },
	};
	enum way way = RETURN_FROM_FORK;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ox_future *f = ox_snapshot_submit(g, end_so, (void *)&cases[i].way, NULL);
		EXPECT_EQ(ox_await(f), OX_ECRASHED);
		EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CRASH);
		EXPECT(ox_future_value(f, NULL) == NULL);
		const ox_crash *c = ox_future_crash(f);
		EXPECT(c != NULL);
		EXPECT_EQ(c->signal, cases[i].signal);
		EXPECT(c->exit_code == cases[i].exit_code || under_sanitizer);
		EXPECT(c->pid > 0 && c->max_rss > 0);
		EXPECT(cases[i].way != SEGV || c->address == (const void *)8);
		EXPECT((c->backtrace_len > 0) == (cases[i].way == SEGV || cases[i].way == ABORT));
	}
	EXPECT_EQ(ox_snapshot_call(end_so, &way, NULL, NULL), 2);
	EXPECT(no_snapshot_left(NULL));
	return 0;
}

START_TEST(a_crash_is_told_as_a_jobs_is)
{
	run_real(crash_all_ways, NULL);
}
END_TEST

static int crash_unwatched(void *arg)
{
	enum way way = SEGV;
	size_t n = 100;
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_snapshot_submit(g, end_so, &way, NULL);
	EXPECT_EQ(ox_await(f), OX_ECRASHED);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGSEGV); /* it said so itself */
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, NULL, &r), 7);
	EXPECT_EQ(ox_result_bytes(r).len, n);
	return 0;
}

START_TEST(a_program_that_ignores_its_children_gets_results_too)
{
	signal(SIGCHLD, SIG_IGN);
	run_real(crash_unwatched, NULL);
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

static int time_out(void *arg)
{
	(void)arg;
	size_t len;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_snapshot_submit(g, run_for_ever, NULL, OX_SNAPSHOT_OPTIONS(.timeout = OX_MS(30)));
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_TIMEOUT);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGKILL);
	f = ox_snapshot_submit(g, run_for_ever, NULL, OX_SNAPSHOT_OPTIONS(.timeout = OX_MS(30), .grace = OX_MS(30)));
	EXPECT_EQ(ox_await(f), OX_ETIMEDOUT);
	f = ox_snapshot_submit(g, end_when_told, NULL, OX_SNAPSHOT_OPTIONS(.timeout = OX_MS(30), .grace = OX_SEC(100)));
	EXPECT_EQ(ox_await(f), 5);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_JOB);
	EXPECT(memcmp(ox_future_value(f, &len), "so far", 6) == 0 && len == 6);
	return 0;
}

START_TEST(at_its_timeout_it_is_told_and_killed)
{
	run_real(time_out, NULL);
}
END_TEST

static int call_for_ever(void *arg)
{
	(void)arg;
	return ox_snapshot_call(run_for_ever, NULL, NULL, NULL);
}

static int cancel_it(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_snapshot_submit(g, run_for_ever, NULL, NULL);
	await_begun(1);
	EXPECT(ox_future_cancel(f));
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CANCEL);
	EXPECT_EQ(ox_future_crash(f)->signal, SIGKILL);
	ox_future *task = ox_spawn(g, call_for_ever, NULL);
	await_begun(2);
	EXPECT_EQ(ox_wait_for(task, OX_MS(1)), OX_ETIMEDOUT);
	f = ox_snapshot_submit(g, end_when_told, NULL, OX_SNAPSHOT_OPTIONS(.grace = OX_SEC(100)));
	await_begun(3);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), 5);      /* it had time to end */
	EXPECT(no_snapshot_left(NULL));
	/* left by their group */
	OX_AUTO_GROUP *inner = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_snapshot_submit(inner, run_for_ever, NULL, NULL);
	await_begun(4);
	ox_group_cancel(inner);
	EXPECT_EQ(ox_future_status(ox_snapshot_submit(inner, run_for_ever, NULL, NULL)), OX_ECANCELED);
	return 0;
}

START_TEST(cancelling_kills_it)
{
	run_real(cancel_it, NULL);
	ck_assert(no_snapshot_left(NULL));
}
END_TEST

/* A child of its own that would never end, in its group. */
static int leave_a_stray(void *arg, ox_reply *out)
{
	(void)arg, (void)out;
	if (fork() == 0)
		for (;;)
			pause();
	return 0;
}

static int call_stray(void *arg)
{
	(void)arg;
	return ox_snapshot_call(leave_a_stray, NULL, NULL, NULL);
}

START_TEST(what_it_has_started_ends_with_it)
{
	run_real(call_stray, NULL);
	ck_assert(eventually(no_snapshot_left, NULL, 1000));
}
END_TEST

/* ---- many ---- */

struct gauge {
	_Atomic int now, most;
};

static int count_in(void *arg, ox_reply *out)
{
	struct gauge *g = *(struct gauge **)arg;
	(void)out;
	int now = atomic_fetch_add(&g->now, 1) + 1, most = atomic_load(&g->most);
	while (now > most && !atomic_compare_exchange_weak(&g->most, &most, now))
		;
	pause_ms(5);
	atomic_fetch_sub(&g->now, 1);
	return 0;
}

static int run_many(struct gauge *gauge, ox_limiter *limiter)
{
	OX_AUTO_GROUP *g = ox_group_open();
	atomic_store(&gauge->most, 0);
	for (int i = 0; i < 20; i++)
		ox_snapshot_submit(g, count_in, &gauge, OX_SNAPSHOT_OPTIONS(.limiter = limiter, .max_result = 100));
	EXPECT_EQ(ox_group_join(g), 0);
	return atomic_load(&gauge->most);
}

static int bounded(void *arg)
{
	struct gauge *gauge = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_LIMITER *three = ox_limiter_new(3);
	int most = run_many(gauge, three);
	EXPECT(most >= 1 && most <= 3);
	EXPECT_EQ(ox_limiter_borrowed(three), 0);
	most = run_many(gauge, NULL);
	EXPECT(most >= 1 && most <= (int)ox_cpu_count());
	/* one that waits and is cancelled has not been forked */
	ox_limiter_resize(three, 1);
	ox_future *f = ox_snapshot_submit(g, run_for_ever, NULL, OX_SNAPSHOT_OPTIONS(.limiter = three));
	await_begun(1);
	ox_scope scope;
	ox_scope_enter(&scope, OX_MS(5));
	EXPECT_EQ(ox_scope_leave(&scope, ox_snapshot_call(run_for_ever, NULL, OX_SNAPSHOT_OPTIONS(.limiter = three), NULL)), OX_ETIMEDOUT);
	EXPECT_EQ(atomic_load(begun), 1);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_limiter_borrowed(three), 0);
	return 0;
}

START_TEST(so_many_run_at_a_time_as_the_limiter_allows)
{
	struct gauge *gauge = mmap(NULL, sizeof *gauge, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	run_real(bounded, gauge);
	munmap(gauge, sizeof *gauge);
}
END_TEST

/* Beside a pool that works, with ZeroMQ's threads and a thread that allocates all the time. */
static _Atomic bool allocating;

static void *allocate(void *arg)
{
	(void)arg;
	while (atomic_load(&allocating))
		free(malloc(1 + (size_t)rand() % 100000));
	return NULL;
}

static int use_thread(void *arg)
{
	(void)arg;
	return ox_thread_call(allocate, NULL, NULL);
}

static int beside_a_pool(void *arg)
{
	ox_pool *pool = arg;
	OX_AUTO_GROUP *g = ox_group_open();
	atomic_store(&allocating, true);
	ox_spawn(g, use_thread, NULL);
	for (int i = 0; i < 30; i++) {
		size_t n = 10000;
		OX_AUTO_RESULT *r = NULL;
		for (int k = 0; k < 20; k++)
			ox_submit(g, pool, &echo_job, "hello", 5);
		EXPECT_EQ(ox_snapshot_call(reply_much, &n, NULL, &r), 7);
		EXPECT_EQ(ox_result_bytes(r).len, n);
	}
	atomic_store(&allocating, false);
	int r = ox_group_join(g);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	EXPECT_EQ(ox_pool_close(pool), 0);
	return r;
}

START_TEST(a_pool_and_threads_of_the_program_notice_nothing)
{
	ox_pool *pool;
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 2), &pool), 0);
	run_real(beside_a_pool, pool);
}
END_TEST

/* ---- refusals ---- */

static int ask_too_much(void *arg)
{
	size_t n = 101;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_snapshot_submit(g, reply_much, &n, OX_SNAPSHOT_OPTIONS(.max_result = 100));
	EXPECT_EQ(ox_await(f), OX_ETOOBIG);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.max_result = 101), NULL), 7);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.max_result = SIZE_MAX), NULL), OX_EINVAL);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.max_result = SIZE_MAX / 4), NULL), OX_ENOMEM);
	EXPECT_EQ(ox_snapshot_call(NULL, NULL, NULL, NULL), OX_EINVAL);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.timeout = -1), NULL), OX_EINVAL);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.grace = -1), NULL), OX_EINVAL);
	EXPECT_EQ(ox_snapshot_call(reply_much, &n, &(ox_snapshot_options){ .size = 0 }, NULL), OX_EINVAL);
	EXPECT_EQ(ox_future_status(ox_snapshot_submit(NULL, reply_much, &n, NULL)), OX_ENOMEM);
	return 0;
}

START_TEST(f30_what_cannot_be_is_refused)
{
	run_real(ask_too_much, NULL);
	ck_assert_int_eq(ox_snapshot_call(return_it, &(int){ 0 }, NULL, NULL), OX_ESTATE);
}
END_TEST

static int call_once(void *arg)
{
	size_t n = 1000;
	(void)arg;
	OX_AUTO_RESULT *res = NULL;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	if (g == NULL)
		return OX_ENOMEM;
	int r = ox_snapshot_call(reply_much, &n, OX_SNAPSHOT_OPTIONS(.timeout = OX_SEC(100)), &res);
	if (r == 7)
		r = ox_await(ox_snapshot_submit(g, reply_much, &n, OX_SNAPSHOT_OPTIONS(.timeout = OX_SEC(100))));
	return r == 7 ? 0 : r;
}

START_TEST(it_fails_cleanly_without_memory)
{
	fails_cleanly_real(call_once, NULL);
	ck_assert(no_snapshot_left(NULL));
}
END_TEST

/* clone() answers EAGAIN from now on. */
static bool forbid_forks(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof code / sizeof *code, .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* In drivers nothing of Check's may be called. */
static int call_refused(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	if (ox_snapshot_call(return_it, &(int){ 0 }, NULL, NULL) != -EAGAIN)
		return 1;
	ox_future *f = ox_snapshot_submit(g, return_it, &(int){ 0 }, NULL);
	return ox_await(f) == -EAGAIN && ox_future_origin(f) == OX_ORIGIN_LIMIT ? 0 : 2;
}

/* A leak checker that runs at exit() would clone too. */
static int driver_refused(void)
{
	if (!forbid_forks())
		return 77;
	_exit(ox_run(call_refused, NULL, NULL));
}

static int exit_code_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

START_TEST(f24_a_fork_that_is_refused_is_an_error)
{
	char nonce[64];
	int out, code;
	code = exit_code_of(start_driver("refused", nonce, &out));
	close(out);
	if (code == 77)
		SKIP("no seccomp here");
	ck_assert_int_eq(code, 0);
}
END_TEST

/* ---- the program ---- */

static int print_and_call(void *arg)
{
	enum way way = EXIT_3;
	(void)arg;
	printf("once ");                /* stays in the buffer of a pipe */
	ox_snapshot_call(end_so, &way, NULL, NULL);
	return ox_snapshot_call(return_it, &(int){ 0 }, NULL, NULL);
}

static int driver_prints(void)
{
	return ox_run(print_and_call, NULL, NULL);
}

START_TEST(what_the_program_had_not_written_yet_is_written_once)
{
	char nonce[64], text[64] = "";
	int out;
	pid_t pid = start_driver("prints", nonce, &out);
	size_t n = 0;
	for (ssize_t r; n < sizeof text - 1 && (r = read(out, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)r;
	close(out);
	ck_assert_int_eq(exit_code_of(pid), 0);
	ck_assert_str_eq(text, "once ");
}
END_TEST

static int say_and_go_on(void *arg, ox_reply *out)
{
	ssize_t n = write(1, "x", 1);
	(void)n;
	return run_for_ever(arg, out);
}

static int call_three(void *arg)
{
	OX_AUTO_LIMITER *l = ox_limiter_new(3);
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 3; i++)
		ox_snapshot_submit(g, say_and_go_on, NULL, OX_SNAPSHOT_OPTIONS(.limiter = l));
	return ox_group_join(g);
}

static int driver_three(void)
{
	return ox_run(call_three, NULL, NULL);
}

START_TEST(f17_nothing_is_left_when_the_program_is_killed)
{
	char nonce[64], c;
	int out;
	pid_t pid = start_driver("three", nonce, &out);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(read(out, &c, 1), 1);
	ck_assert_uint_eq(find_processes(nonce, "oxbow-snapshot", NULL, 0), 3);
	kill(pid, SIGKILL);
	ck_assert_int_eq(exit_code_of(pid), -SIGKILL);
	ck_assert(eventually(no_process_left, nonce, 1000));
	ck_assert_int_eq(read(out, &c, 1), 0);
	close(out);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver drivers[] = {
		{ "refused", driver_refused }, { "prints", driver_prints }, { "three", driver_three }, { NULL, NULL },
	};
	pool_main(argc, argv, drivers);
	Suite *s = suite_create("snapshot");
	TCase *t = new_pool_case(s, "memory", 60);
	tcase_add_test(t, it_sees_the_heap_as_it_was_while_the_program_goes_on);
	tcase_add_test(t, a_hundred_megabytes_come_back);
	tcase_add_test(t, its_status_passes_through);
	tcase_add_test(t, it_has_no_descriptor_of_the_programs_but_the_standard_ones);
	tcase_add_test(t, its_signals_are_default_ones);
	tcase_add_test(t, f20_calls_of_the_library_say_that_they_are_in_a_forked_child);
	tcase_add_test(t, it_has_the_limits_that_were_asked_for);
	t = new_pool_case(s, "ends", 60);
	tcase_add_test(t, a_crash_is_told_as_a_jobs_is);
	tcase_add_test(t, a_program_that_ignores_its_children_gets_results_too);
	tcase_add_test(t, at_its_timeout_it_is_told_and_killed);
	tcase_add_test(t, cancelling_kills_it);
	tcase_add_test(t, what_it_has_started_ends_with_it);
	t = new_pool_case(s, "many", 60);
	tcase_add_test(t, so_many_run_at_a_time_as_the_limiter_allows);
	tcase_add_test(t, a_pool_and_threads_of_the_program_notice_nothing);
	t = new_pool_case(s, "refusals", 60);
	tcase_add_test(t, f30_what_cannot_be_is_refused);
	tcase_add_test(t, it_fails_cleanly_without_memory);
	tcase_add_test(t, f24_a_fork_that_is_refused_is_an_error);
	t = new_pool_case(s, "program", 60);
	tcase_add_test(t, what_the_program_had_not_written_yet_is_written_once);
	tcase_add_test(t, f17_nothing_is_left_when_the_program_is_killed);
	return run_suite(s);
}
