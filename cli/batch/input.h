/* SPDX-License-Identifier: MIT */
/* Where a batch's values come from: lists on the command line, or lines of a file. Either is read as it is needed. */
#ifndef OXBOW_CLI_INPUT_H
#define OXBOW_CLI_INPUT_H

#include <oxbow/base.h>

#include "cli/buffer.h"

/* A list of values that stands after one ::: or :::+. */
struct oxi_list_arg {
	char **value;
	size_t n;
	bool linked;                    /* :::+: goes in step with the list before it */
};

struct oxi_input {
	ox_bytes *value;                /* of the current job */
	size_t lists;                   /* how many values a job has */
	/* the product of lists */
	struct oxi_list_arg *list;
	size_t *at;                     /* for each list, the position of the next job */
	bool ended;
	/* lines */
	int fd;                         /* -1: lists */
	char separator;
	struct oxi_buffer held;         /* bytes read and not given yet start at from */
	size_t from;
	uint64_t line;                  /* the number of the line given last */
	bool eof, waits;
};

#define OXI_LINE_MAX OX_MIB(2)          /* longer words no program can be given anyway (execve: 128 KiB) */

/* words are what follows the command: `::: a b ::: 1 2`. 0; OX_EINVAL; OX_ENOMEM. They are borrowed. */
int oxi_input_lists(struct oxi_input *in, char **words, size_t n);

/* fd is given. separator: '\n' or NUL. */
int oxi_input_lines(struct oxi_input *in, int fd, char separator);

/*
 * Gives the next job's values, borrowed until the next call, in in->value.
 * Returns: 1; 0 at the end; OX_ETOOBIG (a line is over OXI_LINE_MAX), OX_EINVAL (a NUL in line in->line),
 * -errno, OX_ECANCELED, OX_ENOMEM. Yields: while a pipe or terminal has nothing.
 */
OX_YIELDS int oxi_input_next(struct oxi_input *in);

/* How many jobs there will be; 0: unknown. */
uint64_t oxi_input_total(const struct oxi_input *in);

void oxi_input_close(struct oxi_input *in);

#endif
