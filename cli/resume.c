/* SPDX-License-Identifier: MIT */
/*
 * oxbow resume: the command line that began a run, again, in the folder where it was given, with --resume. So whatever has
 * changed meanwhile, in a job file or in a list of inputs, is taken as it is now, and what has ended is known by what it was.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"
#include "cli/state/look.h"

enum { OPT_FAILED = OXI_LONG, OPT_ONLY };

static const struct oxi_option OPTIONS[] = {
	{ OPT_FAILED, "failed", NULL, "run again what failed, too" },
	{ OPT_ONLY, "only", "JOB...", "run again the job of that number or name, and nothing else" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

#define WORDS_MAX 100000

/* The command line, from the record. */
struct again {
	bool failed;
	const char **only;              /* numbers and names of jobs; none: all */
	size_t only_n;
	char *argv[WORDS_MAX + 8];
	size_t n;
	char *cwd, *words;
};

static void add_word(struct again *a, char *word)
{
	if (a->n < WORDS_MAX)
		a->argv[a->n++] = word;
}

/* oxbow COMMAND --run DIR --resume, and what was given then; --only JOB in the place of --resume. */
static int take_words(struct again *a, ox_bytes words, const char *dir)
{
	static char oxbow[] = "oxbow", option[] = "--run", resume[] = "--resume", failed[] = "--resume-failed", only[] = "--only";
	a->words = malloc(words.len + 1);
	char *absolute = realpath(dir, NULL);
	if (!a->words || !absolute)
		return a->words ? -errno : OX_ENOMEM;
	memcpy(a->words, words.data, words.len);
	a->words[words.len] = '\0';
	char *p = a->words, *end = p + words.len;
	add_word(a, oxbow);
	add_word(a, p);
	add_word(a, option);
	add_word(a, absolute);
	if (a->only_n == 0)
		add_word(a, a->failed ? failed : resume);
	for (size_t i = 0; i < a->only_n; i++) {
		add_word(a, only);
		add_word(a, (char *)a->only[i]);
	}
	while ((p += strlen(p) + 1) < end)
		add_word(a, p);
	return a->n == WORDS_MAX ? -E2BIG : 0;
}

static int read_command(struct oxi_look *l, void *arg)
{
	struct again *a = arg;
	OX_AUTO_SQLITE_RESULT *res = NULL;
	if (l->live) {
		oxi_say("resume", "%s is going on: process %d works on it", l->dir, (int)l->holder.pid);
		return OXI_EXIT_LOCKED;
	}
	int r = oxi_look_query(l, "select argv, cwd from session order by n limit 1", NULL, 0, &res);
	if (r < 0)
		return r;
	ox_bytes words = ox_sqlite_value(res, 0, 0), cwd = ox_sqlite_value(res, 0, 1);
	if (ox_sqlite_rows(res) == 0 || words.len == 0) {
		oxi_say("resume", "%s: nobody wrote down how it was begun", l->dir);
		return OXI_EXIT_INPUT;
	}
	a->cwd = strndup(cwd.data ? cwd.data : ".", cwd.data ? cwd.len : 1);
	return a->cwd ? take_words(a, words, l->dir) : OX_ENOMEM;
}

static int go_on(struct again *a)
{
	if (chdir(a->cwd) < 0) {
		oxi_say("resume", "cannot change to %s, where the run was begun: %s", a->cwd, strerror(errno));
		return OXI_EXIT_INPUT;
	}
	execv("/proc/self/exe", a->argv);
	oxi_say("resume", "cannot start: %s", strerror(errno));
	return OXI_EXIT_WORKERS;
}

static bool add_only(struct again *a, const char *job)
{
	const char **only = realloc(a->only, (a->only_n + 1) * sizeof(*only));
	if (!only)
		return false;
	a->only = only;
	only[a->only_n++] = job;
	return true;
}

static int run(int argc, char **argv)
{
	const char *value;
	int id;
	struct again *a = calloc(1, sizeof(*a));
	bool ok = a;
	while (ok && (id = oxi_options_next(&oxi_command_resume, argc, argv, &value)) >= 0) {
		a->failed |= id == OPT_FAILED;
		ok = id == OPT_FAILED || add_only(a, value);
	}
	if (!ok) {
		oxi_say("resume", "no memory");
		id = OXI_OPTION_HELP;
	}
	int code = !ok ? OXI_EXIT_WORKERS : id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	if (id == OXI_OPTION_END && optind + 1 < argc)
		oxi_say("resume", "'%s' is too much: it takes one run", argv[optind + 1]);
	else if (id == OXI_OPTION_END && a->failed && a->only_n)
		oxi_say("resume", "--only runs its jobs whatever became of them: leave out --failed");
	else if (id == OXI_OPTION_END)
		code = oxi_look_run("resume", argv[optind], read_command, a);
	if (id == OXI_OPTION_END && code == OXI_EXIT_OK && a->n)
		code = go_on(a);
	if (a) {
		free(a->only);
		free(a->words);
		free(a->cwd);
	}
	free(a);
	return code;
}

const struct oxi_command oxi_command_resume = {
	.name = "resume",
	.summary = "Goes on with a run that has not done all its jobs",
	.usage = "[OPTION...] [RUN]",
	.options = OPTIONS,
	.notes =
		"RUN is a folder, or the id of a run in ./.oxbow; the newest there if it is left out.\n"
		"What came through standard input has to come again. Exit: as oxbow run and batch.\n",
	.run = run,
};
