/* SPDX-License-Identifier: MIT */
/* Folders, for what walks through them. See dir.c. */
#ifndef OXBOW_LOOP_IO_DIR_H
#define OXBOW_LOOP_IO_DIR_H

#include <oxbow/dir.h>

#include "loop/loop.h"

/*
 * As ox_dir_open(), below an open folder (NULL: the current one), and not through a symbolic link if
 * nofollow.
 */
int oxi_dir_open_at(const ox_dir *parent, const char *name, bool nofollow, ox_dir **ret);

#endif
