/* SPDX-License-Identifier: MIT */
/* A run: a plan, some slots. */
#ifndef OXBOW_CLI_BATCH_H
#define OXBOW_CLI_BATCH_H

#include "cli/batch/child.h"
#include "cli/batch/durable.h"
#include "cli/batch/halt.h"
#include "cli/batch/plan.h"
#include "cli/batch/retry.h"
#include "cli/batch/throttle.h"
#include "cli/batch/timing.h"

enum oxi_when { OXI_WHEN_NEVER, OXI_WHEN_AUTO, OXI_WHEN_ALWAYS };
enum oxi_exit_mode { OXI_EXIT_ANY, OXI_EXIT_COUNT, OXI_EXIT_JOB };

struct oxi_batch_options {
	const char *command;            /* the sub-command, for messages */
	unsigned jobs;                  /* at a time */
	bool keep_order, ungroup, line_buffer, dry_run, bar, eta, quiet, verbose;
	enum oxi_when colour;
	enum oxi_exit_mode exit_mode;
	struct oxi_retry retry;
	struct oxi_time_limit timeout;
	ox_time deadline;               /* of the whole run; 0: none */
	struct oxi_term_seq term_seq;
	struct oxi_halt halt;
	struct oxi_throttle_options throttle;
	struct oxi_child child;
	const char *need;               /* of each job: "cpu=2,mem=1G"; NULL: one CPU */
	const char **pool;              /* "gpu=0,1", "db:4": pools of them, borrowed texts */
	size_t pools;
	const char *tag, *cwd, *input, *results;        /* templates of one word; NULL: none */
	enum oxi_stdin input_kind;
	const char *joblog, *events;    /* NULL: none */
	struct oxi_durable_options state;
	const char *file;               /* the job file, for the record; NULL: none */
	unsigned fetches;               /* at a time */
	const ox_job *const *functions; /* that calls may be of; NULL: there are no calls */
	char *const *argv;              /* the command line from "run" on, for the first event */
};

/* What holds when no option was given to a sub-command. */
void oxi_batch_options_init(struct oxi_batch_options *o, const char *command);

/* Runs it to its end, from before there is a loop, and returns the exit code. It has said what went wrong. */
int oxi_batch_run(const struct oxi_batch_options *o, struct oxi_plan *plan);

#endif
