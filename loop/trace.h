/* SPDX-License-Identifier: MIT */
/*
 * The events of a loop, told to two kinds of listeners: the function that ox_instrument() set (a branch that
 * is nearly never taken), and probes for bpftrace, perf, SystemTap and gdb (a no-op instruction in the code
 * and a note beside it that says where it is; nothing without <sys/sdt.h>).
 */
#ifndef OXBOW_LOOP_TRACE_H
#define OXBOW_LOOP_TRACE_H

#include "loop/state.h"

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>
#define OXI_PROBE0(name)          DTRACE_PROBE(oxbow, name)
#define OXI_PROBE2(name, a, b)    DTRACE_PROBE2(oxbow, name, a, b)
#define OXI_PROBE3(name, a, b, c) DTRACE_PROBE3(oxbow, name, a, b, c)
#else
#define OXI_PROBE0(name)          ((void)0)
#define OXI_PROBE2(name, a, b)    ((void)0)
#define OXI_PROBE3(name, a, b, c) ((void)0)
#endif

/* In stats.c. t, w: NULL where there is none. */
__attribute__((cold)) void oxi_trace(struct ox_loop *l, ox_trace_kind kind, const struct oxi_task *t,
                                     const struct oxi_wait *w, int status);

static inline void oxi_trace_if(struct ox_loop *l, ox_trace_kind kind, const struct oxi_task *t,
                                const struct oxi_wait *w, int status)
{
	if (OXI_UNLIKELY(l->tracer != NULL))
		oxi_trace(l, kind, t, w, status);
}

static inline void oxi_trace_spawn(struct ox_loop *l, const struct oxi_task *t)
{
	OXI_PROBE3(spawn, t->id, t->name, t->site);
	oxi_trace_if(l, OX_TRACE_SPAWN, t, NULL, 0);
}

static inline void oxi_trace_start(struct ox_loop *l, const struct oxi_task *t)
{
	OXI_PROBE2(start, t->id, t->name);
	oxi_trace_if(l, OX_TRACE_START, t, NULL, 0);
}

static inline void oxi_trace_park(struct ox_loop *l, const struct oxi_task *t, const struct oxi_wait *w)
{
	OXI_PROBE3(park, t->id, w->kind, w->object);
	oxi_trace_if(l, OX_TRACE_PARK, t, w, 0);
}

static inline void oxi_trace_wake(struct ox_loop *l, const struct oxi_task *t, int result)
{
	OXI_PROBE2(wake, t->id, result);
	oxi_trace_if(l, OX_TRACE_WAKE, t, NULL, result);
}

static inline void oxi_trace_end(struct ox_loop *l, const struct oxi_task *t)
{
	OXI_PROBE2(end, t->id, t->future.status);
	oxi_trace_if(l, OX_TRACE_END, t, NULL, t->future.status);
}

static inline void oxi_trace_poll_begin(struct ox_loop *l)
{
	OXI_PROBE0(poll_begin);
	oxi_trace_if(l, OX_TRACE_POLL_BEGIN, NULL, NULL, 0);
}

static inline void oxi_trace_poll_end(struct ox_loop *l)
{
	OXI_PROBE0(poll_end);
	oxi_trace_if(l, OX_TRACE_POLL_END, NULL, NULL, 0);
}

#endif
