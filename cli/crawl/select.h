/* SPDX-License-Identifier: MIT */
/* --select: what XPath finds in each page, by name. */
#ifndef OXBOW_CLI_SELECT_H
#define OXBOW_CLI_SELECT_H

#include <oxbow/crunch.h>

#include "cli/buffer.h"

#define OXI_SELECT_MAX 64               /* names */

struct oxi_select;

/*
 * Reads "title=//title,h=//h1|//h2". A comma inside of quotes, brackets or parentheses is part of an expression.
 * @why: in words, with the column.
 * Returns: 0; OX_EINVAL, OX_ENOMEM.
 */
int oxi_select_new(const char *text, struct oxi_select **ret, struct oxi_buffer *why);
void oxi_select_free(struct oxi_select *s);     /* takes NULL */

/*
 * Puts a member for each name: nodes are an array of their texts, anything else is itself. Process: a worker.
 * Returns: 0, also if the reply has kept an error.
 */
int oxi_select_run(const struct oxi_select *s, ox_page_reply *out);

#endif
