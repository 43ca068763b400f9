/* SPDX-License-Identifier: MIT */
/*
 * The inside of a worker process. One thread; no loop. Files: worker_main.c (from the fork to the first job),
 * worker_limits.c (CPUs and limits), worker_loop.c (jobs in, results out), worker_actor.c (objects that stay), worker_reply.c
 * (one result), worker_crash.c (last words), worker_chaos.c (faults on purpose).
 */
#ifndef OXBOW_POOL_WORKER_H
#define OXBOW_POOL_WORKER_H

#include "include/private/list.h"
#include "pool/heritage.h"

struct oxi_worker {
	const struct oxi_heritage *heritage;
	const struct oxi_pool_page *page;
	struct oxi_slot *slot;
	struct oxi_channel *channel;
	const uint8_t *original;        /* 1 here, 0 in any process forked from here */
	/* messages received and not yet worked on: struct oxi_mail */
	struct oxi_list mail;
	struct oxi_list objects;        /* of actors: worker_actor.c */
	/* the outbox being filled */
	struct oxi_outbox *outbox;
	uint32_t seq, room;             /* its number; records it has room for */
	int64_t sent_at;                /* when the last message left, monotonic ns */
	uint64_t dice;                  /* times that chaos was asked */
};

/* Exit codes of a worker that ends itself. */
enum { OXI_EXIT_OK = 0, OXI_EXIT_INIT = 69, OXI_EXIT_CLOSED = 70, OXI_EXIT_PARENT = 71 };

_Noreturn void oxi_worker_main(const struct oxi_heritage *h);

/* 0; -errno. The first before there are threads, the second before the first job. */
int oxi_worker_take_place(const struct oxi_worker *w);
int oxi_worker_limit(const struct oxi_worker *w);

/* Receives one message and queues it; false if timeout_ms passed. Ends the process when the parent's end is gone. */
bool oxi_worker_receive(struct oxi_worker *w, int timeout_ms);
void oxi_worker_send(struct oxi_worker *w, struct oxi_header *h, const void *body);
/* Works until the parent says that it is enough. */
void oxi_worker_loop(struct oxi_worker *w);
/* Room for a result of length bytes of the job with this lease, asked of the parent; *ret_cap is its size. NULL: no. */
uint8_t *oxi_worker_need(struct oxi_worker *w, uint64_t lease, size_t length, size_t *ret_cap);

/* Runs what an actor's constructor, destructor or method is; gives its status. */
int oxi_worker_act(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out);
void oxi_worker_end_objects(struct oxi_worker *w);

/* Has the death by a signal leave its story in the slot. The first once in the spawner, before it forks. */
void oxi_worker_prepare_crashes(void);
void oxi_worker_watch_crashes(struct oxi_slot *slot);

/* Where chaos may strike: does not return, or late. */
void oxi_worker_chaos(struct oxi_worker *w, enum oxi_chaos_what what);
bool oxi_worker_chaos_begin(struct oxi_worker *w);      /* true: the job shall not end */

struct oxi_mail {
	struct oxi_list link;
	struct oxi_header header;
	_Alignas(16) uint8_t body[];
};

#define OXI_REPLY_MAGIC 0x7265706c79000001ull

struct ox_reply {
	uint64_t magic;
	struct oxi_worker *worker;
	uint64_t lease;
	uint8_t *data;
	size_t len, cap;                /* bytes of result; bytes at data */
	size_t max;                     /* bytes it may get */
	int error;                      /* the first failure: it becomes the job's status */
	bool in_arena;                  /* data is in the result zone; else in the outbox */
	uint8_t *grant;                 /* room given with the job, not used yet; NULL: none */
	size_t grant_cap;
	int64_t deadline;               /* monotonic ns; until it begins, its submitter's alone */
	int64_t timeout;                /* 0: none */
	const struct oxi_mail *mail;    /* that it came in */
	uint32_t after, afters;         /* there: the first AFTER record of it, and how many they are */
};

#endif
