/* SPDX-License-Identifier: MIT */
/*
 * Reading what a job writes: two pipes at once, each to its end. When nothing of the job is left (`over`) although
 * somebody has a pipe open, a daemon that the job left behind, the scope of the reading is cancelled, and what the
 * pipes hold by then is read without waiting. But not while it shows a line (--lb), which would be cut.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/batch/runner.h"

struct drain {
	struct slot *s;
	struct oxi_job *j;
	int fd, which;
	bool ended;
};

int oxi_slot_keep(struct slot *s, int which, const char *data, size_t len)
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	j->received[which] += len;
	if (b->o->ungroup) {
		int r = oxi_sink_write(&b->printer.sink[which], data, len);
		return r < 0 ? oxi_output_fail(b, r) : 0;
	}
	if (!b->o->line_buffer || b->o->results || b->ended) {
		int r = oxi_capture_add(which == 0 ? &j->out : &j->err, data, len);
		if (r < 0)
			return oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot keep a job's output in TMPDIR", r);
	}
	if (!b->o->line_buffer)
		return 0;
	s->showing++;
	int r = oxi_printer_add(&b->printer, j, which, &s->line[which], data, len, false);
	if (--s->showing == 0 && s->in_reading && ox_event_is_set(s->over))
		ox_scope_cancel(&s->reading);
	return r < 0 ? oxi_output_fail(b, r) : 0;
}

/* Reads once. Returns: 1; 0: the pipe has ended; what was said. */
static int read_piece(struct drain *d, size_t most)
{
	ssize_t n = read(d->fd, d->s->b->piece, most < OXI_PIECE ? most : OXI_PIECE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n < 0)
		return oxi_run_fail(d->s->b, OXI_EXIT_WORKERS, "cannot read a job's output", -errno);
	d->ended = n == 0;
	if (n == 0)
		return 0;
	int r = oxi_slot_keep(d->s, d->which, d->s->b->piece, (size_t)n);
	return r < 0 ? r : 1;
}

/* Reads a pipe to its end. */
static int drain(void *arg)
{
	struct drain *d = arg;
	int r;
	do {
		r = ox_wait_fd(d->fd, OX_READABLE);
		if (r >= 0)
			r = read_piece(d, OXI_PIECE);
	} while (r > 0);
	return r;
}

/* Reads what a pipe holds now, and no more: somebody else may write to it for ever. */
static int drain_rest(struct drain *d)
{
	int left = 0, r = 1;
	if (d->ended || ioctl(d->fd, FIONREAD, &left) < 0)
		return 0;
	while (r > 0 && left > 0) {
		uint64_t before = d->j->received[d->which];
		r = read_piece(d, (size_t)left);
		if (d->j->received[d->which] == before)
			break;
		left -= (int)(d->j->received[d->which] - before);
	}
	return r < 0 ? r : 0;
}

int oxi_slot_read(struct slot *s, int out_fd, int err_fd)
{
	struct drain out = { s, s->job, out_fd, 0, false }, err = { s, s->job, err_fd, 1, false };
	ox_scope_enter(&s->reading, OX_NEVER);
	s->in_reading = true;
	if (ox_event_is_set(s->over))
		ox_scope_cancel(&s->reading);
	ox_group *g = ox_group_open();
	ox_spawn(g, drain, &err);
	int r = drain(&out);
	if (r < 0)
		ox_group_cancel(g);             /* the job may wait for us to read the one while we wait for the other */
	int joined = ox_group_join(g);
	ox_group_close(g);
	s->in_reading = false;
	r = r < 0 && r != OX_ECANCELED ? r : joined < 0 ? joined : r;
	r = ox_scope_leave(&s->reading, r);
	if (r != OX_ECANCELED || !ox_event_is_set(s->over) || ox_cancelled())
		return r;
	r = drain_rest(&out);
	return r < 0 ? r : drain_rest(&err);
}
