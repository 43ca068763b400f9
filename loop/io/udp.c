/* SPDX-License-Identifier: MIT */
/*
 * UDP. As with streams the system call comes first and parking after EAGAIN. There is no buffer of our own: a send that
 * the kernel does not take waits until it does, so a fast sender is held back and nothing is dropped here.
 */
#include <netinet/in.h>
#include <unistd.h>

#include <oxbow/udp.h>

#include "loop/waits.h"

#define UDP_MAGIC 0x7064750000000001ull
#define BATCH     64                    /* datagrams in one system call */

struct ox_udp {
	uint64_t magic;
	int fd;
	struct oxi_fd *poll;
	struct oxi_list readers, writers;       /* waits; readers: one at most */
	ox_address address;             /* as bound */
};

void ox_udp_options_init(ox_udp_options *o)
{
	*o = *OX_UDP_OPTIONS(.size = sizeof(*o));
}

static void ready(void *arg, unsigned events)
{
	ox_udp *u = arg;

	if (events & OX_READABLE)
		oxi_waits_wake(&u->readers, 0);
	if (events & OX_WRITABLE)
		oxi_waits_wake(&u->writers, 0);
}

/* ---- opening ---- */

static int set_option(int fd, int option, int value)
{
	return value && setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_up(int fd, const ox_udp_options *o, ox_address *a)
{
	int r = set_option(fd, SO_REUSEPORT, o->reuse_port);

	if (r == 0)
		r = set_option(fd, SO_BROADCAST, o->broadcast);
	if (r == 0)
		r = set_option(fd, SO_RCVBUF, o->receive_buffer);
	if (r == 0)
		r = set_option(fd, SO_SNDBUF, o->send_buffer);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&a->storage, a->len) < 0)
		return -errno;
	a->len = sizeof(a->storage);
	return getsockname(fd, (struct sockaddr *)&a->storage, &a->len) < 0 ? -errno : 0;
}

static int udp_new(int fd, const ox_address *a, ox_udp **ret)
{
	ox_udp *u = oxi_alloc(sizeof(*u));
	int r = u ? oxi_fd_new(fd, ready, u, &u->poll) : OX_ENOMEM;

	if (r < 0) {
		oxi_free(u);
		return r;
	}
	u->magic = UDP_MAGIC;
	u->fd = fd;
	u->address = *a;
	oxi_list_init(&u->readers);
	oxi_list_init(&u->writers);
	*ret = u;
	return 0;
}

int ox_udp_open(const char *local, const ox_udp_options *o, ox_udp **ret)
{
	ox_address a;
	int fd, r = ox_address_parse(local, &a);

	if (oxi_forked())
		return OX_EFORKED;
	if (r < 0 || a.storage.ss_family == AF_UNIX)
		return OX_EINVAL;
	if (!oxi_loop_running())
		return OX_ESTATE;
	fd = socket(a.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = set_up(fd, o ? o : OX_UDP_OPTIONS(.reuse_port = false), &a);
	if (r == 0)
		r = udp_new(fd, &a, ret);
	if (r < 0)
		close(fd);
	return r;
}

int ox_udp_connect(ox_udp *u, const char *address)
{
	ox_address a;
	int r = ox_address_parse(address, &a);

	OXI_CHECK_OBJECT(u, UDP_MAGIC);
	if (r < 0)
		return r;
	if (connect(u->fd, (struct sockaddr *)&a.storage, a.len) < 0)
		return -errno;
	u->address.len = sizeof(u->address.storage);    /* the kernel may have chosen a nearer one */
	return getsockname(u->fd, (struct sockaddr *)&u->address.storage, &u->address.len) < 0 ? -errno : 0;
}

/* ---- datagrams ---- */

static int may_use(ox_udp *u)
{
	if (u == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(u, UDP_MAGIC);
	return oxi_checkpoint_at(&u->writers);
}

static int may_receive(ox_udp *u)
{
	int r = may_use(u);

	return r == 0 && !oxi_list_empty(&u->readers) ? OX_EBUSY : r;
}

/* After a system call that failed: 0: try again; a negative code. */
static int wait_after(ox_udp *u, struct oxi_list *waits, const char *kind)
{
	if (errno == EINTR)
		return 0;
	return errno == EAGAIN ? oxi_waits_park(waits, kind, u, true) : -errno;
}

ssize_t ox_udp_recv(ox_udp *u, void *buf, size_t cap, ox_address *ret_from)
{
	int r = may_receive(u);

	while (r == 0) {
		ox_address from = { .len = sizeof(from.storage) };
		ssize_t n = recvfrom(u->fd, buf, cap, MSG_TRUNC, (struct sockaddr *)&from.storage, &from.len);

		if (n >= 0) {
			if (ret_from)
				*ret_from = from;
			return n;
		}
		r = wait_after(u, &u->readers, "datagram");
	}
	return r;
}

ssize_t ox_udp_send(ox_udp *u, const void *buf, size_t len, const ox_address *to)
{
	int r = may_use(u);

	while (r == 0) {
		ssize_t n = sendto(u->fd, buf, len, MSG_NOSIGNAL, to ? (const struct sockaddr *)&to->storage : NULL, to ? to->len : 0);

		if (n >= 0)
			return n;
		r = wait_after(u, &u->writers, "send");
	}
	return r;
}

/* ---- batches ---- */

struct batch {
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	unsigned n;
};

static void batch_add(struct batch *b, const ox_datagram *d, const void *peer, socklen_t peer_len, size_t len)
{
	unsigned i = b->n++;

	b->parts[i] = (struct iovec){ d->data, len };
	b->headers[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = (void *)(uintptr_t)peer, .msg_namelen = peer_len,
	                                               .msg_iov = &b->parts[i], .msg_iovlen = 1 } };
}

int ox_udp_recv_many(ox_udp *u, ox_datagram *d, size_t n)
{
	struct batch b = { .n = 0 };
	int r = may_receive(u);

	if (r == 0 && n == 0)
		return OX_EINVAL;
	for (size_t i = 0; i < n && i < BATCH; i++)
		batch_add(&b, &d[i], &d[i].peer.storage, sizeof(d[i].peer.storage), d[i].cap);
	while (r == 0) {
		int got = recvmmsg(u->fd, b.headers, b.n, 0, NULL);

		for (int i = 0; i < got; i++) {
			d[i].len = b.headers[i].msg_len;
			d[i].truncated = b.headers[i].msg_hdr.msg_flags & MSG_TRUNC;
			d[i].peer.len = b.headers[i].msg_hdr.msg_namelen;
		}
		if (got >= 0)
			return got;
		r = wait_after(u, &u->readers, "datagram");
	}
	return r;
}

int ox_udp_send_many(ox_udp *u, const ox_datagram *d, size_t n)
{
	size_t sent = 0;
	int r = n > INT32_MAX ? OX_EINVAL : may_use(u);

	while (r == 0 && sent < n) {
		struct batch b = { .n = 0 };
		int k;

		for (size_t i = sent; i < n && b.n < BATCH; i++)
			batch_add(&b, &d[i], d[i].peer.len ? &d[i].peer.storage : NULL, d[i].peer.len, d[i].len);
		k = sendmmsg(u->fd, b.headers, b.n, MSG_NOSIGNAL);
		if (k >= 0)
			sent += (unsigned)k;
		else
			r = wait_after(u, &u->writers, "send");
	}
	return sent > 0 ? (int)sent : r;
}

/* ---- the rest ---- */

int ox_udp_address(const ox_udp *u, char *buf, size_t cap)
{
	OXI_CHECK_OBJECT(u, UDP_MAGIC);
	return ox_address_format(&u->address, buf, cap);
}

int ox_udp_fd(const ox_udp *u)
{
	OXI_CHECK_OBJECT(u, UDP_MAGIC);
	return u->fd;
}

void ox_udp_close(ox_udp *u)
{
	if (u == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(u, UDP_MAGIC);
	u->magic = 0;
	oxi_waits_end(&u->readers, OX_ECLOSED);
	oxi_waits_end(&u->writers, OX_ECLOSED);
	oxi_fd_free(u->poll);
	close(u->fd);
	oxi_free(u);
}
