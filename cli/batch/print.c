/* SPDX-License-Identifier: MIT */
/*
 * Jobs come in the order in which they end. With -k they are shown in the order of the input: one that comes
 * early waits in a ring, at its number modulo the ring's length. The ring is long enough because the feeder
 * takes one place in the window for each job and the printer gives it back when the job is shown, so that the
 * numbers on their way never span more than the window. A run that is stopped leaves gaps, jobs that were
 * never begun: what waits behind them is shown at the end.
 *
 * Tags and colours are put around each line, in a buffer, so that a line is one write. A colour goes from line
 * to line too, for what comes between two lines may be of another job.
 */
#include "cli/batch/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/state/state.h"

#define LINE_MAX_HELD OX_MIB(1)         /* a longer line is shown in pieces */
#define PIECE         OX_KIB(32)

struct writer {
	struct oxi_printer *p;
	const struct oxi_job *job;
	int which;                      /* 0: standard output, 1: standard error */
	bool in_line;
	struct oxi_buffer text;
};

/* The colour of a job's number: the six that are readable on light and dark. */
static void add_colour(struct oxi_buffer *b, uint64_t seq)
{
	oxi_buffer_add_format(b, "\033[3%um", (unsigned)(1 + seq % 6));
}

static int flush(struct writer *w)
{
	int r = w->text.failed ? OX_ENOMEM : oxi_sink_write(&w->p->sink[w->which], w->text.data, w->text.len);
	w->text.len = 0;
	return r;
}

static void begin_line(struct writer *w)
{
	bool colour = w->p->colour[w->which];
	if (colour)
		add_colour(&w->text, w->job->seq);
	if (w->p->tag) {
		oxi_buffer_add(&w->text, w->job->tag.data, w->job->tag.len);
		if (colour)
			oxi_buffer_add_text(&w->text, "\033[0m");
		oxi_buffer_add_char(&w->text, '\t');
	}
}

static void end_line(struct writer *w)
{
	if (w->p->colour[w->which] && !w->p->tag)
		oxi_buffer_add_text(&w->text, "\033[0m");
}

static int write_decorated(struct writer *w, const char *data, size_t len)
{
	while (len > 0) {
		if (!w->in_line)
			begin_line(w);
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		oxi_buffer_add(&w->text, data, n);
		if (end) {
			end_line(w);
			oxi_buffer_add_char(&w->text, '\n');
			n++;
		}
		w->in_line = !end;
		data += n;
		len -= n;
		int r = w->text.len >= PIECE || len == 0 ? flush(w) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_piece(void *arg, const char *data, size_t len)
{
	struct writer *w = arg;
	if (w->p->tag || w->p->colour[w->which])
		return write_decorated(w, data, len);
	return oxi_sink_write(&w->p->sink[w->which], data, len);
}

/* What ends within a line: its colour must not go on. */
static int finish(struct writer *w, int r)
{
	if (r >= 0 && w->in_line) {
		end_line(w);
		r = flush(w);
	}
	oxi_buffer_free(&w->text);
	return r;
}

static int show_capture(struct oxi_printer *p, struct oxi_job *j, int which)
{
	struct oxi_capture *c = which == 0 ? &j->out : &j->err;
	if (c->len == 0)
		return 0;
	oxi_bar_clear(p->bar);
	struct writer w = { .p = p, .job = j, .which = which };
	return finish(&w, oxi_capture_each(c, write_piece, &w));
}

static int show(struct oxi_printer *p, struct oxi_job *j)
{
	int r = 0;
	for (int which = 0; which < 2 && r >= 0 && !p->shown; which++)
		r = show_capture(p, j, which);
	if (r >= 0 && p->state && j->attempt)
		r = oxi_state_shown(p->state, j->seq);
	oxi_job_free(j);
	void *place;
	ox_queue_try_get(p->window, &place);
	return r;
}

static int write_lines(struct oxi_printer *p, const struct oxi_job *j, int which, const char *data, size_t len)
{
	struct writer w = { .p = p, .job = j, .which = which };
	int r = ox_lock_acquire(p->voice);
	if (r < 0)
		return r;
	oxi_bar_clear(p->bar);
	r = finish(&w, write_piece(&w, data, len));
	ox_lock_release(p->voice);
	return r;
}

int oxi_printer_add(struct oxi_printer *p, const struct oxi_job *j, int which, struct oxi_buffer *held, const char *data,
                    size_t len, bool end)
{
	oxi_buffer_add(held, data, len);
	if (held->failed)
		return OX_ENOMEM;
	const char *last = held->len ? memrchr(held->data, '\n', held->len) : NULL;
	size_t n = end || held->len > LINE_MAX_HELD ? held->len : last ? (size_t)(last - held->data) + 1 : 0;
	if (n == 0)
		return 0;
	int r = write_lines(p, j, which, held->data, n);
	held->len -= n;
	memmove(held->data, held->data + n, held->len);
	return r;
}

static int show_in_order(struct oxi_printer *p, struct oxi_job **ring)
{
	uint64_t next = 1;
	void *item;
	int r;
	while ((r = ox_queue_get(p->done, &item)) == 0) {
		struct oxi_job *j = item;
		ring[j->seq % p->window_len] = j;
		for (; r >= 0 && (j = ring[next % p->window_len]); next++) {
			ring[next % p->window_len] = NULL;
			r = show(p, j);
		}
		if (r < 0)
			return r;
	}
	if (r != OX_ECLOSED)
		return r;
	r = 0;
	for (uint64_t end = next + p->window_len; r >= 0 && next < end; next++) {
		struct oxi_job *j = ring[next % p->window_len];
		ring[next % p->window_len] = NULL;
		r = j ? show(p, j) : 0;
	}
	return r;
}

static int show_as_they_come(struct oxi_printer *p)
{
	void *item;
	int r;
	while ((r = ox_queue_get(p->done, &item)) == 0) {
		r = show(p, item);
		if (r < 0)
			return r;
	}
	return r == OX_ECLOSED ? 0 : r;
}

int oxi_printer_run(void *printer)
{
	struct oxi_printer *p = printer;
	if (!p->keep_order)
		return show_as_they_come(p);
	struct oxi_job **ring = calloc(p->window_len, sizeof(struct oxi_job *));
	if (!ring)
		return OX_ENOMEM;
	int r = show_in_order(p, ring);
	for (size_t i = 0; i < p->window_len; i++)
		oxi_job_free(ring[i]);
	free(ring);
	return r;
}
