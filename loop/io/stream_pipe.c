/* SPDX-License-Identifier: MIT */
/*
 * Pipes, fifos and pseudo-terminals as streams. They differ from sockets: a short read does not mean empty (a
 * hang-up may have come with the same edge, and there is no second one), there is no half to close but the
 * descriptor itself, and a terminal says EIO when its other side is gone.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/io/stream.h"

struct pipe_stream {
	ox_stream s;
	struct oxi_fd *poll;
};

static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	ssize_t n;

	if (s->fd < 0)
		return OX_ECLOSED;
	do
		n = read(s->fd, buf, cap);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EIO ? 0 : -errno;
	return n;
}

static ssize_t transmit(ox_stream *s, const struct iovec *v, int n)
{
	ssize_t sent;

	do
		sent = writev(s->fd, v, n);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static void let_go(struct pipe_stream *p)
{
	oxi_fd_free(p->poll);
	if (p->s.fd >= 0)
		close(p->s.fd);
	p->poll = NULL;
	p->s.fd = -1;
}

static int shut(ox_stream *s)
{
	let_go((struct pipe_stream *)s);
	oxi_stream_readable(s);         /* who reads the other direction of a terminal learns that there is none any more */
	return 0;
}

static void end(ox_stream *s, bool abort)
{
	(void)abort;
	let_go((struct pipe_stream *)s);
	oxi_free(s);
}

static const struct oxi_transport transport = {
	.name = "pipe", .recv = receive, .send = transmit, .shut = shut, .close = end,
};

static void ready(void *arg, unsigned events)
{
	struct pipe_stream *p = arg;

	if (events & (OX_READABLE | OXI_HANG_UP))
		oxi_stream_readable(&p->s);
	if (events & OX_WRITABLE)
		oxi_stream_writable(&p->s);
}

static int pipe_stream_new(int fd, ox_stream **ret)
{
	struct pipe_stream *p = oxi_alloc(sizeof(*p));
	int r = p ? oxi_fd_new(fd, ready, p, &p->poll) : OX_ENOMEM;

	if (r < 0) {
		close(fd);
		oxi_free(p);
		return r;
	}
	oxi_stream_init(&p->s, &transport, fd, true);
	p->s.write_over = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
	*ret = &p->s;
	return 0;
}

int ox_pipe(ox_stream **ret_reader, ox_stream **ret_writer)
{
	ox_stream *reader;
	int fds[2], r;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) < 0)
		return -errno;
	r = pipe_stream_new(fds[0], &reader);
	if (r < 0) {
		close(fds[1]);
		return r;
	}
	r = pipe_stream_new(fds[1], ret_writer);
	if (r < 0)
		ox_stream_abort(reader);
	else
		*ret_reader = reader;
	return r;
}

/* ---- what else comes as a descriptor ---- */

/* Non-blocking and closed in children of exec. */
static int prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return oxi_loop_running() ? 0 : OX_ESTATE;
}

int ox_stream_adopt(int fd, ox_stream **ret)
{
	struct stat st;
	int r;

	if (oxi_forked())
		return OX_EFORKED;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = prepare(fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	if (!S_ISSOCK(st.st_mode))
		return pipe_stream_new(fd, ret);
	oxi_socket_tune(fd);
	return oxi_stream_new(fd, ret);
}
