/* SPDX-License-Identifier: MIT */
/* The command: a sub-command by its name, one file each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/base.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/say.h"

static void print_help(void)
{
	printf("usage: oxbow COMMAND [OPTION...] ...\n"
	       "Runs batches of work side by side: programs, pages of the web, functions.\n\n");
	for (const struct oxi_command *const *c = oxi_commands; *c; c++)
		printf("  %-10s %s\n", (*c)->name, (*c)->summary);
	printf("\n"
	       "  oxbow COMMAND --help    options of a command (also: oxbow help COMMAND)\n"
	       "  oxbow --version         version of the command and of its library\n\n"
	       "Manual: man oxbow\n");
}

static const struct oxi_command *find(const char *name)
{
	const struct oxi_command *c = oxi_command_find(name);
	if (c)
		return c;
	const char *near = oxi_command_nearest(name, "help");
	if (near)
		oxi_say(NULL, "unknown command '%s': did you mean %s?", name, near);
	else
		oxi_say(NULL, "unknown command '%s' (see oxbow --help)", name);
	return NULL;
}

/* Help and version were printed: they too have failed if nobody could read them. */
static int flushed(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return OXI_EXIT_PIPE;
	oxi_say(NULL, "cannot write to standard output: %s", strerror(errno));
	return OXI_EXIT_OUTPUT;
}

static int help(int argc, char **argv)
{
	if (argc < 2) {
		print_help();
		return OXI_EXIT_OK;
	}
	const struct oxi_command *c = find(argv[1]);
	if (!c)
		return OXI_EXIT_USAGE;
	oxi_options_help(c, argc > 2 && strcmp(argv[2], "all") == 0, stdout);
	return OXI_EXIT_OK;
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		oxi_say(NULL, "which command? (see oxbow --help)");
		return OXI_EXIT_USAGE;
	}
	const char *word = argv[1];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("oxbow %s (library %s)\n", OX_VERSION, ox_version());
		return OXI_EXIT_OK;
	}
	if (word[0] == '-') {
		oxi_say(NULL, "unknown option '%s': options come after the command (see oxbow --help)", word);
		return OXI_EXIT_USAGE;
	}
	const struct oxi_command *c = find(word);
	return c ? c->run(argc - 1, argv + 1) : OXI_EXIT_USAGE;
}

/* A closed 0, 1 or 2 would be taken by the next file or socket. On a 1 or 2 made so, writing fails, as it must. */
static void open_standard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0)
			return;
	}
}

int main(int argc, char **argv)
{
	open_standard();
	return flushed(run(argc, argv));
}
