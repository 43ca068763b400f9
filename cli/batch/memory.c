/* SPDX-License-Identifier: MIT */
/*
 * A limit of a control group binds all groups inside it, so ours and each one above it is asked, as far as the file system shows
 * them: memory.max (v2), memory.limit_in_bytes (v1, which has a very large number for no limit).
 */
#include "cli/batch/memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

static void lower(uint64_t *least, const char *folder, const char *name)
{
	char path[PATH_MAX];
	unsigned long long n;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return;
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%llu", &n) == 1 && n < *least)   /* "max" is no number */
		*least = n;
	fclose(f);
}

/* The least limit of root/group and what is above it. */
static void lower_by_groups(uint64_t *least, const char *root, const char *group, const char *name)
{
	char folder[PATH_MAX];
	size_t len = strlen(root);
	if ((size_t)snprintf(folder, sizeof(folder), "%s%s", root, group) >= sizeof(folder))
		return;
	for (char *end = folder + strlen(folder); end && end >= folder + len; end = strrchr(folder, '/')) {
		*end = '\0';
		lower(least, folder, name);
	}
}

/* "memory" is one of the comma-separated controllers. */
static bool has_memory(const char *controllers)
{
	for (const char *p = controllers; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strcspn(p, ",") == 6 && strncmp(p, "memory", 6) == 0)
			return true;
	}
	return false;
}

uint64_t oxi_memory_total(void)
{
	struct sysinfo s;
	char line[PATH_MAX];
	uint64_t least = sysinfo(&s) == 0 ? (uint64_t)s.totalram * s.mem_unit : UINT64_MAX;
	FILE *f = fopen("/proc/self/cgroup", "re");
	/* "0::/path" (v2), "4:memory,hugetlb:/path" (v1) */
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!group)
			continue;
		*group++ = '\0';
		if (*++controllers == '\0')
			lower_by_groups(&least, "/sys/fs/cgroup", group, "memory.max");
		else if (has_memory(controllers))
			lower_by_groups(&least, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
	}
	if (f)
		fclose(f);
	return least;
}
