/* SPDX-License-Identifier: MIT */
/*
 * Channels: the only file that includes zmq.h. The parent's end is a ROUTER, a worker's a DEALER; contexts
 * are made after the fork, with the library's own threads free of our signals. A channel sends and receives
 * whole messages (ipc/wire.h) and knows what has to be known of ZeroMQ's descriptor: it tells "something may
 * have happened", not "readable".
 *
 * The parent connects and each worker listens, at a name of its own. The other way round cannot be made safe: an
 * accept in libzmq aborts the process when it meets EMFILE, and a listener cannot be closed in time, because
 * zmq_unbind ends the connections that came through it. A connect that meets EMFILE is tried again. The listener is made
 * by whoever forks the worker, so that the parent's first attempt reaches it and the worker starts meanwhile.
 *
 *	parent                                  who forks              worker
 *	oxi_channel_new_parent                  oxi_channel_prepare
 *	oxi_channel_make_name  ---------------> oxi_channel_listen --> oxi_channel_new_worker: waits for the connection
 *	oxi_channel_expect     <----- forked ---'
 *	oxi_channel_receive    <-------------------------------------- HELLO ...
 *	oxi_channel_forget, when the worker is dead and what it had sent was received
 */
#ifndef OXBOW_IPC_CHANNEL_H
#define OXBOW_IPC_CHANNEL_H

#include "ipc/wire.h"

#define OXI_CHANNEL_NAME 64u            /* bytes for a name, with its end */

struct oxi_channel;

/* A peer as the ROUTER names it: 5 bytes chosen by the library. */
struct oxi_peer {
	uint8_t id[8];
	uint8_t len;
};

/* A received message; its body stays valid until the next receive, and in a worker it is 16-byte aligned. */
struct oxi_received {
	struct oxi_peer peer;           /* parent's end */
	struct oxi_header header;
	const void *body;
	size_t len;
};

/* ---- parent's end ---- */
int oxi_channel_new_parent(struct oxi_channel **ret);                  /* 0; -errno (-EMFILE), OX_ENOMEM */
/* A fresh name for one worker, "@oxbow-<32 hex>" (an abstract socket: no file). 0; -errno. */
int oxi_channel_make_name(char name[OXI_CHANNEL_NAME]);
/*
 * Keeps trying to connect to the worker of this name until it is forgotten. Call it when its listener is there: else it
 * tries every few milliseconds. 0; -errno.
 */
int oxi_channel_expect(struct oxi_channel *c, const char *name);
/*
 * The worker of this name is dead, or will not come. Messages of it that have not been received may be
 * dropped. The connection is closed while the channel goes on being pumped.
 */
void oxi_channel_forget(struct oxi_channel *c, const char *name);

/* ---- who forks workers ---- */
/*
 * Does once what each of them would have to do. Occupies all free descriptors below a floor: 512, or less where
 * RLIMIT_NOFILE is low. A worker's channel then lies above it, and when that is made the worker closes those below: so
 * no file which a job opens later ever has the number of one that a job closed under us. The floor; -EMFILE, -errno.
 */
int oxi_channel_prepare(void);
/* A listening socket for one worker, to be left to it. The descriptor; -EADDRINUSE, -errno. */
int oxi_channel_listen(const char *name);

/* ---- worker's end ---- */
/*
 * Waits until the process parent has connected to the listener (no other process is let in). listener: given; the lowest
 * descriptor of the channel, which takes the free ones from there on. 0; -ETIMEDOUT: the parent did not come within
 * 10 s; -EMFILE, -errno.
 */
int oxi_channel_new_worker(const char *name, int listener, pid_t parent, struct oxi_channel **ret);
/* True while the channel's descriptors are its own: a job may have closed them. */
bool oxi_channel_intact(const struct oxi_channel *c);

/* ---- both ---- */
int oxi_channel_fd(const struct oxi_channel *c);        /* ZMQ_FD: to wait for, never to read or close */
/*
 * Sends header and body (copied, h->length bytes; NULL with 0). peer: parent's end only. 0; -EHOSTUNREACH: no
 * such peer (any more), -EAGAIN: it does not take more now; -errno. A hint only: leases are the truth.
 */
int oxi_channel_send(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, const void *body);
/* As send, but the body was got from oxi_channel_body() and goes without a copy. len: h->length, at most cap. */
void *oxi_channel_body(struct oxi_channel *c, size_t cap);              /* NULL: memory. One at a time */
int oxi_channel_send_body(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, size_t len);
/* 1 with the next whole, decodable message; 0: none now; what is malformed is dropped and counted. -errno. */
int oxi_channel_receive(struct oxi_channel *c, struct oxi_received *ret);
/* Re-reads the socket's state: true if receive would give something. To be asked after every batch of sends and receives. */
bool oxi_channel_pending(struct oxi_channel *c);
/* Worker: blocks until a message is there. 1; 0 after timeout_ms (-1: for ever); -ECONNRESET: the parent's end is gone. */
int oxi_channel_wait(struct oxi_channel *c, int timeout_ms);
uint64_t oxi_channel_malformed(const struct oxi_channel *c);
void oxi_channel_free(struct oxi_channel *c);            /* LINGER 0; takes NULL, and one that came through a fork */

#endif
