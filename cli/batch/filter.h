/* SPDX-License-Identifier: MIT */
/* --filter: an expression about a job's values, which says whether there is a job. */
#ifndef OXBOW_CLI_FILTER_H
#define OXBOW_CLI_FILTER_H

#include "cli/batch/place.h"

struct oxi_filter;

/* text is borrowed. Returns: 0; OX_EINVAL, and *why says what is wrong and where; OX_ENOMEM. */
int oxi_filter_new(const char *text, struct oxi_names *names, struct oxi_filter **ret, struct oxi_buffer *why);

/* Returns: 1, 0; OX_EINVAL: it has no value for these values, *why says why; OX_ENOMEM. */
int oxi_filter_passes(struct oxi_filter *f, const struct oxi_values *v, struct oxi_buffer *why);

void oxi_filter_free(struct oxi_filter *f);

#endif
