/* SPDX-License-Identifier: MIT */
/*
 * How many CPUs this process may use: those it may run on, or fewer if its control groups give it less time
 * than that. The quota of a group binds all groups inside it, so each one up to the root is asked (cgroup v2:
 * cpu.max; v1: cpu.cfs_quota_us).
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <oxbow/pool.h>

#define PATH 512

/* CPUs by a quota and a period, rounded up; UINT32_MAX: no quota. */
static unsigned by_quota(long long quota, long long period)
{
	if (quota <= 0 || period <= 0)
		return UINT32_MAX;
	return (unsigned)((quota + period - 1) / period);
}

static bool read_number(const char *dir, const char *name, long long *ret)
{
	char path[PATH * 2];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fscanf(f, "%lld", ret) == 1;
	if (f != NULL)
		fclose(f);
	return ok;
}

static unsigned quota_of(const char *dir)
{
	char path[PATH * 2];
	long long quota, period;

	if (read_number(dir, "cpu.cfs_quota_us", &quota))
		return read_number(dir, "cpu.cfs_period_us", &period) ? by_quota(quota, period) : UINT32_MAX;
	snprintf(path, sizeof path, "%s/cpu.max", dir);
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fscanf(f, "%lld %lld", &quota, &period) == 2;    /* "max" is no number */
	if (f != NULL)
		fclose(f);
	return ok ? by_quota(quota, period) : UINT32_MAX;
}

/* The least quota of root/path and of all groups above it. */
static unsigned least_quota(const char *root, const char *path)
{
	char dir[PATH];
	unsigned least = UINT32_MAX;
	int n = snprintf(dir, sizeof dir, "%s%s", root, path);

	if (n < 0 || (size_t)n >= sizeof dir)
		return least;
	while (strlen(dir) >= strlen(root)) {
		unsigned q = quota_of(dir);
		least = q < least ? q : least;
		char *slash = strrchr(dir, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
	}
	return least;
}

/* Lines of /proc/self/cgroup: "0::/path" (v2), "4:cpu,cpuacct:/path" (v1). */
static unsigned by_cgroups(void)
{
	char line[PATH];
	unsigned least = UINT32_MAX;
	FILE *f = fopen("/proc/self/cgroup", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		char *controllers = strchr(line, ':');
		char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (path == NULL)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		bool v2 = controllers[1] == '\0';
		if (!v2 && strncmp(controllers + 1, "cpu", 3) != 0)
			continue;
		unsigned q = least_quota(v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path);
		least = q < least ? q : least;
	}
	if (f != NULL)
		fclose(f);
	return least;
}

static unsigned by_affinity(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN);    /* more than the set has places for */
	return online > 0 ? (unsigned)online : 1;
}

unsigned ox_cpu_count(void)
{
	unsigned n = by_affinity(), quota = by_cgroups();

	return quota < n ? quota : n;
}
