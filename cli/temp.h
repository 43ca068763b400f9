/* SPDX-License-Identifier: MIT */
/* A temporary file without a name, in $TMPDIR, and writing to it. */
#ifndef OXBOW_CLI_TEMP_H
#define OXBOW_CLI_TEMP_H

#include <oxbow/base.h>
#include <sys/types.h>

/* An open descriptor; -1 with errno set. Nothing is left of the file once it is closed. */
int oxi_temp_open(void);

/* 0; -errno. */
int oxi_temp_write(int fd, const char *data, size_t len, off_t at);

#endif
