/* SPDX-License-Identifier: MIT */
/*
 * Packets between the main process and the spawner: one struct and a few descriptors each, over
 * SOCK_SEQPACKET. Both ends are the same program, so structs go as they are.
 *
 *	control socket, one a process            main -> spawner  POOL  + memfd, pool's socket
 *	                                         spawner -> main  ANSWER;  STANDBY + the standby's control socket
 *	pool's socket                            main -> spawner  FORK  + two bells; output, errors, if they go anywhere
 *	                                         spawner -> main  FORKED + pidfd;  DIED
 *	    main shuts down its sending side: close. The spawner closes its end: all the pool's processes are gone.
 */
#ifndef OXBOW_POOL_PACKET_H
#define OXBOW_POOL_PACKET_H

#include <sys/resource.h>

#include "pool/heritage.h"

enum oxi_packet_kind {
	OXI_PACKET_POOL, OXI_PACKET_ANSWER, OXI_PACKET_STANDBY,
	OXI_PACKET_FORK, OXI_PACKET_FORKED, OXI_PACKET_DIED,
};

struct oxi_packet {
	enum oxi_packet_kind kind;
	int status;                     /* ANSWER: 0 or a code. FORKED: 0 or -errno. DIED: as wait() says it */
	unsigned slot;                  /* FORK, FORKED, DIED */
	uint32_t generation;
	pid_t pid;                      /* FORKED, DIED */
	union {
		struct oxi_arena arena;         /* POOL */
		struct {                        /* FORK */
			uint8_t secret[OXI_SECRET];
			char channel[OXI_CHANNEL_NAME];
		} fork;
		struct rusage usage;            /* DIED */
	};
};

#define OXI_PACKET_FDS 4

/* 0; -errno (-EAGAIN: the socket is full; -EPIPE: the other end is gone). fds: n to hand over; they stay open here. */
int oxi_packet_send(int socket, const struct oxi_packet *p, const int *fds, unsigned n);
/*
 * 1 with a packet; 0: the other end is gone, or sends no more; -EAGAIN: none now; -errno. fds are
 * close-on-exec; -1 where none came (with no free descriptor, the kernel drops them).
 */
int oxi_packet_receive(int socket, struct oxi_packet *ret, int fds[OXI_PACKET_FDS]);

#endif
