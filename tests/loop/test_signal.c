/* SPDX-License-Identifier: MIT */
/* Signals as events, case S54; Ctrl-C. */
#include "tests/support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/private/sanitize.h"

static bool is_default(int signo)
{
	struct sigaction now;

	sigaction(signo, NULL, &now);
	return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

/* Check has actions of its own for these. */
static const int checked[] = { SIGALRM, SIGINT, SIGTERM };
static struct sigaction checks[3];

static void set_default(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	for (int i = 0; i < 3; i++)
		sigaction(checked[i], &sa, &checks[i]);
}

static void set_back(void)
{
	for (int i = 0; i < 3; i++)
		sigaction(checked[i], &checks[i], NULL);
}

/* ---- arrival ---- */

static int hear_alarm(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	ox_signal event;
	ox_time began;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGALRM), 0);
	began = ox_now();
	ualarm(20000, 0);
	EXPECT_EQ(ox_signals_next(s, &event), SIGALRM);         /* nothing else wakes the poll */
	EXPECT(ox_now() - began < OX_SEC(5));
	EXPECT_EQ(event.count, 1);
	EXPECT_EQ(event.code, SI_KERNEL);
	ox_scope none;
	ox_scope_enter(&none, OX_MS(30));
	EXPECT_EQ(ox_scope_leave(&none, ox_signals_next(s, NULL)), OX_ETIMEDOUT);      /* once */
	return 0;
}

START_TEST(signal_wakes_the_sleeping_poll_once_S54)
{
	run_real(hear_alarm, NULL);
	ck_assert(is_default(SIGALRM));
}
END_TEST

static int take_turns(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	int last = 0;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGUSR2), 0);
	raise(SIGUSR1);
	raise(SIGUSR2);
	for (int i = 0; i < 100; i++) {
		int signo = ox_signals_next(s, NULL);

		EXPECT(signo == SIGUSR1 || signo == SIGUSR2);
		EXPECT(signo != last);
		last = signo;
		raise(SIGUSR1);
		raise(SIGUSR2);
	}
	return 0;
}

START_TEST(two_signals_that_are_always_pending_are_reported_in_turns_S54)
{
	run_real(take_turns, NULL);
}
END_TEST

static int read_details(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	ox_signal event;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGRTMIN + 1), 0);
	for (int i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 10 + i });
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_signals_next(s, &event), SIGRTMIN + 1);
		EXPECT_EQ(event.value.as_int, 10 + i);
		EXPECT_EQ(event.code, SI_QUEUE);
		EXPECT_EQ(event.pid, getpid());
		EXPECT_EQ(event.uid, getuid());
	}
	kill(getpid(), SIGUSR1);
	EXPECT_EQ(ox_signals_next(s, &event), SIGUSR1);
	EXPECT_EQ(event.code, SI_USER);
	EXPECT_EQ(event.pid, getpid());
	return 0;
}

START_TEST(event_says_who_sent_it_and_the_value)
{
#ifdef OXI_TSAN
	SKIP("ThreadSanitizer delivers one signal of a kind at a time");
#endif
	run_real(read_details, NULL);
}
END_TEST

/* More than the pipe holds, while the loop does not look:
 * nothing is forgotten, the real-time ones are apart while there is room. */
static int storm(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	ox_signal event;
	unsigned apart = 0;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGUSR2, SIGRTMIN), 0);
	for (int i = 0; i < 5000; i++)
		raise(SIGUSR1);
	raise(SIGUSR2);                 /* there is no room in the pipe */
	raise(SIGRTMIN);
	EXPECT_EQ(ox_signals_next(s, &event), SIGUSR1);
	EXPECT(event.count > 100);
	EXPECT_EQ(ox_signals_next(s, &event), SIGUSR2);
	EXPECT_EQ(ox_signals_next(s, &event), SIGRTMIN);
	for (int i = 0; i < 500; i++) {
		raise(SIGRTMIN);
		if (i % 50 == 0)
			EXPECT_EQ(ox_wait_all_parked(), 0);
	}
	EXPECT_EQ(ox_wait_all_parked(), 0);
	for (unsigned came = 0; came < 500; apart++, came += event.count)
		EXPECT_EQ(ox_signals_next(s, &event), SIGRTMIN);
	EXPECT_EQ(apart, 256);
	return 0;
}

START_TEST(storm_of_signals_is_counted_and_none_is_forgotten)
{
	run_real(storm, NULL);
}
END_TEST

/* ---- who gets it ---- */

static int next_one(void *arg)
{
	return ox_signals_next(arg, NULL);
}

static int several(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_signals *s = NULL, *both = NULL;
	ox_future *cancelled, *first, *second, *left;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1), 0);
	EXPECT_EQ(OX_SIGNALS_OPEN(&both, SIGUSR1, SIGUSR2), 0);
	cancelled = ox_spawn(g, next_one, s);
	EXPECT_EQ(ox_yield(), 0);
	first = ox_spawn(g, next_one, s);
	EXPECT_EQ(ox_yield(), 0);
	second = ox_spawn(g, next_one, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(cancelled);
	raise(SIGUSR1);
	EXPECT_EQ(ox_await(first), SIGUSR1);
	EXPECT(!ox_future_done(second));
	raise(SIGUSR1);
	EXPECT_EQ(ox_await(second), SIGUSR1);
	EXPECT_EQ(ox_signals_next(both, NULL), SIGUSR1);        /* both came, the second counted */
	ox_signals_close(both);
	EXPECT(is_default(SIGUSR2));
	EXPECT(!is_default(SIGUSR1));
	left = ox_spawn(g, next_one, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_signals_close(s);
	EXPECT_EQ(ox_await(left), OX_ECLOSED);
	EXPECT_EQ(ox_await(cancelled), OX_ECANCELED);
	EXPECT(is_default(SIGUSR1));
	return 0;
}

START_TEST(event_goes_to_one_waiter_of_each_stream)
{
	fifo_only();
	run_real(several, NULL);
}
END_TEST

static volatile sig_atomic_t own_action;

static void act(int signo)
{
	own_action = signo;
}

static int replace(void *arg)
{
	ox_signals *s = NULL;

	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGUSR2), 0);
	raise(SIGUSR1);
	EXPECT_EQ(own_action, 0);
	EXPECT_EQ(ox_signals_next(s, NULL), SIGUSR1);
	if (arg == NULL) {
		signal(SIGUSR2, SIG_IGN);       /* set by the program meanwhile: stays */
		ox_signals_close(s);
		return 0;
	}
	*(ox_signals **)arg = s;        /* left open: ox_run() gives the actions back, closing frees */
	return 0;
}

START_TEST(former_actions_come_back)
{
	struct sigaction now;
	ox_signals *left = NULL;

	for (int i = 0; i < 2; i++) {
		own_action = 0;
		signal(SIGUSR1, act);
		signal(SIGUSR2, SIG_DFL);
		run_real(replace, i == 0 ? NULL : &left);
		raise(SIGUSR1);
		ck_assert_int_eq(own_action, SIGUSR1);
		sigaction(SIGUSR2, NULL, &now);
		ck_assert(now.sa_handler == (i == 0 ? SIG_IGN : SIG_DFL));
	}
	ox_signals_close(left);
	signal(SIGUSR1, SIG_DFL);
}
END_TEST

static int refuse(void *arg)
{
	ox_signals *s = NULL;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGKILL), OX_EINVAL);
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGSEGV), OX_EINVAL);
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, 0), OX_EINVAL);
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, NSIG), OX_EINVAL);
	EXPECT_EQ(ox_signals_open(NULL, 0, &s), OX_EINVAL);
	EXPECT_EQ(ox_signals_next(NULL, NULL), OX_ENOMEM);
	EXPECT(s == NULL);
	EXPECT(is_default(SIGUSR1));
	ox_signals_close(NULL);
	return 0;
}

START_TEST(signals_that_cannot_be_received_are_refused)
{
	ox_signals *s = NULL;

	ck_assert_int_eq(OX_SIGNALS_OPEN(&s, SIGUSR1), OX_ESTATE);
	run_real(refuse, NULL);
}
END_TEST

/* ---- threads ---- */

static int other_loop(void *arg)
{
	ox_signals *s = NULL;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR2), OX_EBUSY);
	kill(getpid(), SIGUSR1);
	return 0;
}

static void *other_thread(void *arg)
{
	pthread_kill(pthread_self(), SIGUSR1);
	EXPECT_EQ(ox_run(other_loop, arg, NULL), 0);
	return NULL;
}

static int hear_threads(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	unsigned came = 0;
	pthread_t t;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1), 0);
	pthread_create(&t, NULL, other_thread, NULL);
	while (came < 2) {
		ox_signal event;

		EXPECT_EQ(ox_signals_next(s, &event), SIGUSR1);
		came += event.count;
	}
	pthread_join(t, NULL);
	return 0;
}

START_TEST(one_loop_receives_what_comes_to_any_thread)
{
	run_real(hear_threads, NULL);
}
END_TEST

struct shooter {
	pthread_t target;
	_Atomic bool end;
};

static void *shoot(void *arg)
{
	struct shooter *s = arg;

	while (!s->end) {
		kill(getpid(), SIGUSR1);
		pthread_kill(s->target, SIGUSR2);
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);        /* who is hit must be able to go on */
	}
	return NULL;
}

/* Streams open and close while signals come to all threads: the pipe is never written to after its end. */
static int open_and_close(void *arg)
{
	struct shooter shooter = { .target = pthread_self() };
	pthread_t t;

	(void)arg;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	pthread_create(&t, NULL, shoot, &shooter);
	for (int i = 0; i < 300; i++) {
		OX_AUTO_SIGNALS *s = NULL;
		int r;

		EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1, SIGUSR2), 0);
		for (int k = 0; k < i % 4; k++) {
			r = ox_signals_next(s, NULL);
			EXPECT(r == SIGUSR1 || r == SIGUSR2);
		}
	}
	shooter.end = true;
	pthread_join(t, NULL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	return 0;
}

START_TEST(streams_open_and_close_under_fire)
{
	ck_assert_int_eq(ox_run(open_and_close, NULL, OX_RUN_OPTIONS(.keep_sigint = true)), 0);
	assert_expectations();
}
END_TEST

/* ---- fork ---- */

static int fork_child(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	int status = 0;
	pid_t pid;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGTERM), 0);
	pid = fork();
	if (pid == 0) {
		raise(SIGTERM);
		_exit(0);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	raise(SIGTERM);
	ox_signal event;
	EXPECT_EQ(ox_signals_next(s, &event), SIGTERM);
	EXPECT_EQ(event.count, 1);      /* the child's did not come here */
	return 0;
}

START_TEST(forked_child_dies_of_the_signal_as_ever)
{
#ifdef OXI_TSAN
	SKIP("ThreadSanitizer delivers no signals in a forked child");
#endif
	run_real(fork_child, NULL);
}
END_TEST

static int take_on(void *arg)
{
	int r;

	do {
		raise(SIGUSR1);
		r = ox_signals_next(arg, NULL);
	} while (r > 0);
	return r;
}

static int close_taking(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_signals *s;
	ox_future *taker;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGUSR1), 0);
	taker = ox_spawn(g, take_on, s);
	EXPECT_EQ(ox_yield(), 0);                       /* it has to give way in the midst of a call */
	ox_signals_close(s);
	EXPECT_EQ(ox_await(taker), OX_ECLOSED);
	return 0;
}

START_TEST(call_that_gives_way_meets_the_close)
{
	run_real(close_taking, NULL);
}
END_TEST

/* ---- Ctrl-C ---- */

static int interrupted(void *arg)
{
	int r;

	(void)arg;
	raise(SIGINT);
	EXPECT(is_default(SIGINT));     /* before the loop has looked at the first one: a second one would end the process */
	r = ox_sleep(OX_SEC(60));
	EXPECT_EQ(r, OX_ECANCELED);
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_INTERRUPT);
	return 7;
}

START_TEST(first_ctrl_c_cancels_the_main_scope)
{
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ox_run(interrupted, NULL, NULL), 7);
	assert_expectations();
	ck_assert(is_default(SIGINT));
}
END_TEST

/* In a program of its own, with standard output as a pipe: after a fork the library is of no use. */
static int clean_up_for_ever(void *arg)
{
	ox_scope s;

	(void)arg;
	if (write(1, "1", 1) != 1)
		return 1;
	ox_sleep(OX_SEC(60));
	if (write(1, "2", 1) != 1)
		return 1;
	ox_scope_shield(&s, OX_NEVER);
	ox_sleep(OX_SEC(60));
	return ox_scope_leave(&s, 0);
}

static const char *program;             /* this one; /proc/self/exe is valgrind under valgrind */

START_TEST(second_ctrl_c_ends_the_process)
{
	char c;
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execl(program, program, "clean up", NULL);
		_exit(127);
	}
	close(fds[1]);
	for (int i = 0; i < 2; i++) {
		if (read(fds[0], &c, 1) != 1)
			break;
		ck_assert_int_eq(c, '1' + i);
		kill(pid, SIGINT);
	}
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		SKIP("the system does not start this program, an emulator does");
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}
END_TEST

static int hear_int(void *arg)
{
	ox_signals *s = NULL;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&s, SIGINT), 0);
	for (int i = 0; i < 3; i++) {
		raise(SIGINT);
		EXPECT_EQ(ox_signals_next(s, NULL), SIGINT);
		EXPECT(!ox_cancelled());
	}
	ox_signals_close(s);
	return interrupted(NULL);       /* the main scope has it back */
}

START_TEST(whoever_opens_sigint_gets_it_instead)
{
	ck_assert_int_eq(ox_run(hear_int, NULL, NULL), 7);
	assert_expectations();
}
END_TEST

static int raise_int(void *arg)
{
	(void)arg;
	raise(SIGINT);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	return 0;
}

START_TEST(sigint_stays_as_it_is_if_it_is_kept_ignored_or_handled)
{
	signal(SIGINT, SIG_IGN);
	run_real(raise_int, NULL);
	signal(SIGINT, act);
	own_action = 0;
	run_real(raise_int, NULL);
	ck_assert_int_eq(own_action, SIGINT);
	signal(SIGINT, SIG_DFL);
}
END_TEST

static int look_at_sigint(void *arg)
{
	(void)arg;
	EXPECT(is_default(SIGINT));
	return 0;
}

START_TEST(keep_sigint_leaves_the_default_action)
{
	ck_assert_int_eq(ox_run(look_at_sigint, NULL, OX_RUN_OPTIONS(.keep_sigint = true)), 0);
	assert_expectations();
}
END_TEST

/* ---- select ---- */

static int select_signal(void *arg)
{
	OX_AUTO_SIGNALS *a = NULL, *b = NULL;
	ox_signal event = { 0 };
	int r;

	(void)arg;
	EXPECT_EQ(OX_SIGNALS_OPEN(&a, SIGUSR1), 0);
	EXPECT_EQ(OX_SIGNALS_OPEN(&b, SIGUSR2), 0);
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_SIGNAL(a, NULL), OX_SIGNAL(b, &event)), OX_EBUSY);
	raise(SIGUSR1);
	raise(SIGUSR2);
	EXPECT_EQ(OX_SELECT(&r, OX_SIGNAL(b, &event), OX_SIGNAL(a, NULL)), 0);
	EXPECT_EQ(r, SIGUSR2);
	EXPECT_EQ(event.signo, SIGUSR2);
	EXPECT_EQ(OX_SELECT(&r, OX_SIGNAL(b, &event), OX_SIGNAL(a, NULL)), 1);  /* was not lost */
	EXPECT_EQ(r, SIGUSR1);
	EXPECT_EQ(OX_SELECT(&r, OX_SIGNAL(b, &event), OX_AFTER(OX_MS(5))), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_SIGNAL(NULL, &event), OX_SIGNAL(a, NULL)), 0);
	EXPECT_EQ(r, OX_ENOMEM);
	return 0;
}

START_TEST(select_takes_exactly_one_signal)
{
	run_real(select_signal, NULL);
}
END_TEST

/* ---- memory ---- */

static int scenario(void *arg)
{
	OX_AUTO_SIGNALS *s = NULL;
	int r = OX_SIGNALS_OPEN(&s, SIGUSR1);

	(void)arg;
	if (r < 0)
		return r;
	raise(SIGUSR1);
	r = ox_signals_next(s, NULL);
	return r > 0 ? 0 : r;
}

START_TEST(every_allocation_fails_cleanly)
{
	fails_cleanly_real(scenario, NULL);
}
END_TEST

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "clean up") == 0)
		return ox_run(clean_up_for_ever, NULL, NULL);
	program = argv[0];

	Suite *s = suite_create("signal");
	TCase *c = new_case(s, "signals", 20);

	tcase_add_checked_fixture(c, set_default, set_back);

	tcase_add_test(c, signal_wakes_the_sleeping_poll_once_S54);
	tcase_add_test(c, two_signals_that_are_always_pending_are_reported_in_turns_S54);
	tcase_add_test(c, event_says_who_sent_it_and_the_value);
	tcase_add_test(c, storm_of_signals_is_counted_and_none_is_forgotten);
	tcase_add_test(c, event_goes_to_one_waiter_of_each_stream);
	tcase_add_test(c, former_actions_come_back);
	tcase_add_test(c, signals_that_cannot_be_received_are_refused);
	tcase_add_test(c, one_loop_receives_what_comes_to_any_thread);
	tcase_add_test(c, streams_open_and_close_under_fire);
	tcase_add_test(c, forked_child_dies_of_the_signal_as_ever);
	tcase_add_test(c, call_that_gives_way_meets_the_close);
	tcase_add_test(c, first_ctrl_c_cancels_the_main_scope);
	tcase_add_test(c, second_ctrl_c_ends_the_process);
	tcase_add_test(c, whoever_opens_sigint_gets_it_instead);
	tcase_add_test(c, sigint_stays_as_it_is_if_it_is_kept_ignored_or_handled);
	tcase_add_test(c, keep_sigint_leaves_the_default_action);
	tcase_add_test(c, select_takes_exactly_one_signal);
	tcase_add_test(c, every_allocation_fails_cleanly);
	return run_suite(s);
}
