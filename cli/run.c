/* SPDX-License-Identifier: MIT */
/* oxbow run: one template, many inputs. This file turns words into a template, an input and options. */
#include <getopt.h>
#include <string.h>

#include "cli/batch/arguments.h"
#include "cli/batch/settings.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

static const struct oxi_option OPTIONS[] = {
	OXI_INPUT_OPTIONS,
	{ 'c', "command", "TEXT", "run sh -c TEXT with the value as \"$1\"" },
	OXI_SETTINGS,
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct arguments {
	struct oxi_batch_options batch;
	struct oxi_arguments in;
	const char *text;
};

static int parse(int argc, char **argv, struct arguments *ret)
{
	*ret = (struct arguments){ .text = NULL };
	oxi_batch_options_init(&ret->batch, "run");
	ret->batch.argv = argv;
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_run, argc, argv, &value)) >= 0) {
		if (id == 'c') {
			ret->text = value;
			continue;
		}
		int r = oxi_arguments_option(&ret->in, id, value);
		if (r == 0)
			r = oxi_settings_take(id, value, &ret->batch);
		if (r < 0)
			return OXI_OPTION_BAD;
	}
	return id;
}

static int check(const struct arguments *a, size_t command, char **words)
{
	if (a->text && command)
		oxi_say("run", "'%s': with -c there is no other command", words[0]);
	else if (!a->text && !command)
		oxi_say("run", "which command? (see oxbow run --help)");
	else
		return oxi_settings_check(&a->batch);
	return OX_EINVAL;
}

/* Says why not. */
static int refuse(int code, const struct oxi_input *in, int r)
{
	if (in->why.len)
		oxi_say("run", "%.*s", (int)in->why.len, in->why.data);
	else
		oxi_say("run", "%s", ox_strerror(r));
	return code;
}

/* The templates of the one task, the command's first. */
static int make_templates(const struct arguments *a, char **words, size_t n, struct oxi_task *t)
{
	struct oxi_input *in = t->in;
	const char *const extras[OXI_EXTRAS] = {
		[OXI_TAG] = a->batch.tag, [OXI_CWD] = a->batch.cwd, [OXI_INPUT] = a->batch.input,
		[OXI_RESULTS] = a->batch.dry_run ? NULL : a->batch.results,
	};
	int r = a->text ? oxi_template_shell(&t->command, a->text, t->names, &in->why) :
	                  oxi_template_words(&t->command, words, n, true, t->names, &in->why);
	for (int i = 0; i < OXI_EXTRAS && r == 0; i++)
		r = extras[i] ? oxi_task_extra(t, (enum oxi_extra)i, extras[i], &in->why) : 0;
	return r;
}

/* What the task says, for the identity of its jobs. */
static struct oxi_identity identity(const struct arguments *a, char **words, size_t n)
{
	const struct oxi_batch_options *o = &a->batch;
	const char *const texts[] = { a->text, o->cwd, o->input };
	struct oxi_identity i = oxi_identity_of(NULL, NULL, 0);
	for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
		i = oxi_identity_of(&i, &(ox_bytes){ texts[k], texts[k] ? strlen(texts[k]) : 0 }, 1);
	for (size_t k = 0; k < n; k++)
		i = oxi_identity_of(&i, &(ox_bytes){ words[k], strlen(words[k]) }, 1);
	for (size_t k = 0; k < o->child.env_n; k++)
		i = oxi_identity_of(&i, &(ox_bytes){ o->child.env[k], strlen(o->child.env[k]) }, 1);
	return i;
}

static int run_task(struct arguments *a, char **words, size_t n, struct oxi_task *t)
{
	struct oxi_input *in = t->in;
	int r = oxi_input_open(in, &a->in.input);
	if (r < 0)
		return refuse(OXI_EXIT_INPUT, in, r);
	r = make_templates(a, words, n, t);
	if (r < 0)
		return refuse(OXI_EXIT_USAGE, in, r);
	bool usage;
	r = oxi_input_begin(in, &t->command, &usage);
	if (r < 0)
		return refuse(usage ? OXI_EXIT_USAGE : OXI_EXIT_INPUT, in, r);
	r = oxi_task_complete(t);
	if (r < 0)
		return refuse(OXI_EXIT_INPUT, in, r);
	struct oxi_plan plan = { 0 };
	r = a->batch.need ? oxi_settings_resources(&a->batch, &plan.resources, &in->why) : 0;
	if (r == 0 && a->batch.need)
		r = oxi_needs_add_text(&t->needs, &plan.resources, a->batch.need, &in->why);
	if (r < 0) {
		oxi_resources_free(&plan.resources);
		return refuse(OXI_EXIT_INPUT, in, r);
	}
	t->threads = oxi_needs_threads(&t->needs, a->batch.jobs);
	t->identity = identity(a, words, n);
	r = oxi_task_limit(t, &a->batch.timeout);
	if (r == 0)
		r = oxi_plan_add(&plan, t);
	if (r == 0)
		r = oxi_plan_release(&plan, t);
	int code = r < 0 ? refuse(OXI_EXIT_WORKERS, in, r) : oxi_batch_run(&a->batch, &plan);
	oxi_plan_free(&plan);
	return code;
}

static int run_parsed(struct arguments *a, char **words, size_t n)
{
	size_t command = oxi_arguments_command(words, n);
	if (check(a, command, words) < 0 || oxi_arguments_lists(&a->in, words + command, n - command) < 0 ||
	    oxi_arguments_end(&a->in) < 0)
		return OXI_EXIT_USAGE;
	if (a->in.array_limit && a->in.array_limit < a->batch.jobs)
		a->batch.jobs = a->in.array_limit;
	a->in.input.jobs = a->batch.jobs;
	struct oxi_input in = { 0 };
	struct oxi_task t = {
		.in = &in, .names = &in.names, .retry = &a->batch.retry, .input_kind = a->batch.input_kind,
	};
	int code = run_task(a, words, command, &t);
	oxi_task_free(&t);
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
	oxi_arguments_free(&a.in);
	return code;
}

const struct oxi_command oxi_command_run = {
	.name = "run",
	.summary = "Runs a command for each value, some at a time",
	.usage = "[OPTION...] COMMAND [ARG...] [::: VALUE... | :::: FILE...]...",
	.options = OPTIONS,
	.notes =
		"In the command's words: {} the value, {.} without its ending, {/} its last part,\n"
		"{//} its folder, {/.} last part without ending, {%suf} {#pre} {/re/text/} edited,\n"
		"{2} {2.} ... of the second list, {name} of a column, {#} the job's number, {%} its slot, {threads}.\n"
		"\\{ is a brace. Without places the values come last; without a list, they are lines of standard input.\n"
		"Exit: 0 all jobs succeeded, 1 some failed, 2 usage, 3 input, 4 halted, 5 output.\n",
	.run = run,
};
