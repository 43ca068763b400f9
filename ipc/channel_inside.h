/* SPDX-License-Identifier: MIT */
/* The inside of a channel, for channel*.c alone: the only files that include zmq.h. */
#ifndef OXBOW_IPC_CHANNEL_INSIDE_H
#define OXBOW_IPC_CHANNEL_INSIDE_H

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <zmq.h>

#include "ipc/channel.h"

enum {
	OXI_FDS = 32,                   /* more than a context with three sockets and one connection has (about 14) */
	OXI_CONNECT_MS = 3,             /* the parent looks that often for a worker that has not bound yet */
	OXI_HANDSHAKE_MS = 2000,
};

struct own_fd {
	int fd;
	dev_t dev;
	ino_t ino;
};

/* Descriptors that occupy numbers. */
struct oxi_held {
	int *fd, count;
};

struct oxi_channel {
	void *context, *socket;
	void *monitor;                  /* tells of connections' beginnings and ends; NULL: the local parent's end */
	pid_t pid;                      /* that made it */
	int fd, monitor_fd;
	bool router;                    /* messages begin with the peer's id */
	bool remote;                    /* messages of other versions are handed up too */
	bool stirred;                   /* there may be a message: false once none was found, and nothing happened since */
	bool monitor_stirred;           /* the same of the monitor's events */
	int peer_fd;                    /* worker: of the connection, as the monitor's events say it; -1: none (any more) */
	uint64_t malformed;
	void *out;                      /* oxi_channel_body, not sent yet */
	size_t out_cap;
	zmq_msg_t frame;                /* received last */
	bool aligns;                    /* worker: what it receives is copied, for jobs run on it */
	void *in;                       /* the copy */
	size_t in_cap;
	struct own_fd own[OXI_FDS];     /* worker: for oxi_channel_intact() */
	unsigned own_count;
	struct oxi_held held;           /* worker: those below the floor, until the parent has come */
	int first;                      /* worker: the lowest of its descriptors */
	struct oxi_gate *gate;          /* listener: who is let in; NULL: no listener */
	int link;                       /* joiner: what oxi_channel_link() answers */
};

/* A channel of a socket of this type, with the options that all have. 0; OX_ENOMEM, -errno. */
int oxi_channel_new(int type, struct oxi_channel **ret);
int oxi_socket_set_int(void *socket, int option, int value);           /* 0; -errno */
int oxi_socket_get_int(void *socket, int option, int *ret);
/* Has the socket's events told. To be called once, before it binds or connects. */
int oxi_channel_monitor(struct oxi_channel *c, int events);
/* One event of the monitor: its number, and *ret_value: whom it is about, or why; 0: none now; -errno. */
int oxi_channel_event(struct oxi_channel *c, int *ret_value);
void oxi_gate_close(struct oxi_channel *c);             /* channel_remote.c */
void oxi_let_go(struct oxi_held *h);    /* channel_local.c */

#endif
