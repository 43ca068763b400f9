/* SPDX-License-Identifier: MIT */
/*
 * What workers write to their standard output and error. Captured, it comes through one pipe and belongs to the job that ends
 * next; tagged, it comes through two, and goes out by lines, each with a word on who wrote it. In both cases a worker has one
 * job at a time, and what its pipes hold is taken before the job's result: so it is clear whose it is. (What a job writes
 * that another one runs on the spot is in the output of that.)
 *
 * Tagged lines are written as ox_log_stderr() writes: the loop waits for whoever reads them. One that cannot be written is
 * dropped, which is said once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pool/parent.h"

#define LINE  OX_KIB(4)                 /* a longer one is broken */
#define READS 16u                       /* at an event: the loop has other work too */

static int open_pipe(ox_pool *p, struct oxi_seat *s, struct oxi_output *o, struct oxi_ends *ret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	int r = oxi_pool_listen(p, ends[0], OXI_EVENT_OUTPUT, s->slot);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	o->fd = ends[0];
	ret->fd[ret->n++] = ends[1];
	return 0;
}

int oxi_output_open(ox_pool *p, struct oxi_seat *s, struct oxi_ends *ret)
{
	int r;

	switch (p->options.output) {
	case OX_OUTPUT_CAPTURE:
		return open_pipe(p, s, &s->output, ret);
	case OX_OUTPUT_TAG:
		r = open_pipe(p, s, &s->output, ret);
		return r == 0 ? open_pipe(p, s, &s->errors, ret) : r;
	case OX_OUTPUT_NULL:
		ret->fd[0] = open("/dev/null", O_WRONLY | O_CLOEXEC);
		ret->n = ret->fd[0] >= 0;
		return ret->fd[0] >= 0 ? 0 : -errno;
	default:
		return 0;
	}
}

/* ---- tagged ---- */

/* False: it could not be written, all or in part. */
static bool write_all(int fd, struct iovec *v, int n)
{
	while (n > 0) {
		ssize_t done = writev(fd, v, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		for (; n > 0 && (size_t)done >= v->iov_len; v++, n--)
			done -= (ssize_t)v->iov_len;
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return true;
}

static void write_line(ox_pool *p, const struct oxi_seat *s, int fd, const char *line, size_t len)
{
	char tag[128];
	int n = snprintf(tag, sizeof tag, "[%s/%s %d] ", p->options.name != NULL ? p->options.name : "pool",
	                 s->writer != NULL ? s->writer : "-", (int)s->pid);
	size_t tag_len = n < (int)sizeof tag ? (size_t)n : sizeof tag - 1;
	struct iovec v[] = { { tag, tag_len }, { (char *)line, len }, { "\n", 1 } };

	if (write_all(fd, v, 3) || p->lines_lost)
		return;
	p->lines_lost = true;
	oxi_log(OX_LOG_WARNING, "pool %s: output of its workers is lost: %s", p->options.name != NULL ? p->options.name : "",
	        ox_strerror(-errno));
}

/* Whole lines go out; with rest, also one without an end. */
static void write_lines(ox_pool *p, const struct oxi_seat *s, struct oxi_output *o, int fd, bool rest)
{
	size_t at = 0;
	const char *end;

	while (at < o->len && (end = memchr(o->data + at, '\n', o->len - at)) != NULL) {
		write_line(p, s, fd, o->data + at, (size_t)(end - (o->data + at)));
		at = (size_t)(end - o->data) + 1;
	}
	o->len -= at;
	memmove(o->data, o->data + at, o->len);
	if (o->len == LINE || (rest && o->len > 0)) {
		write_line(p, s, fd, o->data, o->len);
		o->len = 0;
	}
}

/* ---- both ---- */

/* Takes all that is there, and keeps or passes on what it can: the worker never waits for long. */
static void drain(ox_pool *p, struct oxi_seat *s, struct oxi_output *o, int fd, bool rest)
{
	static char waste[OX_KIB(64)];
	bool tag = p->options.output == OX_OUTPUT_TAG;
	size_t cap = tag ? LINE : p->options.capture;

	if (o->fd < 0)
		return;
	if (o->data == NULL)
		o->data = oxi_alloc(cap);
	for (unsigned reads = 0; rest || reads < READS; reads++) {
		size_t room = o->data != NULL ? cap - o->len : 0;
		ssize_t n = read(o->fd, room > 0 ? o->data + o->len : waste, room > 0 ? room : sizeof waste);
		if (n == 0)             /* the job closed its ends */
			oxi_pool_unlisten(p, &o->fd);
		if (n <= 0)
			break;
		if (room > 0)
			o->len += (size_t)n;
		else
			o->truncated = true;
		if (tag && o->data != NULL)
			write_lines(p, s, o, fd, false);
	}
	if (tag && rest && o->data != NULL)
		write_lines(p, s, o, fd, true);
}

void oxi_output_read(ox_pool *p, struct oxi_seat *s)
{
	drain(p, s, &s->output, STDOUT_FILENO, false);
	drain(p, s, &s->errors, STDERR_FILENO, false);
}

void oxi_output_drain(ox_pool *p, struct oxi_seat *s)
{
	drain(p, s, &s->output, STDOUT_FILENO, true);
	drain(p, s, &s->errors, STDERR_FILENO, true);
}

void oxi_output_forget(struct oxi_output *o)
{
	o->len = 0;
	o->truncated = false;
}

void oxi_output_move(struct oxi_output *o, struct oxi_story *ret)
{
	if (o->len > 0) {
		ret->crash.output = ret->output = o->data;
		ret->crash.output_len = ret->output_len = o->len;
		ret->crash.output_truncated = ret->output_truncated = o->truncated;
		o->data = NULL;
	}
	oxi_output_forget(o);
}

void oxi_output_close(const ox_pool *p, struct oxi_seat *s)
{
	oxi_pool_unlisten(p, &s->output.fd);
	oxi_pool_unlisten(p, &s->errors.fd);
	oxi_output_forget(&s->output);
	oxi_output_forget(&s->errors);
	s->writer = NULL;
}
