/* SPDX-License-Identifier: MIT */
/*
 * What only sockets can do: descriptors sent along with bytes over a Unix socket (SCM_RIGHTS, unix(7)), and who is at
 * the other end.
 *
 * Received descriptors are in the process as soon as the system call returns. So the call always has room for the most
 * that the kernel sends (253), and whatever cannot be handed on is closed here: nothing leaks.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/io/stream.h"

#define MOST 253                        /* SCM_MAX_FD of the kernel */

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(MOST * sizeof(int))];
};

/* ---- sending ---- */

static ssize_t send_along(ox_stream *s, const void *buf, size_t len, const int *fds, size_t n)
{
	size_t size = n * sizeof(int);
	union control control = {
		.header = { .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS },
	};
	struct iovec v = { (void *)(uintptr_t)buf, len };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(size) };
	ssize_t sent;

	memcpy(CMSG_DATA(&control.header), fds, size);
	do
		sent = sendmsg(s->fd, &m, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

ssize_t ox_send_fds(ox_stream *s, const void *buf, size_t len, const int *fds, size_t n)
{
	int r = oxi_stream_may_write(s);
	ssize_t sent = -EAGAIN;

	if (r == 0 && (len == 0 || len > SSIZE_MAX || n == 0 || n > MOST || !oxi_stream_is_unix(s)))
		return OX_EINVAL;
	while (r == 0 && sent == -EAGAIN) {     /* what was written before goes first */
		r = oxi_stream_wait_empty(s, "send descriptors");
		if (r == 0)
			sent = send_along(s, buf, len, fds, n);
		if (r == 0 && sent == -EAGAIN)
			s->writable = false;
	}
	if (r < 0 || sent < 0)
		return r < 0 ? r : sent;
	sent = oxi_stream_write(s, &(ox_bytes){ (const char *)buf + sent, len - (size_t)sent }, 1);
	if (sent == OX_ENOMEM)
		oxi_stream_write_failed(s, OX_ENOMEM);          /* a part is out: more must not follow the gap */
	return sent < 0 ? sent : (ssize_t)len;
}

/* ---- receiving ---- */

struct received {
	int fds[MOST];
	size_t n;
	bool cut;                       /* there were more than the process may have */
};

static void collect(struct msghdr *m, struct received *ret)
{
	ret->n = 0;
	ret->cut = m->msg_flags & MSG_CTRUNC;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		OXI_CHECK(len <= sizeof(ret->fds) - ret->n * sizeof(int));
		memcpy(ret->fds + ret->n, CMSG_DATA(c), len);
		ret->n += len / sizeof(int);
	}
}

static ssize_t receive_along(ox_stream *s, void *buf, size_t cap, struct received *ret)
{
	union control control;
	struct iovec v = { buf, cap };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(s->fd, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	collect(&m, ret);
	return n;
}

static int close_all(struct received *got, int error)
{
	for (size_t i = 0; i < got->n; i++)
		close(got->fds[i]);
	return error;
}

/* Hands on what came. The number of bytes; a negative code, and nothing is left open. */
static ssize_t hand_on(struct received *got, ssize_t bytes, int *fds, size_t *n)
{
	if (got->cut)
		return close_all(got, -EMFILE);
	if (got->n > *n)
		return close_all(got, OX_ETOOBIG);
	memcpy(fds, got->fds, got->n * sizeof(int));
	*n = got->n;
	return bytes;
}

ssize_t ox_recv_fds(ox_stream *s, void *buf, size_t cap, int *fds, size_t *n)
{
	int r = oxi_stream_may_read(s);
	struct received got = { .n = 0 };
	size_t before;

	if (r < 0)
		return r;
	if (cap == 0 || !oxi_stream_is_unix(s))
		return OX_EINVAL;
	before = oxi_buffer_take(&s->in, buf, cap);
	if (before > 0) {               /* read earlier: nothing came along */
		*n = 0;
		return (ssize_t)before;
	}
	for (;;) {
		ssize_t bytes = s->readable ? receive_along(s, buf, cap, &got) : -EAGAIN;

		if (bytes >= 0)
			return hand_on(&got, bytes, fds, n);
		if (bytes != -EAGAIN)
			return bytes;
		s->readable = false;
		r = oxi_stream_wait_readable(s);
		if (r < 0)
			return r;
	}
}

/* ---- the other end ---- */

int ox_stream_credentials(const ox_stream *s, ox_credentials *ret)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	if (!oxi_stream_is_unix(s))
		return OX_EINVAL;
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &c, &len) < 0)
		return -errno;
	*ret = (ox_credentials){ .pid = c.pid, .uid = c.uid, .gid = c.gid };
	return 0;
}

static int address_of(const ox_stream *s, int (*ask)(int, struct sockaddr *, socklen_t *), ox_address *ret)
{
	ox_address a = { .len = sizeof(a.storage) };

	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	if (ask(s->fd, (struct sockaddr *)&a.storage, &a.len) < 0)
		return errno == ENOTSOCK || errno == EBADF ? OX_EINVAL : -errno;
	*ret = a;
	return 0;
}

int ox_stream_peer(const ox_stream *s, ox_address *ret)
{
	return address_of(s, getpeername, ret);
}

int ox_stream_local(const ox_stream *s, ox_address *ret)
{
	return address_of(s, getsockname, ret);
}
