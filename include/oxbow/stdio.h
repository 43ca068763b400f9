/* SPDX-License-Identifier: MIT */
/* Standard input, output and error as streams, be they terminals, pipes, sockets or files. */
#ifndef OXBOW_STDIO_H
#define OXBOW_STDIO_H

#include <oxbow/stream.h>

OX_BEGIN

/**
 * Makes a stream over a descriptor that stays the caller's: it is neither closed with the stream nor made
 * non-blocking, which other processes that have it too (the shell, with its terminal) would not survive.
 * Anything that can be read or written will do.
 *
 * Pipes and terminals are opened once more, by /proc/self/fd, and non-blocking for this stream alone. Regular
 * files, and what cannot be opened again, are read and written by threads: up to 64 KiB ahead of what
 * ox_read() asked for, and bytes read ahead go when the stream is closed.
 *
 * @ret: owned: ox_close() or ox_stream_abort(). To be closed before the run ends.
 * Returns: 0; OX_ENOMEM, OX_ESTATE (no loop), -errno. Since: 0.1
 */
OX_API int ox_stream_borrow(int fd, ox_stream **ret);

/** The standard streams. Each as ox_stream_borrow(). Flush stdout of <stdio.h> before. Since: 0.1 */
static inline int ox_stdin(ox_stream **ret) { return ox_stream_borrow(0, ret); }
static inline int ox_stdout(ox_stream **ret) { return ox_stream_borrow(1, ret); }
static inline int ox_stderr(ox_stream **ret) { return ox_stream_borrow(2, ret); }

OX_END

#endif
