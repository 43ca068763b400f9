/* SPDX-License-Identifier: MIT */
/* How an attempt of a job ended. */
#ifndef OXBOW_CLI_OUTCOME_H
#define OXBOW_CLI_OUTCOME_H

#include <oxbow/base.h>

enum oxi_status {
	OXI_OK,
	OXI_FAILED,
	OXI_TIMEOUT,                    /* ended by us: it had had its time */
	OXI_INTERRUPTED,                /* ended by us, or never begun: the run ends. Neither failed nor done */
	OXI_SKIPPED,                    /* never begun: what it comes after was not as it had to be */
	OXI_UP_TO_DATE,                 /* never begun: the files that it makes are newer than those it reads */
	OXI_STATUSES,
};

struct oxi_outcome {
	enum oxi_status status;
	int exit;                       /* 0-255; 126, 127: there was no program. 0 if a signal ended it */
	int signal;                     /* 0: none */
};

/* "ok", "failed", "timeout", "interrupted", "skipped", "up-to-date". The numbers are on record: they stay. */
const char *oxi_status_name(enum oxi_status status);

/* What the shell would call it: 0-255, 128+n for signal n. */
int oxi_outcome_code(struct oxi_outcome o);

/* Counts of outcomes. */
struct oxi_tally {
	uint64_t done, failed;          /* failed ones are done too, as are those that had not to run; timeouts are failed */
	uint64_t interrupted, timeouts;
	uint64_t skipped, fresh;        /* are done */
	uint64_t exits[256], signals[65];
};

void oxi_tally_add(struct oxi_tally *t, struct oxi_outcome o);

struct oxi_buffer;
/* "2 of 5 jobs failed (exit 1: 1, signal 9: 1)" */
void oxi_tally_text(const struct oxi_tally *t, struct oxi_buffer *out);

#endif
