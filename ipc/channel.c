/* SPDX-License-Identifier: MIT */
/*
 * A channel is one ZeroMQ context with one socket, and but for the local parent's end a monitor of it. What decides its shape:
 *
 * - ZMQ_FD is an eventfd that says "a mailbox was empty and is not any more". It is not level with "readable": sending and
 *   receiving consume the signal, and a poll after one of ten messages was read sees nothing. So whoever waits for it
 *   asks oxi_channel_pending() after each batch of sends and receives, and comes back at once while that is true.
 *   What is true is also that nothing comes without that signal once the socket was found empty, and not used since: so an
 *   end that knows this (stirred) saves the question, which is two system calls.
 * - ROUTER_MANDATORY judges a peer at the first frame only, and a message to a dying one is accepted and lost. Without it
 *   even that hint is missing. Leases tell the truth, so there are no limits on queues here (HWM 0) either.
 * - The DEALER has no MAXMSGSIZE: it would reject what its own parent says. IMMEDIATE drops what was queued for a
 *   connection together with it, so nothing is ever delivered to a later one.
 * - LINGER 0 and BLOCKY 0: closing never waits. Protocols flush by BYE.
 * - A context that came through a fork is dead weight: every call in it answers EINTR for ever. It is not touched.
 * - A library with OpenPGM, as Debian's, initialises that with the first context of a process: protocols are looked up,
 *   which loads the name service, and clocks are measured. That takes longer than all the rest of a worker's start. So who
 *   forks workers keeps a context without a socket, which has neither a thread nor a descriptor, and they find it done.
 *
 * How the ends find each other is in channel_local.c and channel_remote.c.
 */
#include "ipc/channel_inside.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "include/private/check.h"

/* ---- making and freeing ---- */

int oxi_socket_set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0 ? 0 : -errno;
}

int oxi_socket_get_int(void *socket, int option, int *ret)
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
		{ ZMQ_HANDSHAKE_IVL, OXI_HANDSHAKE_MS },
		{ ZMQ_RECONNECT_IVL, OXI_CONNECT_MS },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && r == 0; i++)
		r = oxi_socket_set_int(c->socket, options[i][0], options[i][1]);
	return r;
}

int oxi_channel_new(int type, struct oxi_channel **ret)
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
	c->stirred = c->monitor_stirred = true;
	c->router = type == ZMQ_ROUTER;
	zmq_msg_init(&c->frame);
	r = make_socket(c, type);
	if (r == 0)
		r = set_options(c);
	if (r == 0)
		r = oxi_socket_get_int(c->socket, ZMQ_FD, &c->fd);
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
		oxi_gate_close(c);
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
	oxi_let_go(&c->held);
	free(c);
}

/* ---- events of the socket ---- */

int oxi_channel_monitor(struct oxi_channel *c, int events)
{
	if (zmq_socket_monitor(c->socket, "inproc://monitor", events) < 0)
		return -errno;
	c->monitor = zmq_socket(c->context, ZMQ_PAIR);
	if (c->monitor == NULL)
		return -errno;
	oxi_socket_set_int(c->monitor, ZMQ_LINGER, 0);
	if (zmq_connect(c->monitor, "inproc://monitor") < 0)
		return -errno;
	return oxi_socket_get_int(c->monitor, ZMQ_FD, &c->monitor_fd);
}

int oxi_channel_event(struct oxi_channel *c, int *ret_value)
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
	memcpy(ret_value, frame + sizeof(event), sizeof(*ret_value));
	return event;
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

	return oxi_socket_get_int(c->socket, ZMQ_EVENTS, &events) == 0 && (events & ZMQ_POLLIN) != 0;
}

bool oxi_channel_stirred(const struct oxi_channel *c)
{
	return c->stirred;
}

void oxi_channel_stir(struct oxi_channel *c)
{
	c->stirred = true;
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

	c->stirred = true;
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
	if (!c->aligns || ret->len == 0)
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
	if (c->router) {
		if (!keep_peer(c, &ret->peer) || !*more)
			return OX_EPROTO;
		r = receive_frame(c, more);
		if (r < 0)
			return r;
	}
	r = oxi_header_decode(zmq_msg_data(&c->frame), zmq_msg_size(&c->frame), &ret->header);
	if (r == OX_EVERSION && c->remote && *more) {   /* this much of the header is the same in all versions */
		ret->header = (struct oxi_header){ .flags = ((const uint8_t *)zmq_msg_data(&c->frame))[2] };
		while (*more && receive_frame(c, more) == 0)
			;
		return 1;
	}
	if (r < 0 || !*more)
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
		if (r == 0)
			c->stirred = false;
		if (r != OX_EPROTO)
			return r;
		c->malformed++;
		while (more && receive_frame(c, &more) == 0)
			;
	}
}
