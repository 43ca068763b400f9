/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/socket.h>

#include "pool/packet.h"

int oxi_packet_send(int socket, const struct oxi_packet *p, const int *fds, unsigned n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int[OXI_PACKET_FDS]))];
	} control;
	struct iovec io = { .iov_base = (void *)p, .iov_len = sizeof *p };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > 0) {
		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	do
		sent = sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *m, int fds[OXI_PACKET_FDS])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

int oxi_packet_receive(int socket, struct oxi_packet *ret, int fds[OXI_PACKET_FDS])
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int[OXI_PACKET_FDS]))];
	} control;
	struct iovec io = { .iov_base = ret, .iov_len = sizeof *ret };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t got;

	for (unsigned i = 0; i < OXI_PACKET_FDS; i++)
		fds[i] = -1;
	do
		got = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (got == 0)
		return 0;
	take_fds(&m, fds);
	return got == (ssize_t)sizeof *ret ? 1 : OX_EPROTO;
}
