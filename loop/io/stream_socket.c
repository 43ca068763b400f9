/* SPDX-License-Identifier: MIT */
/*
 * Sockets as streams. The descriptor is registered once, edge-triggered. A receive that got less than it
 * asked for has emptied the socket, so the next one does not try but waits for the edge: a request and its
 * answer are two system calls, not three. Exceptions: a hang-up, which may have come together with the data,
 * and its edge is over; and Unix sockets, where a receive ends behind bytes that descriptors came with, whatever
 * else is there.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/io/stream.h"

#define HOW (MSG_NOSIGNAL | MSG_DONTWAIT)      /* a shared one may be blocking */

struct socket_stream {
	ox_stream s;
	struct oxi_fd *poll;
	bool ends_early;                /* a receive may get less than there is: the peer has closed its side, or a Unix socket */
};

static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	ssize_t n;

	do
		n = recv(s->fd, buf, cap, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	s->readable = (size_t)n == cap || n == 0 || ((struct socket_stream *)s)->ends_early;
	return n;
}

static ssize_t transmit(ox_stream *s, const struct iovec *v, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)n };
	ssize_t sent;

	do
		sent = n == 1 ? send(s->fd, v->iov_base, v->iov_len, HOW) : sendmsg(s->fd, &m, HOW);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static int shut(ox_stream *s)
{
	return shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN ? -errno : 0;
}

static ssize_t transmit_file(ox_stream *s, int fd, off_t offset, size_t len)
{
	ssize_t n;

	do
		n = sendfile(s->fd, fd, &offset, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void end(ox_stream *s, bool abort)
{
	struct linger reset = { .l_onoff = 1 };

	if (abort && s->transport->send_file)   /* fails on a Unix socket, which has no reset to send */
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	oxi_fd_free(((struct socket_stream *)s)->poll);
	close(s->fd);
	oxi_free(s);
}

static const struct oxi_transport transport = {
	.name = "socket", .recv = receive, .send = transmit, .shut = shut, .close = end, .send_file = transmit_file,
};

/* One that others have too: what would block for them is left out, and abort resets nothing. */
static const struct oxi_transport shared = {
	.name = "shared socket", .recv = receive, .send = transmit, .shut = shut, .close = end,
};

static bool is_unix(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

bool oxi_stream_is_unix(const ox_stream *s)
{
	return s->transport == &transport && is_unix(s->fd);
}

static void ready(void *arg, unsigned events)
{
	struct socket_stream *s = arg;

	if (events & OXI_HANG_UP)
		s->ends_early = true;
	if (events & (OX_READABLE | OXI_HANG_UP))
		oxi_stream_readable(&s->s);
	if (events & OX_WRITABLE)
		oxi_stream_writable(&s->s);
}

static int make(int fd, const struct oxi_transport *how, ox_stream **ret)
{
	struct socket_stream *s = oxi_alloc(sizeof(*s));
	int r = s ? oxi_fd_new(fd, ready, s, &s->poll) : OX_ENOMEM;

	if (r < 0) {
		close(fd);
		oxi_free(s);
		return r;
	}
	s->ends_early = is_unix(fd);
	oxi_stream_init(&s->s, how, fd, true);
	*ret = &s->s;
	return 0;
}

int oxi_stream_new(int fd, ox_stream **ret)
{
	return make(fd, &transport, ret);
}

int oxi_stream_new_shared(int fd, ox_stream **ret)
{
	return make(fd, &shared, ret);
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
