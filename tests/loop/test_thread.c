/* SPDX-License-Identifier: MIT */
/* Threads: calls, their cancelling, their limits, and that none is left behind. Part of case S57. */
#include "tests/loop/threads.h"
#include "tests/support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop/io/thread.h"

/* ---- results ---- */

static void *twice(void *arg)
{
	return (void *)((intptr_t)arg * 2);
}

static int results(void *arg)
{
	void *result = NULL;

	for (intptr_t i = 1; i <= 100; i++) {
		EXPECT_EQ(ox_thread_call(twice, (void *)i, &result), 0);
		EXPECT_EQ((intptr_t)result, 2 * i);
	}
	EXPECT_EQ(ox_thread_call(twice, NULL, NULL), 0);
	EXPECT_EQ(count_threads(), (int)(intptr_t)arg);         /* one served all */
	return 0;
}

START_TEST(a_call_gives_what_the_function_returned)
{
	int before = count_threads();

	run_virtual(results, (void *)(intptr_t)(before + 1));
	run_real(results, (void *)(intptr_t)(before + 1));
	ck_assert_int_eq(count_threads(), before);
}
END_TEST

/* Some at a time, many in a row. */
static int call_often(void *arg)
{
	void *result;

	for (intptr_t i = 0; i < 100; i++) {
		int r = ox_thread_call(twice, (void *)i, &result);

		if (r < 0 || (intptr_t)result != 2 * i)
			return r < 0 ? r : OX_EINVAL;
	}
	(void)arg;
	return 0;
}

static int busy(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	for (int i = 0; i < 10; i++)
		ox_spawn(g, call_often, arg);
	return ox_group_join(g);
}

static int refused(void *arg)
{
	ox_scope s;
	void *untouched = arg;

	ox_scope_enter(&s, OX_NEVER);
	ox_scope_cancel(&s);
	EXPECT_EQ(ox_thread_call(twice, arg, &untouched), OX_ECANCELED);
	EXPECT(untouched == arg);
	ox_scope_leave(&s, 0);
	return 0;
}

START_TEST(calls_are_refused_in_a_cancelled_scope_and_outside_of_coroutines)
{
	run_virtual(refused, NULL);
	ck_assert_int_eq(ox_thread_call(twice, NULL, NULL), OX_ESTATE);
	ck_assert_int_eq(ox_thread_call_with(twice, NULL, NULL, NULL), OX_ESTATE);
}
END_TEST

/* ---- the thread itself ---- */

static void *look_around(void *arg)
{
	sigset_t mask;
	char *deep = alloca(OX_MIB(4)), *name = arg;

	memset(deep, 1, OX_MIB(4));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	pthread_getname_np(pthread_self(), name, 16);
	return (void *)(uintptr_t)(sigismember(&mask, SIGINT) + 2 * sigismember(&mask, SIGSEGV) + deep[OX_MIB(3)] * 4 - 4);
}

static int surroundings(void *arg)
{
	char name[16];
	void *blocked;

	(void)arg;
	EXPECT_EQ(ox_thread_call(look_around, name, &blocked), 0);
	EXPECT_EQ((intptr_t)blocked, 1);
	EXPECT(strncmp(name, "ox-thread-", 10) == 0);
	return 0;
}

START_TEST(threads_have_names_and_big_stacks_and_no_signals)
{
	run_virtual(surroundings, NULL);
}
END_TEST

static void *deep(void *arg)
{
	char *room = alloca(OX_MIB(4));

	memset(room, 3, OX_MIB(4));
	errno = 0;
	EXPECT_EQ(ox_yield(), OX_ESTATE);
	return room[OX_MIB(2)] + (char *)arg;
}

static int dive(void *arg)
{
	char place[4];

	(void)arg;
	errno = EPROTO;
	EXPECT(ox_run_on_big_stack(deep, place) == place + 3);
	EXPECT_EQ(errno, EPROTO);
	EXPECT_EQ(ox_yield(), 0);
	return 0;
}

START_TEST(deep_calls_run_on_the_threads_own_stack)
{
	char place[4];

	run_virtual(dive, NULL);
	ck_assert_ptr_eq(ox_run_on_big_stack(deep, place), place + 3);
}
END_TEST

/* ---- many at a time ---- */

struct gate {
	pthread_barrier_t barrier;
	atomic_int inside, most;
	ox_limiter *limiter;
};

static void *pass(void *arg)
{
	struct gate *g = arg;
	int inside = atomic_fetch_add(&g->inside, 1) + 1, most = atomic_load(&g->most);

	while (inside > most && !atomic_compare_exchange_weak(&g->most, &most, inside))
		;
	pthread_barrier_wait(&g->barrier);
	atomic_fetch_sub(&g->inside, 1);
	return NULL;
}

static int pass_in_thread(void *arg)
{
	return ox_thread_call(pass, arg, NULL);
}

/* Nobody comes through the gate but 64 at a time: so many must run at once, and no more. */
static int many(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	for (int i = 0; i < 3 * 64; i++)
		ox_spawn(g, pass_in_thread, arg);
	return ox_group_join(g);
}

START_TEST(sixty_four_calls_run_at_a_time_and_the_others_wait)
{
	struct gate g = { .inside = 0 };
	int before = count_threads();

	pthread_barrier_init(&g.barrier, NULL, 64);
	run_virtual(many, &g);
	ck_assert_int_eq(g.most, 64);
	pthread_barrier_destroy(&g.barrier);
	ck_assert_int_eq(count_threads(), before);
}
END_TEST

static int pass_limited(void *arg)
{
	struct gate *g = arg;

	return ox_thread_call_with(pass, g, OX_THREAD_OPTIONS(.limiter = g->limiter), NULL);
}

static int limited(void *arg)
{
	struct gate *gate = arg;
	OX_AUTO_GROUP *g = ox_group_open();

	gate->limiter = ox_limiter_new(3);
	for (int i = 0; i < 30; i++)
		ox_spawn(g, pass_limited, gate);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(gate->most, 3);
	EXPECT_EQ(ox_limiter_borrowed(gate->limiter), 0);
	ox_limiter_free(gate->limiter);
	return 0;
}

START_TEST(a_limiter_of_ones_own_says_how_many)
{
	struct gate g = { .inside = 0 };

	pthread_barrier_init(&g.barrier, NULL, 3);
	run_virtual(limited, &g);
	pthread_barrier_destroy(&g.barrier);
}
END_TEST

/* ---- cancelling ---- */

struct latch {
	int pipe[2];
	atomic_int begun, ended;
};

static void *read_latch(void *arg)
{
	struct latch *l = arg;
	char c;
	ssize_t n;

	atomic_store(&l->begun, 1);
	n = read(l->pipe[0], &c, 1);
	atomic_store(&l->ended, 1);
	return (void *)(intptr_t)(n == 1 ? c : -1);
}

static int call_latch(void *arg)
{
	void *result;
	int r = ox_thread_call(read_latch, arg, &result);

	return r < 0 ? r : (int)(intptr_t)result;
}

static void await(atomic_int *flag)
{
	while (!atomic_load(flag))
		usleep(100);
}

static int wait_for_end(void *arg)
{
	struct latch *l = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, call_latch, l);

	EXPECT_EQ(ox_wait_all_parked(), 0);
	await(&l->begun);
	ox_future_cancel(f);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(f));
	EXPECT_EQ(write(l->pipe[1], "a", 1), 1);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(f), 'a');            /* nothing is lost */
	return 0;
}

START_TEST(a_cancelled_caller_waits_for_the_end_of_what_has_begun)
{
	struct latch l = { .begun = 0 };

	ck_assert_int_eq(pipe(l.pipe), 0);
	run_virtual(wait_for_end, &l);
	close(l.pipe[0]);
	close(l.pipe[1]);
}
END_TEST

static int queued(void *arg)
{
	struct latch *l = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct latch unused = { .begun = 0 };
	ox_future *f;

	for (int i = 0; i < 64; i++)
		ox_spawn(g, call_latch, l);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	f = ox_spawn(g, call_latch, &unused);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(write(l->pipe[1], "a", 1), 1);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(unused.begun, 0);
	return 0;
}

START_TEST(a_cancelled_call_that_has_not_begun_never_does)
{
	struct latch l = { .begun = 0 };

	ck_assert_int_eq(pipe(l.pipe), 0);
	run_virtual(queued, &l);
	close(l.pipe[0]);
	close(l.pipe[1]);
}
END_TEST

static atomic_int given_up;

static void give_up(void *arg, void *result)
{
	struct latch *l = arg;

	close(l->pipe[0]);
	close(l->pipe[1]);
	free(l);
	atomic_store(&given_up, (int)(intptr_t)result);
}

static struct latch *latch_new(void)
{
	struct latch *l = calloc(1, sizeof(*l));

	if (pipe(l->pipe) < 0)
		abort();
	return l;
}

static ox_limiter *one;                 /* or NULL */

static int call_and_leave(void *arg)
{
	return ox_thread_call_with(read_latch, arg, OX_THREAD_OPTIONS(.abandoned = give_up, .limiter = one), NULL);
}

/* Returns when the caller has gone and the call is still running. */
static int abandon(void *arg)
{
	struct latch *l = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, call_and_leave, l);

	EXPECT_EQ(ox_wait_all_parked(), 0);
	await(&l->begun);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	return 0;
}

static int abandon_and_go_on(void *arg)
{
	struct latch *l = latch_new();
	int end = dup(l->pipe[1]);

	(void)arg;
	atomic_store(&given_up, 0);
	EXPECT_EQ(abandon(l), 0);
	EXPECT_EQ(ox_sleep(OX_SEC(3600)), 0);           /* in virtual time: nobody waits for the thread any more */
	EXPECT_EQ(write(end, "z", 1), 1);
	await(&given_up);
	EXPECT_EQ(given_up, 'z');
	close(end);
	return 0;
}

static int abandoned_token(void *arg)
{
	struct latch *l = latch_new(), *second = latch_new();
	int end = dup(l->pipe[1]);
	ox_scope s;

	(void)arg;
	one = ox_limiter_new(1);
	EXPECT_EQ(abandon(l), 0);
	EXPECT_EQ(ox_limiter_borrowed(one), 1);         /* fn is still running */
	ox_scope_enter(&s, OX_MS(10));
	EXPECT_EQ(call_and_leave(second), OX_ECANCELED);        /* given up before its turn, and freed */
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT_EQ(write(end, "z", 1), 1);
	EXPECT_EQ(ox_limiter_acquire(one), 0);
	ox_limiter_release(one);
	close(end);
	ox_limiter_free(one);
	one = NULL;
	return 0;
}

static int abandon_in_vain(void *arg)
{
	const ox_thread_options *o = OX_THREAD_OPTIONS(.abandoned = give_up);
	struct latch *l = latch_new();
	ox_scope s;
	void *result = NULL;

	(void)arg;
	EXPECT_EQ(write(l->pipe[1], "y", 1), 1);
	EXPECT_EQ(ox_thread_call_with(read_latch, l, o, &result), 0);
	EXPECT_EQ((intptr_t)result, 'y');
	atomic_store(&given_up, 1);
	ox_scope_enter(&s, 0);
	EXPECT_EQ(ox_thread_call_with(read_latch, l, o, NULL), OX_ECANCELED);
	ox_scope_leave(&s, 0);
	EXPECT_EQ(given_up, 0);                         /* at once: it has not begun */
	return 0;
}

START_TEST(an_abandoned_call_goes_on_alone)
{
	run_virtual(abandon_in_vain, NULL);
	run_virtual(abandon_and_go_on, NULL);
	run_real(abandoned_token, NULL);
}
END_TEST

START_TEST(the_end_of_a_run_does_not_wait_for_an_abandoned_call)
{
	int before = count_threads();
	struct latch *l = latch_new();
	int end = dup(l->pipe[1]);

	atomic_store(&given_up, 0);
	run_virtual(abandon, l);
	ck_assert_int_eq(count_threads(), before + 1);
	run_virtual(results, (void *)(intptr_t)(before + 2));
	ck_assert_int_eq(write(end, "x", 1), 1);
	await(&given_up);
	ck_assert_int_eq(given_up, 'x');
	while (count_threads() > before)
		usleep(100);
	close(end);
}
END_TEST

/* ---- work without a coroutine ---- */

struct job {
	struct oxi_work work;
	int runs, dones;
	ox_loop *loop;
};

static void job_run(struct oxi_work *w)
{
	OXI_CONTAINER(w, struct job, work)->runs++;
}

static void job_done(struct oxi_work *w)
{
	struct job *j = OXI_CONTAINER(w, struct job, work);

	EXPECT(ox_loop_self() == j->loop);
	if (++j->dones < 1000)
		EXPECT_EQ(oxi_work_submit(w), 0);
}

/* Returns while its work is still going from one to the next: the run ends after the last. */
static int leave_work(void *arg)
{
	struct job *j = arg;

	j->loop = ox_loop_self();
	return oxi_work_submit(&j->work);
}

START_TEST(a_run_ends_after_its_work)
{
	struct job j = { .work = { .run = job_run, .done = job_done, .kind = OXI_THREAD_FREE } };

	run_virtual(leave_work, &j);
	ck_assert_int_eq(j.runs, 1000);
	ck_assert_int_eq(j.dones, 1000);
}
END_TEST

/* ---- several loops ---- */

static void *run_loop(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)ox_run(busy, NULL, NULL);
}

START_TEST(loops_of_several_threads_share_the_threads)
{
	pthread_t loops[4];
	int before = count_threads();
	void *r;

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&loops[i], NULL, run_loop, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(loops[i], &r);
		ck_assert_int_eq((intptr_t)r, 0);
	}
	ck_assert_int_eq(count_threads(), before);
	assert_expectations();
}
END_TEST

/* ---- trouble ---- */

static int first_error(void *arg)
{
	struct latch *l = latch_new();
	int r = ox_thread_call(twice, arg, NULL);

	(void)!write(l->pipe[1], "a", 1);
	if (r == 0)
		r = ox_thread_call_with(read_latch, l, OX_THREAD_OPTIONS(.abandoned = give_up), NULL);
	give_up(l, NULL);
	return r;
}

START_TEST(every_allocation_may_fail)
{
	fails_cleanly(first_error, NULL);
}
END_TEST

/* The C library keeps a few stacks of ended threads, so some calls may find one. */
static int without_memory(void *arg)
{
	struct latch *l = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct rlimit before, none = { 0, 0 };
	ox_future *f[64];
	int refused = 0;

	getrlimit(RLIMIT_AS, &before);
	none.rlim_max = before.rlim_max;
	for (int i = 0; i < 64; i++)
		f[i] = ox_spawn(g, call_latch, l);
	setrlimit(RLIMIT_AS, &none);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	setrlimit(RLIMIT_AS, &before);
	for (int i = 0; i < 64; i++)
		refused += ox_future_done(f[i]) && ox_future_status(f[i]) == -EAGAIN;
	EXPECT(refused > 0);
	for (int i = refused; i < 64; i++)
		EXPECT_EQ(write(l->pipe[1], "a", 1), 1);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_thread_call(twice, NULL, NULL), 0);
	return 0;
}

START_TEST(a_refused_thread_is_an_error_and_no_end)
{
	if (under_sanitizer || under_valgrind() || under_emulator())
		SKIP("the tool needs address space of its own");
	struct latch l = { .begun = 0 };

	ck_assert_int_eq(pipe(l.pipe), 0);
	run_virtual(without_memory, &l);
	close(l.pipe[0]);
	close(l.pipe[1]);
}
END_TEST

static int do_nothing(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	return 0;
}
static OX_JOB(nothing, do_nothing);

static void look_for_advice(void *arg, ox_log_level level, const char *text)
{
	(void)level;
	*(bool *)arg |= strstr(text, "ox_pool_prepare()") != NULL;
}

static int pool_after_threads(void *arg)
{
	bool advised = false;
	ox_pool *p;

	(void)arg;
	ox_log_set(look_for_advice, &advised);
	EXPECT_EQ(ox_thread_call(twice, NULL, NULL), 0);
	EXPECT_EQ(ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&nothing)), &p), OX_ESTATE);
	EXPECT(advised);
	ox_log_set(NULL, NULL);
	return 0;
}

/* A spawner is forked while there is one thread: before the first call, and after the last run. */
START_TEST(a_pool_is_opened_before_the_first_thread)
{
	if (under_emulator())
		SKIP("the emulator has threads of its own");
	run_virtual(pool_after_threads, NULL);
	ck_assert_int_eq(count_threads(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("thread");
	TCase *c = new_case(s, "calls", 10);

	tcase_add_test(c, a_call_gives_what_the_function_returned);
	tcase_add_test(c, calls_are_refused_in_a_cancelled_scope_and_outside_of_coroutines);
	tcase_add_test(c, threads_have_names_and_big_stacks_and_no_signals);
	tcase_add_test(c, deep_calls_run_on_the_threads_own_stack);
	tcase_add_test(c, sixty_four_calls_run_at_a_time_and_the_others_wait);
	tcase_add_test(c, a_limiter_of_ones_own_says_how_many);
	c = new_case(s, "cancelling", 10);
	tcase_add_test(c, a_cancelled_caller_waits_for_the_end_of_what_has_begun);
	tcase_add_test(c, a_cancelled_call_that_has_not_begun_never_does);
	tcase_add_test(c, an_abandoned_call_goes_on_alone);
	tcase_add_test(c, the_end_of_a_run_does_not_wait_for_an_abandoned_call);
	c = new_case(s, "loops", 10);
	tcase_add_test(c, a_run_ends_after_its_work);
	tcase_add_test(c, loops_of_several_threads_share_the_threads);
	c = new_case(s, "trouble", 10);
	tcase_add_test(c, every_allocation_may_fail);
	tcase_add_test(c, a_refused_thread_is_an_error_and_no_end);
	tcase_add_test(c, a_pool_is_opened_before_the_first_thread);
	return run_suite(s);
}
