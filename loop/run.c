/* SPDX-License-Identifier: MIT */
/*
 * A loop's life. It is made, runs the main coroutine until that has ended, and is taken apart in the
 * reverse order. What a failed step leaves behind is taken apart by the same code: every part can be
 * destroyed when it is zero.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <oxbow/embed.h>
#include <oxbow/ox_test.h>

#include "loop/state.h"

void ox_run_options_init(ox_run_options *o)
{
	*o = *OX_RUN_OPTIONS(.size = sizeof(*o));
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

void oxi_loop_disturbed(struct ox_loop *l)
{
	if (!oxi_reactor_turn_soon(l->reactor))
		oxi_posts_kick(l);
}

/* The caller's base is being dispatched: the loop is turned out of it. */
static void turn_in_base(void)
{
	struct ox_loop *l = oxi_loop;

	if (!l->turning && oxi_loop_some_turns(l, false))
		oxi_loop_disturbed(l);
}

/* What looks at the loop from outside. */
static void be_seen(struct ox_loop *l, const ox_run_options *o)
{
	l->tid = (int)syscall(SYS_gettid);
	l->report_fd = o->report_fd;
	l->deadlock_cancels = o->deadlock == OX_DEADLOCK_CANCEL;
	l->deadlock_at = UINT64_MAX;
	l->dump_on_sigquit = o->dump_on_sigquit;
	l->measures.on = o->measure;
	oxi_loops_add(l);
	oxi_watchdog_open(l, o->stall);
}

static void be_seen_no_more(struct ox_loop *l)
{
	oxi_watchdog_close(l);
	oxi_loops_remove(l);
	oxi_free(l->measures.functions);
}

static int loop_open(struct ox_loop *l, const ox_run_options *o)
{
	int r;

	oxi_fork_mark();
	l->magic = OXI_LOOP_MAGIC;
	l->keep_sigpipe = o->keep_sigpipe;
	l->handed_out = o->event_base != NULL;
	oxi_loop = l;
	if (o->test) {
		l->virtual = o->test->virtual_clock;
		l->shuffle = o->test->shuffle_seed;
		if (l->virtual)
			l->skew = OX_SEC(1000);         /* any time will do; not 0, which polls take for "now" */
	}
	oxi_loop_init_lists(l);
	oxi_stacks_init(&l->stacks);
	if (!l->keep_sigpipe)
		ignore_sigpipe(true);
	oxi_alt_stack(true);
	if (!o->no_overflow_report)
		oxi_overflow_report_install();
	be_seen(l, o);
	r = oxi_reactor_new(o->event_base, turn_in_base, &l->reactor);
	if (r == 0)
		r = oxi_posts_open(l);
	return r;
}

static void loop_close(struct ox_loop *l)
{
	l->turning = true;              /* nobody is to be told any more */
	be_seen_no_more(l);
	oxi_posts_close(l);
	oxi_loop_run_end_hooks(l);
	oxi_reactor_free(l->reactor);
	oxi_timers_destroy(&l->timers);
	oxi_tasks_destroy(l);
	oxi_groups_destroy(l);
	oxi_stacks_destroy(&l->stacks);
	oxi_alt_stack(false);
	if (!l->keep_sigpipe)
		ignore_sigpipe(false);
	l->magic = 0;
	oxi_loop = NULL;
	oxi_free(l);
}

static int begin(ox_coro *fn, void *arg, const ox_run_options *opts, bool embedded, ox_loop **ret)
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
	r = loop_open(l, o);
	if (r == 0 && !embedded && !o->keep_sigint)
		r = oxi_interrupt_open();
	if (r == 0)
		r = oxi_task_new(NULL, fn, arg, OX_SPAWN_OPTIONS(.name = "main", .stack_size = o->stack_size), &l->main_task);
	if (r < 0)
		loop_close(l);
	else
		*ret = l;
	return r;
}

int ox_loop_open(ox_coro *fn, void *arg, const ox_run_options *o, ox_loop **ret)
{
	int r = begin(fn, arg, o, true, ret);

	if (r == 0)
		(*ret)->handed_out = true;
	return r;
}

/* The calls on an open loop come from its thread, and not out of the loop itself. */
static bool may_turn(const struct ox_loop *l)
{
	OXI_CHECK_OBJECT(l, OXI_LOOP_MAGIC);
	return l == oxi_loop && !l->turning;
}

int ox_loop_fd(ox_loop *l)
{
	return may_turn(l) ? oxi_reactor_fd(l->reactor) : OX_ESTATE;
}

int ox_loop_step(ox_loop *l)
{
	if (!may_turn(l))
		return OX_ESTATE;
	if (oxi_loop_some_turns(l, true))
		oxi_loop_disturbed(l);
	return l->main_task->future.origin == OX_ORIGIN_NONE;
}

static int finish(struct ox_loop *l)
{
	int r;

	oxi_loop_turns(l, l->main_task);
	r = l->main_task->future.status;
	if (l->deadlocked && (r >= 0 || r == OX_ECANCELED))
		r = -EDEADLK;
	oxi_task_release(l->main_task);
	loop_close(l);
	return r;
}

int ox_loop_close(ox_loop *l)
{
	if (l == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	if (!may_turn(l))
		return OX_ESTATE;
	ox_future_cancel(&l->main_task->future);
	return finish(l);
}

int ox_run(ox_coro *fn, void *arg, const ox_run_options *o)
{
	struct ox_loop *l;
	int r = begin(fn, arg, o, false, &l);

	return r < 0 ? r : finish(l);
}
