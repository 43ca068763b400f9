/* SPDX-License-Identifier: MIT */
/* Time limits of jobs: fixed or a share of the median, and the signals that a job gets whose time is over. */
#ifndef OXBOW_CLI_TIMING_H
#define OXBOW_CLI_TIMING_H

#include <oxbow/base.h>

/* ---- the median of many times, in constant memory ---- */

#define OXI_MEDIAN_STEPS   32                           /* buckets for each power of two: 3 % wide */
#define OXI_MEDIAN_BUCKETS (64 * OXI_MEDIAN_STEPS)

struct oxi_median {
	uint64_t n;
	uint64_t bucket[OXI_MEDIAN_BUCKETS];
};

void oxi_median_add(struct oxi_median *m, ox_time t);
ox_time oxi_median_get(const struct oxi_median *m);     /* within 3 % of it; 0: there is none */

/* ---- limits ---- */

struct oxi_time_limit {
	ox_time fixed;                  /* 0: none */
	uint64_t percent;               /* of the median; 0: fixed */
};

#define OXI_LIMIT_SAMPLES 3             /* finished jobs that it takes to know a median */

/* "30s", "200%". 0, or OX_EINVAL. */
int oxi_time_limit_parse(const char *text, struct oxi_time_limit *ret);

/* How long a job may take now; OX_NEVER: as long as it likes. */
ox_time oxi_time_limit_get(const struct oxi_time_limit *l, const struct oxi_median *m);

/* ---- the end of a job by force ---- */

struct oxi_term_step {
	int signal;
	ox_time wait;                   /* before the next step */
};

#define OXI_TERM_STEPS 16
struct oxi_term_seq {
	struct oxi_term_step step[OXI_TERM_STEPS];
	unsigned n;
};

#define OXI_TERM_SEQ "TERM,200,TERM,100,TERM,50,KILL,25"

/* GNU parallel's grammar: signals, by name or number, and between them milliseconds. 0, or OX_EINVAL. */
int oxi_term_seq_parse(const char *text, struct oxi_term_seq *ret);

#endif
