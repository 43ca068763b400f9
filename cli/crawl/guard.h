/* SPDX-License-Identifier: MIT */
/* Which addresses may be connected to. */
#ifndef OXBOW_CLI_GUARD_H
#define OXBOW_CLI_GUARD_H

#include <oxbow/base.h>

struct sockaddr;

struct oxi_cidr {
	uint8_t address[16];            /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;                  /* of the 128 */
};

#define OXI_ALLOWED_MAX 64

struct oxi_guard {
	struct oxi_cidr allowed[OXI_ALLOWED_MAX];
	size_t n;
};

/* "127.0.0.0/8", "fd00::/8", or a single address. Returns: 0; OX_EINVAL. */
int oxi_cidr_parse(const char *text, struct oxi_cidr *ret);

bool oxi_cidr_holds(const struct oxi_cidr *c, const uint8_t address[16]);

/*
 * For ox_http_options.allow_address. Returns: 0; -EACCES for an address that is not of the public internet
 * and not allowed by g.
 */
int oxi_guard_check(void *guard, const struct sockaddr *address, size_t len);

/*
 * The same for the host of a URL, if that is an address; a name passes, for only a resolver knows what it is.
 * Returns: 0; -EACCES.
 */
int oxi_guard_check_host(const struct oxi_guard *guard, const char *host);

#endif
