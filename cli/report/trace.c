/* SPDX-License-Identifier: MIT */
/*
 * Trace events, for Perfetto and the like: the "JSON Array Format" of the Trace Event Format, in which each job and each attempt
 * is a complete event (ph X) in the thread that its slot is. Times are microseconds from the run's beginning.
 */
#include <string.h>

#include "cli/json.h"
#include "cli/report/report.h"

struct trace {
	struct oxi_page *p;
	struct oxi_json json;
	double from;
	unsigned slots;
};

static void name_thread(struct trace *t, unsigned slot)
{
	char name[32];
	snprintf(name, sizeof(name), "slot %u", slot);
	oxi_json_begin(&t->json, NULL, '{');
	oxi_json_text(&t->json, "name", slot ? "thread_name" : "process_name");
	oxi_json_text(&t->json, "ph", "M");
	oxi_json_int(&t->json, "pid", 1);
	oxi_json_int(&t->json, "tid", slot);
	oxi_json_begin(&t->json, "args", '{');
	oxi_json_text(&t->json, "name", slot ? name : "oxbow");
	oxi_json_end(&t->json);
	oxi_json_end(&t->json);
	oxi_buffer_add_char(&t->p->out, '\n');
}

static void add_title(struct trace *t, const struct oxi_look_row *f)
{
	struct oxi_buffer title = { 0 };
	if (f->name.data)
		oxi_buffer_add(&title, f->name.data, f->name.len);
	else
		oxi_command_add(&title, f->words, 100);
	if (!title.len)
		oxi_buffer_add_format(&title, "job %llu", (unsigned long long)f->seq);
	oxi_json_string(&t->json, "name", title.data, title.len);
	oxi_buffer_free(&title);
}

static int add_piece(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct trace *t = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	const struct oxi_task *task = oxi_tasks_find(&t->p->tasks, f.task);
	while (t->slots < f.slot && t->slots < 65536)
		name_thread(t, ++t->slots);
	oxi_json_begin(&t->json, NULL, '{');
	add_title(t, &f);
	oxi_json_string(&t->json, "cat", task ? task->name : "job", task ? strlen(task->name) : 3);
	oxi_json_text(&t->json, "ph", "X");
	oxi_json_double(&t->json, "ts", (double)(int64_t)((f.began - t->from) * 1e6));
	oxi_json_double(&t->json, "dur", (double)(int64_t)(f.wall * 1e6));
	oxi_json_int(&t->json, "pid", 1);
	oxi_json_int(&t->json, "tid", f.slot);
	oxi_json_begin(&t->json, "args", '{');
	oxi_json_int(&t->json, "job", (int64_t)f.seq);
	oxi_json_int(&t->json, "attempt", f.attempt);
	oxi_json_text(&t->json, "status", oxi_status_name(f.outcome.status));
	oxi_json_int(&t->json, "exit", oxi_outcome_code(f.outcome));
	oxi_argv_json(&t->json, "argv", f.words);
	oxi_json_end(&t->json);
	oxi_json_end(&t->json);
	oxi_buffer_add_char(&t->p->out, '\n');
	return oxi_page_flush(t->p, false);
}

int oxi_report_trace(struct oxi_page *p)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	struct trace t = { .p = p, .json.out = &p->out };
	int r = oxi_look_query(p->l, "select coalesce(min(began), 0) from job where attempt > 0", NULL, 0, &res);
	if (r < 0)
		return r;
	t.from = ox_sqlite_real(res, 0, 0);
	oxi_json_begin(&t.json, NULL, '{');
	oxi_json_text(&t.json, "displayTimeUnit", "ms");
	oxi_json_begin(&t.json, "traceEvents", '[');
	oxi_buffer_add_char(&p->out, '\n');
	name_thread(&t, 0);
	r = oxi_look_each(p->l, OXI_LOOK_PIECES, NULL, 0, add_piece, &t);
	oxi_json_end(&t.json);
	oxi_json_end(&t.json);
	oxi_buffer_add_char(&p->out, '\n');
	return r < 0 ? r : t.json.failed ? OX_EDEPTH : 0;
}
