/* SPDX-License-Identifier: MIT */
/* oxbow check: what oxbow batch would do with a job file. It runs nothing. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/batch/load.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

enum { OPT_JOBS = OXI_LONG };

static const struct oxi_option OPTIONS[] = {
	{ OPT_JOBS, "expand", NULL, "print the command line of every job, too" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

static const char *const KINDS[] = { [OXI_RUN] = "run", [OXI_SHELL] = "sh", [OXI_CALL] = "call", [OXI_FETCH] = "fetch" };
static const char *const CONDITIONS[] = { [OXI_AFTER_OK] = "ok", [OXI_AFTER_ANY] = "any", [OXI_AFTER_FAIL] = "fail" };

/* "4 jobs": unknown where they are made from others', or from a file that is not read yet. */
static void print_jobs(const struct oxi_task *t)
{
	unsigned long long n = t->source || t->prepare ? 0 : t->in ? oxi_input_total(t->in) : 1;
	if (t->source)
		printf("for each of %s", t->source->name);
	else if (n)
		printf("%llu job%s", n, n == 1 ? "" : "s");
	else
		fputs("as many jobs as rows", stdout);
}

static void print_task(const struct oxi_task *t, int width)
{
	const struct oxi_entry *e = oxi_build_entry(t);
	printf("  %-*s  %-5s  ", width, t->name ? t->name : "-", KINDS[t->kind]);
	print_jobs(t);
	for (size_t i = 0; i < e->afters; i++)
		printf("%s%s (%s)", i ? ", " : "; after ", e->after[i].name.data, CONDITIONS[e->after[i].when]);
	putchar('\n');
}

static int print_plan(const struct oxi_load *l)
{
	uint64_t total = oxi_plan_total(&l->plan);
	size_t width = 1;
	for (size_t i = 0; i < l->plan.n; i++) {
		size_t len = l->plan.task[i]->name ? strlen(l->plan.task[i]->name) : 1;
		width = len > width && len <= 40 ? len : width;
	}
	printf("%zu %s", l->plan.n, l->plan.n == 1 ? "entry" : "entries");
	if (total)
		printf(", %llu job%s", (unsigned long long)total, total == 1 ? "" : "s");
	putchar('\n');
	for (size_t i = 0; i < l->plan.n; i++)
		print_task(l->plan.task[i], (int)width);
	return fflush(stdout) < 0 ? OXI_EXIT_OUTPUT : OXI_EXIT_OK;
}

static int check(struct oxi_load *l, char **names, size_t n)
{
	if (n == 0) {
		oxi_say("check", "which job file? (- is standard input)");
		return OXI_EXIT_USAGE;
	}
	bool expand = l->o.dry_run;
	l->o.dry_run = true;
	int r = oxi_load_open(l, names, n);
	if (r == 0 && l->plan.read)
		r = l->plan.read(l->plan.read_arg, &l->plan);
	l->plan.read = NULL;
	if (r < 0)
		return oxi_load_refuse(l, r);
	int code = print_plan(l);
	return code == OXI_EXIT_OK && expand ? oxi_batch_run(&l->o, &l->plan) : code;
}

static int run(int argc, char **argv)
{
	struct oxi_load l = { 0 };
	const char *value;
	int id;
	oxi_batch_options_init(&l.o, "check");
	while ((id = oxi_options_next(&oxi_command_check, argc, argv, &value)) >= 0)
		l.o.dry_run = true;             /* the only one there is */
	int code = id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (id == OXI_OPTION_END)
		code = check(&l, argv + optind, (size_t)(argc - optind));
	oxi_load_close(&l);
	return code;
}

const struct oxi_command oxi_command_check = {
	.name = "check",
	.summary = "Says what a job file means, and what is wrong in it",
	.usage = "[OPTION...] FILE|- ...",
	.options = OPTIONS,
	.notes = "Nothing is run. Exit: 0 it is right, 2 usage, 3 it is not.\n",
	.run = run,
};
