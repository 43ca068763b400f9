/* SPDX-License-Identifier: MIT */
/* Connecting: to one address, or to a host by name, whose addresses race (eyeballs.c). */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/dns.h>

#include "loop/io/socket.h"
#include "loop/io/stream.h"

void ox_connect_options_init(ox_connect_options *o)
{
	*o = *OX_CONNECT_OPTIONS(.size = sizeof(*o));
}

/* ---- one address ---- */

static int set_keepalive(int fd, ox_time idle)
{
	int one = 1, seconds = idle > OX_SEC(32767) ? 32767 : (int)((idle + OX_SEC(1) - 1) / OX_SEC(1));

	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds)) < 0)
		return -errno;
	return 0;
}

static int bind_to(int fd, const char *text)
{
	ox_address local;
	int one = 1, r = ox_address_parse(text, &local);

	if (r < 0)
		return r;
	if (local.storage.ss_family != AF_UNIX)         /* the port is chosen when the peer is known: more of them fit */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&local.storage, local.len) < 0 ? -errno : 0;
}

static int set_up(int fd, const ox_address *a, const ox_connect_options *o)
{
	bool tcp = a->storage.ss_family != AF_UNIX;
	int r = o->bind ? bind_to(fd, o->bind) : 0;

	if (r == 0 && tcp && o->keepalive > 0)
		r = set_keepalive(fd, o->keepalive);
	if (tcp && !o->nagle)
		oxi_socket_tune(fd);
	return r;
}

/* A Unix socket whose queue is full refuses, and does not say when it would not: so it is asked again. */
static int begin(int fd, const ox_address *a)
{
	ox_time pause = OX_MS(1);

	while (connect(fd, (const struct sockaddr *)&a->storage, a->len) < 0) {
		int r = -errno;

		if (r == -EAGAIN && a->storage.ss_family == AF_UNIX)
			r = ox_sleep(pause);
		if (r < 0)
			return r;
		pause = pause < OX_MS(50) ? 2 * pause : pause;
	}
	return 0;
}

/* The first edge of writability says how it went. */
static int wait_connected(ox_stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0, r;

	s->writable = false;
	r = oxi_stream_wait(s, &s->flushers, "connect");
	if (r == 0 && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		r = -error;
	return r;
}

int oxi_connect_one(const ox_address *a, const ox_connect_options *o, ox_stream **ret)
{
	ox_stream *s;
	int fd = oxi_socket_new(a), begun, r;

	if (fd < 0)
		return fd;
	r = set_up(fd, a, o);
	begun = r == 0 ? begin(fd, a) : r;
	if (begun < 0 && begun != -EINPROGRESS) {
		close(fd);
		return begun;
	}
	r = oxi_stream_new(fd, &s);
	if (r < 0)
		return r;
	if (begun < 0)
		r = wait_connected(s);
	if (r < 0)
		ox_stream_abort(s);
	else
		*ret = s;
	return r;
}

/* ---- names ---- */

/* Letters, digits, '-', '_' and dots; the last label no number, or it would be an odd way to write an address. */
static bool host_name(const char *text, size_t len)
{
	bool number = true;

	for (size_t i = 0; i < len; i++) {
		char c = text[i], lower = (char)(c | 0x20);
		bool digit = c >= '0' && c <= '9';

		if (!digit && (lower < 'a' || lower > 'z') && c != '-' && c != '_' && c != '.')
			return false;
		if (c == '.' && i + 1 < len)
			number = true;
		else if (!digit && c != '.')
			number = false;
	}
	return len > 0 && len <= 253 && !number;
}

static int connect_name(const char *text, const ox_connect_options *o, ox_stream **ret)
{
	const char *colon = text ? strrchr(text, ':') : NULL;
	size_t len = colon ? (size_t)(colon - text) : 0;
	OX_AUTO_ADDRESSES *found = NULL;
	char host[256];
	int r;

	if (len >= sizeof(host) || !host_name(text, len) || oxi_port_parse(colon + 1) < 0)
		return OX_EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	r = ox_resolve(host, colon + 1, NULL, &found);
	return r < 0 ? r : oxi_connect_race(found->list, found->len, o, ret);
}

static int connect_any(const char *text, const ox_connect_options *o, ox_stream **ret)
{
	ox_address a;

	return ox_address_parse(text, &a) == 0 ? oxi_connect_one(&a, o, ret) : connect_name(text, o, ret);
}

int ox_connect_with(const char *address, const ox_connect_options *options, ox_stream **ret)
{
	const ox_connect_options *o = options ? options : OX_CONNECT_OPTIONS(.bind = NULL);
	ox_scope scope;
	int r = oxi_checkpoint();

	if (r < 0 || o->timeout <= 0)
		return r < 0 ? r : connect_any(address, o, ret);
	ox_scope_enter(&scope, o->timeout);
	r = connect_any(address, o, ret);
	return ox_scope_leave(&scope, r);
}

int ox_connect(const char *address, ox_stream **ret)
{
	return ox_connect_with(address, NULL, ret);
}
