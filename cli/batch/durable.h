/* SPDX-License-Identifier: MIT */
/*
 * A run that leaves a record: what the runner has to do with its state (state.h). All of it does nothing without one, but that
 * a run may be resumed from its job log too.
 */
#ifndef OXBOW_CLI_DURABLE_H
#define OXBOW_CLI_DURABLE_H

#include "cli/batch/joblog.h"
#include "cli/batch/plan.h"
#include "cli/batch/print.h"
#include "cli/state/state.h"

/* What is to become of jobs that are on record already. */
enum oxi_resume {
	OXI_RESUME_NO,                  /* there must be no record yet */
	OXI_RESUME,                     /* they are not run again, whether they failed or not */
	OXI_RESUME_FAILED,              /* those that failed are */
	OXI_RETRY_FAILED,               /* those that failed are, and nothing else */
	OXI_ONLY,                       /* those that are asked for are, whatever became of them, and nothing else */
};

struct oxi_durable_options {
	const char *dir;                /* NULL: no record */
	bool ephemeral;                 /* none, whatever the default is */
	enum oxi_durable durable;
	enum oxi_resume resume;
	const char **only;              /* OXI_ONLY: numbers or names, "17", "thumb[3]", "thumb" for all of a task */
	size_t only_n;
};

struct oxi_durability {
	const struct oxi_durable_options *o;
	const char *command;            /* for messages */
	bool dry;                       /* nothing is run */
	struct oxi_state *state;        /* NULL: none */
	struct oxi_logged logged;       /* without state, if the run is resumed */
	struct oxi_tally *tally;        /* jobs that are done already are counted there */
	uint64_t known;                 /* that an earlier session did */
	int *body;                      /* without a state: files, bodies of them, that other jobs read, by their descriptors */
	size_t bodies;
};

/* Outside the loop, before any process is forked. Returns: 0; an exit code, and it was said why. */
int oxi_durable_open(struct oxi_durability *d, const char *id);

/* Does the run go on from its job log? */
bool oxi_durable_from_log(const struct oxi_durable_options *o);

/*
 * The same of a run that is resumed from the job log path, "+FILE" too: reads it, and sets p->known. What is left of a line
 * at its end is cut off, unless it is only looked at.
 */
int oxi_durable_log(struct oxi_durability *d, struct oxi_plan *p, const char *path, bool look);

void oxi_durable_free(struct oxi_durability *d);

/* Inside the loop: begins the record, sets p->known, writes down the plan. Returns: 0; what was said. */
OX_YIELDS int oxi_durable_begin(struct oxi_durability *d, struct oxi_plan *p, const struct oxi_run_info *info);

/* Shows what earlier sessions recorded and did not show. 0; -EPIPE and the like: the output is gone; what was said. */
OX_YIELDS int oxi_durable_catch_up(struct oxi_durability *d, struct oxi_printer *p);

/* Writes down how j ended for good, and completes what it has made. 0; -ENOSPC and the like. oxi_state_error() has words. */
OX_YIELDS int oxi_durable_record(struct oxi_durability *d, struct oxi_job *j);

/* Writes down an attempt that is followed by another one. */
int oxi_durable_attempt(struct oxi_durability *d, const struct oxi_job *j);

OX_YIELDS int oxi_durable_end(struct oxi_durability *d, uint64_t skipped, int exit);

#endif
