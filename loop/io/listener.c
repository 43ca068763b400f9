/* SPDX-License-Identifier: MIT */
/* Listeners: a listening socket, edge-triggered; accept is tried first, and parks when nobody waits to be let in. */
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/loop.h"

#define LISTENER_MAGIC 0x6e657473696c0001ull

struct ox_listener {
	uint64_t magic;
	int fd;
	struct oxi_fd *poll;
	struct oxi_wait *acceptor;
	struct oxi_address address;     /* as bound */
};

void ox_listen_options_init(ox_listen_options *o)
{
	*o = *OX_LISTEN_OPTIONS(.size = sizeof(*o));
}

static void ready(void *arg, unsigned events)
{
	ox_listener *l = arg;
	struct oxi_wait *w = l->acceptor;

	(void)events;
	l->acceptor = NULL;
	if (w)
		oxi_wake(w, 0);
}

/* Binds and listens; the address as bound comes back. 0; -errno. */
static int bind_listen(int fd, const ox_listen_options *o, struct oxi_address *a)
{
	int one = 1;

	if (a->storage.ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (o->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a->storage, a->len) < 0)
		return -errno;
	if (listen(fd, o->backlog > 0 ? o->backlog : 511) < 0)
		return -errno;
	a->len = sizeof(a->storage);
	return getsockname(fd, (struct sockaddr *)&a->storage, &a->len) < 0 ? -errno : 0;
}

int ox_listen(const char *address, const ox_listen_options *o, ox_listener **ret)
{
	struct oxi_address a;
	ox_listener *l;
	int fd, r = oxi_address_parse(address, &a);

	if (oxi_forked())
		return OX_EFORKED;
	if (r < 0)
		return r;
	if (!oxi_loop_running())
		return OX_ESTATE;
	fd = oxi_socket_new(&a);
	if (fd < 0)
		return fd;
	r = bind_listen(fd, o ? o : OX_LISTEN_OPTIONS(.backlog = 0), &a);
	l = r == 0 ? oxi_alloc(sizeof(*l)) : NULL;
	if (l) {
		*l = (ox_listener){ .magic = LISTENER_MAGIC, .fd = fd, .address = a };
		r = oxi_fd_new(fd, ready, l, &l->poll);
	} else if (r == 0) {
		r = OX_ENOMEM;
	}
	if (r < 0) {
		close(fd);
		oxi_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static oxi_abort_answer give_up(struct oxi_wait *w)
{
	((ox_listener *)(uintptr_t)w->object)->acceptor = NULL;
	return OXI_ABORTED;
}

static int wait_connection(ox_listener *l)
{
	struct oxi_wait w;
	int r;

	oxi_wait_init(&w, "accept", l, give_up);
	l->acceptor = &w;
	oxi_loop_hold(+1);
	r = oxi_park(&w);
	oxi_loop_hold(-1);
	return r;
}

int ox_accept(ox_listener *l, ox_stream **ret)
{
	int r = l ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	if (l->acceptor)
		return OX_EBUSY;
	for (;;) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			oxi_socket_tune(fd);
			return oxi_stream_new(fd, ret);
		}
		if (errno == EAGAIN) {
			r = wait_connection(l);
			if (r < 0)
				return r;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return -errno;
		}
	}
}

int ox_listener_address(const ox_listener *l, char *buf, size_t cap)
{
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	return oxi_address_format(&l->address, buf, cap);
}

void ox_listener_close(ox_listener *l)
{
	const struct sockaddr_un *un;

	if (l == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	un = (const struct sockaddr_un *)&l->address.storage;
	if (un->sun_family == AF_UNIX && un->sun_path[0] != '\0')
		unlink(un->sun_path);
	l->magic = 0;
	if (l->acceptor)
		oxi_wake(l->acceptor, OX_ECLOSED);
	oxi_fd_free(l->poll);
	close(l->fd);
	oxi_free(l);
}
