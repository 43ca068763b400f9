/* SPDX-License-Identifier: MIT */
/*
 * A child's life.
 *
 *	RUNNING --the pidfd says so--> ENDED (status known; a zombie) --close--> reaped, freed
 *
 * The status is taken without reaping (WNOWAIT). So until it is closed the child's number belongs to it: as a pid, for
 * nobody else can get it, and as its process group, which may have members that the child has left behind.
 * Only then can a signal to the group never reach strangers. Nobody's wait() is disturbed, and none disturbs us but
 * one that takes every child: then the status is -ECHILD.
 *
 * On a kernel without pidfds SIGCHLD tells instead (loop/signal.h), and whoever is waited for is looked at.
 *
 * Not a subreaper (PR_SET_CHILD_SUBREAPER), which would catch those too that leave group and parents: that is a
 * property of the whole process, and every child that is adopted so would have to be waited for by somebody.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/io/process.h"
#include "loop/waits.h"

#define PROCESS_MAGIC 0x7365636f72700001ull
#define GRACE         OX_SEC(5)
#define MAX_OUTPUT    OX_MIB(64)
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void ox_process_options_init(ox_process_options *o)
{
	*o = *OX_PROCESS_OPTIONS(.size = sizeof(*o));
}

/* ---- the end ---- */

static ox_time of_timeval(struct timeval t)
{
	return OX_SEC(t.tv_sec) + OX_US(t.tv_usec);
}

static void read_status(ox_process_status *s, const siginfo_t *info, const struct rusage *u)
{
	bool exited = info->si_code == CLD_EXITED;

	*s = (ox_process_status){
		.exit_code = exited ? info->si_status : -1,
		.signal = exited ? 0 : info->si_status,
		.core = info->si_code == CLD_DUMPED,
		.user_time = of_timeval(u->ru_utime),
		.system_time = of_timeval(u->ru_stime),
		.max_rss = (size_t)u->ru_maxrss << 10,
	};
}

/* waitid() with the usage, which libc's leaves out. 1: the child is there and has ended; 0: not yet; -errno. */
static int wait_for(ox_process *p, int options)
{
	siginfo_t info = { .si_pid = 0 };
	struct rusage usage = { .ru_maxrss = 0 };
	bool by_pidfd = p->pidfd >= 0;
	long r;

	do
		r = syscall(SYS_waitid, by_pidfd ? P_PIDFD : P_PID, by_pidfd ? p->pidfd : p->pid, &info,
		            WEXITED | options, &usage);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;
	read_status(&p->status, &info, &usage);
	return 1;
}

static void stop_watching(ox_process *p)
{
	oxi_watch_free(p->watch);
	p->watch = NULL;
	if (p->pidfd < 0)
		oxi_signals_give_back(&p->child_signal);
}

static void give_status(struct oxi_clause *c)
{
	ox_process *p = c->object;

	if (c->ret && p->wait_result == 0)
		*(ox_process_status *)c->ret = p->status;
}

/* Looks whether it has ended. */
static void look(ox_process *p)
{
	struct oxi_clause *c;
	int r = p->ended ? 0 : wait_for(p, WNOHANG | WNOWAIT);

	if (r == 0)
		return;
	p->ended = true;
	p->reaped = r < 0;
	p->wait_result = r < 0 ? r : 0;
	stop_watching(p);
	while ((c = oxi_clause_shift(&p->waiters))) {
		give_status(c);
		oxi_clause_commit(c, p->wait_result);
	}
}

static void pidfd_ready(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	look(arg);
}

static void child_signalled(struct oxi_signals *s, const ox_signal *event)
{
	(void)event;
	look(OXI_CONTAINER(s, ox_process, child_signal));
}

/* The number is no longer its own. */
static void reap(ox_process *p)
{
	if (!p->reaped)
		wait_for(p, 0);
	p->reaped = p->ended = true;
	stop_watching(p);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
}

/* ---- waiting ---- */

static bool exited_attempt(struct oxi_clause *c, int *ret_result)
{
	ox_process *p = c->object;

	if (p == NULL) {
		*ret_result = OX_ENOMEM;
		return true;
	}
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	if (!p->ended)
		return false;
	give_status(c);
	*ret_result = p->wait_result;
	return true;
}

static int exited_arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_process *)c->object)->waiters, &c->link);
	oxi_loop_hold(+1);
	return 0;
}

static void exited_disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->link);
	oxi_loop_hold(-1);
}

static const struct oxi_clause_ops exited_ops = { "child", exited_attempt, exited_arm, exited_disarm };

int ox_process_wait(ox_process *p, ox_process_status *ret)
{
	int r = p ? oxi_checkpoint_at(&p->beginning) : OX_ENOMEM;

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &exited_ops, .object = p, .ret = ret });
}

ox_clause ox_clause_exited(ox_process *p, ox_process_status *ret)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &exited_ops, .object = p, .ret = ret });
}

/* ---- signals ---- */

static int signal_child(ox_process *p, int signo)
{
	if (p->pidfd >= 0 && syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0) == 0)
		return 0;
	if (p->pidfd >= 0 && errno != ENOSYS)
		return -errno;
	return kill(p->pid, signo) < 0 ? -errno : 0;    /* not reaped: the number is still its own */
}

int ox_process_signal(ox_process *p, int signo)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	look(p);
	return p->ended ? -ESRCH : signal_child(p, signo);
}

static bool leads_group(const ox_process *p)
{
	return p->group != OX_PROCESS_OUR_GROUP;
}

int ox_process_kill_tree(ox_process *p, int signo)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	look(p);
	if (p->reaped || (p->ended && !leads_group(p)))
		return -ESRCH;
	return oxi_tree_signal(p->pid, leads_group(p), signo);
}

/* ---- starting ---- */

static int start(ox_process *p, const char *const *argv, const ox_process_options *o, struct oxi_child_io *io)
{
	struct oxi_plan plan;
	int terminal, r = oxi_child_io_open(p, o, io, &terminal);

	if (r == 0)
		r = oxi_plan_init(&plan, argv, o, io->source);
	if (r < 0)
		return r;
	plan.terminal = terminal;
	p->group = plan.group;
	r = oxi_child_start(&plan, &p->pid, &p->pidfd);
	oxi_plan_destroy(&plan);
	return r;
}

static int watch(ox_process *p)
{
	if (p->pidfd < 0) {
		p->child_signal.fn = child_signalled;
		int r = oxi_signals_take(&p->child_signal, (const int[]){ SIGCHLD }, 1);
		if (r == 0)
			look(p);                /* it may have been too quick */
		return r;
	}
	p->watch = oxi_watch_new(p->pidfd, pidfd_ready, p);
	return p->watch ? oxi_watch_set(p->watch, OX_READABLE) : OX_ENOMEM;
}

static void let_go(ox_process *p);

static void end_of_loop(struct oxi_hook *h)
{
	let_go(OXI_CONTAINER(h, ox_process, at_end));
}

static ox_process *new_process(const ox_process_options *o)
{
	ox_process *p = oxi_alloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->magic = PROCESS_MAGIC;
	p->pidfd = -1;
	p->grace = o->grace > 0 ? o->grace : GRACE;
	p->max_output = o->max_output > 0 ? o->max_output : MAX_OUTPUT;
	p->reaped = p->ended = true;    /* there is none yet */
	oxi_list_init(&p->waiters);
	oxi_list_init(&p->beginning);
	oxi_list_init(&p->child_signal.link);
	oxi_hook_init(&p->at_end, end_of_loop);
	oxi_hook_at_end(&p->at_end);
	return p;
}

int ox_process_spawn(const char *const *argv, const ox_process_options *o, ox_process **ret)
{
	struct oxi_child_io io = { .given_count = 0 };
	ox_process *p;
	int r;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	if (argv == NULL || argv[0] == NULL)
		return OX_EINVAL;
	o = o ? o : OX_PROCESS_OPTIONS(.size = sizeof(*o));
	p = new_process(o);
	if (p == NULL)
		return OX_ENOMEM;
	r = start(p, argv, o, &io);
	oxi_child_io_close(&io);
	if (r == 0) {
		p->reaped = p->ended = false;
		r = watch(p);
	}
	if (r == 0) {
		*ret = p;
		return 0;
	}
	let_go(p);
	oxi_free(p);
	return r;
}

/* ---- ending ---- */

/* Sleeps a little longer each time. False: the time is over. */
static bool pause_until(ox_time end, ox_time *d)
{
	ox_time now = ox_now();

	if (now >= end)
		return false;
	*d = *d < OX_MS(50) ? *d * 2 : *d;
	ox_sleep(*d < end - now ? *d : end - now);
	return true;
}

/*
 * A reaped child's group still has members. While it has some, its number cannot become another process's; so a
 * process with this number says that they have gone, and the group is a new one.
 */
static bool group_left(const ox_process *p)
{
	return leads_group(p) && kill(p->pid, 0) < 0 && errno == ESRCH && oxi_group_lives(p->pid);
}

/* Ends what a child that has been reaped left behind: asked before or not. */
static void end_group(ox_process *p, bool asked, ox_time end)
{
	ox_time d = OX_US(500);

	if (!asked && group_left(p)) {
		kill(-p->pid, SIGTERM);
		kill(-p->pid, SIGCONT);
	}
	while (group_left(p) && pause_until(end, &d))
		;
	if (!group_left(p))
		return;
	kill(-p->pid, SIGKILL);
	d = OX_US(500);
	end = ox_now() + OX_SEC(1);     /* it dies for certain; this is for those who count processes afterwards */
	while (group_left(p) && pause_until(end, &d))
		;
}

/* In a shielded scope. */
static void stop(ox_process *p)
{
	ox_scope s;

	oxi_tree_signal(p->pid, leads_group(p), SIGTERM);
	ox_scope_enter(&s, p->grace);
	ox_process_wait(p, NULL);
	ox_scope_leave(&s, 0);
	if (!p->ended) {
		oxi_tree_signal(p->pid, leads_group(p), SIGKILL);
		ox_process_wait(p, NULL);
	}
}

int ox_process_stop(ox_process *p, ox_process_status *ret)
{
	ox_scope shield;
	int r;

	if (p == NULL)
		return OX_ENOMEM;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	if (ox_task_name() == NULL)
		return OX_ESTATE;
	ox_scope_shield(&shield, OX_NEVER);
	look(p);
	if (!p->ended)
		stop(p);
	r = ox_process_wait(p, ret);
	return ox_scope_leave(&shield, r);
}

/* Whatever is left is ended at once. */
static void let_go(ox_process *p)
{
	look(p);                        /* somebody else may have waited for it: then its number is a stranger's */
	oxi_hook_disarm(&p->at_end);
	ox_stream_abort(p->in);
	ox_stream_abort(p->out);
	ox_stream_abort(p->err);
	ox_stream_abort(p->terminal);
	p->in = p->out = p->err = p->terminal = NULL;
	if (!p->reaped)
		oxi_tree_signal(p->pid, leads_group(p), SIGKILL);
	reap(p);
	oxi_clause_commit_all(&p->waiters, OX_ECLOSED);
	oxi_waits_end(&p->beginning, OX_ECLOSED);
}

static void end_politely(ox_process *p)
{
	ox_time end = ox_now() + p->grace;
	bool asked;
	ox_scope shield;

	ox_scope_shield(&shield, OX_NEVER);
	look(p);
	asked = !p->ended;
	if (asked)
		stop(p);
	reap(p);
	end_group(p, asked, end);
	ox_scope_leave(&shield, 0);
}

void ox_process_close(ox_process *p)
{
	if (p == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	if (!p->reaped && ox_task_name())
		end_politely(p);
	let_go(p);
	p->magic = 0;
	oxi_free(p);
}

/* ---- looking ---- */

pid_t ox_process_pid(const ox_process *p)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->pid;
}

ox_stream *ox_process_stdin(const ox_process *p)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->in;
}

ox_stream *ox_process_stdout(const ox_process *p)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->out;
}

ox_stream *ox_process_stderr(const ox_process *p)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->err;
}

ox_stream *ox_process_terminal(const ox_process *p)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->terminal;
}

int ox_process_set_window(ox_process *p, ox_window size)
{
	OXI_CHECK_OBJECT(p, PROCESS_MAGIC);
	return p->terminal ? oxi_terminal_resize(ox_stream_fd(p->terminal), size) : OX_ESTATE;
}
