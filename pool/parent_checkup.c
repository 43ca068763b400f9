/* SPDX-License-Identifier: MIT */
/*
 * Looking after the workers while jobs are pending, from outside and by the clock: a job that eats memory, or a worker
 * that was stopped by a signal, says nothing by itself.
 *
 *	memory over max_rss         killed; the job that ran ends with OX_EOOM
 *	memory over recycle_rss     replaced when its jobs have ended
 *	stopped for .stall          killed if it owes a job; the one that ran ends with OX_ESTUCK
 *
 * What counts is a worker's private memory, resident pages that belong to no file and no arena, as the kernel
 * counts it. RLIMIT_AS would count the arena's reserved addresses; RLIMIT_DATA makes allocations fail in the job, which
 * is another thing (max_data).
 *
 * The pid may be another process's by now, for the spawner reaps; the kill goes by the pidfd, so the worst is one wrong
 * look.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pool/parent.h"

#define MEMORY_PERIOD OX_MS(10)

/* A small file of /proc, 0-terminated; false: the process is gone, or no descriptor is free. */
static bool read_proc(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buf, cap - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* Bytes; 0: not known. */
static size_t private_memory(pid_t pid)
{
	unsigned long resident, shared;
	char path[32], text[128];

	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	if (!read_proc(path, text, sizeof text) || sscanf(text, "%*u %lu %lu", &resident, &shared) != 2)
		return 0;
	return resident > shared ? (resident - shared) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

bool oxi_seat_stopped(const struct oxi_seat *s)
{
	char path[32], text[256];

	if (s->state != OXI_SEAT_READY)
		return false;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)s->pid);
	if (!read_proc(path, text, sizeof text))
		return false;
	const char *name_end = strrchr(text, ')');
	return name_end != NULL && strncmp(name_end, ") T", 3) == 0;
}

/* ---- the look ---- */

static void check_memory(ox_pool *p, struct oxi_seat *s, ox_time now)
{
	size_t used = private_memory(s->pid);

	if (p->options.max_rss > 0 && used > p->options.max_rss) {
		s->memory_limit = p->options.max_rss;
		oxi_dispatch_condemn(p->dispatch, s->slot, s->generation, OX_EOOM, now);
	} else if (p->options.recycle_rss > 0 && used > p->options.recycle_rss) {
		oxi_dispatch_retire(p->dispatch, s->slot, s->generation, now);
	}
}

static void check_stall(ox_pool *p, struct oxi_seat *s, ox_time now)
{
	if (!oxi_dispatch_owes(p->dispatch, s->slot) || !oxi_seat_stopped(s))
		s->stopped_at = 0;
	else if (s->stopped_at == 0)
		s->stopped_at = now;
	else if (now - s->stopped_at >= p->options.stall)
		oxi_dispatch_condemn(p->dispatch, s->slot, s->generation, OX_ESTUCK, now);
}

static bool watches_memory(const ox_pool *p)
{
	return p->options.max_rss > 0 || p->options.recycle_rss > 0;
}

static ox_time period(const ox_pool *p)
{
	ox_time stall = p->options.stall / 4;

	if (watches_memory(p))
		return MEMORY_PERIOD;
	return stall < OX_MS(1) ? OX_MS(1) : stall < OX_SEC(1) ? stall : OX_SEC(1);
}

void oxi_checkup_plan(ox_pool *p)
{
	if (p->pending > 0 && p->checkup_at == OX_NEVER && (watches_memory(p) || p->options.stall > 0))
		p->checkup_at = oxi_pool_now() + period(p);
}

void oxi_checkup(ox_pool *p, ox_time now)
{
	p->checkup_at = OX_NEVER;
	for (unsigned i = 0; i < p->seat_count; i++) {
		struct oxi_seat *s = &p->seats[i];
		if (s->state == OXI_SEAT_READY && watches_memory(p))
			check_memory(p, s, now);
		if (s->state == OXI_SEAT_READY && p->options.stall > 0)
			check_stall(p, s, now);
	}
}

/* ---- kills by the kernel ---- */

/* The line of this process's group in a hierarchy with the memory controller, "N:CONTROLLERS:PATH"; version 2 names none. */
static FILE *open_in_group(char *line)
{
	char path[4200];
	char *controllers = strchr(line, ':'), *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

	if (group == NULL)
		return NULL;
	*group++ = '\0';
	group[strcspn(group, "\n")] = '\0';
	bool second = controllers[1] == '\0';
	if (!second && strcmp(controllers + 1, "memory") != 0)
		return NULL;
	const char *root = second ? "" : "/memory", *file = second ? "memory.events" : "memory.oom_control";
	snprintf(path, sizeof path, "/sys/fs/cgroup%s%s/%s", root, group, file);
	FILE *f = fopen(path, "re");
	if (f == NULL) {                /* in a container, whose group is the root of what it sees */
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/%s", root, file);
		f = fopen(path, "re");
	}
	return f;
}

/* Where the kernel counts them: for our control group, or else for the whole machine. */
static FILE *open_count(void)
{
	char line[4200];
	FILE *groups = fopen("/proc/self/cgroup", "re"), *f = NULL;

	while (groups != NULL && f == NULL && fgets(line, sizeof line, groups) != NULL)
		f = open_in_group(line);
	if (groups != NULL)
		fclose(groups);
	return f != NULL ? f : fopen("/proc/vmstat", "re");
}

uint64_t oxi_oom_kills(void)
{
	unsigned long long n = 0;
	char line[128];
	FILE *f = open_count();

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "oom_kill %llu", &n) == 1)
			break;
	fclose(f);
	return n;
}
