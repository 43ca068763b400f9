/* SPDX-License-Identifier: MIT */
/*
 * Streams over descriptors that others have too. O_NONBLOCK belongs to the open file, not to the descriptor:
 * set on standard input it would meet the shell, and every program after this one, as errors where they
 * expect to wait.
 *
 *	socket               MSG_DONTWAIT in each call (stream_socket.c)
 *	pipe, FIFO, tty      opened again by /proc/self/fd: an open file of our own, non-blocking (stream_pipe.c)
 *	anything else        threads, below
 *
 * Threads: one read and one write are under way at most, each with a buffer of its own. Both first wait until
 * the descriptor is ready, or the stream is closed or its loop ends (an eventfd), so that a terminal at which
 * nobody types holds up no end; regular files are always ready. What a file has in memory is read without a thread, see
 * file.c.
 *
 * The threads' part outlives the stream: it goes when the stream is closed and no work is under way.
 *
 * Rejected: reading at once when poll() says readable (another process may have been quicker, and the loop
 * would block); setting O_NONBLOCK and taking it back at the end (a killed program takes back nothing).
 */
#include <oxbow/stdio.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/io/stream.h"
#include "loop/io/thread.h"

#define CHUNK       OX_KIB(64)
#define CAREFUL     OX_KIB(4)           /* a write of so much does not block when poll() says writable (PIPE_BUF) */

struct threaded;

struct half {
	struct oxi_work work;
	struct threaded *of;
	bool busy;                      /* work is under way */
	bool ended;                     /* read: result is the end, or an error, and not told yet */
	ssize_t result;                 /* of work: read: the number, 0 or an error; write: 0 or an error */
	size_t at, len;                 /* of buffer: read: taken and there; write: to be written */
	char buffer[CHUNK];
};

/* What the threads use. */
struct threaded {
	struct threaded_stream *stream; /* NULL: closed */
	int fd;
	int stop;                       /* an eventfd, readable when no more is wanted; -1: a regular file */
	struct oxi_hook at_end;         /* of the loop */
	struct half in, out;
};

struct threaded_stream {
	ox_stream s;
	struct threaded *t;
};

/* ---- in threads ---- */

/* 0: ready; OX_ECLOSED; -errno. */
static int wait_ready(const struct threaded *t, short events)
{
	struct pollfd p[] = { { .fd = t->fd, .events = events }, { .fd = t->stop, .events = POLLIN } };

	if (t->stop < 0)
		return 0;
	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return p[1].revents ? OX_ECLOSED : 0;
}

static bool again(void)
{
	return errno == EINTR || errno == EAGAIN;
}

static void read_some(struct oxi_work *w)
{
	struct half *h = OXI_CONTAINER(w, struct half, work);

	do {
		h->result = wait_ready(h->of, POLLIN);
		if (h->result < 0)
			return;
		h->result = read(h->of->fd, h->buffer, sizeof(h->buffer));
	} while (h->result < 0 && again());
	if (h->result < 0)
		h->result = -errno;
}

static void write_all(struct oxi_work *w)
{
	struct half *h = OXI_CONTAINER(w, struct half, work);
	size_t most = h->of->stop < 0 ? CHUNK : CAREFUL;

	h->result = 0;
	while (h->result == 0 && h->at < h->len) {
		size_t len = h->len - h->at;
		ssize_t n;

		h->result = wait_ready(h->of, POLLOUT);
		if (h->result < 0)
			return;
		n = write(h->of->fd, h->buffer + h->at, len < most ? len : most);
		if (n >= 0)
			h->at += (size_t)n;
		else if (!again())
			h->result = -errno;
	}
}

/* ---- between the two ---- */

static void stop_waiting(struct threaded *t)
{
	uint64_t one = 1;

	oxi_hook_disarm(&t->at_end);
	if (t->stop >= 0 && write(t->stop, &one, sizeof(one)) < 0)
		OXI_CHECK(errno == EAGAIN);
}

static void end_of_loop(struct oxi_hook *h)
{
	stop_waiting(OXI_CONTAINER(h, struct threaded, at_end));
}

static void free_if_over(struct threaded *t)
{
	if (t->stream || t->in.busy || t->out.busy)
		return;
	close(t->fd);
	if (t->stop >= 0)
		close(t->stop);
	oxi_free(t);
}

static void read_done(struct oxi_work *w)
{
	struct half *h = OXI_CONTAINER(w, struct half, work);
	struct threaded *t = h->of;

	h->busy = false;
	h->at = 0;
	h->len = h->result > 0 ? (size_t)h->result : 0;
	h->ended = h->result <= 0;
	if (t->stream)
		oxi_stream_readable(&t->stream->s);
	else
		free_if_over(t);
}

static void write_done(struct oxi_work *w)
{
	struct half *h = OXI_CONTAINER(w, struct half, work);
	struct threaded *t = h->of;

	h->busy = false;
	if (t->stream)
		oxi_stream_writable(&t->stream->s);
	else
		free_if_over(t);
}

/*
 * That no thread can be had must not look like "would wait". The hook comes after the work, so that it is run before
 * the loop's end waits for that.
 */
static int submit(struct half *h)
{
	int r;

	h->busy = true;
	r = oxi_work_submit(&h->work);
	if (r == 0) {
		oxi_hook_at_end(&h->of->at_end);
		return 0;
	}
	h->busy = false;
	return r == -EAGAIN ? OX_ENOMEM : r;
}

/* ---- the transport ---- */

static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	struct threaded *t = ((struct threaded_stream *)s)->t;
	struct half *h = &t->in;
	struct iovec v = { buf, cap };
	size_t n = h->len - h->at;
	ssize_t now;
	int r;

	if (h->busy)
		return -EAGAIN;
	if (n > 0) {
		n = n < cap ? n : cap;
		memcpy(buf, h->buffer + h->at, n);
		h->at += n;
		return (ssize_t)n;
	}
	if (h->ended) {
		h->ended = false;
		return h->result;
	}
	now = t->stop < 0 ? preadv2(t->fd, &v, 1, -1, RWF_NOWAIT) : -1;
	if (now >= 0)
		return now;
	r = submit(h);
	return r < 0 ? r : -EAGAIN;
}

static ssize_t transmit(ox_stream *s, const struct iovec *v, int n)
{
	struct half *h = &((struct threaded_stream *)s)->t->out;
	int r;

	if (h->busy)
		return -EAGAIN;
	if (h->result < 0)
		return h->result;
	h->at = h->len = 0;
	for (int i = 0; i < n && h->len < CHUNK; i++) {
		size_t room = CHUNK - h->len, len = v[i].iov_len < room ? v[i].iov_len : room;

		memcpy(h->buffer + h->len, v[i].iov_base, len);
		h->len += len;
	}
	r = submit(h);
	if (r < 0)
		return r;
	s->holding = true;
	return (ssize_t)h->len;
}

static int flush(ox_stream *s)
{
	struct half *h = &((struct threaded_stream *)s)->t->out;

	if (h->busy)
		return -EAGAIN;
	s->holding = false;
	return (int)h->result;
}

static int shut(ox_stream *s)
{
	(void)s;
	return 0;                       /* the descriptor is not ours to close */
}

static void end(ox_stream *s, bool abort)
{
	struct threaded *t = ((struct threaded_stream *)s)->t;

	(void)abort;
	t->stream = NULL;
	stop_waiting(t);
	free_if_over(t);
	oxi_free(s);
}

static const struct oxi_transport transport = {
	.name = "file", .recv = receive, .send = transmit, .flush = flush, .shut = shut, .close = end,
};

/* ---- making one ---- */

static void half_init(struct half *h, struct threaded *t, void (*run)(struct oxi_work *), void (*done)(struct oxi_work *))
{
	h->of = t;
	h->work.run = run;
	h->work.done = done;
	h->work.kind = OXI_THREAD_FREE;         /* somebody may think for ever about what to type */
}

static int threaded_open(struct threaded *t, int fd, bool regular)
{
	half_init(&t->in, t, read_some, read_done);
	half_init(&t->out, t, write_all, write_done);
	t->stop = -1;
	oxi_hook_init(&t->at_end, end_of_loop);
	t->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (t->fd < 0)
		return -errno;
	if (!regular)
		t->stop = eventfd(0, EFD_CLOEXEC);
	return regular || t->stop >= 0 ? 0 : -errno;
}

static int threaded_new(int fd, int flags, bool regular, ox_stream **ret)
{
	struct threaded_stream *s = oxi_alloc(sizeof(*s));
	struct threaded *t = s ? oxi_alloc(sizeof(*t)) : NULL;
	int r = t ? threaded_open(t, fd, regular) : OX_ENOMEM;

	if (r < 0) {
		if (t && t->fd >= 0)
			close(t->fd);
		oxi_free(t);
		oxi_free(s);
		return r;
	}
	s->t = t;
	t->stream = s;
	oxi_stream_init(&s->s, &transport, fd, true);
	s->s.write_over = (flags & O_ACCMODE) == O_RDONLY;
	*ret = &s->s;
	return 0;
}

/* Opening the master of a pseudo-terminal again would make another terminal. */
static bool may_open_again(int fd, const struct stat *st)
{
	return S_ISFIFO(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev != makedev(5, 2) && isatty(fd));
}

static int open_again(int fd, int flags)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return open(self, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static int borrow_socket(int fd, ox_stream **ret)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return own < 0 ? -errno : oxi_stream_new_shared(own, ret);
}

int ox_stream_borrow(int fd, ox_stream **ret)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL), own = -1;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode))
		return borrow_socket(fd, ret);
	if (may_open_again(fd, &st))
		own = open_again(fd, flags);
	return own < 0 ? threaded_new(fd, flags, S_ISREG(st.st_mode), ret) : ox_stream_adopt(own, ret);
}
