/* SPDX-License-Identifier: MIT */
/* An output descriptor that the loop does not wait for: standard output, standard error, a file of results. */
#ifndef OXBOW_CLI_SINK_H
#define OXBOW_CLI_SINK_H

#include <oxbow/base.h>

struct oxi_sink {
	int fd;
	bool waits;                     /* pipe, socket, terminal; files and devices are always ready */
};

/* True for a descriptor that may have to be waited for, and can be. */
bool oxi_waits(int fd);

struct oxi_sink oxi_sink_of(int fd);

/*
 * Writes all of it. One coroutine at a time. Returns: 0; -EPIPE (the reader went), -ENOSPC and the like,
 * OX_ECANCELED.
 */
OX_YIELDS int oxi_sink_write(struct oxi_sink *s, const void *data, size_t len);

/* Waits until nobody reads s any more; never ends for what is no pipe. Returns: -EPIPE, OX_ECANCELED. */
OX_YIELDS int oxi_sink_wait_closed(const struct oxi_sink *s);

#endif
