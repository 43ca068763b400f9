/* SPDX-License-Identifier: MIT */
/* Sources together: their product, in step where they are linked, in random order if that is wished. */
#ifndef OXBOW_CLI_COMBINE_H
#define OXBOW_CLI_COMBINE_H

#include "cli/batch/source.h"

struct oxi_combine {
	struct oxi_source *source;      /* n of them */
	size_t n;
	bool recycle;                   /* all are linked, and a short one begins again until the longest has ended (--link) */
	bool *ended;                    /* of each source, for recycle */
	bool begun, over;
	bool shuffled;
	uint64_t seed, at, total;       /* of a shuffle: the next one's number, how many there are */
};

/* Has all be remembered that is needed again. @all: every source will be gone through twice. As oxi_source_open. */
int oxi_combine_keep(struct oxi_combine *c, bool all, struct oxi_buffer *why);

/* Gives them in random order from now on. Of sources that are all kept; blocks until their last record is read. */
int oxi_combine_shuffle(struct oxi_combine *c, uint64_t seed, struct oxi_buffer *why);

/* The next combination: a record in each source. Returns as oxi_source_next. */
OX_YIELDS int oxi_combine_next(struct oxi_combine *c, struct oxi_buffer *why);

/* Back to the first. */
void oxi_combine_rewind(struct oxi_combine *c);

/* How many there are, when every source knows how many records it has. Returns: false: they do not, or are too many. */
bool oxi_combine_total(const struct oxi_combine *c, uint64_t *ret);

#endif
