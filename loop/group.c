/* SPDX-License-Identifier: MIT */
/*
 * Groups: who owns what. Every future of a group is in one of four lists:
 *
 *	tasks, externals (not done) --> done (in order) --> given (by ox_group_next, until the next call)
 *
 * and all are released when the group closes; a reaping group releases each as it ends. The group's scope is
 * entered by the coroutine that opens it, so its body is cancelled with its tasks.
 *
 * Closed groups go to a list of the loop and are used again, never freed while it runs: so a spawn into a
 * closed group finds a magic word that says so, and answers OX_ESTATE instead of touching freed memory.
 */
#include <string.h>

#include "loop/state.h"

void ox_group_options_init(ox_group_options *o)
{
	*o = *OX_GROUP_OPTIONS(.size = sizeof(*o));
}

static struct ox_group *allocate(struct ox_loop *l)
{
	struct ox_group *g = l->free_groups;

	if (g == NULL)
		return oxi_alloc(sizeof(*g));
	l->free_groups = g->next_free;
	memset(g, 0, sizeof(*g));
	return g;
}

ox_group *ox_group_open_with(const ox_group_options *o)
{
	struct ox_loop *l = oxi_loop;
	struct ox_group *g;

	if (oxi_forked() || l == NULL || l->current == NULL)
		return NULL;
	g = allocate(l);
	if (g == NULL)
		return NULL;
	g->magic = OXI_GROUP_MAGIC;
	g->fail_fast = o->policy == OX_FAIL_FAST;
	g->reap = o->reap;
	g->name = o->name;
	oxi_list_init(&g->tasks);
	oxi_list_init(&g->externals);
	oxi_list_init(&g->done);
	oxi_list_init(&g->given);
	oxi_list_init(&g->joiners);
	oxi_list_init(&g->deliver);
	oxi_scope_enter(&g->scope, l->current, OX_NEVER, false);
	g->scope.group = g;
	return g;
}

ox_group *ox_group_open(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_FAIL_FAST));
}

/* ---- what happens to its futures ---- */

int oxi_group_enter(struct ox_group *g, ox_future *f)
{
	if (g->magic != OXI_GROUP_MAGIC)
		return OX_ESTATE;
	f->group = g;
	oxi_list_append(oxi_future_is_task(f) ? &g->tasks : &g->externals, &f->link);
	g->pending++;
	return 0;
}

static void record_failure(struct ox_group *g, const ox_future *f)
{
	int status = f->status;
	size_t cap = g->errors_cap ? g->errors_cap * 2 : 4;
	int *errors = g->errors;

	if (g->first_error == 0) {
		g->first_error = status;
		g->first_failed = f;
	}
	if (g->errors_len == g->errors_cap) {
		errors = oxi_realloc(g->errors, cap * sizeof(*errors));
		if (errors == NULL)
			return;         /* the first is known; that is what join needs */
		g->errors = errors;
		g->errors_cap = cap;
	}
	errors[g->errors_len++] = status;
}

static void release_all(struct oxi_list *futures)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(futures)))
		oxi_future_release(OXI_CONTAINER(e, ox_future, link));
}

/* A reaping group keeps the last one that was done at birth, for whoever called to look at. */
static void keep_or_reap(struct ox_group *g, ox_future *f)
{
	if (f->flags & OXI_FUTURE_STARTING)
		return;                 /* the starter comes, and has the group held */
	if (!g->reap) {
		oxi_list_append(&g->done, &f->link);
	} else if (f->flags & OXI_FUTURE_STILLBORN) {
		release_all(&g->given);
		oxi_list_append(&g->given, &f->link);
	} else {
		oxi_future_release(f);
	}
}

static void wake_waiters(struct ox_group *g)
{
	if (g->next_waiter && (g->pending == 0 || !oxi_list_empty(&g->done))) {
		struct oxi_wait *w = g->next_waiter;

		g->next_waiter = NULL;
		oxi_wake(w, 0);
	}
	if (g->pending == 0)
		oxi_wake_all(&g->joiners, 0);
}

void oxi_group_done(struct ox_group *g, ox_future *f)
{
	oxi_list_remove(&f->link);
	g->pending--;
	if (g->fail_fast && f->status < 0 && f->status != OX_ECANCELED && !(f->flags & OXI_FUTURE_STARTERS)) {
		record_failure(g, f);
		if (!g->scope.own)
			oxi_scope_cancel(&g->scope, OX_CAUSE_FAILURE);
	}
	keep_or_reap(g, f);
	wake_waiters(g);
}

void oxi_group_cancel_externals(struct ox_group *g)
{
	struct oxi_list all, *e;

	oxi_list_init(&all);
	oxi_list_splice(&all, &g->externals);
	while ((e = oxi_list_shift(&all))) {
		ox_future *f = OXI_CONTAINER(e, ox_future, link);

		oxi_list_append(&g->externals, e);
		if (!(f->flags & OXI_FUTURE_CANCELLED)) {
			f->flags |= OXI_FUTURE_CANCELLED;
			f->ops->cancel(f, (ox_cause)g->scope.cause);
		}
	}
}

void oxi_group_starts(struct ox_group *g, ox_future *f)
{
	f->flags |= OXI_FUTURE_STARTING;
	g->pending++;
}

void oxi_group_started(struct ox_group *g, ox_future *f)
{
	f->flags &= (uint8_t)~OXI_FUTURE_STARTING;
	g->pending--;
	if (f->origin != OX_ORIGIN_NONE) {
		f->flags |= OXI_FUTURE_STILLBORN;
		keep_or_reap(g, f);
	}
	wake_waiters(g);
}

ox_time oxi_group_deadline(const ox_group *g)
{
	return oxi_scope_effective_deadline(&g->scope);
}

/* ---- waiting ---- */

/* A wait for the members cannot be taken back: they are being cancelled too, and it lasts until they have ended. */
static oxi_abort_answer stay(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;
}

static void wait_until_empty(struct ox_group *g, const char *kind)
{
	while (g->pending > 0) {
		struct oxi_wait w;

		oxi_wait_init(&w, kind, g, stay);
		oxi_list_append(&g->joiners, &w.link);
		oxi_park(&w);
	}
}

int ox_group_join(ox_group *g)
{
	int r = g ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0 && r != OX_ECANCELED)
		return r;
	OXI_CHECK_OBJECT(g, OXI_GROUP_MAGIC);
	wait_until_empty(g, "group");
	g->joined = true;
	if (g->first_error < 0)
		return g->first_error;
	return oxi_loop->current->scope->cancelled ? OX_ECANCELED : 0;
}

static oxi_abort_answer stop_waiting(struct oxi_wait *w)
{
	((struct ox_group *)(uintptr_t)w->object)->next_waiter = NULL;
	return OXI_ABORTED;
}

int ox_group_next(ox_group *g, ox_future **ret_done)
{
	struct oxi_list *e;
	int r;

	if (oxi_forked())
		return OX_EFORKED;
	if (g == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(g, OXI_GROUP_MAGIC);
	release_all(&g->given);
	r = oxi_checkpoint();           /* what is done is given to a cancelled caller too */
	while (oxi_list_empty(&g->done)) {
		struct oxi_wait w;

		if (g->pending == 0)
			return 0;
		if (r < 0)
			return r;
		if (g->next_waiter)
			return OX_EBUSY;
		oxi_wait_init(&w, "group", g, stop_waiting);
		g->next_waiter = &w;
		r = oxi_park(&w);
	}
	e = oxi_list_shift(&g->done);
	oxi_list_append(&g->given, e);
	*ret_done = OXI_CONTAINER(e, ox_future, link);
	(*ret_done)->flags |= OXI_FUTURE_HEARD;
	return 1;
}

void ox_group_cancel(ox_group *g)
{
	if (g == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(g, OXI_GROUP_MAGIC);
	if (!g->scope.own)
		oxi_scope_cancel(&g->scope, OX_CAUSE_CANCEL);
}

void ox_group_close(ox_group *g)
{
	if (g == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(g, OXI_GROUP_MAGIC);
	OXI_CHECK(g->scope.task == oxi_loop->current && g->scope.task->scope == &g->scope);     /* innermost first */
	if (g->pending > 0 && !g->scope.own)
		oxi_scope_cancel(&g->scope, OX_CAUSE_CLOSE);
	wait_until_empty(g, "close");
	OXI_CHECK(g->next_waiter == NULL && oxi_list_empty(&g->joiners));
	release_all(&g->done);
	release_all(&g->given);
	oxi_unheard_group(g);
	oxi_scope_exit(&g->scope);
	oxi_free(g->errors);
	g->errors = NULL;
	g->magic = OXI_GROUP_CLOSED;
	g->next_free = oxi_loop->free_groups;
	oxi_loop->free_groups = g;
}

void oxi_groups_destroy(struct ox_loop *l)
{
	while (l->free_groups) {
		struct ox_group *g = l->free_groups;

		l->free_groups = g->next_free;
		oxi_free(g);
	}
}

int ox_group_error(const ox_group *g, size_t i)
{
	if (g == NULL)
		return i == 0 ? OX_ENOMEM : 0;
	((ox_group *)(uintptr_t)g)->errors_asked = true;
	return i < g->errors_len ? g->errors[i] : i == 0 ? g->first_error : 0;
}

size_t ox_group_pending(const ox_group *g)
{
	return g ? g->pending : 0;
}
