/* SPDX-License-Identifier: MIT */
/* oxbow run: one template, many inputs. This file turns words into a template, an input and options. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/settings.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

static const struct oxi_option OPTIONS[] = {
	{ 'a', "arg-file", "FILE", "read values from the lines of FILE, not of standard input" },
	{ '0', "null", NULL, "values on input end with a NUL byte, not with a newline" },
	{ 'c', "command", "TEXT", "run sh -c TEXT with the value as \"$1\"" },
	OXI_SETTINGS,
	{ 'h', "help", "[all]", "print this help, or that of all options" },
	{ 0 },
};

struct arguments {
	struct oxi_batch_options batch;
	const char *file, *text;
	char separator;
};

static int parse(int argc, char **argv, struct arguments *ret)
{
	*ret = (struct arguments){ .separator = '\n' };
	oxi_batch_options_init(&ret->batch);
	ret->batch.argv = argv;
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_run, argc, argv, &value)) >= 0) {
		switch (id) {
		case 'a': ret->file = value; break;
		case '0': ret->separator = '\0'; break;
		case 'c': ret->text = value; break;
		default:
			if (oxi_settings_take(id, value, &ret->batch) < 0)
				return OXI_OPTION_BAD;
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
	else
		return oxi_settings_check(&a->batch);
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
	int code = id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (id == OXI_OPTION_END)
		code = run_parsed(&a, argv + optind, (size_t)(argc - optind));
	oxi_settings_free(&a.batch);
	return code;
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
		"Exit: 0 all jobs succeeded, 1 some failed, 2 usage, 3 input, 4 halted, 5 output.\n",
	.run = run,
};
