/* SPDX-License-Identifier: MIT */
/*
 * Channels: the only file that includes zmq.h. The parent's end is a ROUTER, a worker's a DEALER; contexts are made after the
 * fork, with the library's own threads free of our signals. A channel sends and receives whole messages (ipc/wire.h) and
 * knows what has to be known of ZeroMQ's descriptor: it tells "something may have happened", not "readable" (FACTS in the essay of
 * channel.c).
 */
#ifndef OXBOW_IPC_CHANNEL_H
#define OXBOW_IPC_CHANNEL_H

#include "ipc/wire.h"

struct oxi_channel;

/* A peer as the ROUTER names it: 5 bytes chosen by the library. */
struct oxi_peer {
	uint8_t id[8];
	uint8_t len;
};

/* A received message; its body stays valid until the next receive. */
struct oxi_received {
	struct oxi_peer peer;           /* parent's end */
	struct oxi_header header;
	const void *body;
	size_t len;
};

/* ---- parent's end ---- */
int oxi_channel_new_parent(struct oxi_channel **ret);                  /* 0; -errno, OX_ENOMEM */
/*
 * Binds ipc://@oxbow-<nonce> under a fresh nonce, only peers of our uid pass. name receives "@oxbow-<32 hex>", at least 64 bytes. Bound only
 * while expected workers connect: libzmq aborts when an accept meets EMFILE, so before each bind reserve descriptors are let go.
 */
int oxi_channel_bind(struct oxi_channel *c, char *name);
void oxi_channel_unbind(struct oxi_channel *c);
/* How many descriptors are held in reserve for accepts; called with the number of workers about to connect. -EMFILE: could not. */
int oxi_channel_reserve(struct oxi_channel *c, unsigned peers);

/* ---- worker's end ---- */
int oxi_channel_new_worker(const char *name, struct oxi_channel **ret);
/* True while the channel's descriptors are its own: a job may have closed them. */
bool oxi_channel_intact(const struct oxi_channel *c);

/* ---- both ---- */
int oxi_channel_fd(const struct oxi_channel *c);        /* ZMQ_FD: to wait for, never to read or close */
/*
 * Sends header and body (copied; NULL with length 0). peer: parent's end only.
 * 0; -EHOSTUNREACH: no such peer (any more), -EAGAIN: it does not take more now; -errno. A hint only: leases are the truth.
 */
int oxi_channel_send(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, const void *body);
/* As send, but the body was got from oxi_channel_body() and goes without a copy. */
void *oxi_channel_body(struct oxi_channel *c, size_t cap);              /* NULL: memory. One at a time */
int oxi_channel_send_body(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, size_t len);
/* 1 with the next whole, decodable message; 0: none now; what is malformed is dropped and counted. -errno. */
int oxi_channel_receive(struct oxi_channel *c, struct oxi_received *ret);
/* Re-reads the socket's state: true if receive would give something. To be asked after every batch of sends and receives. */
bool oxi_channel_pending(struct oxi_channel *c);
/* Worker: blocks until a message is there. 1; 0 after timeout_ms (-1: for ever); -ECONNRESET: the parent's end is gone. */
int oxi_channel_wait(struct oxi_channel *c, int timeout_ms);
uint64_t oxi_channel_malformed(const struct oxi_channel *c);
void oxi_channel_free(struct oxi_channel *c);            /* LINGER 0; takes NULL */

#endif
