/* SPDX-License-Identifier: MIT */
/* When a job that failed is run again, and how long it waits first. Decisions only: no clock, no chance of its own. */
#ifndef OXBOW_CLI_RETRY_H
#define OXBOW_CLI_RETRY_H

#include "cli/batch/outcome.h"

struct oxi_backoff {
	ox_time base, max;              /* 0: no wait */
};

/* Which outcomes are worth another try: a bit for each exit code and each signal. */
struct oxi_retry_on {
	uint64_t exits[4], signals[2];
	bool timeout;
};

static inline bool oxi_bit(const uint64_t *bits, unsigned i)
{
	return bits[i / 64] >> i % 64 & 1;
}

struct oxi_retry {
	unsigned tries;                 /* in all; 0: until it succeeds. 1: no retry */
	struct oxi_backoff backoff;
	struct oxi_retry_on on;
};

/* Every failure is worth another try. */
void oxi_retry_on_all(struct oxi_retry_on *ret);

/* "exit:1,75 signal timeout": "exit" and "signal" alone mean each of them. 0, or OX_EINVAL. */
int oxi_retry_on_parse(const char *text, struct oxi_retry_on *ret);

/* "1s..60s"; "1s" goes up to a minute, or stays what it is if that is more. 0, or OX_EINVAL. */
int oxi_backoff_parse(const char *text, struct oxi_backoff *ret);

/* attempt: the one that ended so, from 1. */
bool oxi_retry_wanted(const struct oxi_retry *r, unsigned attempt, struct oxi_outcome o);

/* The wait before the next attempt, by 64 random bits: anything from 0 to base * 2^(attempt-1), at most max. */
ox_time oxi_backoff_wait(struct oxi_backoff b, unsigned attempt, uint64_t random);

#endif
