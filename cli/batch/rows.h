/* SPDX-License-Identifier: MIT */
/* The rows of an entry (each, matrix) as an input. */
#ifndef OXBOW_CLI_ROWS_H
#define OXBOW_CLI_ROWS_H

#include "cli/batch/jobfile.h"
#include "cli/batch/task.h"

struct oxi_rows {
	struct oxi_input input;
	struct oxi_input_options options;
	struct oxi_source_arg *source;
	char ***word;                   /* of each source; what was found by a pattern is owned */
	bool *found;
};

/* Opens the axes of e, which stays. Returns: 0; OX_EINVAL and other codes, and *why says what is wrong; OX_ENOMEM. Close it in any case. */
OX_YIELDS int oxi_rows_open(struct oxi_rows *r, const struct oxi_entry *e, unsigned jobs, struct oxi_buffer *why);

/* Takes none of them before the templates are made. As oxi_rows_open. */
OX_YIELDS int oxi_rows_begin(struct oxi_rows *r, struct oxi_task *t, struct oxi_buffer *why);

void oxi_rows_close(struct oxi_rows *r);

#endif
