/* SPDX-License-Identifier: MIT */
/*
 * Looking names up: hosts to addresses, and back. The system's resolver does it (so /etc/hosts and
 * nsswitch.conf count), in threads, of which at most 16 look up at a time.
 */
#ifndef OXBOW_DNS_H
#define OXBOW_DNS_H

#include <oxbow/address.h>

OX_BEGIN

/** What a lookup found. */
typedef struct ox_addresses {
	size_t len;                     /* at least 1 */
	const ox_address *list;         /* the best one first */
} ox_addresses;

typedef struct ox_resolve_options {
	size_t size;
	int family;                     /* AF_INET or AF_INET6; 0: both */
	size_t limit;                   /* so many addresses, the first ones; 0: all */
	int *ret_gai;                   /* with OX_EDNS: the EAI_ code, for gai_strerror() */
} ox_resolve_options;
#define OX_RESOLVE_OPTIONS(...) (&(ox_resolve_options){ .size = sizeof(ox_resolve_options), __VA_ARGS__ })
OX_API void ox_resolve_options_init(ox_resolve_options *o);

/**
 * Looks a host up. Its addresses are in the order of RFC 6724, as getaddrinfo(3) gives them, each once.
 *
 * @host: a name, or an address of numbers, which is not looked up. @service: a port number or the name of a
 * service over TCP; NULL: port 0. @o: NULL for the defaults.
 * @ret: owned: ox_addresses_free() or OX_AUTO_ADDRESSES.
 * Returns: 0; OX_EDNS: no such host, or nobody could tell; OX_EINVAL (no host, no such service),
 * OX_ECANCELED, OX_ENOMEM, -errno.
 * Yields: unless both are numbers. Cancel: leaves the lookup to its thread, and returns at once. Since: 0.1
 */
OX_API OX_YIELDS int ox_resolve(const char *host, const char *service, const ox_resolve_options *o, ox_addresses **ret);

/** Frees what a lookup found. Takes NULL. Since: 0.1 */
OX_API void ox_addresses_free(ox_addresses *a);
static inline void ox_addresses_auto_(ox_addresses **a) { ox_addresses_free(*a); }
#define OX_AUTO_ADDRESSES __attribute__((cleanup(ox_addresses_auto_))) ox_addresses

/**
 * Looks up the name of the host that has an address.
 *
 * @ret_host, @cap: the name, with its end; 1025 bytes are enough for any.
 * Returns: 0; OX_EDNS: it has no name, or nobody could tell; OX_ETOOBIG, OX_EINVAL (another family),
 * OX_ECANCELED, OX_ENOMEM, -errno. Yields: always. Cancel: as ox_resolve(). Since: 0.1
 */
OX_API OX_YIELDS int ox_resolve_reverse(const ox_address *a, char *ret_host, size_t cap);

OX_END

#endif
