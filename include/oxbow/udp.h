/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets: datagrams, one at a time or many in one system call. One coroutine receives at a time, any number
 * send.
 *
 * An error that the network reports (ECONNREFUSED: nobody listens there) fails one call; the socket goes on.
 */
#ifndef OXBOW_UDP_H
#define OXBOW_UDP_H

#include <oxbow/address.h>

OX_BEGIN

typedef struct ox_udp ox_udp;

typedef struct ox_udp_options {
	size_t size;
	bool reuse_port;                /* several processes receive on one port, the kernel spreads the senders */
	bool broadcast;                 /* may send to broadcast addresses */
	int receive_buffer, send_buffer;        /* bytes in the kernel; 0: the system's default */
} ox_udp_options;
#define OX_UDP_OPTIONS(...) (&(ox_udp_options){ .size = sizeof(ox_udp_options), __VA_ARGS__ })
OX_API void ox_udp_options_init(ox_udp_options *o);

/**
 * Opens a socket bound to a local address, "0.0.0.0:0" for instance: port 0 lets the kernel choose.
 *
 * @o: NULL for the defaults. @ret: owned: ox_udp_close() or OX_AUTO_UDP.
 * Returns: 0; OX_EINVAL, -EADDRINUSE and the like, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_udp_open(const char *local, const ox_udp_options *o, ox_udp **ret);

/**
 * Sets the one peer: sends without an address go there, datagrams of others are not received.
 *
 * Returns: 0; OX_EINVAL, -errno. Since: 0.1
 */
OX_API int ox_udp_connect(ox_udp *u, const char *address);

/**
 * Receives a datagram.
 *
 * @ret_from: the sender; NULL if not wanted.
 * Returns: its length, 0 for an empty one; more than cap if it was cut to cap bytes; -ECONNREFUSED and the like: what the
 * network said to an earlier send (connected sockets only); OX_EBUSY, OX_ECLOSED, OX_ECANCELED.
 * Yields: while there is none. Cancel: nothing is lost. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_udp_recv(ox_udp *u, void *buf, size_t cap, ox_address *ret_from);

/**
 * Sends a datagram.
 *
 * @to: NULL in a connected socket.
 * Returns: len; -EMSGSIZE, -ECONNREFUSED and the like (it was not sent; the next may be), OX_ECLOSED, OX_ECANCELED.
 * Yields: while the kernel's buffer is full. Cancel: it was not sent. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_udp_send(ox_udp *u, const void *buf, size_t len, const ox_address *to);

/** A datagram of a batch. */
typedef struct ox_datagram {
	void *data;
	size_t cap;                     /* room at data, for receiving */
	size_t len;                     /* of what is sent, or was received */
	bool truncated;                 /* it was longer than cap */
	ox_address peer;                /* sender, or receiver; len 0: that of ox_udp_connect() */
} ox_datagram;

/**
 * Receives as many datagrams as there are, at least one.
 *
 * @d: n of them, data and cap set. Returns: how many came; as ox_udp_recv(). Since: 0.1
 */
OX_API OX_YIELDS int ox_udp_recv_many(ox_udp *u, ox_datagram *d, size_t n);

/**
 * Sends datagrams, in order.
 *
 * Returns: how many were sent: all n, or those before one that failed; if that is the first, its error as from
 * ox_udp_send(). Since: 0.1
 */
OX_API OX_YIELDS int ox_udp_send_many(ox_udp *u, const ox_datagram *d, size_t n);

/** Writes the local address as a text. Returns: 0; OX_ETOOBIG. Since: 0.1 */
OX_API int ox_udp_address(const ox_udp *u, char *buf, size_t cap);

/** The descriptor, borrowed: for socket options (multicast, for instance). Since: 0.1 */
OX_API int ox_udp_fd(const ox_udp *u);

/** Closes; parked coroutines wake with OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_udp_close(ox_udp *u);
static inline void ox_udp_auto_(ox_udp **u) { ox_udp_close(*u); }
#define OX_AUTO_UDP __attribute__((cleanup(ox_udp_auto_))) ox_udp

OX_END

#endif
