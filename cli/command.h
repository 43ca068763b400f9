/* SPDX-License-Identifier: MIT */
/*
 * A sub-command of oxbow: a name, a table of options, a function. The table is the one truth about the
 * options: it is parsed from, --help prints it, and a test compares it with the manual page.
 */
#ifndef OXBOW_CLI_COMMAND_H
#define OXBOW_CLI_COMMAND_H

#include <stdbool.h>

/* What the process exits with. A job's own record uses 126, 127 and 128+n as the shell does. */
enum oxi_exit {
	OXI_EXIT_OK = 0,
	OXI_EXIT_FAILED = 1,            /* a job failed; no page could be fetched */
	OXI_EXIT_USAGE = 2,
	OXI_EXIT_INPUT = 3,             /* the input is invalid */
	OXI_EXIT_HALTED = 4,            /* a policy or a deadline ended the run */
	OXI_EXIT_OUTPUT = 5,            /* the output could not be written */
	OXI_EXIT_WORKERS = 6,           /* the processes that do the work could not be had */
	OXI_EXIT_REFUSED = 7,           /* a pool does not want this host */
	OXI_EXIT_LOCKED = 75,           /* another process works on the run */
	OXI_EXIT_HUP = 129,
	OXI_EXIT_INT = 130,
	OXI_EXIT_QUIT = 131,
	OXI_EXIT_PIPE = 141,            /* standard output was closed */
	OXI_EXIT_TERM = 143,
};

/* A table ends with an all-zero entry. */
struct oxi_option {
	int id;                         /* its letter, or a number from OXI_LONG up; from OXI_MORE up: for --help=all */
	const char *name;               /* the long name, without dashes */
	const char *arg;                /* its argument: in brackets if it may be left out, with ... if several options add up; NULL: none */
	const char *help;               /* one line */
};
#define OXI_LONG 256
#define OXI_MORE 4096

/* The rows that end every table, before the all-zero one. */
#define OXI_PRINT_CONFIG (2 * OXI_MORE)
#define OXI_COMMON_OPTIONS \
	{ OXI_PRINT_CONFIG, "print-config", NULL, "print what each option is, and where that comes from" }, \
	{ 'h', "help", "[all]", "print this help, or that of all options" }

struct oxi_command {
	const char *name;
	const char *summary;            /* one line, for oxbow --help */
	const char *usage;              /* what follows "oxbow NAME" */
	const struct oxi_option *options;
	const char *notes;              /* printed after the options; NULL: nothing */
	int (*run)(int argc, char **argv);      /* argv[0] is the command's name; returns the exit code */
	bool anywhere;                  /* options may stand behind words, none of which is a command to be run */
};

extern const struct oxi_command *const oxi_commands[];  /* all there are, then NULL */
const struct oxi_command *oxi_command_find(const char *name);   /* NULL: there is none */
const char *oxi_command_nearest(const char *word, const char *also);    /* the nearest name, also among them; NULL: none is close */

extern const struct oxi_command oxi_command_completion;
extern const struct oxi_command oxi_command_log;
extern const struct oxi_command oxi_command_ls;
extern const struct oxi_command oxi_command_replay;
extern const struct oxi_command oxi_command_report;
extern const struct oxi_command oxi_command_run;
extern const struct oxi_command oxi_command_set;
extern const struct oxi_command oxi_command_batch;
extern const struct oxi_command oxi_command_resume;
extern const struct oxi_command oxi_command_check;
extern const struct oxi_command oxi_command_crawl;
extern const struct oxi_command oxi_command_status;
extern const struct oxi_command oxi_command_why;
extern const struct oxi_command oxi_command_worker;

#endif
