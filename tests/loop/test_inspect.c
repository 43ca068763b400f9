/* SPDX-License-Identifier: MIT */
/*
 * Seeing inside: the dump of tasks, SIGQUIT, the watchdog, deadlocks, errors that nobody received, figures,
 * tracers.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "include/private/sanitize.h"
#include "loop/state.h"
#include "tests/support/support.h"

/* ---- what is logged and printed ---- */

static char logged[16384];

static void remember(void *arg, ox_log_level level, const char *text)
{
	size_t len = strlen(logged);

	(void)arg, (void)level;
	snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

static void setup(void)
{
	fixture_setup();
	logged[0] = '\0';
	ox_log_set(remember, NULL);
}

static void teardown(void)
{
	ox_log_set(NULL, NULL);
	fixture_teardown();
}

static void expect_text(const char *file, int line, const char *text, const char *part, bool there)
{
	if ((strstr(text, part) != NULL) != there) {
		fprintf(stderr, "%s:%d: %s \"%s\" in:\n%s\n", file, line, there ? "no" : "there is", part, text);
		expect_failed(file, line, part, there, !there);
	}
}
#define EXPECT_TEXT(text, part) expect_text(__FILE__, __LINE__, (text), (part), true)
#define EXPECT_NO_TEXT(text, part) expect_text(__FILE__, __LINE__, (text), (part), false)

/* What was written to a memory file so far. */
static const char *written(int fd)
{
	static _Thread_local char text[65536];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int run_with(ox_coro *fn, void *arg, const ox_run_options *o)
{
	int r = ox_run(fn, arg, o);

	assert_expectations();
	return r;
}

/*
 * Static functions have names in the symbol table of the file only, which valgrind and others leave
 * readable.
 */
__attribute__((noinline)) static int spin(ox_time d)
{
	ox_time end = oxi_real_now() + d;
	int n = 0;

	while (oxi_real_now() < end)
		n++;
	return n > 0 ? 0 : -1;
}

/* ---- the dump ---- */

__attribute__((noinline)) static int get_forever(void *arg)
{
	void *item;
	int r = ox_queue_get(arg, &item);

	return r == OX_ECLOSED ? 0 : r;
}

static int sleep_long(void *arg)
{
	ox_scope s;

	(void)arg;
	ox_scope_enter(&s, OX_SEC(100));
	return ox_scope_leave(&s, ox_sleep(OX_SEC(50)));
}

static int read_pipe(void *arg)
{
	int r = ox_wait_fd(*(int *)arg, OX_READABLE);

	return r < 0 ? r : 0;
}

static int wait_for_it(void *arg)
{
	return ox_await(arg);
}

static int dump(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.name = "handlers"));
	ox_queue *q = ox_queue_new(1);
	int fds[2], out = memfd_create("dump", MFD_CLOEXEC);
	char read_line[64];
	ox_future *getter;
	const char *text;

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	snprintf(read_line, sizeof(read_line), "wait fd %d", fds[0]);
	getter = ox_spawn(g, get_forever, q);
	ox_spawn(g, sleep_long, NULL);
	ox_spawn(g, read_pipe, &fds[0]);
	ox_spawn(g, wait_for_it, getter);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_sleep(OX_MS(20)), 0);
	ox_spawn(g, wait_for_it, getter);               /* one that never ran */
	EXPECT_EQ(ox_dump_tasks(out), 0);
	text = written(out);
	EXPECT_TEXT(text, "6 tasks");
	EXPECT_TEXT(text, "#1 main: running");
	EXPECT_TEXT(text, "  group \"handlers\": 5 pending");
	EXPECT_TEXT(text, "    #2 get_forever: parked 0.");
	EXPECT_TEXT(text, "queue get 0x");
	EXPECT_TEXT(text, "spawned at ");
	EXPECT_TEXT(text, "test_inspect.c:");
	EXPECT_TEXT(text, ": sleep");
	EXPECT_TEXT(text, "scope: ");
	EXPECT_TEXT(text, " left");
	EXPECT_TEXT(text, read_line);
	EXPECT_TEXT(text, ": task #2 get_forever");
	EXPECT_TEXT(text, "#6 wait_for_it: ready");
	EXPECT_TEXT(text, "get_forever+0x");             /* a static function, in a backtrace */
	EXPECT_TEXT(text, "sleep_long+0x");
	EXPECT_TEXT(text, " (test_inspect+0x");
	EXPECT_EQ(ox_dump_tasks(-1), 0);                /* to nowhere */
	EXPECT_EQ(write(fds[1], "", 1), 1);
	ox_group_cancel(g);
	ox_queue_shut(q, NULL);
	ox_group_join(g);
	ox_queue_free(q);
	close(fds[0]);
	EXPECT_EQ(ox_dump_tasks(fds[0]), -EBADF);
	close(fds[1]);
	close(out);
	return 0;
}

START_TEST(dump_shows_the_tree_with_what_each_task_waits_for_and_where_it_is)
{
	ck_assert_int_eq(ox_dump_tasks(1), OX_ESTATE);
	ck_assert_int_eq(run_with(dump, NULL, NULL), 0);
}
END_TEST

/* ---- SIGQUIT ---- */

static void *quit_soon(void *arg)
{
	(void)arg;
	usleep(30000);
	kill(getpid(), SIGQUIT);
	return NULL;
}

static int quit_while_idle(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int out = *(int *)arg;

	ox_spawn(g, sleep_long, NULL);
	EXPECT_EQ(ox_thread_call(quit_soon, NULL, NULL), 0);    /* we are parked meanwhile */
	while (strstr(written(out), "sleep_long+0x") == NULL)
		EXPECT_EQ(ox_sleep(OX_MS(5)), 0);
	EXPECT_TEXT(written(out), "(no task runs)");
	EXPECT_TEXT(written(out), "#2 sleep_long: parked");
	ox_group_cancel(g);
	return 0;
}

__attribute__((noinline)) static int stuck_until_dumped(void *arg)
{
	ox_time end = oxi_real_now() + OX_SEC(20);
	int out = *(int *)arg;

	while (strstr(written(out), "stuck_until_dumped: running") == NULL && oxi_real_now() < end)
		;
	return 0;
}

static int quit_while_stuck(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	pthread_t thread;

	ox_spawn(g, sleep_long, NULL);
	ox_yield();
	EXPECT_EQ(pthread_create(&thread, NULL, quit_soon, NULL), 0);
	EXPECT_EQ(ox_await(ox_spawn(g, stuck_until_dumped, arg)), 0);
	pthread_join(thread, NULL);
	EXPECT_TEXT(written(*(int *)arg), "stuck_until_dumped: running");
	EXPECT_TEXT(written(*(int *)arg), "stuck_until_dumped+0x");
	EXPECT_TEXT(written(*(int *)arg), "sleep_long+0x");
	ox_group_cancel(g);
	return 0;
}

START_TEST(sigquit_prints_the_tasks_of_an_idle_loop_and_of_one_that_is_stuck)
{
	ox_coro *const fns[] = { quit_while_idle, quit_while_stuck };
	struct sigaction sa;

	for (size_t i = 0; i < 2; i++) {
		int out = memfd_create("dump", MFD_CLOEXEC);

		ck_assert_int_eq(run_with(fns[i], &out, OX_RUN_OPTIONS(.dump_on_sigquit = true, .report_fd = out)), 0);
		close(out);
	}
	sigaction(SIGQUIT, NULL, &sa);
	ck_assert(sa.sa_handler == SIG_DFL);            /* as before */
}
END_TEST

struct second {
	pthread_t thread;
	int out;
};

static void *run_second(void *arg)
{
	struct second *s = arg;

	run_with(stuck_until_dumped, &s->out, OX_RUN_OPTIONS(.dump_on_sigquit = true, .report_fd = s->out));
	return NULL;
}

static int quit_for_both(void *arg)
{
	struct second *s = arg;

	EXPECT_EQ(pthread_create(&s->thread, NULL, run_second, s), 0);
	while (strstr(written(s->out), "#1 main: running") == NULL) {
		kill(getpid(), SIGQUIT);                /* whichever thread it comes to, the other hears of it */
		EXPECT_EQ(ox_sleep(OX_MS(5)), 0);
	}
	EXPECT_EQ(pwrite(s->out, "stuck_until_dumped: running", 27, 0), 27);
	pthread_join(s->thread, NULL);
	return 0;
}

static int raise_quit(void *arg)
{
	(void)arg;
	kill(getpid(), SIGQUIT);
	return 0;
}

START_TEST(sigquit_reaches_the_loops_of_all_threads)
{
	struct second s = { .out = memfd_create("second", MFD_CLOEXEC) };
	int out = memfd_create("first", MFD_CLOEXEC);

	ck_assert_int_eq(run_with(raise_quit, NULL, OX_RUN_OPTIONS(.dump_on_sigquit = true, .report_fd = out)), 0);
	ck_assert_ptr_ne(strstr(written(out), "#1 main: running"), NULL);
	ck_assert_int_eq(run_with(quit_for_both, &s, OX_RUN_OPTIONS(.dump_on_sigquit = true, .report_fd = out)), 0);
	close(out);
	close(s.out);
}
END_TEST

/* ---- the watchdog ---- */

#define SHORT OX_MS(40)

/* Holds up the loop until that has been reported: the report is made during the stall. */
__attribute__((noinline)) static int hold_up(void *arg)
{
	ox_time end = oxi_real_now() + OX_SEC(20);

	while (strstr(written(*(int *)arg), "hold_up") == NULL && oxi_real_now() < end)
		;
	EXPECT_TEXT(logged, "");
	EXPECT_NO_TEXT(logged, "hold_up");
	spin(OX_MS(100));
	return 0;
}

static int stall(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_loop_stats s;

	EXPECT_EQ(ox_await(ox_spawn(g, hold_up, arg)), 0);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT_TEXT(logged, "hold_up (spawned at ");
	EXPECT_TEXT(logged, "held up the loop for ");
	EXPECT_TEXT(logged, "hold_up < run");
	EXPECT_EQ(ox_loop_get_stats(&s), 0);
	EXPECT_EQ(s.stalls, 1);
	EXPECT(s.longest_busy >= OX_MS(100));
	return 0;
}

START_TEST(a_coroutine_that_holds_up_the_loop_is_named_while_it_does_and_when_it_ended)
{
	int out = memfd_create("report", MFD_CLOEXEC);

	ck_assert_int_eq(run_with(stall, &out, OX_RUN_OPTIONS(.stall = SHORT, .report_fd = out)), 0);
	ck_assert_ptr_ne(strstr(written(out), "coroutine #2 hold_up (spawned at "), NULL);
	ck_assert_ptr_ne(strstr(written(out), "hold_up+0x"), NULL);
	close(out);
}
END_TEST

/*
 * Until the watchdog has noticed: on a busy machine no time is enough for it. Nearly all of the time is spent in this function, for
 * from within the C library's or the linker's code the way back is not always found.
 */
__attribute__((noinline)) static int spin_until_caught(void)
{
	ox_loop_stats s;

	do {
		for (volatile unsigned i = 0; i < 1000000; i++)
			;
		EXPECT_EQ(ox_loop_get_stats(&s), 0);
	} while (s.stalls == 0);
	return 0;
}

static int main_spins(void *arg)
{
	(void)arg;
	return spin_until_caught();
}

START_TEST(a_stall_of_the_first_run_is_found_too_with_the_default_threshold)
{
	ck_assert_int_eq(run_with(main_spins, NULL, NULL), 0);
	ck_assert_msg(strstr(logged, "coroutine #1 main held up the loop for ") != NULL, "%s", logged);
	ck_assert_msg(strstr(logged, "spin") != NULL, "%s", logged);
}
END_TEST

static void spin_in_a_post(void *arg)
{
	(void)arg;
	EXPECT_EQ(spin_until_caught(), 0);
}

static int post_a_stall(void *arg)
{
	(void)arg;
	ox_post(ox_loop_self(), spin_in_a_post, NULL);
	EXPECT_EQ(ox_sleep(OX_MS(50)), 0);
	ox_yield();
	EXPECT_TEXT(logged, "a callback held up the loop");
	EXPECT_TEXT(logged, "spin_in_a_post");
	return 0;
}

START_TEST(a_stall_in_a_callback_is_found_as_well)
{
	ck_assert_int_eq(run_with(post_a_stall, NULL, OX_RUN_OPTIONS(.stall = SHORT)), 0);
}
END_TEST

static void *spin_as_errand(void *arg)
{
	EXPECT_EQ(spin_until_caught(), 0);
	return arg;
}

static int errand_stall(void *arg)
{
	return ox_run_on_big_stack(spin_as_errand, arg) == arg ? 0 : -1;
}

START_TEST(a_stall_on_the_big_stack_is_the_coroutines)
{
	ck_assert_int_eq(run_with(errand_stall, NULL, OX_RUN_OPTIONS(.stall = SHORT)), 0);
	ck_assert_msg(strstr(logged, "coroutine #1 main held up the loop") != NULL, "%s", logged);
	ck_assert_msg(strstr(logged, "spin_as_errand") != NULL, "%s", logged);
}
END_TEST

static int blocking_sleep(void *arg)
{
	ox_loop_stats s = { 0 };

	(void)arg;
	while (s.stalls == 0) {
		usleep(200000);
		EXPECT_EQ(ox_loop_get_stats(&s), 0);
	}
	return 0;
}

START_TEST(a_blocking_call_is_a_stall)
{
	ck_assert_int_eq(run_with(blocking_sleep, NULL, OX_RUN_OPTIONS(.stall = SHORT)), 0);
	ck_assert_ptr_ne(strstr(logged, "main held up the loop"), NULL);
}
END_TEST

static int polite(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_time end = oxi_real_now() + OX_MS(300);

	(void)arg;
	ox_spawn(g, sleep_long, NULL);
	while (oxi_real_now() < end) {
		spin(OX_MS(1));
		EXPECT_EQ(ox_yield(), 0);
	}
	EXPECT_EQ(ox_sleep(OX_MS(300)), 0);
	ox_group_cancel(g);
	return 0;
}

START_TEST(who_gives_way_or_sleeps_is_not_accused)
{
	if (under_sanitizer || under_valgrind())
		SKIP("too slow for a threshold");
	ck_assert_int_eq(run_with(polite, NULL, OX_RUN_OPTIONS(.stall = OX_MS(100))), 0);
	ck_assert_str_eq(logged, "");
}
END_TEST

static int sleep_a_second(void *arg)
{
	struct rusage before, after;

	(void)arg;
	getrusage(RUSAGE_THREAD, &before);
	EXPECT_EQ(ox_sleep(OX_SEC(1)), 0);
	getrusage(RUSAGE_THREAD, &after);
	EXPECT(after.ru_nvcsw - before.ru_nvcsw <= 4);          /* the sleep, and one tick */
	return 0;
}

START_TEST(an_idle_loop_is_left_alone)
{
	ck_assert_int_eq(run_with(sleep_a_second, NULL, OX_RUN_OPTIONS(.stall = OX_MS(10))), 0);
}
END_TEST

static volatile sig_atomic_t urgent;

static void count_urgent(int signo)
{
	(void)signo;
	urgent++;
}

static int raise_urgent(void *arg)
{
	(void)arg;
	raise(SIGURG);
	return 0;
}

static int set_urgent(void *arg)
{
	(void)arg;
	signal(SIGURG, count_urgent);
	return 0;
}

START_TEST(a_program_keeps_its_own_handler_of_the_watchdogs_signal)
{
	signal(SIGURG, count_urgent);
	urgent = 0;
	ck_assert_int_eq(run_with(raise_urgent, NULL, NULL), 0);        /* passed on */
	ck_assert_int_eq(urgent, 1);
	raise(SIGURG);                                                  /* put back */
	ck_assert_int_eq(urgent, 2);
	signal(SIGURG, SIG_DFL);
	ck_assert_int_eq(run_with(set_urgent, NULL, NULL), 0);          /* left alone */
	ck_assert_ptr_eq((void *)(uintptr_t)signal(SIGURG, SIG_DFL), (void *)(uintptr_t)count_urgent);
}
END_TEST

static int spin_unseen(void *arg)
{
	(void)arg;
	return spin(OX_MS(300));
}

START_TEST(there_is_no_watchdog_when_it_is_off_or_nobody_listens_or_time_is_virtual)
{
	ck_assert_int_eq(run_with(spin_unseen, NULL, OX_RUN_OPTIONS(.stall = OX_NEVER)), 0);
	ck_assert_int_eq(run_with(spin_unseen, NULL, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true))), 0);
	ck_assert_str_eq(logged, "");
	ox_log_set(NULL, NULL);
	ck_assert_int_eq(run_with(spin_unseen, NULL, NULL), 0);
}
END_TEST

/* ---- deadlocks ---- */

struct two_queues {
	ox_queue *a, *b;
};

static int join_getters(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct two_queues *q = arg;

	ox_spawn(g, get_forever, q->a);
	ox_spawn(g, get_forever, q->b);
	return ox_group_join(g);
}

static int shielded(void *arg)
{
	ox_scope s;

	ox_scope_shield(&s, OX_NEVER);
	return ox_scope_leave(&s, join_getters(arg));
}

static int ignore_and_end(void *arg)
{
	join_getters(arg);
	return 0;
}

START_TEST(a_deadlock_ends_a_run_under_the_test_clock_and_where_that_is_asked_for)
{
	struct two_queues q = { ox_queue_new(1), ox_queue_new(1) };
	const ox_run_options *o[] = { OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true)),
		                      OX_RUN_OPTIONS(.deadlock = OX_DEADLOCK_CANCEL) };
	ox_coro *const fns[] = { join_getters, shielded, ignore_and_end };

	for (size_t i = 0; i < 6; i++) {
		logged[0] = '\0';
		ck_assert_int_eq(run_with(fns[i / 2], &q, o[i % 2]), -EDEADLK);
		ck_assert_msg(strstr(logged, "deadlock: no task can run any more: 3 wait") != NULL, "%s", logged);
		ck_assert_msg(strstr(logged, "deadlock: #1 main: parked") != NULL, "%s", logged);
		ck_assert_msg(strstr(logged, "deadlock: #2 get_forever: parked") != NULL, "%s", logged);
		ck_assert_msg(strstr(logged, "queue get 0x") != NULL, "%s", logged);
	}
	ox_queue_free(q.a);
	ox_queue_free(q.b);
}
END_TEST

static void write_log(void *arg, ox_log_level level, const char *text)
{
	char line[2048];
	int len = snprintf(line, sizeof(line), "%s\n", text);

	(void)level;
	EXPECT_EQ(write(*(int *)arg, line, (size_t)len), len);         /* not dprintf(): ThreadSanitizer has to see it */
}

static void *run_deadlocked(void *arg)
{
	EXPECT_EQ(ox_run(join_getters, arg, NULL), 0);
	return NULL;
}

static void shut_both(void *arg)
{
	struct two_queues *q = arg;

	ox_queue_shut(q->a, NULL);
	ox_queue_shut(q->b, NULL);
}

extern struct ox_loop *oxi_loops;

/* The report is made once, and the loop goes on to wait. */
START_TEST(a_deadlock_is_reported_and_waited_out_by_default)
{
	struct two_queues q = { ox_queue_new(1), ox_queue_new(1) };
	char text[4096] = { 0 };
	size_t len = 0;
	pthread_t thread;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ox_log_set(write_log, &fds[1]);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_deadlocked, &q), 0);
	while (strstr(text, "#3 get_forever") == NULL && len < sizeof(text) - 1) {
		ssize_t n = read(fds[0], text + len, sizeof(text) - 1 - len);

		ck_assert_int_gt(n, 0);
		len += (size_t)n;
	}
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, 200), 0);
	ck_assert_int_eq(ox_post(oxi_loops, shut_both, &q), 0);         /* what no program could do: it never got the loop */
	pthread_join(thread, NULL);
	assert_expectations();
	close(fds[0]);
	close(fds[1]);
	ox_queue_free(q.a);
	ox_queue_free(q.b);
}
END_TEST

static void *resolve_later(void *arg)
{
	usleep(20000);
	return arg;
}

struct posted {
	ox_loop *loop;
	ox_future *promise;
};

static void resolve(void *arg)
{
	ox_promise_resolve(arg, 0, NULL, 0);
}

static void *post_later(void *arg)
{
	struct posted *p = arg;

	resolve_later(NULL);
	ox_post(p->loop, resolve, p->promise);
	return NULL;
}

static int wait_for_a_thread(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	struct posted p = { ox_loop_self(), ox_promise(g) };
	pthread_t thread;
	int r;

	(void)arg;
	EXPECT_EQ(pthread_create(&thread, NULL, post_later, &p), 0);
	r = ox_await(p.promise);
	pthread_join(thread, NULL);
	return r;
}

START_TEST(who_waits_for_another_thread_is_not_in_a_deadlock)
{
	ck_assert_int_eq(run_with(wait_for_a_thread, NULL, OX_RUN_OPTIONS(.deadlock = OX_DEADLOCK_CANCEL)), 0);
	ck_assert_int_eq(run_with(wait_for_a_thread, NULL, OX_RUN_OPTIONS(.test = OX_TEST_OPTIONS(.virtual_clock = true))), 0);
	ck_assert_str_eq(logged, "");
}
END_TEST

struct pair {
	ox_lock *mine, *other;
};

static int take_both(void *arg)
{
	struct pair *p = arg;
	int r = ox_lock_acquire(p->mine);

	if (r == 0)
		r = ox_yield();
	if (r == 0)
		r = ox_lock_acquire(p->other);
	if (ox_lock_held(p->mine))
		ox_lock_release(p->mine);
	return r;
}

static int cycle(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_lock *a = ox_lock_new(), *b = ox_lock_new();
	struct pair one = { a, b }, two = { b, a };
	int out = memfd_create("dump", MFD_CLOEXEC);

	(void)arg;
	ox_spawn(g, take_both, &one);
	ox_spawn(g, take_both, &two);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);                       /* others go on: the cycle is found all the same */
	EXPECT_TEXT(logged, "a cycle of locks: #");
	EXPECT_TEXT(logged, "#2 take_both waits for lock 0x");
	EXPECT_TEXT(logged, "held by #3 take_both");
	EXPECT_TEXT(logged, "held by #2 take_both");
	EXPECT_EQ(ox_dump_tasks(out), 0);
	EXPECT_TEXT(written(out), "held by #3 take_both");
	close(out);
	ox_group_cancel(g);
	EXPECT_EQ(ox_group_join(g), OX_ECANCELED);
	ox_lock_free(a);
	ox_lock_free(b);
	return 0;
}

START_TEST(a_cycle_of_locks_is_reported_when_it_closes)
{
	run_virtual(cycle, NULL);
}
END_TEST

/* ---- errors that nobody received ---- */

static int fail_with(void *arg)
{
	return (int)(intptr_t)arg;
}

static int yield_and_fail(void *arg)
{
	ox_yield();
	return (int)(intptr_t)arg;
}

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static int heard(void *arg)
{
	ox_group *g;
	ox_future *f, *fs[2], *done;
	int r = 0;

	(void)arg;
	g = ox_group_open();                                    /* join */
	ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_group_join(g), -EIO);
	ox_group_close(g);

	g = ox_group_open();                                    /* the group's errors */
	ox_spawn(g, fail_with, (void *)-EIO);
	ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_group_join(g), -EIO);
	EXPECT_EQ(ox_group_error(g, 1), -EIO);
	ox_group_close(g);

	g = ox_group_open();                                    /* await, in a fail-fast group */
	f = ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_await(f), -EIO);
	ox_group_close(g);

	g = COLLECT;                                            /* await, status */
	f = ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_await(f), -EIO);
	f = ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(f), -EIO);
	ox_group_close(g);

	g = COLLECT;                                            /* gather, next */
	fs[0] = ox_spawn(g, yield_and_fail, (void *)-EIO);
	fs[1] = ox_spawn(g, fail_with, (void *)-EPIPE);
	EXPECT_EQ(ox_gather(fs, 2), -EPIPE);
	EXPECT_EQ(ox_await(fs[0]), -EIO);
	ox_spawn(g, fail_with, (void *)-EIO);
	while (ox_group_next(g, &done) > 0)
		;
	ox_group_close(g);

	g = COLLECT;                                            /* select */
	f = ox_spawn(g, yield_and_fail, (void *)-EIO);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(f), OX_AFTER(OX_SEC(1))), 0);
	EXPECT_EQ(r, -EIO);
	ox_group_close(g);

	g = COLLECT;                                            /* no errors */
	ox_spawn(g, fail_with, (void *)5);
	ox_spawn(g, sleep_long, NULL);
	ox_group_cancel(g);
	ox_group_close(g);
	return 0;
}

START_TEST(programs_that_look_at_their_errors_hear_nothing)
{
	run_virtual(heard, NULL);
	ck_assert_str_eq(logged, "");
}
END_TEST

static int lost_first(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	return ox_sleep(OX_SEC(1)) == OX_ECANCELED ? 0 : -1;    /* cancelled by the failure, which nobody asks for */
}

static int lost_second(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_group_join(g), -EIO);
	return 0;
}

static int lost_collect(void *arg)
{
	OX_AUTO_GROUP *g = COLLECT;

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	return ox_group_join(g);
}

static int lost_reaped(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true));

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT_TEXT(logged, "failed and nobody asked");         /* at once: the group lives on */
	return 0;
}

static int lost_reaped_fast(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	return ox_sleep(OX_SEC(1)) == OX_ECANCELED ? 0 : -1;
}

static int joined_reaped_fast(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));

	(void)arg;
	ox_spawn(g, fail_with, (void *)-EIO);
	return ox_group_join(g) == -EIO ? 0 : -1;
}

START_TEST(errors_that_nobody_can_receive_are_reported_with_name_and_spawn_site)
{
	ox_coro *const fns[] = { lost_first, lost_second, lost_collect, lost_reaped, lost_reaped_fast };

	for (size_t i = 0; i < 5; i++) {
		logged[0] = '\0';
		run_virtual(fns[i], NULL);
		ck_assert_msg(strstr(logged, "task fail_with, spawned at ") != NULL, "%zu: %s", i, logged);
		ck_assert_msg(strstr(logged, "test_inspect.c:") != NULL, "%zu: %s", i, logged);
		ck_assert_msg(strstr(logged, "failed and nobody asked: Input/output error") != NULL, "%zu: %s", i, logged);
		ck_assert_msg(strchr(logged, '\n') == logged + strlen(logged) - 1, "once: %s", logged);
	}
	logged[0] = '\0';
	run_virtual(joined_reaped_fast, NULL);
	ck_assert_str_eq(logged, "");
}
END_TEST

/* ---- figures ---- */

static int yield_often(void *arg)
{
	for (int i = 0; i < 1000; i++)
		EXPECT_EQ(ox_yield(), 0);
	(void)arg;
	return 0;
}

static int short_sleeps(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_sleep(OX_US(100)), 0);
	return 0;
}

static int figures(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_loop_stats s;
	ox_future *sleeper;
	uint64_t samples = 0;

	(void)arg;
	for (int i = 0; i < 10; i++)
		ox_spawn(g, yield_often, NULL);
	EXPECT_EQ(ox_group_join(g), 0);
	sleeper = ox_spawn(g, sleep_long, NULL);
	EXPECT_EQ(ox_await(ox_spawn(g, short_sleeps, NULL)), 0);
	EXPECT_EQ(ox_loop_get_stats(&s), 0);
	EXPECT_EQ(s.spawned, 13);
	EXPECT_EQ(s.alive, 2);
	EXPECT_EQ(s.ready_max, 10);
	EXPECT(s.turns >= 1100);
	EXPECT(s.resumes >= 10 * 1000 + 100);
	EXPECT(s.polls >= 100);
	EXPECT(s.timers >= 2);                                  /* the sleep, and its scope */
	EXPECT_EQ(s.descriptors, 0);
	EXPECT_EQ(s.stacks, 2);
	EXPECT_EQ(s.stacks_max, 11);
	EXPECT(s.stacks_cached >= 9);
	EXPECT(s.longest_busy > 0 && s.longest_busy < OX_SEC(10));
	EXPECT_EQ(s.longest_run, 0);
	for (int i = 0; i < OX_LATENCY_BUCKETS; i++)
		samples += s.latency[i];
	EXPECT(samples >= 100 / 16);
	EXPECT(ox_latency_quantile(&s, 0.5) > 0);
	EXPECT(ox_latency_quantile(&s, 0.5) <= ox_latency_quantile(&s, 1));
	ox_future_cancel(sleeper);
	return 0;
}

START_TEST(figures_count_turns_tasks_stacks_and_latencies)
{
	ox_loop_stats none = { 0 };

	ck_assert_int_eq(ox_loop_get_stats(&none), OX_ESTATE);
	ck_assert_int_eq(ox_loop_get_functions(NULL, 0), OX_ESTATE);
	ck_assert_int_eq(ox_latency_quantile(&none, 0.5), 0);
	none.latency[4] = 99;
	none.latency[20] = 1;
	ck_assert_int_eq(ox_latency_quantile(&none, 0.5), 32);
	ck_assert_int_eq(ox_latency_quantile(&none, 1), 1 << 21);
	run_real(figures, NULL);
}
END_TEST

static int use_stack(void *arg)
{
	volatile char frame[40000];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 1;
	(void)arg;
	return spin(OX_MS(3));
}

static int use_nearly_all(void *arg)
{
	volatile char frame[220000];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 1;
	(void)arg;
	return 0;
}

static int measured(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_function_stats fs[8];
	ox_loop_stats s;

	(void)arg;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(ox_await(ox_spawn(g, use_stack, NULL)), 0);
	for (int i = 0; i < 3; i++)                             /* the stack that use_stack() had, and it is as new */
		EXPECT_EQ(ox_await(ox_spawn(g, yield_often, NULL)), 0);
	EXPECT_EQ(ox_await(ox_spawn(g, use_nearly_all, NULL)), 0);
	EXPECT_EQ(ox_loop_get_functions(fs, 8), 3);
	EXPECT(strcmp(fs[0].name, "use_stack") == 0);
	EXPECT_EQ(fs[0].tasks, 3);
	EXPECT(fs[0].stack_used > 40000 && (under_sanitizer || fs[0].stack_used < 50000));
	EXPECT(fs[0].stack_size >= OX_KIB(250));
	EXPECT(fs[0].longest_run >= OX_MS(3));
	EXPECT(strcmp(fs[1].name, "yield_often") == 0);
	EXPECT(under_sanitizer || fs[1].stack_used < 10000);
	EXPECT_EQ(ox_loop_get_stats(&s), 0);
	EXPECT(s.longest_run >= OX_MS(3));
	EXPECT(s.longest_run_name != NULL);
	return 0;
}

START_TEST(measuring_tells_the_stack_and_the_longest_run_of_each_function)
{
	if (under_valgrind())
		SKIP("valgrind takes looking below the stack pointer for an error");
	ck_assert_int_eq(run_with(measured, NULL, OX_RUN_OPTIONS(.measure = true)), 0);
	if (!under_sanitizer)
		ck_assert_ptr_ne(strstr(logged, "a task of use_nearly_all used "), NULL);
}
END_TEST

static int tell_functions(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int r = g ? ox_await(ox_spawn(g, fail_with, NULL)) : OX_ENOMEM;

	*(int *)arg = ox_loop_get_functions(NULL, 0);
	return r;
}

START_TEST(without_memory_a_function_is_not_measured_and_that_is_all)
{
	int least = 1, n;

	if (under_valgrind())
		SKIP("valgrind takes looking below the stack pointer for an error");
	for (size_t i = 1;; i++) {
		int r;

		n = 1;
		ox_test_fail_allocation(i);
		r = run_with(tell_functions, &n, OX_RUN_OPTIONS(.measure = true));
		ck_assert(r == 0 || r == OX_ENOMEM);
		if (ox_test_fail_allocation(0) < i)
			break;
		least = r == 0 && n < least ? n : least;
	}
	ck_assert_int_eq(least, 0);
}
END_TEST

/* ---- tracers ---- */

struct traced {
	ox_trace events[64];
	size_t n;
};

static void note(void *arg, const ox_trace *e)
{
	struct traced *t = arg;

	if (e->task == 2 && t->n < 64)
		t->events[t->n++] = *e;
}

static int sleep_and_fail(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	return -EIO;
}

static void note_poll(void *arg, const ox_trace *e)
{
	ox_trace_kind *last = arg;

	if (e->kind == OX_TRACE_POLL_BEGIN || e->kind == OX_TRACE_POLL_END) {
		EXPECT(e->kind != *last);
		*last = e->kind;
	}
}

static int traces(void *arg)
{
	static const ox_trace_kind expected[] = { OX_TRACE_SPAWN, OX_TRACE_RUN, OX_TRACE_START, OX_TRACE_PARK,
		                                  OX_TRACE_WAKE, OX_TRACE_RUN, OX_TRACE_END };
	OX_AUTO_GROUP *g = COLLECT;
	struct traced t = { .n = 0 };
	ox_trace_kind last = OX_TRACE_POLL_END;

	(void)arg;
	EXPECT_EQ(ox_instrument(note, &t), 0);
	EXPECT_EQ(ox_await(ox_spawn(g, sleep_and_fail, NULL)), -EIO);
	EXPECT_EQ(ox_instrument(note_poll, &last), 0);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT_EQ(last, OX_TRACE_POLL_END);
	EXPECT_EQ(ox_instrument(NULL, NULL), 0);
	EXPECT_EQ(t.n, sizeof(expected) / sizeof(*expected));
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		EXPECT_EQ(t.events[i].kind, expected[i]);
	EXPECT(strcmp(t.events[0].name, "sleep_and_fail") == 0);
	EXPECT_TEXT(t.events[0].site, "test_inspect.c:");
	EXPECT(strcmp(t.events[3].wait, "sleep") == 0);
	EXPECT_EQ(t.events[6].status, -EIO);
	return 0;
}

START_TEST(a_tracer_hears_of_each_step_of_a_task_and_of_polls)
{
	ck_assert_int_eq(ox_instrument(NULL, NULL), OX_ESTATE);
	run_real(traces, NULL);
}
END_TEST

static const char *program;

/* The notes lie in whatever file the loop was linked into: here, this program. */
START_TEST(probes_have_notes_that_say_where_they_are)
{
#ifdef HAVE_SYS_SDT_H
	static const char *const names[] = { "spawn", "start", "park", "wake", "end", "poll_begin", "poll_end" };
	char command[4096], text[65536], line[64];
	FILE *f;
	size_t n;

	snprintf(command, sizeof(command), "readelf -n '%s' 2>/dev/null", program);
	f = popen(command, "r");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	if (n == 0)
		SKIP("there is no readelf");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "Name: %s\n", names[i]);
		ck_assert_msg(strstr(text, line) != NULL, "no probe %s", names[i]);
	}
	ck_assert_ptr_ne(strstr(text, "Provider: oxbow"), NULL);
#else
	SKIP("built without <sys/sdt.h>");
#endif
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("inspect");
	TCase *c = tcase_create("inspect");

	program = argc > 0 ? argv[0] : "";
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30 * (under_sanitizer || under_valgrind() ? 10 : 1));
	suite_add_tcase(s, c);
	tcase_add_test(c, dump_shows_the_tree_with_what_each_task_waits_for_and_where_it_is);
	tcase_add_test(c, sigquit_prints_the_tasks_of_an_idle_loop_and_of_one_that_is_stuck);
	tcase_add_test(c, sigquit_reaches_the_loops_of_all_threads);
	tcase_add_test(c, a_coroutine_that_holds_up_the_loop_is_named_while_it_does_and_when_it_ended);
	tcase_add_test(c, a_stall_of_the_first_run_is_found_too_with_the_default_threshold);
	tcase_add_test(c, a_stall_in_a_callback_is_found_as_well);
	tcase_add_test(c, a_stall_on_the_big_stack_is_the_coroutines);
	tcase_add_test(c, a_blocking_call_is_a_stall);
	tcase_add_test(c, who_gives_way_or_sleeps_is_not_accused);
	tcase_add_test(c, an_idle_loop_is_left_alone);
	tcase_add_test(c, a_program_keeps_its_own_handler_of_the_watchdogs_signal);
	tcase_add_test(c, there_is_no_watchdog_when_it_is_off_or_nobody_listens_or_time_is_virtual);
	tcase_add_test(c, a_deadlock_ends_a_run_under_the_test_clock_and_where_that_is_asked_for);
	tcase_add_test(c, a_deadlock_is_reported_and_waited_out_by_default);
	tcase_add_test(c, who_waits_for_another_thread_is_not_in_a_deadlock);
	tcase_add_test(c, a_cycle_of_locks_is_reported_when_it_closes);
	tcase_add_test(c, programs_that_look_at_their_errors_hear_nothing);
	tcase_add_test(c, errors_that_nobody_can_receive_are_reported_with_name_and_spawn_site);
	tcase_add_test(c, figures_count_turns_tasks_stacks_and_latencies);
	tcase_add_test(c, measuring_tells_the_stack_and_the_longest_run_of_each_function);
	tcase_add_test(c, without_memory_a_function_is_not_measured_and_that_is_all);
	tcase_add_test(c, a_tracer_hears_of_each_step_of_a_task_and_of_polls);
	tcase_add_test(c, probes_have_notes_that_say_where_they_are);
	return run_suite(s);
}
