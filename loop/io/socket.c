/* SPDX-License-Identifier: MIT */
/* Socket addresses as texts, both ways. Hosts are numeric: names are for ox_resolve(). */
#include "loop/io/socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_unix(const char *path, ox_address *ret)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&ret->storage;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(un->sun_path))
		return OX_EINVAL;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len);
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (*path == '@')
		un->sun_path[0] = '\0';
	else
		ret->len++;
	return 0;
}

int oxi_port_parse(const char *text)
{
	int port = 0, digits = 0;

	for (; *text >= '0' && *text <= '9' && digits < 6; text++, digits++)
		port = port * 10 + (*text - '0');
	return *text || digits == 0 || port > 65535 ? OX_EINVAL : port;
}

/* "fe80::1%eth0" or "fe80::1%2" (RFC 4007, 11.2): the part after '%' is cut off. */
static int parse_zone(char *host, uint32_t *ret)
{
	char *zone = strchr(host, '%'), *end;
	unsigned long n;

	if (zone == NULL)
		return 0;
	*zone++ = '\0';
	*ret = if_nametoindex(zone);
	if (*ret != 0)
		return 0;
	errno = 0;
	n = strtoul(zone, &end, 10);
	if (*zone < '0' || *zone > '9' || *end || errno || n == 0 || n > UINT32_MAX)
		return OX_EINVAL;
	*ret = (uint32_t)n;
	return 0;
}

static int parse_ip(const char *text, ox_address *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->storage;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
	size_t len = colon ? (size_t)(colon - text) : 0;
	int port = colon ? oxi_port_parse(colon + 1) : OX_EINVAL;

	if (port < 0 || len == 0 || len >= sizeof(host))
		return OX_EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		ret->len = sizeof(*in6);
		if (parse_zone(host + 1, &in6->sin6_scope_id) < 0)
			return OX_EINVAL;
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : OX_EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	ret->len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : OX_EINVAL;
}

int ox_address_parse(const char *text, ox_address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (text == NULL)
		return OX_EINVAL;
	return strncmp(text, "unix:", 5) == 0 ? parse_unix(text + 5, ret) : parse_ip(text, ret);
}

static int format_unix(const ox_address *a, char *buf, size_t cap)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;
	size_t len = a->len - offsetof(struct sockaddr_un, sun_path);
	bool abstract = len > 0 && un->sun_path[0] == '\0';

	if (!abstract)
		len = strnlen(un->sun_path, len);
	if (len + 6 > cap)
		return OX_ETOOBIG;
	memcpy(buf, "unix:", 5);
	memcpy(buf + 5, un->sun_path, len);
	if (abstract)
		buf[5] = '@';
	buf[5 + len] = '\0';
	return 0;
}

/* "%eth0", or the number of an interface that is gone. Nothing without a zone. */
static void format_zone(uint32_t zone, char text[IF_NAMESIZE + 1])
{
	text[0] = text[1] = '\0';
	if (zone == 0)
		return;
	text[0] = '%';
	if (if_indextoname(zone, text + 1) == NULL)
		snprintf(text + 1, IF_NAMESIZE, "%u", zone);
}

int ox_address_format(const ox_address *a, char *buf, size_t cap)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->storage;
	char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 1], text[INET6_ADDRSTRLEN + IF_NAMESIZE + 10];
	size_t len;

	switch (a->storage.ss_family) {
	case AF_UNIX:
		return format_unix(a, buf, cap);
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		len = (size_t)snprintf(text, sizeof(text), "%s:%u", host, ntohs(in->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		format_zone(in6->sin6_scope_id, zone);
		len = (size_t)snprintf(text, sizeof(text), "[%s%s]:%u", host, zone, ntohs(in6->sin6_port));
		break;
	default:
		return OX_EINVAL;
	}
	if (len >= cap)
		return OX_ETOOBIG;
	memcpy(buf, text, len + 1);
	return 0;
}

int oxi_socket_new(const ox_address *a)
{
	int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

void oxi_socket_tune(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));    /* fails on a Unix socket, rightly */
}
