/* SPDX-License-Identifier: MIT */
/*
 * oxbow batch: the jobs of job files. What is read from a file is read whole, linked and checked before anything runs; lines
 * from a pipe are run as they come.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/build.h"
#include "cli/batch/settings.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

enum { OPT_FETCHES = OXI_MORE + 1000, OPT_PLUGIN };

static const struct oxi_option OPTIONS[] = {
	OXI_SETTINGS,
	{ OPT_FETCHES, "fetches", "N", "fetch N pages at a time (default: 16)" },
	{ OPT_PLUGIN, "plugin", "PLUGIN.so", "load a plugin that entries from a pipe will name" },
	{ 'h', "help", "[all]", "print this help, or that of all options" },
	{ 0 },
};

struct batch_run {
	struct oxi_batch_options o;
	struct oxi_jobfile *file;       /* files of them */
	size_t files;
	struct oxi_plugins plugins;
	struct oxi_plan plan;
	struct oxi_build build;
	struct oxi_buffer why;
	bool jobs_given, halt_given;
};

static int refuse(struct batch_run *run, int r)
{
	if (run->why.len)
		oxi_say(run->o.command, "%.*s", (int)run->why.len, run->why.data);
	else
		oxi_say(run->o.command, "%s", ox_strerror(r));
	return OXI_EXIT_INPUT;
}

/* ---- options ---- */

static int take_own(struct batch_run *run, int id, const char *value)
{
	uint64_t n;
	const ox_job *ignored;
	switch (id) {
	case OPT_FETCHES:
		if (oxi_value_count(value, 1, 10000, &n) < 0) {
			oxi_say("batch", "--fetches %s: give a number from 1 to 10000", value);
			return OX_EINVAL;
		}
		run->o.fetches = (unsigned)n;
		return 1;
	case OPT_PLUGIN:
		oxi_plugins_find(&run->plugins, value, "", false, &ignored, &run->why);
		if (run->plugins.n && strcmp(run->plugins.name[run->plugins.n - 1], value) == 0) {
			run->why.len = 0;       /* it is loaded; that it has no job without a name is no fault */
			return 1;
		}
		refuse(run, OX_ENOMEM);
		return OX_EINVAL;
	default:
		return 0;
	}
}

static int parse(int argc, char **argv, struct batch_run *run)
{
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_batch, argc, argv, &value)) >= 0) {
		int r = take_own(run, id, value);
		if (r == 0)
			r = oxi_settings_take(id, value, &run->o);
		if (r < 0)
			return OXI_OPTION_BAD;
		run->jobs_given |= id == 'j';
		run->halt_given |= id == OXI_SET_HALT;
	}
	return id;
}

/* What a file says holds where the command line says nothing. */
static void take_limits(struct batch_run *run, const struct oxi_jobfile_limits *l)
{
	struct oxi_batch_options *o = &run->o;
	if (l->jobs && !run->jobs_given)
		o->jobs = l->jobs;
	if (l->rate > 0 && o->throttle.rate <= 0)
		o->throttle.rate = l->rate;
	if (l->deadline && !o->deadline)
		o->deadline = l->deadline;
	if (l->halt_given && !run->halt_given)
		o->halt = l->halt;
}

/* ---- reading ---- */

static int read_entries(struct batch_run *run, struct oxi_jobfile *f, bool link)
{
	struct oxi_entry e;
	int r;
	run->build.file = f;
	while ((r = oxi_jobfile_next(f, &e, &run->why)) > 0) {
		size_t from = run->build.n;
		r = oxi_build_add(&run->build, &e, &run->why);
		if (r == 0 && link)
			r = oxi_build_link(&run->build, from, &run->why);
		if (r < 0)
			return r;
	}
	return r;
}

/* What comes through a pipe, while it runs. */
static int read_on(void *arg, struct oxi_plan *p)
{
	struct batch_run *run = arg;
	int r = read_entries(run, &run->file[run->files - 1], true);
	if (r < 0)
		oxi_buffer_add(&p->why, run->why.data, run->why.len);
	oxi_plan_close(p);
	return r;
}

static int open_files(struct batch_run *run, char **names, size_t n)
{
	run->file = calloc(n, sizeof(*run->file));
	if (!run->file)
		return OX_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct oxi_jobfile *f = &run->file[run->files++];
		int r = oxi_jobfile_open(f, names[i], &run->why);
		if (r < 0)
			return r;
		take_limits(run, oxi_jobfile_limits(f));
		if (!oxi_jobfile_is_stream(f))
			r = read_entries(run, f, false);
		else if (i + 1 < n)
			r = oxi_jobfile_fault(f, (struct oxi_spot){ 0 }, &run->why, "what comes through a pipe is given last");
		if (r < 0)
			return r;
	}
	return oxi_build_link(&run->build, 0, &run->why);
}

static int run_files(struct batch_run *run, char **names, size_t n)
{
	run->build = (struct oxi_build){ .o = &run->o, .plan = &run->plan, .plugins = &run->plugins };
	int r = open_files(run, names, n);
	if (r < 0)
		return refuse(run, r);
	if (oxi_jobfile_is_stream(&run->file[n - 1])) {
		run->plan.open = true;
		run->plan.read = read_on;
		run->plan.read_arg = run;
	}
	run->build.plugins_closed = true;
	run->o.functions = run->plugins.jobs;
	return oxi_batch_run(&run->o, &run->plan);
}

static int run_parsed(struct batch_run *run, char **names, size_t n)
{
	if (!run->o.state.dir)
		run->o.state.dir = "";          /* a folder of its own */
	run->o.file = n ? names[0] : NULL;
	if (n == 0)
		oxi_say("batch", "which job file? (- is standard input; see oxbow batch --help)");
	if (n == 0 || oxi_settings_check(&run->o) < 0)
		return OXI_EXIT_USAGE;
	int code = run_files(run, names, n);
	oxi_plan_free(&run->plan);
	oxi_build_free(&run->build);
	for (size_t i = 0; i < run->files; i++)
		oxi_jobfile_close(&run->file[i]);
	free(run->file);
	return code;
}

static int run(int argc, char **argv)
{
	struct batch_run run = { 0 };
	oxi_batch_options_init(&run.o, "batch");
	run.o.argv = argv;
	int id = parse(argc, argv, &run);
	int code = id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (id == OXI_OPTION_END)
		code = run_parsed(&run, argv + optind, (size_t)(argc - optind));
	oxi_settings_free(&run.o);
	oxi_plugins_free(&run.plugins);
	oxi_buffer_free(&run.why);
	return code;
}

const struct oxi_command oxi_command_batch = {
	.name = "batch",
	.summary = "Runs the jobs of a job file, in the order that they need",
	.usage = "[OPTION...] FILE|- ...",
	.options = OPTIONS,
	.notes =
		"A job file is YAML, lines of JSON, or a list of plain commands: man 5 oxbow-jobs.\n"
		"Exit: 0 all jobs succeeded, 1 some failed, 2 usage, 3 job file, 4 halted, 5 output.\n",
	.run = run,
};
