/* SPDX-License-Identifier: MIT */
/*
 * Last words: when a signal ends the worker, a handler on a stack of its own writes signal, address and
 * backtrace into the slot, where the parent reads them after the death. It then lets the signal do what it
 * would have done.
 *
 * backtrace() loads libgcc when it is first called, which a handler must not do: the spawner calls it once, for all
 * its children. SIGABRT may come from any thread (libzmq's own checks), the others from the thread at fault;
 * only the job's thread has the stack for an overflow. SIGSYS is the sandbox's, and comes after the call was skipped.
 *
 * The backtrace begins with the instruction at fault, not with this handler.
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "pool/worker.h"

static struct oxi_slot *obituary;
static uint8_t stack[OX_KIB(64)];

/* Where the signal came; NULL: not known here. */
static const void *place_of(const ucontext_t *c)
{
#if defined(__x86_64__)
	return (const void *)(uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (const void *)(uintptr_t)c->uc_mcontext.pc;
#else
	(void)c;
	return NULL;
#endif
}

static void record_frames(const void *place)
{
	int n = backtrace(obituary->frames, OXI_FRAMES), skip = 0;

	while (skip < n && obituary->frames[skip] != place)
		skip++;
	if (skip < n) {
		n -= skip;
		memmove(obituary->frames, obituary->frames + skip, (size_t)n * sizeof *obituary->frames);
	}
	obituary->frame_count = (uint32_t)n;
}

static void last_words(int signal_number, siginfo_t *info, void *context)
{
	if (signal_number == SIGSYS && oxi_sandbox_answers(info, context))
		return;
	bool fault = signal_number != SIGABRT && signal_number != SIGSYS && info->si_code > 0;

	obituary->fault_address = fault ? (uint64_t)(uintptr_t)info->si_addr : 0;
	if (signal_number == SIGSYS) {
		obituary->system_call = info->si_syscall;
		obituary->architecture = info->si_arch;
	}
	record_frames(place_of(context));
	atomic_store(&obituary->signal, signal_number);
	signal(signal_number, SIG_DFL);         /* for SIGSYS the sandbox forbids it, and the kernel ends the process here */
	if (!fault)
		raise(signal_number);
	/* a fault comes again when the instruction does */
}

void oxi_worker_prepare_crashes(void)
{
	void *frame;

	backtrace(&frame, 1);
}

void oxi_worker_watch_crashes(struct oxi_slot *slot)
{
	static const int signals[] = { OXI_CRASH_SIGNALS };
	struct sigaction action = { .sa_sigaction = last_words, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };

	obituary = slot;
	sigaltstack(&alternate, NULL);
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}
