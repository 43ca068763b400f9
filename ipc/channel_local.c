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

enum {
	OXI_FLOOR = 512,                /* lowest descriptor of a worker's channel */
	CONNECT_MS = 10000,
};

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

/* Where the limit is low the floor is too: room for the channel goes first. */
static int raise_floor(void)
{
	struct rlimit limit;
	int fd, first, floor;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur < 2 * OXI_FDS)
		return -EMFILE;
	floor = limit.rlim_cur < OXI_FLOOR + OXI_FDS ? (int)limit.rlim_cur - OXI_FDS : OXI_FLOOR;
	first = fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd < floor)
		fd = fcntl(first, F_DUPFD_CLOEXEC, fd + 1);
	if (fd < 0)
		return -errno;
	close(fd);
	return floor;
}

int oxi_channel_prepare(void)
{
	static void *kept;

	if (kept == NULL)
		kept = zmq_ctx_new();
	return kept != NULL ? raise_floor() : -errno;
}

int oxi_channel_listen(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(a.sun_path + 1, name + 1, len - 1);      /* '@' stands for the NUL of an abstract name */
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0 || listen(fd, 1) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* ---- the worker's end ---- */

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

static int wait_connected(struct oxi_channel *c)
{
	int64_t end = now_ms() + CONNECT_MS;

	for (;;) {
		int fd;
		int event = oxi_channel_event(c, &fd);

		if (event < 0)
			return event;
		if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
			return 0;
		if (event == ZMQ_EVENT_ACCEPTED)
			c->peer_fd = fd;
		if (event != 0)
			continue;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		/* The socket's own descriptor says only that its mailbox has something, and nobody looks there yet. */
		poll(&(struct pollfd){ .fd = c->monitor_fd, .events = POLLIN }, 1, (int)(end - now_ms()));
	}
}

static int accept_parent(struct oxi_channel *c, const char *name, int listener, pid_t parent)
{
	char endpoint[OXI_CHANNEL_NAME + 8];
	int r = oxi_channel_monitor(c, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);

	c->aligns = true;
	if (r < 0)
		return r;
	if (zmq_setsockopt(c->socket, ZMQ_IPC_FILTER_PID, &parent, sizeof(parent)) < 0 ||
	    zmq_setsockopt(c->socket, ZMQ_USE_FD, &listener, sizeof(listener)) < 0 ||
	    zmq_bind(c->socket, endpoint_of(name, endpoint)) < 0)
		return -errno;
	return wait_connected(c);
}

/* What is open from the listener on is the channel's. */
static void note_own(struct oxi_channel *c, int from)
{
	for (int fd = from; fd < from + 2 * OXI_FDS && c->own_count < OXI_FDS; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			c->own[c->own_count++] = (struct own_fd){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	}
}

int oxi_channel_new_worker(const char *name, int listener, pid_t parent, struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = oxi_channel_new(ZMQ_DEALER, &c);

	if (r < 0)
		return r;
	r = accept_parent(c, name, listener, parent);
	if (r < 0) {
		oxi_channel_free(c);
		return r;
	}
	note_own(c, listener);
	*ret = c;
	return 0;
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
