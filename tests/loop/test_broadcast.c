/* SPDX-License-Identifier: MIT */
/* Broadcast: every subscriber sees every item, or is told how many it has missed. */
#include "tests/support/support.h"

static int next(ox_subscriber *s, int *ret)
{
	return ox_subscriber_get(s, ret);
}

static int everyone(void *arg)
{
	OX_AUTO_BROADCAST *b = ox_broadcast_new(4, sizeof(int));
	OX_AUTO_SUBSCRIBER *x = ox_subscriber_new(b), *y = ox_subscriber_new(b);
	int item;

	(void)arg;
	for (int i = 1; i <= 3; i++)
		EXPECT_EQ(ox_broadcast_send(b, &i), 0);
	OX_AUTO_SUBSCRIBER *late = ox_subscriber_new(b);
	for (int i = 1; i <= 3; i++) {
		EXPECT_EQ(next(x, &item), 0);
		EXPECT_EQ(item, i);
		EXPECT_EQ(next(y, &item), 0);
		EXPECT_EQ(item, i);
	}
	EXPECT_EQ(ox_broadcast_send(b, &(int){ 4 }), 0);
	EXPECT_EQ(next(late, &item), 0);
	EXPECT_EQ(item, 4);
	ox_broadcast_shut(b);
	EXPECT_EQ(ox_broadcast_send(b, &item), OX_ECLOSED);
	EXPECT_EQ(next(late, &item), OX_ECLOSED);
	EXPECT_EQ(next(x, &item), 0);
	EXPECT_EQ(item, 4);
	EXPECT_EQ(next(x, &item), OX_ECLOSED);
	return 0;
}

START_TEST(every_subscriber_sees_every_item_sent_since_it_came)
{
	run_virtual(everyone, NULL);
}
END_TEST

static int lag(void *arg)
{
	OX_AUTO_BROADCAST *b = ox_broadcast_new(4, sizeof(int));
	OX_AUTO_SUBSCRIBER *s = ox_subscriber_new(b);
	int item = 0;

	(void)arg;
	for (int i = 1; i <= 10; i++)
		EXPECT_EQ(ox_broadcast_send(b, &i), 0);
	EXPECT_EQ(next(s, &item), 6);
	EXPECT_EQ(item, 0);
	for (int i = 7; i <= 10; i++) {
		EXPECT_EQ(next(s, &item), 0);
		EXPECT_EQ(item, i);
	}
	EXPECT_EQ(ox_broadcast_send(b, &(int){ 11 }), 0);
	EXPECT_EQ(next(s, &item), 0);
	EXPECT_EQ(item, 11);
	return 0;
}

START_TEST(slow_subscriber_is_told_how_many_it_lost_and_goes_on)
{
	run_virtual(lag, NULL);
}
END_TEST

static int get_one(void *arg)
{
	int item, r = next(arg, &item);

	return r < 0 ? r : item;
}

static int parked(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	OX_AUTO_BROADCAST *b = ox_broadcast_new(1, sizeof(int));
	OX_AUTO_SUBSCRIBER *x = ox_subscriber_new(b), *y = ox_subscriber_new(b);
	ox_future *at_x = ox_spawn(g, get_one, x), *at_y = ox_spawn(g, get_one, y), *ended;
	int item = 0, r = 0;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(next(x, &item), OX_EBUSY);
	EXPECT_EQ(ox_broadcast_send(b, &(int){ 5 }), 0);
	ox_future_cancel(at_y);                         /* it has its item */
	EXPECT_EQ(ox_broadcast_send(b, &(int){ 6 }), 0);
	EXPECT_EQ(ox_await(at_x), 5);
	EXPECT_EQ(ox_await(at_y), 5);
	EXPECT_EQ(next(x, &item), 0);
	EXPECT_EQ(item, 6);

	at_x = ox_spawn(g, get_one, x);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(at_x);
	EXPECT_EQ(ox_await(at_x), OX_ECANCELED);
	EXPECT_EQ(ox_broadcast_send(b, &(int){ 7 }), 0);
	EXPECT_EQ(OX_SELECT(&r, OX_NEXT(y, &item), OX_NEXT(x, &item)), 0);
	EXPECT_EQ(r, 1);                                /* 6 is lost for y */
	EXPECT_EQ(OX_SELECT(&r, OX_NEXT(x, &item), OX_NEXT(y, &item)), 0);
	EXPECT_EQ(item, 7);
	EXPECT_EQ(next(y, &item), 0);

	ended = ox_spawn(g, get_one, x);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_broadcast_shut(b);
	EXPECT_EQ(ox_await(ended), OX_ECLOSED);
	EXPECT_EQ(ox_subscriber_get(NULL, &item), OX_ENOMEM);
	EXPECT_EQ(ox_broadcast_send(NULL, &item), OX_ENOMEM);
	EXPECT(ox_broadcast_new(0, 1) == NULL);
	EXPECT(ox_broadcast_new(SIZE_MAX / 2, 3) == NULL);
	return 0;
}

START_TEST(parked_subscribers_are_handed_the_item)
{
	run_virtual(parked, NULL);
}
END_TEST

static int once(void *arg)
{
	OX_AUTO_BROADCAST *b = ox_broadcast_new(3, sizeof(int));
	OX_AUTO_SUBSCRIBER *s = ox_subscriber_new(b);
	int item, r = ox_broadcast_send(b, &(int){ 1 });

	(void)arg;
	return r < 0 ? r : next(s, &item);
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly(once, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("broadcast");
	TCase *c = new_case(s, "broadcast", 10);

	tcase_add_test(c, every_subscriber_sees_every_item_sent_since_it_came);
	tcase_add_test(c, slow_subscriber_is_told_how_many_it_lost_and_goes_on);
	tcase_add_test(c, parked_subscribers_are_handed_the_item);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
