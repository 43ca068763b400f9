/* SPDX-License-Identifier: MIT */
/*
 * Last words: when a signal ends the worker, a handler on a stack of its own writes signal, address and
 * backtrace into the slot, where the parent reads them after the death. It then lets the signal do what it
 * would have done.
 *
 * backtrace() loads libgcc when it is first called, which a handler must not do: the spawner calls it once, for all
 * its children. SIGABRT may come from any thread (libzmq's own checks), the others from the thread at fault;
 * only the job's thread has the stack for an overflow.
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>

#include "pool/worker.h"

static struct oxi_slot *obituary;
static uint8_t stack[OX_KIB(64)];

static void last_words(int signal_number, siginfo_t *info, void *context)
{
	(void)context;
	bool fault = signal_number != SIGABRT && info->si_code > 0;

	obituary->fault_address = fault ? (uint64_t)(uintptr_t)info->si_addr : 0;
	obituary->frame_count = (uint32_t)backtrace(obituary->frames, OXI_FRAMES);
	atomic_store(&obituary->signal, signal_number);
	signal(signal_number, SIG_DFL);
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
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	struct sigaction action = { .sa_sigaction = last_words, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack };

	obituary = slot;
	sigaltstack(&alternate, NULL);
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}
