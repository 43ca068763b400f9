/* SPDX-License-Identifier: MIT */
/*
 * Why a process of its own: whoever starts jobs must outlive the runner to clean up behind it, and must be
 * small, for starting costs by the size of the starter. It is forked before the runner has a loop, threads or
 * memory to speak of, starts jobs by vfork and exec, and is their subreaper (PR_SET_CHILD_SUBREAPER): what a
 * job leaves behind, daemons included, becomes its child.
 *
 *	runner                                              reaper
 *	words of slot k -> shared memory
 *	START k, pipe ends (SCM_RIGHTS)   -- seqpacket -->  vfork, exec, own process group
 *	                                  <-- seqpacket --  ENDED k: status, times       (SIGCHLD by a signalfd)
 *	end of file: the runner is gone   ------------->    kill every group, then every descendant, exit
 *
 * Invariants: a slot has at most one job, so there is at most one report a slot, and a report that the socket
 * does not take waits in its slot. Thus the reaper never blocks on the runner, and the runner may block on
 * the reaper. Words travel in shared memory, not in the message, because a message is bounded by the socket's
 * buffer and a command line is not. The child of vfork shares our memory until it execs: it says why it could
 * not by writing the errno where we read it, and no pipe is needed for that.
 *
 * PR_SET_PDEATHSIG with a look at getppid() covers the reaper's own death, for direct children. Rejected:
 * killing by the runner itself (a pid may have been reaped and reused; only the one who waits knows), and
 * cgroups (not delegated to ordinary users in most places).
 */
#include "cli/batch/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum op { OP_START, OP_SIGNAL };

struct request {
	enum op op;
	unsigned slot;
	int signal;
	size_t n;                       /* of the words */
};

/* ---- the reaper's side ---- */

struct job {
	pid_t pid;                      /* 0: free, or ended and not reported */
	bool unreported;
	struct oxi_ended ended;
};

struct reaper {
	int fd, signals;
	unsigned slots;
	const char *words;
	struct job *job;
	char **argv;                    /* of the job being started */
	size_t argv_cap;
	sigset_t none;
};

static void send_reports(struct reaper *r)
{
	for (unsigned i = 0; i < r->slots; i++) {
		struct job *j = &r->job[i];
		if (j->unreported)
			j->unreported = send(r->fd, &j->ended, sizeof(j->ended), MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
	}
}

static ox_time of_timeval(struct timeval t)
{
	return OX_SEC(t.tv_sec) + OX_US(t.tv_usec);
}

/* A failed exec's child is waited for too: its report has the errno already. */
static void record_end(struct job *j, int status, const struct rusage *u)
{
	j->pid = 0;
	j->unreported = true;
	j->ended.status = status;
	j->ended.user = of_timeval(u->ru_utime);
	j->ended.system = of_timeval(u->ru_stime);
	j->ended.max_rss = (size_t)u->ru_maxrss << 10;
}

static void wait_for_children(struct reaper *r)
{
	int status;
	struct rusage usage;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		for (unsigned i = 0; i < r->slots; i++) {
			if (r->job[i].pid == pid)
				record_end(&r->job[i], status, &usage);
		}
	}
}

/* The words of a slot as an argument vector. False: no memory. */
static bool build_argv(struct reaper *r, const struct request *q)
{
	if (q->n + 1 > r->argv_cap) {
		char **argv = realloc(r->argv, (q->n + 1) * sizeof(*argv));
		if (!argv)
			return false;
		r->argv = argv;
		r->argv_cap = q->n + 1;
	}
	char *p = (char *)r->words + q->slot * OXI_WORDS_MAX;
	for (size_t i = 0; i < q->n; i++, p += strlen(p) + 1)
		r->argv[i] = p;
	r->argv[q->n] = NULL;
	return true;
}

/* Runs in the child of vfork: system calls only. */
static void become_job(struct reaper *r, pid_t parent, const int *fds, volatile int *error)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (dup2(fds[0], STDOUT_FILENO) >= 0 && dup2(fds[1], STDERR_FILENO) >= 0) {
		sigprocmask(SIG_SETMASK, &r->none, NULL);
		execvp(r->argv[0], r->argv);
	}
	*error = errno;
	_exit(errno == ENOENT ? 127 : 126);
}

static void start(struct reaper *r, const struct request *q, const int *fds)
{
	struct job *j = &r->job[q->slot];
	j->ended = (struct oxi_ended){ .slot = q->slot };
	pid_t parent = getpid();
	volatile int error = 0;
	pid_t pid = -1;
	if (!build_argv(r, q))
		error = ENOMEM;
	else if ((pid = vfork()) == 0)
		become_job(r, parent, fds, &error);
	else if (pid < 0)
		error = errno;
	j->ended.error = error;
	j->pid = pid > 0 ? pid : 0;
	j->unreported = pid < 0;
}

static void signal_jobs(struct reaper *r, int signal)
{
	for (unsigned i = 0; i < r->slots; i++) {
		if (r->job[i].pid > 0)
			kill(-r->job[i].pid, signal);
	}
}

/* Takes one request. False: the runner is gone. */
static bool serve(struct reaper *r)
{
	struct request q;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(r->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != sizeof(q))
		return false;
	if (q.op == OP_SIGNAL) {
		signal_jobs(r, q.signal);
		return true;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_len != CMSG_LEN(2 * sizeof(int)) || q.slot >= r->slots)
		return false;
	int fds[2];
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	start(r, &q, fds);
	close(fds[0]);
	close(fds[1]);
	return true;
}

/* Kills the children that we have at the moment, adopted ones too. */
static void kill_children(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	int pid;
	while (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(f);
}

/* Ends all that is left: what a killed process leaves behind becomes our child and is killed in the next round. */
static void end_all(struct reaper *r)
{
	signal_jobs(r, SIGKILL);
	do {
		kill_children();
	} while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

static void reap(struct reaper *r)
{
	for (;;) {
		bool unreported = false;
		for (unsigned i = 0; i < r->slots; i++)
			unreported |= r->job[i].unreported;
		struct pollfd p[] = {
			{ .fd = r->fd, .events = POLLIN | (unreported ? POLLOUT : 0) },
			{ .fd = r->signals, .events = POLLIN },
		};
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents & POLLIN && !serve(r))
			return;
		if (p[0].revents & (POLLHUP | POLLERR))
			return;
		if (p[1].revents) {
			struct signalfd_siginfo si;
			while (read(r->signals, &si, sizeof(si)) > 0)
				;
			wait_for_children(r);
		}
		send_reports(r);
	}
}

/*
 * Signals that end the runner must not end the reaper, so all are blocked; a job unblocks them by its own
 * mask. What the runner ignored is set back, except SIGHUP, which nohup ignores on purpose.
 */
static int take_signals(struct reaper *r)
{
	sigset_t all;
	sigfillset(&all);
	sigemptyset(&r->none);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -1;
	static const int reset[] = { SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGCHLD, SIGUSR1, SIGUSR2, SIGTSTP };
	for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
		signal(reset[i], SIG_DFL);
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	r->signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	return r->signals;
}

/* 0, 1 and 2 are /dev/null here, so that we hold no pipe open; a job's input is our 0. */
static int take_null(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (fd != null && dup2(null, fd) < 0)
			return -1;
	}
	return null > 2 ? close(null) : 0;
}

static void reaper_main(int fd, unsigned slots, const char *words)
{
	struct reaper r = { .fd = fd, .slots = slots, .words = words, .job = calloc(slots, sizeof(*r.job)) };
	prctl(PR_SET_NAME, "oxbow-reaper");
	setpgid(0, 0);
	if (!r.job || take_signals(&r) < 0 || take_null() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		_exit(1);
	reap(&r);
	end_all(&r);
	_exit(0);
}

/* ---- the runner's side ---- */

int oxi_reaper_open(unsigned slots, struct oxi_reaper *ret)
{
	int fds[2];
	char *words = mmap(NULL, slots * OXI_WORDS_MAX, PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return -errno;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		int r = -errno;
		munmap(words, slots * OXI_WORDS_MAX);
		return r;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		reaper_main(fds[1], slots, words);
	}
	int r = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (r < 0) {
		close(fds[0]);
		munmap(words, slots * OXI_WORDS_MAX);
		return r;
	}
	*ret = (struct oxi_reaper){ .pid = pid, .fd = fds[0], .slots = slots, .words = words };
	return 0;
}

int oxi_reaper_start(struct oxi_reaper *r, unsigned slot, const char *words, size_t len, size_t n, int out, int err)
{
	if (len > OXI_WORDS_MAX)
		return -E2BIG;
	memcpy(r->words + slot * OXI_WORDS_MAX, words, len);
	struct request q = { .op = OP_START, .slot = slot, .n = n };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ out, err }, 2 * sizeof(int));
	return sendmsg(r->fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int oxi_reaper_signal(struct oxi_reaper *r, int signal)
{
	struct request q = { .op = OP_SIGNAL, .signal = signal };
	return send(r->fd, &q, sizeof(q), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int oxi_reaper_next(struct oxi_reaper *r, struct oxi_ended *ret)
{
	ssize_t n = recv(r->fd, ret, sizeof(*ret), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n == sizeof(*ret) && ret->slot < r->slots ? 1 : -EPIPE;
}

void oxi_reaper_close(struct oxi_reaper *r)
{
	close(r->fd);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(r->words, r->slots * OXI_WORDS_MAX);
}
