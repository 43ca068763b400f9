/* SPDX-License-Identifier: MIT */
/*
 * What all jobs of a task have given, as the standard input of one that comes after it: {words[*].value}, a line of JSON for
 * each value, or {pages[*].body}, a line with the path of each file. In the order in which the jobs ended.
 */
#ifndef OXBOW_CLI_GATHER_H
#define OXBOW_CLI_GATHER_H

#include "cli/batch/job.h"

enum oxi_gather { OXI_GATHER_NOTHING, OXI_GATHER_VALUES, OXI_GATHER_BODIES, OXI_GATHER_UNKNOWN };

/* Is text such a place, and nothing else? UNKNOWN: of something else that jobs give. *ret_name is the task's name, borrowed. */
enum oxi_gather oxi_gather_parse(const char *text, ox_bytes *ret_name);

/* Adds what j, which has succeeded, has given to its task's list. */
void oxi_gather_add(struct oxi_task *t, const struct oxi_job *j);

/*
 * Makes the list of from a file that t's jobs read, and part of what they are. It has no name in any folder, and goes when we do.
 * Returns: 0; -errno, OX_ENOMEM.
 */
int oxi_gather_open(struct oxi_task *t, const struct oxi_task *from);

#endif
