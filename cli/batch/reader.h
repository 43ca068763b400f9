/* SPDX-License-Identifier: MIT */
/* The bytes of a file, pipe or terminal, read as they are needed; again, where they are needed again. */
#ifndef OXBOW_CLI_READER_H
#define OXBOW_CLI_READER_H

#include <oxbow/base.h>
#include <sys/types.h>

#include "cli/buffer.h"

#define OXI_LINE_MAX OX_MIB(2)          /* of a record, so that one without an end does not fill memory */

struct oxi_reader {
	int fd;
	bool waits;                     /* fd may have nothing yet */
	bool regular;                   /* fd is a file, and is read by position */
	off_t start;                    /* of a file: where we began; a shell may have read before us */
	int spool;                      /* -1, or a temporary file: what a pipe has given, to be read again */
	off_t spool_start, spooled;     /* from where to where */
	off_t next;                     /* where the next bytes come from, counted from our beginning */
	struct oxi_buffer held;         /* bytes that are read and not taken start at from */
	size_t from;
	size_t piece;                   /* how much is asked for at a time */
	bool eof;
};

/* fd is given, unless it is standard input. */
void oxi_reader_init(struct oxi_reader *r, int fd);

/* From what is held now on, all can be read again. Returns: 0; -errno of the temporary file. */
int oxi_reader_keep(struct oxi_reader *r);

/*
 * Reads more behind what is held, which moves. Returns: 0, also at the end (eof); OX_ETOOBIG: more than OXI_LINE_MAX is
 * held; -errno, OX_ENOMEM, OX_ECANCELED. Yields: inside a loop, while there is nothing yet. Outside of one it blocks.
 */
OX_YIELDS int oxi_reader_more(struct oxi_reader *r);

static inline char *oxi_reader_data(const struct oxi_reader *r)
{
	return r->held.data + r->from;
}

static inline size_t oxi_reader_len(const struct oxi_reader *r)
{
	return r->held.len - r->from;
}

/* Where the held bytes begin. */
static inline off_t oxi_reader_at(const struct oxi_reader *r)
{
	return r->next - (off_t)oxi_reader_len(r);
}

/* Goes to a place that was read already. The reader is one that was kept. */
void oxi_reader_seek(struct oxi_reader *r, off_t at);

void oxi_reader_close(struct oxi_reader *r);

#endif
