/* SPDX-License-Identifier: MIT */
/*
 * What a placeholder may refer to: the input says it, the template's and the filter's places look it up and leave
 * behind what they need, and the input gives just that.
 */
#ifndef OXBOW_CLI_NAMES_H
#define OXBOW_CLI_NAMES_H

#include <oxbow/base.h>

#include "cli/buffer.h"

#define OXI_ANY SIZE_MAX

struct oxi_names {
	/* what there is */
	char **name;                    /* of columns: n, from the header rows, in the order of the values */
	size_t n;
	size_t values;                  /* how many values a job has; OXI_ANY: it depends on the row */
	bool open;                      /* rows are JSON objects, which may have any names */
	bool packed;                    /* several rows are one job: values have numbers, and no names */
	/* what is used */
	char **path;                    /* into JSON objects; a job has their values behind its other ones */
	size_t paths;
	size_t highest;                 /* the highest number of a value */
	bool whole;                     /* values themselves, not only what paths lead to */
};

/* How many values a job has behind its other ones. */
static inline size_t oxi_names_fields(const struct oxi_names *n)
{
	return n->packed ? 0 : n->paths;
}

/* Copies a column's name. Returns: 0; OX_EEXIST: it is there already; OX_ENOMEM. */
int oxi_names_add(struct oxi_names *n, const char *name, size_t len);

/* The number of a path, from 0, which is added if it is new. Or OX_ENOMEM. */
int oxi_names_path(struct oxi_names *n, const char *path, size_t len);

/* Says what can be written in braces, and the name that is nearest to the wrong one. */
void oxi_names_explain(const struct oxi_names *n, const char *wrong, size_t len, struct oxi_buffer *why);

void oxi_names_free(struct oxi_names *n);

#endif
