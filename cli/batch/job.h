/* SPDX-License-Identifier: MIT */
/* One job of a batch on its way: feeder -> slot -> printer. */
#ifndef OXBOW_CLI_JOB_H
#define OXBOW_CLI_JOB_H

#include "cli/batch/capture.h"
#include "cli/batch/reaper.h"
#include "cli/batch/template.h"

struct oxi_job {
	uint64_t seq;                   /* from 1 */
	struct oxi_capture out, err;
	struct oxi_ended ended;
	size_t n;
	ox_bytes value[];               /* n, and their bytes behind them */
};

/* Copies the values. NULL: no memory. */
struct oxi_job *oxi_job_new(uint64_t seq, const ox_bytes *value, size_t n, struct oxi_spill *spill);
void oxi_job_free(void *job);

/* Prepares it for slot: its words, NUL behind each, in out. Returns their number. */
size_t oxi_job_words(const struct oxi_job *j, const struct oxi_template *t, unsigned slot, struct oxi_buffer *out);

/* Adds a message of ours to the job's own standard error. */
int oxi_job_note(struct oxi_job *j, const char *word, const char *what);

/* What the shell would call its result: 0-255, 128+n for signal n; 126 and 127 when there was no program. */
int oxi_job_code(const struct oxi_job *j);

/* Counts of how jobs ended. */
struct oxi_tally {
	uint64_t done, failed;
	uint64_t exits[256], signals[65];
};

void oxi_tally_add(struct oxi_tally *t, const struct oxi_job *j);

/* "2 of 5 jobs failed (exit 1: 1, signal 9: 1)" */
void oxi_tally_text(const struct oxi_tally *t, struct oxi_buffer *out);

#endif
