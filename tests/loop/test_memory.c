/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of the core's calls fails once: each scenario runs with the first one failing, then the second, until
 * none is left. The leak checker sees what is lost. The other nouns have such a test beside their own.
 */
#include <unistd.h>

#include "tests/support/support.h"

static int doze(void *arg)
{
	int r = ox_sleep(OX_MS(1));

	return r < 0 ? r : (int)(intptr_t)arg;
}

/* The first error that is one of memory: what else happens is a consequence. */
static int first(int a, int b)
{
	return a == OX_ENOMEM || b >= 0 ? a : b;
}

static int tasks(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "tasks"));
	ox_future *f[4], *done;
	int r, n = 0;

	(void)arg;
	for (int i = 0; i < 4; i++)
		f[i] = ox_spawn(g, doze, (void *)(intptr_t)i);
	r = ox_wait_any(f, 4);
	r = first(ox_wait(f, 4, OX_WAIT_ALL, OX_SEC(1)), r);
	r = first(ox_gather(f, 4), r);
	r = first(ox_wait_for(ox_spawn(g, doze, NULL), OX_SEC(1)), r);
	while (r >= 0 && (r = ox_group_next(g, &done)) > 0)
		n++;
	if (r == 0)
		EXPECT_EQ(n, 5);
	return r < 0 ? r : 0;
}

static int failures(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f[20];
	int r;

	(void)arg;
	for (int i = 0; i < 20; i++)
		f[i] = ox_spawn(g, doze, (void *)(intptr_t)-EPIPE);
	r = ox_group_join(g);
	for (int i = 0; i < 20; i++)
		if (ox_future_status(f[i]) == OX_ENOMEM)
			r = OX_ENOMEM;
	EXPECT(r == OX_ENOMEM || (r == -EPIPE && ox_group_error(g, 0) == -EPIPE));
	return r == -EPIPE ? 0 : r;
}

static int promises(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f = ox_promise(g);
	int r = ox_future_done(f) ? ox_future_status(f) : ox_promise_resolve(f, 3, "three", 5);

	(void)arg;
	if (r < 0)
		return r;
	EXPECT_EQ(ox_await(f), 3);
	return ox_group_join(g);
}

static int scopes(void *arg)
{
	ox_scope s, inner;
	int r;

	(void)arg;
	ox_scope_enter(&s, OX_MS(5));
	ox_scope_shield(&inner, OX_MS(1));
	r = ox_sleep(OX_SEC(1));
	r = ox_scope_leave(&inner, r);
	if (r == OX_ETIMEDOUT)
		r = ox_scope_reschedule(&s, ox_now() + OX_MS(1));
	if (r == 0)
		r = ox_sleep(OX_SEC(1));
	r = ox_scope_leave(&s, r);
	return r == OX_ETIMEDOUT ? 0 : r;
}

static void count(void *arg)
{
	++*(int *)arg;
}

static int posts_and_descriptors(void *arg)
{
	static int n;                   /* counted also after an error, when the run ends */
	int fds[2], before = n, r;

	(void)arg;
	if (pipe(fds) < 0)
		return -errno;
	r = ox_post(ox_loop_self(), count, &n);
	if (r == 0)
		r = ox_wait_fd(fds[1], OX_WRITABLE);
	close(fds[0]);
	close(fds[1]);
	if (r >= 0)
		EXPECT_EQ(n, before + 1);
	return r < 0 ? r : 0;
}

START_TEST(tasks_and_waiting)
{
	fails_cleanly(tasks, NULL);
}
END_TEST

START_TEST(a_group_of_many_failures)
{
	fails_cleanly(failures, NULL);
}
END_TEST

START_TEST(promises_with_a_value)
{
	fails_cleanly(promises, NULL);
}
END_TEST

START_TEST(scopes_and_their_timers)
{
	fails_cleanly(scopes, NULL);
}
END_TEST

START_TEST(posts_and_foreign_descriptors)
{
	fails_cleanly_real(posts_and_descriptors, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("memory");
	TCase *c = new_case(s, "every allocation fails once", 60);

	tcase_add_test(c, tasks_and_waiting);
	tcase_add_test(c, a_group_of_many_failures);
	tcase_add_test(c, promises_with_a_value);
	tcase_add_test(c, scopes_and_their_timers);
	tcase_add_test(c, posts_and_foreign_descriptors);
	return run_suite(s);
}
