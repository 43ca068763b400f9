/* SPDX-License-Identifier: MIT */
/*
 * The inside of a job, in the main process: what few jobs have, made when they first need it.
 *
 *	parent_inside.c     the struct, messages from jobs, their one question at a time, the end
 *	parent_emit.c       parts of results, and who takes them
 *	parent_call.c       callbacks
 *	parent_nested.c     jobs of jobs
 *
 * What a job has started ends with the attempt that has started it: callbacks are cancelled, and so are jobs. A job's end
 * is told when all of that has ended; so nothing of it is left when its group closes.
 */
#ifndef OXBOW_POOL_PARENT_INSIDE_H
#define OXBOW_POOL_PARENT_INSIDE_H

#include <oxbow/report.h>

#include "pool/parent.h"

/* What a job waits for. */
enum oxi_question { OXI_ASKS_NOTHING, OXI_ASKS_ROOM, OXI_ASKS_CALL, OXI_ASKS_JOB };

struct oxi_inside {
	struct ox_result *job;
	enum oxi_question asks;         /* then seat.asking is this */
	/* parts of its result */
	struct oxi_list parts;          /* struct oxi_part, not taken yet */
	size_t untaken, untaken_bytes;
	bool given;                     /* some of this attempt were */
	bool lost;                      /* some of an attempt that is over were, and nobody knows */
	struct oxi_part *borrowed;      /* given last; NULL */
	struct oxi_taker *taker;        /* waits for one; NULL */
	/* callbacks and jobs that it has started */
	unsigned live;                  /* of any attempt, and not ended */
	struct oxi_call *call;          /* that it waits for; NULL */
	struct oxi_list children;       /* of this attempt, by sibling */
	unsigned child_count;
	bool no_memory;                 /* for one of them */
	struct ox_result *held;         /* the child that it waits for, or whose result it has borrowed; NULL */
	const uint8_t *answer;          /* block of the arena that it has borrowed; NULL */
	/* if another job has started it */
	struct oxi_inside *parent;      /* NULL: none has */
	struct oxi_list sibling;
	uint64_t ticket, number;
	unsigned depth;                 /* how many stand above it */
	bool orphan;                    /* the attempt that has started it is over: released when it has ended */
	/* the dispatcher has told its end, which is kept until live is 0 */
	bool ending;
	enum oxi_end how;
	int status;
};

/* What came with a message: bytes to be looked at, or a block of the arena that is now the receiver's. */
struct oxi_load {
	const uint8_t *data;
	size_t len;
	bool in_arena;
};

/* ---- parent_inside.c ---- */

struct oxi_inside *oxi_inside_of(struct ox_result *job);        /* made if there is none; NULL: memory */
void oxi_inside_free(struct oxi_inside *in);                    /* takes NULL */
/* A message that a worker has sent about a job which it runs. */
void oxi_inside_message(ox_pool *p, struct oxi_seat *s, const struct oxi_received *m);
/* The one answer to the question of a job; in->asks is nothing then. */
void oxi_inside_answer(struct oxi_inside *in, int status, const void *data, size_t len);
void oxi_inside_no_answer(struct oxi_inside *in);               /* it is answered otherwise */
void oxi_inside_told(ox_pool *p, struct oxi_seat *s);           /* a job there was told to end: it gets no other answer */
void oxi_inside_again(struct oxi_inside *in);                   /* the attempt is over, and another one will be */
/* The last attempt is over. True: nothing is left of it, and the job is to be finished; else that is done here later. */
bool oxi_inside_ended(struct oxi_inside *in, enum oxi_end how, int status);
void oxi_inside_finish(struct oxi_inside *in, int status);      /* the status is about to be told */
void oxi_inside_one_less(struct oxi_inside *in);                /* something that it had started has ended */
void oxi_inside_forget_answer(struct oxi_inside *in);           /* it borrows no result or answer any more */
struct oxi_seat *oxi_inside_seat(const struct oxi_inside *in);
/* The worker does what it must not. */
void oxi_seat_reject(ox_pool *p, struct oxi_seat *s);

/* ---- parent_emit.c ---- */

void oxi_emit_add(ox_pool *p, struct oxi_seat *s, const struct oxi_record *r, const void *payload);
void oxi_emit_full(struct oxi_inside *in);                      /* its job asks for room */
void oxi_emit_again(struct oxi_inside *in);
void oxi_emit_finish(struct oxi_inside *in, int status);
void oxi_emit_free(struct oxi_inside *in);

/* ---- parent_call.c ---- */

int oxi_calls_open(ox_pool *p);                                 /* from p->options.calls. 0; OX_EINVAL, OX_ENOMEM */
void oxi_call_start(struct oxi_inside *in, unsigned index, const struct oxi_load *load);
void oxi_call_forget(struct oxi_inside *in);                    /* cancels the one that its job waits for, if any */
void oxi_calls_collect(ox_pool *p);                             /* those that have ended */

/* ---- parent_nested.c ---- */

void oxi_nested_submit(struct oxi_inside *in, unsigned index, uint64_t ticket, const struct oxi_load *load);
void oxi_nested_await(struct oxi_inside *in, uint64_t ticket);
void oxi_nested_try(ox_pool *p);                                /* those that are awaited, and could be run on the spot now */
void oxi_nested_ended(struct oxi_inside *child);
void oxi_nested_drop(struct oxi_inside *child);                 /* its job does not want it: released, when it has ended */
void oxi_nested_drop_all(struct oxi_inside *in);

#endif
