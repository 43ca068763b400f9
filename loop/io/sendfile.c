/* SPDX-License-Identifier: MIT */
/*
 * A file into a stream. Sockets take it from the page cache without a copy (sendfile(2)), other streams by reading
 * and writing.
 *
 * Both would block the loop where the file is not cached. So before each chunk its first and last byte are read
 * without waiting (RWF_NOWAIT, 0.6 us each); if that fails, a thread reads the chunk into the cache. Between the two
 * bytes the kernel's read-ahead has been, or the chunk is no longer in the cache by the bad luck that every reader of
 * mapped memory has too.
 */
#include <sys/uio.h>
#include <unistd.h>

#include "loop/io/stream.h"
#include "loop/io/thread.h"
#include "loop/waits.h"

#define CHUNK OX_KIB(256)
#define COPY  OX_KIB(64)

/* ---- the page cache ---- */

struct chunk {
	int fd;
	off_t offset;
	size_t len;
};

static bool cached_at(int fd, off_t offset)
{
	char byte;
	struct iovec v = { &byte, 1 };

	return preadv2(fd, &v, 1, offset, RWF_NOWAIT) >= 0;     /* 0: the end of the file, which needs no reading */
}

/* In a thread. What is wrong with the file, the loop's own reading finds too. */
static void read_in(void *arg)
{
	const struct chunk *c = arg;
	char buf[COPY];
	size_t done = 0;
	ssize_t n = 1;

	while (n > 0 && done < c->len) {
		size_t left = c->len - done;

		n = pread(c->fd, buf, left < sizeof(buf) ? left : sizeof(buf), c->offset + (off_t)done);
		done += n > 0 ? (size_t)n : 0;
	}
}

/* 0; OX_ECLOSED: s was closed meanwhile. */
static int make_cached(ox_stream *s, struct chunk *c)
{
	struct oxi_wait presence;
	int closed, r;

	if (cached_at(c->fd, c->offset) && cached_at(c->fd, c->offset + (off_t)c->len - 1))
		return 0;
	oxi_presence_enter(&presence, &s->writers);
	r = oxi_thread_run(OXI_THREAD_FILE, read_in, c, NULL, "sendfile");
	closed = oxi_presence_leave(&presence);
	if (closed < 0 || r < 0)
		return closed < 0 ? closed : r;
	return s->write_error;
}

/* ---- a chunk ---- */

/* All of it, or up to the end of the file. The number of bytes; a negative code. *ret_sent goes along. */
static int send_chunk(ox_stream *s, const struct chunk *c, size_t *ret_sent)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && done < c->len) {
		ssize_t n;

		r = oxi_stream_wait_empty(s, "sendfile");
		if (r < 0)
			break;
		n = s->transport->send_file(s, c->fd, c->offset + (off_t)done, oxi_cut_length(&s->cut, c->len - done));
		if (n > 0)
			done += (size_t)n;
		else if (n == -EAGAIN)
			s->writable = false;
		else
			r = n < 0 ? (int)n : OX_EINCOMPLETE;
	}
	*ret_sent += done;
	return r;
}

static int copy_chunk(ox_stream *s, const struct chunk *c, size_t *ret_sent)
{
	size_t done = 0;
	void *buf = oxi_realloc(NULL, COPY);
	int r = buf ? 0 : OX_ENOMEM;

	while (r == 0 && done < c->len) {
		size_t left = c->len - done;
		ssize_t n = pread(c->fd, buf, left < COPY ? left : COPY, c->offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : n == 0 ? OX_EINCOMPLETE : 0;
		if (r == 0)
			n = ox_write(s, buf, (size_t)n);
		if (r == 0 && n < 0)
			r = (int)n;
		else if (r == 0)
			done += (size_t)n;
	}
	*ret_sent += done;
	oxi_free(buf);
	return r;
}

int ox_sendfile(ox_stream *s, int fd, off_t offset, size_t len, size_t *ret_sent)
{
	size_t sent = 0;
	int r = oxi_stream_may_write(s);

	if (r == 0 && (offset < 0 || len > (size_t)(INT64_MAX - offset)))
		r = OX_EINVAL;
	while (r == 0 && sent < len) {
		struct chunk c = { fd, offset + (off_t)sent, len - sent < CHUNK ? len - sent : CHUNK };

		r = make_cached(s, &c);
		if (r == 0)
			r = (s->transport->send_file ? send_chunk : copy_chunk)(s, &c, &sent);
		if (r == 0 && sent < len)
			r = oxi_stream_may_write(s);    /* a peer that takes all must not keep the others waiting */
	}
	if (ret_sent)
		*ret_sent = sent;
	return r;
}
