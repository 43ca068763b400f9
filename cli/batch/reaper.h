/* SPDX-License-Identifier: MIT */
/*
 * The reaper: a small process, forked first, that starts the jobs, waits for them, and kills them when the
 * runner is gone. The runner makes the pipes and keeps their read ends.
 */
#ifndef OXBOW_CLI_REAPER_H
#define OXBOW_CLI_REAPER_H

#include <oxbow/base.h>

#include "cli/batch/child.h"

#define OXI_WORDS_MAX OX_MIB(4)         /* bytes of one job's words; the kernel's own limit is about 2 MiB */

struct oxi_reaper {
	pid_t pid;
	int fd;                         /* SOCK_SEQPACKET to it */
	unsigned slots;
	char *words;                    /* shared: OXI_WORDS_MAX for each slot */
};

enum oxi_report_kind {
	OXI_STARTED,                    /* only if asked for */
	OXI_ENDED,                      /* the job's own process */
	OXI_GONE,                       /* what it had left in its process group, after an ENDED that was not alone */
};

/* What the reaper tells about the job in a slot. */
struct oxi_report {
	enum oxi_report_kind kind;
	unsigned slot, serial;          /* serial: as the start had it */
	pid_t pid;
	/* of ENDED: */
	bool alone;                     /* nothing of the job is left, so no GONE follows */
	int error;                      /* errno of what kept the program from running; else 0 */
	enum oxi_stage {
		OXI_AT_EXEC, OXI_AT_CWD, OXI_AT_STDIN, OXI_AT_LIMITS,
	} stage;                        /* what failed with error */
	int status;                     /* as of wait() */
	ox_time began, ended;           /* CLOCK_MONOTONIC */
	ox_time user, system;           /* CPU time */
	size_t max_rss;                 /* bytes */
};

/* A job to be started. */
struct oxi_start {
	unsigned slot, serial;
	uint64_t seq;
	unsigned attempt;
	const char *words;              /* folder and input if there are such, env times "K=V", then n words; a NUL behind each */
	size_t len, env, n;
	int nice;                       /* added to what all jobs are given */
	bool cwd;                       /* the first of words is the folder to run in */
	enum oxi_stdin input;           /* unless NULL, the next one is the input: a path, or text */
	bool report;                    /* OXI_STARTED is wanted */
	int out, err;                   /* become its standard output and error */
};

/* Forks it. Call it while there is one thread. child, run: what all jobs are given. Returns: 0; -errno; OX_ENOMEM. */
int oxi_reaper_open(unsigned slots, const struct oxi_child *child, const char *run, struct oxi_reaper *ret);

/* Starts a job in a free slot. Returns: 0; -E2BIG; -EPIPE when the reaper is gone; -errno. */
int oxi_reaper_start(struct oxi_reaper *r, const struct oxi_start *s);

/*
 * Sends a signal to the process group of the job in a slot, or of all: OXI_ALL_SLOTS. One
 * that is to end it (any but SIGTSTP and SIGCONT) also marks the job: when its own process has ended, what has left the
 * group is killed, and only then the job is over. Returns: 0; -EPIPE, -errno.
 */
#define OXI_ALL_SLOTS UINT32_MAX
int oxi_reaper_signal(struct oxi_reaper *r, unsigned slot, int signal);

/* The next report. Returns: 1; 0: none now, wait until r->fd is readable; -EPIPE: the reaper is gone. */
int oxi_reaper_next(struct oxi_reaper *r, struct oxi_report *ret);

/* Ends it, and with it all that still runs of any job. Blocks until that is done: milliseconds. */
void oxi_reaper_close(struct oxi_reaper *r);

#endif
