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

	/*
	 * Sends from a file without a copy: the number of bytes, at least 1; 0 at the file's end; -EAGAIN; a code.
	 * NULL: it cannot. Without -EAGAIN it may block for the file only.
	 */
	ssize_t (*send_file)(ox_stream *s, int fd, off_t offset, size_t len);

	/* Frees what the transport has, and s itself; without ceremony if abort. Nobody waits any more. */
	void (*close)(ox_stream *s, bool abort);
};

/* For tests: reads and writes are cut short, as a network may do. */
struct oxi_cut {
	size_t most;                    /* bytes moved by one call of the transport; 0: uncut */
	size_t first;                   /* the first read gets at most so many; 0: as all others */
	uint64_t seed;                  /* not 0: lengths are drawn from 1 to most */
};

#define OXI_STREAM_MAGIC 0x6d61657274730001ull

struct ox_stream {
	uint64_t magic;
	const struct oxi_transport *transport;
	int fd;                         /* for ox_stream_fd(); -1: none */
	bool real;                      /* something outside the process may come: the test clock waits for it */
	bool readable, writable;        /* a try may succeed; a transport may clear them when it knows that it would not */
	bool holding;                   /* the transport has taken bytes that it has not passed on: flush is to be called */
	bool write_over;                /* after write_eof, close, or a write error */
	bool closing;                   /* ox_close() is parked, and frees it */
	int write_error;                /* what ended writing; 0: nothing yet */
	ox_time close_limit;            /* how long ox_close() flushes at most; 0: as long as it takes */
	struct oxi_wait *reader;        /* from parking until it runs again */
	struct oxi_buffer in, out;
	struct oxi_list writers, flushers;      /* waits, from parking until they run again */
	size_t chunk;                   /* of reads into in: grows while they come back full; 0: as at first */
	size_t high_water;              /* bytes in out above which writers park */
	struct oxi_cut cut;
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

/* ---- between the files of the upper half, and those that read and write past it (descriptors.c) ---- */

/* The first step of each call: 0, and who calls may read (write) now; a negative code. */
int oxi_stream_may_read(ox_stream *s);
int oxi_stream_may_write(ox_stream *s);

/* Parks until the transport may have something to read. 0; OX_ECLOSED, OX_ECANCELED. */
int oxi_stream_wait_readable(ox_stream *s);

/* Parks until nothing is buffered and the transport may take something. 0; a negative code. */
int oxi_stream_wait_empty(ox_stream *s, const char *kind);

/* Reads into the buffer, parking until something is there: the number of bytes; 0 at the end; a negative code. */
ssize_t oxi_stream_fill(ox_stream *s);

/* What ox_peek() shows. */
ox_bytes oxi_stream_buffered(const ox_stream *s);

/* Once, without waiting, past the buffers; as recv and send. */
ssize_t oxi_stream_receive(ox_stream *s, void *buf, size_t cap);
ssize_t oxi_stream_send(ox_stream *s, const struct iovec *v, int n);

/* ox_flush() and ox_write_eof() without their first steps. */
int oxi_stream_flush(ox_stream *s);
int oxi_stream_finish(ox_stream *s);

/* Ends writing: those parked wake with the error, later writes get it. */
void oxi_stream_write_failed(ox_stream *s, int error);

/* ox_writev() without its first step. */
ssize_t oxi_stream_write(ox_stream *s, const ox_bytes *parts, size_t n);

/* How much one call of the transport may move of len bytes; less under test. */
size_t oxi_cut_length(struct oxi_cut *c, size_t len);
extern _Thread_local struct oxi_cut oxi_cut_default;    /* of the streams made from now on (stream_test.c) */

size_t oxi_buffer_take(struct oxi_buffer *b, void *buf, size_t cap);
void oxi_buffer_skip(struct oxi_buffer *b, size_t n);
void oxi_buffer_release(struct oxi_buffer *b);          /* the memory of an empty one */
uint8_t *oxi_buffer_room(struct oxi_buffer *b, size_t n);       /* for n more bytes at the end; NULL: memory */

#endif
