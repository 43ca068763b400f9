/* SPDX-License-Identifier: MIT */
/*
 * A child's standard descriptors: ours, none, pipes or a terminal. Of what is made here the child's side is closed
 * again once it has been started, our side is a stream from the beginning: so whatever fails, fails before there is a
 * child.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "loop/io/process.h"

static int give(struct oxi_child_io *io, int fd)
{
	io->given[io->given_count++] = fd;
	return fd;
}

static int open_null(struct oxi_child_io *io)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : give(io, fd);
}

/* A pipe for the child's descriptor i: its end; ours becomes a stream. */
static int open_pipe(struct oxi_child_io *io, int i, ox_stream **ret_ours)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	give(io, fds[i == 0 ? 0 : 1]);
	int r = ox_stream_adopt(fds[i == 0 ? 1 : 0], ret_ours);
	return r < 0 ? r : fds[i == 0 ? 0 : 1];
}

int oxi_terminal_resize(int fd, ox_window size)
{
	struct winsize w = { .ws_row = size.rows, .ws_col = size.columns };

	return ioctl(fd, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}

/* A new terminal: the child's side; ours becomes a stream. */
static int open_terminal(struct oxi_child_io *io, ox_window size, ox_stream **ret_ours)
{
	int ours = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), fd = -1, r = 0;
	char name[64];

	if (ours < 0)
		return -errno;
	if (unlockpt(ours) < 0 || ptsname_r(ours, name, sizeof(name)) != 0 ||
	    (fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		r = -errno;
	else
		r = oxi_terminal_resize(give(io, fd), size);
	if (r < 0)
		close(ours);
	else
		r = ox_stream_adopt(ours, ret_ours);
	return r < 0 ? r : fd;
}

/* The source of the child's descriptor i; a negative code. */
static int open_source(struct oxi_child_io *io, int i, int how, int terminal, ox_stream **ret_ours)
{
	if (how == OX_STDIO_DEFAULT && terminal >= 0)
		return terminal;
	if (how == OX_STDIO_DEFAULT)
		how = i == 0 ? OX_STDIO_NULL : OX_STDIO_INHERIT;
	if (how == OX_STDIO_INHERIT)
		return fcntl(i, F_GETFD) < 0 ? open_null(io) : i;       /* we have none: nothing */
	if (how == OX_STDIO_NULL)
		return open_null(io);
	if (how == OX_STDIO_PIPE)
		return open_pipe(io, i, ret_ours);
	if (how == OX_STDIO_STDOUT && i == 2)
		return io->source[1];
	return how > 0 ? how : OX_EINVAL;
}

int oxi_child_io_open(ox_process *p, const ox_process_options *o, struct oxi_child_io *io, int *ret_terminal)
{
	int how[] = { o->in, o->out, o->err };
	ox_stream **ours[] = { &p->in, &p->out, &p->err };

	*ret_terminal = o->window ? open_terminal(io, *o->window, &p->terminal) : -1;
	if (o->window && *ret_terminal < 0)
		return *ret_terminal;
	for (int i = 0; i < 3; i++) {
		io->source[i] = open_source(io, i, how[i], *ret_terminal, ours[i]);
		if (io->source[i] < 0)
			return io->source[i];
	}
	return 0;
}

void oxi_child_io_close(struct oxi_child_io *io)
{
	while (io->given_count > 0)
		close(io->given[--io->given_count]);
}
