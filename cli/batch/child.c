/* SPDX-License-Identifier: MIT */
#include "cli/batch/child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/options.h"

extern char **environ;

static const char *const OWN[OXI_ENVS] = { "OXBOW_RUN", "OXBOW_JOB", "OXBOW_SEQ", "OXBOW_SLOT", "OXBOW_ATTEMPT",
                                          "PARALLEL_SEQ", "PARALLEL_JOBSLOT" };

/* Of ioprio_set(2), which the C library has not. */
#define IO_WHO_PROCESS 1
#define IO_CLASS_SHIFT 13
#define IO_LEVEL_MEAN  4

static int limit_number(const char *name, size_t len)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
		{ "as", RLIMIT_AS }, { "core", RLIMIT_CORE }, { "cpu", RLIMIT_CPU }, { "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE }, { "memlock", RLIMIT_MEMLOCK }, { "nofile", RLIMIT_NOFILE },
		{ "nproc", RLIMIT_NPROC }, { "rss", RLIMIT_RSS }, { "stack", RLIMIT_STACK },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].name) == len && strncmp(name, names[i].name, len) == 0)
			return names[i].number;
	}
	return -1;
}

int oxi_child_limits_parse(const char *text, struct oxi_child *ret)
{
	for (;;) {
		size_t len = strcspn(text, "="), end = strcspn(text, ",");
		char value[32];
		size_t n;
		int what = limit_number(text, len);
		if (what < 0 || end <= len || end - len - 1 >= sizeof(value) || ret->limits == OXI_CHILD_LIMITS)
			return OX_EINVAL;
		memcpy(value, text + len + 1, end - len - 1);
		value[end - len - 1] = '\0';
		if (oxi_value_size(value, &n) < 0)
			return OX_EINVAL;
		ret->limit[ret->limits].what = what;
		ret->limit[ret->limits++].value = n;
		if (text[end] == '\0')
			return 0;
		text += end + 1;
	}
}

int oxi_child_umask_parse(const char *text, struct oxi_child *ret)
{
	size_t len = strspn(text, "01234567");
	unsigned long mask = strtoul(text, NULL, 8);
	if (len == 0 || len > 4 || text[len] || mask > 0777)
		return OX_EINVAL;
	ret->umask = (mode_t)mask;
	ret->umask_given = true;
	return 0;
}

int oxi_child_ionice_parse(const char *text, struct oxi_child *ret)
{
	static const char *const names[] = { "1", "realtime", "2", "best-effort", "3", "idle" };
	size_t len = strcspn(text, ":");
	int class = 0;
	uint64_t level = IO_LEVEL_MEAN;
	for (int i = 0; i < 6; i++) {
		if (strlen(names[i]) == len && strncmp(text, names[i], len) == 0)
			class = i / 2 + 1;
	}
	if (class == 0 || (text[len] && (class == 3 || oxi_value_count(text + len + 1, 0, 7, &level) < 0)))
		return OX_EINVAL;
	ret->io_priority = class << IO_CLASS_SHIFT | (class == 3 ? 0 : (int)level);
	return 0;
}

int oxi_child_pin(struct oxi_child *c, unsigned slots)
{
	if (sched_getaffinity(0, sizeof(c->cpus), &c->cpus) < 0)
		return -errno;
	c->pin = slots;
	return 0;
}

void oxi_child_cpus(const struct oxi_child *c, unsigned slot, cpu_set_t *ret)
{
	unsigned n = (unsigned)CPU_COUNT(&c->cpus), shares = c->pin < n ? c->pin : n, seen = 0;
	CPU_ZERO(ret);
	for (unsigned cpu = 0; seen < n; cpu++) {
		if (!CPU_ISSET(cpu, &c->cpus))
			continue;
		if (seen * shares / n == slot % shares)
			CPU_SET(cpu, ret);
		seen++;
	}
}

int oxi_child_env_add(struct oxi_child *c, const char *text)
{
	if (*text == '=' || !strchr(text, '='))
		return OX_EINVAL;
	const char **env = realloc(c->env, (c->env_n + 1) * sizeof(*env));
	if (!env)
		return OX_ENOMEM;
	c->env = env;
	c->env[c->env_n++] = text;
	return 0;
}

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");
	return len == strcspn(b, "=") && strncmp(a, b, len) == 0;
}

void oxi_child_env_put(char **vector, size_t *n, const char *text)
{
	size_t i = 0;
	while (i < *n && !same_name(vector[i], text))
		i++;
	vector[i] = (char *)text;
	*n += i == *n;
}

int oxi_child_env_make(const struct oxi_child *c, const char *run, struct oxi_child_env *ret)
{
	size_t inherited = 0, owned = c->gnu_env ? OXI_ENVS : OXI_ENV_GNU_SEQ, n = owned;
	while (environ && environ[inherited])
		inherited++;
	ret->n = owned;
	ret->vector = calloc(owned + inherited + c->env_n + 1, sizeof(*ret->vector));
	if (!ret->vector)
		return OX_ENOMEM;
	for (size_t i = 0; i < owned; i++) {
		snprintf(ret->own[i], sizeof(ret->own[i]), "%s=%s", OWN[i], i == OXI_ENV_RUN ? run : "");
		ret->vector[i] = ret->own[i];
	}
	for (size_t i = 0; i < inherited; i++) {
		bool own = false;
		for (size_t k = 0; k < owned; k++)
			own |= same_name(environ[i], OWN[k]);
		if (!own && (!c->clean_env || same_name(environ[i], "PATH")))
			ret->vector[n++] = environ[i];
	}
	for (size_t i = 0; i < c->env_n; i++)
		oxi_child_env_put(ret->vector, &n, c->env[i]);
	return 0;
}

bool oxi_child_env_is_own(const char *name)
{
	bool own = strncmp(name, "OXBOW_POOL_", 11) == 0;
	for (size_t i = 0; i < OXI_ENVS; i++)
		own |= strcmp(name, OWN[i]) == 0;
	return own;
}

static void set(struct oxi_child_env *e, int which, uint64_t value)
{
	char *to = e->own[which] + strlen(OWN[which]) + 1, digits[24];
	size_t n = 0;
	do {
		digits[n++] = (char)('0' + value % 10);
	} while (value /= 10);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
}

void oxi_child_env_set(struct oxi_child_env *e, uint64_t seq, unsigned slot, unsigned attempt)
{
	set(e, OXI_ENV_JOB, seq);
	set(e, OXI_ENV_SEQ, seq);
	set(e, OXI_ENV_SLOT, slot);
	set(e, OXI_ENV_GNU_SEQ, seq);
	set(e, OXI_ENV_GNU_SLOT, slot);
	set(e, OXI_ENV_ATTEMPT, attempt);
}

int oxi_child_apply(const struct oxi_child *c, unsigned slot, int nice)
{
	if (c->umask_given)
		umask(c->umask);
	if (c->pin) {
		cpu_set_t cpus;
		oxi_child_cpus(c, slot, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			return -1;
	}
	if (c->io_priority && syscall(SYS_ioprio_set, IO_WHO_PROCESS, 0, c->io_priority) < 0)
		return -1;
	if (c->nice + nice) {
		errno = 0;
		int now = getpriority(PRIO_PROCESS, 0);
		if (errno || setpriority(PRIO_PROCESS, 0, now + c->nice + nice) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->limits; i++) {
		struct rlimit l = { c->limit[i].value, c->limit[i].value };
		if (setrlimit((__rlimit_resource_t)c->limit[i].what, &l) < 0)
			return -1;
	}
	return 0;
}
