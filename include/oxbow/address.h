/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses, as texts and as the system has them. The texts are "127.0.0.1:80", "[::1]:80",
 * "[fe80::1%eth0]:80" (or the interface's number), "unix:/run/x.sock" and "unix:@abstract".
 */
#ifndef OXBOW_ADDRESS_H
#define OXBOW_ADDRESS_H

#include <oxbow/base.h>
#include <sys/socket.h>

OX_BEGIN

/** An address of the families AF_INET, AF_INET6 and AF_UNIX. Since: 0.1 */
typedef struct ox_address {
	struct sockaddr_storage storage;
	socklen_t len;                  /* of what is used of storage */
} ox_address;

/** Room for the text of any address, with its end. */
#define OX_ADDRESS_TEXT 128

/**
 * Reads an address of numbers: no name is looked up (ox_resolve() does that).
 *
 * Returns: 0; OX_EINVAL. Call from: anywhere. Threads: any. Since: 0.1
 */
OX_API int ox_address_parse(const char *text, ox_address *ret);

/**
 * Writes an address as a text that ox_address_parse() reads.
 *
 * Returns: 0; OX_ETOOBIG: cap is too small; OX_EINVAL: another family. Threads: any. Since: 0.1
 */
OX_API int ox_address_format(const ox_address *a, char *buf, size_t cap);

OX_END

#endif
