/* SPDX-License-Identifier: MIT */
/* Select: exactly one clause commits, the others have no effect. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/random.h"
#include "tests/support/support.h"

static ox_group *collect(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

static int sleep_ms(void *arg)
{
	return ox_sleep(OX_MS((intptr_t)arg));
}

/* ---- time and futures ---- */

static int first_in_time(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *slow = ox_spawn(g, sleep_ms, (void *)20), *quick = ox_spawn(g, sleep_ms, (void *)10);
	ox_time start = ox_now();
	int r = 99;

	(void)arg;
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_DONE(slow), OX_DONE(quick), OX_AFTER(OX_MS(5))), OX_EBUSY);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(quick), OX_AFTER(OX_MS(5))), 2);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_now() - start, OX_MS(5));
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(quick), OX_AT(OX_NEVER)), 1);
	EXPECT_EQ(ox_now() - start, OX_MS(10));
	EXPECT_EQ(OX_SELECT(NULL, OX_DONE(slow), OX_DONE(slow)), 0);
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_DONE(slow), OX_DONE(quick)), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_AFTER(-1), OX_DONE(slow)), 0);
	return 0;
}

START_TEST(first_clause_that_can_be_done_commits)
{
	run_virtual(first_in_time, NULL);
}
END_TEST

static int fails(void *arg)
{
	return (int)(intptr_t)arg;
}

/* What is looked at is not owned: neither a cancel nor another clause's commit touches it. */
static int futures(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	ox_future *slow = ox_spawn(g, sleep_ms, (void *)20), *failing, *promise = ox_promise(g);
	int r = 0;

	(void)arg;
	failing = ox_spawn(g, fails, (void *)OX_ENOJOB);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(failing), OX_DONE(promise)), 1);
	EXPECT_EQ(r, OX_ENOJOB);
	EXPECT_EQ(ox_promise_resolve(promise, 42, NULL, 0), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(promise)), 1);
	EXPECT_EQ(r, 42);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(NULL)), 1);
	EXPECT_EQ(r, OX_ENOMEM);
	EXPECT(!ox_future_done(slow));
	return ox_await(slow);
}

START_TEST(future_is_only_looked_at_and_gives_its_status)
{
	run_virtual(futures, NULL);
}
END_TEST

static ox_future *itself;

static int select_itself(void *arg)
{
	int r = 0;

	(void)arg;
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(itself), OX_AFTER(OX_SEC(1))), 0);
	return r;
}

static int edges(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	ox_clause c = OX_AFTER(0);
	int r = 7;

	(void)arg;
	EXPECT_EQ(ox_select(&c, 0, &r), OX_EINVAL);
	EXPECT_EQ(ox_select_try(&c, 0, &r), OX_EINVAL);
	EXPECT_EQ(r, 7);
	itself = ox_spawn(g, select_itself, NULL);
	EXPECT_EQ(ox_await(itself), OX_ESTATE);
	return 0;
}

START_TEST(select_refuses_nothing_and_itself)
{
	ox_clause c = OX_AFTER(0);

	run_virtual(edges, NULL);
	ck_assert_int_eq(ox_select(&c, 1, NULL), OX_ESTATE);
}
END_TEST

/* ---- queues ---- */

static int losers(void *arg)
{
	OX_AUTO_QUEUE *a = ox_queue_new(2), *b = ox_queue_new(2), *c = ox_queue_new(2);
	void *item = NULL;
	int r = 9;

	(void)arg;
	EXPECT_EQ(ox_queue_put(b, "b"), 0);
	EXPECT_EQ(ox_queue_put(c, "c"), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_GET(a, &item), OX_GET(b, &item), OX_GET(c, &item), OX_PUT(a, "x")), 1);
	EXPECT_EQ(r, 0);
	EXPECT(strcmp(item, "b") == 0);
	EXPECT_EQ(ox_queue_len(a), 0);
	EXPECT_EQ(ox_queue_len(c), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_GET(b, &item), OX_PUT(b, "b2"), OX_GET(c, &item)), 1);
	EXPECT_EQ(ox_queue_len(b), 1);
	EXPECT_EQ(ox_queue_len(c), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_GET(NULL, &item)), 0);
	EXPECT_EQ(r, OX_ENOMEM);
	return 0;
}

static int get_either(void *arg)
{
	ox_queue **q = arg;
	void *item = "none";
	int r, i = OX_SELECT(&r, OX_GET(q[0], &item), OX_GET(q[1], &item));

	EXPECT(i < 0 || strcmp(item, "item") == 0);
	return i;
}

/* A parked select that got its item from one queue is in no other queue any more. */
static int parked_losers(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_QUEUE *a = ox_queue_new(1), *b = ox_queue_new(1);
	ox_queue *both[] = { a, b };
	ox_future *f = ox_spawn(g, get_either, both), *cancelled;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_queue_try_put(b, "item"), 0);
	EXPECT_EQ(ox_queue_try_put(a, "other"), 0);     /* before the select has run */
	EXPECT_EQ(ox_queue_len(a), 1);
	EXPECT_EQ(ox_queue_len(b), 0);
	ox_future_cancel(f);                            /* it has its item */
	EXPECT_EQ(ox_await(f), 1);
	EXPECT_EQ(ox_queue_try_get(a, &(void *){ NULL }), 0);

	cancelled = ox_spawn(g, get_either, both);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(cancelled);
	EXPECT_EQ(ox_queue_try_put(a, "item"), 0);
	EXPECT_EQ(ox_queue_len(a), 1);
	EXPECT_EQ(ox_await(cancelled), OX_ECANCELED);
	EXPECT_EQ(ox_queue_try_get(a, &(void *){ NULL }), 0);
	return 0;
}

START_TEST(clauses_that_lose_have_no_effect)
{
	run_virtual(losers, NULL);
	run_virtual(parked_losers, NULL);
}
END_TEST

static int shut_queue(void *arg)
{
	OX_AUTO_QUEUE *a = ox_queue_new(1), *b = ox_queue_new(1);
	void *item;
	int r = 0;

	(void)arg;
	ox_queue_shut(b, NULL);
	EXPECT_EQ(OX_SELECT(&r, OX_GET(a, &item), OX_GET(b, &item)), 1);
	EXPECT_EQ(r, OX_ECLOSED);
	EXPECT_EQ(OX_SELECT(&r, OX_PUT(b, NULL), OX_GET(a, &item)), 0);
	EXPECT_EQ(r, OX_ECLOSED);
	return 0;
}

static int get_shut(void *arg)
{
	ox_queue **q = arg;
	void *item;
	int r = 0, i = OX_SELECT(&r, OX_GET(q[0], &item), OX_GET(q[1], &item));

	EXPECT_EQ(r, OX_ECLOSED);
	return i;
}

static int shut_while_parked(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_QUEUE *a = ox_queue_new(1), *b = ox_queue_new(1);
	ox_queue *both[] = { a, b };
	ox_future *f = ox_spawn(g, get_shut, both);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_queue_shut(b, NULL);
	EXPECT_EQ(ox_await(f), 1);
	return 0;
}

START_TEST(shut_queue_is_reported_for_its_clause)
{
	run_virtual(shut_queue, NULL);
	run_virtual(shut_while_parked, NULL);
}
END_TEST

/* ---- the rendezvous ---- */

struct side {
	ox_queue *in, *out;
	intptr_t got;
};

static int exchange(void *arg)
{
	struct side *s = arg;
	void *item = NULL;
	int r, i = OX_SELECT(&r, OX_GET(s->in, &item), OX_PUT(s->out, (void *)77), OX_AFTER(OX_SEC(1)));

	s->got = (intptr_t)item;
	return i;
}

/* Both wait for both directions of one rendezvous: one gives, the other takes, and nobody meets itself. */
static int against_each_other(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_QUEUE *q = ox_queue_new(0);
	struct side a = { q, q, 0 }, b = { q, q, 0 }, alone = { q, q, 0 };
	ox_future *fa, *fb;

	(void)arg;
	fa = ox_spawn(g, exchange, &a);
	fb = ox_spawn(g, exchange, &b);
	EXPECT_EQ(ox_await(fa) + ox_await(fb), 1);      /* 0 and 1 */
	EXPECT_EQ(a.got + b.got, 77);
	EXPECT_EQ(ox_await(ox_spawn(g, exchange, &alone)), 2);
	EXPECT_EQ(OX_SELECT_TRY(NULL, OX_PUT(q, NULL), OX_GET(q, &(void *){ NULL })), OX_EBUSY);
	return 0;
}

START_TEST(select_meets_select_in_a_rendezvous_and_never_itself)
{
	run_virtual(against_each_other, NULL);
}
END_TEST

/* ---- many selects, cancelled at random: every item arrives once ---- */

#define TRAFFIC 3000
#define QUEUES  4u

struct traffic {
	ox_queue *q[QUEUES];
	uint64_t seed;
	unsigned char sent[TRAFFIC], received[TRAFFIC];
	size_t next;
};

static int send_some(void *arg)
{
	struct traffic *t = arg;

	while (t->next < TRAFFIC) {
		size_t n = t->next++, a = random_below(&t->seed, QUEUES), b = random_below(&t->seed, QUEUES);
		void *item = (void *)(n + 1);
		int r = OX_ECANCELED;

		while (r == OX_ECANCELED) {
			ox_scope s;
			ox_scope_enter(&s, OX_US(random_below(&t->seed, 3)));
			r = OX_SELECT(NULL, OX_PUT(t->q[a], item), OX_PUT(t->q[b], item));
			ox_scope_leave(&s, 0);
			ox_yield();
		}
		EXPECT(r >= 0);
		t->sent[n]++;
	}
	return 0;
}

static int receive_some(void *arg)
{
	struct traffic *t = arg;

	for (;;) {
		size_t a = random_below(&t->seed, QUEUES);
		void *item = NULL, *other = NULL;
		ox_scope s;
		int r, i;

		ox_scope_enter(&s, OX_US(random_below(&t->seed, 3)));
		i = OX_SELECT(&r, OX_GET(t->q[a], &item), OX_GET(t->q[(a + 1) % QUEUES], &other));
		ox_scope_leave(&s, 0);
		EXPECT(i < 0 || r == OX_ECLOSED || (item != NULL) == (i == 0));
		EXPECT(item == NULL || other == NULL);
		if (i >= 0 && r == OX_ECLOSED)
			return 0;
		if (i >= 0)
			t->received[(size_t)(item ? item : other) - 1]++;
		if (ox_sleep(OX_US(random_below(&t->seed, 2))) < 0)
			return OX_ECANCELED;
	}
}

static int traffic(void *arg)
{
	struct traffic *t = arg;
	OX_AUTO_GROUP *senders = ox_group_open(), *receivers = ox_group_open();

	t->q[0] = ox_queue_new(0);
	t->q[1] = ox_queue_new(1);
	t->q[2] = ox_queue_new_lifo(3);
	t->q[3] = ox_queue_new(0);
	for (int i = 0; i < 5; i++) {
		ox_spawn(senders, send_some, t);
		ox_spawn(receivers, receive_some, t);
	}
	EXPECT_EQ(ox_group_join(senders), 0);
	while (ox_queue_len(t->q[1]) + ox_queue_len(t->q[2]) > 0)
		EXPECT_EQ(ox_sleep(OX_US(10)), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		ox_queue_shut(t->q[i], NULL);
	EXPECT_EQ(ox_group_join(receivers), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		ox_queue_free(t->q[i]);
	return 0;
}

START_TEST(every_item_arrives_once_whatever_is_cancelled)
{
	static struct traffic t;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		memset(&t, 0, sizeof(t));
		t.seed = seed;
		run_virtual(traffic, &t);
		for (int i = 0; i < TRAFFIC; i++) {
			ck_assert_int_eq(t.sent[i], 1);
			ck_assert_int_eq(t.received[i], 1);
		}
	}
}
END_TEST

/* ---- descriptors ---- */

static int select_read(void *arg)
{
	int *fds = arg, r = 0;

	EXPECT_EQ(OX_SELECT(&r, OX_FD(fds[0], OX_READABLE), OX_AFTER(OX_SEC(20))), 0);
	return r;
}

static int descriptors(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int fds[2], r = 0;
	ox_future *f;

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_FD(fds[0], OX_READABLE)), OX_EBUSY);
	EXPECT_EQ(OX_SELECT(&r, OX_FD(fds[0], OX_READABLE), OX_FD(fds[1], OX_WRITABLE)), 1);
	EXPECT_EQ(r, OX_WRITABLE);
	f = ox_spawn(g, select_read, fds);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_AT(OX_NEVER), OX_FD(fds[0], OX_READABLE)), 1);       /* one reader at a time */
	EXPECT_EQ(r, OX_EBUSY);
	EXPECT_EQ(ox_wait_fd(fds[0], OX_READABLE), OX_EBUSY);
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	EXPECT_EQ(ox_await(f), OX_READABLE);
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_FD(fds[0], OX_READABLE)), 0);
	EXPECT_EQ(read(fds[0], &(char){ 0 }, 1), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_FD(fds[0], OX_READABLE), OX_AFTER(OX_MS(1))), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_AT(OX_NEVER), OX_FD(-1, OX_READABLE)), 1);
	EXPECT_EQ(r, -EBADF);
	EXPECT_EQ(OX_SELECT(&r, OX_FD(fds[0], 8)), 0);
	EXPECT_EQ(r, OX_EINVAL);
	close(fds[1]);
	EXPECT_EQ(OX_SELECT(&r, OX_FD(fds[0], OX_READABLE), OX_AFTER(OX_SEC(1))), 0);   /* hung up */
	close(fds[0]);
	return 0;
}

START_TEST(descriptor_is_a_clause)
{
	run_real(descriptors, NULL);
}
END_TEST

/* ---- locks and friends ---- */

static int set_later(void *arg)
{
	int r = ox_sleep(OX_MS(1));

	ox_event_set(arg);
	return r;
}

static int locks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LOCK *l = ox_lock_new();
	OX_AUTO_SEMAPHORE *s = ox_semaphore_new(1, 1);
	OX_AUTO_EVENT *e = ox_event_new();
	int r = 5;

	(void)arg;
	EXPECT_EQ(OX_SELECT(&r, OX_SET(e), OX_LOCK(l), OX_ACQUIRE(s)), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_SET(e), OX_ACQUIRE(s), OX_LOCK(l)), 1);
	EXPECT_EQ(OX_SELECT(&r, OX_LOCK(l), OX_ACQUIRE(s)), 0);
	EXPECT_EQ(r, OX_ESTATE);                        /* it is mine already */
	ox_spawn(g, set_later, e);
	EXPECT_EQ(OX_SELECT(&r, OX_ACQUIRE(s), OX_SET(e), OX_AFTER(OX_SEC(1))), 1);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_semaphore_value(s), 0);
	EXPECT_EQ(ox_semaphore_release(s), 0);
	EXPECT_EQ(ox_semaphore_value(s), 1);            /* the select that lost it waits no more */
	EXPECT_EQ(ox_lock_release(l), 0);
	return 0;
}

START_TEST(events_locks_and_semaphores_are_clauses)
{
	run_virtual(locks, NULL);
}
END_TEST

/* ---- every kind against every other ---- */

enum kind { GET, PUT, DONE, TIME, FD, SIGNAL, EXITED, KINDS };

struct kinds {
	ox_queue *empty, *full;
	ox_group *g;
	ox_future *promise;
	ox_time at;
	int fds[2];
	ox_signals *signals;
	ox_process *child;
	void *item;
};

static ox_clause clause_of(struct kinds *k, enum kind kind)
{
	switch (kind) {
	case GET:
		return OX_GET(k->empty, &k->item);
	case PUT:
		return OX_PUT(k->full, "put");
	case DONE:
		return OX_DONE(k->promise);
	case TIME:
		return OX_AT(k->at);
	case FD:
		return OX_FD(k->fds[0], OX_READABLE);
	case SIGNAL:
		return OX_SIGNAL(k->signals, NULL);
	default:
		return OX_EXITED(k->child, NULL);
	}
}

/* Whatever has happened is undone: no clause could be done now. */
static void rewind_all(struct kinds *k)
{
	void *item;
	char c;

	while (ox_queue_try_get(k->empty, &item) == 0)
		;
	ox_queue_try_put(k->full, "put");
	if (k->promise == NULL || ox_future_done(k->promise))
		k->promise = ox_promise(k->g);
	k->at = ox_now() + OX_MS(5);
	if (OX_SELECT_TRY(NULL, OX_FD(k->fds[0], OX_READABLE)) == 0)
		EXPECT_EQ(read(k->fds[0], &c, 1), 1);
	while (OX_SELECT_TRY(NULL, OX_SIGNAL(k->signals, NULL)) == 0)
		;
	if (k->child == NULL || OX_SELECT_TRY(NULL, OX_EXITED(k->child, NULL)) == 0) {
		ox_process_close(k->child);
		EXPECT_EQ(ox_process_spawn(OX_ARGV("sleep", "60"), NULL, &k->child), 0);
	}
}

/* The world does its part of one clause. */
static void happen(struct kinds *k, enum kind kind)
{
	void *item;

	if (kind == GET)
		EXPECT_EQ(ox_queue_try_put(k->empty, "got"), 0);
	else if (kind == PUT)
		EXPECT_EQ(ox_queue_try_get(k->full, &item), 0);
	else if (kind == DONE)
		EXPECT_EQ(ox_promise_resolve(k->promise, 1, NULL, 0), 0);
	else if (kind == FD)
		EXPECT_EQ(write(k->fds[1], "x", 1), 1);
	else if (kind == SIGNAL)
		raise(SIGUSR1);
	else if (kind == EXITED)
		EXPECT_EQ(ox_process_signal(k->child, SIGKILL), 0);
	while (kind == TIME && ox_now() < k->at)
		;
}

/* What is done once, and not to be had again. */
static bool is_taken(enum kind kind)
{
	return kind == GET || kind == PUT || kind == SIGNAL;
}

static int select_every_kind(void *arg)
{
	ox_clause c[KINDS];

	for (enum kind kind = 0; kind < KINDS; kind++)
		c[kind] = clause_of(arg, kind);
	return ox_select(c, KINDS, NULL);
}

/* The select was done by `won`: it was done once, and `other`, which has happened too, is still to be had. */
static void expect_one(struct kinds *k, enum kind won, enum kind other)
{
	EXPECT_EQ(OX_SELECT(NULL, clause_of(k, other), OX_AFTER(OX_SEC(30))), 0);
	if (is_taken(won))
		EXPECT_EQ(OX_SELECT_TRY(NULL, clause_of(k, won)), OX_EBUSY);
	EXPECT_EQ(ox_queue_len(k->empty), 0);
	EXPECT_EQ(ox_queue_len(k->full), 1);
}

/* Two clauses of a parked select become possible before it runs, many of them in one poll. */
static void two_at_once(struct kinds *k, enum kind a, enum kind b)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;
	int won;

	rewind_all(k);
	if (a != TIME && b != TIME)
		k->at = OX_NEVER;
	f = ox_spawn(g, select_every_kind, k);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	happen(k, a);
	happen(k, b);
	won = ox_await(f);
	EXPECT(won == (int)a || won == (int)b);
	expect_one(k, (enum kind)won, won == (int)a ? b : a);
}

/* All can be done: the first is, and all others can still be. */
static void all_at_once(struct kinds *k, enum kind first)
{
	ox_clause c[KINDS];

	rewind_all(k);
	for (enum kind kind = 0; kind < KINDS; kind++)
		happen(k, kind);
	EXPECT_EQ(ox_process_wait(k->child, NULL), 0);
	for (size_t i = 0; i < KINDS; i++)
		c[i] = clause_of(k, (enum kind)((first + i) % KINDS));
	EXPECT_EQ(ox_select(c, KINDS, NULL), 0);
	for (enum kind kind = 0; kind < KINDS; kind++)
		EXPECT_EQ(OX_SELECT_TRY(NULL, clause_of(k, kind)), is_taken(kind) && kind == first ? OX_EBUSY : 0);
}

static int every_kind(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_QUEUE *empty = ox_queue_new(1), *full = ox_queue_new(1);
	OX_AUTO_SIGNALS *signals = NULL;
	struct kinds k = { .empty = empty, .full = full, .g = g };

	(void)arg;
	EXPECT_EQ(pipe(k.fds), 0);
	EXPECT_EQ(OX_SIGNALS_OPEN(&signals, SIGUSR1), 0);
	k.signals = signals;
	for (enum kind a = 0; a < KINDS; a++) {
		all_at_once(&k, a);
		for (enum kind b = 0; b < KINDS; b++)
			if (b != a)
				two_at_once(&k, a, b);
	}
	ox_process_close(k.child);
	close(k.fds[0]);
	close(k.fds[1]);
	return 0;
}

START_TEST(exactly_one_of_every_two_kinds_commits_and_the_other_is_not_lost)
{
	run_real(every_kind, NULL);
}
END_TEST

static int with_memory(void *arg)
{
	OX_AUTO_QUEUE *q = ox_queue_new(1);
	int fds[2], r = 0, i;
	void *item;

	(void)arg;
	EXPECT_EQ(pipe(fds), 0);
	i = OX_SELECT(&r, OX_GET(q, &item), OX_FD(fds[0], OX_READABLE), OX_AFTER(OX_MS(1)));
	close(fds[0]);
	close(fds[1]);
	EXPECT(i < 0 || r == OX_ENOMEM || i == 2);
	return i < 0 ? i : r;
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly_real(with_memory, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select");
	TCase *c = new_case(s, "select", 20);

	tcase_add_test(c, first_clause_that_can_be_done_commits);
	tcase_add_test(c, future_is_only_looked_at_and_gives_its_status);
	tcase_add_test(c, select_refuses_nothing_and_itself);
	tcase_add_test(c, clauses_that_lose_have_no_effect);
	tcase_add_test(c, shut_queue_is_reported_for_its_clause);
	tcase_add_test(c, select_meets_select_in_a_rendezvous_and_never_itself);
	tcase_add_test(c, every_item_arrives_once_whatever_is_cancelled);
	tcase_add_test(c, descriptor_is_a_clause);
	tcase_add_test(c, events_locks_and_semaphores_are_clauses);
	tcase_add_test(c, exactly_one_of_every_two_kinds_commits_and_the_other_is_not_lost);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
