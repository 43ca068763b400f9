/* SPDX-License-Identifier: MIT */
/* What templates are made of; for template.c and shell.c. */
#ifndef OXBOW_CLI_PART_H
#define OXBOW_CLI_PART_H

#include "cli/batch/template.h"

struct oxi_part {
	enum { OXI_LITERAL, OXI_PLACE, OXI_WORD_END } kind;
	ox_bytes text;                  /* of a literal: borrowed from the command's words */
	struct oxi_place place;
	char quote;                     /* in the text of sh -c: what the place is inside of: 0, ' or " */
};

void oxi_part_add(struct oxi_template *t, struct oxi_part part);
void oxi_part_literal(struct oxi_template *t, const char *from, const char *to);

/* Reads a place at p and adds it. Returns: its length; 0: it is none; OX_EINVAL, OX_ENOMEM. */
ssize_t oxi_part_place(struct oxi_template *t, const char *p, bool shell, char quote, struct oxi_names *names,
                       struct oxi_buffer *why);

size_t oxi_shell_expand(const struct oxi_template *t, const struct oxi_values *v, struct oxi_buffer *out);

#endif
