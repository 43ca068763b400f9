/* SPDX-License-Identifier: MIT */
/* Socket addresses as texts. See socket.c. */
#ifndef OXBOW_LOOP_IO_SOCKET_H
#define OXBOW_LOOP_IO_SOCKET_H

#include <sys/socket.h>

#include <oxbow/stream.h>

#include "loop/loop.h"

struct oxi_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/* "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock", "unix:@abstract". 0; OX_EINVAL. */
OXI_SHARED int oxi_address_parse(const char *text, struct oxi_address *ret);
/* The reverse. 0; OX_ETOOBIG; OX_EINVAL (another family). */
OXI_SHARED int oxi_address_format(const struct oxi_address *a, char *buf, size_t cap);

/* A non-blocking, close-on-exec socket for the address. The fd; -errno. */
OXI_SHARED int oxi_socket_new(const struct oxi_address *a);
/* What a fresh TCP connection is set to. */
void oxi_socket_tune(int fd);

/* Makes a stream of a socket, which is given, also on failure. */
int oxi_stream_new(int fd, ox_stream **ret);

#endif
