/* SPDX-License-Identifier: MIT */
/*
 * What holds whatever is cancelled: tasks that do things at random to shared objects, each wait cut off at random, in
 * virtual time, in an order drawn from the seed as well. At the end all objects are as they were at the beginning.
 */
#include "tests/support/random.h"
#include "tests/support/support.h"

#define TASKS   12
#define ROUNDS  60
#define PERMITS 3u
#define PARTIES 2u

struct world {
	uint64_t seed;
	ox_lock *lock;
	ox_condition *changed;
	ox_semaphore *semaphore;
	ox_limiter *limiter;
	ox_rwlock *rwlock;
	ox_barrier *barrier;
	uint64_t tickets, served;       /* of those who come for the lock */
	int in_lock, in_semaphore, in_limiter, readers, writers;
	ox_queue *queues[4];
	ox_broadcast *broadcast;
	uint64_t sent, told;            /* to the queues: how many, and the sum of the numbers */
	uint64_t received, heard;
};

static uint64_t below(struct world *w, uint64_t n)
{
	return random_below(&w->seed, n);
}

/* In a scope that ends soon, or at once, or not. */
static void cut(struct world *w, ox_scope *s)
{
	ox_scope_enter(s, below(w, 3) ? (ox_time)below(w, 4) * OX_US(1) : OX_MS(1));
}

static void stay(struct world *w)
{
	if (below(w, 2))
		ox_sleep(OX_US(below(w, 3)));           /* cancelled or not: what is held is given back */
	else
		ox_yield();
}

static void use_lock(struct world *w)
{
	uint64_t ticket = ++w->tickets;

	if (ox_lock_acquire(w->lock) < 0)
		return;
	EXPECT(ticket > w->served);             /* in order, past the cancelled */
	w->served = ticket;
	EXPECT_EQ(w->in_lock++, 0);
	stay(w);
	if (below(w, 2)) {
		w->in_lock--;
		ox_condition_wait(w->changed);          /* holds it again, cancelled or not */
		EXPECT_EQ(w->in_lock++, 0);
	}
	EXPECT(ox_condition_notify(w->changed, below(w, 3)) >= 0);
	w->in_lock--;
	EXPECT_EQ(ox_lock_release(w->lock), 0);
}

static void select_lock(struct world *w)
{
	int r = 0, i = OX_SELECT(&r, OX_LOCK(w->lock), OX_ACQUIRE(w->semaphore), OX_AFTER(OX_US(below(w, 3))));

	if (i == 0 && r == 0) {
		EXPECT_EQ(w->in_lock, 0);
		EXPECT_EQ(ox_lock_release(w->lock), 0);
	} else if (i == 1) {
		EXPECT_EQ(r, 0);
		EXPECT_EQ(ox_semaphore_release(w->semaphore), 0);
	}
}

static void use_semaphore(struct world *w)
{
	if (ox_semaphore_acquire(w->semaphore) < 0)
		return;
	EXPECT(++w->in_semaphore <= (int)PERMITS);
	stay(w);
	w->in_semaphore--;
	EXPECT_EQ(ox_semaphore_release(w->semaphore), 0);
}

static void use_limiter(struct world *w)
{
	if (ox_limiter_acquire(w->limiter) < 0)
		return;
	EXPECT(++w->in_limiter <= (int)PERMITS);
	stay(w);
	w->in_limiter--;
	EXPECT_EQ(ox_limiter_release(w->limiter), 0);
}

static void use_rwlock(struct world *w)
{
	bool write = below(w, 2);
	int *holders = write ? &w->writers : &w->readers;

	if ((write ? ox_rwlock_acquire_write(w->rwlock) : ox_rwlock_acquire_read(w->rwlock)) < 0)
		return;
	++*holders;
	EXPECT(w->writers == 0 || (w->writers == 1 && w->readers == 0));
	stay(w);
	--*holders;
	EXPECT_EQ(ox_rwlock_release(w->rwlock), 0);
}

static void use_barrier(struct world *w)
{
	int r = ox_barrier_wait(w->barrier);

	EXPECT(r == OX_ECANCELED || (r >= 0 && r < (int)PARTIES));
}

/* Numbers go in and come out: none is lost, none comes twice. */
static void put(struct world *w)
{
	uint64_t number = w->seed >> 20 | 1;
	void *item = (void *)(uintptr_t)number;
	ox_queue *a = w->queues[below(w, 4)], *b = w->queues[below(w, 4)];
	bool one = below(w, 2);
	int r = one ? ox_queue_put(a, item) : OX_SELECT(NULL, OX_PUT(a, item), OX_PUT(b, item));

	if (r < 0)
		return;
	w->sent++;
	w->told += number;
}

static void get(struct world *w)
{
	void *item = NULL, *other = NULL;
	ox_queue *a = w->queues[below(w, 4)], *b = w->queues[below(w, 4)];
	bool one = below(w, 2);
	int r = one ? ox_queue_get(a, &item) : OX_SELECT(NULL, OX_GET(a, &item), OX_GET(b, &other), OX_AFTER(OX_US(2)));

	EXPECT(item == NULL || other == NULL);
	EXPECT(r >= 0 || (item == NULL && other == NULL));
	if (item || other)
		w->received++;
	w->heard += (uintptr_t)(item ? item : other);
}

static int actor(void *arg)
{
	static void (*const things[])(struct world *) = { use_lock, select_lock, use_semaphore, use_limiter, use_rwlock,
		                                          use_barrier, put, get, put, get };
	struct world *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		ox_scope s;

		cut(w, &s);
		things[below(w, sizeof(things) / sizeof(*things))](w);
		ox_scope_leave(&s, 0);
		if (ox_yield() < 0)
			return OX_ECANCELED;
	}
	return 0;
}

/* A subscriber sees each number once, in order, or is told how many it lost. */
static int listener(void *arg)
{
	struct world *w = arg;
	ox_subscriber *sub = ox_subscriber_new(w->broadcast);
	uint64_t next = 0;
	int r = 0;

	while (r != OX_ECLOSED) {
		uint64_t n;
		ox_scope s;

		cut(w, &s);
		r = ox_subscriber_get(sub, &n);
		ox_scope_leave(&s, 0);
		if (r == 0)
			EXPECT_EQ(n, next++);
		else if (r > 0)
			next += (uint64_t)r;
		else
			EXPECT(r == OX_ECLOSED || r == OX_ECANCELED);
		if (r == OX_ECANCELED)
			ox_sleep(OX_US(1));
	}
	EXPECT_EQ(next, 500);
	ox_subscriber_free(sub);
	return 0;
}

static int sender(void *arg)
{
	struct world *w = arg;

	for (uint64_t n = 0; n < 500; n++) {
		EXPECT_EQ(ox_broadcast_send(w->broadcast, &n), 0);
		if (below(w, 3) == 0)
			ox_sleep(OX_US(below(w, 3)));
	}
	ox_broadcast_shut(w->broadcast);
	return 0;
}

/* Cancels any of them at any time. */
static void cancel_some(struct world *w, ox_future **actors)
{
	for (int i = 0; i < TASKS / 3; i++) {
		ox_sleep(OX_US(below(w, 20)));
		ox_future_cancel(actors[below(w, TASKS)]);
	}
}

static void drain(struct world *w)
{
	for (int i = 0; i < 4; i++) {
		void *item;

		while (ox_queue_try_get(w->queues[i], &item) == 0) {
			w->received++;
			w->heard += (uintptr_t)item;
		}
		ox_queue_free(w->queues[i]);
	}
}

static int compare(const void *a, const void *b)
{
	return (a > b) - (a < b);
}

static void make(struct world *w)
{
	w->lock = ox_lock_new();
	w->changed = ox_condition_new(w->lock);
	w->semaphore = ox_semaphore_new(PERMITS, PERMITS);
	w->limiter = ox_limiter_new(PERMITS);
	w->rwlock = ox_rwlock_new();
	w->barrier = ox_barrier_new(PARTIES);
	w->queues[0] = ox_queue_new(0);
	w->queues[1] = ox_queue_new(2);
	w->queues[2] = ox_queue_new_lifo(1);
	w->queues[3] = ox_queue_new_priority(3, compare);
	w->broadcast = ox_broadcast_new(4, sizeof(uint64_t));
}

static void expect_as_new(struct world *w)
{
	EXPECT(!ox_lock_held(w->lock));
	EXPECT_EQ(ox_semaphore_value(w->semaphore), PERMITS);
	EXPECT_EQ(ox_limiter_borrowed(w->limiter) + ox_limiter_waiting(w->limiter), 0);
	EXPECT_EQ(ox_rwlock_try_acquire_write(w->rwlock), 0);
	EXPECT_EQ(ox_rwlock_release(w->rwlock), 0);
	EXPECT_EQ(ox_barrier_waiting(w->barrier), 0);
	drain(w);
	EXPECT_EQ(w->received, w->sent);
	EXPECT_EQ(w->heard, w->told);
	EXPECT(w->sent > 0);
}

static int live(void *arg)
{
	struct world *w = arg;
	ox_group *g = ox_group_open();
	ox_future *actors[TASKS];

	make(w);
	for (int i = 0; i < 3; i++)
		ox_spawn(g, listener, w);
	EXPECT_EQ(ox_yield(), 0);               /* they have subscribed */
	ox_spawn(g, sender, w);
	for (int i = 0; i < TASKS; i++)
		actors[i] = ox_spawn(g, actor, w);
	cancel_some(w, actors);
	EXPECT_EQ(ox_group_join(g), 0);
	ox_group_close(g);
	expect_as_new(w);
	ox_condition_free(w->changed);
	ox_lock_free(w->lock);
	ox_semaphore_free(w->semaphore);
	ox_limiter_free(w->limiter);
	ox_rwlock_free(w->rwlock);
	ox_barrier_free(w->barrier);
	ox_broadcast_free(w->broadcast);
	return 0;
}

START_TEST(all_is_as_before_whatever_was_cancelled)
{
	ox_run_options o = { .size = sizeof(o), .deadlock = OX_DEADLOCK_CANCEL };

	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct world w = { .seed = seed };

		o.test = OX_TEST_OPTIONS(.virtual_clock = true, .shuffle_seed = seed % 2 ? seed : 0);
		ck_assert_msg(ox_run(live, &w, &o) == 0, "seed %d", (int)seed);
		assert_expectations();
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("random");
	TCase *c = new_case(s, "random", 60);

	tcase_add_test(c, all_is_as_before_whatever_was_cancelled);
	return run_suite(s);
}
