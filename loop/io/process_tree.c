/* SPDX-License-Identifier: MIT */
/*
 * A child and all that it has started: its process group, and whoever descends from it, found by
 * /proc/PID/task/TID/children.
 *
 * Processes are born while one looks for them. So each one found is stopped before its children are read, and the
 * search goes on until a round has found nobody new and all have been seen standing: who stands has no
 * more children. Then all get the signal, and go on, unless it is one that stops.
 *
 * Cgroups would do this without a search, but an ordinary user is given none in most places.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/io/process.h"

#define ROUNDS_MAX 1000                 /* some may not stop: they wait for a disk */

#define FEW 64u                         /* are found without memory: ending a child must not fail for the want of it */

struct tree {
	pid_t *pids, few[FEW];
	size_t len, cap;
	int error;                      /* the first: the search was not complete */
};

static void failed(struct tree *t, int error)
{
	if (t->error == 0)
		t->error = error;
}

static bool grow(struct tree *t)
{
	bool first = t->pids == t->few;
	pid_t *pids = oxi_realloc(first ? NULL : t->pids, 2 * t->cap * sizeof(*pids));

	if (pids == NULL)
		return false;
	if (first)
		memcpy(pids, t->few, sizeof(t->few));
	t->pids = pids;
	t->cap *= 2;
	return true;
}

static void add(struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->pids[i] == pid)
			return;
	if (t->len < t->cap || grow(t))
		t->pids[t->len++] = pid;
	else
		failed(t, OX_ENOMEM);
}

/* A thread's children: numbers and blanks. */
static void add_children(struct tree *t, int folder, const char *thread)
{
	char path[64], text[4096];
	ssize_t n, kept = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/children", thread);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT && errno != ESRCH)
			failed(t, -errno);
		return;
	}
	while ((n = read(fd, text + kept, sizeof(text) - 1 - (size_t)kept)) > 0) {
		char *at = text, *end;

		text[kept += n] = '\0';
		while ((end = strchr(at, ' '))) {
			add(t, (pid_t)strtol(at, NULL, 10));
			at = end + 1;
		}
		kept = (ssize_t)strlen(at);
		memmove(text, at, (size_t)kept);
	}
	close(fd);
}

static void add_children_of(struct tree *t, pid_t pid)
{
	struct dirent *e;
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (d == NULL) {
		if (errno != ENOENT && errno != ESRCH)
			failed(t, -errno);
		return;
	}
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			add_children(t, dirfd(d), e->d_name);
	closedir(d);
}

/* Reads a process's state, 'Z' for instance, and its group. False: there is none. */
static bool read_stat(pid_t pid, char *ret_state, int *ret_group)
{
	char path[64], text[512], *behind;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	behind = strrchr(text, ')');    /* behind the name, which may have anything in it */
	return behind && sscanf(behind, ") %c %*d %d", ret_state, ret_group) == 2;
}

/* It has stopped, or ended. */
static bool stands(pid_t pid)
{
	char state;
	int group;

	return !read_stat(pid, &state, &group) || strchr("TtZX", state) != NULL;
}

/* One round. True: nobody new, and all stood before their children were read. */
static bool freeze_round(struct tree *t)
{
	size_t before = t->len;
	bool all_stood = true;

	for (size_t i = 0; i < before; i++) {
		kill(t->pids[i], SIGSTOP);
		all_stood = stands(t->pids[i]) && all_stood;
		add_children_of(t, t->pids[i]);
	}
	return all_stood && t->len == before;
}

static void freeze(struct tree *t)
{
	for (int i = 0; i < ROUNDS_MAX && t->error == 0 && !freeze_round(t); i++)
		sched_yield();
}

/* group: 0: none. True if there was anybody. */
static bool signal_all(const struct tree *t, pid_t group, int signo)
{
	bool reached = group > 0 && kill(-group, signo) == 0;

	for (size_t i = 0; i < t->len; i++)
		reached |= kill(t->pids[i], signo) == 0;
	return reached;
}

int oxi_tree_signal(pid_t pid, bool group, int signo)
{
	bool from_terminal = signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
	struct tree t = { .pids = t.few, .cap = FEW };
	pid_t leader = group ? pid : 0;
	bool reached;

	if (signo < 0 || signo >= NSIG)
		return OX_EINVAL;
	add(&t, pid);
	freeze(&t);
	if (from_terminal)              /* SIGCONT would take them back, and they may be handled: so it comes first */
		signal_all(&t, leader, SIGCONT);
	reached = signal_all(&t, leader, signo);
	if (!from_terminal && signo != SIGSTOP)
		signal_all(&t, leader, SIGCONT);
	if (t.pids != t.few)
		oxi_free(t.pids);
	return t.error < 0 ? t.error : reached ? 0 : -ESRCH;
}

/*
 * The kernel says whether a group has members, but counts those too that have ended and whose parent, often the
 * system's first process, has not looked at them yet. So if it has some, we look at all processes there are.
 */
bool oxi_group_lives(pid_t group)
{
	struct dirent *e;
	bool found = false;
	DIR *d;

	if (kill(-group, 0) < 0 && errno == ESRCH)
		return false;
	d = opendir("/proc");
	if (d == NULL)
		return true;
	while (!found && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		int of;
		char state;

		found = pid > 0 && read_stat(pid, &state, &of) && of == group && state != 'Z' && state != 'X';
	}
	closedir(d);
	return found;
}
