/* SPDX-License-Identifier: MIT */
/*
 * The seam between streams and what carries their bytes. stream.c is the upper half: buffers, parking, every
 * public call. A transport is the lower half and never yields: it tries, answers -EAGAIN where it would have
 * to wait, and says oxi_stream_readable() or oxi_stream_writable() when another try may succeed.
 *
 *	coroutines    ox_read, ox_write, ox_flush ...
 *	stream.c      buffers, one reader, the high-water mark
 *	transport     a socket | a pipe | TLS over another stream | memory
 *
 * A transport over another stream (TLS) owns that stream: it sets its `above`, which is told instead of
 * parked coroutines, and moves bytes by oxi_stream_try_read() and oxi_stream_try_write().
 */
#ifndef OXBOW_LOOP_IO_STREAM_H
#define OXBOW_LOOP_IO_STREAM_H

#include <oxbow/stream.h>
#include <sys/uio.h>

#include "loop/loop.h"

struct oxi_buffer {
	uint8_t *data;
	size_t start, len, cap;         /* len bytes at data + start */
};

struct oxi_transport {
	const char *name;               /* "socket": for reports */

	/* The number of bytes that were there; 0 at the end of the stream; -EAGAIN; -errno or a code of ours. */
	ssize_t (*recv)(ox_stream *s, void *buf, size_t cap);

	/* The number of bytes taken, at least 1; -EAGAIN; -errno or a code of ours. n: at most IOV_MAX. */
	ssize_t (*send)(ox_stream *s, const struct iovec *v, int n);

	/* Passes on what the transport holds itself (see holding). 0: all of it; -EAGAIN; a code. NULL: never holds any. */
	int (*flush)(ox_stream *s);

	/* Tells the peer that no more comes; everything has been flushed before, and is flushed again afterwards. 0; a code. */
	int (*shut)(ox_stream *s);
	bool shut_first;                /* also before close, which does not tell the peer by itself */

	/* Frees what the transport has, and s itself; without ceremony if abort. Nobody waits any more. */
	void (*close)(ox_stream *s, bool abort);
};

struct ox_stream {
	uint64_t magic;
	const struct oxi_transport *transport;
	int fd;                         /* for ox_stream_fd(); -1: none */
	bool real;                      /* something outside the process may come: the test clock waits for it */
	bool readable, writable;        /* a try may succeed; a transport may clear them when it knows that it would not */
	bool holding;                   /* the transport has taken bytes that it has not passed on: flush is to be called */
	bool write_over;                /* after write_eof, close, or a write error */
	int write_error;                /* what ended writing; 0: nothing yet */
	ox_time close_limit;            /* how long ox_close() flushes at most; 0: as long as it takes */
	struct oxi_wait *reader;
	struct oxi_buffer in, out;
	struct oxi_list writers, flushers;      /* waits */
	void (*above)(void *arg, unsigned events);      /* the transport that stands on this stream; NULL: none */
	void *above_arg;
};

/* Sets up the upper half of a stream whose memory is zero. */
void oxi_stream_init(ox_stream *s, const struct oxi_transport *transport, int fd, bool real);

/* A try may succeed now; called on the loop's own stack or in a coroutine. */
void oxi_stream_readable(ox_stream *s);
void oxi_stream_writable(ox_stream *s);

/* Reading and writing without waiting, for the transport above: buffered bytes first. As recv and send. */
ssize_t oxi_stream_try_read(ox_stream *s, void *buf, size_t cap);
ssize_t oxi_stream_try_write(ox_stream *s, const struct iovec *v, int n);

/* Passes on what is buffered and held. 0: all of it; -EAGAIN: `above` will be told; a code. */
int oxi_stream_try_flush(ox_stream *s);

/* Wakes everybody with OX_ECLOSED and frees the stream; the transport above ends the one below by it. */
void oxi_stream_destroy(ox_stream *s, bool abort);

/* Parks in one of the lists of s. */
int oxi_stream_wait(ox_stream *s, struct oxi_list *waits, const char *kind);

#endif
