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
 *	                                  <-- seqpacket --  STARTED k: pid, if asked for
 *	                                  <-- seqpacket --  ENDED k: status, times       (SIGCHLD by a signalfd)
 *	                                  <-- seqpacket --  GONE k: its group is empty, if it was not at ENDED
 *	end of file: the runner is gone   ------------->    kill every group, then every descendant, exit
 *
 * Invariants: a slot has at most one job, so there are at most three reports a slot, and those that the socket
 * does not take wait in their slot. Thus the reaper never blocks on the runner, and the runner may block on
 * the reaper. A slot may get its next job while the group of the last one is not empty: that group is let go,
 * and reports carry the serial number of the start, so that a late one is known as such. Words travel in shared
 * memory, not in the message, because a message is bounded by the socket's buffer and a command line is not. The child of vfork shares our memory until it execs: it says why it could
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
#include <time.h>
#include <unistd.h>

#include "cli/batch/stray.h"

extern char **environ;

/* Milliseconds between looks at groups that are not empty: who leaves one, by setsid(), tells nobody. */
#define LINGER_FIRST 5
#define LINGER_MOST  160

enum op { OP_START, OP_SIGNAL };

struct request {
	enum op op;
	int signal;
	struct oxi_start start;         /* OP_SIGNAL: only its slot; its pointers mean nothing here */
};

/* ---- the reaper's side ---- */

struct job {
	pid_t pid;                      /* 0: free, or ended */
	pid_t group;                    /* 0: free, empty, or let go */
	bool killed;                    /* what has left the group is looked for */
	uint64_t seq;
	unsigned owed;                  /* a bit for each kind of report */
	struct oxi_report report;
};

struct reaper {
	int fd, signals;
	unsigned slots, used;           /* used: no job was in a slot from there on */
	const char *words;
	const struct oxi_child *child;
	struct oxi_child_env env;
	struct job *job;
	pid_t *pids;                    /* of the jobs, for the look for strays */
	unsigned lingering;             /* jobs that ended, but whose group is not empty */
	char **argv, **envp;            /* of the job being started */
	size_t argv_cap, envp_cap;
	sigset_t none;
};

/* What the child of vfork needs, and what it leaves behind in our memory when it fails. */
struct launch {
	unsigned slot;
	const char *cwd;
	int nice;
	int in, out, err;               /* in -1: ours */
	pid_t parent;
	int error;
	enum oxi_stage stage;
};

static ox_time now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return OX_SEC((ox_time)t.tv_sec) + t.tv_nsec;
}

static bool send_report(struct reaper *r, struct job *j, enum oxi_report_kind kind)
{
	if (!(j->owed & 1u << kind))
		return true;
	j->report.kind = kind;
	if (send(r->fd, &j->report, sizeof(j->report), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	j->owed &= ~(1u << kind);
	return true;
}

static void send_reports(struct reaper *r)
{
	for (unsigned i = 0; i < r->used; i++) {
		struct job *j = &r->job[i];
		if (j->owed && send_report(r, j, OXI_STARTED) && send_report(r, j, OXI_ENDED))
			send_report(r, j, OXI_GONE);
	}
}

static ox_time of_timeval(struct timeval t)
{
	return OX_SEC(t.tv_sec) + OX_US(t.tv_usec);
}

/* Of a job that was killed, what had left its group goes too. True: nothing was found. */
static bool no_strays(struct reaper *r, const struct job *j)
{
	if (!j->killed)
		return true;
	char seq[32];
	snprintf(seq, sizeof(seq), "OXBOW_SEQ=%llu", (unsigned long long)j->seq);
	for (unsigned i = 0; i < r->used; i++)
		r->pids[i] = r->job[i].pid;
	return oxi_stray_kill((const char *[]){ r->env.own[OXI_ENV_RUN], seq }, 2, r->pids, r->used) == 0;
}

/* True if nothing is left of a job whose own process has ended. */
static bool is_over(struct reaper *r, const struct job *j)
{
	return kill(-j->group, 0) < 0 && errno == ESRCH && no_strays(r, j);
}

static void let_go(struct reaper *r, struct job *j)
{
	if (j->group && !j->pid)
		r->lingering--;
	j->group = 0;
}

/* A failed exec's child is waited for too: its report has the errno already. */
static void record_end(struct reaper *r, struct job *j, int status, const struct rusage *u)
{
	j->pid = 0;
	r->lingering++;
	j->owed |= 1u << OXI_ENDED;
	j->report.ended = now();
	j->report.status = status;
	j->report.user = of_timeval(u->ru_utime);
	j->report.system = of_timeval(u->ru_stime);
	j->report.max_rss = (size_t)u->ru_maxrss << 10;
	j->report.alone = is_over(r, j);
	if (j->report.alone)
		let_go(r, j);
}

static void look_after_lingering(struct reaper *r)
{
	for (unsigned i = 0; r->lingering && i < r->used; i++) {
		struct job *j = &r->job[i];
		if (j->pid || !j->group || !is_over(r, j))
			continue;
		let_go(r, j);
		j->owed |= 1u << OXI_GONE;
	}
}

static void wait_for_children(struct reaper *r)
{
	int status;
	struct rusage usage;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		for (unsigned i = 0; i < r->used; i++) {
			if (r->job[i].pid == pid)
				record_end(r, &r->job[i], status, &usage);
		}
	}
	look_after_lingering(r);
}

static bool make_room(char ***vector, size_t *cap, size_t n)
{
	if (n <= *cap)
		return true;
	char **grown = realloc(*vector, n * sizeof(*grown));
	if (!grown)
		return false;
	*vector = grown;
	*cap = n;
	return true;
}

/* The environment with n variables from p on, which *p is moved behind. NULL: no memory. */
static char **build_envp(struct reaper *r, const char **p, size_t n)
{
	size_t have = 0;
	if (n == 0)
		return r->env.vector;
	while (r->env.vector[have])
		have++;
	if (!make_room(&r->envp, &r->envp_cap, have + n + 1))
		return NULL;
	memcpy(r->envp, r->env.vector, have * sizeof(*r->envp));
	for (size_t i = 0; i < n; i++, *p += strlen(*p) + 1)
		oxi_child_env_put(r->envp, &have, *p);
	r->envp[have] = NULL;
	return r->envp;
}

/* The words of a slot, from p on, as an argument vector. False: no memory. */
static bool build_argv(struct reaper *r, const char *p, size_t n)
{
	if (!make_room(&r->argv, &r->argv_cap, n + 1))
		return false;
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
		r->argv[i] = (char *)p;
	r->argv[n] = NULL;
	return true;
}

/* A descriptor that gives the text, or the file's content. -1 and errno. */
static int open_input(enum oxi_stdin kind, const char *text)
{
	if (kind == OXI_STDIN_FILE)
		return open(text, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int fd = memfd_create("oxbow-stdin", MFD_CLOEXEC);
	size_t len = strlen(text);
	for (size_t at = 0; fd >= 0 && at < len;) {
		ssize_t n = write(fd, text + at, len - at);
		if (n < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : fd;
}

/* Runs in the child of vfork: system calls only. */
static void become_job(struct reaper *r, volatile struct launch *l)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != l->parent)
		_exit(127);
	l->stage = OXI_AT_CWD;
	if (!l->cwd || chdir(l->cwd) == 0) {
		l->stage = OXI_AT_LIMITS;
		if (oxi_child_apply(r->child, l->slot, l->nice) == 0) {
			l->stage = OXI_AT_EXEC;
			if ((l->in < 0 || dup2(l->in, STDIN_FILENO) >= 0) && dup2(l->out, STDOUT_FILENO) >= 0 &&
			    dup2(l->err, STDERR_FILENO) >= 0) {
				sigprocmask(SIG_SETMASK, &r->none, NULL);
				execvp(r->argv[0], r->argv);
			}
		}
	}
	l->error = errno;
	_exit(l->stage == OXI_AT_EXEC && l->error == ENOENT ? 127 : 126);
}

/* Everything before vfork. 0, or errno. */
static int prepare(struct reaper *r, const struct oxi_start *s, struct launch *l)
{
	const char *p = r->words + s->slot * OXI_WORDS_MAX;
	if (s->cwd) {
		l->cwd = p;
		p += strlen(p) + 1;
	}
	if (s->input != OXI_STDIN_NULL) {
		l->stage = OXI_AT_STDIN;
		if ((l->in = open_input(s->input, p)) < 0)
			return errno;
		p += strlen(p) + 1;
	}
	l->stage = OXI_AT_EXEC;
	l->nice = s->nice;
	oxi_child_env_set(&r->env, s->seq, s->slot + 1, s->attempt);
	environ = build_envp(r, &p, s->env);    /* where execvp() finds PATH, too */
	return environ && build_argv(r, p, s->n) ? 0 : ENOMEM;
}

static void start(struct reaper *r, const struct oxi_start *s, int out, int err)
{
	struct job *j = &r->job[s->slot];
	struct launch l = { .slot = s->slot, .in = -1, .out = out, .err = err, .parent = getpid() };
	let_go(r, j);
	r->used = s->slot < r->used ? r->used : s->slot + 1;
	*j = (struct job){ .seq = s->seq, .report = { .slot = s->slot, .serial = s->serial, .began = now() } };
	l.error = prepare(r, s, &l);
	pid_t pid = -1;
	if (!l.error && (pid = vfork()) == 0)
		become_job(r, &l);
	else if (!l.error && pid < 0)
		l.error = errno;
	if (l.in >= 0)
		close(l.in);
	j->report.error = l.error;
	j->report.stage = l.stage;
	j->report.pid = j->pid = j->group = pid > 0 ? pid : 0;
	j->report.alone = pid < 0;
	j->report.ended = j->report.began;
	j->owed = pid < 0 ? 1u << OXI_ENDED : s->report ? 1u << OXI_STARTED : 0;
}

static void signal_job(struct job *j, int signal)
{
	if (!j->group)
		return;
	kill(-j->group, signal);
	j->killed |= signal != SIGTSTP && signal != SIGCONT;
}

static void signal_jobs(struct reaper *r, unsigned slot, int signal)
{
	for (unsigned i = 0; i < r->used; i++) {
		if (slot == OXI_ALL_SLOTS || slot == i)
			signal_job(&r->job[i], signal);
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
		signal_jobs(r, q.start.slot, q.signal);
		return true;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_len != CMSG_LEN(2 * sizeof(int)) || q.start.slot >= r->slots)
		return false;
	int fds[2];
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	start(r, &q.start, fds[0], fds[1]);
	close(fds[0]);
	close(fds[1]);
	return true;
}

/* Ends all that is left: what a killed process leaves behind becomes our child and is killed in the next round. */
static void end_all(struct reaper *r)
{
	for (unsigned i = 0; i < r->used; i++) {
		if (r->job[i].group)
			kill(-r->job[i].group, SIGKILL);
	}
	do {
		oxi_stray_kill(NULL, 0, NULL, 0);
	} while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

static void reap(struct reaper *r)
{
	int wait = 0;
	for (;;) {
		bool owed = false;
		for (unsigned i = 0; i < r->used; i++)
			owed |= r->job[i].owed != 0;
		struct pollfd p[] = {
			{ .fd = r->fd, .events = POLLIN | (owed ? POLLOUT : 0) },
			{ .fd = r->signals, .events = POLLIN },
		};
		wait = !r->lingering ? 0 : wait == 0 ? LINGER_FIRST : wait < LINGER_MOST ? 2 * wait : wait;
		int n = poll(p, 2, wait ? wait : -1);
		if (n < 0 && errno != EINTR)
			return;
		if (n == 0)
			look_after_lingering(r);
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

static void reaper_main(int fd, unsigned slots, const char *words, const struct oxi_child *child,
                        const struct oxi_child_env *env)
{
	struct reaper r = {
		.fd = fd, .slots = slots, .words = words, .child = child, .env = *env,
		.job = calloc(slots, sizeof(*r.job)), .pids = calloc(slots, sizeof(*r.pids)),
	};
	for (size_t i = 0; i < r.env.n; i++)
		r.env.vector[i] = r.env.own[i];
	prctl(PR_SET_NAME, "oxbow-reaper");
	setpgid(0, 0);
	if (!r.job || !r.pids || take_signals(&r) < 0 || take_null() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		_exit(1);
	reap(&r);
	end_all(&r);
	_exit(0);
}

/* ---- the runner's side ---- */

/* Makes the process and the socket to it. 0, or -errno. */
static int fork_reaper(struct oxi_reaper *r, const struct oxi_child *child, const struct oxi_child_env *env)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r->pid = fork();
	if (r->pid == 0) {
		close(fds[0]);
		reaper_main(fds[1], r->slots, r->words, child, env);
	}
	int e = r->pid < 0 ? -errno : 0;
	close(fds[1]);
	if (e < 0)
		close(fds[0]);
	r->fd = fds[0];
	return e;
}

int oxi_reaper_open(unsigned slots, const struct oxi_child *child, const char *run, struct oxi_reaper *ret)
{
	struct oxi_reaper r = { .slots = slots };
	struct oxi_child_env env = { 0 };
	int e = oxi_child_env_make(child, run, &env);
	if (e < 0)
		return e;
	r.words = mmap(NULL, slots * OXI_WORDS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	               -1, 0);
	if (r.words == MAP_FAILED) {
		e = -errno;
	} else {
		e = fork_reaper(&r, child, &env);
		if (e < 0)
			munmap(r.words, slots * OXI_WORDS_MAX);
	}
	free(env.vector);
	if (e == 0)
		*ret = r;
	return e;
}

int oxi_reaper_start(struct oxi_reaper *r, const struct oxi_start *s)
{
	if (s->len > OXI_WORDS_MAX)
		return -E2BIG;
	memcpy(r->words + s->slot * OXI_WORDS_MAX, s->words, s->len);
	struct request q = { .op = OP_START, .start = *s };
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
	memcpy(CMSG_DATA(c), (int[]){ s->out, s->err }, 2 * sizeof(int));
	return sendmsg(r->fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int oxi_reaper_signal(struct oxi_reaper *r, unsigned slot, int signal)
{
	struct request q = { .op = OP_SIGNAL, .signal = signal, .start.slot = slot };
	return send(r->fd, &q, sizeof(q), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int oxi_reaper_next(struct oxi_reaper *r, struct oxi_report *ret)
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
