/* SPDX-License-Identifier: MIT */
/*
 * Jobs come in the order in which they end. With -k they are shown in the order of the input: one that comes
 * early waits in a ring, at its number modulo the ring's length. The ring is long enough because the feeder
 * takes one place in the window for each job and the printer gives it back when the job is shown, so that the
 * numbers on their way never span more than the window.
 */
#include "cli/batch/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct writer {
	struct oxi_sink sink;
	const struct oxi_job *tag;      /* the job whose name goes before each line; NULL: none */
	bool in_line;
};

static int write_tag(struct writer *w)
{
	int r = 0;
	for (size_t i = 0; i < w->tag->n && r >= 0; i++) {
		r = oxi_sink_write(&w->sink, w->tag->value[i].data, w->tag->value[i].len);
		if (r >= 0)
			r = oxi_sink_write(&w->sink, i + 1 < w->tag->n ? " " : "\t", 1);
	}
	return r;
}

static int write_piece(void *arg, const char *data, size_t len)
{
	struct writer *w = arg;
	if (!w->tag)
		return oxi_sink_write(&w->sink, data, len);
	while (len > 0) {
		int r = w->in_line ? 0 : write_tag(w);
		if (r < 0)
			return r;
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) + 1 : len;
		r = oxi_sink_write(&w->sink, data, n);
		if (r < 0)
			return r;
		w->in_line = !end;
		data += n;
		len -= n;
	}
	return 0;
}

static int show_capture(struct oxi_printer *p, struct writer *w, struct oxi_job *j, struct oxi_capture *c)
{
	if (c->len == 0)
		return 0;
	oxi_bar_clear(p->bar);
	w->tag = p->tag ? j : NULL;
	w->in_line = false;
	return oxi_capture_each(c, write_piece, w);
}

static int show(struct oxi_printer *p, struct writer *out, struct writer *err, struct oxi_job *j)
{
	oxi_tally_add(&p->tally, j);
	int r = show_capture(p, out, j, &j->out);
	if (r >= 0)
		r = show_capture(p, err, j, &j->err);
	oxi_job_free(j);
	void *place;
	ox_queue_try_get(p->window, &place);
	return r;
}

static int show_in_order(struct oxi_printer *p, struct writer *out, struct writer *err, struct oxi_job **ring)
{
	uint64_t next = 1;
	void *item;
	int r;
	while ((r = ox_queue_get(p->done, &item)) == 0) {
		struct oxi_job *j = item;
		ring[j->seq % p->window_len] = j;
		for (; r >= 0 && (j = ring[next % p->window_len]); next++) {
			ring[next % p->window_len] = NULL;
			r = show(p, out, err, j);
		}
		if (r < 0)
			return r;
	}
	return r == OX_ECLOSED ? 0 : r;
}

static int show_as_they_come(struct oxi_printer *p, struct writer *out, struct writer *err)
{
	void *item;
	int r;
	while ((r = ox_queue_get(p->done, &item)) == 0) {
		r = show(p, out, err, item);
		if (r < 0)
			return r;
	}
	return r == OX_ECLOSED ? 0 : r;
}

int oxi_printer_run(void *printer)
{
	struct oxi_printer *p = printer;
	struct writer out = { .sink = oxi_sink_of(STDOUT_FILENO) }, err = { .sink = oxi_sink_of(STDERR_FILENO) };
	if (!p->keep_order)
		return show_as_they_come(p, &out, &err);
	struct oxi_job **ring = calloc(p->window_len, sizeof(struct oxi_job *));
	if (!ring)
		return OX_ENOMEM;
	int r = show_in_order(p, &out, &err, ring);
	for (size_t i = 0; i < p->window_len; i++)
		oxi_job_free(ring[i]);
	free(ring);
	return r;
}
