/* SPDX-License-Identifier: MIT */
/* --joblog: one line a finished job, in the nine columns of GNU parallel, whose --resume can read it, as ours reads both. */
#ifndef OXBOW_CLI_JOBLOG_H
#define OXBOW_CLI_JOBLOG_H

#include <sys/types.h>

#include "cli/batch/job.h"

/* path: "+FILE" appends to FILE, as append does. Returns: a descriptor; -errno. */
int oxi_joblog_open(const char *path, bool append);

/* began: of the job, as seconds since 1970. words: of its command, NUL behind each. */
void oxi_joblog_line(const struct oxi_job *j, double began, const struct oxi_buffer *words, struct oxi_buffer *out);

/* Returns: 0; -errno; OX_ENOMEM. */
int oxi_joblog_write(int fd, const struct oxi_buffer *line);

/* ---- joblog_read.c: what a log says of the jobs of before. All-zero is one that says nothing ---- */

struct oxi_logged {
	struct oxi_logged_job {
		uint64_t seq, line;
		int exit, signal;       /* exit -1: a timeout */
	} *job;                         /* n of them, by seq; each seq once */
	size_t n, cap;
};

/*
 * Reads a log of ours or of GNU parallel. One that is not there says nothing; and a last line without an end is none.
 * *ret_end: where the last whole line ends. Returns: 0; OX_EINVAL: it is no job log, *why says where; -errno, OX_ENOMEM.
 */
int oxi_logged_read(const char *path, struct oxi_logged *ret, off_t *ret_end, struct oxi_buffer *why);

/* How the job with that number ended the last time. False: it is not in the log. */
bool oxi_logged_find(const struct oxi_logged *l, uint64_t seq, struct oxi_outcome *ret);

void oxi_logged_free(struct oxi_logged *l);

#endif
