/* SPDX-License-Identifier: MIT */
/* The lock of a run's folder: flock on the file "lock", which says who holds it and since when. */
#ifndef OXBOW_CLI_STATE_LOCK_H
#define OXBOW_CLI_STATE_LOCK_H

#include <oxbow/base.h>
#include <sys/types.h>

#include "cli/buffer.h"

struct oxi_holder {
	pid_t pid;                      /* 0: it is not said */
	double since;                   /* seconds since 1970 */
	char host[65];
};

/* Returns: 0; OX_EBUSY, with who has it in why; -errno. */
int oxi_lock_take(const char *dir, int *ret_fd, struct oxi_buffer *why);

/* 1: somebody holds it; 0: nobody does, or there is no such file; -errno. */
int oxi_lock_look(const char *dir, struct oxi_holder *ret);

#endif
