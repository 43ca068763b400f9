/* SPDX-License-Identifier: MIT */
/* oxbow batch: the jobs of job files. */
#include <getopt.h>
#include <string.h>

#include "cli/batch/load.h"
#include "cli/batch/settings.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

enum { OPT_FETCHES = OXI_MORE + 1000, OPT_PLUGIN };

static const struct oxi_option OPTIONS[] = {
	OXI_SETTINGS,
	{ OPT_FETCHES, "fetches", "N", "fetch N pages at a time (default: 16)" },
	{ OPT_PLUGIN, "plugin", "PLUGIN.so", "load a plugin that entries from a pipe will name" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

static int take_own(struct oxi_load *l, int id, const char *value)
{
	uint64_t n;
	const ox_job *ignored;
	switch (id) {
	case OPT_FETCHES:
		if (oxi_value_count(value, 1, 10000, &n) < 0) {
			oxi_say("batch", "--fetches %s: give a number from 1 to 10000", value);
			return OX_EINVAL;
		}
		l->o.fetches = (unsigned)n;
		return 1;
	case OPT_PLUGIN:
		oxi_plugins_find(&l->plugins, value, "", false, &ignored, &l->why);
		if (l->plugins.n && strcmp(l->plugins.name[l->plugins.n - 1], value) == 0) {
			l->why.len = 0;       /* it is loaded; that it has no job without a name is no fault */
			return 1;
		}
		oxi_load_refuse(l, OX_ENOMEM);
		return OX_EINVAL;
	default:
		return 0;
	}
}

static int parse(int argc, char **argv, struct oxi_load *l)
{
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_batch, argc, argv, &value)) >= 0) {
		int r = take_own(l, id, value);
		if (r == 0)
			r = oxi_settings_take(id, value, &l->o);
		if (r < 0)
			return OXI_OPTION_BAD;
		l->jobs_given |= id == 'j';
		l->halt_given |= id == OXI_SET_HALT;
	}
	return id;
}

static int run_parsed(struct oxi_load *l, char **names, size_t n)
{
	if (n == 0)
		oxi_say("batch", "which job file? (- is standard input; see oxbow batch --help)");
	if (n == 0 || oxi_settings_check(&l->o) < 0)
		return OXI_EXIT_USAGE;
	if (!l->o.state.dir)
		l->o.state.dir = "";            /* a folder of its own */
	l->o.file = names[0];
	int r = oxi_load_open(l, names, n);
	return r < 0 ? oxi_load_refuse(l, r) : oxi_batch_run(&l->o, &l->plan);
}

static int run(int argc, char **argv)
{
	struct oxi_load l = { 0 };
	oxi_batch_options_init(&l.o, "batch");
	l.o.argv = argv;
	int id = parse(argc, argv, &l);
	int code = id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (id == OXI_OPTION_END)
		code = run_parsed(&l, argv + optind, (size_t)(argc - optind));
	oxi_load_close(&l);
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
