/* SPDX-License-Identifier: MIT */
/* An output descriptor that the loop does not wait for: standard output, standard error, a file of results. */
#ifndef OXBOW_CLI_SINK_H
#define OXBOW_CLI_SINK_H

#include <oxbow/base.h>

struct oxi_sink {
	int fd;
	bool direct;                    /* a regular file or the like, which cannot be waited for */
};

/*
 * Writes all of it. One coroutine at a time. Returns: 0; -EPIPE (the reader went), -ENOSPC and the like, OX_ECANCELED.
 */
OX_YIELDS int oxi_sink_write(struct oxi_sink *s, const void *data, size_t len);

/* Waits until nobody reads s any more; never ends for what is no pipe. Returns: -EPIPE, OX_ECANCELED. */
OX_YIELDS int oxi_sink_wait_closed(struct oxi_sink *s);

#endif
