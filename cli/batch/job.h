/* SPDX-License-Identifier: MIT */
/* One job of a batch on its way: feeder -> slot (-> retry -> slot) -> ledger -> printer. */
#ifndef OXBOW_CLI_JOB_H
#define OXBOW_CLI_JOB_H

#include "cli/batch/capture.h"
#include "cli/batch/jsonl.h"
#include "cli/batch/outcome.h"
#include "cli/batch/reaper.h"
#include "cli/batch/task.h"

/* What a job has made, besides output: for the jobs that are made from it. */
struct oxi_product {
	struct oxi_buffer value;        /* JSON: of a function; empty: none */
	struct oxi_buffer body;         /* the path of the file that has its standard output or the page; empty: there is none */
	struct oxi_buffer url;          /* of the page, after redirects */
	int code;                       /* of HTTP; 0: it was no fetch */
};

struct oxi_job {
	struct oxi_task *task;
	uint64_t index;                 /* in its task, from 1 */
	uint64_t seq;                   /* in the run, from 1 */
	unsigned attempt;               /* from 1; 0: none was begun */
	unsigned slot;                  /* that ran the last attempt, from 0 */
	struct oxi_identity identity;   /* if the run leaves a record */
	struct oxi_buffer name;         /* "thumb[3]", NUL behind it; empty: it has none */
	struct oxi_buffer words;        /* of its command, NUL behind each */
	struct oxi_capture out, err;
	uint64_t received[2];           /* bytes of standard output and error, whether kept or passed on */
	struct oxi_report ended;        /* of the last attempt */
	struct oxi_outcome outcome;
	ox_time wall;                   /* it ran so long, without the time in which the run was stopped */
	ox_time due;                    /* while it waits for its next attempt: when that is */
	struct oxi_buffer tag;          /* stands before each line of its output */
	struct oxi_jsonl *row;          /* what it is made from, by names; NULL: nobody wants to know */
	struct oxi_product product;
	bool given_up;                  /* somebody has asked that it ends */
	char *fault;                    /* why it cannot be run, whatever its command; NULL */
	size_t n;
	ox_bytes value[];               /* n, and their bytes behind them */
};

/* Copies the values. NULL: no memory. */
struct oxi_job *oxi_job_new(struct oxi_task *task, uint64_t seq, const ox_bytes *value, size_t n, struct oxi_spill *spill);
void oxi_job_free(void *job);

/* Forgets what an attempt has left, before the next one. */
void oxi_job_again(struct oxi_job *j);

/* Adds what a template makes of the job in a slot, from 0: words, NUL behind each. Returns their number. */
size_t oxi_job_expand(const struct oxi_job *j, const struct oxi_template *t, unsigned slot, struct oxi_buffer *out);

/* A message of the command's about the job, with newline, for its own standard error. */
void oxi_job_note(struct oxi_buffer *out, const char *command, const char *word, const char *what);

/* What ended says, if nobody but the job ended it. */
struct oxi_outcome oxi_job_outcome(const struct oxi_report *ended);

#endif
