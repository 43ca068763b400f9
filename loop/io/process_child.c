/* SPDX-License-Identifier: MIT */
/*
 * The child between clone and exec.
 *
 * clone(CLONE_VM | CLONE_VFORK): the child borrows our memory and we stand still until it has execed, so
 * starting costs the same whatever our size, and there is no copy of the loop that could do harm.
 * CLONE_PIDFD: from its first moment on the child has a name that is never another's. Not posix_spawn(): the
 * one of glibc 2.36 gives no pidfd and sets no limits, death signal or terminal.
 *
 * The child runs on a stack of its own and makes system calls only, raw ones: libc's functions may be
 * replaced by those of a sanitizer, which keep books in the memory that we share. All signals are blocked
 * until their actions are the default ones, so no handler of ours runs in it.
 *
 * What fails is told through a pipe that exec closes. Memory would do for that, but valgrind and qemu make a
 * fork of the clone, and under ThreadSanitizer we do: then the pipe is also what we wait for, and `shared`
 * tells that we have to. Otherwise the answer is there when clone returns, and we need not trust that nobody
 * else holds the pipe's other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/private/sanitize.h"
#include "loop/io/process.h"

#define STACK       OX_KIB(64)
#define SIGSET_SIZE 8u                  /* of the kernel's sigset_t */
#define IN_CHILD    __attribute__((no_sanitize("address", "thread", "undefined")))
#ifdef OXI_TSAN
#define BORROW      0                   /* it would settle its books after a fork in the memory that both have */
#else
#define BORROW      (CLONE_VM | CLONE_VFORK)
#endif

struct start {
	struct oxi_plan *plan;
	pid_t parent;
	int report;                     /* the child's end of the pipe, */
	int moved;                      /* and as the child has it: its descriptors are its own, this memory is not */
	volatile bool shared;           /* the child has been in our memory */
};

bool oxi_child_without_pidfd;

/* ---- in the child ---- */

IN_CHILD static _Noreturn void fail(const struct start *s, int error)
{
	syscall(SYS_write, s->moved, &error, sizeof(error));
	for (;;)
		syscall(SYS_exit_group, 127);
}

IN_CHILD static long must(const struct start *s, long result)
{
	if (result < 0)
		fail(s, errno);
	return result;
}

IN_CHILD static void reset_actions(const struct start *s)
{
	static const char all_zero[64];         /* the kernel's struct sigaction, whatever its order: SIG_DFL, no flags */

	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP && !(i == SIGHUP && s->plan->keep_hangup))
			syscall(SYS_rt_sigaction, i, all_zero, NULL, SIGSET_SIZE);
}

IN_CHILD static void join_group(const struct start *s)
{
	if (s->plan->group == OX_PROCESS_OWN_SESSION)
		must(s, syscall(SYS_setsid));
	else if (s->plan->group == OX_PROCESS_OWN_GROUP)
		must(s, syscall(SYS_setpgid, 0, 0));
}

IN_CHILD static void die_with_parent(const struct start *s)
{
	if (s->plan->death_signal == 0)
		return;
	must(s, syscall(SYS_prctl, PR_SET_PDEATHSIG, s->plan->death_signal, 0, 0, 0));
	if (syscall(SYS_getppid) != s->parent)
		fail(s, ESRCH);         /* it died before, and nobody reads this */
}

#define FDS_MAX (1 << 20)               /* the kernel's limit, as it comes */

IN_CHILD static void close_on_exec(int from, int end)
{
	if (from >= end || syscall(SYS_close_range, from, end - 1, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = from; fd < end && fd < FDS_MAX; fd++)    /* Linux before 5.11 */
		syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
}

/* All sources first go to numbers above all targets: then no step can overwrite what a later one needs. */
IN_CHILD static void place_descriptors(struct start *s)
{
	struct oxi_plan *plan = s->plan;
	int above = plan->fds[plan->fd_count - 1].target + 1, next = 0;

	s->moved = (int)must(s, syscall(SYS_fcntl, s->report, F_DUPFD_CLOEXEC, above));
	if (plan->terminal >= 0)
		must(s, syscall(SYS_ioctl, plan->terminal, TIOCSCTTY, 0));
	for (size_t i = 0; i < plan->fd_count; i++)
		plan->fds[i].source = (int)must(s, syscall(SYS_fcntl, plan->fds[i].source, F_DUPFD_CLOEXEC, above));
	for (size_t i = 0; i < plan->fd_count; i++) {
		must(s, syscall(SYS_dup3, plan->fds[i].source, plan->fds[i].target, 0));
		close_on_exec(next, plan->fds[i].target);
		next = plan->fds[i].target + 1;
	}
	close_on_exec(next, INT_MAX);
}

IN_CHILD static void set_limits(const struct start *s)
{
	for (size_t i = 0; i < s->plan->limit_count; i++) {
		const ox_process_limit *l = &s->plan->limits[i];
		uint64_t kernels[2] = { l->soft, l->hard };     /* struct rlimit64 */

		must(s, syscall(SYS_prlimit64, 0, l->resource, kernels, NULL));
	}
}

IN_CHILD static _Noreturn void execute(const struct start *s)
{
	int error = ENOENT;

	for (size_t i = 0; s->plan->paths[i]; i++) {
		syscall(SYS_execve, s->plan->paths[i], s->plan->argv, s->plan->env);
		if (errno == EACCES)
			error = EACCES;         /* and perhaps another folder has it; if none: that */
		else if (errno != ENOENT && errno != ENOTDIR)
			fail(s, errno);
		else if (s->plan->paths[1] == NULL)
			error = errno;
	}
	fail(s, error);
}

IN_CHILD static int run_child(void *arg)
{
	struct start *s = arg;
	static const uint64_t none;

	s->shared = true;
	reset_actions(s);
	join_group(s);
	die_with_parent(s);
	place_descriptors(s);
	if (s->plan->set_nice)
		must(s, syscall(SYS_setpriority, PRIO_PROCESS, 0, s->plan->nice));
	if (s->plan->cwd)
		must(s, syscall(SYS_chdir, s->plan->cwd));
	set_limits(s);
	must(s, syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGSET_SIZE));
	execute(s);
}

/* ---- in the parent ---- */

static pid_t start_on(char *stack, struct start *s, int *ret_pidfd)
{
	sigset_t all, before;
	pid_t pid = -1;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (!oxi_child_without_pidfd)
		pid = clone(run_child, stack + STACK, BORROW | CLONE_PIDFD | SIGCHLD, s, ret_pidfd);
	if (pid < 0 && (oxi_child_without_pidfd || errno == EINVAL))
		pid = clone(run_child, stack + STACK, BORROW | SIGCHLD, s);
	error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -error : pid;
}

/* 0: it execed. */
static int read_report(int fd, const struct start *s)
{
	int error = 0;
	ssize_t n;

	if (s->shared)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	do
		n = read(fd, &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(error) ? -error : 0;
}

static int start(struct start *s, int report, pid_t *ret_pid, int *ret_pidfd)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int r, pidfd = -1;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	pid = start_on(stack, s, &pidfd);
	munmap(stack, STACK);
	close(s->report);
	s->report = -1;
	r = pid < 0 ? pid : read_report(report, s);
	if (r == 0) {
		*ret_pid = pid;
		*ret_pidfd = pidfd;
		return 0;
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (pidfd >= 0)
		close(pidfd);
	return r;
}

int oxi_child_start(struct oxi_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
	struct start s = { .plan = plan, .parent = getpid() };
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s.report = s.moved = fds[1];
	r = start(&s, fds[0], ret_pid, ret_pidfd);
	if (s.report >= 0)
		close(s.report);
	close(fds[0]);
	return r;
}
