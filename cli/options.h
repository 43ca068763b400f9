/* SPDX-License-Identifier: MIT */
/* Options out of a command's table, and the values that they take. */
#ifndef OXBOW_CLI_OPTIONS_H
#define OXBOW_CLI_OPTIONS_H

#include <stdio.h>

#include <oxbow/base.h>

#include "cli/command.h"

enum { OXI_OPTION_END = -1, OXI_OPTION_BAD = -2, OXI_OPTION_HELP = -3 };

/*
 * The next option's id, its argument in *ret_value. END: optind is the first word that is no option. BAD: it
 * was said what is wrong, exit with OXI_EXIT_USAGE. HELP: the help was printed, exit with 0.
 */
int oxi_options_next(const struct oxi_command *c, int argc, char **argv, const char **ret_value);

/* all: each option has its line. Else those from OXI_MORE up are only named. */
void oxi_options_help(const struct oxi_command *c, bool all, FILE *to);

/* The nearest of n names (each stride bytes after the other) to word; NULL if none is close. */
const char *oxi_nearest(const char *word, const char *const *names, size_t stride, size_t n);

/* Values. 0, or OX_EINVAL without writing *ret. */
int oxi_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int oxi_value_time(const char *text, ox_time *ret);     /* "500ms" "1.5" "60s" "2m" "1h"; no unit: seconds */
int oxi_value_size(const char *text, size_t *ret);      /* "8MiB" "64KiB" "1GB" "512K"; no unit: bytes */
int oxi_value_jobs(const char *text, unsigned *ret);    /* "4"; "50%" of the CPUs this process may use, "+2" more than them, "-1" fewer */

#endif
