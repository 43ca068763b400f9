/* SPDX-License-Identifier: MIT */
/*
 * What leaves its job's group, a daemon above all, becomes a child of the reaper when its parent ends, and then
 * only its environment tells whose it was: each job has its run's and its own number in there. Who has cleaned
 * that away is not found until the run ends, when all that is left is killed. Rejected: following the tree of
 * processes while the job runs, which misses who forks twice between two looks.
 */
#include "cli/batch/stray.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRONMENT OX_KIB(256)         /* as much of one as is looked at */

static bool has(const char *env, size_t len, const char *variable)
{
	size_t n = strlen(variable) + 1;
	for (const char *p = env; p && p < env + len; p = memchr(p, '\0', (size_t)(env + len - p)), p += p != NULL) {
		if ((size_t)(env + len - p) >= n && memcmp(p, variable, n) == 0)
			return true;
	}
	return false;
}

static bool has_all(int pid, const char *const *variables, size_t n)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *env = fd < 0 ? NULL : malloc(ENVIRONMENT);
	size_t len = 0;
	for (ssize_t got; env && len < ENVIRONMENT && (got = read(fd, env + len, ENVIRONMENT - len)) > 0;)
		len += (size_t)got;
	size_t found = 0;
	while (env && found < n && has(env, len, variables[found]))
		found++;
	free(env);
	if (fd >= 0)
		close(fd);
	return env && found == n;
}

size_t oxi_stray_kill(const char *const *variables, size_t n, const pid_t *except, size_t m)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	size_t killed = 0;
	int pid;
	while (f && fscanf(f, "%d", &pid) == 1) {
		bool kept = false;
		for (size_t i = 0; i < m; i++)
			kept |= except[i] == pid;
		if (!kept && (n == 0 || has_all(pid, variables, n)))
			killed += kill(pid, SIGKILL) == 0;
	}
	if (f)
		fclose(f);
	return killed;
}
