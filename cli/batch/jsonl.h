/* SPDX-License-Identifier: MIT */
/* Rows that are JSON objects, one a line, and the values in them. */
#ifndef OXBOW_CLI_JSONL_H
#define OXBOW_CLI_JSONL_H

#include <oxbow/base.h>

#include "cli/buffer.h"

struct oxi_jsonl;

/*
 * Reads a line. *at is the character that is wrong, from 1, or 0. Returns: 0; OX_EINVAL, and *why says what is
 * wrong; OX_ENOMEM.
 */
int oxi_jsonl_read(ox_bytes line, struct oxi_jsonl **ret, size_t *ret_at, struct oxi_buffer *why);

/*
 * Adds the value at path ("user.name", "tags.0") to out: a string without its quotes, null as nothing, an object or array
 * as JSON. A name may hold dots: the longest that fits is taken.
 * Returns: 0; -ENOENT: there is none, and the name that is nearest is added to *why.
 */
int oxi_jsonl_get(const struct oxi_jsonl *j, const char *path, struct oxi_buffer *out, struct oxi_buffer *why);

void oxi_jsonl_free(struct oxi_jsonl *j);

#endif
