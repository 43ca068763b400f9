/* SPDX-License-Identifier: MIT */
/* oxbow report: what a run has done, as a page, a trace, a table or a graph. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/report/report.h"
#include "cli/say.h"

enum { OPT_HTML = OXI_LONG, OPT_TRACE, OPT_CSV, OPT_GRAPH };

static const struct oxi_option OPTIONS[] = {
	{ OPT_HTML, "html", NULL, "a page that needs nothing else (the default)" },
	{ OPT_TRACE, "trace", NULL, "trace events in JSON, for https://ui.perfetto.dev" },
	{ OPT_CSV, "csv", NULL, "a line for each job, with a header" },
	{ OPT_GRAPH, "graph", "FORM", "the tasks and what comes after what: dot (Graphviz) or mermaid" },
	{ 'o', "output", "FILE", "write to FILE, which is replaced when all is written" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct report {
	int (*write)(struct oxi_page *p);
	const char *file;
	int error;                      /* that kept it from being written */
};

static int parse(int argc, char **argv, struct report *ret)
{
	const char *value;
	int id;
	*ret = (struct report){ 0 };
	while ((id = oxi_options_next(&oxi_command_report, argc, argv, &value)) >= 0) {
		switch (id) {
		case OPT_HTML: ret->write = oxi_report_html; break;
		case OPT_TRACE: ret->write = oxi_report_trace; break;
		case OPT_CSV: ret->write = oxi_report_csv; break;
		case OPT_GRAPH: ret->write = strcmp(value, "dot") == 0 ? oxi_report_dot : oxi_report_mermaid; break;
		case 'o': ret->file = value; break;
		}
		if (id == OPT_GRAPH && strcmp(value, "dot") != 0 && strcmp(value, "mermaid") != 0) {
			oxi_say("report", "--graph '%s': it takes dot or mermaid", value);
			return OXI_OPTION_BAD;
		}
	}
	ret->write = ret->write ? ret->write : oxi_report_html;
	if (id == OXI_OPTION_END && argc - optind > 1) {
		oxi_say("report", "one run at a time");
		return OXI_OPTION_BAD;
	}
	return id;
}

static int write_report(struct oxi_look *l, struct report *x, FILE *to)
{
	struct oxi_page p = { .l = l, .to = to };
	int r = oxi_tasks_read(l, &p.tasks);
	if (r == 0)
		r = x->write(&p);
	if (r == 0)
		r = oxi_page_flush(&p, true);
	oxi_tasks_free(&p.tasks);
	oxi_buffer_free(&p.out);
	x->error = p.full ? r : 0;
	return p.full ? OXI_EXIT_OUTPUT : r;
}

/* Remembers what errno says. */
static int refused(struct report *x)
{
	x->error = -errno;
	return OXI_EXIT_OUTPUT;
}

/* Beside the file, and then in its place: nobody sees half a report. */
static int write_file(struct oxi_look *l, struct report *x)
{
	char *beside;
	if (asprintf(&beside, "%s.new", x->file) < 0)
		return OX_ENOMEM;
	FILE *to = fopen(beside, "we");
	int r = to ? write_report(l, x, to) : refused(x);
	if (to && fclose(to) != 0 && r == 0)
		r = refused(x);
	if (r == 0 && rename(beside, x->file) < 0)
		r = refused(x);
	if (r != 0 && to)
		unlink(beside);
	if (r == OXI_EXIT_OUTPUT)
		oxi_say("report", "cannot write %s: %s", x->file, ox_strerror(x->error));
	free(beside);
	return r;
}

static int look(struct oxi_look *l, void *arg)
{
	struct report *x = arg;
	return x->file ? write_file(l, x) : write_report(l, x, stdout);
}

static int run(int argc, char **argv)
{
	struct report x;
	int id = parse(argc, argv, &x);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	return oxi_look_run("report", argv[optind], look, &x);
}

const struct oxi_command oxi_command_report = {
	.name = "report",
	.summary = "Reports on a run: a page, a trace, a table, a graph",
	.usage = "[OPTION...] [RUN]",
	.options = OPTIONS,
	.notes = "RUN is a folder, or the beginning of an id in ./.oxbow; without it, the newest run there.\n",
	.run = run,
	.anywhere = true,
};
