/* SPDX-License-Identifier: MIT */
/*
 * Where a batch's values come from: sources, combined, filtered, and packed.
 *
 *	sources (source.h) --combine--> combinations --filter--> records --pack--> jobs
 *
 * Open it, make the template of the command with its names, begin it, complete the template and others.
 */
#ifndef OXBOW_CLI_INPUT_H
#define OXBOW_CLI_INPUT_H

#include "cli/batch/combine.h"
#include "cli/batch/filter.h"
#include "cli/batch/pack.h"

struct oxi_input_options {
	struct oxi_source_arg *source;  /* n of them; none: standard input */
	size_t n;
	struct oxi_format format;
	bool link;                      /* all are in step, and short ones begin again */
	bool shuffle;
	uint64_t seed;
	const char *filter;             /* NULL: none */
	bool packed, fill, context;     /* several records a job; as many as fit; a word is the context of {} */
	size_t most;                    /* of them */
	unsigned jobs;                  /* at a time */
};

struct oxi_input {
	ox_bytes *value;                /* of the current job: n of them, the last ones those of paths */
	size_t n;
	struct oxi_names names;
	struct oxi_buffer why;          /* what is wrong: text without NUL; empty: nothing but a code */
	const struct oxi_input_options *o;
	struct oxi_combine combine;
	struct oxi_filter *filter;
	struct oxi_pack pack;
	ox_bytes *record;               /* the values of a combination */
	size_t record_n, record_cap;
	struct oxi_buffer fields;       /* the text of JSON values */
	uint64_t total;                 /* 0: unknown */
};

/*
 * Opens the sources and reads their headers. o is borrowed. Returns: 0; OX_EINVAL and other codes, and why says what is
 * wrong; OX_ENOMEM. Close it in any case. Blocks: until headers are there.
 */
int oxi_input_open(struct oxi_input *in, const struct oxi_input_options *o);

/*
 * Makes the filter, and the order of the jobs, of which t makes the command. As oxi_input_open. *ret_usage: it is the
 * command line that is wrong. Blocks: to shuffle, until all is read.
 */
int oxi_input_begin(struct oxi_input *in, const struct oxi_template *t, bool *ret_usage);

/*
 * Completes a template that was made with the names of an input that is begun, before the first job is taken. As
 * oxi_input_open. Blocks: until all is read, to count the jobs if the template says their number.
 */
int oxi_input_complete(struct oxi_input *in, struct oxi_template *t);

/*
 * Gives the next job's values, borrowed until the next call, in in->value.
 * Returns: 1; 0 at the end; OX_ECANCELED, OX_ENOMEM; another negative code, and in->why says what is wrong and where.
 * Yields: while a pipe or terminal has nothing.
 */
OX_YIELDS int oxi_input_next(struct oxi_input *in);

/* How many jobs there will be; 0: unknown, or none. */
uint64_t oxi_input_total(const struct oxi_input *in);

void oxi_input_close(struct oxi_input *in);

#endif
