/* SPDX-License-Identifier: MIT */
/*
 * Payloads in pieces, for where no memory is shared: to and from a remote worker, and a local one when arena
 * and overflow are full. Pure: no I/O, no allocation, no clock; the caller moves the records and owns the
 * memory.
 *
 *	sender                                          receiver
 *	oxi_sending_init(.., credit)                    oxi_receiving_init(.., credit): the length is checked, memory made
 *	while oxi_sending_next: CHUNK ----------------> oxi_receiving_put: 1 when it is whole
 *	oxi_sending_credit <---------------------- TAKE oxi_receiving_take, after each put and at the start
 *
 * A payload belongs to a lease; CHUNK from the parent is of the job's input, from the worker of its result, and
 * TAKE goes the other way. Chunks come in order, OXI_CHUNK_SIZE bytes each but the last. At most OXI_CHUNK_WINDOW are
 * under way: the receiver allows them, except for as many as both sides know to be allowed unasked.
 *
 *	CHUNK   lease | job: offset in the payload | time: length of the whole | length, place: the bytes, inline
 *	TAKE    lease | length: so many chunks more | flags: OXI_RECORD_CHUNKS, for no payload comes with it
 *
 * Either end gives up by the same message with a negative status: CHUNK "no more of it comes", TAKE "it is not wanted".
 */
#ifndef OXBOW_POOL_CHUNKS_H
#define OXBOW_POOL_CHUNKS_H

#include "ipc/wire.h"

#define OXI_CHUNK_SIZE   OX_MIB(1)
#define OXI_CHUNK_WINDOW 4u

struct oxi_sending {
	uint64_t lease;
	const uint8_t *data;
	uint64_t total, sent;           /* bytes */
	uint32_t credit;                /* chunks that may go now */
};

/* credit: chunks that may go unasked. total: not 0, below 2^63. */
void oxi_sending_init(struct oxi_sending *s, uint64_t lease, const void *data, uint64_t total, uint32_t credit);
/* A TAKE has come. 0; OX_EPROTO: not of this lease, or more than the window; or its negative status: not wanted. */
int oxi_sending_credit(struct oxi_sending *s, const struct oxi_record *take);
/* The next CHUNK and its bytes (as oxi_body_put() wants them); it counts as sent. False: all is sent, or no credit. */
bool oxi_sending_next(struct oxi_sending *s, struct oxi_record *ret_chunk, const void **ret_bytes);
static inline bool oxi_sending_done(const struct oxi_sending *s) { return s->sent == s->total; }

struct oxi_receiving {
	uint64_t lease;
	uint8_t *data;                  /* the caller's: total bytes, set before the first put */
	uint64_t total, got;            /* bytes */
	uint32_t allowed;               /* chunks that may come */
};

/* The length that a CHUNK announces for its whole, for a receiver that learns it so. Not checked yet. */
uint64_t oxi_chunk_total(const struct oxi_record *chunk);
/* credit: as the sender's. limit: bytes. 0; OX_ETOOBIG; OX_EPROTO: no length. */
int oxi_receiving_init(struct oxi_receiving *r, uint64_t lease, uint64_t total, uint64_t limit, uint32_t credit);
/* 1: the payload is whole; 0: there is more to come; OX_EPROTO: not the chunk that was to come; or its negative status. */
int oxi_receiving_put(struct oxi_receiving *r, const struct oxi_record *chunk, const void *bytes);
/* The TAKE to send now: it counts as sent. False: none is due. Asked for late, so that one allows several chunks. */
bool oxi_receiving_take(struct oxi_receiving *r, struct oxi_record *ret_take);

/* The message that gives up, for both kinds: why < 0. */
struct oxi_record oxi_chunk_refusal(uint64_t lease, int why);

#endif
