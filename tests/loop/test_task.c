/* SPDX-License-Identifier: MIT */
/* What a task carries: task-locals, deferred calls. */
#include <string.h>

#include "tests/support/support.h"

static const ox_local user = { "user" }, trace = { "trace" }, depth = { "depth" };

/* ---- task-locals ---- */

static int child_changes(void *arg)
{
	EXPECT(ox_local_get(&user) == arg);
	EXPECT(ox_local_get(&trace) == NULL);
	EXPECT_EQ(ox_local_set(&user, "child"), 0);
	EXPECT_EQ(ox_local_set(&trace, "t"), 0);
	EXPECT_EQ(ox_yield(), 0);
	EXPECT(strcmp(ox_local_get(&user), "child") == 0);
	return 0;
}

static int child_sees_spawn_time(void *arg)
{
	EXPECT(ox_local_get(&user) == arg);
	return 0;
}

static int inherit(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	char first[] = "first", second[] = "second";

	(void)arg;
	EXPECT(ox_local_get(&user) == NULL);
	ox_spawn(g, child_sees_spawn_time, NULL);
	EXPECT_EQ(ox_local_set(&user, first), 0);
	ox_spawn(g, child_changes, first);
	ox_spawn(g, child_sees_spawn_time, first);
	EXPECT_EQ(ox_local_set(&user, second), 0);
	ox_spawn(g, child_sees_spawn_time, second);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT(ox_local_get(&user) == second);
	EXPECT(ox_local_get(&trace) == NULL);
	EXPECT_EQ(ox_local_set(&user, NULL), 0);
	EXPECT(ox_local_get(&user) == NULL);
	return 0;
}

START_TEST(child_begins_with_its_parents_values_and_keeps_its_changes)
{
	run_virtual(inherit, NULL);
	ck_assert_ptr_null(ox_local_get(&user));
	ck_assert_int_eq(ox_local_set(&user, "x"), OX_ESTATE);
}
END_TEST

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int go_down(void *arg)
{
	intptr_t n = (intptr_t)arg;

	EXPECT_EQ((intptr_t)ox_local_get(&depth), n - 1);
	EXPECT_EQ(ox_local_set(&depth, arg), 0);
	EXPECT(strcmp(ox_local_get(&user), "root") == 0);
	if (n == 50)
		return 0;
	OX_AUTO_GROUP *g = ox_group_open();
	EXPECT_EQ(ox_await(ox_spawn(g, go_down, (void *)(n + 1))), 0);
	EXPECT_EQ((intptr_t)ox_local_get(&depth), n);
	return 0;
}

/* Setting and spawning for ever costs no more memory than setting once: shared bindings are replaced, not heaped up. */
static int for_ever(void *arg)
{
	OX_AUTO_GROUP *deep = ox_group_open(), *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));
	size_t made;

	(void)arg;
	EXPECT_EQ(ox_local_set(&user, "root"), 0);
	EXPECT_EQ(ox_await(ox_spawn(deep, go_down, (void *)1)), 0);
	EXPECT_EQ(ox_local_set(&trace, "trace"), 0);
	ox_test_fail_allocation(0);
	intptr_t n = 10000 / tsan_share;
	for (intptr_t i = 0; i < n; i++) {
		EXPECT_EQ(ox_local_set(&user, (void *)i), 0);
		EXPECT_EQ(ox_local_set(&depth, (void *)-i), 0);
		ox_spawn(g, nothing, NULL);
		if (i % 100 == 0)
			EXPECT_EQ(ox_yield(), 0);
		EXPECT_EQ((intptr_t)ox_local_get(&user), i);
		EXPECT_EQ((intptr_t)ox_local_get(&depth), -i);
		EXPECT(strcmp(ox_local_get(&trace), "trace") == 0);
	}
	made = ox_test_fail_allocation(0);
	EXPECT(made <= (size_t)n * 4);                      /* at most each of the three bindings and a task, each time */
	return ox_group_join(g);
}

START_TEST(bindings_of_a_task_never_heap_up)
{
	run_virtual(for_ever, NULL);
}
END_TEST

/* ---- deferred calls ---- */

static char trail[32];

static void note(void *arg)
{
	strcat(trail, arg);
}

static void defer_more(void *arg)
{
	note(arg);
	EXPECT_EQ(ox_defer(note, "+"), 0);
}

static int defer_three(void *arg)
{
	EXPECT_EQ(ox_defer(note, "1"), 0);
	EXPECT_EQ(ox_defer(defer_more, "2"), 0);
	EXPECT_EQ(ox_defer(note, "3"), 0);
	note("0");
	return arg ? ox_sleep(OX_SEC(1)) : 7;
}

static int in_reverse(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f;

	(void)arg;
	trail[0] = '\0';
	EXPECT_EQ(ox_await(ox_spawn(g, defer_three, NULL)), 7);
	EXPECT(strcmp(trail, "032+1") == 0);
	trail[0] = '\0';
	f = ox_spawn(g, defer_three, g);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT(strcmp(trail, "032+1") == 0);
	return 0;
}

START_TEST(deferred_calls_come_at_the_end_in_reverse_cancelled_or_not)
{
	run_virtual(in_reverse, NULL);
	ck_assert_int_eq(ox_defer(note, "x"), OX_ESTATE);
}
END_TEST

/* In a cancelled task what yields fails, but for a shield; a group left open by a deferred call is closed. */
static void clean_up(void *arg)
{
	ox_scope s;
	int *slept = arg;

	EXPECT_EQ(ox_sleep(OX_MS(1)), OX_ECANCELED);
	ox_scope_shield(&s, OX_MS(10));
	*slept = ox_sleep(OX_MS(1));
	EXPECT_EQ(ox_scope_leave(&s, 0), 0);
	ox_spawn(ox_group_open(), nothing, NULL);
}

static int after_groups(void *arg)
{
	(void)arg;
	note("child");
	return 0;
}

static int cleans_up(void *arg)
{
	EXPECT_EQ(ox_defer(clean_up, arg), 0);
	EXPECT_EQ(ox_defer(note, " end"), 0);
	ox_spawn(ox_group_open(), after_groups, NULL);  /* left open */
	return ox_sleep(OX_SEC(1));
}

static int yielding(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	int slept = 1;
	ox_future *f;

	(void)arg;
	trail[0] = '\0';
	f = ox_spawn(g, cleans_up, &slept);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(slept, 0);
	EXPECT(strcmp(trail, "child end") == 0);
	return 0;
}

START_TEST(deferred_call_may_yield_in_a_shield_and_comes_after_the_groups)
{
	run_virtual(yielding, NULL);
}
END_TEST

static int last(void *arg)
{
	(void)arg;
	trail[0] = '\0';
	return ox_defer(note, "main");
}

START_TEST(main_coroutine_defers_too)
{
	run_virtual(last, NULL);
	ck_assert_str_eq(trail, "main");
}
END_TEST

static int set_and_defer(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int r = ox_local_set(&user, "a");

	(void)arg;
	if (r == 0)
		r = ox_local_set(&trace, "b");
	if (r == 0)
		r = ox_await(ox_spawn(g, nothing, NULL));
	ox_future *parked = ox_spawn(g, nothing, NULL); /* shares the bindings */
	if (r == 0)
		r = ox_local_set(&user, "c");
	if (r == OX_ENOMEM && ox_local_get(&trace))
		EXPECT(strcmp(ox_local_get(&user), "a") == 0);
	if (r == 0)
		r = ox_defer(note, "");
	return r == 0 ? ox_await(parked) : r;
}

START_TEST(every_allocation_fails_once_cleanly)
{
	fails_cleanly(set_and_defer, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("task");
	TCase *c = new_case(s, "task", 10);

	tcase_add_test(c, child_begins_with_its_parents_values_and_keeps_its_changes);
	tcase_add_test(c, bindings_of_a_task_never_heap_up);
	tcase_add_test(c, deferred_calls_come_at_the_end_in_reverse_cancelled_or_not);
	tcase_add_test(c, deferred_call_may_yield_in_a_shield_and_comes_after_the_groups);
	tcase_add_test(c, main_coroutine_defers_too);
	tcase_add_test(c, every_allocation_fails_once_cleanly);
	return run_suite(s);
}
