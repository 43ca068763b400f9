/* SPDX-License-Identifier: MIT */
/*
 * Waits that stay linked until their coroutines run again. Between being woken and running, the object may be closed:
 * its end must reach those too, or they would look at freed memory.
 */
#ifndef OXBOW_LOOP_WAITS_H
#define OXBOW_LOOP_WAITS_H

#include "loop/loop.h"

/* Nothing to take back: the coroutine unlinks its wait when it runs. */
static inline oxi_abort_answer oxi_wait_give_up(struct oxi_wait *w)
{
	(void)w;
	return OXI_ABORTED;
}

/* Wakes one, if nobody has yet. Takes NULL. */
static inline void oxi_wait_wake(struct oxi_wait *w, int result)
{
	if (w && w->parked)
		oxi_wake(w, result);
}

/* The result whatever has happened before. Takes NULL. Who is only present (see below) may have a call for it. */
static inline void oxi_wait_end(struct oxi_wait *w, int result)
{
	if (w == NULL)
		return;
	oxi_wait_wake(w, result);
	w->result = result;
	if (w->task == NULL && w->abort)
		w->abort(w);
}

static inline void oxi_waits_wake(struct oxi_list *waits, int result)
{
	OXI_LIST_EACH(e, waits)
		oxi_wait_wake(OXI_CONTAINER(e, struct oxi_wait, link), result);
}

/* And unlinks them. */
static inline void oxi_waits_end(struct oxi_list *waits, int result)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(waits)))
		oxi_wait_end(OXI_CONTAINER(e, struct oxi_wait, link), result);
}

/* Parks in a list. real: something outside the process may come, and the test clock waits for it. */
static inline int oxi_waits_park(struct oxi_list *waits, const char *kind, const void *object, bool real)
{
	struct oxi_wait w;
	int r;

	oxi_wait_init(&w, kind, object, oxi_wait_give_up);
	oxi_list_append(waits, &w.link);
	oxi_loop_hold(+real);
	r = oxi_park(&w);
	oxi_loop_hold(-real);
	oxi_list_remove(&w.link);
	return r;
}

/*
 * Somebody is at work with an object between its waits (in a thread, or with another object), and has to learn of its end:
 * an entry among the waits that nobody wakes. Who cannot wait until he looks at its result sets its abort, which is called.
 */
static inline void oxi_presence_enter(struct oxi_wait *w, struct oxi_list *waits)
{
	*w = (struct oxi_wait){ .result = 0 };
	oxi_list_append(waits, &w->link);
}

/* 0; OX_ECLOSED: the object is gone. w->result says so before, too. */
static inline int oxi_presence_leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return w->result;
}

#endif
