/* SPDX-License-Identifier: MIT */
/* How many threads of the library there are. (A sanitizer has some of its own.) */
#ifndef OXBOW_TESTS_THREADS_H
#define OXBOW_TESTS_THREADS_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static int count_threads(void)
{
	char path[300], name[32];
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.200s/comm", e->d_name);
		FILE *f = fopen(path, "r");
		if (f == NULL)
			continue;       /* . and .., and who has just ended */
		n += fgets(name, sizeof(name), f) && strncmp(name, "ox-thread-", 10) == 0;
		fclose(f);
	}
	closedir(d);
	return n;
}

#endif
