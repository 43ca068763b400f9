/* SPDX-License-Identifier: MIT */
/* Where a coroutine is. See backtrace.c. */
#ifndef OXBOW_LOOP_BACKTRACE_H
#define OXBOW_LOOP_BACKTRACE_H

#include "loop/print.h"
#include "loop/symbol.h"

struct oxi_task;

#define OXI_FRAMES 40u

/*
 * Addresses in code, the innermost first. Those of callers lie inside the call, so that they name its line.
 */
struct oxi_backtrace {
	const char *pc[OXI_FRAMES];
	unsigned len;
};

/* Of a coroutine that does not run now. */
void oxi_backtrace_parked(struct oxi_backtrace *b, const struct oxi_task *t);

/*
 * Of what runs now in this thread. context: what a signal handler was given as its third argument; NULL: the
 * caller.
 */
void oxi_backtrace_running(struct oxi_backtrace *b, const void *context);

/* One line a frame: "    function+0x1c (module+0x1139)", the latter for addr2line. */
void oxi_print_backtrace(struct oxi_print *p, struct oxi_symbols *s, const struct oxi_backtrace *b, unsigned indent);

/* The same in one line: "park < read < main". */
void oxi_print_backtrace_short(struct oxi_print *p, struct oxi_symbols *s, const struct oxi_backtrace *b);

#endif
