/* SPDX-License-Identifier: MIT */
/* oxbow status: how far a run is, by state and by task, and what has failed. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/quote.h"
#include "cli/say.h"
#include "cli/state/look.h"
#include "cli/state/tasks.h"

enum { OPT_JSON = OXI_LONG, FAILURES = 20 };

static const struct oxi_option OPTIONS[] = {
	{ OPT_JSON, "json", NULL, "all of it as one JSON object" },
	{ 'n', "failures", "N", "name N of the jobs that failed, the last ones (20)" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct status {
	bool json;
	uint64_t failures;              /* to be named */
	struct oxi_look *l;
	struct oxi_tasks tasks;
	ox_sqlite_result *session;      /* of all sessions, the last one first */
	double took;                    /* seconds of all sessions together */
	struct oxi_buffer out;
	struct oxi_json j;
};

enum { BEGAN, ENDED, EXIT, ID, COMMAND, ARGV, CWD };
static const char SESSIONS[] = "select began, ended, exit, id, command, argv, cwd from session order by n desc";
static const char FAILED[] =
	OXI_LOOK_JOBS "where final and status in (1, 2) order by began + wall / 1e9 desc limit ?";

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool ended(const struct status *s)
{
	return ox_sqlite_kind(s->session, 0, ENDED) != OX_VALUE_NULL;
}

/* A session that went without a word lasted as long as its jobs. */
static int measure(struct status *s)
{
	OX_AUTO_SQLITE_RESULT *last = NULL;
	int r = oxi_look_query(s->l, "select id >> 40, max(began + wall / 1e9) from job group by 1", NULL, 0, &last);
	for (size_t i = 0; r == 0 && i < ox_sqlite_rows(s->session); i++) {
		double began = ox_sqlite_real(s->session, i, BEGAN), end = ox_sqlite_real(s->session, i, ENDED);
		int64_t n = (int64_t)(ox_sqlite_rows(s->session) - i);
		if (i == 0 && s->l->live)
			end = now();
		for (size_t k = 0; end == 0 && k < ox_sqlite_rows(last); k++) {
			if (ox_sqlite_int(last, k, 0) == n)
				end = ox_sqlite_real(last, k, 1);
		}
		s->took += end > began ? end - began : 0;
	}
	return r;
}

static double rate(const struct status *s)
{
	uint64_t n = s->tasks.all.recorded - s->tasks.all.count[OXI_SKIPPED];
	return s->took > 0 ? (double)n / s->took : 0;
}

/* ---- JSON ---- */

static void counts_json(struct oxi_json *j, const struct oxi_task_counts *c)
{
	if (c->jobs)
		oxi_json_int(j, "jobs", (int64_t)c->jobs);
	for (size_t i = 0; i < OXI_STATUSES; i++)
		oxi_json_int(j, oxi_status_name((enum oxi_status)i), (int64_t)c->count[i]);
	if (c->jobs)
		oxi_json_int(j, "left", (int64_t)oxi_task_left(c));
}

static int failure_json(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_json *j = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	oxi_json_begin(j, NULL, '{');
	oxi_json_int(j, "job", (int64_t)f.seq);
	if (f.name.data)
		oxi_json_bytes(j, "name", f.name.data, f.name.len);
	oxi_json_text(j, "status", oxi_status_name(f.outcome.status));
	oxi_json_int(j, "exit", f.outcome.exit);
	if (f.outcome.signal)
		oxi_json_int(j, "signal", f.outcome.signal);
	oxi_json_int(j, "attempt", f.attempt);
	oxi_json_double(j, "began", f.began);
	oxi_json_double(j, "wall", f.wall);
	oxi_argv_json(j, "argv", f.words);
	oxi_json_end(j);
	return 0;
}

static void tasks_json(struct status *s)
{
	oxi_json_begin(&s->j, "tasks", '[');
	for (size_t i = 0; i < s->tasks.n; i++) {
		const struct oxi_task *t = &s->tasks.task[i];
		oxi_json_begin(&s->j, NULL, '{');
		oxi_json_bytes(&s->j, "name", t->name, strlen(t->name));
		oxi_json_text(&s->j, "kind", oxi_kind_name(t->kind));
		counts_json(&s->j, &t->counts);
		oxi_json_end(&s->j);
	}
	oxi_json_end(&s->j);
}

static int status_json(struct status *s)
{
	ox_bytes cwd = ox_sqlite_value(s->session, 0, CWD);
	s->j.out = &s->out;
	oxi_json_begin(&s->j, NULL, '{');
	oxi_json_text(&s->j, "id", ox_sqlite_value(s->session, 0, ID).data);
	oxi_json_bytes(&s->j, "dir", s->l->dir, strlen(s->l->dir));
	oxi_json_text(&s->j, "state", oxi_look_state(s->l, ended(s)));
	if (s->l->live)
		oxi_json_int(&s->j, "pid", s->l->holder.pid);
	oxi_json_text(&s->j, "command", ox_sqlite_value(s->session, 0, COMMAND).data);
	oxi_argv_json(&s->j, "argv", ox_sqlite_value(s->session, 0, ARGV));
	if (cwd.data)
		oxi_json_bytes(&s->j, "cwd", cwd.data, cwd.len);
	oxi_json_int(&s->j, "sessions", (int64_t)ox_sqlite_rows(s->session));
	oxi_json_double(&s->j, "began", ox_sqlite_real(s->session, 0, BEGAN));
	if (ended(s) && !s->l->live) {
		oxi_json_double(&s->j, "ended", ox_sqlite_real(s->session, 0, ENDED));
		oxi_json_int(&s->j, "exit", ox_sqlite_int(s->session, 0, EXIT));
	}
	oxi_json_double(&s->j, "seconds", s->took);
	oxi_json_double(&s->j, "rate", rate(s));
	counts_json(&s->j, &s->tasks.all);
	tasks_json(s);
	oxi_json_begin(&s->j, "failures", '[');
	int r = oxi_look_each(s->l, FAILED, OX_VALUES(ox_int((int64_t)s->failures)), failure_json, &s->j);
	oxi_json_end(&s->j);
	oxi_json_end(&s->j);
	oxi_buffer_add_char(&s->out, '\n');
	return r;
}

/* ---- text ---- */

static void add_counts(const struct status *s, struct oxi_buffer *out)
{
	const struct oxi_task_counts *c = &s->tasks.all;
	const char *comma = "";
	oxi_buffer_add_text(out, "jobs      ");
	for (size_t i = 0; i < OXI_STATUSES; i++) {
		if (c->count[i] || i == OXI_OK) {
			oxi_buffer_add_format(out, "%s%llu %s", comma, (unsigned long long)c->count[i], oxi_status_name((enum oxi_status)i));
			comma = ", ";
		}
	}
	if (c->jobs)
		oxi_buffer_add_format(out, ", %llu left of %llu (%.1f%% done)", (unsigned long long)oxi_task_left(c), (unsigned long long)c->jobs,
		                      100.0 * (double)(c->jobs - oxi_task_left(c)) / (double)c->jobs);
	oxi_buffer_add_text(out, "\nrate      ");
	oxi_buffer_add_format(out, "%.*f jobs/s", rate(s) < 10 ? 2 : 0, rate(s));
	if (s->l->live && c->jobs && rate(s) > 0) {
		oxi_buffer_add_text(out, ", the rest would take ");
		oxi_duration_add(out, (double)oxi_task_left(c) / rate(s));
	}
	oxi_buffer_add_char(out, '\n');
}

static void add_head(const struct status *s, struct oxi_buffer *out)
{
	const char *id = ox_sqlite_value(s->session, 0, ID).data;
	oxi_buffer_add_text(out, "run       ");
	oxi_buffer_add_quoted(out, id ? id : "", id ? strlen(id) : 0);
	oxi_buffer_add_format(out, ", %s", oxi_look_state(s->l, ended(s)));
	if (s->l->live && s->l->holder.pid)
		oxi_buffer_add_format(out, " by process %ld on %s", (long)s->l->holder.pid, s->l->holder.host);
	else if (ended(s))
		oxi_buffer_add_format(out, " with exit %lld", (long long)ox_sqlite_int(s->session, 0, EXIT));
	oxi_buffer_add_text(out, "\nfolder    ");
	oxi_buffer_add_quoted(out, s->l->dir, strlen(s->l->dir));
	oxi_buffer_add_text(out, "\ncommand   ");
	oxi_command_add(out, ox_sqlite_value(s->session, 0, ARGV), 200);
	oxi_buffer_add_text(out, "\nbegan     ");
	oxi_time_add(out, ox_sqlite_real(s->session, 0, BEGAN));
	if (ox_sqlite_rows(s->session) > 1)
		oxi_buffer_add_format(out, ", session %zu", ox_sqlite_rows(s->session));
	oxi_buffer_add_text(out, s->l->live ? ", running for " : ", ran for ");
	oxi_duration_add(out, s->took);
	oxi_buffer_add_char(out, '\n');
}

static void add_tasks(const struct status *s, struct oxi_buffer *out)
{
	if (!s->tasks.n)
		return;
	oxi_buffer_add_format(out, "\n%8s %8s %8s %8s  %s\n", "OK", "FAILED", "SKIPPED", "LEFT", "TASK");
	for (size_t i = 0; i < s->tasks.n; i++) {
		const struct oxi_task *t = &s->tasks.task[i];
		const struct oxi_task_counts *c = &t->counts;
		oxi_buffer_add_format(out, "%8llu %8llu %8llu ", (unsigned long long)(c->count[OXI_OK] + c->count[OXI_UP_TO_DATE]),
		                      (unsigned long long)(c->count[OXI_FAILED] + c->count[OXI_TIMEOUT]), (unsigned long long)c->count[OXI_SKIPPED]);
		if (c->jobs)
			oxi_buffer_add_format(out, "%8llu  ", (unsigned long long)oxi_task_left(c));
		else
			oxi_buffer_add_format(out, "%8s  ", "?");
		oxi_buffer_add_quoted(out, t->name, strlen(t->name));
		oxi_buffer_add_char(out, '\n');
	}
}

static int add_failure(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_buffer *out = arg;
	struct oxi_look_row f = oxi_look_row(res, row);
	oxi_buffer_add_format(out, "%8llu  ", (unsigned long long)f.seq);
	size_t from = out->len;
	oxi_outcome_add(out, f.outcome);
	for (size_t n = out->len - from; n < 10; n++)
		oxi_buffer_add_char(out, ' ');
	oxi_buffer_add_format(out, " %9.3f s  ", f.wall);
	if (f.name.data) {
		oxi_buffer_add_quoted(out, f.name.data, f.name.len);
		oxi_buffer_add_text(out, ": ");
	}
	oxi_command_add(out, f.words, 80);
	oxi_buffer_add_char(out, '\n');
	return 0;
}

static int status_text(struct status *s)
{
	uint64_t failed = s->tasks.all.count[OXI_FAILED] + s->tasks.all.count[OXI_TIMEOUT];
	add_head(s, &s->out);
	add_counts(s, &s->out);
	add_tasks(s, &s->out);
	if (!failed || !s->failures)
		return 0;
	if (failed > s->failures)
		oxi_buffer_add_format(&s->out, "\nfailed, the last %llu of %llu:\n", (unsigned long long)s->failures, (unsigned long long)failed);
	else
		oxi_buffer_add_text(&s->out, "\nfailed:\n");
	return oxi_look_each(s->l, FAILED, OX_VALUES(ox_int((int64_t)s->failures)), add_failure, &s->out);
}

static int show(struct oxi_look *l, void *arg)
{
	struct status *s = arg;
	s->l = l;
	int r = oxi_tasks_read(l, &s->tasks);
	if (r == 0)
		r = oxi_look_query(l, SESSIONS, NULL, 0, &s->session);
	if (r == 0 && ox_sqlite_rows(s->session) == 0)
		r = OX_EINCOMPLETE;
	if (r == 0)
		r = measure(s);
	if (r == 0)
		r = s->json ? status_json(s) : status_text(s);
	if (r == 0 && !oxi_look_print(stdout, &s->out))
		r = OXI_EXIT_OUTPUT;
	ox_sqlite_result_free(s->session);
	oxi_tasks_free(&s->tasks);
	oxi_buffer_free(&s->out);
	return r;
}

static int run(int argc, char **argv)
{
	struct status s = { .failures = FAILURES };
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_status, argc, argv, &value)) >= 0) {
		s.json |= id == OPT_JSON;
		if (id == 'n' && oxi_value_count(value, 0, INT32_MAX, &s.failures) < 0) {
			oxi_say("status", "--failures '%s': it takes a number", value);
			return OXI_EXIT_USAGE;
		}
	}
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (argc - optind > 1) {
		oxi_say("status", "one run at a time");
		return OXI_EXIT_USAGE;
	}
	return oxi_look_run("status", argv[optind], show, &s);
}

const struct oxi_command oxi_command_status = {
	.name = "status",
	.summary = "Says how far a run is, and what has failed",
	.usage = "[OPTION...] [RUN]",
	.options = OPTIONS,
	.notes = "RUN is a folder, or the beginning of an id in ./.oxbow; without it, the newest run there.\n",
	.run = run,
	.anywhere = true,
};
