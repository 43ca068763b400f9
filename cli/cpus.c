/* SPDX-License-Identifier: MIT */
/*
 * The smaller of two limits: the affinity mask, and the cpu.max of each cgroup (v2) from the process's own up
 * to the root, in which a container's quota stands. A quota of one and a half CPUs counts as two: work for
 * the half exists.
 */
#include "cli/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static unsigned affinity(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

/* The quota of one group in CPUs, rounded up; UINT_MAX: none. */
static unsigned group_quota(const char *group)
{
	char path[4200];
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", group);
	FILE *f = fopen(path, "re");
	if (!f)
		return UINT_MAX;
	unsigned long quota, period;
	int n = fscanf(f, "%lu %lu", &quota, &period);          /* "max 100000" matches nothing */
	fclose(f);
	return n == 2 && period > 0 ? (unsigned)((quota + period - 1) / period) : UINT_MAX;
}

static unsigned quota(void)
{
	unsigned least = UINT_MAX;
	char line[4096];
	FILE *f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return least;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		char *group = line + 3;
		group[strcspn(group, "\n")] = '\0';
		for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
			*end = '\0';
			unsigned q = group_quota(group);
			least = q < least ? q : least;
		}
	}
	fclose(f);
	return least;
}

unsigned oxi_cpus(void)
{
	unsigned a = affinity(), q = quota(), n = a < q ? a : q;
	return n ? n : 1;
}
