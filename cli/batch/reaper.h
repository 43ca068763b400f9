/* SPDX-License-Identifier: MIT */
/*
 * The reaper: a small process, forked first, that starts the jobs, waits for them, and kills them when the
 * runner is gone. The runner makes the pipes and keeps their read ends.
 */
#ifndef OXBOW_CLI_REAPER_H
#define OXBOW_CLI_REAPER_H

#include <oxbow/base.h>

#define OXI_WORDS_MAX OX_MIB(4)         /* bytes of one job's words; the kernel's own limit is about 2 MiB */

struct oxi_reaper {
	pid_t pid;
	int fd;                         /* SOCK_SEQPACKET to it */
	unsigned slots;
	char *words;                    /* shared: OXI_WORDS_MAX for each slot */
};

/* How a job ended. */
struct oxi_ended {
	unsigned slot;
	int error;                      /* errno of the exec, when there was no program; else 0 */
	int status;                     /* as of wait() */
	ox_time user, system;           /* CPU time */
	size_t max_rss;                 /* bytes */
};

/* Forks it. Call it while there is one thread. Returns: 0; -errno. */
int oxi_reaper_open(unsigned slots, struct oxi_reaper *ret);

/*
 * Starts a job in a free slot: n words, each with a NUL behind it, len bytes in all. out and err become its
 * standard output and error. Returns: 0; -E2BIG; -EPIPE when the reaper is gone; -errno.
 */
int oxi_reaper_start(struct oxi_reaper *r, unsigned slot, const char *words, size_t len, size_t n, int out, int err);

/* Sends a signal to the process group of every job that runs. Returns: 0; -EPIPE, -errno. */
int oxi_reaper_signal(struct oxi_reaper *r, int signal);

/* The next job that ended. Returns: 1; 0: none now, wait until r->fd is readable; -EPIPE: the reaper is gone. */
int oxi_reaper_next(struct oxi_reaper *r, struct oxi_ended *ret);

/* Ends it, and with it all that still runs of any job. Blocks until that is done: milliseconds. */
void oxi_reaper_close(struct oxi_reaper *r);

#endif
