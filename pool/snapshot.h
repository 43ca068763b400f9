/* SPDX-License-Identifier: MIT */
/*
 * Between the program and a child that was forked as a snapshot of it (parent_snapshot.c, worker_snapshot.c): one shared
 * mapping, this page and then the room for the result.
 */
#ifndef OXBOW_POOL_SNAPSHOT_H
#define OXBOW_POOL_SNAPSHOT_H

#include <oxbow/snapshot.h>

#include "pool/heritage.h"

struct oxi_snapshot_page {
	struct oxi_slot slot;           /* the story of a crash; whether it was told to end */
	/* the child writes; valid once done is 1 */
	_Atomic uint32_t done;
	int32_t status;
	bool limit;                     /* the status is the reply's, not the function's */
	uint64_t len;                   /* of the result */
	int64_t run_time;               /* ns */
	_Atomic bool watched;           /* by the parent, which has the pidfd: the child may end now */
};

#define OXI_SNAPSHOT_LEASE 1u           /* in place of a lease, in slot.told */

/* What the child is told, by being forked. */
struct oxi_snapshot_order {
	ox_snapshot_fn *fn;
	void *arg;
	struct oxi_snapshot_page *page;
	uint8_t *room;
	pid_t parent;
	ox_snapshot_options options;    /* max_result: bytes at room */
};

size_t oxi_snapshot_head(void);         /* bytes of struct oxi_snapshot_page, in whole pages */
/* In the child, all signals blocked. */
_Noreturn void oxi_snapshot_main(const struct oxi_snapshot_order *o);

#endif
