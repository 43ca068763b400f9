/* SPDX-License-Identifier: MIT */
/*
 * The wire codec: bytes to structs and back, no I/O, every length checked. One protocol for local and remote
 * workers.
 *
 * A message is two frames: a header of 32 bytes, little-endian, in a frame of its own (small enough to live
 * inside ZeroMQ's message struct), and a body: count records of 48 bytes, then their inline payloads, each at
 * a multiple of 16.
 *
 *	header  0 magic u16 | 2 version u8 | 3 type u8 | 4 flags u16 | 6 zero u16 | 8 count u32 | 12 epoch u32
 *	       16 generation u32 | 20 zero u32 | 24 length u64 (of the body)
 *	record  0 job u64 | 8 lease u64 | 16 index u16 | 18 flags u16 | 20 status i32 | 24 time i64 | 32 length u64 | 40 place u64
 */
#ifndef OXBOW_IPC_WIRE_H
#define OXBOW_IPC_WIRE_H

#include <oxbow/base.h>

#define OXI_WIRE_MAGIC   0x784fu        /* "Ox" */
#define OXI_WIRE_VERSION 1u
#define OXI_WIRE_HEADER  32u
#define OXI_WIRE_RECORD  48u

/* name, number, who sends it (P: parent, W: worker), what it says */
#define OXI_MESSAGES(X)                                                                         \
	X(HELLO,      1, "W", "generation and secret of a new worker")                          \
	X(WELCOME,    2, "P", "accepted (remote workers)")                                      \
	X(REFUSE,     3, "P", "not accepted; status says why (remote workers)")                 \
	X(CREDIT,     4, "W", "ready, or not: status of worker_init (remote workers)")          \
	X(JOBS,       5, "P", "jobs to run, with grants of result room")                        \
	X(START,      6, "W", "a job has begun (remote workers; local ones say it in shared memory)") \
	X(EMIT,       7, "W", "as RESULTS, and the last record is a part")                      \
	X(PROGRESS,   8, "W", "progress of a job (remote workers)")                             \
	X(RESULTS,    9, "W", "results of jobs")                                                \
	X(CANCEL,    10, "P", "a job is not wanted any more (remote workers)")                  \
	X(STEALBACK, 11, "PW", "give back what has not begun, and what is given back (remote)") \
	X(PING,      12, "PW", "are you there?")                                                \
	X(PONG,      13, "PW", "yes")                                                           \
	X(DRAIN,     14, "PW", "finish what you have, then BYE; I do (remote workers)")         \
	X(BYE,       15, "PW", "the end")                                                       \
	X(NEED,      16, "W", "a result needs length bytes of room")                            \
	X(GRANT,     17, "P", "here they are; length 0: no")                                    \
	X(LOG,       18, "W", "a line for the log; time: lines lost before it")                 \
	X(SUBMIT,    19, "W", "a job submits another one; job: its ticket")                     \
	X(CALL,      20, "W", "a job calls a function of the main loop, and waits")             \
	X(AWAIT,     21, "W", "a job waits for the one with this ticket")                       \
	X(FULL,      22, "W", "a job waits until parts have been taken")                        \
	X(ANSWER,    23, "P", "the one answer to CALL, AWAIT or FULL")                          \
	X(RUN,       24, "P", "the other answer to AWAIT: the job, to be run on the spot")      \
	X(CHUNK,     25, "PW", "a part of a payload (pool/chunks.h)")                           \
	X(TAKE,      26, "PW", "more parts of a payload may come")                              \
	X(LEFT,      27, "W", "state that jobs left changed: of kind index; time: put back, job: not (enum ox_state)")    \
	X(LOST,      28, "W", "the worker of a slot has died (remote workers)")                 \
	X(KILL,      29, "P", "kill the worker of a slot (remote workers)")

enum oxi_message {
#define OXI_MESSAGE_ENUM_(name, number, from, text) OXI_##name = number,
	OXI_MESSAGES(OXI_MESSAGE_ENUM_)
#undef OXI_MESSAGE_ENUM_
};

struct oxi_header {
	uint8_t type;                   /* enum oxi_message */
	uint16_t flags;                 /* of remote workers: the slot that it is about (pool/remote.h) */
	uint32_t count;                 /* records in the body */
	uint32_t epoch;                 /* of the pool: a late message of an earlier one is dropped */
	uint32_t generation;            /* of the worker */
	uint64_t length;                /* of the body, bytes */
};

#define OXI_RECORD_ARENA 1u             /* the payload lies in the arena at place; else inline, place counts from the body's start */
#define OXI_RECORD_GRANT 2u             /* no job: result room of length bytes at place, for the job record before it */
#define OXI_RECORD_TERMS 8u             /* JOBS, no job: for the job record before it, time is its deadline, length its timeout; 0: none.
                                         * To a host, whose clock is another: time is what is left until the deadline */
#define OXI_RECORD_AFTER 16u            /* JOBS, no job: status and payload of a job which the job record before it comes after */
#define OXI_RECORD_LATE  32u            /* RESULTS: not begun, its deadline had passed */
#define OXI_RECORD_MIXED 64u            /* LEFT: it may have been another kind of job */
#define OXI_RECORD_SPOILED 128u         /* LEFT: the worker begins nothing more */
#define OXI_RECORD_LIMIT 4u             /* RESULTS: the status is the library's (reply too big, no memory), not the function's */
#define OXI_RECORD_CHUNKS 64u           /* the payload, length bytes, comes in CHUNK messages. GRANT: the result shall go so */
#define OXI_RECORD_PART  128u           /* EMIT: a part of the result of a job that goes on */
#define OXI_RECORD_BUNDLE 256u          /* JOBS to a host: the payload is a body of `job` records, the input and what it comes after */
#define OXI_RECORD_OUTPUT 512u          /* no job: what the job before it wrote to its standard output; status: there was more */

struct oxi_record {
	uint64_t job;                   /* JOBS: the actor that it is for; RESULTS: when it began, monotonic ns of the worker's machine; else 0 */
	uint64_t lease;                 /* (job, attempt, worker generation) in one: only the live one completes a job */
	uint16_t index;                 /* of the job function in the pool's table */
	uint16_t flags;
	int32_t status;                 /* RESULTS: what the function returned */
	int64_t time;                   /* TERMS: deadline, monotonic ns. RESULTS: run time, ns. CHUNK: pool/chunks.h */
	uint64_t length;                /* of the payload */
	uint64_t place;
};

void oxi_header_encode(uint8_t out[OXI_WIRE_HEADER], const struct oxi_header *h);

/* len: of the frame. 0; OX_EPROTO: len, magic, type, zero fields, or a count that does not fit the length; OX_EVERSION. */
int oxi_header_decode(const void *data, size_t len, struct oxi_header *ret);

void oxi_record_encode(uint8_t out[OXI_WIRE_RECORD], const struct oxi_record *r);
void oxi_record_decode(const uint8_t in[OXI_WIRE_RECORD], struct oxi_record *ret);

/*
 * The i-th record of a body of len bytes whose header said count. *ret_payload points into the body for an
 * inline payload; elsewhere it is NULL, and the caller checks place and length against the arena. 0;
 * OX_EPROTO: anything outside the body, or inside the records.
 */
int oxi_body_record(const void *body, size_t len, uint32_t count, uint32_t i, struct oxi_record *ret, const void **ret_payload);

/* Builds a body in memory of the caller's: all records first, so the number of records is fixed before the payloads. */
struct oxi_body {
	uint8_t *data;
	size_t cap;                     /* bytes at data */
	uint32_t count, used;           /* records promised, records put */
	size_t len;                     /* bytes so far */
};
/* Bytes that a body takes with count records and inline payloads of these sizes: OXI_WIRE_RECORD each + sum of oxi_align16(size). */
static inline size_t oxi_align16(size_t n) { return (n + 15) & ~(size_t)15; }
/* cap: at least count records. */
void oxi_body_init(struct oxi_body *b, void *data, size_t cap, uint32_t count);
/* Puts a record; payload (r->length bytes) is copied inline unless r->flags has OXI_RECORD_ARENA, _GRANT, _TERMS or _CHUNKS. 0; OX_ETOOBIG. */
int oxi_body_put(struct oxi_body *b, const struct oxi_record *r, const void *payload);

const char *oxi_message_name(uint8_t type);     /* "JOBS"; NULL for an unknown one */

#endif
