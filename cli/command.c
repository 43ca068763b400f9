/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <stddef.h>
#include <string.h>

#include "cli/options.h"

#define NAMES_MAX 32

const struct oxi_command *const oxi_commands[] = {
	&oxi_command_run,
	&oxi_command_batch,
	&oxi_command_check,
	&oxi_command_replay,
	&oxi_command_worker,
#ifdef OXI_CRAWL
	&oxi_command_crawl,
#endif
	&oxi_command_set,
#ifdef OXI_SQLITE
	&oxi_command_resume,
	&oxi_command_ls,
	&oxi_command_status,
	&oxi_command_log,
	&oxi_command_why,
	&oxi_command_report,
#endif
	&oxi_command_completion,
	NULL,
};

const struct oxi_command *oxi_command_find(const char *name)
{
	size_t i = 0;
	while (oxi_commands[i] && strcmp(oxi_commands[i]->name, name) != 0)
		i++;
	return oxi_commands[i];
}

const char *oxi_command_nearest(const char *word, const char *also)
{
	_Static_assert(sizeof(oxi_commands) / sizeof(*oxi_commands) <= NAMES_MAX, "room for all names");
	const char *names[NAMES_MAX];
	size_t n = 0;
	for (; oxi_commands[n]; n++)
		names[n] = oxi_commands[n]->name;
	if (also)
		names[n++] = also;
	return oxi_nearest(word, names, sizeof(*names), n);
}
