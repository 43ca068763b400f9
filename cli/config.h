/* SPDX-License-Identifier: MIT */
/* Options that are not on the command line: in OXBOW_ variables, and in the file ~/.config/oxbow/config. */
#ifndef OXBOW_CLI_CONFIG_H
#define OXBOW_CLI_CONFIG_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/command.h"

/* An option that was given. */
struct oxi_given {
	const struct oxi_option *option;
	const char *value;              /* NULL: none */
	const char *where;              /* the variable, or FILE:LINE, in a block that also has the value; NULL: the command line */
};

/* A row of them; all-zero is an empty one. Lack of memory is remembered in failed. */
struct oxi_givens {
	struct oxi_given *v;
	size_t n, cap;
	bool failed;
};

/* Adds one, and owns its block. It takes the place of what another source said of its option, unless options of that name add up. */
void oxi_givens_add(struct oxi_givens *g, struct oxi_given one);

/* Adds what the file, then what the environment says of a command's options. Returns: 0; OX_EINVAL: said what is wrong there. */
int oxi_config_read(const struct oxi_command *c, struct oxi_givens *ret);

/* Prints a line for each option: its name, its value, where that comes from. */
void oxi_config_print(const struct oxi_command *c, const struct oxi_givens *g, FILE *to);

#endif
