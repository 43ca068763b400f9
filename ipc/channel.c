/* SPDX-License-Identifier: MIT */
/*
 * A channel is one ZeroMQ context with one socket, and in a worker a monitor of it. What decides its shape:
 *
 * - ZMQ_FD is an eventfd that says "a mailbox was empty and is not any more". It is not level with "readable": sending and
 *   receiving consume the signal, and a poll after one of ten messages was read sees nothing. So whoever waits for it
 *   asks oxi_channel_pending() after each batch of sends and receives, and comes back at once while that is true.
 * - ROUTER_MANDATORY judges a peer at the first frame only, and a message to a dying one is accepted and lost. Without it
 *   even that hint is missing. Leases tell the truth, so there are no limits on queues here (HWM 0) either.
 * - An accept in an ipc listener aborts the process on EMFILE, and zmq_unbind ends the accepted connections. So workers
 *   listen and the parent connects: socket() with EMFILE in the connecting side is tried again by a timer. A worker's
 *   listener admits one process by SO_PEERCRED, the parent; the name has 128 random bits and is used once.
 * - The DEALER has no MAXMSGSIZE: it would reject what its own parent says. IMMEDIATE drops what was queued for a
 *   connection together with it, so nothing is ever delivered to a later one.
 * - LINGER 0 and BLOCKY 0: closing never waits. Protocols flush by BYE.
 * - A context that came through a fork is dead weight: every call in it answers EINTR for ever. It is not touched.
 * - A library with OpenPGM, as Debian's, initialises that with the first context of a process: protocols are looked up,
 *   which loads the name service, and clocks are measured. That takes longer than all the rest of a worker's start. So who
 *   forks workers keeps a context without a socket, which has neither a thread nor a descriptor, and they find it done.
 *
 * The descriptors of a worker's channel lie high (OXI_FLOOR): while it is made and connected, all lower
 * numbers are occupied. A job that closes everything breaks the channel, which kills its worker only; but no
 * file that a job opens can get a number that the library's thread still writes to.
 *
 * A worker copies what it receives, because the library aligns to 8 at best and jobs are promised 16:
 * microseconds for a message of 1 ms of work. Rejected: a monitor in the parent (it learns of deaths from
 * pidfds).
 */
#include "ipc/channel.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <zmq.h>

#include "include/private/check.h"

enum {
	OXI_FLOOR = 512,                /* lowest descriptor of a worker's channel */
	OXI_FDS = 32,                   /* more than a context with two sockets and one connection has (about 12) */
	RETRY_MS = 3,                   /* the parent looks that often for a worker that has not bound yet */
	HANDSHAKE_MS = 2000,
	CONNECT_MS = 10000,
};

struct own_fd {
	int fd;
	dev_t dev;
	ino_t ino;
};

struct oxi_channel {
	void *context, *socket;
	void *monitor;                  /* tells of the connection's end; NULL: the parent's end */
	pid_t pid;                      /* that made it */
	int fd, monitor_fd;
	int peer_fd;                    /* worker: of the connection, as the monitor's events say it; -1: none (any more) */
	uint64_t malformed;
	void *out;                      /* oxi_channel_body, not sent yet */
	size_t out_cap;
	zmq_msg_t frame;                /* received last */
	void *in;                       /* worker: aligned copy of a body */
	size_t in_cap;
	struct own_fd own[OXI_FDS];     /* worker: for oxi_channel_intact() */
	unsigned own_count;
};

/* ---- making and freeing ---- */

static int set_int(struct oxi_channel *c, int option, int value)
{
	return zmq_setsockopt(c->socket, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

static int get_int(void *socket, int option, int *ret)
{
	size_t len = sizeof(*ret);
	int r;

	do
		r = zmq_getsockopt(socket, option, ret, &len);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* The library aborts where it cannot open its epoll descriptors: see first that there is room. */
static int check_room(void)
{
	int fds[OXI_FDS], n = 0, r = 0;

	while (n < OXI_FDS && r == 0) {
		fds[n] = n == 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
		if (fds[n] < 0)
			r = -errno;
		else
			n++;
	}
	while (n > 0)
		close(fds[--n]);
	return r;
}

/* The library's threads begin inside zmq_socket(), and inherit the mask of signals. */
static int make_socket(struct oxi_channel *c, int type)
{
	sigset_t all, before;
	int r = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	c->context = zmq_ctx_new();
	if (c->context == NULL || zmq_ctx_set(c->context, ZMQ_IO_THREADS, 1) < 0 ||
	    zmq_ctx_set(c->context, ZMQ_BLOCKY, 0) < 0)
		r = -errno;
	if (r == 0) {
		c->socket = zmq_socket(c->context, type);
		if (c->socket == NULL)
			r = -errno;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int set_options(struct oxi_channel *c)
{
	static const int options[][2] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_SNDHWM, 0 },
		{ ZMQ_RCVHWM, 0 },
		{ ZMQ_IMMEDIATE, 1 },
		{ ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
		{ ZMQ_RECONNECT_IVL, RETRY_MS },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && r == 0; i++)
		r = set_int(c, options[i][0], options[i][1]);
	return r;
}

static int new_channel(int type, struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = check_room();

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return OX_ENOMEM;
	c->pid = getpid();
	c->peer_fd = -1;
	zmq_msg_init(&c->frame);
	r = make_socket(c, type);
	if (r == 0)
		r = set_options(c);
	if (r == 0)
		r = get_int(c->socket, ZMQ_FD, &c->fd);
	if (r < 0) {
		oxi_channel_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void oxi_channel_free(struct oxi_channel *c)
{
	if (c == NULL)
		return;
	if (c->pid == getpid()) {
		zmq_msg_close(&c->frame);
		if (c->monitor != NULL) {
			zmq_socket_monitor(c->socket, NULL, 0);
			zmq_close(c->monitor);
		}
		if (c->socket != NULL)
			zmq_close(c->socket);
		if (c->context != NULL)
			while (zmq_ctx_term(c->context) < 0 && errno == EINTR)
				;
	}
	free(c->out);
	free(c->in);
	free(c);
}

/* ---- the parent's end ---- */

int oxi_channel_new_parent(struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = new_channel(ZMQ_ROUTER, &c);

	if (r < 0)
		return r;
	r = set_int(c, ZMQ_ROUTER_MANDATORY, 1);
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

	return zmq_connect(c->socket, endpoint_of(name, endpoint)) == 0 ? 0 : -errno;
}

void oxi_channel_forget(struct oxi_channel *c, const char *name)
{
	char endpoint[OXI_CHANNEL_NAME + 8];

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

/* One event of the monitor: its number, and *ret_fd whom it is about; 0: none now; -errno. */
static int monitor_event(struct oxi_channel *c, int *ret_fd)
{
	uint8_t frame[6] = { 0 };       /* number u16, value i32, in the host's order */
	uint16_t event;
	char address[1];
	int r;

	do
		r = zmq_recv(c->monitor, frame, sizeof(frame), ZMQ_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? 0 : -errno;
	while (zmq_recv(c->monitor, address, sizeof(address), ZMQ_DONTWAIT) < 0 && errno == EINTR)
		;
	memcpy(&event, frame, sizeof(event));
	memcpy(ret_fd, frame + sizeof(event), sizeof(*ret_fd));
	return event;
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
		int event = monitor_event(c, &fd);

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

static int start_monitor(struct oxi_channel *c)
{
	int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED;
	int linger = 0;

	if (zmq_socket_monitor(c->socket, "inproc://monitor", events) < 0)
		return -errno;
	c->monitor = zmq_socket(c->context, ZMQ_PAIR);
	if (c->monitor == NULL)
		return -errno;
	zmq_setsockopt(c->monitor, ZMQ_LINGER, &linger, sizeof(linger));
	if (zmq_connect(c->monitor, "inproc://monitor") < 0)
		return -errno;
	return get_int(c->monitor, ZMQ_FD, &c->monitor_fd);
}

static int accept_parent(struct oxi_channel *c, const char *name, int listener, pid_t parent)
{
	char endpoint[OXI_CHANNEL_NAME + 8];
	int r = start_monitor(c);

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
	int r = new_channel(ZMQ_DEALER, &c);

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

	while (c->peer_fd >= 0 && (event = monitor_event(c, &fd)) != 0)
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

/* ---- messages ---- */

int oxi_channel_fd(const struct oxi_channel *c)
{
	return c->fd;
}

uint64_t oxi_channel_malformed(const struct oxi_channel *c)
{
	return c->malformed;
}

bool oxi_channel_pending(struct oxi_channel *c)
{
	int events = 0;

	return get_int(c->socket, ZMQ_EVENTS, &events) == 0 && (events & ZMQ_POLLIN) != 0;
}

/* Sends a frame and gives it to the library, or closes it. */
static int send_frame(struct oxi_channel *c, zmq_msg_t *frame, int flags)
{
	int r;

	do
		r = zmq_msg_send(frame, c->socket, flags | ZMQ_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return 0;
	r = -errno;
	zmq_msg_close(frame);
	return r;
}

static int send_bytes(struct oxi_channel *c, const void *data, size_t len, int flags)
{
	zmq_msg_t frame;

	if (zmq_msg_init_size(&frame, len) < 0)
		return OX_ENOMEM;
	if (len > 0)
		memcpy(zmq_msg_data(&frame), data, len);
	return send_frame(c, &frame, flags);
}

/* body: given to the library with all frames before it, or closed. */
static int send_message(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h,
			zmq_msg_t *body)
{
	uint8_t head[OXI_WIRE_HEADER];
	int r = 0;

	oxi_header_encode(head, h);
	if (peer != NULL)
		r = send_bytes(c, peer->id, peer->len, ZMQ_SNDMORE);
	if (r == 0)
		r = send_bytes(c, head, sizeof(head), ZMQ_SNDMORE);
	if (r == 0)
		return send_frame(c, body, 0);
	zmq_msg_close(body);
	return r;
}

int oxi_channel_send(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, const void *body)
{
	zmq_msg_t frame;

	if (zmq_msg_init_size(&frame, (size_t)h->length) < 0)
		return OX_ENOMEM;
	if (h->length > 0)
		memcpy(zmq_msg_data(&frame), body, (size_t)h->length);
	return send_message(c, peer, h, &frame);
}

void *oxi_channel_body(struct oxi_channel *c, size_t cap)
{
	free(c->out);
	c->out = malloc(cap);
	c->out_cap = cap;
	return c->out;
}

/* Called by the library's thread: it must do no more than this. */
static void free_body(void *data, void *hint)
{
	(void)hint;
	free(data);
}

int oxi_channel_send_body(struct oxi_channel *c, const struct oxi_peer *peer, const struct oxi_header *h, size_t len)
{
	zmq_msg_t frame;

	OXI_CHECK(c->out != NULL && len <= c->out_cap && len == h->length);
	if (zmq_msg_init_data(&frame, c->out, len, free_body, NULL) < 0)
		return OX_ENOMEM;
	c->out = NULL;
	return send_message(c, peer, h, &frame);
}

/* The next frame into c->frame; EAGAIN cannot come inside of a message. *ret_more: another follows. */
static int receive_frame(struct oxi_channel *c, bool *ret_more)
{
	int r;

	do
		r = zmq_msg_recv(&c->frame, c->socket, ZMQ_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_more = zmq_msg_more(&c->frame) != 0;
	return 0;
}

static bool keep_peer(struct oxi_channel *c, struct oxi_peer *ret)
{
	size_t len = zmq_msg_size(&c->frame);

	if (len > sizeof(ret->id))
		return false;
	memcpy(ret->id, zmq_msg_data(&c->frame), len);
	ret->len = (uint8_t)len;
	return true;
}

/* The body as it lies in the frame, or for a worker, which runs jobs on it, aligned. */
static int keep_body(struct oxi_channel *c, struct oxi_received *ret)
{
	ret->body = zmq_msg_data(&c->frame);
	ret->len = zmq_msg_size(&c->frame);
	if (c->monitor == NULL || ret->len == 0)
		return 1;
	if (ret->len > c->in_cap) {
		free(c->in);
		c->in_cap = 0;
		c->in = aligned_alloc(16, oxi_align16(ret->len));
		if (c->in == NULL)
			return OX_ENOMEM;
		c->in_cap = ret->len;
	}
	memcpy(c->in, ret->body, ret->len);
	ret->body = c->in;
	return 1;
}

/*
 * The frames of one message, as far as they are what they should be. 1; OX_EPROTO: malformed, and *more says
 * whether a rest of it is still there; 0: no message; -errno.
 */
static int receive_message(struct oxi_channel *c, struct oxi_received *ret, bool *more)
{
	int r = receive_frame(c, more);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	if (c->monitor == NULL) {
		if (!keep_peer(c, &ret->peer) || !*more)
			return OX_EPROTO;
		r = receive_frame(c, more);
		if (r < 0)
			return r;
	}
	if (oxi_header_decode(zmq_msg_data(&c->frame), zmq_msg_size(&c->frame), &ret->header) < 0 || !*more)
		return OX_EPROTO;
	r = receive_frame(c, more);
	if (r < 0)
		return r;
	if (*more || zmq_msg_size(&c->frame) != ret->header.length)
		return OX_EPROTO;
	return keep_body(c, ret);
}

int oxi_channel_receive(struct oxi_channel *c, struct oxi_received *ret)
{
	for (;;) {
		struct oxi_received got = { .body = NULL };
		bool more = false;
		int r = receive_message(c, &got, &more);

		if (r > 0)
			*ret = got;
		if (r != OX_EPROTO)
			return r;
		c->malformed++;
		while (more && receive_frame(c, &more) == 0)
			;
	}
}
