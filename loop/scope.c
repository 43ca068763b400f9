/* SPDX-License-Identifier: MIT */
/*
 * Scopes: cancellation as a state. All scopes of a loop form a tree: a scope's parent is the one around it in
 * the same coroutine, a task's outermost scope hangs below its group's.
 *
 *	main's root -- group's -- task A's root -- A's timeout
 *	                      '-- task B's root -- group's -- task C's root
 *
 * Each scope knows whether calls inside it fail: that is worked out when something changes (a cancel walks
 * down the tree, past no shield, and stops where it is cancelled already, which keeps the first cause) and
 * looked up at each await. The walk uses a work list through the scopes themselves, so trees of any depth
 * need no stack.
 *
 * The walk also finds the coroutines that are parked innermost in a scope that has just been cancelled, and
 * the groups; their waits and jobs are aborted afterwards, when the tree is consistent again (an abort may
 * cancel something else).
 */
#include <string.h>

#include "loop/state.h"

_Static_assert(sizeof(struct oxi_scope) <= sizeof(ox_scope), "the public struct has room for ours");

static struct oxi_scope *ours(const ox_scope *s)
{
	return (struct oxi_scope *)(uintptr_t)s->private_.words;
}

/* ---- telling who is inside ---- */

static void deliver(struct oxi_task *t)
{
	if (oxi_list_empty(&t->deliver))
		oxi_list_append(&oxi_loop->deliver, &t->deliver);
}

static void deliver_group(struct ox_group *g)
{
	if (oxi_list_empty(&g->deliver))
		oxi_list_append(&oxi_loop->deliver_groups, &g->deliver);
}

static bool deliver_one(struct ox_loop *l)
{
	struct oxi_list *e = oxi_list_shift(&l->deliver);

	if (e) {
		struct oxi_task *t = OXI_CONTAINER(e, struct oxi_task, deliver);

		if (t->wait && t->scope->cancelled)
			oxi_abort_wait(t->wait);
		return true;
	}
	e = oxi_list_shift(&l->deliver_groups);
	if (e)
		oxi_group_cancel_externals(OXI_CONTAINER(e, struct ox_group, deliver));
	return e != NULL;
}

/* An abort may cancel further tasks, in a chain of any length: the outermost call works all of them off. */
static void deliver_all(void)
{
	struct ox_loop *l = oxi_loop;

	if (l->delivering)
		return;
	l->delivering = true;
	while (deliver_one(l))
		;
	l->delivering = false;
}

/* ---- the tree ---- */

static void mark(struct oxi_scope *s, ox_cause cause)
{
	s->cancelled = true;
	s->cause = (uint8_t)cause;
	if (s->task->scope == s)
		deliver(s->task);
	if (s->group)
		deliver_group(s->group);
}

/* Marks s and what is below it, level by level. Told to the coroutines by the caller's deliver_all(). */
static void spread(struct oxi_scope *s, ox_cause cause)
{
	struct oxi_scope *last = s;

	if (s->cancelled)
		return;
	for (s->work = NULL; s; s = s->work) {
		mark(s, cause);
		OXI_LIST_EACH(e, &s->children) {
			struct oxi_scope *child = OXI_CONTAINER(e, struct oxi_scope, link);

			if (child->shield || child->cancelled)
				continue;
			child->work = NULL;
			last->work = child;
			last = child;
		}
	}
}

void oxi_scope_cancel(struct oxi_scope *s, ox_cause cause)
{
	s->own = true;
	spread(s, cause);
	deliver_all();
}

static void expire(struct oxi_timer *t)
{
	struct oxi_scope *s = OXI_CONTAINER(t, struct oxi_scope, timer);

	s->expired = true;
	oxi_scope_cancel(s, OX_CAUSE_TIMEOUT);
}

void oxi_scope_enter(struct oxi_scope *s, struct oxi_task *task, ox_time deadline, bool shield)
{
	struct oxi_scope *parent = task->scope;

	s->magic = OXI_SCOPE_MAGIC;
	s->parent = parent;
	oxi_list_init(&s->children);
	oxi_list_init(&s->link);
	s->task = task;
	s->group = NULL;
	oxi_timer_init(&s->timer, expire);
	s->deadline = deadline;
	s->cause = OX_CAUSE_NONE;
	s->cancelled = s->own = s->expired = false;
	s->shield = shield;
	if (parent) {
		oxi_list_append(&parent->children, &s->link);
		if (parent->cancelled && !shield) {
			s->cancelled = true;
			s->cause = parent->cause;
		}
	}
	task->scope = s;
	if (deadline != OX_NEVER && oxi_timer_set(&s->timer, deadline) < 0)
		expire(&s->timer);      /* no memory to keep time with: time is over, which is safe */
}

void oxi_scope_exit(struct oxi_scope *s)
{
	oxi_timer_clear(&s->timer);
	oxi_list_remove(&s->link);
	s->task->scope = s->parent;
	s->magic = 0;
}

ox_time oxi_scope_effective_deadline(const struct oxi_scope *s)
{
	ox_time at = OX_NEVER;

	if (s->cancelled)
		return INT64_MIN;
	for (; s; s = s->shield ? NULL : s->parent)
		if (s->deadline < at)
			at = s->deadline;
	return at;
}

/* ---- public ---- */

static ox_time deadline_after(ox_time timeout)
{
	ox_time now;

	if (timeout == OX_NEVER)
		return OX_NEVER;
	now = oxi_now();
	return timeout <= 0 ? now : timeout < OX_NEVER - now ? now + timeout : OX_NEVER;
}

static void enter(ox_scope *s, ox_time timeout, bool shield)
{
	struct ox_loop *l = oxi_loop;

	memset(s, 0, sizeof(*s));
	if (oxi_forked())
		return;
	OXI_CHECK(l != NULL && l->current != NULL);
	oxi_scope_enter(ours(s), l->current, deadline_after(timeout), shield);
	if (timeout <= 0)
		expire(&ours(s)->timer);
}

void ox_scope_enter(ox_scope *s, ox_time timeout)
{
	enter(s, timeout, false);
}

void ox_scope_shield(ox_scope *s, ox_time limit)
{
	enter(s, limit, true);
}

void ox_scope_unshield(ox_scope *scope)
{
	struct oxi_scope *s = ours(scope);

	OXI_CHECK_OBJECT(s, OXI_SCOPE_MAGIC);
	s->shield = false;
	if (s->parent->cancelled) {
		spread(s, s->parent->cause);
		deliver_all();
	}
}

int ox_scope_leave(ox_scope *scope, int r)
{
	struct oxi_scope *s = ours(scope);

	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(s, OXI_SCOPE_MAGIC);
	OXI_CHECK(s->task == oxi_loop->current && s->task->scope == s);        /* left innermost first, by who entered it */
	oxi_scope_exit(s);
	if (r == OX_ECANCELED && s->own && s->cause == OX_CAUSE_TIMEOUT && s->expired && !s->parent->cancelled)
		return OX_ETIMEDOUT;
	return r;
}

void ox_scope_cancel(ox_scope *scope)
{
	struct oxi_scope *s = ours(scope);

	OXI_CHECK_OBJECT(s, OXI_SCOPE_MAGIC);
	oxi_scope_cancel(s, OX_CAUSE_CANCEL);
}

bool ox_scope_expired(const ox_scope *s)
{
	return ours(s)->expired;
}

ox_time ox_scope_deadline(const ox_scope *s)
{
	return ours(s)->deadline;
}

int ox_scope_reschedule(ox_scope *scope, ox_time at)
{
	struct oxi_scope *s = ours(scope);
	int r;

	if (s->magic != OXI_SCOPE_MAGIC || s->own)
		return OX_ESTATE;
	r = oxi_timer_set(&s->timer, at);
	if (r == 0)
		s->deadline = at;
	return r;
}

static struct oxi_scope *current_scope(void)
{
	struct ox_loop *l = oxi_loop;

	return l && l->current ? l->current->scope : NULL;
}

const struct oxi_scope *oxi_scope_here(void)
{
	return current_scope();
}

ox_time oxi_real_deadline(ox_time at)
{
	return oxi_loop->virtual ? OX_NEVER : at;
}

bool ox_cancelled(void)
{
	struct oxi_scope *s = current_scope();

	return s && s->cancelled;
}

ox_cause ox_cancel_cause(void)
{
	struct oxi_scope *s = current_scope();

	return s && s->cancelled ? (ox_cause)s->cause : OX_CAUSE_NONE;
}

ox_time ox_deadline(void)
{
	struct oxi_scope *s = current_scope();

	return s ? oxi_scope_effective_deadline(s) : OX_NEVER;
}
