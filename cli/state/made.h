/* SPDX-License-Identifier: MIT */
/*
 * What made each file: made.db, beside the folders of the runs. Several runs may use it at once. One coroutine at a time.
 * Without SQLite in this build, opening it answers -ENOTSUP.
 */
#ifndef OXBOW_CLI_MADE_H
#define OXBOW_CLI_MADE_H

#include "cli/batch/identity.h"
#include "cli/buffer.h"

struct oxi_made;

#define OXI_HALF_MADE (-1)              /* instead of a time: a job has begun to make it, and has not succeeded */

/* Returns: 0; OX_EDB and the like, and *why says what is wrong; OX_ENOMEM, OX_ECANCELED. */
OX_YIELDS int oxi_made_open(const char *path, struct oxi_made **ret, struct oxi_buffer *why);

/* What made a file, and the time that it had then. Returns: 1; 0: it is not known; negative, and *why. */
OX_YIELDS int oxi_made_find(struct oxi_made *m, const char *file, struct oxi_identity *ret_command, int64_t *ret_time,
                            struct oxi_buffer *why);

/* Returns: 0; negative, and *why. */
OX_YIELDS int oxi_made_put(struct oxi_made *m, const char *file, const struct oxi_identity *command, int64_t time,
                           struct oxi_buffer *why);

/* Takes NULL. */
OX_YIELDS void oxi_made_close(struct oxi_made *m);

#endif
