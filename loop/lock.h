/* SPDX-License-Identifier: MIT */
/* The inside of a lock: for conditions, which wait in it, and for reports, which ask who holds it. */
#ifndef OXBOW_LOOP_LOCK_H
#define OXBOW_LOOP_LOCK_H

#include <oxbow/sync.h>

#include "loop/select.h"
#include "loop/state.h"

/* In the wait record of a coroutine that waits for a lock: kind is oxi_lock_kind, object the lock. */
extern const char oxi_lock_kind[];

struct ox_lock {
	uint64_t magic;
	struct oxi_task *owner;         /* NULL: free, and then nobody waits */
	struct oxi_owned owned;         /* by it */
	struct oxi_list waiters;        /* clauses */
};

bool oxi_lock_mine(const ox_lock *l);           /* the caller holds it */
void oxi_lock_pass_on(ox_lock *l);              /* the owner lets go */
void oxi_lock_queue(ox_lock *l, struct oxi_clause *c);      /* c, armed and in no list, gets the lock, now or later */

#endif
