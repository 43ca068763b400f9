/* SPDX-License-Identifier: MIT */
/* What is on record of a job. */
#ifndef OXBOW_CLI_FOUND_H
#define OXBOW_CLI_FOUND_H

#include <oxbow/base.h>

#include "cli/batch/outcome.h"

/* Output that is kept: in the record, or in a file of blobs/. */
struct oxi_stored {
	ox_bytes data;
	char *path;                     /* NULL: it is in data */
};

struct oxi_found {
	uint64_t seq;
	unsigned session;               /* that recorded it, from 1 */
	uint32_t task;
	const char *name;               /* NULL: none */
	ox_bytes words;                 /* NUL behind each */
	struct oxi_outcome outcome;
	unsigned attempt, slot;
	double began;
	ox_time wall, user, system;
	size_t max_rss;
	uint64_t received[2];
	bool shown;
	const char *why;
	struct oxi_stored out, err;
	ox_bytes value;                 /* data NULL: none */
	void *result;                   /* what all this is borrowed from */
};

void oxi_found_free(struct oxi_found *f);

/* Gives the bytes piece by piece to fn until it returns negative; that is returned. 0; -errno, OX_ENOMEM. */
int oxi_stored_each(const struct oxi_stored *s, int (*fn)(void *arg, const char *data, size_t len), void *arg);

#endif
