/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a channel on one machine.
 *
 * An accept in an ipc listener aborts the process on EMFILE, and zmq_unbind ends the accepted connections. So workers
 * listen and the parent connects: socket() with EMFILE in the connecting side is tried again by a timer. A worker's
 * listener admits one process by SO_PEERCRED, the parent; the name has 128 random bits and is used once.
 *
 * The descriptors of a worker's channel lie high (OXI_FLOOR): while it is made and connected, all lower
 * numbers are occupied. A job that closes everything breaks the channel, which kills its worker only; but no
 * file that a job opens can get a number that the library's thread still writes to.
 *
 * A worker copies what it receives, because the library aligns to 8 at best and jobs are promised 16:
 * microseconds for a message of 1 ms of work. Rejected: a monitor in the parent (it learns of deaths from
 * pidfds).
 */
#include <inttypes.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ipc/channel_inside.h"

enum { OXI_FLOOR = 512 };               /* lowest descriptor of a worker's own */

/* ---- the parent's end ---- */

int oxi_channel_new_parent(struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = oxi_channel_new(ZMQ_ROUTER, &c);

	if (r < 0)
		return r;
	r = oxi_socket_set_int(c->socket, ZMQ_ROUTER_MANDATORY, 1);
	if (r < 0) {
		oxi_channel_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* getrandom() of so few bytes neither blocks after boot nor is cut short. */
int oxi_channel_make_name(char name[OXI_CHANNEL_NAME])
{
	uint64_t nonce[2];

	if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
		return -errno;
	memset(name, 0, OXI_CHANNEL_NAME);
	snprintf(name, OXI_CHANNEL_NAME, "@oxbow-%016" PRIx64 "%016" PRIx64, nonce[0], nonce[1]);
	return 0;
}

static const char *endpoint_of(const char *name, char out[OXI_CHANNEL_NAME + 8])
{
	snprintf(out, OXI_CHANNEL_NAME + 8, "ipc://%s", name);
	return out;
}

int oxi_channel_expect(struct oxi_channel *c, const char *name)
{
	char endpoint[OXI_CHANNEL_NAME + 8];

	c->stirred = true;
	return zmq_connect(c->socket, endpoint_of(name, endpoint)) == 0 ? 0 : -errno;
}

void oxi_channel_forget(struct oxi_channel *c, const char *name)
{
	char endpoint[OXI_CHANNEL_NAME + 8];

	c->stirred = true;
	zmq_disconnect(c->socket, endpoint_of(name, endpoint));
}

/* ---- who forks workers ---- */

int oxi_channel_prepare(void)
{
	static void *kept;
	struct rlimit limit;

	if (kept == NULL && (kept = zmq_ctx_new()) == NULL)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur < 2 * OXI_FDS)
		return -EMFILE;
	return limit.rlim_cur < OXI_FLOOR + OXI_FDS ? (int)limit.rlim_cur - OXI_FDS : OXI_FLOOR;
}

/* ---- the worker's end: making it ---- */

/* The listening socket, above the floor. */
static int listen_at(const char *name, int floor)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int low = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int fd = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, floor) : -1, r = 0;

	memcpy(a.sun_path + 1, name + 1, len - 1);      /* '@' stands for the NUL of an abstract name */
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0 || listen(fd, 1) < 0)
		r = -errno;
	if (low >= 0)
		close(low);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* Occupies all free numbers below the floor, with copies of a descriptor. */
static int hold(struct oxi_held *h, int copied, int floor)
{
	int fd = 2;

	h->fd = malloc((size_t)floor * sizeof *h->fd);
	if (h->fd == NULL)
		return OX_ENOMEM;
	while ((fd = fcntl(copied, F_DUPFD_CLOEXEC, fd + 1)) >= 0 && fd < floor)
		h->fd[h->count++] = fd;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

void oxi_let_go(struct oxi_held *h)
{
	while (h->count > 0)
		close(h->fd[--h->count]);
	free(h->fd);
	h->fd = NULL;
}

/* What is open from the listener on is the channel's. */
static void note_own(struct oxi_channel *c)
{
	for (int fd = c->first; fd < c->first + 2 * OXI_FDS && c->own_count < OXI_FDS; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			c->own[c->own_count++] = (struct own_fd){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	}
}

static int bind_for(struct oxi_channel *c, const char *name, pid_t parent)
{
	char endpoint[OXI_CHANNEL_NAME + 8];
	uid_t user = geteuid();
	int r = parent != 0 ? zmq_setsockopt(c->socket, ZMQ_IPC_FILTER_PID, &parent, sizeof(parent))
	                    : zmq_setsockopt(c->socket, ZMQ_IPC_FILTER_UID, &user, sizeof(user));

	if (r < 0 ||
	    zmq_setsockopt(c->socket, ZMQ_USE_FD, &c->first, sizeof(c->first)) < 0 ||
	    zmq_bind(c->socket, endpoint_of(name, endpoint)) < 0)
		return -errno;
	return 0;
}

/* The descriptors of what is made lie above the floor because those below are taken. */
static int make_worker(const char *name, int floor, pid_t parent, int listener, struct oxi_channel **ret)
{
	struct oxi_held held = { .count = 0 };
	int r = hold(&held, listener, floor);

	if (r == 0)
		r = oxi_channel_new(ZMQ_DEALER, ret);
	if (r < 0) {
		oxi_let_go(&held);
		close(listener);
		return r;
	}
	(*ret)->first = listener;
	(*ret)->held = held;
	(*ret)->aligns = true;
	r = oxi_channel_monitor(*ret, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
	return r == 0 ? bind_for(*ret, name, parent) : r;
}

int oxi_channel_new_worker(const char *name, int floor, pid_t parent, struct oxi_channel **ret)
{
	struct oxi_channel *c = NULL;
	int listener = listen_at(name, floor);
	int r = listener < 0 ? listener : make_worker(name, floor, parent, listener, &c);

	if (r < 0)
		oxi_channel_free(c);
	else
		*ret = c;
	return r;
}

/* The socket's own descriptor says only that its mailbox has something, and nobody looks there yet. */
static int await_handshake(struct oxi_channel *c)
{
	for (;;) {
		int fd, event = oxi_channel_event(c, &fd);

		if (event < 0)
			return event;
		if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
			return 0;
		if (event == ZMQ_EVENT_ACCEPTED)
			c->peer_fd = fd;
		if (event == 0)
			poll(&(struct pollfd){ .fd = c->monitor_fd, .events = POLLIN }, 1, -1);
	}
}

int oxi_channel_await_parent(struct oxi_channel *c)
{
	int r = await_handshake(c);

	oxi_let_go(&c->held);
	if (r == 0)
		note_own(c);
	return r;
}

/* ---- the worker's end: using it ---- */

/* Waits for the descriptors; EINTR counts as "look again". True: the other one is readable. */
static bool wait_fds(struct oxi_channel *c, int other, int timeout_ms)
{
	struct pollfd p[3] = {
		{ .fd = c->fd, .events = POLLIN }, { .fd = c->monitor_fd, .events = POLLIN }, { .fd = other, .events = POLLIN },
	};

	if (poll(p, 3, timeout_ms) <= 0)
		return false;
	c->stirred = c->stirred || p[0].revents != 0;
	c->monitor_stirred = c->monitor_stirred || p[1].revents != 0;
	return p[2].revents != 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool oxi_channel_intact(const struct oxi_channel *c)
{
	for (unsigned i = 0; i < c->own_count; i++) {
		const struct own_fd *own = &c->own[i];
		struct stat st;

		if (fstat(own->fd, &st) < 0 || st.st_dev != own->dev || st.st_ino != own->ino)
			return false;
	}
	return true;
}

/* Takes the monitor's events in; the connection's end is final. */
static bool parent_gone(struct oxi_channel *c)
{
	int event, fd;

	c->monitor_stirred = false;
	while (c->peer_fd >= 0 && (event = oxi_channel_event(c, &fd)) != 0)
		if (event < 0 || (event == ZMQ_EVENT_DISCONNECTED && fd == c->peer_fd))
			c->peer_fd = -1;
	return c->peer_fd < 0;
}

int oxi_channel_wait(struct oxi_channel *c, int other, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;

	for (;;) {
		if (c->stirred && oxi_channel_pending(c))
			return 1;
		c->stirred = false;
		if ((c->monitor_stirred || c->peer_fd < 0) && parent_gone(c))
			return -ECONNRESET;
		int64_t left = timeout_ms < 0 ? -1 : end - now_ms();
		if (timeout_ms >= 0 && left <= 0)
			return 0;
		if (wait_fds(c, other, left > INT_MAX ? INT_MAX : (int)left))
			return 2;
	}
}
