/* SPDX-License-Identifier: MIT */
/* A batch: one template, many inputs, some slots. */
#ifndef OXBOW_CLI_BATCH_H
#define OXBOW_CLI_BATCH_H

#include "cli/batch/input.h"
#include "cli/batch/template.h"

struct oxi_batch_options {
	unsigned jobs;                  /* at a time */
	bool keep_order, ungroup, tag, dry_run, bar, quiet, verbose;
};

/* Runs it to its end, from before there is a loop, and returns the exit code. It has said what went wrong. */
int oxi_batch_run(const struct oxi_batch_options *o, const struct oxi_template *t, struct oxi_input *in);

#endif
