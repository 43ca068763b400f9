/* SPDX-License-Identifier: MIT */
/* Locks, conditions, events, semaphores, limiters, barriers, rwlocks: cases S44 and S45, and section 4.4 of the design. */
#include <stdio.h>
#include <string.h>

#include "tests/support/random.h"
#include "tests/support/support.h"

/* What happened, one letter each, in order. */
static char trail[64];

static void note(char c)
{
	size_t len = strlen(trail);

	if (len < sizeof(trail) - 1) {
		trail[len] = c;
		trail[len + 1] = '\0';
	}
}

/* Compares it, says what it was instead, and begins a new one. */
#define EXPECT_TRAIL(expected)                                                          \
	do {                                                                            \
		if (strcmp(trail, (expected)) != 0)                                     \
			expect_failed(__FILE__, __LINE__, trail, 0, 0);                 \
		trail[0] = '\0';                                                        \
	} while (0)

static ox_group *collect(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

/* ---- locks ---- */

struct party {
	void *object;
	char name;
	int rounds;
	ox_future *task;
};

static struct party party(void *object, char name)
{
	return (struct party){ .object = object, .name = name, .rounds = 1 };
}

static int lock_and_note(void *arg)
{
	struct party *p = arg;

	for (int i = 0; i < p->rounds; i++) {
		int r = ox_lock_acquire(p->object);
		if (r < 0)
			return r;
		note(p->name);
		r = ox_yield();
		EXPECT_EQ(ox_lock_release(p->object), 0);
	}
	return 0;
}

static int s44_behind(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LOCK *l = ox_lock_new();
	struct party b = party(l, 'b'), c = party(l, 'c');

	(void)arg;
	EXPECT_EQ(ox_lock_acquire(l), 0);
	note('a');
	ox_spawn(g, lock_and_note, &b);
	ox_spawn(g, lock_and_note, &c);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_lock_release(l), 0);
	EXPECT_EQ(ox_lock_try_acquire(l), OX_EBUSY);    /* it is b's already */
	EXPECT_EQ(ox_lock_acquire(l), 0);
	note('a');
	EXPECT_EQ(ox_lock_release(l), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("abca");
	return 0;
}

static int s44_skipped(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LOCK *l = ox_lock_new();
	struct party b = party(l, 'b'), c = party(l, 'c'), d = party(l, 'd');

	(void)arg;
	EXPECT_EQ(ox_lock_acquire(l), 0);
	b.task = ox_spawn(g, lock_and_note, &b);
	c.task = ox_spawn(g, lock_and_note, &c);
	d.task = ox_spawn(g, lock_and_note, &d);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(b.task);
	EXPECT_EQ(ox_lock_release(l), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(b.task), OX_ECANCELED);
	EXPECT_TRAIL("cd");
	return 0;
}

static int s44_alternate(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LOCK *l = ox_lock_new();
	struct party a = party(l, 'a'), b = party(l, 'b'), c = party(l, 'c');

	(void)arg;
	a.rounds = b.rounds = c.rounds = 5;
	ox_spawn(g, lock_and_note, &a);
	ox_spawn(g, lock_and_note, &b);
	ox_spawn(g, lock_and_note, &c);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("abcabcabcabcabc");
	return 0;
}

START_TEST(lock_is_handed_over_in_order_past_the_cancelled_S44)
{
	fifo_only();
	run_virtual(s44_behind, NULL);
	run_virtual(s44_skipped, NULL);
	run_virtual(s44_alternate, NULL);
}
END_TEST

/* It was handed the lock, and is cancelled before it runs: it holds it, and lets go. */
static int cancelled_owner(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LOCK *l = ox_lock_new();
	struct party b = party(l, 'b'), c = party(l, 'c');

	(void)arg;
	EXPECT_EQ(ox_lock_acquire(l), 0);
	b.task = ox_spawn(g, lock_and_note, &b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	c.task = ox_spawn(g, lock_and_note, &c);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_lock_release(l), 0);
	ox_future_cancel(b.task);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(b.task), 0);
	EXPECT_EQ(ox_future_status(c.task), 0);
	EXPECT_TRAIL("bc");
	EXPECT_EQ(ox_lock_try_acquire(l), 0);
	EXPECT_EQ(ox_lock_release(l), 0);
	return 0;
}

START_TEST(lock_handed_to_a_task_that_is_cancelled_then_is_not_lost)
{
	run_virtual(cancelled_owner, NULL);
}
END_TEST

static int release_foreign(void *arg)
{
	EXPECT_EQ(ox_lock_release(arg), OX_ESTATE);
	EXPECT_EQ(ox_lock_try_acquire(arg), OX_EBUSY);
	return 0;
}

static int misuse(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LOCK *l = ox_lock_new();

	(void)arg;
	EXPECT_EQ(ox_lock_release(l), OX_ESTATE);
	EXPECT(!ox_lock_held(l));
	{
		EXPECT_EQ(ox_lock_acquire(l), 0);
		OX_AUTO_UNLOCK *held = l;

		EXPECT(ox_lock_held(l));
		EXPECT_EQ(ox_lock_acquire(l), OX_ESTATE);
		EXPECT_EQ(ox_lock_try_acquire(l), OX_ESTATE);
		EXPECT_EQ(ox_await(ox_spawn(g, release_foreign, l)), 0);
	}
	EXPECT_EQ(ox_lock_release(l), OX_ESTATE);
	EXPECT_EQ(ox_lock_acquire(NULL), OX_ENOMEM);
	EXPECT_EQ(ox_lock_release(NULL), OX_ENOMEM);
	return 0;
}

START_TEST(lock_belongs_to_its_owner)
{
	OX_AUTO_LOCK *l = ox_lock_new();

	run_virtual(misuse, NULL);
	ck_assert_int_eq(ox_lock_try_acquire(l), OX_ESTATE);    /* no coroutine */
	ck_assert_int_eq(ox_lock_acquire(l), OX_ESTATE);
}
END_TEST

static char logged[400];

static void hear(void *arg, ox_log_level level, const char *text)
{
	(void)arg;
	EXPECT_EQ(level, OX_LOG_ERROR);
	snprintf(logged, sizeof(logged), "%s", text);
}

static int acquire_and_end(void *arg)
{
	return ox_lock_acquire(arg);
}

static int write_and_end(void *arg)
{
	return ox_rwlock_acquire_write(arg);
}

static int forgotten(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_LOCK *l = ox_lock_new();
	OX_AUTO_RWLOCK *rw = ox_rwlock_new();

	(void)arg;
	EXPECT_EQ(ox_await(ox_spawn(g, acquire_and_end, l)), 0);
	EXPECT(strstr(logged, "task acquire_and_end, spawned at") != NULL);
	EXPECT(strstr(logged, "ended and held a lock") != NULL);
	EXPECT_EQ(ox_await(ox_spawn(g, write_and_end, rw)), 0);
	EXPECT_EQ(ox_lock_acquire(l), 0);
	EXPECT_EQ(ox_lock_release(l), 0);
	EXPECT_EQ(ox_rwlock_acquire_read(rw), 0);
	EXPECT_EQ(ox_rwlock_acquire_read(rw), 0);
	EXPECT(strstr(logged, "ended and held a rwlock") != NULL);
	EXPECT_EQ(ox_rwlock_release(rw), 0);
	EXPECT_EQ(ox_rwlock_release(rw), 0);
	EXPECT_EQ(ox_rwlock_release(rw), OX_ESTATE);

	logged[0] = '\0';
	ox_spawn(g, acquire_and_end, l);                        /* one waits for the other that ends */
	ox_spawn(g, acquire_and_end, l);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT(!ox_lock_held(l));
	EXPECT(logged[0] != '\0');
	return 0;
}

START_TEST(lock_of_a_task_that_has_ended_is_released_and_reported)
{
	logged[0] = '\0';
	ox_log_set(hear, NULL);
	run_virtual(forgotten, NULL);
	ox_log_set(NULL, NULL);
}
END_TEST

/* ---- conditions ---- */

struct shared {
	ox_lock *lock;
	ox_condition *changed;
	int ready, woken, cancelled;
};

static int wait_until_ready(void *arg)
{
	struct shared *s = arg;
	int r = ox_lock_acquire(s->lock);

	if (r < 0)
		return r;
	OX_AUTO_UNLOCK *held = s->lock;
	while (s->ready == 0 && r == 0)
		r = ox_condition_wait(s->changed);
	EXPECT_EQ(ox_lock_try_acquire(s->lock), OX_ESTATE);     /* held, cancelled or not */
	if (r == 0) {
		s->ready--;
		s->woken++;
	} else {
		s->cancelled++;
	}
	return r;
}

static int notify(struct shared *s, int ready, size_t n)
{
	int r;

	EXPECT_EQ(ox_lock_acquire(s->lock), 0);
	s->ready = ready;
	r = n == SIZE_MAX ? ox_condition_notify_all(s->changed) : ox_condition_notify(s->changed, n);
	EXPECT_EQ(ox_lock_release(s->lock), 0);
	return r;
}

static int condition(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LOCK *l = ox_lock_new();
	OX_AUTO_CONDITION *c = ox_condition_new(l);
	struct shared s = { l, c, 0, 0, 0 };

	(void)arg;
	EXPECT_EQ(ox_condition_wait(c), OX_ESTATE);
	EXPECT_EQ(ox_condition_notify(c, 1), OX_ESTATE);
	for (int i = 0; i < 5; i++)
		ox_spawn(g, wait_until_ready, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(notify(&s, 2, 2), 2);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(s.woken, 2);
	EXPECT_EQ(notify(&s, 1, SIZE_MAX), 3);          /* all look, one goes on */
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(s.woken, 3);
	EXPECT_EQ(ox_group_pending(g), 2);
	EXPECT_EQ(notify(&s, 2, 9), 2);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(s.woken, 5);
	EXPECT_EQ(notify(&s, 0, 1), 0);
	return 0;
}

START_TEST(condition_wakes_as_many_as_are_notified_with_the_lock_held)
{
	run_virtual(condition, NULL);
}
END_TEST

/* The lock is held by another when the waiter is cancelled: it returns only when it holds the lock again. */
static int condition_cancelled(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LOCK *l = ox_lock_new();
	OX_AUTO_CONDITION *c = ox_condition_new(l);
	struct shared s = { l, c, 0, 0, 0 };
	ox_future *a, *b;

	(void)arg;
	a = ox_spawn(g, wait_until_ready, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_lock_acquire(l), 0);
	ox_future_cancel(a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(a));
	EXPECT_EQ(ox_lock_release(l), 0);
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(s.cancelled, 1);

	/* Nobody holds it: it has the lock at once. */
	a = ox_spawn(g, wait_until_ready, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(a);
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(s.cancelled, 2);

	/* Cancelled after it was notified: it has been notified. */
	a = ox_spawn(g, wait_until_ready, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	b = ox_spawn(g, wait_until_ready, &s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(notify(&s, 1, 1), 1);
	ox_future_cancel(a);
	EXPECT_EQ(ox_await(a), 0);
	ox_future_cancel(b);
	EXPECT_EQ(ox_await(b), OX_ECANCELED);
	EXPECT_EQ(s.woken, 1);
	return 0;
}

START_TEST(condition_holds_the_lock_on_every_return)
{
	run_virtual(condition_cancelled, NULL);
}
END_TEST

/* ---- events ---- */

static int wait_event(void *arg)
{
	return ox_event_wait(arg);
}

static int s45_event(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_EVENT *e = ox_event_new();
	ox_future *a = ox_spawn(g, wait_event, e), *b = ox_spawn(g, wait_event, e), *c;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(b);
	ox_event_set(e);
	EXPECT(ox_event_is_set(e));
	ox_event_clear(e);
	EXPECT(!ox_event_is_set(e));
	ox_future_cancel(a);                            /* too late: it was woken by the event */
	c = ox_spawn(g, wait_event, e);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_future_status(a), 0);
	EXPECT_EQ(ox_future_status(b), OX_ECANCELED);
	EXPECT(!ox_future_done(c));
	ox_event_set(e);
	EXPECT_EQ(ox_await(c), 0);
	EXPECT_EQ(ox_event_wait(e), 0);
	EXPECT_EQ(ox_event_wait(NULL), OX_ENOMEM);
	return 0;
}

START_TEST(event_wakes_who_waited_even_if_cleared_at_once_S45)
{
	run_virtual(s45_event, NULL);
}
END_TEST

/* ---- barriers ---- */

static int arrive(void *arg)
{
	return ox_barrier_wait(arg);
}

static int s45_barrier(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_BARRIER *b = ox_barrier_new(3);
	ox_future *a = ox_spawn(g, arrive, b), *c, *d;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	c = ox_spawn(g, arrive, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(a);
	EXPECT_EQ(ox_barrier_waiting(b), 1);
	d = ox_spawn(g, arrive, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_barrier_wait(b), 2);
	ox_future_cancel(c);
	EXPECT_EQ(ox_await(c), 0);
	EXPECT_EQ(ox_await(d), 1);
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(ox_barrier_waiting(b), 0);

	a = ox_spawn(g, arrive, b);                     /* as new; then given up */
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_barrier_shut(b);
	EXPECT_EQ(ox_await(a), OX_ECLOSED);
	EXPECT_EQ(ox_barrier_wait(b), OX_ECLOSED);
	EXPECT_EQ(ox_barrier_wait(NULL), OX_ENOMEM);
	EXPECT(ox_barrier_new(0) == NULL);
	return 0;
}

START_TEST(barrier_goes_on_without_a_cancelled_party_S45)
{
	run_virtual(s45_barrier, NULL);
}
END_TEST

/* ---- semaphores ---- */

static int hold_semaphore(void *arg)
{
	struct party *p = arg;
	int r = ox_semaphore_acquire(p->object);

	if (r < 0)
		return r;
	note(p->name);
	r = ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_semaphore_release(p->object), 0);
	return r;
}

static int semaphore(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_SEMAPHORE *s = ox_semaphore_new(2, 2);
	struct party p[5];
	ox_time start = ox_now();

	(void)arg;
	EXPECT_EQ(ox_semaphore_release(s), OX_ESTATE);
	for (int i = 0; i < 5; i++) {
		p[i] = party(s, (char)('a' + i));
		p[i].task = ox_spawn(g, hold_semaphore, &p[i]);
	}
	ox_yield();
	EXPECT_EQ(ox_semaphore_value(s), 0);
	EXPECT_EQ(ox_semaphore_try_acquire(s), OX_EBUSY);
	ox_future_cancel(p[3].task);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("abce");
	EXPECT_EQ(ox_now() - start, OX_MS(2));
	EXPECT_EQ(ox_semaphore_value(s), 2);
	EXPECT_EQ(ox_semaphore_try_acquire(s), 0);
	EXPECT_EQ(ox_semaphore_release(s), 0);
	EXPECT(ox_semaphore_new(3, 2) == NULL);
	EXPECT_EQ(ox_semaphore_acquire(NULL), OX_ENOMEM);
	return 0;
}

/* What one gave back was handed to b; b was cancelled before it ran, and passes it on. */
static int semaphore_cancelled(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_SEMAPHORE *s = ox_semaphore_new(0, SIZE_MAX);
	struct party b = party(s, 'b'), c = party(s, 'c');

	(void)arg;
	b.task = ox_spawn(g, hold_semaphore, &b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	c.task = ox_spawn(g, hold_semaphore, &c);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_semaphore_release(s), 0);
	ox_future_cancel(b.task);
	EXPECT_EQ(ox_await(c.task), 0);
	EXPECT_EQ(ox_await(b.task), OX_ECANCELED);      /* of its sleep: it had the semaphore */
	EXPECT_TRAIL("bc");
	EXPECT_EQ(ox_semaphore_value(s), 1);
	return 0;
}

START_TEST(semaphore_lets_so_many_in_at_a_time)
{
	fifo_only();
	run_virtual(semaphore, NULL);
	run_virtual(semaphore_cancelled, NULL);
}
END_TEST

/* ---- limiters ---- */

static int hold_limiter(void *arg)
{
	struct party *p = arg;
	int r = ox_limiter_acquire(p->object);

	if (r < 0)
		return r;
	note(p->name);
	EXPECT_EQ(ox_limiter_acquire(p->object), OX_ESTATE);
	r = ox_sleep(OX_MS(10));
	EXPECT_EQ(ox_limiter_release(p->object), 0);
	EXPECT_EQ(ox_limiter_release(p->object), OX_ESTATE);
	return r;
}

static int limiter(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LIMITER *l = ox_limiter_new(2);
	struct party p[6];

	(void)arg;
	for (int i = 0; i < 6; i++) {
		p[i] = party(l, (char)('a' + i));
		p[i].task = ox_spawn(g, hold_limiter, &p[i]);
	}
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT_TRAIL("ab");
	EXPECT_EQ(ox_limiter_borrowed(l), 2);
	EXPECT_EQ(ox_limiter_waiting(l), 4);
	ox_limiter_resize(l, 3);
	EXPECT_EQ(ox_limiter_borrowed(l), 3);
	EXPECT_EQ(ox_limiter_waiting(l), 3);
	ox_future_cancel(p[3].task);
	EXPECT_EQ(ox_limiter_waiting(l), 2);
	ox_limiter_resize(l, 1);
	EXPECT_EQ(ox_limiter_capacity(l), 1);
	EXPECT_EQ(ox_limiter_borrowed(l), 3);           /* nothing is taken away */
	EXPECT_EQ(ox_sleep(OX_MS(9)), 0);               /* a and b are back: still as many out as there may be */
	EXPECT_TRAIL("c");
	EXPECT_EQ(ox_limiter_borrowed(l), 1);
	EXPECT_EQ(ox_limiter_try_acquire(l), OX_EBUSY);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("ef");
	EXPECT_EQ(ox_limiter_borrowed(l), 0);
	EXPECT_EQ(ox_limiter_acquire(NULL), OX_ENOMEM);
	return 0;
}

START_TEST(limiter_is_resized_while_it_is_used)
{
	fifo_only();
	run_virtual(limiter, NULL);
}
END_TEST

#define BORROWERS 5000

static int borrow_for(void *arg)
{
	ox_limiter *l = arg;

	return ox_limiter_acquire_for(l, l);
}

static int many_borrowers(void *arg)
{
	static char borrowers[BORROWERS];
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_LIMITER *l = ox_limiter_new(BORROWERS);
	ox_future *a, *b;

	(void)arg;
	for (int i = 0; i < BORROWERS; i++)
		EXPECT_EQ(ox_limiter_try_acquire_for(l, &borrowers[i]), 0);
	EXPECT_EQ(ox_limiter_try_acquire_for(l, &borrowers[7]), OX_ESTATE);
	EXPECT_EQ(ox_limiter_try_acquire_for(l, &a), OX_EBUSY);
	for (int i = 0; i < BORROWERS; i += 2)
		EXPECT_EQ(ox_limiter_release_for(l, &borrowers[i]), 0);
	for (int i = 0; i < BORROWERS; i++)
		EXPECT_EQ(ox_limiter_release_for(l, &borrowers[i]), i % 2 ? 0 : OX_ESTATE);
	EXPECT_EQ(ox_limiter_borrowed(l), 0);
	EXPECT_EQ(ox_limiter_try_acquire_for(l, NULL), OX_EINVAL);

	/* Two wait for one borrower: it gets one token. */
	ox_limiter_resize(l, 0);
	a = ox_spawn(g, borrow_for, l);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	b = ox_spawn(g, borrow_for, l);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_limiter_resize(l, 2);
	EXPECT_EQ(ox_await(a), 0);
	EXPECT_EQ(ox_await(b), OX_ESTATE);
	EXPECT_EQ(ox_limiter_borrowed(l), 1);
	EXPECT_EQ(ox_limiter_release_for(l, l), 0);
	return 0;
}

/* Borrowers at any addresses, coming and going: the table agrees with a plain list of who has a token. */
static int any_borrowers(void *arg)
{
	OX_AUTO_LIMITER *l = ox_limiter_new(SIZE_MAX);
	uint64_t seed = (uintptr_t)arg;
	bool has[600] = { false };
	uintptr_t at[600];
	size_t out = 0;

	for (int i = 0; i < 600; i++)
		at[i] = (uintptr_t)random_next(&seed) | 1;
	for (int k = 0; k < 20000; k++) {
		size_t i = random_below(&seed, 600);
		const void *borrower = (const void *)at[i];

		if (random_below(&seed, 2)) {
			EXPECT_EQ(ox_limiter_try_acquire_for(l, borrower), has[i] ? OX_ESTATE : 0);
			out += !has[i];
			has[i] = true;
		} else {
			EXPECT_EQ(ox_limiter_release_for(l, borrower), has[i] ? 0 : OX_ESTATE);
			out -= has[i];
			has[i] = false;
		}
		EXPECT_EQ(ox_limiter_borrowed(l), out);
	}
	return 0;
}

START_TEST(limiter_knows_its_borrowers)
{
	run_virtual(many_borrowers, NULL);
	for (intptr_t seed = 1; seed <= 5; seed++)
		run_virtual(any_borrowers, (void *)seed);
}
END_TEST

/* ---- rwlocks ---- */

static int read_and_note(void *arg)
{
	struct party *p = arg;
	int r = ox_rwlock_acquire_read(p->object);

	if (r < 0)
		return r;
	note(p->name);
	r = ox_sleep(OX_MS(1));
	note((char)(p->name - 'a' + 'A'));
	EXPECT_EQ(ox_rwlock_release(p->object), 0);
	return r;
}

static int write_and_note(void *arg)
{
	struct party *p = arg;
	int r = ox_rwlock_acquire_write(p->object);

	if (r < 0)
		return r;
	note(p->name);
	EXPECT_EQ(ox_rwlock_acquire_write(p->object), OX_ESTATE);
	EXPECT_EQ(ox_rwlock_acquire_read(p->object), OX_ESTATE);
	r = ox_sleep(OX_MS(1));
	note((char)(p->name - 'a' + 'A'));
	EXPECT_EQ(ox_rwlock_release(p->object), 0);
	return r;
}

static int rwlock(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	OX_AUTO_RWLOCK *l = ox_rwlock_new();
	struct party a = party(l, 'a'), b = party(l, 'b'), w = party(l, 'w'), c = party(l, 'c'), d = party(l, 'd');

	(void)arg;
	EXPECT_EQ(ox_rwlock_release(l), OX_ESTATE);
	ox_spawn(g, read_and_note, &a);
	ox_spawn(g, read_and_note, &b);
	ox_spawn(g, write_and_note, &w);
	ox_spawn(g, read_and_note, &c);
	ox_spawn(g, read_and_note, &d);
	ox_yield();
	EXPECT_EQ(ox_rwlock_try_acquire_read(l), OX_EBUSY);     /* behind the writer */
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("abABwWcdCD");

	/* The readers behind a writer that gives up need not wait for the readers before it. */
	ox_spawn(g, read_and_note, &a);
	w.task = ox_spawn(g, write_and_note, &w);
	ox_spawn(g, read_and_note, &c);
	ox_yield();
	EXPECT_TRAIL("a");
	ox_future_cancel(w.task);
	ox_yield();
	EXPECT_TRAIL("c");
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("AC");

	EXPECT_EQ(ox_rwlock_try_acquire_write(l), 0);
	c.task = ox_spawn(g, read_and_note, &c);
	w.task = ox_spawn(g, write_and_note, &w);
	ox_yield();
	EXPECT_EQ(ox_rwlock_release(l), 0);
	ox_future_cancel(c.task);                       /* has it already, and passes it on */
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_TRAIL("cCwW");
	EXPECT_EQ(ox_rwlock_acquire_read(NULL), OX_ENOMEM);
	EXPECT_EQ(ox_rwlock_release(NULL), OX_ENOMEM);
	return 0;
}

START_TEST(rwlock_serves_readers_and_writers_in_order)
{
	fifo_only();
	run_virtual(rwlock, NULL);
}
END_TEST

/* ---- memory ---- */

static int use_all(void *arg)
{
	OX_AUTO_LOCK *l = ox_lock_new();
	OX_AUTO_CONDITION *c = ox_condition_new(l);
	OX_AUTO_EVENT *e = ox_event_new();
	OX_AUTO_SEMAPHORE *s = ox_semaphore_new(1, 1);
	OX_AUTO_LIMITER *m = ox_limiter_new(40);
	OX_AUTO_BARRIER *b = ox_barrier_new(1);
	OX_AUTO_RWLOCK *w = ox_rwlock_new();
	int r = ox_lock_acquire(l);

	(void)arg;
	if (r == 0) {
		OX_AUTO_UNLOCK *held = l;
		r = ox_condition_notify(c, 1);
	}
	ox_event_set(e);
	if (r == 0)
		r = ox_event_wait(e);
	if (r == 0)
		r = ox_semaphore_acquire(s);
	for (int i = 0; r == 0 && i < 40; i++)
		r = ox_limiter_acquire_for(m, (char *)m + i);
	if (r == 0)
		r = ox_barrier_wait(b);
	if (r == 0)
		r = ox_rwlock_acquire_read(w);
	return r == 0 ? ox_rwlock_release(w) : r;
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly(use_all, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sync");
	TCase *c = new_case(s, "sync", 10);

	tcase_add_test(c, lock_is_handed_over_in_order_past_the_cancelled_S44);
	tcase_add_test(c, lock_handed_to_a_task_that_is_cancelled_then_is_not_lost);
	tcase_add_test(c, lock_belongs_to_its_owner);
	tcase_add_test(c, lock_of_a_task_that_has_ended_is_released_and_reported);
	tcase_add_test(c, condition_wakes_as_many_as_are_notified_with_the_lock_held);
	tcase_add_test(c, condition_holds_the_lock_on_every_return);
	tcase_add_test(c, event_wakes_who_waited_even_if_cleared_at_once_S45);
	tcase_add_test(c, barrier_goes_on_without_a_cancelled_party_S45);
	tcase_add_test(c, semaphore_lets_so_many_in_at_a_time);
	tcase_add_test(c, limiter_is_resized_while_it_is_used);
	tcase_add_test(c, limiter_knows_its_borrowers);
	tcase_add_test(c, rwlock_serves_readers_and_writers_in_order);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
