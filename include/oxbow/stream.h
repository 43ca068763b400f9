/* SPDX-License-Identifier: MIT */
/*
 * Streams of bytes over TCP and Unix sockets, and listeners. One coroutine reads a stream at a time, any
 * number write.
 *
 * Addresses are texts: "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock", "unix:@abstract". Hosts are numeric
 * here.
 */
#ifndef OXBOW_STREAM_H
#define OXBOW_STREAM_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_stream ox_stream;
typedef struct ox_listener ox_listener;

/**
 * Connects to an address.
 *
 * @ret: owned: ox_close() or ox_stream_abort(), or OX_AUTO_STREAM.
 * Returns: 0; OX_EINVAL (the address), -ECONNREFUSED and the like, OX_ECANCELED, OX_ENOMEM. Cancel: closes.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_connect(const char *address, ox_stream **ret);

/** Makes a stream of a connected socket, which is given, also on failure. Returns: 0; -errno, OX_ENOMEM. Since: 0.1 */
OX_API int ox_stream_adopt(int fd, ox_stream **ret);

/** Makes two connected streams (a Unix socket pair). Since: 0.1 */
OX_API int ox_stream_pair(ox_stream **ret_a, ox_stream **ret_b);

/**
 * Reads what there is, at least one byte.
 *
 * Returns: the number of bytes; 0 at the end of the stream (or cap 0); OX_EBUSY if another coroutine reads,
 * OX_ECLOSED if the stream is closed meanwhile, OX_ECANCELED, -errno. Yields: while nothing is there. Cancel:
 * nothing is lost. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_read(ox_stream *s, void *buf, size_t cap);

/**
 * Reads exactly n bytes.
 *
 * @ret_got: the bytes read, written also on failure: OX_EINCOMPLETE (the stream ended), OX_ECANCELED; NULL if
 * not wanted.
 * Returns: 0; as ox_read(). Since: 0.1
 */
OX_API OX_YIELDS int ox_read_exact(ox_stream *s, void *buf, size_t n, size_t *ret_got);

/**
 * Reads up to and with a separator of 1 byte or more.
 *
 * @limit: the most bytes before the separator. @ret: the bytes with the separator, borrowed until the next
 * read of s.
 * Returns: 0; OX_EOVERRUN: nothing was taken, ret->data is the buffered data and ret->len the length with the
 * separator if it is there, 0 if not; OX_EINCOMPLETE: the stream ended, ret is the rest; as ox_read().
 * Cancel: nothing is taken. Since: 0.1
 */
OX_API OX_YIELDS int ox_read_until(ox_stream *s, ox_bytes separator, size_t limit, ox_bytes *ret);

/**
 * Writes all of buf: to the socket what it takes, the rest into the stream's buffer.
 *
 * Returns: len (all is on its way); OX_ECLOSED after close or ox_write_eof(), -EPIPE and the like,
 * OX_ECANCELED (the bytes are written nevertheless), OX_ENOMEM. Yields: while more than the high-water mark
 * (64 KiB) is buffered. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_write(ox_stream *s, const void *buf, size_t len);

/** Waits until the stream's buffer is empty. Returns: 0; as ox_write(). Since: 0.1 */
OX_API OX_YIELDS int ox_flush(ox_stream *s);

/** Half-closes: flushes, then tells the peer that no more comes; reading goes on. Returns: 0; as ox_write(). Since: 0.1 */
OX_API OX_YIELDS int ox_write_eof(ox_stream *s);

/**
 * Flushes and closes. Takes NULL. Coroutines parked in the stream wake with OX_ECLOSED.
 *
 * Returns: 0; what flushing returned (it is closed all the same). Cancel: closes at once. Since: 0.1
 */
OX_API OX_YIELDS int ox_close(ox_stream *s);

/** Closes at once, without flushing; a TCP peer sees a reset. Takes NULL. Since: 0.1 */
OX_API void ox_stream_abort(ox_stream *s);
static inline void ox_stream_auto_(ox_stream **s) { ox_close(*s); }
#define OX_AUTO_STREAM __attribute__((cleanup(ox_stream_auto_))) ox_stream

/** The descriptor, borrowed: for socket options, not for reading or writing. Since: 0.1 */
OX_API int ox_stream_fd(const ox_stream *s);

typedef struct ox_listen_options {
	size_t size;
	int backlog;                    /* 0: 511 */
	bool reuse_port;                /* several processes accept on one port */
} ox_listen_options;
#define OX_LISTEN_OPTIONS(...) (&(ox_listen_options){ .size = sizeof(ox_listen_options), __VA_ARGS__ })
OX_API void ox_listen_options_init(ox_listen_options *o);

/**
 * Listens on an address; port 0 lets the kernel choose (see ox_listener_address()).
 *
 * @o: NULL for the defaults. @ret: owned: ox_listener_close().
 * Returns: 0; OX_EINVAL, -EADDRINUSE and the like, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_listen(const char *address, const ox_listen_options *o, ox_listener **ret);

/**
 * Accepts the next connection.
 *
 * Returns: 0; OX_EBUSY if another coroutine accepts, OX_ECLOSED, OX_ECANCELED, -EMFILE and -ENFILE (sleep and
 * try again), OX_ENOMEM. A connection that was reset while it waited is passed over. Since: 0.1
 */
OX_API OX_YIELDS int ox_accept(ox_listener *l, ox_stream **ret);

/** Writes the bound address as a text that ox_connect() takes. Returns: 0; OX_ETOOBIG. Since: 0.1 */
OX_API int ox_listener_address(const ox_listener *l, char *buf, size_t cap);

/** Closes; a parked ox_accept() fails with OX_ECLOSED; the file of a Unix socket is removed. Takes NULL. Since: 0.1 */
OX_API void ox_listener_close(ox_listener *l);
static inline void ox_listener_auto_(ox_listener **l) { ox_listener_close(*l); }
#define OX_AUTO_LISTENER __attribute__((cleanup(ox_listener_auto_))) ox_listener

OX_END

#endif
