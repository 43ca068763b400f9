/* SPDX-License-Identifier: MIT */
/*
 * The inside of a host of remote workers: a program in ox_worker_join(). Files:
 *
 *	agent.c            joins again and again, until there is a reason to end
 *	agent_session.c    one connection: HELLO to BYE, messages in
 *	agent_bench.c       one slot: a coroutine that has one job after the other run by the local pool
 */
#ifndef OXBOW_POOL_AGENT_H
#define OXBOW_POOL_AGENT_H

#include <oxbow/sync.h>
#include <oxbow/worker.h>

#include "pool/remote.h"

struct oxi_agent {
	const char *file;
	ox_worker_options options;
	ox_job *jobs;                   /* copies that leave timeouts, retries and graces to the pool */
	const ox_job **table;           /* NULL-terminated, for the local pool */
	unsigned job_count;
	char host[OXI_HOST];
	ox_scope *scope;                /* of the work: cancelled to end at once */
	bool draining;                  /* takes no more jobs */
	bool joined;                    /* at least once */
	ox_time begun_at, busy_at;      /* when it was started; when it last had a job */
	struct oxi_session *session;    /* NULL: not connected */
};

struct oxi_session {
	struct oxi_agent *agent;
	struct oxi_channel *channel;
	uint32_t epoch;
	ox_pool *pool;
	struct oxi_bench *benches;
	unsigned bench_count, bench_cap;
	uint16_t *map;                  /* the pool's index of a job -> ours */
	unsigned map_count, map_cap;
	ox_event *wake;                 /* the receiving coroutine looks at the channel anew */
	int over;                       /* why it is over; 0: it goes on */
	bool leaving;
};

/* A job that has come. */
struct oxi_piece {
	struct oxi_list link;
	uint64_t lease;
	uint16_t kind;                  /* ours */
	bool whole;                     /* its input is there */
	uint32_t records;               /* of a bundle; 0: the payload is the input */
	ox_time deadline;               /* on this host's clock; OX_NEVER */
	ox_time timeout;                /* 0: none */
	int refused;                    /* no room for its input: what becomes of it */
	size_t len;
	ox_blob *blob;                  /* a large input */
	struct oxi_receiving in;
	uint8_t data[];                 /* a small one */
};

struct oxi_bench {
	struct oxi_session *session;
	unsigned slot;                  /* the pool's number of it */
	uint32_t generation;            /* of the jobs that it has */
	uint32_t lost;                  /* up to this one they were reported as lost */
	struct oxi_list pieces;         /* struct oxi_piece, not begun */
	ox_event *wake;
	uint64_t lease;                 /* that runs, or whose result is being sent; 0: none */
	ox_future *future;              /* while it runs */
	bool killed;                    /* what it has is not wanted any more */
	struct oxi_sending out;         /* a large result; total 0: none */
	int out_refused;
};

/* One connection, from the beginning to the end; gives its reason. */
int oxi_session_run(struct oxi_agent *a, const struct oxi_join *join, unsigned endpoint);
void oxi_session_drain(struct oxi_session *s);          /* gives back what has not begun, ends with the rest */
void oxi_session_end(struct oxi_session *s, int why);   /* the first reason counts */
void oxi_session_send(struct oxi_session *s, struct oxi_header h, const void *body);
void oxi_session_say(struct oxi_session *s, struct oxi_header h, const struct oxi_record *r, const void *payload);

int oxi_bench_main(void *bench);          /* the coroutine */
/* Messages. OX_EPROTO: what cannot be. */
int oxi_bench_jobs(struct oxi_bench *b, const struct oxi_received *m);
int oxi_bench_chunk(struct oxi_bench *b, const struct oxi_record *r, const void *bytes);
void oxi_bench_take(struct oxi_bench *b, const struct oxi_record *r);
void oxi_bench_give_back(struct oxi_bench *b, uint64_t lease);    /* 0: all; what has begun stays */
void oxi_bench_tell(struct oxi_bench *b, uint64_t lease);
void oxi_bench_kill(struct oxi_bench *b, uint32_t generation);
void oxi_bench_stop(struct oxi_bench *b);               /* the session is over: kills what runs */
bool oxi_bench_idle(const struct oxi_bench *b);
void oxi_bench_free(struct oxi_bench *b);

#endif
