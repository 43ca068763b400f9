/* SPDX-License-Identifier: MIT */
/* Sockets, as streams, listeners and UDP make them. */
#ifndef OXBOW_LOOP_IO_SOCKET_H
#define OXBOW_LOOP_IO_SOCKET_H

#include <oxbow/address.h>
#include <oxbow/stream.h>

#include "loop/loop.h"

/* A port of digits only, 0 to 65535; OX_EINVAL. */
int oxi_port_parse(const char *text);

/* A non-blocking, close-on-exec socket for the address. The fd; -errno. */
OXI_SHARED int oxi_socket_new(const ox_address *a);
/* What a fresh TCP connection is set to. */
void oxi_socket_tune(int fd);

/* Makes a stream of a socket, which is given, also on failure. */
int oxi_stream_new(int fd, ox_stream **ret);
/* The same of one that may be blocking, because others have it too. */
int oxi_stream_new_shared(int fd, ox_stream **ret);
bool oxi_stream_is_unix(const ox_stream *s);

/* Connects to one address: as ox_connect_with(), without the timeout. */
int oxi_connect_one(const ox_address *a, const ox_connect_options *o, ox_stream **ret);

/* Connects to the first of several addresses of one host that answers (eyeballs.c). n: 1 or more. */
int oxi_connect_race(const ox_address *list, size_t n, const ox_connect_options *o, ox_stream **ret);

/*
 * Parks until the listener is stopped (OX_ECLOSED), somebody wakes w, or the time has come (0). For whoever accepts, when
 * he does not want to. OX_EBUSY, OX_ECANCELED, OX_ENOMEM.
 */
int oxi_listener_pause(ox_listener *l, struct oxi_wait *w, ox_time until);

#endif
