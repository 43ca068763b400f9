/* SPDX-License-Identifier: MIT */
/* oxbow run: one template, many inputs. This file turns words into a template, an input and options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <oxbow/pool.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/batch.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

enum { OPT_DRY_RUN = OXI_LONG, OPT_TAG, OPT_BAR, OPT_QUIET };

static const struct oxi_option OPTIONS[] = {
	{ 'j', "jobs", "N", "run N jobs at a time, or N% of the CPUs (default: a job a CPU)" },
	{ 'k', "keep-order", NULL, "show output in the order of the input" },
	{ 'u', "ungroup", NULL, "do not collect output: jobs write to oxbow's own output" },
	{ OPT_TAG, "tag", NULL, "put the job's value and a tab before each line of output" },
	{ 'a', "arg-file", "FILE", "read values from the lines of FILE, not of standard input" },
	{ '0', "null", NULL, "values on input end with a NUL byte, not with a newline" },
	{ 'c', "command", "TEXT", "run sh -c TEXT with the value as \"$1\"" },
	{ OPT_DRY_RUN, "dry-run", NULL, "print the command lines instead of running them" },
	{ OPT_BAR, "bar", NULL, "show a progress line" },
	{ OPT_QUIET, "quiet", NULL, "do not report failed jobs at the end" },
	{ 'v', "verbose", NULL, "print each command line to standard error as it starts" },
	{ 'h', "help", NULL, "print this help" },
	{ 0 },
};

struct arguments {
	struct oxi_batch_options batch;
	const char *file, *text;
	char separator;
};

static int parse(int argc, char **argv, struct arguments *ret)
{
	*ret = (struct arguments){ .batch.jobs = ox_cpu_count(), .separator = '\n' };
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_run, argc, argv, &value)) >= 0) {
		switch (id) {
		case 'j':
			if (oxi_value_jobs(value, &ret->batch.jobs) < 0) {
				oxi_say("run", "-j %s: give a number from 1, or a percentage of the CPUs", value);
				return OXI_OPTION_BAD;
			}
			break;
		case 'k': ret->batch.keep_order = true; break;
		case 'u': ret->batch.ungroup = true; break;
		case 'a': ret->file = value; break;
		case '0': ret->separator = '\0'; break;
		case 'c': ret->text = value; break;
		case 'v': ret->batch.verbose = true; break;
		case OPT_TAG: ret->batch.tag = true; break;
		case OPT_DRY_RUN: ret->batch.dry_run = true; break;
		case OPT_BAR: ret->batch.bar = true; break;
		case OPT_QUIET: ret->batch.quiet = true; break;
		}
	}
	return id;
}

/* How many words come before the first list. */
static size_t command_len(char **words, size_t n)
{
	size_t i = 0;
	while (i < n && strncmp(words[i], ":::", 3) != 0)
		i++;
	return i;
}

static int check(const struct arguments *a, size_t command, size_t rest, char **words)
{
	if (rest && strcmp(words[command], ":::") != 0)
		oxi_say("run", "'%s' is not known; values follow ':::'", words[command]);
	else if (rest && a->file)
		oxi_say("run", "values come from -a FILE or follow ':::', not both");
	else if (a->text && command)
		oxi_say("run", "'%s': with -c there is no other command", words[0]);
	else if (!a->text && !command)
		oxi_say("run", "which command? (see oxbow run --help)");
	else if (a->batch.ungroup && (a->batch.keep_order || a->batch.tag))
		oxi_say("run", "-u passes output on as it comes: it goes with neither -k nor --tag");
	else
		return 0;
	return OX_EINVAL;
}

static int open_input(const struct arguments *a, char **lists, size_t n, struct oxi_input *in)
{
	if (n)
		return oxi_input_lists(in, lists, n);
	if (!a->file || strcmp(a->file, "-") == 0)
		return oxi_input_lines(in, STDIN_FILENO, a->separator);
	int fd = open(a->file, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : oxi_input_lines(in, fd, a->separator);
}

static int run_parsed(struct arguments *a, char **words, size_t n)
{
	size_t command = command_len(words, n);
	if (check(a, command, n - command, words) < 0)
		return OXI_EXIT_USAGE;
	struct oxi_input in = { .fd = -1 };
	int r = open_input(a, words + command, n - command, &in);
	if (r < 0) {
		oxi_say("run", "%s: %s", a->file ? a->file : "input", ox_strerror(r));
		oxi_input_close(&in);
		return OXI_EXIT_INPUT;
	}
	struct oxi_template t;
	const char *bad = NULL;
	r = a->text ? oxi_template_shell(&t, a->text, in.lists, &bad)
	            : oxi_template_words(&t, words, command, in.lists, &bad);
	int code = OXI_EXIT_USAGE;
	if (bad)
		oxi_say("run", "'%.8s': there is no such list of values, there are %zu", bad, in.lists);
	else if (r < 0)
		oxi_say("run", "%s", ox_strerror(r));
	else
		code = oxi_batch_run(&a->batch, &t, &in);
	oxi_template_free(&t);
	oxi_input_close(&in);
	return code;
}

static int run(int argc, char **argv)
{
	struct arguments a;
	int id = parse(argc, argv, &a);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	return run_parsed(&a, argv + optind, (size_t)(argc - optind));
}

const struct oxi_command oxi_command_run = {
	.name = "run",
	.summary = "Runs a command for each value, some at a time",
	.usage = "[OPTION...] COMMAND [ARG...] [::: VALUE...]...",
	.options = OPTIONS,
	.notes =
		"In the command's words: {} the value, {.} without its ending, {/} its last part,\n"
		"{//} its folder, {/.} last part without ending, {#} the job's number, {%} its slot,\n"
		"{2} {2.} ... of the second list. Without any, the values are added at the end.\n"
		"Without ':::' each line of standard input is a value.\n"
		"Exit: 0 all jobs succeeded, 1 some failed, 2 usage, 3 input, 5 output.\n",
	.run = run,
};
