/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM as something to wait for. */
#ifndef OXBOW_CLI_SIGNALS_H
#define OXBOW_CLI_SIGNALS_H

#include <oxbow/base.h>

/*
 * From now on SIGINT and SIGTERM are blocked in this and every later thread, and readable from the descriptor
 * that is returned. Call it after the processes that do the work were forked. Returns: -errno.
 */
int oxi_signals_open(void);

/* Waits for the next one and returns its number; OX_ECANCELED. */
OX_YIELDS int oxi_signals_next(int fd);

#endif
