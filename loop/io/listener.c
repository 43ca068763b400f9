/* SPDX-License-Identifier: MIT */
/*
 * Listeners: a listening socket, edge-triggered; accept is tried first, and parks when nobody waits to be let in.
 *
 *	LISTENING --stop--> STOPPED (no descriptor, connecting is refused) --close--> freed
 *
 * A listener comes from an address, from a descriptor, or from the service manager that started the process
 * (activated.c).
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/io/socket.h"
#include "loop/waits.h"

#define LISTENER_MAGIC 0x6e657473696c0001ull

struct ox_listener {
	uint64_t magic;
	int fd;                         /* -1: stopped */
	struct oxi_fd *poll;
	struct oxi_wait *acceptor;      /* in accept or pause, from parking until it runs again */
	bool pausing;                   /* it is in pause */
	struct oxi_list beginning;      /* waits: in the first step of accept */
	bool made_file;                 /* of a Unix socket: it is removed in the end */
	ox_address address;             /* as bound */
};

void ox_listen_options_init(ox_listen_options *o)
{
	*o = *OX_LISTEN_OPTIONS(.size = sizeof(*o));
}

static void ready(void *arg, unsigned events)
{
	ox_listener *l = arg;

	(void)events;
	if (!l->pausing)
		oxi_wait_wake(l->acceptor, 0);
}

/* ---- making ---- */

static int listener_new(int fd, const ox_address *a, ox_listener **ret)
{
	ox_listener *l = oxi_alloc(sizeof(*l));
	int r = OX_ENOMEM;

	if (l) {
		*l = (ox_listener){ .magic = LISTENER_MAGIC, .fd = fd, .address = *a };
		oxi_list_init(&l->beginning);
		r = oxi_fd_new(fd, ready, l, &l->poll);
	}
	if (r < 0) {
		close(fd);
		oxi_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

static int bound_address(int fd, ox_address *ret)
{
	ret->len = sizeof(ret->storage);
	return getsockname(fd, (struct sockaddr *)&ret->storage, &ret->len) < 0 ? -errno : 0;
}

/* Binds and listens; the address as bound comes back. 0; -errno. */
static int bind_listen(int fd, const ox_listen_options *o, ox_address *a)
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
	return bound_address(fd, a);
}

static void remove_file(const ox_address *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;

	if (un->sun_family == AF_UNIX && un->sun_path[0] != '\0')
		unlink(un->sun_path);
}

int ox_listen(const char *address, const ox_listen_options *o, ox_listener **ret)
{
	ox_address a;
	int fd, r = ox_address_parse(address, &a);

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
	if (r < 0) {
		close(fd);
		return r;
	}
	r = listener_new(fd, &a, ret);
	if (r < 0)
		remove_file(&a);
	else
		(*ret)->made_file = true;
	return r;
}

/* A socket that listens for connections. 0; OX_EINVAL, -errno. */
static int listens(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) < 0)
		return -errno;
	return yes ? 0 : OX_EINVAL;
}

int ox_listener_adopt(int fd, ox_listener **ret)
{
	ox_address a = { .len = 0 };
	int flags = fcntl(fd, F_GETFL), r;

	if (oxi_forked())
		return OX_EFORKED;
	if (flags < 0)
		return -errno;
	r = oxi_loop_running() ? listens(fd) : OX_ESTATE;
	if (r == 0)
		r = bound_address(fd, &a);
	if (r == 0 && (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0))
		r = -errno;
	if (r == 0)
		return listener_new(fd, &a, ret);
	close(fd);
	return r;
}

/* ---- accepting ---- */

/* Parks as the acceptor. A result of OX_ECLOSED may mean that l is gone. */
static int park(ox_listener *l, struct oxi_wait *w, bool pausing)
{
	int r;

	l->acceptor = w;
	l->pausing = pausing;
	r = oxi_park(w);
	if (r != OX_ECLOSED) {
		l->acceptor = NULL;
		l->pausing = false;
	}
	return r;
}

static int wait_connection(ox_listener *l)
{
	struct oxi_wait w;
	int r;

	oxi_wait_init(&w, "accept", l, oxi_wait_give_up);
	oxi_loop_hold(+1);
	r = park(l, &w, false);
	oxi_loop_hold(-1);
	return r;
}

struct alarm {
	struct oxi_timer timer;
	struct oxi_wait *wait;
};

static void time_has_come(struct oxi_timer *t)
{
	oxi_wait_wake(OXI_CONTAINER(t, struct alarm, timer)->wait, 0);
}

int oxi_listener_pause(ox_listener *l, struct oxi_wait *w, ox_time until)
{
	struct alarm alarm = { .wait = w };
	int r;

	if (l->acceptor || l->fd < 0)
		return l->acceptor ? OX_EBUSY : OX_ECLOSED;
	oxi_wait_init(w, "accept paused", l, oxi_wait_give_up);
	oxi_timer_init(&alarm.timer, time_has_come);
	r = oxi_timer_set(&alarm.timer, until);
	if (r == 0)
		r = park(l, w, true);
	oxi_timer_clear(&alarm.timer);
	return r;
}

/* accept(2), "Error handling": what the network did to a connection that waited; the next may be good. */
static bool of_one_connection(int error)
{
	switch (error) {
	case EINTR: case ECONNABORTED: case ENETDOWN: case EPROTO: case ENOPROTOOPT: case EHOSTDOWN: case ENONET:
	case EHOSTUNREACH: case EOPNOTSUPP: case ENETUNREACH:
		return true;
	default:
		return false;
	}
}

int ox_accept(ox_listener *l, ox_stream **ret)
{
	int r;

	if (l == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	r = oxi_checkpoint_at(&l->beginning);
	if (r < 0 || l->acceptor)
		return r < 0 ? r : OX_EBUSY;
	while (l->fd >= 0) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			oxi_socket_tune(fd);
			return oxi_stream_new(fd, ret);
		}
		if (errno == EAGAIN) {
			r = wait_connection(l);
			if (r < 0)
				return r;
		} else if (!of_one_connection(errno)) {
			return -errno;
		}
	}
	return OX_ECLOSED;
}

int ox_listener_address(const ox_listener *l, char *buf, size_t cap)
{
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	return ox_address_format(&l->address, buf, cap);
}

/* ---- the end ---- */

void ox_listener_stop(ox_listener *l)
{
	if (l == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(l, LISTENER_MAGIC);
	oxi_waits_end(&l->beginning, OX_ECLOSED);
	if (l->fd < 0)
		return;
	if (l->made_file)
		remove_file(&l->address);
	oxi_fd_free(l->poll);
	close(l->fd);
	l->poll = NULL;
	l->fd = -1;
	oxi_wait_end(l->acceptor, OX_ECLOSED);
	l->acceptor = NULL;
	l->pausing = false;
}

void ox_listener_close(ox_listener *l)
{
	if (l == NULL || oxi_forked())
		return;
	ox_listener_stop(l);
	l->magic = 0;
	oxi_free(l);
}
