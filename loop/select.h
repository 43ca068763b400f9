/* SPDX-License-Identifier: MIT */
/*
 * The seam of waiting at an object, for one thing or for the first of several. A clause is one coroutine's
 * wish: "an item of this queue", "the end of this future". An object that coroutines wait at keeps armed
 * clauses in a list of its own, and need not know whether one stands alone (ox_queue_get) or belongs to a
 * select.
 *
 * A module adds a kind of clause by three operations and a public constructor:
 *
 *	static bool attempt(struct oxi_clause *c, int *ret_result);     // done without waiting?
 *	static int arm(struct oxi_clause *c);                           // no: link c where the waking side finds it
 *	static void disarm(struct oxi_clause *c);                       // take that back
 *	static const struct oxi_clause_ops ops = { "child", attempt, arm, disarm };
 *
 *	ox_clause ox_clause_child(ox_child *child)
 *	{
 *		return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = child });
 *	}
 *
 * The waking side hands over what the clause wants (it writes through c->ret, say), then calls
 * oxi_clause_commit(c, result) once. That disarms all clauses of the select first: so a clause that is found
 * in a list is always there to be served, exactly one of a select is, and the coroutine that wakes has what
 * it came for, cancelled or not. The call that waits for this one thing alone is
 *
 *	int r = oxi_checkpoint();
 *	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = child });
 *
 * An attempt of one clause of a select never meets another clause of the same select: attempts are made while
 * none of them is armed.
 */
#ifndef OXBOW_LOOP_SELECT_H
#define OXBOW_LOOP_SELECT_H

#include <oxbow/select.h>

#include "loop/loop.h"

struct oxi_clause;
struct oxi_select;

struct oxi_clause_ops {
	const char *kind;               /* "queue get": for reports */
	/*
	 * Does it, if that needs no waiting: then true, and *ret_result is what the plain call would return,
	 * an error too (OX_ECLOSED; OX_ENOMEM for object NULL). Must not yield.
	 */
	bool (*attempt)(struct oxi_clause *c, int *ret_result);
	/* Links c. 0; an error is the clause's result, and nothing is linked then. */
	int (*arm)(struct oxi_clause *c);
	/* Unlinks c, which is armed; for the clause that commits too. NULL: takes c->link out of its list. */
	void (*disarm)(struct oxi_clause *c);
};

struct oxi_clause {
	const struct oxi_clause_ops *ops;
	void *object;
	union {                         /* what the kind needs besides */
		void *item;             /* to be handed over */
		void *ret;              /* where to write what was handed over */
		ox_time at;
		struct {
			int fd;
			unsigned events;
		};
	};
	struct oxi_select *of;          /* valid while armed */
	union {                         /* valid while armed: how the waking side finds it */
		struct oxi_list link;
		struct oxi_waiter waiter;
		struct oxi_timer timer;
	};
};

struct oxi_select {
	struct oxi_wait wait;
	ox_clause *clauses;             /* struct oxi_clause in each */
	size_t n;
	struct oxi_clause *committed;
};

/* The clause as the caller of a select holds it. */
ox_clause oxi_clause_public(const struct oxi_clause *c);

/* Ends the wait of c's coroutine: c's wish is fulfilled, or failed. */
void oxi_clause_commit(struct oxi_clause *c, int result);

/* Attempts c, and waits for it. Returns its result; OX_ECANCELED. The caller has called oxi_checkpoint(). */
int oxi_clause_run(struct oxi_clause *c);
int oxi_clause_wait(struct oxi_clause *c);              /* without an attempt */
int oxi_clause_wait_fd(struct oxi_clause *c);           /* the same, for c->fd: reports name it */

/* The clause that has waited longest in a list of their links, taken out; NULL. */
struct oxi_clause *oxi_clause_shift(struct oxi_list *clauses);

/* Commits every clause of a list. */
void oxi_clause_commit_all(struct oxi_list *clauses, int result);

#endif
