/* SPDX-License-Identifier: MIT */
/*
 * Tasks: coroutines that feed futures. A task has its stack from the spawn to the end of its function; the
 * struct with its status lives on until the group releases it, and is then used again by the next spawn.
 *
 * A task that returns switches away for the last time, and the scheduler finishes it from the thread's own
 * stack: only there can its stack be given back.
 */
#include <string.h>

#include "loop/state.h"
#include "loop/trace.h"

#undef ox_spawn

static bool task_cancel(ox_future *f, ox_cause cause)
{
	oxi_scope_cancel(&OXI_CONTAINER(f, struct oxi_task, future)->root, cause);
	return true;
}

static void task_release(ox_future *f)
{
	oxi_task_release(OXI_CONTAINER(f, struct oxi_task, future));
}

static const struct oxi_future_ops task_ops = { .kind = "task", .cancel = task_cancel, .release = task_release };

bool oxi_future_is_task(const ox_future *f)
{
	return f->ops == &task_ops;
}

void ox_spawn_options_init(ox_spawn_options *o)
{
	*o = *OX_SPAWN_OPTIONS(.size = sizeof(*o));
}

/* Groups that the function left open are closed here. A scope that it left entered was in its frame, which is gone. */
static void close_what_is_open(struct oxi_task *t)
{
	while (t->scope != &t->root) {
		const char *scope = (const char *)t->scope;
		bool in_frame = scope >= t->stack.bottom && scope < t->stack.bottom + t->stack.size;

		OXI_CHECK(!in_frame && t->scope->group != NULL);        /* ox_scope_leave() before returning */
		ox_group_close(t->scope->group);
	}
}

static void run(void *arg)
{
	struct oxi_task *t = arg;
	struct ox_loop *l = oxi_loop;

	oxi_context_entered(&l->main);
	oxi_trace_start(l, t);
	t->future.status = t->fn(t->arg);
	close_what_is_open(t);
	while (OXI_UNLIKELY(t->deferred != NULL)) {
		oxi_deferred_call(t);
		close_what_is_open(t);
	}
	t->ended = true;
	oxi_context_switch(&t->context, &l->main, true);
	__builtin_unreachable();
}

static void give_back(struct oxi_task *t)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(&t->owned))) {
		struct oxi_owned *o = OXI_CONTAINER(e, struct oxi_owned, link);

		oxi_log(OX_LOG_ERROR, "task %s%s%s ended and held a %s, which was released for it", t->name,
		        t->site ? ", spawned at " : "", t->site ? t->site : "", o->kind);
		o->forget(o);
	}
}

void oxi_task_finish(struct oxi_task *t)
{
	struct ox_loop *l = oxi_loop;
	int status = t->future.status;
	bool cancelled = status == OX_ECANCELED && t->root.cancelled;

	if (OXI_UNLIKELY(t->starter != NULL))
		status = oxi_start_failed(t, status);
	l->figures.ended++;
	oxi_trace_end(l, t);
	oxi_context_end(&t->context);
	if (OXI_UNLIKELY(l->measures.on))
		oxi_measure_end(l, t);
	oxi_stack_put(&l->stacks, &t->stack);
	if (l->trim_timer.index == 0)
		oxi_timer_set(&l->trim_timer, l->time + OX_SEC(1));     /* without memory for it: trimmed later */
	oxi_list_remove(&t->deliver);
	if (OXI_UNLIKELY(!oxi_list_empty(&t->owned)))
		give_back(t);
	oxi_bindings_unref(t->bindings);
	oxi_scope_exit(&t->root);
	oxi_future_resolve(&t->future, status, cancelled ? OX_ORIGIN_CANCEL : OX_ORIGIN_COROUTINE);
}

void oxi_task_release(struct oxi_task *t)
{
	struct ox_loop *l = oxi_loop;

	t->arg = l->free_tasks;         /* the list of free ones goes through arg */
	l->free_tasks = t;
}

void oxi_tasks_destroy(struct ox_loop *l)
{
	while (l->free_tasks) {
		struct oxi_task *t = l->free_tasks;

		l->free_tasks = t->arg;
		oxi_free(t);
	}
}

static struct oxi_task *allocate(struct ox_loop *l)
{
	struct oxi_task *t = l->free_tasks;

	if (t == NULL)
		return oxi_alloc(sizeof(*t));
	l->free_tasks = t->arg;
	return t;
}

/* member: its future is one of g's. */
static int make(struct ox_group *g, struct oxi_scope *scope, bool member, ox_coro *fn, void *arg, const ox_spawn_options *o,
                struct oxi_task **ret)
{
	struct ox_loop *l = oxi_loop;
	struct oxi_task *t = allocate(l);
	int r;

	if (t == NULL)
		return OX_ENOMEM;
	r = oxi_stack_get(&l->stacks, o->stack_size, &t->stack);
	if (r < 0) {
		oxi_task_release(t);
		return r;
	}
	oxi_list_init(&t->ready);
	oxi_list_init(&t->deliver);
	oxi_list_init(&t->owned);
	t->scope = scope;
	t->wait = NULL;
	t->starter = NULL;
	t->fn = fn;
	t->arg = arg;
	t->name = o->name ? o->name : "task";
	t->site = o->site;
	t->bindings = l->current ? oxi_bindings_ref(l->current->bindings) : NULL;
	t->deferred = NULL;
	t->id = ++l->figures.spawned;
	t->longest_run = 0;
	t->saved_errno = 0;
	t->ended = false;
	oxi_context_make(&t->context, t->stack.bottom, t->stack.size, t->stack.colour, run, t);
	oxi_scope_enter(&t->root, t, OX_NEVER, false);
	oxi_future_init(&t->future, member ? g : NULL, &task_ops);
	oxi_ready(t);
	oxi_trace_spawn(l, t);
	*ret = t;
	return 0;
}

int oxi_task_new(struct ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o, struct oxi_task **ret)
{
	return make(g, g ? &g->scope : NULL, true, fn, arg, o, ret);
}

int oxi_spawn_aside(ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o, ox_future **ret)
{
	struct oxi_task *t;
	int r = make(g, g ? &g->scope : &oxi_loop->main_task->root, false, fn, arg, o, &t);

	if (r == 0)
		*ret = &t->future;
	return r;
}

ox_future *ox_spawn_with(ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o)
{
	struct oxi_task *t;
	int r;

	if (oxi_forked())
		return oxi_future_failed(NULL, OX_EFORKED);
	if (g == NULL)
		return oxi_future_failed(NULL, OX_ENOMEM);
	if (g->magic != OXI_GROUP_MAGIC) {
		OXI_CHECK_OBJECT(g, OXI_GROUP_CLOSED);
		return oxi_future_failed(NULL, OX_ESTATE);
	}
	r = oxi_task_new(g, fn, arg, o, &t);
	return r < 0 ? oxi_future_failed(g, r) : &t->future;
}

ox_future *ox_spawn(ox_group *g, ox_coro *fn, void *arg)
{
	return ox_spawn_with(g, fn, arg, OX_SPAWN_OPTIONS(.name = "task"));
}

const char *ox_task_name(void)
{
	struct ox_loop *l = oxi_loop;

	return l && l->current ? l->current->name : NULL;
}
