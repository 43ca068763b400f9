/* SPDX-License-Identifier: MIT */
/* What the progress line says. No I/O, no clock. */
#ifndef OXBOW_CLI_PROGRESS_H
#define OXBOW_CLI_PROGRESS_H

#include "cli/batch/outcome.h"

struct oxi_progress {
	const struct oxi_tally *tally;
	uint64_t total;                 /* 0: unknown */
	unsigned running, slots;
	ox_time elapsed;                /* since the run began, without the time in which it was stopped */
	ox_time mean;                   /* wall time of a job, of late; 0: unknown */
	const char *busy;               /* what holds back the next start; NULL: nothing */
	bool bar;                       /* draw one */
};

/* How long it will still take; OX_NEVER: nobody knows yet. */
ox_time oxi_progress_left(const struct oxi_progress *p);

/* "45s", "3m20s", "2h05m", "3d04h": no more digits than anybody believes. */
void oxi_duration_text(ox_time t, char *text, size_t cap);

/* The line, at most width columns. */
void oxi_progress_text(const struct oxi_progress *p, size_t width, char *line, size_t cap);

#endif
