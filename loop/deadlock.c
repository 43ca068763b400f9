/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks. Two things are found:
 *
 * - Nothing can run any more: every coroutine is parked, no timer is set, nothing real is pending (the count
 *   that oxi_loop_hold() keeps), and nobody outside could wake anything: no other thread can post to a loop
 *   that was never handed out by ox_loop_self() or ox_loop_open(), and a caller's base may have events that do
 *   anything. The loop would sleep for ever.
 * - A cycle of owners: the first waits for a lock of the second, the second for one of the first. That is
 *   found when the last of them parks, while others may still run.
 *
 * Both are told to the log hook. A cycle can end by a timeout around one of the waits, so it is a report and
 * no more. The standstill can only be ended from here: under the test clock, where a hanging test helps
 * nobody, and where OX_DEADLOCK_CANCEL asks for it, the main coroutine is cancelled, and if that was not
 * enough every shield as well.
 */
#include "loop/dump.h"
#include "loop/state.h"

#define MOST_TASKS 32u                  /* in a report */
#define MOST_LINKS 1000u                /* of a chain of owners that is followed */

static void log_task(const struct ox_loop *l, const struct oxi_task *t)
{
	struct oxi_print p = OXI_PRINT(-1);

	oxi_print_task_line(&p, l, t);
	oxi_log(OX_LOG_ERROR, "deadlock: %s", p.buf);
}

static void report(const struct ox_loop *l)
{
	struct oxi_scope *top = &l->main_task->root;
	unsigned depth = 0, told = 0;

	oxi_log(OX_LOG_ERROR, "deadlock: no task can run any more: %zu wait, with no timer and no event to come",
	        (size_t)(l->figures.spawned - l->figures.ended));
	for (struct oxi_scope *s = top; s && told < MOST_TASKS; s = oxi_scope_next(top, s, &depth)) {
		struct oxi_task *t = oxi_scope_task(s);

		if (t) {
			log_task(l, t);
			told++;
		}
	}
	if (told == MOST_TASKS)
		oxi_log(OX_LOG_ERROR, "deadlock: ... ox_dump_tasks() prints all of them");
}

/* What is left after the main coroutine was cancelled stands behind shields. */
static void lift_shields(struct ox_loop *l)
{
	struct oxi_scope *top = &l->main_task->root;
	unsigned depth = 0;

	for (struct oxi_scope *s = top; s; s = oxi_scope_next(top, s, &depth))
		if (s->shield && !s->cancelled)
			oxi_scope_cancel(s, OX_CAUSE_DEADLOCK);
}

void oxi_deadlock(struct ox_loop *l)
{
	if (l->deadlock_at == l->figures.resumes)
		return;                 /* told already, and nothing has run since */
	l->deadlock_at = l->figures.resumes;
	report(l);
	if (!l->virtual && !l->deadlock_cancels)
		return;
	l->deadlocked = true;
	if (!l->main_task->root.own)
		oxi_scope_cancel(&l->main_task->root, OX_CAUSE_DEADLOCK);
	if (oxi_list_empty(&l->ready))
		lift_shields(l);
}

/* ---- cycles ---- */

static const struct oxi_wait *owner_waits(const struct oxi_wait *w)
{
	const struct oxi_task *owner = oxi_wait_owner(w);

	return owner && owner->wait && owner->wait->parked ? owner->wait : NULL;
}

static void report_cycle(const struct oxi_wait *first)
{
	struct oxi_print p = OXI_PRINT(-1);
	const struct oxi_wait *w = first;

	do {
		oxi_print(&p, w == first ? "deadlock: a cycle of locks: " : "; ");
		oxi_print_task(&p, w->task);
		oxi_print(&p, " waits for ");
		oxi_print_wait(&p, w);
		w = owner_waits(w);
	} while (w && w != first);
	oxi_log(OX_LOG_ERROR, "%s", p.buf);
}

void oxi_deadlock_look(const struct oxi_wait *first)
{
	const struct oxi_wait *w = first;

	for (unsigned n = 0; w && n < MOST_LINKS; n++) {
		if (oxi_wait_owner(w) == first->task) {
			report_cycle(first);
			return;
		}
		w = owner_waits(w);
	}
}
