/* SPDX-License-Identifier: MIT */
/*
 * What the lean command does for what it has not: it becomes the program that has it, with the same words. That lies
 * beside it in a build folder, and where it is installed otherwise. The program itself has oxi_crawl_run() of crawl/crawl.c,
 * and leaves this one in the archive.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/say.h"

#define NAME "oxbow-crawl"

int oxi_crawl_run(const struct oxi_crawl_options *o)
{
	char path[PATH_MAX];
	char **argv = o->argv - 1;              /* the command's own name comes before that of the sub-command */
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(NAME));
	if (n > 0) {
		path[n] = 0;
		strcpy(strrchr(path, '/') + 1, NAME);
		execv(path, argv);
	}
	execv(OXI_PROGRAMS "/" NAME, argv);
	oxi_say("crawl", "cannot start " OXI_PROGRAMS "/" NAME ": %s: is Oxbow installed whole?", strerror(errno));
	return OXI_EXIT_WORKERS;
}
