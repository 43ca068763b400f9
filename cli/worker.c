/* SPDX-License-Identifier: MIT */
/* oxbow worker: work for a pool on another machine, with the jobs of a plugin. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <oxbow/log.h>
#include <oxbow/worker.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/plugin.h"
#include "cli/say.h"

enum { OPT_JOIN = OXI_LONG, OPT_PLUGIN, OPT_UNTIL, OPT_IDLE, OPT_QUIET };

static const struct oxi_option OPTIONS[] = {
	{ OPT_JOIN, "join", "FILE", "join the pool that wrote FILE" },
	{ OPT_PLUGIN, "plugin", "PLUGIN.so", "run the jobs in its table ox_jobs" },
	{ 'j', "slots", "N", "run N jobs at a time, or N% of the CPUs (default: one a CPU)" },
	{ OPT_UNTIL, "until", "TIME", "take no more jobs after TIME, and end with those it has" },
	{ OPT_IDLE, "idle", "TIME", "the same when it had no job for TIME" },
	{ OPT_QUIET, "quiet", NULL, "say only why it failed" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct arguments {
	const char *join, *plugin;
	ox_worker_options worker;
	bool quiet;
};

static int take_time(const char *option, const char *value, ox_time *ret)
{
	if (oxi_value_time(value, ret) < 0 || *ret == 0) {
		oxi_say("worker", "--%s %s: give a time, 30s or 2h say", option, value);
		return OX_EINVAL;
	}
	return 0;
}

static int take(struct arguments *a, int id, const char *value)
{
	switch (id) {
	case OPT_JOIN: a->join = value; return 0;
	case OPT_PLUGIN: a->plugin = value; return 0;
	case OPT_UNTIL: return take_time("until", value, &a->worker.until);
	case OPT_IDLE: return take_time("idle", value, &a->worker.idle);
	case OPT_QUIET: a->quiet = true; return 0;
	default:                                /* -j: the table has no other */
		if (oxi_value_jobs(value, &a->worker.slots) == 0 && a->worker.slots <= 1024)
			return 0;
		oxi_say("worker", "--slots %s: give a number from 1 to 1024, or N%%", value);
		return OX_EINVAL;
	}
}

/* OXI_OPTION_END: all is there. */
static int parse(int argc, char **argv, struct arguments *a)
{
	const char *value;
	int id;

	*a = (struct arguments){ .worker.size = sizeof(a->worker) };
	while ((id = oxi_options_next(&oxi_command_worker, argc, argv, &value)) >= 0) {
		if (take(a, id, value) < 0)
			return OXI_OPTION_BAD;
	}
	if (id != OXI_OPTION_END)
		return id;
	if (optind < argc)
		oxi_say("worker", "'%s' is too much: it takes options only", argv[optind]);
	else if (!a->join)
		oxi_say("worker", "which pool? give --join FILE, which it has written");
	else if (!a->plugin)
		oxi_say("worker", "which jobs? give --plugin PLUGIN.so, with a table " OXI_PLUGIN_TABLE);
	else
		return OXI_OPTION_END;
	return OXI_OPTION_BAD;
}

static void say(void *arg, ox_log_level level, const char *text)
{
	const bool *quiet = arg;

	if (!*quiet || level == OX_LOG_ERROR)
		oxi_say("worker", "%s", text);
}

static int exit_code(int r)
{
	switch (r) {
	case OX_EAUTH:
	case OX_EVERSION:
	case OX_ENOJOB:
		return OXI_EXIT_REFUSED;
	case OX_EINIT:
	case OX_ENOMEM:
	case OX_ESTATE:
		return OXI_EXIT_WORKERS;
	case OX_ECANCELED:
		return OXI_EXIT_TERM;
	default:
		return r < 0 ? OXI_EXIT_INPUT : OXI_EXIT_OK;
	}
}

static int run(int argc, char **argv)
{
	struct arguments a;
	int id = parse(argc, argv, &a);

	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	struct oxi_buffer why = { 0 };
	const ox_job *const *jobs = oxi_plugin_load(a.plugin, &why);
	if (!jobs)
		oxi_say("worker", "%.*s", (int)why.len, why.data);
	oxi_buffer_free(&why);
	if (!jobs)
		return OXI_EXIT_INPUT;
	ox_log_set(say, &a.quiet);
	int r = ox_worker_join_with(a.join, jobs, &a.worker);
	ox_log_set(NULL, NULL);
	if (r < 0 && r != OX_ECANCELED)
		oxi_say("worker", "ends: %s", ox_strerror(r));
	return exit_code(r);
}

const struct oxi_command oxi_command_worker = {
	.name = "worker",
	.summary = "Runs jobs for a pool on another machine",
	.usage = "--join FILE --plugin PLUGIN.so [OPTION...]",
	.options = OPTIONS,
	.notes =
		"It ends when the pool is closed. The first Ctrl-C has it end with the jobs it has.\n"
		"Exit: 0 the pool was closed, or it ended as asked, 2 usage, 3 join file or plugin,\n"
		"6 no worker could be set up, 7 the pool refuses it.\n",
	.run = run,
};
