/* SPDX-License-Identifier: MIT */
/*
 * Streams over sockets. The descriptor is registered once, edge-triggered; a call tries the system call first
 * and parks when there is nothing to do. A read that got less than it asked for has emptied the socket, so
 * the next one does not try but waits for the edge: a request and its answer are two system calls, not three.
 * (The exception is a hang-up: it may have come together with the data, and its edge is over.)
 *
 * Reading: by one coroutine at a time, straight into its buffer; read_until keeps what it read too much in
 * the stream's.
 * Writing: what the socket does not take is copied to the stream's buffer and sent by the reactor's callback;
 * a writer parks while more than HIGH_WATER waits there, a flusher until nothing does.
 *
 *	OPEN --write_eof--> (writing over) --close--> CLOSED, freed
 *
 * Whoever closes wakes those who are parked with OX_ECLOSED; they return without another look at the stream.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/loop.h"

#define STREAM_MAGIC 0x6d61657274730001ull
#define HIGH_WATER   OX_KIB(64)
#define READ_CHUNK   OX_KIB(16)

struct buffer {
	uint8_t *data;
	size_t start, len, cap;         /* len bytes at data + start */
};

struct ox_stream {
	uint64_t magic;
	int fd;
	struct oxi_fd *poll;
	bool readable, writable;        /* a system call may succeed */
	bool hung_up;                   /* the peer has closed its side */
	bool write_over;                /* after write_eof, close, or a write error */
	int write_error;                /* what ended writing; 0: nothing yet */
	struct oxi_wait *reader;
	struct buffer in, out;
	struct oxi_list writers, flushers;      /* waits */
};

/* ---- buffers ---- */

static void buffer_skip(struct buffer *b, size_t n)
{
	b->len -= n;
	b->start = b->len ? b->start + n : 0;
}

/* Room for n more bytes at the end; moves or grows. */
static uint8_t *buffer_room(struct buffer *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 4096;
	uint8_t *data;

	if (b->start + b->len + n <= b->cap)
		return b->data + b->start + b->len;
	if (b->len + n <= b->cap) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
		return b->data + b->len;
	}
	while (cap < b->len + n)
		cap *= 2;
	data = oxi_alloc(cap);
	if (data == NULL)
		return NULL;
	if (b->len)
		memcpy(data, b->data + b->start, b->len);
	oxi_free(b->data);
	*b = (struct buffer){ .data = data, .len = b->len, .cap = cap };
	return data + b->len;
}

/* ---- parking ---- */

static oxi_abort_answer stop_reading(struct oxi_wait *w)
{
	((ox_stream *)(uintptr_t)w->object)->reader = NULL;
	return OXI_ABORTED;
}

static oxi_abort_answer stop_writing(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

static int park(struct oxi_wait *w)
{
	int r;

	oxi_loop_hold(+1);              /* the test clock waits for real data */
	r = oxi_park(w);
	oxi_loop_hold(-1);
	return r;
}

static int wait_readable(ox_stream *s)
{
	struct oxi_wait w;

	if (s->reader)
		return OX_EBUSY;
	oxi_wait_init(&w, "read", s, stop_reading);
	s->reader = &w;
	return park(&w);
}

static int wait_in(ox_stream *s, struct oxi_list *waits, const char *kind)
{
	struct oxi_wait w;

	oxi_wait_init(&w, kind, s, stop_writing);
	oxi_list_append(waits, &w.link);
	return park(&w);
}

/* ---- the socket ---- */

static void write_failed(ox_stream *s, int error)
{
	s->write_over = true;
	s->write_error = error;
	s->out.len = s->out.start = 0;
	oxi_wake_all(&s->writers, error);
	oxi_wake_all(&s->flushers, error);
}

/* Sends what the socket takes now: the number of bytes; -errno. */
static ssize_t send_some(ox_stream *s, const void *buf, size_t len)
{
	size_t sent = 0;

	while (s->writable && sent < len) {
		ssize_t n = send(s->fd, (const char *)buf + sent, len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			s->writable = false;
		else if (errno != EINTR)
			return -errno;
	}
	return (ssize_t)sent;
}

static void send_buffered(ox_stream *s)
{
	ssize_t n = s->out.len ? send_some(s, s->out.data + s->out.start, s->out.len) : 0;

	if (n < 0) {
		write_failed(s, (int)n);
		return;
	}
	buffer_skip(&s->out, (size_t)n);
	if (s->out.len <= HIGH_WATER)
		oxi_wake_all(&s->writers, 0);
	if (s->out.len == 0)
		oxi_wake_all(&s->flushers, 0);
}

static void ready(void *arg, unsigned events)
{
	ox_stream *s = arg;

	if (events & OXI_HANG_UP)
		s->hung_up = true;
	if (events & (OX_READABLE | OXI_HANG_UP)) {
		s->readable = true;
		if (s->reader) {
			struct oxi_wait *w = s->reader;

			s->reader = NULL;
			oxi_wake(w, 0);
		}
	}
	if (events & OX_WRITABLE) {
		s->writable = true;
		send_buffered(s);
	}
}

int oxi_stream_new(int fd, ox_stream **ret)
{
	ox_stream *s = oxi_alloc(sizeof(*s));
	int r = OX_ENOMEM;

	if (s) {
		s->magic = STREAM_MAGIC;
		s->fd = fd;
		s->readable = s->writable = true;
		oxi_list_init(&s->writers);
		oxi_list_init(&s->flushers);
		r = oxi_fd_new(fd, ready, s, &s->poll);
	}
	if (r < 0) {
		close(fd);
		oxi_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int ox_stream_adopt(int fd, ox_stream **ret)
{
	int flags = fcntl(fd, F_GETFL);

	if (oxi_forked())
		return OX_EFORKED;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	if (!oxi_loop_running()) {
		close(fd);
		return OX_ESTATE;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	oxi_socket_tune(fd);
	return oxi_stream_new(fd, ret);
}

int ox_stream_pair(ox_stream **ret_a, ox_stream **ret_b)
{
	ox_stream *a = NULL;
	int fds[2], r;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = oxi_stream_new(fds[0], &a);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	r = oxi_stream_new(fds[1], ret_b);
	if (r < 0)
		ox_stream_abort(a);
	else
		*ret_a = a;
	return r;
}

int ox_connect(const char *address, ox_stream **ret)
{
	struct oxi_address a;
	ox_stream *s;
	socklen_t len = sizeof(int);
	int fd, error = 0, r = oxi_checkpoint();

	if (r == 0)
		r = oxi_address_parse(address, &a);
	if (r < 0)
		return r;
	fd = oxi_socket_new(&a);
	if (fd < 0)
		return fd;
	oxi_socket_tune(fd);
	if (connect(fd, (struct sockaddr *)&a.storage, a.len) == 0)
		return oxi_stream_new(fd, ret);
	if (errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	r = oxi_stream_new(fd, &s);
	if (r < 0)
		return r;
	s->writable = false;
	r = wait_in(s, &s->flushers, "connect");        /* the first edge of writability says how it went */
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		r = -error;
	if (r < 0)
		ox_stream_abort(s);
	else
		*ret = s;
	return r;
}

/* ---- reading ---- */

/* Reads from the socket into memory, parking until something is there: the number; 0 at the end; a negative code. */
static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	for (;;) {
		ssize_t n;
		int r;

		if (s->readable) {
			n = recv(s->fd, buf, cap, 0);
			if (n >= 0) {
				s->readable = (size_t)n == cap || n == 0 || s->hung_up;
				return n;
			}
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				return -errno;
			s->readable = false;
		}
		r = wait_readable(s);
		if (r < 0)
			return r;
	}
}

static int may_read(const ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return s->reader ? OX_EBUSY : 0;
}

static size_t take_buffered(ox_stream *s, void *buf, size_t cap)
{
	size_t n = s->in.len < cap ? s->in.len : cap;

	if (n > 0) {
		memcpy(buf, s->in.data + s->in.start, n);
		buffer_skip(&s->in, n);
	}
	return n;
}

ssize_t ox_read(ox_stream *s, void *buf, size_t cap)
{
	int r = may_read(s);
	size_t n;

	if (r < 0)
		return r;
	n = take_buffered(s, buf, cap);
	return n > 0 || cap == 0 ? (ssize_t)n : receive(s, buf, cap);
}

int ox_read_exact(ox_stream *s, void *buf, size_t n, size_t *ret_got)
{
	size_t got = 0;
	int r = may_read(s);

	if (r == 0)
		got = take_buffered(s, buf, n);
	while (r == 0 && got < n) {
		ssize_t k = receive(s, (char *)buf + got, n - got);

		if (k > 0)
			got += (size_t)k;
		else
			r = k < 0 ? (int)k : OX_EINCOMPLETE;
	}
	if (ret_got)
		*ret_got = got;
	return r;
}

/* Where the separator is in the buffered bytes, looked for from a place on; in.len if it is not there. */
static size_t find(const ox_stream *s, ox_bytes separator, size_t from)
{
	const uint8_t *data = s->in.data + s->in.start, *at = NULL;

	if (s->in.len >= from + separator.len)
		at = memmem(data + from, s->in.len - from, separator.data, separator.len);
	return at ? (size_t)(at - data) : s->in.len;
}

/* 1: something came; 0: the end. */
static ssize_t fill(ox_stream *s)
{
	uint8_t *room = buffer_room(&s->in, READ_CHUNK);
	ssize_t n = room ? receive(s, room, READ_CHUNK) : OX_ENOMEM;

	if (n > 0)
		s->in.len += (size_t)n;
	return n;
}

int ox_read_until(ox_stream *s, ox_bytes separator, size_t limit, ox_bytes *ret)
{
	size_t searched = 0, at;
	int r = may_read(s);

	if (r < 0)
		return r;
	if (separator.len == 0)
		return OX_EINVAL;
	for (;;) {
		bool found;
		ssize_t n;

		at = find(s, separator, searched);
		found = at < s->in.len;
		ret->data = s->in.data + s->in.start;
		if (found ? at > limit : s->in.len >= separator.len && s->in.len - separator.len >= limit) {
			ret->len = found ? at + separator.len : 0;
			return OX_EOVERRUN;
		}
		ret->len = found ? at + separator.len : s->in.len;
		if (found)
			break;
		searched = s->in.len < separator.len ? 0 : s->in.len - separator.len + 1;
		n = fill(s);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			ret->data = s->in.data + s->in.start;   /* the room for more has moved them */
			r = OX_EINCOMPLETE;
			break;
		}
	}
	buffer_skip(&s->in, ret->len);  /* the bytes stay where they are until the next read */
	return r;
}

/* ---- writing ---- */

static int may_write(const ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	if (s->write_error)
		return s->write_error;
	return s->write_over ? OX_ECLOSED : 0;
}

ssize_t ox_write(ox_stream *s, const void *buf, size_t len)
{
	int r = may_write(s);
	ssize_t n = 0;
	uint8_t *room;

	if (r < 0)
		return r;
	if (s->out.len == 0)
		n = send_some(s, buf, len);
	if (n < 0) {
		write_failed(s, (int)n);
		return n;
	}
	if ((size_t)n < len) {
		room = buffer_room(&s->out, len - (size_t)n);
		if (room == NULL)
			return OX_ENOMEM;
		memcpy(room, (const char *)buf + n, len - (size_t)n);
		s->out.len += len - (size_t)n;
	}
	if (s->out.len > HIGH_WATER)
		r = wait_in(s, &s->writers, "write");
	return r < 0 ? r : (ssize_t)len;
}

static int flush(ox_stream *s)
{
	return s->out.len ? wait_in(s, &s->flushers, "flush") : s->write_error;
}

int ox_flush(ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return flush(s);
}

int ox_write_eof(ox_stream *s)
{
	int r = may_write(s);

	if (r < 0)
		return r;
	s->write_over = true;
	r = flush(s);
	if (r == 0 && shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		r = -errno;
	return r;
}

/* ---- the end ---- */

static void destroy(ox_stream *s)
{
	s->magic = 0;
	if (s->reader)
		oxi_wake(s->reader, OX_ECLOSED);
	oxi_wake_all(&s->writers, OX_ECLOSED);
	oxi_wake_all(&s->flushers, OX_ECLOSED);
	oxi_fd_free(s->poll);
	close(s->fd);
	oxi_free(s->in.data);
	oxi_free(s->out.data);
	oxi_free(s);
}

int ox_close(ox_stream *s)
{
	int r;

	if (s == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	s->write_over = true;
	r = oxi_checkpoint();
	if (r == 0)
		r = flush(s);
	destroy(s);
	return r;
}

void ox_stream_abort(ox_stream *s)
{
	struct linger reset = { .l_onoff = 1 };

	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	destroy(s);
}

int ox_stream_fd(const ox_stream *s)
{
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return s->fd;
}
