/* SPDX-License-Identifier: MIT */
/*
 * Channels: their files are the only ones that include zmq.h. The parent's end is a ROUTER, a worker's a DEALER; contexts
 * are made after the fork, with the library's own threads free of our signals. A channel sends and receives
 * whole messages (ipc/wire.h) and knows what has to be known of ZeroMQ's descriptor: it tells "something may
 * have happened", not "readable".
 *
 * The parent connects and each worker listens, at a name of its own. The other way round cannot be made safe: an
 * accept in libzmq aborts the process when it meets EMFILE, and a listener cannot be closed in time, because
 * zmq_unbind ends the connections that came through it. A connect that meets EMFILE is tried again.
 *
 *	parent                                  who forks                worker
 *	oxi_channel_new_parent                  oxi_channel_prepare
 *	oxi_channel_make_name  ----------------------------------------> oxi_channel_new_worker
 *	oxi_channel_expect     <---- "it listens", by another way ------ oxi_channel_await_parent
 *	oxi_channel_receive    <---------------------------------------- HELLO ...
 *	oxi_channel_forget, when the worker is dead and what it had sent was received
 */
#ifndef OXBOW_IPC_CHANNEL_H
#define OXBOW_IPC_CHANNEL_H

#include "ipc/wire.h"

#define OXI_CHANNEL_NAME 64u            /* bytes for a name, with its end */

#define OXI_ENDPOINT 256u
#define OXI_KEY 41u                     /* bytes of a key as text (Z85), with its end */
#define OXI_CHANNEL_FDS 3u

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
 * Keeps trying to connect to the worker of this name until it is forgotten. Call it when it listens: else it tries every
 * few milliseconds. 0; -errno.
 */
int oxi_channel_expect(struct oxi_channel *c, const char *name);
/*
 * The worker of this name is dead, or will not come. Messages of it that have not been received may be
 * dropped. The connection is closed while the channel goes on being pumped.
 */
void oxi_channel_forget(struct oxi_channel *c, const char *name);

/* ---- who forks workers ---- */
/*
 * Does once what each of them would have to do. The floor above which a worker's own descriptors shall lie: 512, or less
 * where RLIMIT_NOFILE is low. So no file which a job opens later ever has the number of one that a job closed under
 * us. -EMFILE: there is too little room; -errno.
 */
int oxi_channel_prepare(void);

/* ---- worker's end ---- */
/*
 * Listens for the process parent; no other is let in, or, with 0, only those of this user. Until it has come, all free descriptors below the floor are
 * occupied. 0; -EADDRINUSE, -EMFILE, -errno.
 */
int oxi_channel_new_worker(const char *name, int floor, pid_t parent, struct oxi_channel **ret);
int oxi_channel_await_parent(struct oxi_channel *c);    /* blocks until it is connected. 0; -errno */
/* True while the channel's descriptors are its own: a job may have closed them. */
bool oxi_channel_intact(const struct oxi_channel *c);

/* ---- between machines: the pool listens, hosts join (tcp, CURVE) ---- */
struct oxi_keys {
	char public_key[OXI_KEY], secret_key[OXI_KEY];
};
int oxi_keys_make(struct oxi_keys *ret);                /* 0; -ENOTSUP: libzmq without CURVE */
bool oxi_key_valid(const char *text);

struct oxi_serve_at {
	const char *endpoint;           /* "tcp://ADDRESS:PORT"; port 0 or *: the kernel's choice */
	const struct oxi_keys *keys;    /* the server's */
	const char *allowed;            /* the public key of the clients that are let in */
	size_t max_message;             /* bytes of a frame: who sends more is disconnected */
	int silence_ms;                 /* a peer that says nothing for so long is disconnected */
};
/* 0 with the endpoint as it is bound; -EADDRINUSE, OX_EINVAL, OX_ENOMEM, -errno. */
int oxi_channel_serve(const struct oxi_serve_at *o, char ret_endpoint[OXI_ENDPOINT], struct oxi_channel **ret);
/* Descriptors to wait for, as oxi_channel_fd() is; -1: none. */
void oxi_channel_fds(const struct oxi_channel *c, int ret[OXI_CHANNEL_FDS]);
/* Listener: lets in who is allowed. True: a connection has ended since the last call; whose is not known. Leaves nothing pending. */
bool oxi_channel_attend(struct oxi_channel *c);
uint64_t oxi_channel_refused(const struct oxi_channel *c);      /* connections that came to nothing */

struct oxi_join_to {
	const char *endpoint, *server_key;
	const struct oxi_keys *keys;
	int silence_ms;
};
int oxi_channel_join(const struct oxi_join_to *o, struct oxi_channel **ret);   /* begins to connect. 0; OX_EINVAL, -errno */
/* Joiner: 0: not connected yet; 1: it is; negative once it is over: OX_EAUTH (key not allowed), -ECONNREFUSED, -ECONNRESET. */
int oxi_channel_link(struct oxi_channel *c);
void oxi_channel_linger(struct oxi_channel *c, int ms);         /* freeing waits so long for what was sent to leave */

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
/*
 * 1 with the next whole, decodable message; 0: none now; what is malformed is dropped and counted. -errno. Between
 * machines one of another version has type 0, its version as flags, and no body.
 */
int oxi_channel_receive(struct oxi_channel *c, struct oxi_received *ret);
/* Re-reads the socket's state: true if receive would give something. To be asked after every batch of sends and receives. */
bool oxi_channel_pending(struct oxi_channel *c);
/*
 * True if there may be something, because the descriptor was readable (the parent's end is told so: stir) or the socket was
 * used since receive found nothing. Costs nothing to ask.
 */
bool oxi_channel_stirred(const struct oxi_channel *c);
void oxi_channel_stir(struct oxi_channel *c);
/*
 * Worker: blocks until a message is there, or the descriptor other (-1: none) is readable. 1; 2: other; 0 after timeout_ms
 * (-1: for ever); -ECONNRESET: the parent's end is gone.
 */
int oxi_channel_wait(struct oxi_channel *c, int other, int timeout_ms);
uint64_t oxi_channel_malformed(const struct oxi_channel *c);
void oxi_channel_free(struct oxi_channel *c);            /* LINGER 0; takes NULL, and one that came through a fork */

#endif
