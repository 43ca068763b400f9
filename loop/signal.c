/* SPDX-License-Identifier: MIT */
/*
 * Signals, from the handler to whoever wants them in the one loop that receives them.
 *
 *	any thread: handler --> pipe --> the receiving loop's poll --> every oxi_signals that has it in its set
 *
 * The handler writes a record to a pipe: one write() of less than PIPE_BUF is atomic, wakes the poll, and carries what
 * siginfo says. When the pipe is full it sets a bit instead. Handlers run on an alternate stack where there is one, and
 * restart the system calls that they interrupt.
 *
 * Not a signalfd: that needs the signals blocked in every thread, also in those that libraries start, and the mask is
 * inherited by every child, whoever makes it; a handler is reset by exec.
 *
 * A forked child has our handlers until it execs or sets its own. There the handler puts the former action back and
 * raises the signal again, so that the child does what it would have done without us.
 *
 * Ctrl-C. The loop that comes first also takes SIGINT for its main coroutine, if the program has left it at its
 * default. The first one cancels the main scope; the handler has put the default action back by then (not the loop,
 * which may be stuck), so the second one ends the process. While an oxi_signals has SIGINT, it gets it instead.
 *
 * What is here belongs to the process. The lock is held while a loop becomes or ceases to be the receiver; all else is
 * touched by the receiver's thread alone, and by handlers where it says so.
 */
#include "loop/signal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "loop/state.h"

struct action {
	struct sigaction before;        /* while installed. Handlers read it */
	_Atomic bool once;              /* the handler puts `before` back */
	bool installed;
	unsigned users;                 /* oxi_signals that have it */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ox_loop *_Atomic receiver;
static struct action actions[NSIG];
static struct oxi_list users;
static struct oxi_watch *watch;
static struct oxi_hook at_end;
static int pipe_read = -1;
static _Atomic int pipe_write = -1;     /* -1: handlers that still run write nothing */
static _Atomic int inside;              /* handlers that run now */
static _Atomic uint64_t crowded;        /* signals that the pipe had no room for */
static bool interruptible;              /* SIGINT is taken for the main scope */

static uint64_t bit(int signo)
{
	return 1ull << (signo - 1);
}

/* ---- the handler ---- */

static void write_record(const ox_signal *record)
{
	static const ox_signal look;
	int fd = atomic_load(&pipe_write);

	if (fd < 0 || write(fd, record, sizeof(*record)) > 0)
		return;
	atomic_fetch_or(&crowded, bit(record->signo));
	if (write(fd, &look, sizeof(look)) < 0)
		return;         /* still full: it will be read after the bit was set, and the bit then seen */
}

static void handler(int signo, siginfo_t *info, void *context)
{
	struct action *a = &actions[signo];
	ox_signal record = { .signo = signo, .code = info->si_code, .count = 1 };
	int saved_errno = errno;

	(void)context;
	if (oxi_forked()) {
		sigaction(signo, &a->before, NULL);
		raise(signo);
		return;
	}
	if (info->si_code <= 0 || signo == SIGCHLD) {
		record.pid = info->si_pid;
		record.uid = info->si_uid;
	}
	if (info->si_code == SI_QUEUE || info->si_code == SI_TIMER || info->si_code == SI_MESGQ)
		record.value.as_pointer = info->si_value.sival_ptr;     /* one union, whichever member was set */
	atomic_fetch_add(&inside, 1);
	if (atomic_load(&a->once))
		sigaction(signo, &a->before, NULL);
	write_record(&record);
	atomic_fetch_sub(&inside, 1);
	errno = saved_errno;
}

/* ---- actions ---- */

static bool is_ours(int signo)
{
	struct sigaction now;

	return sigaction(signo, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == handler;
}

/* Installs the handler or puts back what was there, as the books say. An action that the program has set meanwhile stays. */
static int settle(int signo)
{
	struct action *a = &actions[signo];
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
	bool wanted = a->users > 0 || (signo == SIGINT && interruptible);

	if (!wanted) {
		if (a->installed && is_ours(signo))
			sigaction(signo, &a->before, NULL);
		a->installed = false;
		return 0;
	}
	atomic_store(&a->once, a->users == 0);
	sa.sa_sigaction = handler;
	sigfillset(&sa.sa_mask);
	if (!a->installed && sigaction(signo, NULL, &a->before) < 0)
		return -errno;
	if (sigaction(signo, &sa, NULL) < 0)
		return -errno;
	a->installed = true;
	return 0;
}

/* ---- the receiving side ---- */

static void interrupt(void)
{
	struct oxi_task *t = oxi_loop->main_task;

	if (!interruptible)
		return;
	interruptible = false;
	settle(SIGINT);
	if (t->future.origin == OX_ORIGIN_NONE)
		oxi_scope_cancel(&t->root, OX_CAUSE_INTERRUPT);
}

static void deliver(const ox_signal *event)
{
	OXI_LIST_EACH(e, &users) {
		struct oxi_signals *s = OXI_CONTAINER(e, struct oxi_signals, link);

		if (sigismember(&s->set, event->signo))
			s->fn(s, event);
	}
	if (event->signo == SIGINT && actions[SIGINT].users == 0)
		interrupt();
}

void oxi_signals_look(void)
{
	ox_signal batch[32];
	uint64_t more;
	ssize_t n;

	while (pipe_read >= 0 && (n = read(pipe_read, batch, sizeof(batch))) > 0)
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(batch[0]); i++)
			if (batch[i].signo != 0)
				deliver(&batch[i]);
	more = atomic_exchange(&crowded, 0);
	for (int signo = 1; more != 0; signo++, more >>= 1)
		if (more & 1)
			deliver(&(ox_signal){ .signo = signo, .count = 1 });
}

static void arrived(void *arg, int fd, unsigned events)
{
	(void)arg, (void)fd, (void)events;
	oxi_signals_look();
}

static void close_pipe(void)
{
	int fd = atomic_exchange(&pipe_write, -1);

	while (atomic_load(&inside) > 0)
		sched_yield();          /* one of another thread is about to write to it */
	oxi_watch_free(watch);
	if (fd >= 0) {
		close(fd);
		close(pipe_read);
		pipe_read = -1;
	}
}

static int open_pipe(void)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pipe_read = fds[0];
	atomic_store(&pipe_write, fds[1]);
	atomic_store(&crowded, 0);
	watch = oxi_watch_new(pipe_read, arrived, NULL);
	r = watch ? oxi_watch_set(watch, OX_READABLE) : OX_ENOMEM;
	if (r < 0)
		close_pipe();
	return r;
}

static void end_of_loop(struct oxi_hook *h);

/* Makes this loop the one that receives signals. */
static int become_receiver(void)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	if (receiver == NULL) {
		r = open_pipe();
		if (r == 0) {
			receiver = oxi_loop;
			oxi_list_init(&users);
			oxi_hook_init(&at_end, end_of_loop);
			oxi_hook_at_end(&at_end);
		}
	} else if (receiver != oxi_loop) {
		r = OX_EBUSY;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static void cease_if_unused(void)
{
	if (interruptible || !oxi_list_empty(&users))
		return;
	pthread_mutex_lock(&lock);
	oxi_hook_disarm(&at_end);
	close_pipe();
	receiver = NULL;
	pthread_mutex_unlock(&lock);
}

static void drop(struct oxi_signals *s)
{
	oxi_list_remove(&s->link);
	for (int signo = 1; signo < NSIG; signo++) {
		if (sigismember(&s->set, signo) != 1)
			continue;
		actions[signo].users--;
		settle(signo);
	}
}

void oxi_signals_give_back(struct oxi_signals *s)
{
	if (oxi_list_empty(&s->link))
		return;
	drop(s);
	cease_if_unused();
}

static bool can_be_received(int signo)
{
	static const int never[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (signo == never[i])
			return false;
	return signo > 0 && signo < NSIG;
}

static int read_set(sigset_t *set, const int *signos, size_t n)
{
	sigemptyset(set);
	for (size_t i = 0; i < n; i++)
		if (!can_be_received(signos[i]) || sigaddset(set, signos[i]) < 0)
			return OX_EINVAL;
	return n > 0 ? 0 : OX_EINVAL;
}

int oxi_signals_take(struct oxi_signals *s, const int *signos, size_t n)
{
	int r;

	oxi_list_init(&s->link);
	r = read_set(&s->set, signos, n);
	if (r == 0)
		r = become_receiver();
	if (r < 0)
		return r;
	oxi_list_append(&users, &s->link);
	for (int signo = 1; signo < NSIG; signo++)
		if (sigismember(&s->set, signo) == 1)
			actions[signo].users++;
	for (int signo = 1; signo < NSIG && r == 0; signo++)
		if (sigismember(&s->set, signo) == 1)
			r = settle(signo);
	if (r < 0)
		oxi_signals_give_back(s);
	return r;
}

/* What the loop's coroutines left open, and Ctrl-C. */
static void end_of_loop(struct oxi_hook *h)
{
	struct oxi_list *e;

	(void)h;
	interruptible = false;
	while ((e = users.next) != &users)
		drop(OXI_CONTAINER(e, struct oxi_signals, link));
	settle(SIGINT);
	cease_if_unused();
}

/* ---- Ctrl-C ---- */

int oxi_interrupt_open(void)
{
	struct sigaction now;
	int r;

	if (sigaction(SIGINT, NULL, &now) < 0 || now.sa_flags & SA_SIGINFO || now.sa_handler != SIG_DFL)
		return 0;               /* ignored (nohup, a shell's background job), or the program's own affair */
	r = become_receiver();
	if (r < 0)
		return r == OX_EBUSY ? 0 : r;
	interruptible = true;
	return settle(SIGINT);
}
