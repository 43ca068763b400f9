/* SPDX-License-Identifier: MIT */
/*
 * Runs `oxbow crawl` under the rules of crawl.py, with plugin.c as its crunch function, and adds up the results. The command is $OXBOW, or
 * oxbow on the path; the plugin lies where the build puts it, beside this program.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "bench/oxbow.h"

extern char **environ;

/* Starts the crawl; its standard output is *ret. */
static pid_t start(char **args, FILE **ret)
{
	char plugin[4096] = "", *slash;
	ssize_t len = readlink("/proc/self/exe", plugin, sizeof(plugin) - 64);

	if (len < 0 || !(slash = strrchr(plugin, '/')))
		DIE("/proc/self/exe");
	strcpy(slash, "/.libs/bench_crunch.so:totals");

	char *oxbow = getenv("OXBOW") ? getenv("OXBOW") : "oxbow";
	char *words[] = { oxbow, "crawl", "--fast", "--allow-net", "127.0.0.0/8", "--quiet", "--connections", args[1],
			  "-j", args[2], "--crunch", plugin, args[0], NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		DIE("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	if (posix_spawnp(&pid, oxbow, &actions, NULL, words, environ) != 0)
		DIE(oxbow);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*ret = fdopen(ends[0], "r");
	return pid;
}

int bench_crawl(char **args)
{
	FILE *results;
	pid_t pid = start(args, &results);
	long pages = 0, words = 0;
	char *line = NULL;
	size_t cap = 0;
	int status;

	while (getline(&line, &cap, results) > 0) {
		const char *value = strstr(line, "\"words\":");

		if (value) {
			pages++;
			words += atol(value + strlen("\"words\":"));
		}
	}
	free(line);
	fclose(results);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return 1;
	emit("pages", (double)pages, "pages");
	printf("words %ld words\n", words);
	return 0;
}
