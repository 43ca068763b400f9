/* SPDX-License-Identifier: MIT */
/*
 * ox_run: a loop's life. It is made, runs the main coroutine until that has ended, and is taken apart in the
 * reverse order. What a failed step leaves behind is taken apart by the same code: every part can be
 * destroyed when it is zero.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <oxbow/ox_test.h>

#include "loop/state.h"

void ox_run_options_init(ox_run_options *o)
{
	*o = *OX_RUN_OPTIONS(.size = sizeof(*o));
}

static int loop_open(struct ox_loop *l, const ox_run_options *o)
{
	int r;

	oxi_fork_mark();
	l->magic = OXI_LOOP_MAGIC;
	oxi_loop = l;
	if (o->test) {
		l->virtual = o->test->virtual_clock;
		l->shuffle = o->test->shuffle_seed;
		if (l->virtual)
			l->skew = OX_SEC(1000);         /* any time will do; not 0, which polls take for "now" */
	}
	oxi_loop_init_lists(l);
	oxi_stacks_init(&l->stacks);
	r = oxi_reactor_new(&l->reactor);
	if (r == 0)
		r = oxi_posts_open(l);
	return r;
}

static void loop_close(struct ox_loop *l)
{
	oxi_posts_close(l);
	oxi_loop_run_end_hooks(l);
	oxi_reactor_free(l->reactor);
	oxi_timers_destroy(&l->timers);
	oxi_tasks_destroy(l);
	oxi_groups_destroy(l);
	oxi_stacks_destroy(&l->stacks);
	l->magic = 0;
	oxi_loop = NULL;
}

static int run_main(struct ox_loop *l, ox_coro *fn, void *arg, const ox_run_options *o)
{
	const ox_spawn_options *so = OX_SPAWN_OPTIONS(.name = "main", .stack_size = o->stack_size);
	struct oxi_task *task;
	int r = oxi_task_new(NULL, fn, arg, so, &task);

	if (r < 0)
		return r;
	oxi_interrupt_cancels(&task->root);
	oxi_loop_turns(l, task);
	oxi_interrupt_cancels(NULL);
	r = task->future.status;
	oxi_task_release(task);
	return r;
}

/* SIGPIPE is ignored from the first of the loops that ask for it to the last. */
static void ignore_sigpipe(bool begin)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct sigaction before;
	static unsigned loops;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	pthread_mutex_lock(&lock);
	if (begin && loops++ == 0)
		sigaction(SIGPIPE, &ignore, &before);
	if (!begin && --loops == 0)
		sigaction(SIGPIPE, &before, NULL);
	pthread_mutex_unlock(&lock);
}

int ox_run(ox_coro *fn, void *arg, const ox_run_options *opts)
{
	const ox_run_options *o = opts ? opts : OX_RUN_OPTIONS(.size = sizeof(*o));
	struct ox_loop *l;
	int r;

	if (oxi_forked())
		return OX_EFORKED;
	if (oxi_loop)
		return OX_ESTATE;
	l = oxi_alloc(sizeof(*l));
	if (l == NULL)
		return OX_ENOMEM;
	if (!o->keep_sigpipe)
		ignore_sigpipe(true);
	r = loop_open(l, o);
	if (r == 0 && !o->keep_sigint)
		r = oxi_interrupt_open();
	if (r == 0 && !o->no_overflow_report)
		oxi_overflow_report_thread(true);
	if (r == 0)
		r = run_main(l, fn, arg, o);
	if (!o->no_overflow_report)
		oxi_overflow_report_thread(false);
	loop_close(l);
	oxi_free(l);
	if (!o->keep_sigpipe)
		ignore_sigpipe(false);
	return r;
}
