/* SPDX-License-Identifier: MIT */
/*
 * The overflow report. A coroutine that runs over the end of its stack hits its guard; the kernel delivers
 * SIGSEGV on an alternate stack, and the handler says which coroutine it was before the process dies as it
 * would have:
 *
 *	oxbow: stack overflow in coroutine "crawl_one" (262144 bytes, spawned at crawl.c:120): give it more by ...
 *
 * Faults elsewhere are passed on to the handler that was there before. Only async-signal-safe calls are made.
 * The sanitizers have reports of their own and an alternate stack; theirs stay.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/private/sanitize.h"
#include "loop/state.h"

#define ALT_STACK OX_KIB(64)

static struct sigaction before;
static _Thread_local char *alt_stack;

static void report(const struct oxi_task *t)
{
	struct oxi_print p = OXI_PRINT(STDERR_FILENO);

	oxi_print(&p, "oxbow: stack overflow in coroutine \"");
	oxi_print(&p, t->name);
	oxi_print(&p, "\" (");
	oxi_print_number(&p, t->stack.size);
	oxi_print(&p, " bytes");
	if (t->site) {
		oxi_print(&p, ", spawned at ");
		oxi_print(&p, t->site);
	}
	oxi_print(&p, "): give it more with ox_spawn_options.stack_size\n");
	oxi_print_flush(&p);
}

static void fault(int signo, siginfo_t *info, void *context)
{
	struct ox_loop *l = oxi_loop;

	if (l && l->current && oxi_stacks_guards(&l->stacks, info->si_addr))
		report(l->current);
	if (before.sa_flags & SA_SIGINFO && before.sa_sigaction) {
		before.sa_sigaction(signo, info, context);
		return;
	}
	if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(signo);
		return;
	}
	sigaction(signo, &before, NULL);        /* returning repeats the fault, and now it kills */
}

static void install(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sa.sa_sigaction = fault;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGSEGV, &sa, &before);
}

#if defined(OXI_ASAN) || defined(OXI_TSAN)

void oxi_alt_stack(bool on)
{
	(void)alt_stack, (void)on;
}

void oxi_overflow_report_install(void)
{
	(void)install;
}

#else

static void alt_stack_on(void)
{
	stack_t now, st = { .ss_size = ALT_STACK };

	if (sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE))
		return;                 /* the program has one: it serves */
	st.ss_sp = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (st.ss_sp == MAP_FAILED)
		return;
	sigaltstack(&st, NULL);
	alt_stack = st.ss_sp;
}

void oxi_alt_stack(bool on)
{
	stack_t off = { .ss_flags = SS_DISABLE };

	if (on) {
		alt_stack_on();
	} else if (alt_stack) {
		sigaltstack(&off, NULL);
		munmap(alt_stack, ALT_STACK);
		alt_stack = NULL;
	}
}

void oxi_overflow_report_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
}

#endif
