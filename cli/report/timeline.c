/* SPDX-License-Identifier: MIT */
/*
 * Jobs in time, a lane for each slot, and how long they took. Up to 3000 are drawn one by one. More are counted into 600 bins of
 * each of at most 64 lanes, and neighbours that look the same become one piece: so the picture of 10^6 jobs is no bigger than
 * that of some ten thousand, and what it was made of is read once.
 *
 * A run that was resumed has sessions, perhaps days apart. They are drawn one behind the other.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

enum { WIDTH = 1000, LEFT = 60, LANE = 14, LEVELS = 4 };

/* ---- reading ---- */

static int read_sessions(struct oxi_look *l, struct oxi_timeline *t)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = oxi_look_query(l,
		"select s.began, max(coalesce(s.ended, 0), coalesce((select max(began + wall / 1e9) from job where id >= s.n << 40 and id < (s.n + 1) << 40), 0)), "
		"(select min(began) from job where id >= s.n << 40 and id < (s.n + 1) << 40 and attempt > 0) from session s order by n", NULL, 0, &res);
	if (r < 0)
		return r;
	t->sessions = ox_sqlite_rows(res);
	t->session = calloc(t->sessions + 1, sizeof(*t->session));
	if (!t->session)
		return OX_ENOMEM;
	for (size_t i = 0; i < t->sessions; i++) {
		double began = ox_sqlite_real(res, i, 0), end = ox_sqlite_real(res, i, 1), first = ox_sqlite_real(res, i, 2);
		if (first > 0 && first < began)
			began = first;
		t->session[i] = (struct oxi_session){ began, end > began ? end : began, t->length };
		t->length += t->session[i].end - began;
	}
	return 0;
}

/* Where a point of time is on the line. */
static double place(const struct oxi_timeline *t, unsigned session, double at)
{
	const struct oxi_session *s = &t->session[session - 1];
	return s->at + (at < s->began ? 0 : at > s->end ? s->end - s->began : at - s->began);
}

static unsigned lane_of(const struct oxi_timeline *t, unsigned slot)
{
	slot = slot ? slot - 1 : 0;
	return t->slots > t->lanes ? (unsigned)((uint64_t)slot * t->lanes / t->slots) : slot;
}

static void count_into_bins(struct oxi_timeline *t, const struct oxi_look_row *f)
{
	struct oxi_cell *cell = t->cell[lane_of(t, f->slot)];
	double from = place(t, f->session, f->began) / t->length * OXI_BINS;
	double to = place(t, f->session, f->began + f->wall) / t->length * OXI_BINS;
	bool bad = f->outcome.status == OXI_FAILED || f->outcome.status == OXI_TIMEOUT;
	for (int i = (int)from; i < OXI_BINS && i <= (int)to; i++) {
		double part = (to < i + 1 ? to : i + 1) - (from > i ? from : i);
		cell[i].busy += (float)part;
		/* A failure is seen however short it was. */
		cell[i].bad += bad ? (float)(part > 0.5 ? part : 0.5) : 0;
	}
}

static void count_into_histogram(struct oxi_timeline *t, double wall)
{
	int last = OXI_DECADES * OXI_PER_DECADE - 1;
	int i = wall > 0 ? (int)floor((log10(wall) + 5) * OXI_PER_DECADE) : 0;
	t->histogram[i < 0 ? 0 : i > last ? last : i]++;
	t->jobs++;
	t->sum += wall;
	t->longest = wall > t->longest ? wall : t->longest;
}

static int take(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_timeline *t = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	if (f.session < 1 || f.session > t->sessions)
		return 0;
	if (t->cell)
		count_into_bins(t, &f);
	if (ox_sqlite_int(res, row, OXI_LOOK_LAST))
		count_into_histogram(t, f.wall);
	return 0;
}

int oxi_timeline_read(struct oxi_look *l, struct oxi_timeline *ret)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	*ret = (struct oxi_timeline){ 0 };
	int r = read_sessions(l, ret);
	if (r == 0)
		r = oxi_look_query(l, "select count(*), coalesce(max(slot), 0) from (select slot from job where attempt > 0 union all select slot from attempt)",
		                   NULL, 0, &res);
	if (r < 0)
		return r;
	ret->pieces = (uint64_t)ox_sqlite_int(res, 0, 0);
	ret->slots = (unsigned)ox_sqlite_int(res, 0, 1);
	ret->slots = ret->slots ? ret->slots : 1;
	ret->lanes = ret->slots < OXI_LANES ? ret->slots : OXI_LANES;
	if (ret->length <= 0)
		ret->length = 1e-9;
	if (ret->pieces > OXI_EXACT && !(ret->cell = calloc(ret->lanes, sizeof(*ret->cell))))
		return OX_ENOMEM;
	return oxi_look_each(l, OXI_LOOK_PIECES, NULL, 0, take, ret);
}

void oxi_timeline_free(struct oxi_timeline *t)
{
	free(t->session);
	free(t->cell);
	*t = (struct oxi_timeline){ 0 };
}

/* ---- the timeline ---- */

static double x_of(const struct oxi_timeline *t, double at)
{
	return LEFT + at / t->length * (WIDTH - LEFT);
}

struct drawing {
	struct oxi_page *p;
	const struct oxi_timeline *t;
};

static int draw_piece(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct drawing *d = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	struct oxi_buffer *out = &d->p->out;
	if (f.session < 1 || f.session > d->t->sessions)
		return 0;
	double from = x_of(d->t, place(d->t, f.session, f.began)), to = x_of(d->t, place(d->t, f.session, f.began + f.wall));
	oxi_buffer_add_format(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\"><title>", oxi_html_class(f.outcome.status), from,
	                      lane_of(d->t, f.slot) * LANE + 1, to - from > 0.5 ? to - from : 0.5, LANE - 2);
	oxi_buffer_add_format(out, "%llu ", (unsigned long long)f.seq);
	oxi_html_add(out, f.name.data, f.name.len);
	oxi_buffer_add_text(out, f.name.data ? ": " : "");
	oxi_html_words(out, f.words, 100);
	oxi_buffer_add_char(out, '\n');
	oxi_outcome_add(out, f.outcome);
	oxi_buffer_add_text(out, ", ");
	oxi_duration_add(out, f.wall);
	oxi_buffer_add_text(out, "</title></rect>\n");
	return oxi_page_flush(d->p, false);
}

/* Busy in quarters, or failed. 0: empty. */
static int level(const struct oxi_cell *c)
{
	if (c->bad > 0)
		return -1;
	return c->busy <= 0 ? 0 : c->busy >= 1 ? LEVELS : 1 + (int)(c->busy * LEVELS) % LEVELS;
}

static void draw_lane(struct oxi_page *p, const struct oxi_timeline *t, unsigned lane)
{
	const struct oxi_cell *cell = t->cell[lane];
	for (int i = 0, to; i < OXI_BINS; i = to) {
		int now = level(&cell[i]);
		for (to = i + 1; to < OXI_BINS && level(&cell[to]) == now; to++)
			;
		if (now == 0)
			continue;
		double x = x_of(t, t->length * i / OXI_BINS), end = x_of(t, t->length * to / OXI_BINS);
		oxi_buffer_add_format(&p->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\"", now < 0 ? "bad" : "ok", x,
		                      lane * LANE + 1, end - x, LANE - 2);
		if (now > 0 && now < LEVELS)
			oxi_buffer_add_format(&p->out, " opacity=\"%.2f\"", 0.25 + 0.75 * now / LEVELS);
		oxi_buffer_add_text(&p->out, "/>\n");
	}
}

static void draw_frame(struct oxi_page *p, const struct oxi_timeline *t)
{
	struct oxi_buffer *out = &p->out;
	unsigned height = t->lanes * LANE;
	oxi_buffer_add_format(out, "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"Jobs in time, by slot\">\n", WIDTH, height + 20);
	for (unsigned i = 0; i < t->lanes; i++) {
		unsigned slot = t->slots > t->lanes ? (unsigned)(((uint64_t)i * t->slots + t->lanes - 1) / t->lanes) : i;
		oxi_buffer_add_format(out, "<rect class=\"lane\" x=\"%d\" y=\"%u\" width=\"%d\" height=\"%d\"/><text x=\"0\" y=\"%u\">slot %u</text>\n", LEFT,
		                      i * LANE + 1, WIDTH - LEFT, LANE - 2, i * LANE + 11, slot + 1);
	}
	for (size_t i = 1; i < t->sessions && i < 100; i++) {
		double x = x_of(t, t->session[i].at);
		oxi_buffer_add_format(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%u\"/>", x, x, height + 6);
	}
	for (int i = 0; i <= 4; i++) {
		oxi_buffer_add_format(out, "<text x=\"%.1f\" y=\"%u\" text-anchor=\"%s\">", x_of(t, t->length * i / 4), height + 16,
		                      i == 4 ? "end" : i ? "middle" : "start");
		oxi_duration_add(out, t->length * i / 4);
		oxi_buffer_add_text(out, "</text>\n");
	}
}

int oxi_timeline_draw(struct oxi_page *p, const struct oxi_timeline *t)
{
	struct drawing d = { p, t };
	int r = 0;
	draw_frame(p, t);
	if (!t->cell)
		r = oxi_look_each(p->l, OXI_LOOK_PIECES, NULL, 0, draw_piece, &d);
	for (unsigned i = 0; t->cell && i < t->lanes && r == 0; i++) {
		draw_lane(p, t, i);
		r = oxi_page_flush(p, false);
	}
	oxi_buffer_add_text(&p->out, "</svg>\n");
	return r;
}

/* ---- the histogram ---- */

void oxi_histogram_draw(struct oxi_page *p, const struct oxi_timeline *t)
{
	enum { HEIGHT = 120 };
	struct oxi_buffer *out = &p->out;
	int first = OXI_DECADES * OXI_PER_DECADE, last = -1;
	uint64_t most = 1;
	for (int i = 0; i < OXI_DECADES * OXI_PER_DECADE; i++) {
		if (!t->histogram[i])
			continue;
		first = i < first ? i : first;
		last = i;
		most = t->histogram[i] > most ? t->histogram[i] : most;
	}
	if (last < 0)
		return;
	double width = (double)WIDTH / (last - first + 1);
	width = width < 80 ? width : 80;
	oxi_buffer_add_format(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"How many jobs took how long\">\n", WIDTH, HEIGHT + 36);
	for (int i = first; i <= last; i++) {
		double height = (double)t->histogram[i] / (double)most * HEIGHT, x = (i - first) * width;
		double from = pow(10, (double)i / OXI_PER_DECADE - 5);
		oxi_buffer_add_format(out, "<rect class=\"ok\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%llu from ", x + 1,
		                      HEIGHT + 16 - height, width - 2, height, (unsigned long long)t->histogram[i]);
		oxi_duration_add(out, from);
		oxi_buffer_add_text(out, " on</title></rect>");
		if (t->histogram[i])
			oxi_buffer_add_format(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%llu</text>", x + width / 2, HEIGHT + 12 - height,
			                      (unsigned long long)t->histogram[i]);
		oxi_buffer_add_format(out, "<text x=\"%.1f\" y=\"%d\">", x + 1, HEIGHT + 30);
		if (width > 45 || (i - first) % 3 == 0)
			oxi_duration_add(out, from);
		oxi_buffer_add_text(out, "</text>\n");
	}
	oxi_buffer_add_text(out, "</svg>\n");
}
