/* SPDX-License-Identifier: MIT */
/*
 * Streams of bytes over TCP, Unix sockets and pipes, and listeners. One coroutine reads a stream at a time, any
 * number write.
 *
 * Addresses are texts as in address.h; where one connects, "example.org:80" too.
 */
#ifndef OXBOW_STREAM_H
#define OXBOW_STREAM_H

#include <oxbow/address.h>

OX_BEGIN

typedef struct ox_stream ox_stream;
typedef struct ox_listener ox_listener;

/**
 * Connects to an address, or to a host by name: then its addresses race (RFC 8305, Happy Eyeballs).
 *
 * @ret: owned: ox_close() or ox_stream_abort(), or OX_AUTO_STREAM.
 * Returns: 0; OX_EINVAL (the address), OX_EDNS, -ECONNREFUSED and the like (of several addresses: the first
 * error that tells something about the host), OX_ECANCELED, OX_ENOMEM. Cancel: closes. Since: 0.1
 */
OX_API OX_YIELDS int ox_connect(const char *address, ox_stream **ret);

typedef struct ox_connect_options {
	size_t size;
	const char *bind;               /* the local address, "192.0.2.1:0"; NULL: the kernel chooses */
	ox_time timeout;                /* for all of it, the name and all attempts; 0: only the scope's */
	ox_time attempt_delay;          /* from one attempt to the next; 0: 250 ms */
	ox_time keepalive;              /* TCP probes after so much silence, to the second; 0: none */
	bool nagle;                     /* small writes wait for acknowledgements (else TCP_NODELAY) */
} ox_connect_options;
#define OX_CONNECT_OPTIONS(...) (&(ox_connect_options){ .size = sizeof(ox_connect_options), __VA_ARGS__ })
OX_API void ox_connect_options_init(ox_connect_options *o);

/** Connects with options; NULL for the defaults. Returns: as ox_connect(); OX_ETIMEDOUT. Since: 0.1 */
OX_API OX_YIELDS int ox_connect_with(const char *address, const ox_connect_options *o, ox_stream **ret);

/**
 * Makes a stream of a connected socket, an end of a pipe, a fifo or a pseudo-terminal.
 *
 * @fd: given, also on failure; becomes non-blocking, for every process that shares it.
 * Returns: 0; -EPERM (a regular file), -errno, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_stream_adopt(int fd, ox_stream **ret);

/** Makes two connected streams (a Unix socket pair). Since: 0.1 */
OX_API int ox_stream_pair(ox_stream **ret_a, ox_stream **ret_b);

/**
 * Makes a pipe: what is written to one stream is read from the other. Writing to the reader is OX_ECLOSED, reading from
 * the writer -EBADF. Since: 0.1
 */
OX_API int ox_pipe(ox_stream **ret_reader, ox_stream **ret_writer);

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
 * Reads up to and with the first of n separators: the one that ends first, of two that end together the longer.
 *
 * Returns: as ox_read_until(). Since: 0.1
 */
OX_API OX_YIELDS int ox_read_until_any(ox_stream *s, const ox_bytes *separators, size_t n, size_t limit, ox_bytes *ret);

/**
 * Reads a line, which ends with LF or CR LF.
 *
 * @limit: the most bytes in it. @ret: the line without its end, borrowed until the next read of s.
 * Returns: as ox_read_until(); at the end of the stream OX_EINCOMPLETE with what came after the last line end, often
 * nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_read_line(ox_stream *s, size_t limit, ox_bytes *ret);

/**
 * Looks at the bytes that come next, without taking them.
 *
 * @n: at least so many; 0: those that are buffered already. @ret: all that are buffered, borrowed until the next read.
 * Returns: 0; OX_EINCOMPLETE: the stream ended, ret is the rest; as ox_read(). Yields: until n bytes are buffered.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_peek(ox_stream *s, size_t n, ox_bytes *ret);

/** Takes n of the bytes that ox_peek() showed. Returns: 0; OX_EINVAL: not so many are buffered; OX_EBUSY. Since: 0.1 */
OX_API int ox_consume(ox_stream *s, size_t n);

/**
 * Writes all of buf: to the socket what it takes, the rest into the stream's buffer.
 *
 * Returns: len (all is on its way); OX_ECLOSED after close or ox_write_eof(), -EPIPE and the like,
 * OX_ECANCELED (the bytes are written nevertheless), OX_ENOMEM (nothing was written, or a part, which ends writing).
 * Yields: while more than the high-water mark (64 KiB) is buffered. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_write(ox_stream *s, const void *buf, size_t len);

/** Writes n parts, one after the other, as one ox_write(). Returns: the bytes of all parts; as ox_write(). Since: 0.1 */
OX_API OX_YIELDS ssize_t ox_writev(ox_stream *s, const ox_bytes *parts, size_t n);

/** Sets the high-water mark: with more than so many bytes in the buffer writers park. 0: until all is out. Since: 0.1 */
OX_API void ox_stream_set_high_water(ox_stream *s, size_t bytes);

/**
 * Sends a part of a file, behind what was written before.
 *
 * @fd: a file, borrowed; its own position does not matter and stays. @offset, @len: bytes.
 * @ret_sent: the bytes that went out, written also on failure; NULL if not wanted.
 * Returns: 0; OX_EINCOMPLETE: the file is shorter; OX_EINVAL, -errno of reading it; as ox_write(). Yields: while the peer
 * takes nothing, and while what is not in the page cache is read in a thread. Since: 0.1
 */
OX_API OX_YIELDS int ox_sendfile(ox_stream *s, int fd, off_t offset, size_t len, size_t *ret_sent);

/**
 * Moves bytes from one stream to another until the first ends, which does not end the second.
 *
 * @ret_moved: how many, written also on failure; NULL if not wanted.
 * Returns: 0; what reading from or writing to returned; OX_ECLOSED as soon as one of them is closed. Cancel: what was read
 * was written. Since: 0.1
 */
OX_API OX_YIELDS int ox_relay(ox_stream *from, ox_stream *to, uint64_t *ret_moved);

/**
 * Moves bytes both ways until both streams have ended: the end of one is passed on by ox_write_eof() to the other.
 *
 * Returns: 0; the first error, which ends both ways. Both streams stay the caller's to close. Since: 0.1
 */
OX_API OX_YIELDS int ox_relay_both(ox_stream *a, ox_stream *b);

/** Waits until the stream's buffer is empty. Returns: 0; as ox_write(). Since: 0.1 */
OX_API OX_YIELDS int ox_flush(ox_stream *s);

/**
 * Half-closes: flushes, then tells the peer that no more comes; reading goes on.
 *
 * Returns: 0; as ox_write(). Cancel: no more can be written, and the peer is told by ox_close(). Since: 0.1
 */
OX_API OX_YIELDS int ox_write_eof(ox_stream *s);

/**
 * Flushes and closes. Takes NULL. Coroutines parked in the stream wake with OX_ECLOSED.
 *
 * Returns: 0; what flushing returned: it is closed all the same, by a reset if something was left to send, so that the
 * peer does not take a part for the whole. Cancel: closes at once. Since: 0.1
 */
OX_API OX_YIELDS int ox_close(ox_stream *s);

/** ox_close() that flushes so long at most. Returns: as ox_close(); OX_ETIMEDOUT (it is closed). Since: 0.1 */
OX_API OX_YIELDS int ox_close_within(ox_stream *s, ox_time timeout);

/** Closes at once, without flushing; a TCP peer sees a reset. Takes NULL. Since: 0.1 */
OX_API void ox_stream_abort(ox_stream *s);
static inline void ox_stream_auto_(ox_stream **s) { ox_close(*s); }
#define OX_AUTO_STREAM __attribute__((cleanup(ox_stream_auto_))) ox_stream

/** The descriptor, borrowed: for socket options, not for reading or writing; -1 if there is none. Since: 0.1 */
OX_API int ox_stream_fd(const ox_stream *s);

/** The address of the peer, and the stream's own. Returns: 0; OX_EINVAL (not a socket), -errno. Since: 0.1 */
OX_API int ox_stream_peer(const ox_stream *s, ox_address *ret);
OX_API int ox_stream_local(const ox_stream *s, ox_address *ret);

/**
 * Sends bytes and with the first of them descriptors, over a Unix socket.
 *
 * @len: at least 1. @fds: n of them, 1 to 253; they stay the caller's, who may close them when this has returned.
 * Returns: len; OX_EINVAL (the numbers, or another kind of stream), -EBADF; as ox_write(). Yields: until what was
 * written before is out, and as ox_write(). Cancel: nothing was sent, or as ox_write(). Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_send_fds(ox_stream *s, const void *buf, size_t len, const int *fds, size_t n);

/**
 * Reads what there is, as ox_read(), and the descriptors that came along.
 *
 * Descriptors come with the first byte they were sent with, and those of two sends never at once. Other reading calls
 * drop (close) descriptors: before this one, read with ox_read_exact(), which takes no byte too many.
 * @fds, @n: room for *n descriptors; *n is then the number that came. They are the caller's, and close-on-exec.
 * Returns: as ox_read(). On OX_ETOOBIG (more came than *n) and -EMFILE (more than the process may have) all of them have
 * been closed and the bytes they came with are lost. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_recv_fds(ox_stream *s, void *buf, size_t cap, int *fds, size_t *n);

typedef struct ox_credentials {
	pid_t pid;
	uid_t uid;
	gid_t gid;
} ox_credentials;

/** Who connected, as the kernel says: Unix sockets. Returns: 0; OX_EINVAL (another kind of stream), -errno. Since: 0.1 */
OX_API int ox_stream_credentials(const ox_stream *s, ox_credentials *ret);

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

/**
 * Makes a listener of a listening socket.
 *
 * @fd: given, also on failure. Returns: 0; OX_EINVAL (it does not listen), -errno, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_listener_adopt(int fd, ox_listener **ret);

/**
 * Takes a listening socket that the service manager (systemd) opened and passed: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES.
 *
 * Each is given out once, among the first 64; one that is refused for the want of memory or descriptors can be asked for
 * again. The environment stays as it is.
 * @name: as in FileDescriptorName=; NULL: the first that is left.
 * Returns: 0; -ENOENT: there is none (any more); as ox_listener_adopt(). Threads: any. Since: 0.1
 */
OX_API int ox_listen_activated(const char *name, ox_listener **ret);

/**
 * Stops listening: connecting is refused, a parked ox_accept() and later ones fail with OX_ECLOSED, the file of a Unix
 * socket that ox_listen() made is removed. What remains is for ox_listener_close(). Takes NULL. Since: 0.1
 */
OX_API void ox_listener_stop(ox_listener *l);

/** Closes; a parked ox_accept() fails with OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_listener_close(ox_listener *l);
static inline void ox_listener_auto_(ox_listener **l) { ox_listener_close(*l); }
#define OX_AUTO_LISTENER __attribute__((cleanup(ox_listener_auto_))) ox_listener

OX_END

#endif
