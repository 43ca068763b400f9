/* SPDX-License-Identifier: MIT */
/*
 * What a forked process may rely on, and nothing else: the code and constants of the program, descriptors 0, 1, 2 and the
 * ones named in struct oxi_heritage, and the pool's shared arena, whose control pages are laid out here.
 *
 *	page 0             struct oxi_pool_page: the pool's constants; written by the parent before the first fork, then read-only
 *	then per worker    struct oxi_slot, whole pages: written by that worker (and, where said, by the parent)
 *
 * There is no lock in shared memory: each field has one writer, or is changed by compare-and-swap.
 */
#ifndef OXBOW_POOL_HERITAGE_H
#define OXBOW_POOL_HERITAGE_H

#include <stdatomic.h>

#include <oxbow/job.h>

#define OXI_CLAIMS      1024u           /* leases a worker can hold, power of two */
#define OXI_OUTBOX      OX_KIB(256)     /* results written and not yet sent */
#define OXI_INLINE      OX_KIB(4)       /* payloads up to this travel in the message */
#define OXI_FRAMES      64u             /* of a crash's backtrace */

/* A claim cell: lease << 2 | state. Cell lease % OXI_CLAIMS. Offered by the parent before sending. */
enum oxi_claim { OXI_CLAIM_NONE, OXI_CLAIM_OFFERED, OXI_CLAIM_TAKEN, OXI_CLAIM_BACK };

struct oxi_slot {
	/* the worker writes */
	_Atomic uint64_t running;       /* lease of the job that runs; 0: none */
	_Atomic int64_t since;          /* when it began, monotonic ns */
	/*
	 * The outbox holds a RESULTS body that has not been sent: what a dying worker had finished is found here. The worker writes a
	 * result behind outbox_len, then advances it; sending sets it to 0. Read by the parent after the worker's death only, with the
	 * wire codec's checks.
	 */
	_Atomic uint32_t outbox_len, outbox_count;
	/* obituary, written by the signal handler of a dying worker */
	_Atomic int32_t signal;
	int32_t signal_code;
	uint64_t fault_address;
	uint32_t frame_count;
	void *frames[OXI_FRAMES];
	/* both write, by compare-and-swap */
	_Atomic uint64_t claims[OXI_CLAIMS];
	_Alignas(64) uint8_t outbox[OXI_OUTBOX];
};

#endif
