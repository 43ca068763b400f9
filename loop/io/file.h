/* SPDX-License-Identifier: MIT */
/* Inside of files, for the files of loop/io that stand on them. See file.c. */
#ifndef OXBOW_LOOP_IO_FILE_H
#define OXBOW_LOOP_IO_FILE_H

#include <oxbow/file.h>

#include "loop/io/thread.h"

/* What a file is to become at ox_file_commit(). */
struct oxi_replacement {
	size_t folder_len;              /* of path: with the slash; 0: the current folder */
	mode_t mode;
	char *temporary;                /* the name that it has now; "": none. As long as path and 16 more. Behind path */
	char path[];
};

struct ox_file {
	uint64_t magic;
	int fd;
	bool writable;                  /* opened for writing, so that closing may tell of an error */
	bool no_nowait;                 /* the file system cannot write without waiting */
	unsigned users;                 /* calls that others may not free it under */
	struct oxi_wait *closer;        /* waits until there are none */
	bool closing;
	struct oxi_replacement *replacement;
};

/* Takes the descriptor, also on failure, and the replacement. 0; OX_ENOMEM. */
int oxi_file_new(int fd, bool writable, struct oxi_replacement *replacement, ox_file **ret);

/* What every call begins with. 0; OX_ECLOSED; as oxi_checkpoint(). */
int oxi_file_enter(ox_file *f);

/* Runs fn(arg) in a thread while f stays open. 0: it has run. */
int oxi_file_run(ox_file *f, void (*fn)(void *arg), void *arg, const char *what);

/* Waits until no other call is in f, for which no new one begins. */
void oxi_file_begin_close(ox_file *f);
/* Frees all but the descriptor. */
void oxi_file_free(ox_file *f);

/*
 * In a thread: reads or writes all there is, for -1 at the file's position. The number; -errno if none.
 * flags: of preadv2(2).
 */
struct oxi_transfer {
	int fd;
	bool write;
	char *buf;
	size_t len, done;
	int64_t offset;
	int error;                      /* what ended it early; 0: the file's end */
};
void oxi_transfer(struct oxi_transfer *t, int flags);

/* In a thread: takes the temporary name away. */
void oxi_replacement_drop(const struct oxi_replacement *r);

#endif
