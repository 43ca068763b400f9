/* SPDX-License-Identifier: MIT */
/* oxbow why: why a job ran, failed, was skipped or waits: its attempts, and what it comes after. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/quote.h"
#include "cli/say.h"
#include "cli/state/look.h"
#include "cli/state/tasks.h"

static const struct oxi_option OPTIONS[] = {
	OXI_COMMON_OPTIONS,
	{ 0 },
};

enum { TAIL_LINES = 10, TAIL_BYTES = 2000 };

struct why {
	const char *job;
	struct oxi_tasks tasks;
	bool *told;                     /* of each task: what it comes after was listed */
	struct oxi_buffer out;
};

/* ---- what happened ---- */

static int add_attempt(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_buffer *out = arg;
	int64_t status = ox_sqlite_int(res, row, 1);
	struct oxi_outcome o = { (enum oxi_status)status, (int)ox_sqlite_int(res, row, 2), (int)ox_sqlite_int(res, row, 3) };
	if (status < 0 || status >= OXI_STATUSES)
		return OX_EPROTO;
	oxi_buffer_add_format(out, "  attempt %lld: ", (long long)ox_sqlite_int(res, row, 0));
	oxi_outcome_add(out, o);
	oxi_buffer_add_text(out, " after ");
	oxi_duration_add(out, ox_sqlite_real(res, row, 5));
	oxi_buffer_add_format(out, ", slot %lld, ", (long long)ox_sqlite_int(res, row, 4));
	oxi_time_add(out, ox_sqlite_real(res, row, 6));
	oxi_buffer_add_char(out, '\n');
	return 0;
}

static int add_attempts(struct oxi_look *l, const struct oxi_found *f, struct oxi_buffer *out)
{
	int64_t id = (int64_t)((uint64_t)f->session << 40 | f->seq);
	return oxi_look_each(l,
		"select attempt, status, exit, signal, slot, wall / 1e9, began from attempt where job = ?1 union all "
		"select attempt, status, exit, signal, slot, wall / 1e9, began from job where id = ?1 and attempt > 0 order by 1",
		OX_VALUES(ox_int(id)), add_attempt, out);
}

struct tail {
	char data[TAIL_BYTES];
	size_t len;
};

static int keep_tail(void *arg, const char *data, size_t len)
{
	struct tail *t = arg;
	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	size_t over = t->len + len > TAIL_BYTES ? t->len + len - TAIL_BYTES : 0;
	memmove(t->data, t->data + over, t->len - over);
	memcpy(t->data + t->len - over, data, len);
	t->len += len - over;
	return 0;
}

/* Its last lines, so that a terminal can show them whatever is in them. */
static void add_tail(const struct oxi_stored *s, struct oxi_buffer *out)
{
	struct tail t = { .len = 0 };
	if (oxi_stored_each(s, keep_tail, &t) < 0 || !t.len)
		return;
	size_t from = t.len, lines = 0;
	while (from > 0 && !(t.data[from - 1] == '\n' && from < t.len && ++lines == TAIL_LINES))
		from--;
	oxi_buffer_add_text(out, "  the end of its standard error:\n");
	for (size_t n; from < t.len; from += n + 1) {
		const char *end = memchr(t.data + from, '\n', t.len - from);
		n = (end ? (size_t)(end - t.data) : t.len) - from;
		oxi_buffer_add_text(out, "    | ");
		oxi_buffer_add_printable(out, t.data + from, n);
		oxi_buffer_add_char(out, '\n');
	}
}

static const char *because(const struct oxi_found *f)
{
	switch (f->outcome.status) {
	case OXI_OK: return "it ran, since what it comes after had ended as it must; it succeeded";
	case OXI_FAILED:
		return f->outcome.exit == 127 ? "it failed: its program was not found" :
		       f->outcome.exit == 126 ? "it failed: its program could not be run" : "it failed";
	case OXI_TIMEOUT: return "it was ended: it had had its time";
	case OXI_INTERRUPTED: return "the run ended before it had: resume does it again";
	case OXI_SKIPPED: return "it was skipped: what it comes after did not end as it must";
	case OXI_UP_TO_DATE: return "it did not run: what it makes is up to date";
	default: return "";
	}
}

static int add_found(struct oxi_look *l, const struct oxi_found *f, struct oxi_buffer *out)
{
	oxi_buffer_add_format(out, "job %llu", (unsigned long long)f->seq);
	if (f->name) {
		oxi_buffer_add_text(out, " ");
		oxi_buffer_add_quoted(out, f->name, strlen(f->name));
	}
	oxi_buffer_add_text(out, ": ");
	oxi_outcome_add(out, f->outcome);
	if (f->words.len) {
		oxi_buffer_add_text(out, "\n  ");
		oxi_command_add(out, f->words, 1000);
	}
	oxi_buffer_add_format(out, "\n  %s\n", because(f));
	if (f->why) {
		oxi_buffer_add_text(out, "  reason: ");
		oxi_buffer_add_printable(out, f->why, strlen(f->why));
		oxi_buffer_add_char(out, '\n');
	}
	int r = add_attempts(l, f, out);
	if (f->outcome.status == OXI_FAILED || f->outcome.status == OXI_TIMEOUT)
		add_tail(&f->err, out);
	return r;
}

/* ---- what it comes after ---- */

static void add_task(const struct oxi_task *t, int when, unsigned depth, struct oxi_buffer *out)
{
	static const char *const states[] = {
		[OXI_EDGE_WAITS] = "waited for", [OXI_EDGE_OPEN] = "as it must", [OXI_EDGE_NEVER] = "not as it must",
	};
	const struct oxi_task_counts *c = &t->counts;
	for (unsigned i = 0; i < depth; i++)
		oxi_buffer_add_text(out, "  ");
	oxi_buffer_add_quoted(out, t->name, strlen(t->name));
	oxi_buffer_add_format(out, " (%s): %s, ", oxi_condition_name(when), states[oxi_edge_state(t, when)]);
	const char *comma = "";
	for (size_t i = 0; i < OXI_STATUSES; i++) {
		if (!c->count[i])
			continue;
		oxi_buffer_add_format(out, "%s%llu %s", comma, (unsigned long long)c->count[i], oxi_status_name((enum oxi_status)i));
		comma = ", ";
	}
	if (!c->jobs)
		oxi_buffer_add_format(out, "%smore to come", comma);
	else if (oxi_task_left(c) || !c->recorded)
		oxi_buffer_add_format(out, "%s%llu left", comma, (unsigned long long)oxi_task_left(c));
	oxi_buffer_add_char(out, '\n');
}

/* Depth first, each task's own once: a DAG can have more paths than anybody reads. */
static void add_edges(struct why *w, const struct oxi_task *t, unsigned depth)
{
	enum { DEEPEST = 50 };
	bool *told = &w->told[t - w->tasks.task];
	if (*told || depth > DEEPEST)
		return;
	*told = true;
	for (size_t i = t->edge; i < t->edge + t->edges; i++) {
		const struct oxi_task *from = oxi_tasks_find(&w->tasks, w->tasks.edge[i].from);
		if (!from)
			continue;
		add_task(from, w->tasks.edge[i].when, depth, &w->out);
		add_edges(w, from, depth + 1);
	}
}

static void add_chain(struct why *w, const struct oxi_task *t)
{
	if (t && t->edges) {
		oxi_buffer_add_text(&w->out, "it comes after:\n");
		add_edges(w, t, 1);
	}
}

/* ---- one that is not on record ---- */

/* "thumb[3]" is one of the task "thumb". */
static const struct oxi_task *task_of(const struct oxi_tasks *tasks, const char *job)
{
	size_t len = strcspn(job, "[");
	for (size_t i = 0; i < tasks->n; i++) {
		const char *name = tasks->task[i].name;
		if (strcmp(name, job) == 0 || (job[len] && strlen(name) == len && memcmp(name, job, len) == 0))
			return &tasks->task[i];
	}
	return NULL;
}

static void add_waiting(struct why *w, const struct oxi_look *l, const struct oxi_task *t)
{
	enum oxi_edge_state worst = OXI_EDGE_OPEN;
	oxi_buffer_add_quoted(&w->out, w->job, strlen(w->job));
	for (size_t i = t->edge; i < t->edge + t->edges; i++) {
		const struct oxi_task *from = oxi_tasks_find(&w->tasks, w->tasks.edge[i].from);
		enum oxi_edge_state s = from ? oxi_edge_state(from, w->tasks.edge[i].when) : OXI_EDGE_OPEN;
		worst = s == OXI_EDGE_NEVER || worst == OXI_EDGE_NEVER ? OXI_EDGE_NEVER : s == OXI_EDGE_WAITS ? s : worst;
	}
	if (t->counts.recorded && strcmp(t->name, w->job) == 0)
		oxi_buffer_add_format(&w->out, ": a task of several jobs, name one of them: %s[1]", t->name);
	else if (worst == OXI_EDGE_WAITS)
		oxi_buffer_add_text(&w->out, l->live ? ": it waits for what it comes after" : ": it waited for what it comes after when the run ended");
	else if (worst == OXI_EDGE_NEVER)
		oxi_buffer_add_text(&w->out, ": it will be skipped, what it comes after did not end as it must");
	else
		oxi_buffer_add_text(&w->out, l->live ? ": it runs, or waits for a slot" : ": no end of it is on record, so resume runs it");
	oxi_buffer_add_char(&w->out, '\n');
}

static int explain(struct oxi_look *l, struct why *w)
{
	struct oxi_found f;
	int r = oxi_look_job(l, w->job, &f);
	if (r < 0)
		return r;
	if (r == 1) {
		r = add_found(l, &f, &w->out);
		add_chain(w, oxi_tasks_find(&w->tasks, f.task));
		oxi_found_free(&f);
		return r;
	}
	const struct oxi_task *t = task_of(&w->tasks, w->job);
	if (t) {
		add_waiting(w, l, t);
		add_chain(w, t);
		return OXI_EXIT_OK;
	}
	oxi_say("why", l->live ? "no end of a job '%s' is on record: it runs, waits, or there is none" : "no job '%s' is on record", w->job);
	return OXI_EXIT_INPUT;
}

static int look(struct oxi_look *l, void *arg)
{
	struct why *w = arg;
	int r = oxi_tasks_read(l, &w->tasks);
	w->told = r == 0 ? calloc(w->tasks.n + 1, sizeof(*w->told)) : NULL;
	if (r == 0)
		r = w->told ? explain(l, w) : OX_ENOMEM;
	if (r >= 0 && !oxi_look_print(stdout, &w->out))
		r = OXI_EXIT_OUTPUT;
	free(w->told);
	oxi_tasks_free(&w->tasks);
	oxi_buffer_free(&w->out);
	return r;
}

static int run(int argc, char **argv)
{
	struct why w = { 0 };
	const char *value;
	int id = oxi_options_next(&oxi_command_why, argc, argv, &value);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	const char *of;
	if (!oxi_look_job_words("why", argc - optind, argv + optind, &of, &w.job))
		return OXI_EXIT_USAGE;
	return oxi_look_run("why", of, look, &w);
}

const struct oxi_command oxi_command_why = {
	.name = "why",
	.summary = "Says why a job ran, failed, was skipped or waits",
	.usage = "[OPTION...] [RUN] JOB",
	.options = OPTIONS,
	.notes = OXI_LOOK_JOB_NOTES,
	.run = run,
	.anywhere = true,
};
