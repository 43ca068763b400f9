/* SPDX-License-Identifier: MIT */
/*
 * Memory is bounded twice: a capture keeps at most KEEP bytes of its own, and all captures together BUDGET.
 * What is more is appended to one file without a name in $TMPDIR, as an extent (offset, length); consecutive
 * ones grow the last extent. Freed extents are punched out of the file, so that the disk holds what waits and
 * not what has passed, and when nothing waits the file starts again at 0.
 *
 * Rejected: a file for each capture (two descriptors a job, and with -k thousands of jobs may wait for their
 * turn), and a memfd (it is memory).
 */
#include "cli/batch/capture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/temp.h"

#define KEEP   OX_KIB(32)
#define BUDGET OX_MIB(16)
#define PIECE  OX_KIB(64)

/* Makes the last extent end at the end of the file. */
static struct oxi_extent *last_extent(struct oxi_capture *c)
{
	struct oxi_extent *last = c->extents ? &c->extent[c->extents - 1] : NULL;
	if (last && last->at + (off_t)last->len == c->spill->end)
		return last;
	if (c->extents == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 4;
		struct oxi_extent *e = realloc(c->extent, cap * sizeof(*e));
		if (!e)
			return NULL;
		c->extent = e;
		c->cap = cap;
	}
	c->extent[c->extents] = (struct oxi_extent){ .at = c->spill->end };
	return &c->extent[c->extents++];
}

static int spill(struct oxi_capture *c, const void *data, size_t len)
{
	struct oxi_spill *s = c->spill;
	if (len == 0)
		return 0;
	if (s->fd < 0 && (s->fd = oxi_temp_open()) < 0)
		return -errno;
	struct oxi_extent *e = last_extent(c);
	if (!e)
		return OX_ENOMEM;
	int r = oxi_temp_write(s->fd, data, len, s->end);
	if (r < 0)
		return r;
	e->len += len;
	s->end += (off_t)len;
	s->in_file += len;
	return 0;
}

int oxi_capture_add(struct oxi_capture *c, const void *data, size_t len)
{
	struct oxi_spill *s = c->spill;
	c->len += len;
	if (c->held.len + len <= KEEP && s->in_memory + len <= BUDGET) {
		oxi_buffer_add(&c->held, data, len);
		s->in_memory += len;
		return c->held.failed ? OX_ENOMEM : 0;
	}
	int r = spill(c, c->held.data, c->held.len);
	if (r < 0)
		return r;
	s->in_memory -= c->held.len;
	oxi_buffer_free(&c->held);
	return spill(c, data, len);
}

static int each_of_extent(const struct oxi_spill *s, struct oxi_extent e, char *piece,
                          int (*fn)(void *arg, const char *data, size_t len), void *arg)
{
	while (e.len > 0) {
		ssize_t n = pread(s->fd, piece, e.len < PIECE ? e.len : PIECE, e.at);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		int r = fn(arg, piece, (size_t)n);
		if (r < 0)
			return r;
		e.at += n;
		e.len -= (size_t)n;
	}
	return 0;
}

int oxi_capture_each(struct oxi_capture *c, int (*fn)(void *arg, const char *data, size_t len), void *arg)
{
	int r = 0;
	if (c->extents) {
		char *piece = malloc(PIECE);
		if (!piece)
			return OX_ENOMEM;
		for (size_t i = 0; i < c->extents && r >= 0; i++)
			r = each_of_extent(c->spill, c->extent[i], piece, fn, arg);
		free(piece);
	}
	return r >= 0 && c->held.len ? fn(arg, c->held.data, c->held.len) : r;
}

int oxi_capture_read(const struct oxi_capture *c, size_t from, size_t most, struct oxi_buffer *to)
{
	for (size_t i = 0; i < c->extents && most > 0; i++) {
		const struct oxi_extent *e = &c->extent[i];
		size_t skip = from < e->len ? from : e->len, len = e->len - skip < most ? e->len - skip : most;
		char *room = len ? oxi_buffer_room(to, len) : NULL;
		ssize_t n = room ? pread(c->spill->fd, room, len, e->at + (off_t)skip) : 0;
		if (n < 0)
			return -errno;
		to->len += (size_t)n;
		from -= skip;
		most -= (size_t)n;
		if ((size_t)n < len)
			return 0;
	}
	if (from < c->held.len)
		oxi_buffer_add(to, c->held.data + from, c->held.len - from < most ? c->held.len - from : most);
	return 0;
}

void oxi_capture_free(struct oxi_capture *c)
{
	struct oxi_spill *s = c->spill;
	for (size_t i = 0; i < c->extents; i++) {
		/* A file system that cannot do this gives the space back when nothing waits. */
		if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, c->extent[i].at, (off_t)c->extent[i].len) < 0)
			errno = 0;
		s->in_file -= c->extent[i].len;
	}
	if (c->extents && s->in_file == 0 && ftruncate(s->fd, 0) == 0)
		s->end = 0;
	s->in_memory -= c->held.len;
	oxi_buffer_free(&c->held);
	free(c->extent);
	*c = (struct oxi_capture){ .spill = s };
}

void oxi_spill_close(struct oxi_spill *s)
{
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct oxi_spill)OXI_SPILL_INIT;
}
