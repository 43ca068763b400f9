/* SPDX-License-Identifier: MIT */
/*
 * with_server PROGRAM ARGUMENTS...: runs a program with the environment pointing to a PostgreSQL server made
 * for it. Its status; 77 where there is no PostgreSQL.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/db/server.h"

int main(int argc, char **argv)
{
	extern char **environ;
	char port[16];
	int status = -1;
	pid_t pid;

	if (argc < 2 || !server_start())
		return 77;
	snprintf(port, sizeof(port), "%u", server_port);
	setenv("PGHOST", server_folder, 1);
	setenv("PGPORT", port, 1);
	setenv("PGUSER", "ox", 1);
	setenv("PGDATABASE", "postgres", 1);
	if (posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1, environ) == 0)
		waitpid(pid, &status, 0);
	server_stop();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
