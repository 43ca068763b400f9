/* SPDX-License-Identifier: MIT */
/*
 * Standard output is shared with other processes, so O_NONBLOCK, a flag of the open file and not of the
 * descriptor, is not ours to set. But a pipe, terminal or socket that polls as writable takes PIPE_BUF bytes
 * without blocking (POSIX, write()), so we wait for that and write so much. Files and devices are always
 * ready.
 */
#include "cli/sink.h"

#include <limits.h>
#include <oxbow/run.h>
#include <sys/stat.h>
#include <unistd.h>

bool oxi_waits(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

struct oxi_sink oxi_sink_of(int fd)
{
	return (struct oxi_sink){ .fd = fd, .waits = oxi_waits(fd) };
}

int oxi_sink_write(struct oxi_sink *s, const void *data, size_t len)
{
	const char *p = data;
	while (len > 0) {
		int r = s->waits ? ox_wait_fd(s->fd, OX_WRITABLE) : 0;
		if (r < 0)
			return r;
		ssize_t n = write(s->fd, p, s->waits && len > PIPE_BUF ? PIPE_BUF : len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int oxi_sink_wait_closed(const struct oxi_sink *s)
{
	struct stat st;
	if (fstat(s->fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return ox_sleep_until(OX_NEVER);
	/* The write end of a pipe is never readable: what comes is the error that the last reader's end brings. */
	int r = ox_wait_fd(s->fd, OX_READABLE);
	return r < 0 ? r : -EPIPE;
}
