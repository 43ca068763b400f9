/* SPDX-License-Identifier: MIT */
/*
 * A page that anybody wrote chooses what the crawler fetches next, so addresses that only this machine or its
 * network can reach are refused, at connect time: after names, redirects and odd spellings have become an
 * address, and before a packet is sent. The table is IANA's registries of special-purpose addresses (RFC 6890
 * and successors). An address that carries an IPv4 address (mapped, NAT64, 6to4) is judged by that one too.
 */
#include "cli/crawl/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
#define V4(a, b, c, d, bits) { { MAPPED, a, b, c, d }, 96 + bits }

static const struct oxi_cidr BLOCKED[] = {
	V4(0, 0, 0, 0, 8),              /* this network */
	V4(10, 0, 0, 0, 8),             /* private */
	V4(100, 64, 0, 0, 10),          /* carrier-grade NAT */
	V4(127, 0, 0, 0, 8),            /* loopback */
	V4(169, 254, 0, 0, 16),         /* link-local, and the metadata services of clouds */
	V4(172, 16, 0, 0, 12),          /* private */
	V4(192, 0, 0, 0, 24),           /* protocol assignments */
	V4(192, 0, 2, 0, 24),           /* documentation, as the next two */
	V4(198, 51, 100, 0, 24),
	V4(203, 0, 113, 0, 24),
	V4(192, 168, 0, 0, 16),         /* private */
	V4(198, 18, 0, 0, 15),          /* benchmarks */
	V4(224, 0, 0, 0, 4),            /* multicast */
	V4(240, 0, 0, 0, 4),            /* reserved, broadcast */
	{ { 0 }, 128 },                 /* unspecified */
	{ { [15] = 1 }, 128 },          /* loopback */
	{ { 0 }, 96 },                  /* IPv4-compatible, deprecated */
	{ { 0x01 }, 64 },               /* discard: 100::/64 */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },     /* documentation */
	{ { 0xfc }, 7 },                /* unique local */
	{ { 0xfe, 0x80 }, 10 },         /* link-local */
	{ { 0xfe, 0xc0 }, 10 },         /* site-local, deprecated */
	{ { 0xff }, 8 },                /* multicast */
};

/* Prefixes behind which an IPv4 address stands, and at which byte. */
static const struct {
	struct oxi_cidr prefix;
	unsigned at;
} CARRIERS[] = {
	{ { { 0x00, 0x64, 0xff, 0x9b }, 96 }, 12 },                     /* NAT64 64:ff9b::/96 */
	{ { { 0x20, 0x02 }, 16 }, 2 },                                  /* 6to4 */
};

bool oxi_cidr_holds(const struct oxi_cidr *c, const uint8_t address[16])
{
	unsigned bytes = c->bits / 8, rest = c->bits % 8;
	if (memcmp(c->address, address, bytes) != 0)
		return false;
	return rest == 0 || ((c->address[bytes] ^ address[bytes]) >> (8 - rest)) == 0;
}

static void map_v4(const void *v4, uint8_t ret[16])
{
	static const uint8_t prefix[12] = { MAPPED };
	memcpy(ret, prefix, sizeof(prefix));
	memcpy(ret + 12, v4, 4);
}

int oxi_cidr_parse(const char *text, struct oxi_cidr *ret)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	if (len >= sizeof(address))
		return OX_EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	struct oxi_cidr c;
	uint8_t v4[4];
	unsigned base = 0;
	if (inet_pton(AF_INET, address, v4) == 1) {
		map_v4(v4, c.address);
		base = 96;
	} else if (inet_pton(AF_INET6, address, c.address) != 1) {
		return OX_EINVAL;
	}
	c.bits = 128;
	if (text[len] == '/') {
		char *end;
		unsigned long bits = strtoul(text + len + 1, &end, 10);
		if (end == text + len + 1 || *end || text[len + 1] == '-' || bits > 128 - base)
			return OX_EINVAL;
		c.bits = base + (unsigned)bits;
	}
	*ret = c;
	return 0;
}

static bool is_among(const struct oxi_cidr *c, size_t n, const uint8_t address[16])
{
	for (size_t i = 0; i < n; i++) {
		if (oxi_cidr_holds(&c[i], address))
			return true;
	}
	return false;
}

static int judge(const struct oxi_guard *g, const uint8_t address[16])
{
	if (is_among(g->allowed, g->n, address))
		return 0;
	if (is_among(BLOCKED, sizeof(BLOCKED) / sizeof(BLOCKED[0]), address))
		return -EACCES;
	for (size_t i = 0; i < sizeof(CARRIERS) / sizeof(CARRIERS[0]); i++) {
		uint8_t carried[16];
		map_v4(address + CARRIERS[i].at, carried);
		if (oxi_cidr_holds(&CARRIERS[i].prefix, address) && judge(g, carried) < 0)
			return -EACCES;
	}
	return 0;
}

int oxi_guard_check(void *guard, const struct sockaddr *address, size_t len)
{
	uint8_t a[16];
	if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in))
		map_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, a);
	else if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
		memcpy(a, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof(a));
	else
		return -EACCES;
	return judge(guard, a);
}

int oxi_guard_check_host(const struct oxi_guard *guard, const char *host)
{
	struct oxi_cidr c;
	char text[64];
	size_t len = strlen(host);
	if (len >= sizeof(text))
		return 0;
	bool bracketed = host[0] == '[' && len > 2;
	memcpy(text, host + bracketed, len - 2 * bracketed);
	text[len - 2 * bracketed] = '\0';
	return oxi_cidr_parse(text, &c) < 0 ? 0 : judge(guard, c.address);
}
