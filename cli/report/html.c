/* SPDX-License-Identifier: MIT */
/* The page: summary, time line, durations, failures, slowest jobs, tasks and critical path. */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"
#include "cli/state/parts.h"

enum { FAILURES = 100, SHOWN = 10, SLOWEST = 20, STEPS = 200, TASKS = 1000, ERRORS = 4000 };

static const char LAST_SESSION[] = "select id, argv, cwd, began, ended, exit from session order by n desc limit 1";

struct page {
	struct oxi_page *p;
	struct oxi_timeline t;
	const char *id;
};

/* ---- pieces ---- */

static void cell(struct oxi_buffer *out, const char *class, const char *text)
{
	oxi_buffer_add_format(out, "<td class=\"%s\">", class);
	oxi_html_add_text(out, text);
	oxi_buffer_add_text(out, "</td>");
}

static void number_cell(struct oxi_buffer *out, uint64_t n)
{
	oxi_buffer_add_format(out, "<td class=\"n\">%llu</td>", (unsigned long long)n);
}

static void duration_cell(struct oxi_buffer *out, double seconds)
{
	oxi_buffer_add_text(out, "<td class=\"n\">");
	oxi_duration_add(out, seconds);
	oxi_buffer_add_text(out, "</td>");
}

static void add_job(struct oxi_buffer *out, const struct oxi_look_row *f)
{
	if (f->name.data) {
		oxi_html_add(out, f->name.data, f->name.len);
		oxi_buffer_add_text(out, " ");
	}
	oxi_buffer_add_text(out, "<code>");
	oxi_html_words(out, f->words, 300);
	oxi_buffer_add_text(out, "</code>");
}

static void add_card(struct oxi_buffer *out, const char *name, const char *class, double value, int digits)
{
	oxi_buffer_add_format(out, "<div><dt>%s</dt><dd class=\"%s\">%.*f</dd></div>\n", name, class, digits, value);
}

/* ---- summary ---- */

static void add_summary(struct page *x, const ox_sqlite_result *s)
{
	struct oxi_buffer *out = &x->p->out;
	const struct oxi_task_counts *c = &x->p->tasks.all;
	bool ended = ox_sqlite_kind(s, 0, 4) != OX_VALUE_NULL;
	oxi_buffer_add_text(out, "<h1>Run ");
	oxi_html_add_text(out, x->id);
	oxi_buffer_add_text(out, "</h1>\n<p><code>");
	oxi_html_words(out, ox_sqlite_value(s, 0, 1), 2000);
	oxi_buffer_add_text(out, "</code><br><span class=\"dim\">in ");
	ox_bytes cwd = ox_sqlite_value(s, 0, 2);
	oxi_html_add(out, cwd.data, cwd.len);
	oxi_buffer_add_text(out, ", began ");
	oxi_time_add(out, ox_sqlite_real(s, 0, 3));
	oxi_buffer_add_format(out, ", %s", oxi_look_state(x->p->l, ended));
	if (ended && !x->p->l->live)
		oxi_buffer_add_format(out, " with exit %lld", (long long)ox_sqlite_int(s, 0, 5));
	oxi_buffer_add_text(out, "</span></p>\n<dl>\n");
	for (size_t i = 0; i < OXI_STATUSES; i++) {
		if (c->count[i] || i == OXI_OK || i == OXI_FAILED)
			add_card(out, oxi_status_name((enum oxi_status)i), c->count[i] ? oxi_html_class((enum oxi_status)i) : "", (double)c->count[i], 0);
	}
	if (c->jobs)
		add_card(out, "left", "", (double)oxi_task_left(c), 0);
	add_card(out, "slots", "", x->t.slots, 0);
	add_card(out, "seconds", "", x->t.length, 1);
	add_card(out, "jobs a second", "", (double)x->t.jobs / x->t.length, 1);
	add_card(out, "slots busy, %", "", 100 * x->t.sum / x->t.length / x->t.slots, 0);
	oxi_buffer_add_text(out, "</dl>\n");
}

/* ---- failures ---- */

struct tail {
	char data[ERRORS];
	size_t len;
	uint64_t all;
};

static int keep_tail(void *arg, const char *data, size_t len)
{
	struct tail *t = arg;
	t->all += len;
	if (len > ERRORS) {
		data += len - ERRORS;
		len = ERRORS;
	}
	size_t over = t->len + len > ERRORS ? t->len + len - ERRORS : 0;
	memmove(t->data, t->data + over, t->len - over);
	memcpy(t->data + t->len - over, data, len);
	t->len += len - over;
	return 0;
}

static void add_stderr(struct oxi_buffer *out, const struct oxi_stored *err)
{
	struct tail *t = calloc(1, sizeof(*t));
	int r = t ? oxi_stored_each(err, keep_tail, t) : OX_ENOMEM;
	if (r < 0) {
		oxi_buffer_add_text(out, "<p class=\"dim\">its standard error cannot be read: ");
		oxi_html_add_text(out, ox_strerror(r));
		oxi_buffer_add_text(out, "</p>");
	} else if (t->len) {
		if (t->all > t->len)
			oxi_buffer_add_format(out, "<p class=\"dim\">the last %zu of %llu bytes:</p>", t->len, (unsigned long long)t->all);
		oxi_buffer_add_text(out, "<pre>");
		oxi_html_add(out, t->data, t->len);
		oxi_buffer_add_text(out, "</pre>");
	} else {
		oxi_buffer_add_text(out, "<p class=\"dim\">nothing on standard error</p>");
	}
	free(t);
}

static void add_failure(struct oxi_buffer *out, const struct oxi_found *f, bool open)
{
	oxi_buffer_add_format(out, "<details%s><summary><b class=\"bad\">", open ? " open" : "");
	oxi_outcome_add(out, f->outcome);
	oxi_buffer_add_format(out, "</b> job %llu ", (unsigned long long)f->seq);
	oxi_html_add_text(out, f->name ? f->name : "");
	oxi_buffer_add_text(out, " <code>");
	oxi_html_words(out, f->words, 300);
	oxi_buffer_add_text(out, "</code> <span class=\"dim\">after ");
	oxi_duration_add(out, (double)f->wall / 1e9);
	oxi_buffer_add_format(out, ", attempt %u</span></summary>", f->attempt);
	add_stderr(out, &f->err);
	oxi_buffer_add_text(out, "</details>\n");
}

static int add_failures(struct page *x)
{
	OX_AUTO_SQLITE_RESULT *ids = NULL;
	struct oxi_buffer *out = &x->p->out;
	const struct oxi_task_counts *c = &x->p->tasks.all;
	uint64_t n = c->count[OXI_FAILED] + c->count[OXI_TIMEOUT];
	oxi_buffer_add_format(out, "<h2 id=\"failures\">Failures</h2>\n<p class=\"dim\">%s%llu%s</p>\n", n > FAILURES ? "the first 100 of " : "",
	                      (unsigned long long)n, n == 1 ? " job failed" : " jobs failed");
	int r = oxi_look_query(x->p->l, "select id from job where final and status in (1, 2) order by began limit ?", OX_VALUES(ox_int(FAILURES)), &ids);
	for (size_t i = 0; r == 0 && i < ox_sqlite_rows(ids); i++) {
		ox_sqlite_result *res = NULL;
		struct oxi_found f;
		r = oxi_look_query(x->p->l, OXI_FOUND_SELECT "where j.id = ?", OX_VALUES(ox_int(ox_sqlite_int(ids, i, 0))), &res);
		if (r == 0)
			r = oxi_found_read(x->p->l->dir, res, 0, &f);
		if (r < 0)
			return r;
		add_failure(out, &f, i < SHOWN);
		oxi_found_free(&f);
		r = oxi_page_flush(x->p, false);
	}
	return r;
}

/* ---- tables of jobs ---- */

static int add_row(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_buffer *out = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	struct oxi_buffer outcome = { 0 };
	oxi_outcome_add(&outcome, f.outcome);
	oxi_buffer_add_char(&outcome, '\0');
	oxi_buffer_add_text(out, "<tr>");
	duration_cell(out, f.wall);
	number_cell(out, f.seq);
	cell(out, oxi_html_class(f.outcome.status), outcome.failed ? "" : outcome.data);
	oxi_buffer_free(&outcome);
	number_cell(out, f.slot);
	oxi_buffer_add_text(out, "<td>");
	add_job(out, &f);
	oxi_buffer_add_text(out, "</td></tr>\n");
	return 0;
}

static const char JOB_TABLE[] =
	"<table><tr><th class=\"n\">took</th><th class=\"n\">job</th><th>ended</th><th class=\"n\">slot</th><th>command</th></tr>\n";

static int add_slowest(struct page *x)
{
	oxi_buffer_add_text(&x->p->out, "<h2 id=\"slowest\">Slowest jobs</h2>\n");
	oxi_buffer_add_text(&x->p->out, JOB_TABLE);
	int r = oxi_look_each(x->p->l, OXI_LOOK_JOBS "where final and attempt > 0 order by wall desc limit ?", OX_VALUES(ox_int(SLOWEST)), add_row,
	                      &x->p->out);
	oxi_buffer_add_text(&x->p->out, "</table>\n");
	return r < 0 ? r : oxi_page_flush(x->p, false);
}

static int add_path(struct page *x)
{
	struct oxi_buffer *out = &x->p->out;
	uint64_t *path;
	size_t n;
	if (!x->p->tasks.n)
		return 0;
	int r = oxi_path_find(x->p, &path, &n);
	if (r < 0)
		return r;
	oxi_buffer_add_text(out, "<h2 id=\"path\">Critical path</h2>\n<p class=\"dim\">The job that ended last, and each time the one before it that it came after "
		"and that ended last: to be faster, make these faster.</p>\n");
	oxi_buffer_add_text(out, JOB_TABLE);
	size_t from = n > STEPS ? n - STEPS : 0;
	for (size_t i = from; i < n && r == 0; i++)
		r = oxi_look_each(x->p->l, OXI_LOOK_JOBS "where id = ?", OX_VALUES(ox_int((int64_t)path[i])), add_row, out);
	oxi_buffer_add_text(out, "</table>\n");
	if (from)
		oxi_buffer_add_format(out, "<p class=\"dim\">the last %d of %zu</p>\n", STEPS, n);
	free(path);
	return r < 0 ? r : oxi_page_flush(x->p, false);
}

/* ---- tasks ---- */

static void add_edges(struct page *x, const struct oxi_task *t)
{
	for (size_t i = t->edge; i < t->edge + t->edges && i < t->edge + 20; i++) {
		const struct oxi_task *from = oxi_tasks_find(&x->p->tasks, x->p->tasks.edge[i].from);
		oxi_buffer_add_text(&x->p->out, i > t->edge ? ", " : "");
		oxi_html_add_text(&x->p->out, from ? from->name : "?");
		if (x->p->tasks.edge[i].when)
			oxi_buffer_add_format(&x->p->out, " (%s)", oxi_condition_name(x->p->tasks.edge[i].when));
	}
	if (t->edges > 20)
		oxi_buffer_add_format(&x->p->out, " and %zu more", t->edges - 20);
}

static void add_tasks(struct page *x)
{
	struct oxi_buffer *out = &x->p->out;
	if (!x->p->tasks.n)
		return;
	oxi_buffer_add_text(out, "<h2 id=\"tasks\">Tasks</h2>\n<table><tr><th>task</th><th>kind</th><th class=\"n\">ok</th><th class=\"n\">failed</th>"
		"<th class=\"n\">skipped</th><th class=\"n\">left</th><th>after</th></tr>\n");
	for (size_t i = 0; i < x->p->tasks.n && i < TASKS; i++) {
		const struct oxi_task *t = &x->p->tasks.task[i];
		const struct oxi_task_counts *c = &t->counts;
		oxi_buffer_add_text(out, "<tr>");
		cell(out, "", t->name);
		cell(out, "dim", oxi_kind_name(t->kind));
		number_cell(out, c->count[OXI_OK] + c->count[OXI_UP_TO_DATE]);
		number_cell(out, c->count[OXI_FAILED] + c->count[OXI_TIMEOUT]);
		number_cell(out, c->count[OXI_SKIPPED]);
		number_cell(out, oxi_task_left(c));
		oxi_buffer_add_text(out, "<td>");
		add_edges(x, t);
		oxi_buffer_add_text(out, "</td></tr>\n");
	}
	oxi_buffer_add_text(out, "</table>\n");
	if (x->p->tasks.n > TASKS)
		oxi_buffer_add_format(out, "<p class=\"dim\">the first %d of %zu</p>\n", TASKS, x->p->tasks.n);
}

/* ---- all of it ---- */

static int write_page(struct page *x, const ox_sqlite_result *s)
{
	struct oxi_buffer *out = &x->p->out;
	oxi_html_begin(x->p, x->id);
	add_summary(x, s);
	oxi_buffer_add_text(out, "<h2 id=\"timeline\">Timeline</h2>\n");
	int r = oxi_timeline_draw(x->p, &x->t);
	if (r < 0)
		return r;
	oxi_buffer_add_text(out, "<h2 id=\"durations\">Durations</h2>\n<p class=\"dim\">");
	oxi_buffer_add_format(out, "%llu jobs, ", (unsigned long long)x->t.jobs);
	oxi_duration_add(out, x->t.jobs ? x->t.sum / (double)x->t.jobs : 0);
	oxi_buffer_add_text(out, " on average, ");
	oxi_duration_add(out, x->t.longest);
	oxi_buffer_add_text(out, " at most</p>\n");
	oxi_histogram_draw(x->p, &x->t);
	r = add_failures(x);
	if (r == 0)
		r = add_slowest(x);
	if (r == 0)
		r = add_path(x);
	if (r == 0)
		add_tasks(x);
	oxi_buffer_add_text(out, "</body></html>\n");
	return r;
}

int oxi_report_html(struct oxi_page *p)
{
	OX_AUTO_SQLITE_RESULT *s = NULL;
	struct page x = { .p = p };
	int r = oxi_look_query(p->l, LAST_SESSION, NULL, 0, &s);
	if (r == 0 && ox_sqlite_rows(s) == 0)
		r = OX_EINCOMPLETE;
	if (r == 0)
		r = oxi_timeline_read(p->l, &x.t);
	if (r == 0) {
		ox_bytes id = ox_sqlite_value(s, 0, 0);
		x.id = id.data ? id.data : "";
		r = write_page(&x, s);
	}
	oxi_timeline_free(&x.t);
	return r;
}
