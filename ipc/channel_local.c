/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a channel on one machine.
 *
 * An accept in an ipc listener aborts the process on EMFILE, and zmq_unbind ends the accepted connections. So workers
 * bind and the parent connects: socket() with EMFILE in the connecting side is tried again by a timer. A worker's
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
static int make_name(char name[OXI_CHANNEL_NAME])
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

int oxi_channel_expect(struct oxi_channel *c, char name[OXI_CHANNEL_NAME])
{
	char endpoint[OXI_CHANNEL_NAME + 8];
	int r = make_name(name);

	if (r < 0)
		return r;
	return zmq_connect(c->socket, endpoint_of(name, endpoint)) == 0 ? 0 : -errno;
}

void oxi_channel_forget(struct oxi_channel *c, const char *name)
{
	char endpoint[OXI_CHANNEL_NAME + 8];

	zmq_disconnect(c->socket, endpoint_of(name, endpoint));
}

/* ---- the worker's end ---- */

/* Descriptors that fill all free numbers below a floor. */
struct floor {
	int first, end;                 /* every number below end is open; ours are marked */
	bool ours[OXI_FLOOR];
};

/* Where the limit is low the floor is too: room for the channel goes first. */
static int occupy(struct floor *f)
{
	struct rlimit limit;
	int fd;

	*f = (struct floor){ .end = 0 };
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur < 2 * OXI_FDS)
		return -EMFILE;
	f->end = limit.rlim_cur < OXI_FLOOR + OXI_FDS ? (int)limit.rlim_cur - OXI_FDS : OXI_FLOOR;
	f->first = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (fd = f->first; fd >= 0 && fd < f->end; fd = fcntl(f->first, F_DUPFD_CLOEXEC, fd + 1))
		f->ours[fd] = true;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void let_go(struct floor *f)
{
	for (int fd = 0; fd < f->end; fd++)
		if (f->ours[fd])
			close(fd);
}

/* Waits for the descriptors; EINTR counts as "look again". */
static void wait_fds(struct oxi_channel *c, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN }, { .fd = c->monitor_fd, .events = POLLIN } };

	poll(p, 2, timeout_ms);
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
		wait_fds(c, (int)(end - now_ms()));
	}
}

static int bind_worker(struct oxi_channel *c, const char *name, pid_t parent)
{
	char endpoint[OXI_CHANNEL_NAME + 8];
	int r = oxi_channel_monitor(c, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);

	c->aligns = true;
	if (r < 0)
		return r;
	if (zmq_setsockopt(c->socket, ZMQ_IPC_FILTER_PID, &parent, sizeof(parent)) < 0 ||
	    zmq_bind(c->socket, endpoint_of(name, endpoint)) < 0)
		return -errno;
	return wait_connected(c);
}

/* All numbers below the floor were occupied, so what is open from there on is the channel's. */
static void note_own(struct oxi_channel *c, int from)
{
	for (int fd = from; fd < from + 2 * OXI_FDS && c->own_count < OXI_FDS; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			c->own[c->own_count++] = (struct own_fd){ .fd = fd, .dev = st.st_dev, .ino = st.st_ino };
	}
}

int oxi_channel_new_worker(const char *name, pid_t parent, struct oxi_channel **ret)
{
	struct oxi_channel *c;
	struct floor f;
	int r = occupy(&f);

	if (r == 0)
		r = oxi_channel_new(ZMQ_DEALER, &c);
	if (r == 0) {
		r = bind_worker(c, name, parent);
		if (r == 0)
			note_own(c, f.end);
		else
			oxi_channel_free(c);
	}
	let_go(&f);
	if (r == 0)
		*ret = c;
	return r;
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

	while (c->peer_fd >= 0 && (event = oxi_channel_event(c, &fd)) != 0)
		if (event < 0 || (event == ZMQ_EVENT_DISCONNECTED && fd == c->peer_fd))
			c->peer_fd = -1;
	return c->peer_fd < 0;
}

int oxi_channel_wait(struct oxi_channel *c, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;

	for (;;) {
		int64_t left;

		if (oxi_channel_pending(c))
			return 1;
		if (parent_gone(c))
			return -ECONNRESET;
		if (timeout_ms < 0) {
			wait_fds(c, -1);
			continue;
		}
		left = end - now_ms();
		if (left <= 0)
			return 0;
		wait_fds(c, left > INT_MAX ? INT_MAX : (int)left);
	}
}
