/* SPDX-License-Identifier: MIT */
/* A loop that somebody else turns: by poll(), by libevent, several side by side. */
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/support.h"

/* Turns the loop by poll(2) until its main coroutine has ended; the number of steps. */
static int turn_by_poll(ox_loop *l)
{
	struct pollfd p = { .fd = ox_loop_fd(l), .events = POLLIN };
	int steps = 0;

	ck_assert_int_ge(p.fd, 0);
	while (ox_loop_step(l) > 0) {
		steps++;
		ck_assert_int_eq(poll(&p, 1, 10000), 1);
	}
	return steps;
}

struct things {
	ox_loop *loop;
	int pipe[2];
	ox_queue *q;
	int sum;
	pthread_t thread;
};

static void put_five(void *arg)
{
	static int five = 5;

	EXPECT_EQ(ox_queue_try_put(arg, &five), 0);
}

static void *post_five(void *arg)
{
	struct things *t = arg;

	EXPECT_EQ(ox_post(t->loop, put_five, t->q), 0);
	return NULL;
}

static int sleeper(void *arg)
{
	(void)arg;
	return ox_sleep(OX_MS(5));
}

/* Sleeps, is written to, and is posted to. */
static int live(void *arg)
{
	struct things *t = arg;
	OX_AUTO_GROUP *g = ox_group_open();
	void *item;
	char c;

	for (int i = 0; i < 10; i++)
		EXPECT_EQ(ox_yield(), 0);
	EXPECT_EQ(ox_await(ox_spawn(g, sleeper, NULL)), 0);
	EXPECT_EQ(write(t->pipe[1], "x", 1), 1);
	EXPECT_EQ(ox_wait_fd(t->pipe[0], OX_READABLE), OX_READABLE);
	EXPECT_EQ(read(t->pipe[0], &c, 1), 1);
	EXPECT_EQ(pthread_create(&t->thread, NULL, post_five, t), 0);
	EXPECT_EQ(ox_queue_get(t->q, &item), 0);
	t->sum += *(int *)item;
	return 7;
}

static void things_open(struct things *t)
{
	*t = (struct things){ .q = ox_queue_new(4) };
	ck_assert_int_eq(pipe(t->pipe), 0);
}

static void things_close(struct things *t)
{
	ox_queue_free(t->q);
	close(t->pipe[0]);
	close(t->pipe[1]);
}

START_TEST(poll_turns_a_loop_by_its_descriptor)
{
	struct things t;

	things_open(&t);
	ck_assert_int_eq(ox_loop_open(live, &t, NULL, &t.loop), 0);
	ck_assert_int_ge(turn_by_poll(t.loop), 3);
	pthread_join(t.thread, NULL);
	ck_assert_int_eq(ox_loop_close(t.loop), 7);
	ck_assert_int_eq(t.sum, 5);
	things_close(&t);
	assert_expectations();
}
END_TEST

static int spin(void *arg)
{
	int *n = arg;

	while (*n < 1000000 && ox_yield() == 0)
		++*n;
	return 0;
}

START_TEST(a_step_ends_though_coroutines_never_do)
{
	ox_loop *l;
	int n = 0;

	ck_assert_int_eq(ox_loop_open(spin, &n, NULL, &l), 0);
	ck_assert_int_ge(turn_by_poll(l), 10);
	ck_assert_int_eq(ox_loop_close(l), 0);
	ck_assert_int_eq(n, 1000000);
}
END_TEST

static int get_one(void *arg)
{
	void *item;

	return ox_queue_get(arg, &item);
}

START_TEST(what_is_done_between_two_steps_wakes_the_loop)
{
	ox_queue *q = ox_queue_new(1);
	struct pollfd p = { .events = POLLIN };
	ox_loop *l;

	ck_assert_int_eq(ox_loop_open(get_one, q, NULL, &l), 0);
	p.fd = ox_loop_fd(l);
	ck_assert_int_eq(ox_loop_step(l), 1);
	while (poll(&p, 1, 0) == 1)
		ck_assert_int_eq(ox_loop_step(l), 1);
	ck_assert_int_eq(ox_queue_try_put(q, q), 0);
	ck_assert_int_eq(poll(&p, 1, 0), 1);
	ck_assert_int_eq(turn_by_poll(l), 0);
	ck_assert_int_eq(ox_loop_close(l), 0);
	ox_queue_free(q);
}
END_TEST

static int sleep_long(void *arg)
{
	(void)arg;
	return ox_sleep(OX_SEC(1000));
}

START_TEST(closing_cancels_the_main_coroutine)
{
	ox_loop *l;

	ck_assert_int_eq(ox_loop_open(sleep_long, NULL, NULL, &l), 0);
	ck_assert_int_eq(ox_loop_step(l), 1);
	ck_assert_int_eq(ox_loop_close(l), OX_ECANCELED);
	ck_assert_int_eq(ox_loop_open(sleep_long, NULL, NULL, &l), 0);
	ck_assert_int_eq(ox_loop_close(l), OX_ECANCELED);       /* before it ran at all */
	ck_assert_int_eq(ox_loop_close(NULL), 0);
}
END_TEST

static int step_inside(void *arg)
{
	EXPECT_EQ(ox_loop_step(ox_loop_self()), OX_ESTATE);
	EXPECT_EQ(ox_loop_close(ox_loop_self()), OX_ESTATE);
	return ox_run(step_inside, arg, NULL);
}

static void *step_from_thread(void *arg)
{
	return ox_loop_step(arg) == OX_ESTATE && ox_loop_fd(arg) == OX_ESTATE ? arg : NULL;
}

/* S57: running a loop inside a running loop, or closing a running loop. */
START_TEST(a_loop_is_turned_by_one_at_a_time)
{
	ox_loop *l, *second;
	pthread_t thread;
	void *r;

	ck_assert_int_eq(ox_loop_open(step_inside, NULL, NULL, &l), 0);
	ck_assert_int_eq(ox_loop_open(sleep_long, NULL, NULL, &second), OX_ESTATE);
	ck_assert_int_eq(ox_run(sleep_long, NULL, NULL), OX_ESTATE);
	pthread_create(&thread, NULL, step_from_thread, l);
	pthread_join(thread, &r);
	ck_assert_ptr_eq(r, l);
	ck_assert_int_eq(ox_loop_step(l), 0);
	ck_assert_int_eq(ox_loop_close(l), OX_ESTATE);          /* what the main coroutine returned */
	assert_expectations();
}
END_TEST

/* ---- in a base of libevent ---- */

struct guest {
	struct things t;
	struct event_base *base;
	int ticks;
};

static int live_and_break(void *arg)
{
	struct guest *g = arg;
	int r = live(&g->t);

	event_base_loopbreak(g->base);
	return r;
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	++*(int *)arg;
}

/* step: the base is turned in single steps; otherwise its dispatch ends when the main coroutine says so. */
static void in_base(bool step)
{
	struct guest g = { .base = event_base_new() };
	struct timeval soon = { .tv_usec = 100 };
	struct event *e;

	things_open(&g.t);
	e = event_new(g.base, -1, EV_PERSIST, tick, &g.ticks);
	event_add(e, &soon);
	ck_assert_int_eq(ox_loop_open(live_and_break, &g, OX_RUN_OPTIONS(.event_base = g.base), &g.t.loop), 0);
	ck_assert_int_eq(ox_loop_fd(g.t.loop), OX_ESTATE);
	if (step)
		while (ox_loop_step(g.t.loop) > 0)
			event_base_loop(g.base, EVLOOP_ONCE);
	else
		ck_assert_int_eq(event_base_dispatch(g.base), 0);
	pthread_join(g.t.thread, NULL);
	ck_assert_int_eq(ox_loop_close(g.t.loop), 7);
	ck_assert_int_ge(g.ticks, 1);
	event_free(e);
	event_base_free(g.base);
	things_close(&g.t);
	assert_expectations();
}

START_TEST(coroutines_run_out_of_the_dispatch_of_a_callers_base)
{
	in_base(false);
}
END_TEST

/* ---- who else may wake a coroutine ---- */

static char heard[2000];

static void hear(void *arg, ox_log_level level, const char *text)
{
	(void)arg, (void)level;
	size_t len = strlen(heard);
	snprintf(heard + len, sizeof(heard) - len, "%s\n", text);
}

static void resolve(void *arg)
{
	EXPECT_EQ(ox_promise_resolve(arg, 0, NULL, 0), 0);
}

static void resolve_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	resolve(*(ox_future **)arg);
}

static int await_promise(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	return ox_await(*(ox_future **)arg = ox_promise(g));
}

struct closing {
	ox_loop *loop;
	ox_future *promise;
	pthread_t thread;
};

static void *post_late(void *arg)
{
	struct closing *c = arg;

	usleep(20000);
	EXPECT_EQ(ox_post(c->loop, resolve, c->promise), 0);
	return NULL;
}

/* Waits behind a shield for another thread. */
static int cleans_up(void *arg)
{
	struct closing *c = arg;
	ox_scope shield;
	int r;

	ox_scope_shield(&shield, OX_NEVER);
	r = await_promise(&c->promise);
	return ox_scope_leave(&shield, r);
}

static int read_byte(void *arg)
{
	char c;

	for (int i = 0; i < 10; i++)
		EXPECT_EQ(ox_yield(), 0);
	EXPECT_EQ(ox_wait_fd(*(int *)arg, OX_READABLE), OX_READABLE);
	return (int)read(*(int *)arg, &c, 1);
}

START_TEST(the_watchdog_does_not_interrupt_who_turns_the_loop)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2];
	ox_loop *l;

	ox_log_set(hear, NULL);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(ox_loop_open(read_byte, &fds[0], OX_RUN_OPTIONS(.stall = OX_MS(40)), &l), 0);
	p.fd = ox_loop_fd(l);
	do
		ck_assert_int_eq(ox_loop_step(l), 1);
	while (poll(&p, 1, 0) == 1);
	ck_assert_int_eq(poll(&p, 1, 100), 0);          /* and not -1: EINTR */
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn_by_poll(l);
	ck_assert_int_eq(ox_loop_close(l), 1);
	ox_log_set(NULL, NULL);
	close(fds[0]);
	close(fds[1]);
	assert_expectations();
}
END_TEST

/* Until the watchdog has noticed: on a busy machine no time is enough for it. */
static int stall_once(void *arg)
{
	ox_loop_stats s = { 0 };

	(void)arg;
	while (s.stalls == 0)
		EXPECT_EQ(ox_loop_get_stats(&s), 0);
	return 0;
}

START_TEST(a_stall_in_a_step_is_told_at_its_end)
{
	ox_loop *l;

	heard[0] = '\0';
	ox_log_set(hear, NULL);
	ck_assert_int_eq(ox_loop_open(stall_once, NULL, OX_RUN_OPTIONS(.stall = OX_MS(10)), &l), 0);
	ck_assert_int_eq(ox_loop_step(l), 0);
	ck_assert_ptr_ne(strstr(heard, "main held up the loop for "), NULL);
	ck_assert_int_eq(ox_loop_close(l), 0);
	ox_log_set(NULL, NULL);
}
END_TEST

START_TEST(who_waits_for_a_callers_event_or_for_a_post_is_not_in_a_deadlock)
{
	struct event_base *base = event_base_new();
	ox_future *promise;
	struct event *e = event_new(base, -1, 0, resolve_event, &promise);
	struct closing c;

	heard[0] = '\0';
	ox_log_set(hear, NULL);
	event_add(e, &(struct timeval){ .tv_usec = 1000 });
	ck_assert_int_eq(ox_run(await_promise, &promise, OX_RUN_OPTIONS(.event_base = base, .deadlock = OX_DEADLOCK_CANCEL)), 0);
	event_free(e);
	event_base_free(base);

	ck_assert_int_eq(ox_loop_open(cleans_up, &c, OX_RUN_OPTIONS(.deadlock = OX_DEADLOCK_CANCEL), &c.loop), 0);
	ck_assert_int_eq(ox_loop_step(c.loop), 1);
	pthread_create(&c.thread, NULL, post_late, &c);
	ck_assert_int_eq(ox_loop_close(c.loop), 0);
	pthread_join(c.thread, NULL);
	ck_assert_str_eq(heard, "");
	ox_log_set(NULL, NULL);
	assert_expectations();
}
END_TEST

START_TEST(a_callers_base_may_be_stepped_as_well)
{
	in_base(true);
}
END_TEST

static int ticks_seen(void *arg)
{
	int *ticks = arg;

	while (*ticks < 3)
		ox_sleep(OX_MS(1));
	return *ticks;
}

START_TEST(the_other_events_of_a_callers_base_run_during_ox_run)
{
	struct event_base *base = event_base_new();
	struct timeval soon = { .tv_usec = 100 };
	int ticks = 0;
	struct event *e = event_new(base, -1, EV_PERSIST, tick, &ticks);

	event_add(e, &soon);
	ck_assert_int_ge(ox_run(ticks_seen, &ticks, OX_RUN_OPTIONS(.event_base = base)), 3);
	event_free(e);
	event_base_free(base);
}
END_TEST

/* ---- several loops, one a thread ---- */

#define LOOPS 4

struct ring {
	ox_loop *_Atomic loop[LOOPS];
	ox_queue *q[LOOPS];
	pthread_barrier_t ready, done;
};

struct place {
	struct ring *ring;
	int i, passed;
};

static void pass(void *arg)
{
	ox_queue_try_put(arg, arg);
}

/* Each loop hands a token to the next, a hundred times round. */
static int take_and_pass(void *arg)
{
	struct place *p = arg;
	struct ring *r = p->ring;
	int next = (p->i + 1) % LOOPS;
	void *item;

	r->loop[p->i] = ox_loop_self();
	r->q[p->i] = ox_queue_new(4);
	pthread_barrier_wait(&r->ready);
	if (p->i == 0)
		ox_post(r->loop[next], pass, r->q[next]);
	for (; p->passed < 100; p->passed++) {
		int e = ox_queue_get(r->q[p->i], &item);

		if (e < 0)
			return e;
		if (p->i != 0 || p->passed < 99)
			ox_post(r->loop[next], pass, r->q[next]);
	}
	pthread_barrier_wait(&r->done);         /* until then the loops must live: they are posted to */
	ox_queue_free(r->q[p->i]);
	return 0;
}

static void *run_place(void *arg)
{
	return ox_run(take_and_pass, arg, NULL) == 0 ? arg : NULL;
}

START_TEST(several_loops_run_one_a_thread)
{
	struct ring ring = { 0 };
	struct place places[LOOPS];
	pthread_t threads[LOOPS];

	pthread_barrier_init(&ring.ready, NULL, LOOPS);
	pthread_barrier_init(&ring.done, NULL, LOOPS);
	for (int i = 0; i < LOOPS; i++) {
		places[i] = (struct place){ &ring, i, 0 };
		pthread_create(&threads[i], NULL, run_place, &places[i]);
	}
	for (int i = 0; i < LOOPS; i++) {
		void *r;

		pthread_join(threads[i], &r);
		ck_assert_ptr_eq(r, &places[i]);
		ck_assert_int_eq(places[i].passed, 100);
	}
	pthread_barrier_destroy(&ring.ready);
	pthread_barrier_destroy(&ring.done);
}
END_TEST

START_TEST(every_allocation_of_opening_fails_cleanly)
{
	for (size_t n = 1;; n++) {
		size_t made;
		ox_loop *l;
		int r;

		ox_test_fail_allocation(n);
		r = ox_loop_open(sleep_long, NULL, NULL, &l);
		made = ox_test_fail_allocation(0);
		ck_assert_int_eq(r, made < n ? 0 : OX_ENOMEM);
		if (r == 0) {
			ck_assert_int_eq(ox_loop_close(l), OX_ECANCELED);
			break;
		}
	}
}
END_TEST

/* The first that need memory are now the steps, then the close. */
static int live_a_little(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	return ox_await(ox_spawn(g, sleeper, NULL));
}

static int open_and_turn(bool turn)
{
	ox_loop *l;
	int r = ox_loop_open(live_a_little, NULL, NULL, &l);

	if (r < 0)
		return r;
	if (turn)
		turn_by_poll(l);
	r = ox_loop_close(l);
	return !turn && r == OX_ECANCELED ? 0 : r;
}

START_TEST(every_allocation_of_stepping_and_closing_fails_cleanly)
{
	for (int turn = 0; turn < 2; turn++) {
		for (size_t n = 1, made = n; made >= n; n++) {
			int r;

			ox_test_fail_allocation(n);
			r = open_and_turn(turn);
			made = ox_test_fail_allocation(0);
			ck_assert(r == 0 || (r == OX_ENOMEM && made >= n));
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("embed");
	TCase *c = new_case(s, "stepping", 120);

	tcase_add_test(c, poll_turns_a_loop_by_its_descriptor);
	tcase_add_test(c, a_step_ends_though_coroutines_never_do);
	tcase_add_test(c, what_is_done_between_two_steps_wakes_the_loop);
	tcase_add_test(c, closing_cancels_the_main_coroutine);
	tcase_add_test(c, a_loop_is_turned_by_one_at_a_time);
	tcase_add_test(c, every_allocation_of_opening_fails_cleanly);
	tcase_add_test(c, every_allocation_of_stepping_and_closing_fails_cleanly);
	c = new_case(s, "in libevent", 20);
	tcase_add_test(c, coroutines_run_out_of_the_dispatch_of_a_callers_base);
	tcase_add_test(c, who_waits_for_a_callers_event_or_for_a_post_is_not_in_a_deadlock);
	tcase_add_test(c, the_watchdog_does_not_interrupt_who_turns_the_loop);
	tcase_add_test(c, a_stall_in_a_step_is_told_at_its_end);
	tcase_add_test(c, a_callers_base_may_be_stepped_as_well);
	tcase_add_test(c, the_other_events_of_a_callers_base_run_during_ox_run);
	c = new_case(s, "side by side", 20);
	tcase_add_test(c, several_loops_run_one_a_thread);
	return run_suite(s);
}
