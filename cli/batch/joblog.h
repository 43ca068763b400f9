/* SPDX-License-Identifier: MIT */
/* --joblog: one line a finished job, in the nine columns of GNU parallel, whose --resume can read it. */
#ifndef OXBOW_CLI_JOBLOG_H
#define OXBOW_CLI_JOBLOG_H

#include "cli/batch/job.h"

/* path: "+FILE" appends to FILE. Returns: a descriptor; -errno. */
int oxi_joblog_open(const char *path);

/* began: of the job, as seconds since 1970. words: of its command, NUL behind each. */
void oxi_joblog_line(const struct oxi_job *j, double began, const struct oxi_buffer *words, struct oxi_buffer *out);

/* Returns: 0; -errno; OX_ENOMEM. */
int oxi_joblog_write(int fd, const struct oxi_buffer *line);

#endif
