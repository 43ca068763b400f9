/* SPDX-License-Identifier: MIT */
/* Tasks in words. See dump.c. Async-signal-safe. */
#ifndef OXBOW_LOOP_DUMP_H
#define OXBOW_LOOP_DUMP_H

#include "loop/print.h"

struct ox_loop;
struct oxi_scope;
struct oxi_task;
struct oxi_wait;

/* "#12 fetch" */
void oxi_print_task(struct oxi_print *p, const struct oxi_task *t);
/* Who holds what it waits for; NULL: that is nobody's. */
const struct oxi_task *oxi_wait_owner(const struct oxi_wait *w);
/* "lock 0x55d0 held by #3 writer" */
void oxi_print_wait(struct oxi_print *p, const struct oxi_wait *w);
/* "#12 fetch: parked 1.203 s: read fd 7; spawned at x.c:12" */
void oxi_print_task_line(struct oxi_print *p, const struct ox_loop *l, const struct oxi_task *t);

/* The scope after s in a walk of the tree below top, parents first; NULL at its end. depth follows. */
struct oxi_scope *oxi_scope_next(const struct oxi_scope *top, struct oxi_scope *s, unsigned *depth);
/* The task whose outermost scope s is; NULL. */
struct oxi_task *oxi_scope_task(const struct oxi_scope *s);

/* Prints the whole tree; context as oxi_backtrace_running(). */
void oxi_dump(struct oxi_print *p, const struct ox_loop *l, const void *context);

#endif
