/* SPDX-License-Identifier: MIT */
/*
 * Captured output: small amounts stay in memory, the rest goes to one unlinked file that all captures of a
 * batch share. All-zero but for the spill is an empty capture.
 */
#ifndef OXBOW_CLI_CAPTURE_H
#define OXBOW_CLI_CAPTURE_H

#include "cli/buffer.h"
#include "cli/sink.h"

struct oxi_spill {
	int fd;                         /* -1 until something is spilled */
	off_t end;                      /* where the next bytes go */
	size_t in_file, in_memory;      /* bytes that are not freed yet, of all captures */
};
#define OXI_SPILL_INIT { .fd = -1 }

struct oxi_extent {
	off_t at;
	size_t len;
};

struct oxi_capture {
	struct oxi_spill *spill;
	struct oxi_buffer held;         /* what follows the extents */
	struct oxi_extent *extent;
	size_t extents, cap;
	size_t len;                     /* in all */
};

/* 0; -ENOSPC and the like: the temporary file could not be written; OX_ENOMEM. */
int oxi_capture_add(struct oxi_capture *c, const void *data, size_t len);

/* Gives the captured bytes in order, piece by piece, to fn, until it returns negative; that is returned. */
int oxi_capture_each(struct oxi_capture *c, int (*fn)(void *arg, const char *data, size_t len), void *arg);

/* Adds up to most of the captured bytes, from the from-th on. 0; -errno. */
int oxi_capture_read(const struct oxi_capture *c, size_t from, size_t most, struct oxi_buffer *to);

void oxi_capture_free(struct oxi_capture *c);
void oxi_spill_close(struct oxi_spill *s);

#endif
