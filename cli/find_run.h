/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_FIND_RUN_H
#define OXBOW_CLI_FIND_RUN_H

#include "cli/buffer.h"

/*
 * The folder of a run: name is one, or an id in ./.oxbow, or what only one there begins with.
 * Returns: 0; OX_EINVAL, and *why says why not; OX_ENOMEM. ret: to be freed.
 */
int oxi_find_run(const char *name, char **ret, struct oxi_buffer *why);

#endif
