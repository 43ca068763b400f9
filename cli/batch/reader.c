/* SPDX-License-Identifier: MIT */
/*
 * A product of lists goes through all but the first again and again, and a shuffle through all. A file is just read
 * again. What a pipe or a terminal gives is gone, so where it will be needed again it is written to a temporary file on
 * its way, and what was there once comes from that: disk is spent, memory never.
 */
#include "cli/batch/reader.h"

#include <oxbow/run.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/sink.h"
#include "cli/temp.h"

void oxi_reader_init(struct oxi_reader *r, int fd)
{
	struct stat st;
	*r = (struct oxi_reader){ .fd = fd, .spool = -1, .piece = OX_KIB(64), .waits = oxi_waits(fd) };
	r->regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	r->start = r->regular ? lseek(fd, 0, SEEK_CUR) : 0;
	if (r->start < 0)
		r->regular = false;
}

int oxi_reader_keep(struct oxi_reader *r)
{
	if (r->regular || r->spool >= 0)
		return 0;
	r->spool = oxi_temp_open();
	if (r->spool < 0)
		return -errno;
	r->spool_start = oxi_reader_at(r);
	r->spooled = r->next;
	return oxi_temp_write(r->spool, oxi_reader_data(r), oxi_reader_len(r), 0);
}

static ssize_t read_pipe(struct oxi_reader *r, char *to, size_t len)
{
	if (r->waits && ox_loop_self()) {
		int w = ox_wait_fd(r->fd, OX_READABLE);
		if (w < 0)
			return w;
	}
	ssize_t n = read(r->fd, to, len);
	if (n < 0 && errno == EAGAIN && !ox_loop_self())
		poll(&(struct pollfd){ .fd = r->fd, .events = POLLIN }, 1, -1);
	if (n < 0)
		return -errno;
	if (r->spool >= 0) {
		int w = oxi_temp_write(r->spool, to, (size_t)n, r->spooled - r->spool_start);
		if (w < 0)
			return w;
		r->spooled += n;
	}
	return n;
}

static ssize_t read_some(struct oxi_reader *r, char *to, size_t len)
{
	ssize_t n;
	if (r->regular)
		n = pread(r->fd, to, len, r->start + r->next);
	else if (r->next < r->spooled) {
		off_t left = r->spooled - r->next;
		n = pread(r->spool, to, left < (off_t)len ? (size_t)left : len, r->next - r->spool_start);
	} else
		return read_pipe(r, to, len);
	return n < 0 ? -errno : n;
}

int oxi_reader_more(struct oxi_reader *r)
{
	if (oxi_reader_len(r) > OXI_LINE_MAX)
		return OX_ETOOBIG;
	if (r->from > 0) {
		r->held.len -= r->from;
		memmove(r->held.data, r->held.data + r->from, r->held.len);
		r->from = 0;
	}
	char *room = oxi_buffer_room(&r->held, r->piece);
	if (!room)
		return OX_ENOMEM;
	ssize_t n = read_some(r, room, r->piece);
	if (n < 0)
		return n == -EINTR || n == -EAGAIN ? 0 : (int)n;
	r->held.len += (size_t)n;
	r->next += n;
	r->eof = n == 0;
	return 0;
}

void oxi_reader_seek(struct oxi_reader *r, off_t at)
{
	/* Only forward: what is taken may have been changed in place. */
	if (at >= oxi_reader_at(r) && at <= r->next) {
		r->from += (size_t)(at - oxi_reader_at(r));
		return;
	}
	r->next = at;
	r->held.len = r->from = 0;
	r->eof = false;
}

void oxi_reader_close(struct oxi_reader *r)
{
	if (r->fd > STDIN_FILENO)
		close(r->fd);
	if (r->spool >= 0)
		close(r->spool);
	oxi_buffer_free(&r->held);
	*r = (struct oxi_reader){ .fd = -1, .spool = -1 };
}
