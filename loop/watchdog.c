/* SPDX-License-Identifier: MIT */
/*
 * The stall watchdog: a coroutine that runs for long without giving way holds up all the others, and is
 * named while it does, with the place where it is.
 *
 * It is a timer of the kernel that signals the loop's thread twice in a threshold, not a thread: a process
 * with one thread stays one (a pool's spawner must be forked from such), and who is signalled can tell where
 * it is. Each tick compares the loop's count of resumes and polls with the one before. Ticks are counted,
 * not time: a process that was stopped for long and continued gets one tick, and is not accused. The hot
 * path does nothing for it.
 *
 *	            tick: progress                    2 ticks without
 *	TICKING -------------------> TICKING,  TICKING ----------------> CAUGHT: reported, next look in 9 times as long
 *	   |  tick while the loop sleeps                                    |
 *	   '------------------------------> RESTING: no timer               | the loop polls again: the log hook
 *	   ^       the loop wakes or polls again   |                        | hears how long it took
 *	   '---------------------------------------+------------------------'
 *
 * An idle loop is so woken by one tick and then left alone; waking up costs a system call after a tick of
 * sleep, and none otherwise. An embedded loop rests between its steps, so that nobody's poll() is interrupted, for
 * two system calls a step. The signal is SIGURG, which is ignored by default: one that comes too late
 * harms nobody. A blocking system call in a coroutine (which is a stall) is interrupted by it, and restarted
 * by the kernel where it restarts any.
 *
 * What is written during the stall is written in the handler, by write(2); the log hook is user's code and
 * hears of it afterwards. Where nobody would hear of stalls at all, the watchdog is not set up.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/dump.h"
#include "loop/state.h"

#define SIGNAL       SIGURG
#define TICKS        2                  /* that make a stall: each lasts half of the threshold */
#define SLOWER       9                  /* reports of one stall at 1, 10, 100... times the threshold */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct sigaction before;

static void set_timer(const struct oxi_watchdog *w, ox_time first, ox_time then)
{
	struct itimerspec t = { .it_interval = { then / OX_SEC(1), then % OX_SEC(1) },
		                .it_value = { first / OX_SEC(1), first % OX_SEC(1) } };

	timer_settime(w->timer, 0, &t, NULL);
}

static void rest(struct oxi_watchdog *w, ox_time until)
{
	w->resting = true;
	set_timer(w, until, 0);
}

/* ---- in the handler ---- */

static void print_culprit(struct oxi_print *p, const struct oxi_watchdog *w)
{
	if (w->name == NULL) {
		oxi_print(p, "a callback");
		return;
	}
	oxi_print(p, "coroutine #");
	oxi_print_number(p, w->task);
	oxi_print(p, " ");
	oxi_print(p, w->name);
	if (w->site) {
		oxi_print(p, " (spawned at ");
		oxi_print(p, w->site);
		oxi_print(p, ")");
	}
}

static void write_report(const struct ox_loop *l, const struct oxi_watchdog *w, ox_time d)
{
	struct oxi_print p = OXI_PRINT(l->report_fd ? l->report_fd : oxi_log_fd());
	struct oxi_symbols symbols = { .next = 0 };

	if (p.fd < 0)
		return;
	oxi_print(&p, "oxbow: warning: ");
	print_culprit(&p, w);
	oxi_print(&p, " has held up the loop for ");
	oxi_print_seconds(&p, d);
	oxi_print(&p, ", and is here:\n");
	oxi_print_backtrace(&p, &symbols, &w->where, 4);
	oxi_symbols_close(&symbols);
	oxi_print_flush(&p);
}

static void caught(struct ox_loop *l, struct oxi_watchdog *w, const void *context)
{
	const struct oxi_task *t = l->current ? l->current : l->errand_of;
	ox_time d = oxi_real_now() - w->since;

	w->task = t ? t->id : 0;
	w->name = t ? t->name : NULL;
	w->site = t ? t->site : NULL;
	oxi_backtrace_running(&w->where, context);
	if (!w->caught)
		l->figures.stalls++;
	w->caught = true;
	write_report(l, w, d);
	rest(w, d * SLOWER);
}

static void look(struct ox_loop *l, const void *context)
{
	struct oxi_watchdog *w = &l->watchdog;
	uint64_t progress = l->figures.resumes + l->figures.polls;

	if (!l->turning || l->asleep) {
		rest(w, 0);
	} else if (progress != w->seen) {
		w->seen = progress;
		w->ticks = 0;
		w->since = oxi_real_now();
	} else if (++w->ticks >= TICKS) {
		caught(l, w, context);
	}
}

static void tick(int signo, siginfo_t *info, void *context)
{
	struct ox_loop *l = oxi_loop;
	int saved = errno;

	if (l && info->si_code == SI_TIMER && info->si_value.sival_ptr == l) {
		look(l, context);
	} else if (before.sa_flags & SA_SIGINFO && before.sa_sigaction) {
		before.sa_sigaction(signo, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(signo);
	}
	errno = saved;
}

/* ---- outside of it ---- */

/* The stall that was caught is over. */
static void tell_end(struct oxi_watchdog *w)
{
	struct oxi_print p = OXI_PRINT(-1);
	struct oxi_symbols symbols = { .next = 0 };

	print_culprit(&p, w);
	oxi_print(&p, " held up the loop for ");
	oxi_print_seconds(&p, oxi_real_now() - w->since);
	oxi_print(&p, "; it was in ");
	oxi_print_backtrace_short(&p, &symbols, &w->where);
	oxi_symbols_close(&symbols);
	w->caught = false;
	oxi_log(OX_LOG_WARNING, "%s", p.buf);
}

void oxi_watchdog_go_on(struct ox_loop *l)
{
	struct oxi_watchdog *w = &l->watchdog;

	set_timer(w, w->stall / TICKS, w->stall / TICKS);
	w->resting = false;
	w->seen = 0;
	if (w->caught)
		tell_end(w);
}

void oxi_watchdog_rest(struct ox_loop *l)
{
	if (l->watchdog.made)
		rest(&l->watchdog, 0);
}

static bool is_ours(void)
{
	struct sigaction now;

	return sigaction(SIGNAL, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO && now.sa_sigaction == tick;
}

/* The handler is the process's, from the first watchdog to the last. One that the program has set meanwhile stays. */
static void handle_signal(bool begin)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static unsigned watchdogs;
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sa.sa_sigaction = tick;
	sigemptyset(&sa.sa_mask);
	pthread_mutex_lock(&lock);
	if (begin && watchdogs++ == 0)
		sigaction(SIGNAL, &sa, &before);
	if (!begin && --watchdogs == 0 && is_ours())
		sigaction(SIGNAL, &before, NULL);
	pthread_mutex_unlock(&lock);
}

void oxi_watchdog_open(struct ox_loop *l, ox_time stall)
{
	struct oxi_watchdog *w = &l->watchdog;
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL, .sigev_value.sival_ptr = l };

	w->stall = stall ? stall : OX_MS(100);
	if (l->virtual || stall == OX_NEVER || (!oxi_log_heard() && l->report_fd == 0))
		return;
	e.sigev_notify_thread_id = l->tid;
	if (timer_create(CLOCK_MONOTONIC, &e, &w->timer) < 0) {
		oxi_log(OX_LOG_WARNING, "no watchdog for stalls: timer_create: %s", strerror(errno));
		return;
	}
	handle_signal(true);
	w->made = true;
	w->resting = true;              /* until the first poll */
}

void oxi_watchdog_close(struct ox_loop *l)
{
	struct oxi_watchdog *w = &l->watchdog;

	if (!w->made)
		return;
	timer_delete(w->timer);
	handle_signal(false);
	w->made = false;
	w->resting = false;
	if (w->caught)
		tell_end(w);
}
