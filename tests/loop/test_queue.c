/* SPDX-License-Identifier: MIT */
/* Queues: cases S37 and S38. */
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

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *c = new_case(s, "queues", 10);

	tcase_add_test(c, full_queue_parks_putters_and_join_counts_items_S37);
	tcase_add_test(c, shut_queue_drains_or_drops_S38);
	tcase_add_test(c, item_of_a_cancelled_getter_goes_to_the_next);
	tcase_add_test(c, items_come_in_order_through_any_capacity);
	return run_suite(s);
}
