/* SPDX-License-Identifier: MIT */
/*
 * The first process of a worker's own PID namespace (ox_pool_options.pid_namespace, see pid_namespaces(7)).
 *
 *	spawner ──unshare, fork──> keeper, 1 ──fork──> worker, 2 ──> whatever its jobs start
 *
 * Of a namespace whose first process ends, the kernel kills all others before that end is told. So when a worker is dead
 * nothing of its jobs is left, wherever they hid; no list is kept and nothing is raced. The parent's pidfd is the keeper's: to
 * kill it is to kill them all. And no job can signal, or see, a process outside.
 *
 * The worker cannot be the first process itself: that one takes no signal which it has no handler for, not from abort() and
 * not its own SIGKILL. So there is one more process a worker. It writes how the worker ended into the slot, for the
 * spawner, which sees only its own end.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/spawner.h"
#include "pool/worker.h"

/* ---- in the spawner ---- */

int oxi_keeper_prepare(int *own)
{
	if (*own < 0)
		*own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (*own < 0 || unshare(CLONE_NEWPID) < 0 || setns(*own, CLONE_NEWPID) < 0)
		return -errno;
	return 0;
}

/* Children made afterwards are born in our own namespace again. */
pid_t oxi_keeper_fork(int own)
{
	if (unshare(CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = fork();
	if (pid != 0 && setns(own, CLONE_NEWPID) < 0)
		_exit(1);               /* main finds another spawner, and this one's children die */
	return pid;
}

void oxi_keeper_tell(const struct oxi_slot *slot, int *status, struct rusage *usage)
{
	if (!WIFEXITED(*status) || WEXITSTATUS(*status) != 0 || atomic_load(&slot->ended) == 0)
		return;
	*status = slot->end_status;
	*usage = slot->end_usage;
}

/* ---- in the keeper ---- */

/* In its namespace it has no parent; /proc is still the one of ours. */
static pid_t real_parent(void)
{
	char stat[256];
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), parent = 0;
	ssize_t n = fd >= 0 ? read(fd, stat, sizeof stat - 1) : -1;

	if (fd >= 0)
		close(fd);
	stat[n > 0 ? n : 0] = '\0';
	const char *end_of_name = strrchr(stat, ')');
	return end_of_name != NULL && sscanf(end_of_name, ") %*c %d", &parent) == 1 ? parent : 0;
}

_Noreturn void oxi_keeper_main(struct oxi_heritage *h)
{
	struct oxi_arena a = h->arena;
	struct oxi_slot *slot = oxi_pool_slot(&a, h->slot);
	struct rusage usage;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (real_parent() != h->spawner)
		_exit(OXI_EXIT_PARENT);
	prctl(PR_SET_NAME, "oxbow-keeper");
	setpgid(0, 0);
	pid_t worker = fork(), pid;
	if (worker == 0) {
		h->spawner = 1;
		oxi_worker_main(h);
	}
	close_range(3, ~0u, 0);
	if (worker < 0 || oxi_arena_allow(&a, (size_t)((uint8_t *)slot - a.base), oxi_control_slot()) < 0)
		_exit(OXI_EXIT_PARENT);
	while ((pid = wait4(-1, &status, 0, &usage)) != worker)
		if (pid < 0 && errno != EINTR)
			_exit(OXI_EXIT_PARENT);
	slot->end_status = status;
	slot->end_usage = usage;
	atomic_store(&slot->ended, 1);
	_exit(0);
}
