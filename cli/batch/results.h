/* SPDX-License-Identifier: MIT */
/* --results: a folder for each job with its output and its record. */
#ifndef OXBOW_CLI_RESULTS_H
#define OXBOW_CLI_RESULTS_H

#include "cli/batch/job.h"

/* False if path has more ".." in it than the template that it was made from: a value that leads out of the tree. */
bool oxi_results_inside(const char *path, const char *text);

/*
 * Makes the folder, and in it stdout, stderr and, last, record.json. words: of the job's command.
 * Returns: 0; -errno, OX_ENOMEM.
 */
int oxi_results_write(const char *path, struct oxi_job *j, const struct oxi_buffer *words);

#endif
