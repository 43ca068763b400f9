/* SPDX-License-Identifier: MIT */
/*
 * A plan for the child. Whatever needs memory or a decision is done here, in the parent: the environment, the places
 * where the program may lie, the descriptors in order. The child shares our memory until it execs, and must not
 * allocate.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop/io/process.h"

#define SEARCH_PATH "/usr/local/bin:/usr/bin:/bin"       /* without a PATH */

/* ---- the environment ---- */

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* "NAME=value" or "NAME": the length of NAME. */
static size_t name_length(const char *s)
{
	return strcspn(s, "=");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_length(a);

	return n == name_length(b) && memcmp(a, b, n) == 0;
}

static bool changed(const char *variable, const char *const *changes)
{
	for (size_t i = 0; changes[i]; i++)
		if (same_name(variable, changes[i]))
			return true;
	return false;
}

static int plan_env(struct oxi_plan *plan, const ox_process_options *o)
{
	const char *const *base = o->env ? o->env : (const char *const *)environ;
	size_t n = 0;

	plan->env = base;
	if (o->env_add == NULL)
		return 0;
	plan->own_env = oxi_alloc((count(base) + count(o->env_add) + 1) * sizeof(char *));
	if (plan->own_env == NULL)
		return OX_ENOMEM;
	for (size_t i = 0; base && base[i]; i++)
		if (!changed(base[i], o->env_add))
			plan->own_env[n++] = base[i];
	for (size_t i = 0; o->env_add[i]; i++)
		if (strchr(o->env_add[i], '=') && !changed(o->env_add[i], o->env_add + i + 1))
			plan->own_env[n++] = o->env_add[i];     /* the last one of a name counts */
	plan->env = plan->own_env;
	return 0;
}

/* ---- where the program may be ---- */

static const char *search_path(const char *const *env)
{
	for (size_t i = 0; env && env[i]; i++)
		if (strncmp(env[i], "PATH=", 5) == 0)
			return env[i] + 5;
	return SEARCH_PATH;
}

/* A list of pointers and the texts behind it, in one piece of memory. */
static int plan_paths(struct oxi_plan *plan, const char *file)
{
	const char *path = strchr(file, '/') || *file == '\0' ? "" : search_path(plan->env);
	size_t n = 1, room = strlen(path) + 1, len = strlen(file) + 1;
	char *text;

	for (const char *c = path; *c; c++)
		n += *c == ':';
	plan->paths = oxi_alloc((n + 1) * sizeof(char *) + room + n * (len + 1));
	if (plan->paths == NULL)
		return OX_ENOMEM;
	text = (char *)(plan->paths + n + 1);
	for (size_t i = 0; i < n; i++, path += strcspn(path, ":"), path += *path == ':') {
		size_t folder = strcspn(path, ":");     /* none: the current one */

		plan->paths[i] = text;
		memcpy(text, path, folder);
		text += folder;
		if (folder > 0)
			*text++ = '/';
		memcpy(text, file, len);
		text += len;
	}
	return 0;
}

/* ---- descriptors ---- */

static int by_target(const void *a, const void *b)
{
	return ((const struct oxi_child_fd *)a)->target - ((const struct oxi_child_fd *)b)->target;
}

static int plan_fds(struct oxi_plan *plan, const ox_process_options *o, const int *fds)
{
	size_t n = 3 + o->fd_count;

	plan->fds = n < SIZE_MAX / sizeof(*plan->fds) ? oxi_alloc(n * sizeof(*plan->fds)) : NULL;
	if (plan->fds == NULL)
		return OX_ENOMEM;
	for (int i = 0; i < 3; i++)
		plan->fds[i] = (struct oxi_child_fd){ i, fds[i] };
	for (size_t i = 0; i < o->fd_count; i++) {
		if (o->fds[i].child < 3 || o->fds[i].ours < 0)
			return OX_EINVAL;
		plan->fds[3 + i] = (struct oxi_child_fd){ o->fds[i].child, o->fds[i].ours };
	}
	qsort(plan->fds, n, sizeof(*plan->fds), by_target);
	for (size_t i = 1; i < n; i++)
		if (plan->fds[i].target == plan->fds[i - 1].target)
			return OX_EINVAL;
	plan->fd_count = n;
	return 0;
}

/* ---- the whole ---- */

static bool ignored(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

int oxi_plan_init(struct oxi_plan *plan, const char *const *argv, const ox_process_options *o, const int *fds)
{
	int r;

	*plan = (struct oxi_plan){ .argv = argv, .cwd = o->cwd, .limits = o->limits, .limit_count = o->limit_count,
	                           .group = o->window ? OX_PROCESS_OWN_SESSION : o->group, .terminal = -1 };
	plan->set_nice = o->nice != 0;
	plan->nice = plan->set_nice ? getpriority(PRIO_PROCESS, 0) + o->nice : 0;
	plan->keep_hangup = ignored(SIGHUP);            /* nohup means the children too */
	plan->death_signal = o->death_signal == 0 ? SIGKILL : o->death_signal < 0 ? 0 : o->death_signal;
	r = plan_env(plan, o);
	if (r == 0)
		r = plan_paths(plan, o->path ? o->path : argv[0]);
	if (r == 0)
		r = plan_fds(plan, o, fds);
	if (r < 0)
		oxi_plan_destroy(plan);
	return r;
}

void oxi_plan_destroy(struct oxi_plan *plan)
{
	oxi_free(plan->own_env);
	oxi_free(plan->paths);
	oxi_free(plan->fds);
}
