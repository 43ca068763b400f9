/* SPDX-License-Identifier: MIT */
/* Signals inside the loop: who gets them (signal.c). The public stream of events stands on it (io/signals.c). */
#ifndef OXBOW_LOOP_SIGNAL_H
#define OXBOW_LOOP_SIGNAL_H

#include <oxbow/signal.h>

#include "loop/loop.h"

struct oxi_signals {
	struct oxi_list link;
	sigset_t set;
	void (*fn)(struct oxi_signals *s, const ox_signal *event);      /* on the thread's own stack */
};

/*
 * fn is called for every signal of the set from now on. OX_EBUSY: another loop receives signals; OX_EINVAL,
 * OX_ENOMEM, -errno.
 */
int oxi_signals_take(struct oxi_signals *s, const int *signos, size_t n);

/* No more. Nothing if it was taken back before, as happens to all at the end of the loop. */
void oxi_signals_give_back(struct oxi_signals *s);

/* Delivers what has come already, without waiting for the next poll. */
void oxi_signals_look(void);

#endif
