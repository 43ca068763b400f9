/* SPDX-License-Identifier: MIT */
/* Queues: cases S37 and S38, the orders, the rendezvous. */
#include "tests/support/support.h"

static int put_three(void *arg)
{
	for (intptr_t i = 1; i <= 3; i++)
		EXPECT_EQ(ox_queue_put(arg, (void *)i), 0);
	return 0;
}

static int join(void *arg)
{
	return ox_queue_join(arg);
}

static int s37(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_queue *q = ox_queue_new(2);
	ox_future *putter, *joiner;
	void *item;

	(void)arg;
	EXPECT_EQ(ox_queue_join(q), 0);                 /* empty */
	EXPECT_EQ(ox_queue_task_done(q), OX_ESTATE);
	putter = ox_spawn(g, put_three, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	joiner = ox_spawn(g, join, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_queue_len(q), 2);
	EXPECT(!ox_future_done(putter));                /* the third put is parked */
	for (intptr_t i = 1; i <= 3; i++) {
		EXPECT_EQ(ox_queue_get(q, &item), 0);
		EXPECT_EQ((intptr_t)item, i);
		EXPECT_EQ(ox_wait_all_parked(), 0);
		EXPECT(ox_future_done(putter));
		EXPECT(!ox_future_done(joiner));
		EXPECT_EQ(ox_queue_task_done(q), 0);
	}
	EXPECT_EQ(ox_await(joiner), 0);
	EXPECT_EQ(ox_queue_task_done(q), OX_ESTATE);
	EXPECT_EQ(ox_queue_try_get(q, &item), OX_EBUSY);
	ox_queue_free(q);
	return 0;
}

START_TEST(full_queue_parks_putters_and_join_counts_items_S37)
{
	run_virtual(s37, NULL);
}
END_TEST

static int put_one(void *arg)
{
	return ox_queue_put(arg, (void *)9);
}

static int get_one(void *arg)
{
	void *item;
	int r = ox_queue_get(arg, &item);

	return r < 0 ? r : (int)(intptr_t)item;
}

static int s38_drain(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_queue *q = ox_queue_new(1), *empty = ox_queue_new(1);
	ox_future *parked, *getter;
	void *item;

	(void)arg;
	EXPECT_EQ(ox_queue_put(q, (void *)1), 0);
	parked = ox_spawn(g, put_one, q);
	getter = ox_spawn(g, get_one, empty);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_queue_shut(q, NULL);
	ox_queue_shut(empty, NULL);
	EXPECT_EQ(ox_await(parked), OX_ECLOSED);
	EXPECT_EQ(ox_await(getter), OX_ECLOSED);
	EXPECT_EQ(ox_queue_put(q, NULL), OX_ECLOSED);
	EXPECT_EQ(ox_queue_get(q, &item), 0);
	EXPECT_EQ((intptr_t)item, 1);
	EXPECT_EQ(ox_queue_get(q, &item), OX_ECLOSED);
	ox_queue_free(q);
	ox_queue_free(empty);
	return 0;
}

static int dropped;

static void drop(void *item)
{
	dropped += (int)(intptr_t)item;
}

static int s38_at_once(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_queue *q = ox_queue_new(8);
	ox_future *joiner;
	void *item;

	(void)arg;
	dropped = 0;
	for (intptr_t i = 1; i <= 3; i++)
		EXPECT_EQ(ox_queue_put(q, (void *)i), 0);
	EXPECT_EQ(ox_queue_get(q, &item), 0);           /* one is taken, not done */
	joiner = ox_spawn(g, join, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_queue_shut(q, drop);
	EXPECT_EQ(dropped, 5);
	EXPECT_EQ(ox_queue_get(q, &item), OX_ECLOSED);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(joiner));
	EXPECT_EQ(ox_queue_task_done(q), 0);
	EXPECT_EQ(ox_await(joiner), 0);
	ox_queue_free(q);
	return 0;
}

START_TEST(shut_queue_drains_or_drops_S38)
{
	run_virtual(s38_drain, NULL);
	run_virtual(s38_at_once, NULL);
}
END_TEST

/* Section 4.4 of the design: the item of a cancelled getter goes to the next one. */
static int cancelled_getter(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_queue *q = ox_queue_new(1);
	ox_future *a = ox_spawn(g, get_one, q), *b = ox_spawn(g, get_one, q), *c = ox_spawn(g, get_one, q);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(a);
	EXPECT_EQ(ox_queue_put(q, (void *)5), 0);
	ox_future_cancel(b);                            /* has its item already: a cancel comes too late to lose it */
	EXPECT_EQ(ox_queue_put(q, (void *)6), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(a), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(b), 5);
	EXPECT_EQ(ox_future_status(c), 6);
	ox_queue_free(q);
	return 0;
}

START_TEST(item_of_a_cancelled_getter_goes_to_the_next)
{
	fifo_only();
	run_virtual(cancelled_getter, NULL);
}
END_TEST

#define ITEMS 20000

static int produce(void *arg)
{
	for (intptr_t i = 1; i <= ITEMS; i++)
		EXPECT_EQ(ox_queue_put(arg, (void *)i), 0);
	return 0;
}

static int stream(void *arg)
{
	static const size_t capacities[] = { 1, 3, 64, OX_UNBOUNDED };

	(void)arg;
	for (int k = 0; k < 4; k++) {
		OX_AUTO_GROUP *g = ox_group_open();
		ox_queue *q = ox_queue_new(capacities[k]);
		void *item;

		ox_spawn(g, produce, q);
		for (intptr_t i = 1; i <= ITEMS; i++) {
			EXPECT_EQ(ox_queue_get(q, &item), 0);
			EXPECT_EQ((intptr_t)item, i);
		}
		EXPECT_EQ(ox_group_join(g), 0);
		ox_queue_free(q);
	}
	return 0;
}

START_TEST(items_come_in_order_through_any_capacity)
{
	run_virtual(stream, NULL);
}
END_TEST

static int lifo(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_QUEUE *q = ox_queue_new_lifo(3);
	static const intptr_t expected[] = { 3, 9, 2, 1 };
	void *item;

	(void)arg;
	for (intptr_t i = 1; i <= 3; i++)
		EXPECT_EQ(ox_queue_put(q, (void *)i), 0);
	ox_spawn(g, put_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(ox_queue_get(q, &item), 0);
		EXPECT_EQ((intptr_t)item, expected[i]);         /* 9 came in when there was room */
	}
	return 0;
}

START_TEST(last_in_is_first_out_in_a_lifo_queue)
{
	run_virtual(lifo, NULL);
}
END_TEST

struct ranked {
	int rank, number;
};

static int by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return x->rank - y->rank;
}

#define RANKED 2000

static int priority(void *arg)
{
	OX_AUTO_QUEUE *q = ox_queue_new_priority(RANKED, by_rank);
	static struct ranked all[RANKED];
	struct ranked last = { -1, -1 };
	unsigned seed = 1;

	(void)arg;
	for (int i = 0; i < RANKED; i++) {
		seed = seed * 1103515245u + 12345u;
		all[i] = (struct ranked){ (int)(seed >> 16) % 50, i };
		EXPECT_EQ(ox_queue_put(q, &all[i]), 0);
	}
	for (int i = 0; i < RANKED; i++) {
		void *item;
		EXPECT_EQ(ox_queue_get(q, &item), 0);
		struct ranked *r = item;
		EXPECT(r->rank > last.rank || (r->rank == last.rank && r->number > last.number));
		last = *r;
	}
	return 0;
}

static int put_ranked(void *arg)
{
	void **args = arg;

	return ox_queue_put(args[0], args[1]);
}

/* A full queue: who waits is served in order, and what it puts takes its place by rank. */
static int priority_full(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	OX_AUTO_QUEUE *q = ox_queue_new_priority(1, by_rank);
	struct ranked five = { 5, 0 }, three = { 3, 1 }, one = { 1, 2 };
	void *a[] = { q, &three }, *b[] = { q, &one }, *item;

	(void)arg;
	EXPECT_EQ(ox_queue_put(q, &five), 0);
	ox_spawn(g, put_ranked, a);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_spawn(g, put_ranked, b);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_queue_get(q, &item), 0);
	EXPECT(item == &five);
	EXPECT_EQ(ox_queue_get(q, &item), 0);
	EXPECT(item == &three);
	EXPECT_EQ(ox_queue_get(q, &item), 0);
	EXPECT(item == &one);
	return 0;
}

START_TEST(least_item_comes_first_and_equals_in_order)
{
	run_virtual(priority, NULL);
	run_virtual(priority_full, NULL);
}
END_TEST

static int rendezvous(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_QUEUE *q = ox_queue_new(0);
	ox_future *putter, *getter, *joiner;
	void *item;

	(void)arg;
	EXPECT_EQ(ox_queue_try_put(q, (void *)1), OX_EBUSY);
	EXPECT_EQ(ox_queue_try_get(q, &item), OX_EBUSY);
	putter = ox_spawn(g, put_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(putter));
	EXPECT_EQ(ox_queue_len(q), 0);
	EXPECT_EQ(ox_queue_get(q, &item), 0);
	EXPECT_EQ((intptr_t)item, 9);
	EXPECT_EQ(ox_await(putter), 0);
	joiner = ox_spawn(g, join, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT(!ox_future_done(joiner));
	EXPECT_EQ(ox_queue_task_done(q), 0);
	EXPECT_EQ(ox_await(joiner), 0);

	getter = ox_spawn(g, get_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_queue_put(q, (void *)5), 0);
	EXPECT_EQ(ox_await(getter), 5);

	/* A cancelled putter has put nothing; one whose item was taken has put it. */
	putter = ox_spawn(g, put_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(putter);
	EXPECT_EQ(ox_await(putter), OX_ECANCELED);
	EXPECT_EQ(ox_queue_try_get(q, &item), OX_EBUSY);
	putter = ox_spawn(g, put_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_queue_try_get(q, &item), 0);
	ox_future_cancel(putter);
	EXPECT_EQ(ox_await(putter), 0);

	putter = ox_spawn(g, put_one, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_queue_shut(q, NULL);
	EXPECT_EQ(ox_await(putter), OX_ECLOSED);
	EXPECT_EQ(ox_queue_get(q, &item), OX_ECLOSED);
	return 0;
}

START_TEST(put_meets_get_in_a_queue_without_capacity)
{
	run_virtual(rendezvous, NULL);
}
END_TEST

/* The ring grows while its first item is anywhere. */
static int ring(void *arg)
{
	(void)arg;
	for (intptr_t shift = 0; shift < 40; shift++) {
		OX_AUTO_QUEUE *q = ox_queue_new(OX_UNBOUNDED);
		intptr_t in = 0, out = 0;
		void *item;

		for (; in < shift; in++) {
			EXPECT_EQ(ox_queue_put(q, (void *)in), 0);
			if (in % 3 != 0) {
				EXPECT_EQ(ox_queue_get(q, &item), 0);
				EXPECT_EQ((intptr_t)item, out++);
			}
		}
		for (; in < 200; in++)
			EXPECT_EQ(ox_queue_put(q, (void *)in), 0);
		EXPECT_EQ(ox_queue_len(q), in - out);
		while (ox_queue_try_get(q, &item) == 0)
			EXPECT_EQ((intptr_t)item, out++);
		EXPECT_EQ(out, 200);
	}
	return 0;
}

START_TEST(ring_grows_wherever_it_begins)
{
	run_virtual(ring, NULL);
}
END_TEST

static int join_cancelled(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_QUEUE *q = ox_queue_new(1);
	ox_future *a = NULL, *b = NULL;

	(void)arg;
	EXPECT_EQ(ox_queue_put(q, NULL), 0);
	a = ox_spawn(g, join, q);
	b = ox_spawn(g, join, q);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(a);
	EXPECT_EQ(ox_queue_task_done(q), 0);
	EXPECT_EQ(ox_await(a), OX_ECANCELED);
	EXPECT_EQ(ox_await(b), 0);
	EXPECT_EQ(ox_queue_join(NULL), OX_ENOMEM);
	EXPECT_EQ(ox_queue_put(NULL, NULL), OX_ENOMEM);
	EXPECT_EQ(ox_queue_task_done(NULL), OX_ENOMEM);
	ox_queue_shut(NULL, NULL);
	ox_queue_free(NULL);
	return 0;
}

START_TEST(cancelled_join_leaves_the_others)
{
	run_virtual(join_cancelled, NULL);
}
END_TEST

/* Puts and gets through three orders, more than the first memory of a queue holds. */
static int fill(ox_queue *q)
{
	static struct ranked item;
	void *got;
	int r = 0;

	for (int i = 0; r == 0 && i < 100; i++)
		r = ox_queue_put(q, &item);
	ox_queue_shut(q, NULL);
	while (ox_queue_get(q, &got) == 0)
		EXPECT(got == &item);
	ox_queue_free(q);
	return r;
}

static int fill_all(void *arg)
{
	int a = fill(ox_queue_new(1000)), b = fill(ox_queue_new_lifo(1000)), c = fill(ox_queue_new_priority(1000, by_rank));

	(void)arg;
	return a < 0 ? a : b < 0 ? b : c;
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly(fill_all, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *c = new_case(s, "queues", 10);

	tcase_add_test(c, full_queue_parks_putters_and_join_counts_items_S37);
	tcase_add_test(c, shut_queue_drains_or_drops_S38);
	tcase_add_test(c, item_of_a_cancelled_getter_goes_to_the_next);
	tcase_add_test(c, items_come_in_order_through_any_capacity);
	tcase_add_test(c, last_in_is_first_out_in_a_lifo_queue);
	tcase_add_test(c, least_item_comes_first_and_equals_in_order);
	tcase_add_test(c, put_meets_get_in_a_queue_without_capacity);
	tcase_add_test(c, ring_grows_wherever_it_begins);
	tcase_add_test(c, cancelled_join_leaves_the_others);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
