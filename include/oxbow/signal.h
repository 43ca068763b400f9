/* SPDX-License-Identifier: MIT */
/*
 * Signals as a stream of events, for coroutines. One loop of a process receives them, that of the first thread
 * that asks.
 *
 *	ox_signals *s = NULL;
 *	int r = OX_SIGNALS_OPEN(&s, SIGHUP, SIGTERM);
 *	while (r >= 0 && (r = ox_signals_next(s, NULL)) > 0)
 *		r == SIGHUP ? reload() : stop();
 *	ox_signals_close(s);
 *
 * Ctrl-C needs none of this: SIGINT cancels the main coroutine's scope, see ox_run_options.keep_sigint.
 */
#ifndef OXBOW_SIGNAL_H
#define OXBOW_SIGNAL_H

#include <oxbow/select.h>
#include <signal.h>

OX_BEGIN

typedef struct ox_signals ox_signals;

/** What came. Of a signal that came too often to be kept apart only signo and count are sure. */
typedef struct ox_signal {
	int signo;
	int code;                       /* siginfo's si_code: SI_USER, SI_QUEUE, SI_KERNEL, CLD_EXITED... */
	pid_t pid;                      /* of the sender (of the child for SIGCHLD); 0: none */
	uid_t uid;
	union {
		int as_int;
		void *as_pointer;
	} value;                        /* of sigqueue() */
	unsigned count;                 /* how often it came since it was last reported; 1 or more */
} ox_signal;

/**
 * Receives signals from now on: their actions are replaced until ox_signals_close().
 *
 * @signos: n different signals. @ret: owned: ox_signals_close() or OX_AUTO_SIGNALS.
 * Returns: 0; OX_EBUSY: another loop of the process receives signals; OX_EINVAL: n is 0, or a signal that cannot be
 * waited for (SIGKILL, SIGSTOP, and SIGSEGV, SIGBUS, SIGFPE, SIGILL, which say that the program itself is wrong);
 * OX_ENOMEM, -EMFILE, OX_ESTATE outside of a loop, OX_EFORKED.
 * Threads: the signal may come to any thread of the process, its event comes to this loop. After fork: the child has
 * the actions that were there before. Since: 0.1
 */
OX_API int ox_signals_open(const int *signos, size_t n, ox_signals **ret);
#define OX_SIGNALS_OPEN(ret, ...)                                                               \
	ox_signals_open((const int[]){ __VA_ARGS__ }, sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int), ret)

/**
 * Waits for the next signal.
 *
 * In order of arrival. A signal that comes again before it was reported is counted and reported once; the real-time
 * signals are kept apart, up to 256 of them. Two that are always pending are thus reported in turns. Several coroutines may wait, each event
 * goes to one; several streams may have the same signal, each gets it.
 *
 * @ret: the event; NULL if the number is enough.
 * Returns: the signal's number; OX_ECLOSED, OX_ECANCELED, OX_ENOMEM (s is NULL).
 * Yields: unless one is pending. Cancel: takes nothing. Since: 0.1
 */
OX_API OX_YIELDS int ox_signals_next(ox_signals *s, ox_signal *ret);

/** For ox_select(): the next signal. Result: as ox_signals_next(). Since: 0.1 */
OX_API ox_clause ox_clause_signal(ox_signals *s, ox_signal *ret);
#define OX_SIGNAL(s, ret) ox_clause_signal(s, ret)

/** Gives the signals their former actions back; whoever is parked wakes with OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_signals_close(ox_signals *s);
static inline void ox_signals_auto_(ox_signals **s) { ox_signals_close(*s); }
#define OX_AUTO_SIGNALS __attribute__((cleanup(ox_signals_auto_))) ox_signals

OX_END

#endif
