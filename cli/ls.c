/* SPDX-License-Identifier: MIT */
/* oxbow ls: the runs in ./.oxbow, a line each, the newest first. */
#include <getopt.h>
#include <string.h>

#include <oxbow/run.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/quote.h"
#include "cli/say.h"
#include "cli/state/look.h"

enum { OPT_JSON = OXI_LONG };

static const struct oxi_option OPTIONS[] = {
	{ OPT_JSON, "json", NULL, "a line of JSON for each run" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct listing {
	char **dir;
	bool json;
	struct oxi_buffer out;
};

struct line {
	const char *id;
	struct oxi_look *l;
	ox_sqlite_result *session;      /* the last one: began, ended, exit, argv */
	int64_t count[OXI_STATUSES];
};

enum { BEGAN, ENDED, EXIT, ARGV };

static int add_count(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct line *line = arg;
	int64_t status = ox_sqlite_int(res, row, 0);
	if (status >= 0 && status < OXI_STATUSES)
		line->count[status] = ox_sqlite_int(res, row, 1);
	return 0;
}

static void add_json(const struct line *x, struct oxi_buffer *out)
{
	struct oxi_json json = { .out = out };
	bool ended = ox_sqlite_kind(x->session, 0, ENDED) != OX_VALUE_NULL;
	oxi_json_begin(&json, NULL, '{');
	oxi_json_bytes(&json, "id", x->id, strlen(x->id));
	oxi_json_text(&json, "state", oxi_look_state(x->l, ended));
	for (size_t i = 0; i < OXI_STATUSES; i++)
		oxi_json_int(&json, oxi_status_name((enum oxi_status)i), x->count[i]);
	oxi_json_double(&json, "began", ox_sqlite_real(x->session, 0, BEGAN));
	if (ended && !x->l->live) {
		oxi_json_double(&json, "ended", ox_sqlite_real(x->session, 0, ENDED));
		oxi_json_int(&json, "exit", ox_sqlite_int(x->session, 0, EXIT));
	}
	oxi_argv_json(&json, "argv", ox_sqlite_value(x->session, 0, ARGV));
	oxi_json_end(&json);
	oxi_buffer_add_char(out, '\n');
}

static void add_text(const struct line *x, struct oxi_buffer *out)
{
	bool ended = ox_sqlite_kind(x->session, 0, ENDED) != OX_VALUE_NULL;
	size_t from = out->len;
	oxi_buffer_add_quoted(out, x->id, strlen(x->id));
	for (size_t n = out->len - from; n < 18; n++)
		oxi_buffer_add_char(out, ' ');
	oxi_buffer_add_format(out, " %-11s %8lld %8lld  ", oxi_look_state(x->l, ended),
	                      (long long)(x->count[OXI_OK] + x->count[OXI_UP_TO_DATE]),
	                      (long long)(x->count[OXI_FAILED] + x->count[OXI_TIMEOUT]));
	oxi_time_add(out, ox_sqlite_real(x->session, 0, BEGAN));
	oxi_buffer_add_text(out, "  ");
	oxi_command_add(out, ox_sqlite_value(x->session, 0, ARGV), 60);
	oxi_buffer_add_char(out, '\n');
}

static int list_one(struct listing *x, const char *id, struct oxi_look *l)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	struct line line = { .id = id, .l = l };
	int r = oxi_look_query(l, "select began, ended, exit, argv from session order by n desc limit 1", NULL, 0, &res);
	if (r == 0)
		r = oxi_look_each(l, "select status, count(*) from job where final group by status", NULL, 0, add_count, &line);
	line.session = res;
	if (r == 0 && ox_sqlite_rows(res) > 0)
		(x->json ? add_json : add_text)(&line, &x->out);
	return r;
}

/* One that cannot be read is said, and the others are listed. */
static int list(void *arg)
{
	struct listing *x = arg;
	int code = OXI_EXIT_OK;
	if (!x->json && *x->dir)
		oxi_buffer_add_format(&x->out, "%-18s %-11s %8s %8s  %-19s  %s\n", "RUN", "STATE", "OK", "FAILED", "BEGAN", "COMMAND");
	for (char **dir = x->dir; *dir; dir++) {
		struct oxi_buffer why = { 0 };
		struct oxi_look l;
		int r = oxi_look_open(&l, *dir, &why);
		if (r == 0) {
			r = list_one(x, *dir + sizeof(OXI_RUNS_FOLDER), &l);
			oxi_look_close(&l);
		}
		if (r == OX_ECANCELED)
			return OXI_EXIT_INT;
		if (r < 0) {
			if (why.len)
				oxi_say("ls", "%.*s", (int)why.len, why.data);
			else
				oxi_say("ls", "cannot read %s: %s", *dir, ox_strerror(r));
			code = OXI_EXIT_INPUT;
		}
		oxi_buffer_free(&why);
	}
	return oxi_look_print(stdout, &x->out) ? code : OXI_EXIT_OUTPUT;
}

static int run(int argc, char **argv)
{
	struct listing x = { 0 };
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_ls, argc, argv, &value)) >= 0)
		x.json = true;
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (optind < argc) {
		oxi_say("ls", "'%s': it lists what is in ./" OXI_RUNS_FOLDER " (see oxbow status --help)", argv[optind]);
		return OXI_EXIT_USAGE;
	}
	x.dir = oxi_look_list();
	int code = x.dir ? ox_run(list, &x, NULL) : OX_ENOMEM;
	oxi_look_list_free(x.dir);
	oxi_buffer_free(&x.out);
	if (code < 0)
		oxi_say("ls", "%s", ox_strerror(code));
	return code < 0 ? OXI_EXIT_INPUT : code;
}

const struct oxi_command oxi_command_ls = {
	.name = "ls",
	.summary = "Lists the runs in ./.oxbow",
	.usage = "[OPTION...]",
	.options = OPTIONS,
	.run = run,
	.anywhere = true,
};
