/* SPDX-License-Identifier: MIT */
/*
 * Remote workers as the pool sees them, for parent_remote.c (hosts: who is there) and parent_lane.c (their slots: who
 * runs what). What both ends of the wire have to know stands first.
 *
 *	host                                             pool
 *	HELLO (greet.h)         ---------------------->
 *	                        <----------------------  WELCOME (greet.h), or REFUSE: status, reason
 *	CREDIT: status          ---------------------->
 *	                        <----------------------  JOBS (slot, generation), CHUNK of inputs
 *	START, RESULTS, CHUNK   ---------------------->
 *	                        <----------------------  STEALBACK: leases; CANCEL: a lease; KILL (slot, generation)
 *	STEALBACK: what has not begun ---------------->
 *	LOST (slot, generation): culprit, story ------>  the slot's next generation begins
 *	PING                    <--------------------->  PING
 *	DRAIN: no more jobs     ---------------------->
 *	BYE                     <--------------------->  BYE
 *
 * (slot, generation): in the header, flags and generation. All other messages name leases, which say the slot.
 */
#ifndef OXBOW_POOL_REMOTE_H
#define OXBOW_POOL_REMOTE_H

#include "ipc/channel.h"
#include "pool/chunks.h"
#include "pool/greet.h"
#include "pool/join.h"
#include "pool/parent.h"

#define OXI_REMOTE_INLINE  OX_KIB(64)           /* payloads up to this travel in the message */
#define OXI_REMOTE_OUTPUT  OX_KIB(512)          /* bytes of a job's output that travel with its result */
#define OXI_REMOTE_MESSAGE OX_MIB(1)            /* bytes of a message of many records, at most, and of one record more */
#define OXI_REMOTE_FRAME   (4 * OX_MIB(1))      /* bytes of a frame: the listener takes no more */
#define OXI_BEATS          4                    /* heartbeats in the time after which a silent end is lost */

/* ---- the pool's side ---- */

enum oxi_host_state {
	OXI_HOST_WELCOMED,              /* is setting up its workers */
	OXI_HOST_READY,
	OXI_HOST_LEAVING,               /* takes no more jobs */
	OXI_HOST_GONE,                  /* to be forgotten in this turn */
};

struct oxi_host {
	struct oxi_list link;
	enum oxi_host_state state;
	struct oxi_peer peer;
	char name[OXI_HOST + 16];       /* and pid, for messages */
	ox_time heard_at;
	bool dismissed;                 /* was told BYE */
	const char *why;                /* GONE: for the log */
};

/* An input on its way. */
struct oxi_upload {
	struct oxi_list link;
	uint8_t *bundle;                /* what is sent, if it was made for that; NULL: the job's input */
	struct oxi_sending sending;
};

/* A slot of a host, as the dispatcher's slots are numbered. What a local worker writes into its shared slot, messages write here. */
struct oxi_lane {
	struct oxi_host *host;          /* NULL: nobody's */
	unsigned slot;
	uint32_t generation;            /* 0: the host is not ready yet */
	uint64_t running;               /* lease that has begun and not ended; 0: none */
	ox_time since;
	uint64_t told;                  /* lease of the job that was last told to end */
	bool dying;                     /* its end is being told: no KILL */
	bool stopping;                  /* the dispatcher wants it to end, as soon as it owes nothing */
	struct oxi_list uploads;        /* struct oxi_upload */
	struct oxi_receiving in;        /* a result on its way; data NULL: none */
	struct oxi_record result;
	struct oxi_output output;       /* of the same job */
	uint64_t claims[OXI_CLAIMS];    /* oxi_claim(); BACK: asked back */
};

struct oxi_remote {
	struct oxi_channel *channel;
	struct oxi_keys server;
	struct oxi_join join;           /* as the file has it */
	char *path;                     /* of the join file, absolute, once it is written; and which file that is */
	dev_t file_dev;
	ino_t file_ino;
	struct timespec file_time;      /* for numbers of files come again */
	struct oxi_list hosts;
	struct oxi_lane *lanes;
	unsigned lane_count;
	ox_time silence;                /* a host that says nothing for so long is lost */
	ox_time beat_at;                /* the next heartbeat */
	uint64_t refused, late;         /* messages */
	/* leases to ask back, all of one host */
	struct oxi_host *asked_host;
	uint64_t asked[OXI_BATCH];
	unsigned asked_count;
};

/* A message of one record (NULL: none) to a host; a failure is the host's end. payload: r->length bytes, inline. */
void oxi_host_say(ox_pool *p, struct oxi_host *host, struct oxi_header h, const struct oxi_record *r, const void *payload);
void oxi_host_lose(struct oxi_host *host, const char *why);     /* takes effect later in the turn */

extern const struct oxi_dispatch_ops oxi_remote_ops;
struct oxi_lane *oxi_lane_of(ox_pool *p, const struct oxi_host *host, uint64_t lease);  /* NULL: not the host's */
void oxi_lane_join(ox_pool *p, struct oxi_lane *l);
/* The lane's worker is gone; what it had is the dispatcher's again. culprit: the lease that was its end; 0. */
void oxi_lane_lost(ox_pool *p, struct oxi_lane *l, uint64_t culprit, int status, struct oxi_story *story);
/* A message about jobs. OX_EPROTO: the host says what cannot be. */
int oxi_lane_handle(ox_pool *p, struct oxi_host *host, const struct oxi_received *m);
void oxi_lane_ask_back(ox_pool *p);     /* sends what was put off */

#endif
