/* SPDX-License-Identifier: MIT */
/* The options of oxbow run that say where values come from, and the lists behind its command. */
#ifndef OXBOW_CLI_ARGUMENTS_H
#define OXBOW_CLI_ARGUMENTS_H

#include "cli/batch/input.h"
#include "cli/command.h"

enum {
	OXI_IN_CSV = OXI_MORE + 100, OXI_IN_HEADER, OXI_IN_JSONL, OXI_IN_LINK, OXI_IN_ARRAY, OXI_IN_SHUFFLE, OXI_IN_FILTER,
};

/* Rows for a command's table of options. */
#define OXI_INPUT_OPTIONS \
	{ 'a', "arg-file", "FILE...", "values are the lines of FILE (- is standard input)" }, \
	{ '0', "null", NULL, "values in files end with a NUL byte, not with a newline" }, \
	{ 'd', "delimiter", "TEXT", "values in files end with TEXT (\\n \\t \\0 \\x2c)" }, \
	{ 'C', "colsep", "REGEXP", "cut each value into columns: {1} {2} ..." }, \
	{ OXI_IN_CSV, "csv", NULL, "files are CSV (RFC 4180), a row a job" }, \
	{ OXI_IN_HEADER, "header", NULL, "the first row of each list names its columns: {name}" }, \
	{ OXI_IN_JSONL, "jsonl", NULL, "files are JSON objects, one a line: {user.name}" }, \
	{ OXI_IN_ARRAY, "array", "RANGES...", "values are numbers, as of Slurm: 1-100:2,200%8" }, \
	{ OXI_IN_LINK, "link", NULL, "go through all lists in step, short ones again" }, \
	{ OXI_IN_SHUFFLE, "shuf", "[SEED]", "run the jobs in random order" }, \
	{ OXI_IN_FILTER, "filter", "EXPR", "only jobs for which EXPR holds: '{2} > 3'" }, \
	{ 'n', "max-args", "N", "N values a job" }, \
	{ 'N', "max-replace-args", "N", "N values a job: {1} {2} ..., words around {} repeated" }, \
	{ 'X', "context-replace", NULL, "as many values a job as fit, words around {} repeated" }, \
	{ 'm', "many", NULL, "as many values a job as fit" }

struct oxi_arguments {
	struct oxi_input_options input;
	ox_bytes delimiter, columns;    /* of -d and --colsep */
	struct oxi_buffer delimiter_text;
	bool null;
	unsigned array_limit;           /* jobs at a time; 0: none was given */
};

/* Takes an option of the rows above. Returns: 1; 0: it is none of them; OX_EINVAL: it was said what is wrong; OX_ENOMEM. */
int oxi_arguments_option(struct oxi_arguments *a, int id, const char *value);

/* Takes the lists: n words, of which the first begins with ":::". Returns: 0; OX_EINVAL: it was said what is wrong; OX_ENOMEM. */
int oxi_arguments_lists(struct oxi_arguments *a, char **words, size_t n);

/* How many words come before the first list. */
size_t oxi_arguments_command(char **words, size_t n);

/* Checks them all, when all are there, and completes input. As above. */
int oxi_arguments_end(struct oxi_arguments *a);

void oxi_arguments_free(struct oxi_arguments *a);

#endif
