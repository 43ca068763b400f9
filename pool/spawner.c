/* SPDX-License-Identifier: MIT */
/*
 * The spawner: the process that forks workers, reaps them, and tells the main process how each one died. It
 * was forked while the program had one thread, so its children start from a clean state whatever main has
 * become since. It has one thread and no heap to speak of, no loop, no ZeroMQ but what oxi_channel_prepare() keeps for
 * its children: it blocks in poll().
 *
 *	main ──control──> standby, the keeper
 *	  │                  │ fork
 *	  └──control──> active spawner ──fork──> workers
 *
 * Nobody is left behind, by six rules:
 * 1. The spawner holds a pidfd of main, made before the fork. When main is gone by any means it kills all its
 *    children, waits for them, and exits. A lifeline pipe or PR_SET_PDEATHSIG would not do: a plain fork() in main
 *    keeps the one open, and the other is tied to the thread that forked.
 * 2. Workers die with the spawner, by PR_SET_PDEATHSIG (it has one thread), checked against the race at their start.
 * 3. A worker is the subreaper of its jobs' processes, and the spawner of its workers'. So what a job leaves
 *    behind comes to the spawner when its worker is dead and no sooner, and every child here that is no worker and
 *    no spawner is a stray to be killed: no list of who forked what. Whose stray it is nobody knows, so with
 *    OX_STRAYS_WARN in one pool those of all pools live until that one closes.
 * 4. Each pool has a socket of its own. Main shuts its side down: the pool's workers are killed, strays too; once
 *    all are reaped the spawner closes its side, which tells main that nothing of the pool is left.
 * 5. The standby is a spawner that has had no order yet. With its first order it forks: the child is the active
 *    spawner, the parent stays behind as the standby, and its subreaper. So when the active one is killed, what its
 *    workers leave comes to the standby, which kills it; then main tells it of the pools.
 * 6. When the standby is killed, the active spawner finds out by a pidfd and forks another, which cannot be its
 *    parent: if it is killed next, only its workers die with it. (What both of them would have killed is then out
 *    of reach.) The standby that takes over is a parent again.
 *
 * Where a pool asks for it, what is called a worker here is its keeper, in a PID namespace of its own (keeper.c).
 *
 * Each worker leads a process group of its own: Ctrl-C in a terminal reaches main alone, which decides, and a
 * job's kill(0, ...) hits nobody else.
 *
 * Reports are state, not messages: a child's entry says what main has not been told yet, so a full socket
 * delays and loses nothing, and never blocks the spawner.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/private/list.h"
#include "pool/packet.h"
#include "pool/spawner.h"
#include "pool/worker.h"

#define STANDBY_PAUSE 1                 /* seconds between two standbys */
#define FIXED_POLLS   4u

struct child {
	pid_t pid;                      /* 0: none */
	uint32_t generation;
	int pidfd;                      /* until FORKED is told; -1 */
	int status;
	struct rusage usage;
	bool dead, tell_forked, tell_died;
	const struct oxi_slot *told;    /* where it says, as a keeper, how its worker ended; NULL: it is the worker */
};

struct pool {
	struct oxi_list link;
	int socket;
	bool closing;
	struct oxi_arena arena;
	unsigned workers;
	struct child child[];
};

struct spawner {
	int control, parent_pidfd, signals;
	int keeper;                     /* of an active one whose parent is its standby: its pidfd; -1 */
	pid_t other;                    /* the child that is a spawner too: standby of an active one, or the reverse; 0: none */
	int own_namespace;              /* a descriptor of our PID namespace; -1: not needed yet */
	int floor;                      /* of its children's channels: oxi_channel_prepare() */
	time_t standby_at;              /* no sooner */
	bool active;
	struct oxi_list pools;
	unsigned pool_count;
	struct pollfd *polls;           /* FIXED_POLLS + pool_count */
};

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- children ---- */

static struct child *find_child(struct spawner *s, pid_t pid)
{
	OXI_LIST_EACH(e, &s->pools) {
		struct pool *p = OXI_CONTAINER(e, struct pool, link);
		for (unsigned i = 0; i < p->workers; i++)
			if (p->child[i].pid == pid && !p->child[i].dead)
				return &p->child[i];
	}
	return NULL;
}

/* Kills the children that are nobody's; says how many there were. */
static unsigned kill_strays(struct spawner *s)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	unsigned n = 0;
	int pid;

	if (f == NULL)
		return 0;
	while (fscanf(f, "%d", &pid) == 1)
		if (pid != s->other && find_child(s, pid) == NULL) {
			kill(pid, SIGKILL);
			n++;
		}
	fclose(f);
	return n;
}

static bool spares_strays(const struct spawner *s)
{
	OXI_LIST_EACH(e, &s->pools) {
		const struct pool *p = OXI_CONTAINER(e, struct pool, link);
		if (!p->closing && oxi_pool_page(&p->arena)->warn_of_strays)
			return true;
	}
	return false;
}

/* Collects the dead. True if there were any. */
static bool reap(struct spawner *s)
{
	struct rusage usage;
	bool any = false;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		struct child *c = find_child(s, pid);
		any = true;
		if (pid == s->other)
			s->other = 0;
		if (c == NULL)
			continue;
		c->dead = c->tell_died = true;
		c->status = status;
		c->usage = usage;
		if (c->told != NULL)
			oxi_keeper_tell(c->told, &c->status, &c->usage);
	}
	return any;
}

/* Main is dead: so shall all be. */
static _Noreturn void end(struct spawner *s)
{
	OXI_LIST_EACH(e, &s->pools) {
		struct pool *p = OXI_CONTAINER(e, struct pool, link);
		for (unsigned i = 0; i < p->workers; i++)
			if (p->child[i].pid > 0 && !p->child[i].dead)
				kill(p->child[i].pid, SIGKILL);
	}
	if (s->other > 0)
		kill(s->other, SIGKILL);
	do
		kill_strays(s);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
	_exit(0);
}

/* ---- pools ---- */

/* Tells main what it has not been told. True if nothing is left to say. */
static bool report(struct pool *p)
{
	for (unsigned i = 0; i < p->workers; i++) {
		struct child *c = &p->child[i];
		struct oxi_packet m = { .slot = i, .generation = c->generation, .pid = c->pid };
		if (c->tell_forked) {
			m.kind = OXI_PACKET_FORKED;
			m.status = c->pid > 0 ? 0 : c->status;
			if (oxi_packet_send(p->socket, &m, &c->pidfd, c->pidfd >= 0) == -EAGAIN)
				return false;
			if (c->pidfd >= 0)
				close(c->pidfd);
			c->pidfd = -1;
			c->tell_forked = false;
		}
		if (c->tell_died) {
			m.kind = OXI_PACKET_DIED;
			m.status = c->status;
			m.usage = c->usage;
			if (oxi_packet_send(p->socket, &m, NULL, 0) == -EAGAIN)
				return false;
			c->tell_died = false;
			c->pid = 0;
		}
	}
	return true;
}

static void forget_pool(struct spawner *s, struct pool *p)
{
	oxi_list_remove(&p->link);
	s->pool_count--;
	close(p->socket);
	oxi_arena_destroy(&p->arena);
	free(p);
}

static _Noreturn void become_worker(struct spawner *s, struct pool *p, struct oxi_heritage *h, pid_t spawner)
{
	OXI_LIST_EACH(e, &s->pools) {
		struct pool *other = OXI_CONTAINER(e, struct pool, link);
		if (other != p)
			oxi_arena_destroy(&other->arena);
	}
	h->spawner = spawner;
	if (oxi_pool_page(&p->arena)->pid_namespace)
		oxi_keeper_main(h);
	oxi_worker_main(h);
}

static void fork_worker(struct spawner *s, struct pool *p, const struct oxi_packet *m, const int fds[OXI_PACKET_FDS])
{
	struct oxi_heritage h = {
		.arena = p->arena, .slot = m->slot, .generation = m->generation, .bell = fds[0], .ring = fds[1],
		.output = fds[2], .errors = fds[3] >= 0 ? fds[3] : fds[2],
		.floor = s->floor,
	};
	struct child *c = &p->child[m->slot];
	pid_t self = getpid();

	if (oxi_chaos_hits(&oxi_pool_page(&p->arena)->chaos, OXI_CHAOS_SPAWNER, oxi_chaos_who(m->slot, m->generation), 0))
		raise(SIGKILL);
	memcpy(h.secret, m->fork.secret, sizeof h.secret);
	memcpy(h.channel, m->fork.channel, sizeof h.channel);
	*c = (struct child){ .generation = m->generation, .pidfd = -1, .tell_forked = true };
	c->status = s->floor < 0 ? s->floor : fds[1] < 0 ? -EMFILE : 0;
	if (c->status < 0)
		return;
	if (oxi_pool_page(&p->arena)->pid_namespace)
		c->told = oxi_pool_slot(&p->arena, m->slot);
	pid_t pid = c->told != NULL ? oxi_keeper_fork(s->own_namespace) : fork();
	if (pid == 0)
		become_worker(s, p, &h, self);
	if (pid < 0) {
		c->status = -errno;
		return;
	}
	setpgid(pid, pid);              /* here and in the child: whoever comes first */
	c->pid = pid;
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
}

static void close_pool(struct pool *p)
{
	p->closing = true;
	for (unsigned i = 0; i < p->workers; i++)
		if (p->child[i].pid > 0 && !p->child[i].dead)
			kill(p->child[i].pid, SIGKILL);
}

static void read_orders(struct spawner *s, struct pool *p)
{
	struct oxi_packet m;
	int fds[OXI_PACKET_FDS], r;

	while (!p->closing && (r = oxi_packet_receive(p->socket, &m, fds)) != -EAGAIN) {
		if (r == 1 && m.kind == OXI_PACKET_FORK && m.slot < p->workers && p->child[m.slot].pid == 0)
			fork_worker(s, p, &m, fds);
		else
			close_pool(p);
		for (unsigned i = 0; i < OXI_PACKET_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
}

/* A closing pool ends when its processes have: its own and, as strays are nobody's, every stray. */
static bool pool_ended(const struct pool *p, unsigned strays)
{
	if (!p->closing || strays > 0)
		return false;
	for (unsigned i = 0; i < p->workers; i++)
		if (p->child[i].pid > 0)
			return false;
	return true;
}

static bool code_is_here(const struct oxi_pool_page *page)
{
	for (unsigned i = 0; i < page->jobs; i++)
		if (oxi_code_identity((const void *)page->job[i].fn) != page->job[i].identity)
			return false;
	return (page->worker_init == NULL || oxi_code_identity((const void *)page->worker_init) == page->init_identity) &&
	       (page->worker_fini == NULL || oxi_code_identity((const void *)page->worker_fini) == page->fini_identity);
}

static int add_pool(struct spawner *s, const struct oxi_packet *m, int memfd, int socket)
{
	struct oxi_arena arena = m->arena;

	if (memfd < 0 || socket < 0)
		return -EMFILE;
	arena.fd = memfd;
	int r = oxi_arena_attach(&arena);
	if (r < 0)
		return r;
	arena.fd = -1;                  /* the mapping is enough */
	const struct oxi_pool_page *page = oxi_pool_page(&arena);
	struct pool *p = calloc(1, sizeof *p + page->workers * sizeof *p->child);
	struct pollfd *polls = realloc(s->polls, (FIXED_POLLS + 1 + s->pool_count) * sizeof *polls);
	if (polls != NULL)
		s->polls = polls;
	r = p == NULL || polls == NULL ? OX_ENOMEM : code_is_here(page) ? 0 : OX_ENOJOB;
	if (r == 0 && page->pid_namespace)
		r = oxi_keeper_prepare(&s->own_namespace);
	if (r < 0) {
		free(p);
		oxi_arena_destroy(&arena);
		return r;
	}
	p->arena = arena;
	p->workers = page->workers;
	p->socket = socket;
	oxi_list_append(&s->pools, &p->link);
	s->pool_count++;
	return 0;
}

/* ---- control ---- */

static void become_standby(struct spawner *s, int control)
{
	OXI_LIST_EACH(e, &s->pools)
		forget_pool(s, OXI_CONTAINER(e, struct pool, link));
	close(s->control);
	s->control = control;
	s->active = false;
}

static bool lacks_standby(const struct spawner *s)
{
	return s->active && s->other == 0 && s->keeper < 0;
}

static pid_t fork_told(struct spawner *s, const struct oxi_packet *standby, int socket)
{
	return oxi_packet_send(s->control, standby, &socket, 1) < 0 ? -1 : fork();
}

/*
 * Forks, so that one of the two is a standby with a control socket of its own: the parent, which keeps what the active one
 * may leave behind; or the child, for a parent that has workers and can be no other's. Main has the socket before there is
 * a standby: whoever is killed now, the other one can be found. If there is no fork, main finds out when it needs it.
 */
static void fork_standby(struct spawner *s, bool keeper)
{
	struct oxi_packet m = { .kind = OXI_PACKET_STANDBY };
	int pair[2];

	s->standby_at = seconds() + STANDBY_PAUSE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	int self = keeper ? (int)syscall(SYS_pidfd_open, getpid(), 0) : -1;
	pid_t pid = !keeper || self >= 0 ? fork_told(s, &m, pair[0]) : -1;
	close(pair[0]);
	bool child = pid == 0;
	if (child) {
		s->keeper = self;
		s->other = 0;
		setpgid(0, 0);
		prctl(PR_SET_CHILD_SUBREAPER, 1);       /* not inherited */
	} else {
		if (self >= 0)
			close(self);
		s->other = pid > 0 ? pid : 0;
	}
	if (pid >= 0 && child != keeper)
		become_standby(s, pair[1]);
	else
		close(pair[1]);
}

/* Returns in both processes when this order makes the spawner active. */
static void read_control(struct spawner *s)
{
	struct oxi_packet m, answer = { .kind = OXI_PACKET_ANSWER };
	int fds[OXI_PACKET_FDS];
	int r = oxi_packet_receive(s->control, &m, fds);

	if (r == -EAGAIN)
		return;
	if (r != 1 || m.kind != OXI_PACKET_POOL)
		end(s);                 /* main wants no spawner any more, or not this one */
	answer.status = add_pool(s, &m, fds[0], fds[1]);
	if (fds[0] >= 0)
		close(fds[0]);
	if (answer.status < 0 && fds[1] >= 0)
		close(fds[1]);
	if (!s->active) {
		s->active = true;
		fork_standby(s, true);  /* before the answer: a pool that is open has a standby */
	}
	if (s->active)
		oxi_packet_send(s->control, &answer, NULL, 0);
}

/* ---- the process ---- */

static void wait_for_events(struct spawner *s)
{
	unsigned n = FIXED_POLLS;
	int timeout = lacks_standby(s) ? STANDBY_PAUSE * 1000 : -1;

	s->polls[0] = (struct pollfd){ .fd = s->control, .events = POLLIN };
	s->polls[1] = (struct pollfd){ .fd = s->parent_pidfd, .events = POLLIN };
	s->polls[2] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	s->polls[3] = (struct pollfd){ .fd = s->keeper, .events = POLLIN };
	OXI_LIST_EACH(e, &s->pools) {
		struct pool *p = OXI_CONTAINER(e, struct pool, link);
		bool told = report(p);
		short events = (short)((p->closing ? 0 : POLLIN) | (told ? 0 : POLLOUT));
		s->polls[n++] = (struct pollfd){ .fd = events != 0 ? p->socket : -1, .events = events };
	}
	while (poll(s->polls, n, timeout) < 0 && errno == EINTR)
		;
}

static void turn(struct spawner *s)
{
	struct signalfd_siginfo si;

	wait_for_events(s);
	if (s->polls[1].revents != 0)
		end(s);
	if (s->polls[3].revents != 0) {
		close(s->keeper);
		s->keeper = -1;
	}
	while (read(s->signals, &si, sizeof si) == (ssize_t)sizeof si)
		;
	bool died = reap(s);
	OXI_LIST_EACH(e, &s->pools) {
		struct pool *p = OXI_CONTAINER(e, struct pool, link);
		read_orders(s, p);
		report(p);
		died = died || p->closing;
	}
	unsigned strays = died && !spares_strays(s) ? kill_strays(s) : 0;
	OXI_LIST_EACH(e, &s->pools)
		if (pool_ended(OXI_CONTAINER(e, struct pool, link), strays))
			forget_pool(s, OXI_CONTAINER(e, struct pool, link));
	if (s->polls[0].revents != 0)
		read_control(s);
	if (lacks_standby(s) && seconds() >= s->standby_at)
		fork_standby(s, false);
}

/* Leaves descriptors 0, 1, 2 and the two of ours, which become 3 and 4; input comes from nowhere. */
static void keep_descriptors(struct spawner *s, int control, int parent_pidfd)
{
	int a = fcntl(control, F_DUPFD_CLOEXEC, 5), b = fcntl(parent_pidfd, F_DUPFD_CLOEXEC, 5);
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (a < 0 || b < 0 || nothing < 0)
		_exit(1);
	dup2(nothing, 0);
	for (int fd = 1; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			dup2(nothing, fd);
	s->control = dup3(a, 3, O_CLOEXEC);
	s->parent_pidfd = dup3(b, 4, O_CLOEXEC);
	close_range(5, ~0u, 0);
}

static void reset_signals(struct spawner *s)
{
	sigset_t set;

	for (int i = 1; i < NSIG; i++)
		signal(i, i == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

_Noreturn void oxi_spawner_main(int control, int parent_pidfd)
{
	struct spawner s = { .keeper = -1, .own_namespace = -1 };

	setpgid(0, 0);
	prctl(PR_SET_NAME, "oxbow-spawner");
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	__fpurge(stdout);               /* what main had not written yet is main's to write */
	__fpurge(stderr);
	keep_descriptors(&s, control, parent_pidfd);
	reset_signals(&s);
	oxi_list_init(&s.pools);
	s.floor = oxi_channel_prepare();
	oxi_worker_prepare_crashes();
	s.polls = malloc(FIXED_POLLS * sizeof *s.polls);
	if (s.signals < 0 || s.polls == NULL)
		_exit(1);
	for (;;)
		turn(&s);
}
