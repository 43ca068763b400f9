/* SPDX-License-Identifier: MIT */
/*
 * The loops of the process, and SIGQUIT (ox_run_options.dump_on_sigquit), which has each print its tasks: in
 * the handler, so that it works while a coroutine holds up its loop, which is when it is wanted. The signal
 * comes to some thread; that one prints its own loop's tasks and passes the signal on to the threads of the
 * others.
 *
 * The list is read by the handler and by a debugger. Who changes it has the signal blocked, so a handler
 * never waits for the thread that it interrupts, and for others only as long as they change a link.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/dump.h"
#include "loop/state.h"

struct ox_loop *oxi_loops;              /* by name for loop/oxbow-gdb.py */
static atomic_flag lock = ATOMIC_FLAG_INIT;
static struct sigaction before;
static unsigned dumping;                /* loops with the option */

static void take(sigset_t *ret_mask)
{
	sigset_t quit;

	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &quit, ret_mask);
	while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
		;
}

static void give(const sigset_t *mask)
{
	atomic_flag_clear_explicit(&lock, memory_order_release);
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static void pass_on(void)
{
	while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire))
		;
	for (const struct ox_loop *l = oxi_loops; l; l = l->next_loop)
		if (l->dump_on_sigquit && l != oxi_loop)
			syscall(SYS_tgkill, getpid(), l->tid, SIGQUIT);
	atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void dump(void *context)
{
	struct oxi_print p = OXI_PRINT(oxi_loop->report_fd ? oxi_loop->report_fd : STDERR_FILENO);

	oxi_dump(&p, oxi_loop, context);
}

static void quit(int signo, siginfo_t *info, void *context)
{
	int saved = errno;

	if (oxi_forked()) {
		sigaction(signo, &before, NULL);        /* a child's own affair; it ends by it, or not, as it would have */
		raise(signo);
		return;
	}
	if (oxi_loop && oxi_loop->dump_on_sigquit)
		dump(context);
	if (info->si_code != SI_TKILL || info->si_pid != getpid())
		pass_on();
	errno = saved;
}

static void handle(bool begin)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sa.sa_sigaction = quit;
	sigemptyset(&sa.sa_mask);
	if (begin && dumping++ == 0)
		sigaction(SIGQUIT, &sa, &before);
	if (!begin && --dumping == 0)
		sigaction(SIGQUIT, &before, NULL);
}

void oxi_loops_add(struct ox_loop *l)
{
	sigset_t mask;

	take(&mask);
	l->next_loop = oxi_loops;
	oxi_loops = l;
	if (l->dump_on_sigquit)
		handle(true);
	give(&mask);
}

void oxi_loops_remove(struct ox_loop *l)
{
	struct ox_loop **at = &oxi_loops;
	sigset_t mask;

	take(&mask);
	while (*at && *at != l)
		at = &(*at)->next_loop;
	if (*at) {
		*at = l->next_loop;
		if (l->dump_on_sigquit)
			handle(false);
	}
	give(&mask);
}
