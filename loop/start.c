/* SPDX-License-Identifier: MIT */
/*
 * Starting a task that says when it is ready: a server that listens, a child that has been set up.
 *
 *	ox_group_start --> the task runs --> ox_started(value): start returns, the task goes on
 *	                               '--> ends without it: start returns its failure, the group hears nothing of it
 *
 * A failure before ox_started() is the starter's affair: so it does not fail the group. The group cannot close
 * while a start is pending, nor give the future to ox_group_next() or reap it: the starter must find it there, and
 * may look at it until the next one that is done when it is returned.
 */
#include "loop/state.h"

#undef ox_group_start

struct oxi_starter {
	struct oxi_wait wait;
	struct oxi_task *task;
	void *value;
	bool started;
};

/* The task is told; start lasts until it has ended or is ready all the same. */
static oxi_abort_answer cancel_task(struct oxi_wait *w)
{
	ox_future_cancel(&OXI_CONTAINER(w, struct oxi_starter, wait)->task->future);
	return OXI_LATER;
}

static void tell(struct oxi_task *t)
{
	struct oxi_starter *s = t->starter;

	t->starter = NULL;
	oxi_wake(&s->wait, 0);
}

int ox_started(void *value)
{
	struct oxi_task *t = oxi_loop ? oxi_loop->current : NULL;

	if (oxi_forked())
		return OX_EFORKED;
	if (t == NULL || t->starter == NULL)
		return OX_ESTATE;
	t->starter->value = value;
	t->starter->started = true;
	tell(t);
	return 0;
}

int oxi_start_failed(struct oxi_task *t, int status)
{
	t->future.flags |= OXI_FUTURE_STARTERS;
	tell(t);
	return status < 0 ? status : OX_ESTATE;
}

ox_future *ox_group_start_with(ox_group *g, ox_coro *fn, void *arg, void **ret_started, const ox_spawn_options *o)
{
	struct oxi_starter s = { .value = NULL };
	int r = oxi_checkpoint();
	ox_future *f;

	if (r < 0 && r != OX_ECANCELED)
		return oxi_future_failed(NULL, r);
	f = ox_spawn_with(g, fn, arg, o);
	if (ox_future_done(f))
		return f;
	s.task = OXI_CONTAINER(f, struct oxi_task, future);
	s.task->starter = &s;
	oxi_wait_init(&s.wait, "start", f, cancel_task);
	oxi_group_starts(g, f);
	oxi_park(&s.wait);
	oxi_group_started(g, f);
	if (s.started && ret_started)
		*ret_started = s.value;
	return f;
}

ox_future *ox_group_start(ox_group *g, ox_coro *fn, void *arg, void **ret_started)
{
	return ox_group_start_with(g, fn, arg, ret_started, OX_SPAWN_OPTIONS(.name = "task"));
}
