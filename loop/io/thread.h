/* SPDX-License-Identifier: MIT */
/* Blocking work in threads, from the loop's side. See thread.c. */
#ifndef OXBOW_LOOP_IO_THREAD_H
#define OXBOW_LOOP_IO_THREAD_H

#include <oxbow/thread.h>

#include "loop/loop.h"

/* Each kind has its own limit and its own queue, so that one kind's slow calls hold up no other. */
enum oxi_thread_kind {
	OXI_THREAD_CALL,                /* the user's functions */
	OXI_THREAD_FILE,
	OXI_THREAD_DNS,
	OXI_THREAD_FREE,                /* no limit: what may take for ever, or is limited otherwise */
	OXI_THREAD_KINDS
};

/*
 * Runs fn(arg) in a thread and parks the coroutine until it has ended. drop NULL: a cancelled caller waits
 * for the end of what has begun. Otherwise OX_ECANCELED says that arg was given away to drop(arg), called
 * once: in the thread after fn, or here if fn never began. what: the kind of wait, for reports. 0: fn has
 * run; OX_ECANCELED (without drop: it has not and will not), OX_ENOMEM, -EAGAIN. The caller has passed
 * oxi_checkpoint().
 */
OXI_SHARED int oxi_thread_run(enum oxi_thread_kind kind, void (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                              const char *what);

/*
 * The same without a coroutine: the owner fills in run, done and drop, and submits.
 *
 *	submit --> QUEUED --> RUNNING --------------> ENDED: done() on the loop, between coroutines
 *	              |          |
 *	           revoked    ABANDONED: drop() in the thread, then done() if the loop is still there, then oxi_free(w)
 *
 * The memory is the owner's again when done() is called or the work was revoked; done() may free it or submit
 * it again. What may be abandoned comes from oxi_alloc() and begins with the struct.
 */
struct oxi_work {
	void (*run)(struct oxi_work *w);        /* in a thread */
	void (*done)(struct oxi_work *w);
	void (*drop)(struct oxi_work *w);       /* frees what run made, not w */
	enum oxi_thread_kind kind;

	/* thread.c's */
	struct oxi_list link;
	struct oxi_work *next;
	struct oxi_thread_port *port;
	enum { OXI_WORK_QUEUED, OXI_WORK_RUNNING, OXI_WORK_ABANDONED, OXI_WORK_ENDED } state;
};

/*
 * Loop's thread. 0; OX_ENOMEM, -EAGAIN, -errno: nothing was submitted. A loop does not end before submitted
 * work has.
 */
OXI_SHARED int oxi_work_submit(struct oxi_work *w);
/* Takes back what has not begun: true, and nothing of it will be called. */
OXI_SHARED bool oxi_work_revoke(struct oxi_work *w);
/*
 * Gives running work up: true, and it is the thread's now. False: it has ended, and done() is about to be
 * called.
 */
OXI_SHARED bool oxi_work_abandon(struct oxi_work *w);

#endif
