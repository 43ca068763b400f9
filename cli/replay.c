/* SPDX-License-Identifier: MIT */
/*
 * oxbow replay: a quarantined input again, alone. The job's function is in the user's program, so this command becomes that
 * program, called as it was when the input crashed it and with OX_REPLAY in its environment: then the library runs the
 * one job where the program opens its pool, and ends. Or the function is in a shared library: then it is run here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/quarantine.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

enum { OPT_PLUGIN = OXI_LONG, OPT_GDB, OPT_WORKER, ARGUMENTS_MAX = 4096 };

static const struct oxi_option OPTIONS[] = {
	{ 'p', "program", "PROGRAM", "run PROGRAM, with the arguments that the file has, not the program that it names" },
	{ OPT_PLUGIN, "plugin", "PLUGIN.so", "the job is in a shared library, in an object of its name made by OX_JOB()" },
	{ OPT_GDB, "gdb", NULL, "start it under gdb" },
	{ OPT_WORKER, "worker", NULL, "run the job in a process forked for it, under a worker's limits" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

struct arguments {
	const char *program, *plugin;
	bool gdb, worker;
	char file[PATH_MAX];            /* absolute */
};

static int parse(int argc, char **argv, struct arguments *ret)
{
	*ret = (struct arguments){ 0 };
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_replay, argc, argv, &value)) >= 0) {
		switch (id) {
		case 'p': ret->program = value; break;
		case OPT_PLUGIN: ret->plugin = value; break;
		case OPT_GDB: ret->gdb = true; break;
		case OPT_WORKER: ret->worker = true; break;
		}
	}
	if (id != OXI_OPTION_END)
		return id;
	if (ret->program && ret->plugin) {
		oxi_say("replay", "give --program or --plugin, not both");
		return OXI_OPTION_BAD;
	}
	if (argc - optind != 1) {
		oxi_say("replay", argc == optind ? "which file? (see oxbow replay --help)" : "one file at a time");
		return OXI_OPTION_BAD;
	}
	return id;
}

/* Becomes another program, which finds it in the search path if its name has no slash. */
static int become(const struct arguments *a, char **argv)
{
	if (setenv("OX_REPLAY", a->file, 1) < 0 || (a->worker && setenv("OX_REPLAY_IN", "worker", 1) < 0)) {
		oxi_say("replay", "%s", strerror(errno));
		return OXI_EXIT_WORKERS;
	}
	execvp(argv[0], argv);
	oxi_say("replay", "cannot run %s: %s", argv[0], strerror(errno));
	return OXI_EXIT_INPUT;
}

/* As the program was called, by its path in place of its name, and behind gdb --args if that is asked for. */
static int run_program(const struct arguments *a, const ox_saved *s)
{
	static char *argv[ARGUMENTS_MAX + 4];
	const char *program = a->program ? a->program : ox_saved_field(s, "program", 0);
	const char *directory = ox_saved_field(s, "directory", 0), *word;
	size_t n = 0;

	if (!program || !ox_saved_field(s, "argument", 0)) {
		oxi_say("replay", "%s does not say how its program was called: run it with OX_REPLAY=%s", a->file, a->file);
		return OXI_EXIT_INPUT;
	}
	if (a->gdb) {
		argv[n++] = (char *)"gdb";
		argv[n++] = (char *)"--args";
	}
	argv[n++] = (char *)program;
	for (size_t i = 1; (word = ox_saved_field(s, "argument", i)) != NULL; i++) {
		if (i == ARGUMENTS_MAX) {
			oxi_say("replay", "%s has too many arguments", a->file);
			return OXI_EXIT_INPUT;
		}
		argv[n++] = (char *)word;
	}
	argv[n] = NULL;
	if (directory && chdir(directory) < 0)
		oxi_say("replay", "%s: %s; its program runs here", directory, strerror(errno));
	return become(a, argv);
}

/* This program again, under gdb. */
static int run_plugin_in_gdb(struct arguments *a)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *argv[] = { (char *)"gdb", (char *)"--args", self, (char *)"replay", (char *)"--plugin", (char *)a->plugin, a->file, NULL };

	if (n < 0) {
		oxi_say("replay", "/proc/self/exe: %s", strerror(errno));
		return OXI_EXIT_WORKERS;
	}
	execvp(argv[0], argv);
	oxi_say("replay", "cannot run gdb: %s", strerror(errno));
	return OXI_EXIT_INPUT;
}

/* The pool is not opened: with OX_REPLAY set and a job that it has, that call runs the job and ends the program. */
static int run_plugin(struct arguments *a, const ox_saved *s)
{
	char path[PATH_MAX];
	ox_pool *pool;

	if (a->gdb)
		return run_plugin_in_gdb(a);
	void *library = realpath(a->plugin, path) ? dlopen(path, RTLD_NOW) : NULL;
	if (!library) {
		oxi_say("replay", "cannot load %s: %s", a->plugin, access(a->plugin, R_OK) < 0 ? strerror(errno) : dlerror());
		return OXI_EXIT_INPUT;
	}
	const char *name = ox_saved_field(s, "job", 0);
	const ox_job *job = dlsym(library, name);
	if (!job) {
		oxi_say("replay", "%s has no job '%s'", a->plugin, name);
		return OXI_EXIT_INPUT;
	}
	if (setenv("OX_REPLAY", a->file, 1) < 0 || (a->worker && setenv("OX_REPLAY_IN", "worker", 1) < 0)) {
		oxi_say("replay", "%s", strerror(errno));
		return OXI_EXIT_WORKERS;
	}
	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(job)), &pool);
	oxi_say("replay", "%s: '%s' is no job of that name: %s", a->plugin, name, ox_strerror(r < 0 ? r : OX_ENOJOB));
	return OXI_EXIT_INPUT;
}

static int run(int argc, char **argv)
{
	struct arguments a;
	ox_saved *s;
	int id = parse(argc, argv, &a);
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	int r = realpath(argv[optind], a.file) ? ox_saved_read(a.file, &s) : -errno;
	if (r < 0) {
		oxi_say("replay", "%s: %s", argv[optind], r == OX_EPROTO ? "this is no saved input" : ox_strerror(r));
		return OXI_EXIT_INPUT;
	}
	int code = a.plugin ? run_plugin(&a, s) : run_program(&a, s);
	ox_saved_free(s);
	return code;
}

const struct oxi_command oxi_command_replay = {
	.name = "replay",
	.summary = "Runs a saved input that crashed its workers again, alone",
	.usage = "[OPTION...] FILE",
	.options = OPTIONS,
	.notes = "Only for files that you trust: a file says which program to run.\n",
	.run = run,
};
