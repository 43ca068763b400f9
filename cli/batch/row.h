/* SPDX-License-Identifier: MIT */
/* The columns of one record, and the splitting of a line into them. All-zero is an empty row. */
#ifndef OXBOW_CLI_ROW_H
#define OXBOW_CLI_ROW_H

#include <oxbow/base.h>

#include "cli/batch/regex.h"

struct oxi_row {
	ox_bytes *field;                /* n of them, borrowed */
	size_t n, cap;
	bool failed;                    /* for lack of memory */
};

void oxi_row_add(struct oxi_row *row, const void *data, size_t len);

/*
 * Cuts line at each match of the expression, and takes white space off both ends of each column, as GNU parallel does.
 * Returns: 0; OX_ETOOBIG: a match costs too much; OX_ENOMEM.
 */
int oxi_row_split(struct oxi_row *row, const struct oxi_regex *at, ox_bytes line);

void oxi_row_free(struct oxi_row *row);

#endif
