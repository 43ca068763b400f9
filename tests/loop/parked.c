/* SPDX-License-Identifier: MIT */
/*
 * For gdb.sh: a program with parked coroutines, that says when they are and waits for the end of its input,
 * or aborts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/oxbow.h>

__attribute__((noinline)) static int wait_in_depth(ox_queue *q, int depth)
{
	void *item;
	volatile int here = depth * 11;         /* read after the call: so the call stays one */
	int r = depth > 0 ? wait_in_depth(q, depth - 1) : ox_queue_get(q, &item);

	return r + (here < 0);
}

static int getter(void *arg)
{
	int r = wait_in_depth(arg, 2);

	return r == OX_ECLOSED ? 0 : r;
}

static int sleeper(void *arg)
{
	int r = ox_sleep(OX_SEC(1000));

	(void)arg;
	return r == OX_ECANCELED ? 0 : r;
}

__attribute__((noinline)) static int all_are_parked(bool aborts)
{
	char c;

	if (aborts)
		abort();
	puts("parked");
	fflush(stdout);
	return read(STDIN_FILENO, &c, 1) < 0;
}

static int main_co(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.name = "gdb"));
	ox_queue *q = ox_queue_new(1);
	int r;

	ox_spawn(g, getter, q);
	ox_spawn(g, sleeper, NULL);
	ox_sleep(OX_MS(5));
	r = all_are_parked(*(bool *)arg);
	ox_group_cancel(g);
	ox_group_join(g);
	ox_queue_free(q);
	return r;
}

int main(int argc, char **argv)
{
	bool aborts = argc > 1 && strcmp(argv[1], "abort") == 0;

	return ox_run(main_co, &aborts, NULL);
}
