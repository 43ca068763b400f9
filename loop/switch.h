/* SPDX-License-Identifier: MIT */
/* From one stack to another: contexts. See switch.c. */
#ifndef OXBOW_LOOP_SWITCH_H
#define OXBOW_LOOP_SWITCH_H

#include <stdbool.h>
#include <stddef.h>

#include "include/private/sanitize.h"

#ifdef OXI_UCONTEXT
#include <ucontext.h>
#endif

/* A stack and where on it to go on. Zeroed: the thread's own stack, which is the first to be switched away from. */
struct oxi_context {
#ifdef OXI_UCONTEXT
	ucontext_t uc;
	void (*entry)(void *);
	void *arg;
#else
	void *sp;
#endif
#ifdef OXI_ASAN
	const void *bottom;
	size_t size;
	void *fake;
#endif
#ifdef OXI_TSAN
	void *fiber;
#endif
#ifdef OXI_VALGRIND
	unsigned valgrind;
#endif
};

/* Makes c run entry(arg) on [bottom, bottom + size) when it is switched to; the top colour bytes stay unused. */
void oxi_context_make(struct oxi_context *c, void *bottom, size_t size, size_t colour, void (*entry)(void *), void *arg);

/* Leaves from, goes on in to, and returns when somebody switches to from. last: from will never go on. */
void oxi_context_switch(struct oxi_context *from, struct oxi_context *to, bool last);

/* What the first function on a new context calls first; from is where it came from. */
void oxi_context_entered(struct oxi_context *from);

/* Where a context goes on when it is switched to; false: it never ran, or that is not known on this machine. */
struct oxi_registers {
	const char *pc, *fp;
};
bool oxi_context_registers(const struct oxi_context *c, struct oxi_registers *ret);

/* c has run for the last time, and its stack goes back. */
void oxi_context_end(struct oxi_context *c);

#endif
