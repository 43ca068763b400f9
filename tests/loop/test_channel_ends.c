/* SPDX-License-Identifier: MIT */
/* Channels: case S40. */
#include "tests/support/support.h"

struct ends {
	ox_sender *s;
	ox_receiver *r;
};

static struct ends open_ends(size_t capacity, void (*drop)(void *item))
{
	struct ends e = { NULL, NULL };

	EXPECT_EQ(ox_channel_new(capacity, drop, &e.s, &e.r), 0);
	return e;
}

static ox_group *collect(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

static int send_nine(void *arg)
{
	return ox_sender_put(arg, (void *)9);
}

static int receive(void *arg)
{
	void *item;
	int r = ox_receiver_get(arg, &item);

	return r < 0 ? r : (int)(intptr_t)item;
}

static int send_side_closed(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct ends e = open_ends(4, NULL);
	ox_future *a, *b;

	(void)arg;
	EXPECT_EQ(ox_sender_put(e.s, (void *)1), 0);
	EXPECT_EQ(ox_sender_put(e.s, (void *)2), 0);
	ox_sender_close(e.s);
	EXPECT_EQ(receive(e.r), 1);
	EXPECT_EQ(receive(e.r), 2);
	EXPECT_EQ(receive(e.r), OX_ECLOSED);
	ox_receiver_close(e.r);

	/* Receivers that are parked see it too. */
	e = open_ends(4, NULL);
	a = ox_spawn(g, receive, e.r);
	b = ox_spawn(g, receive, e.r);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_sender_close(e.s);
	EXPECT_EQ(ox_await(a), OX_ECLOSED);
	EXPECT_EQ(ox_await(b), OX_ECLOSED);
	ox_receiver_close(e.r);
	return 0;
}

START_TEST(receivers_drain_and_see_the_end_when_the_send_side_is_closed_S40)
{
	run_virtual(send_side_closed, NULL);
}
END_TEST

static int dropped;

static void drop(void *item)
{
	dropped += (int)(intptr_t)item;
}

static int receive_side_closed(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct ends e = open_ends(1, drop);
	ox_future *parked;

	(void)arg;
	dropped = 0;
	EXPECT_EQ(ox_sender_put(e.s, (void *)1), 0);
	parked = ox_spawn(g, send_nine, e.s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_receiver_close(e.r);
	EXPECT_EQ(ox_await(parked), -EPIPE);
	EXPECT_EQ(ox_sender_put(e.s, (void *)3), -EPIPE);
	EXPECT_EQ(dropped, 1);                          /* what nobody will receive; the others stay with their senders */
	ox_sender_close(e.s);
	return 0;
}

START_TEST(senders_are_told_when_the_receive_side_is_closed_S40)
{
	run_virtual(receive_side_closed, NULL);
}
END_TEST

static int own_side(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct ends e = open_ends(0, NULL);
	ox_sender *s = ox_sender_clone(e.s);
	ox_receiver *r = ox_receiver_clone(e.r);
	ox_future *a, *b;

	(void)arg;
	a = ox_spawn(g, send_nine, e.s);
	b = ox_spawn(g, send_nine, s);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_sender_close(e.s);
	EXPECT_EQ(ox_await(a), OX_ECLOSED);
	EXPECT(!ox_future_done(b));                     /* the other clone's goes on */
	EXPECT_EQ(receive(r), 9);
	EXPECT_EQ(ox_await(b), 0);

	a = ox_spawn(g, receive, e.r);
	b = ox_spawn(g, receive, r);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_receiver_close(e.r);
	EXPECT_EQ(ox_await(a), OX_ECLOSED);
	EXPECT_EQ(ox_sender_put(s, (void *)7), 0);
	EXPECT_EQ(ox_await(b), 7);
	ox_sender_close(s);
	EXPECT_EQ(receive(r), OX_ECLOSED);
	ox_receiver_close(r);
	ox_sender_close(NULL);
	ox_receiver_close(NULL);
	return 0;
}

START_TEST(closing_one_end_ends_its_own_waits_and_leaves_its_clones_S40)
{
	run_virtual(own_side, NULL);
}
END_TEST

/* One that has not parked for long, and lets others run inside of a call. */
static int put_all(void *arg)
{
	int r = 0;

	for (int i = 0; i < 1000 && r == 0; i++)
		r = ox_sender_put(arg, (void *)1);
	return r;
}

static int get_all(void *arg)
{
	void *item;
	int r = 0;

	while (r == 0)
		r = ox_receiver_get(arg, &item);
	return r;
}

static int closed_under_way(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct ends e = open_ends(2000, NULL);
	ox_future *f = ox_spawn(g, put_all, e.s);

	(void)arg;
	EXPECT_EQ(ox_yield(), 0);
	EXPECT(!ox_future_done(f));
	ox_sender_close(e.s);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_receiver_close(e.r);

	e = open_ends(2000, NULL);
	EXPECT_EQ(put_all(e.s), 0);
	f = ox_spawn(g, get_all, e.r);
	EXPECT_EQ(ox_yield(), 0);
	EXPECT(!ox_future_done(f));
	ox_receiver_close(e.r);
	EXPECT_EQ(ox_await(f), OX_ECLOSED);
	ox_sender_close(e.s);
	return 0;
}

START_TEST(closing_an_end_is_told_to_a_call_that_lets_others_run)
{
	run_virtual(closed_under_way, NULL);
}
END_TEST

/* A select that waits twice at an end which is closed. */
static int select_at_end(void *arg)
{
	struct ends *e = arg;
	void *item;
	int r = 0, i = OX_SELECT(&r, OX_RECEIVE(e->r, &item), OX_RECEIVE(e->r, &item), OX_SEND(e->s, &item));

	EXPECT_EQ(r, OX_ECLOSED);
	return i;
}

static int selects(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct ends e = open_ends(0, NULL);
	ox_future *f = ox_spawn(g, select_at_end, &e);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_receiver_close(e.r);
	EXPECT_EQ(ox_await(f), 0);
	ox_sender_close(e.s);

	e = open_ends(0, NULL);
	f = ox_spawn(g, select_at_end, &e);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_sender_close(e.s);
	EXPECT_EQ(ox_await(f), 2);
	ox_receiver_close(e.r);
	return 0;
}

START_TEST(select_at_an_end_that_is_closed_says_so)
{
	run_virtual(selects, NULL);
}
END_TEST

static int make_and_clone(void *arg)
{
	OX_AUTO_SENDER *s = NULL, *s2 = NULL;
	OX_AUTO_RECEIVER *r = NULL, *r2 = NULL;
	int error = ox_channel_new(8, NULL, &s, &r);

	(void)arg;
	if (error < 0)
		return error;
	s2 = ox_sender_clone(s);
	r2 = ox_receiver_clone(r);
	error = ox_sender_put(s2, NULL);
	return error < 0 ? error : receive(r2);
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly(make_and_clone, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channel");
	TCase *c = new_case(s, "ends", 10);

	tcase_add_test(c, receivers_drain_and_see_the_end_when_the_send_side_is_closed_S40);
	tcase_add_test(c, senders_are_told_when_the_receive_side_is_closed_S40);
	tcase_add_test(c, closing_one_end_ends_its_own_waits_and_leaves_its_clones_S40);
	tcase_add_test(c, closing_an_end_is_told_to_a_call_that_lets_others_run);
	tcase_add_test(c, select_at_an_end_that_is_closed_says_so);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
