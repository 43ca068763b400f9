/* SPDX-License-Identifier: MIT */
/*
 * The sandbox for jobs that compute (OX_SANDBOX_COMPUTE): they read and write what is open, and otherwise have memory,
 * threads, locks, clocks and signals of their own. No descriptor for anything outside comes into being (open, socket,
 * connect), no process (fork, exec), and no other process is touched (kill, ptrace). It is a list of what is allowed, so
 * a call that a later kernel brings is forbidden too.
 *
 * A forbidden call is skipped and raises SIGSYS; its number goes into the slot (worker_crash.c) and the worker dies of the
 * signal. Rejected: an errno, which jobs would take for a missing file.
 *
 * The filter holds for all threads, also for ZeroMQ's two, or a job that writes where it should not could have one of them
 * do its will. They accept the parent's connections, so accept is allowed: nothing else here listens.
 *
 * Some files the C library asks for on its own, and can do without: whether memory may be given back (free() in a thread),
 * how many CPUs there are. A filter cannot read names; the handler of SIGSYS can, and answers that they cannot be
 * opened. But ZeroMQ's threads have blocked all signals before the filter is there, and they free() too: the C library
 * is made to ask the first question, which it asks once, beforehand. The handler also blocks signals in the place of sigprocmask(), all but SIGSYS: a forbidden call with that one blocked ends
 * the process without a word, and posix_spawn(), system() and popen() block all they can.
 *
 * clone3() has its flags in memory, where no filter sees them: it does not exist here, and the C library takes clone(). What
 * fork() calls is therefore told as clone. stat by descriptor is newfstatat() with AT_EMPTY_PATH; that the path is empty
 * no filter sees either, so names may be looked up, but not opened.
 */
#include "pool/worker.h"

#ifndef OXI_SECCOMP

int oxi_sandbox_enter(void)
{
	return -ENOSYS;
}

bool oxi_sandbox_answers(const siginfo_t *info, void *context)
{
	(void)info, (void)context;
	return false;
}

#else

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* ---- what is answered ---- */

static bool is_expendable(const char *path)
{
	static const char *const paths[] = {
		"/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu/online", "/proc/stat",
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (strcmp(path, paths[i]) == 0)
			return true;
	return false;
}

/* The registers of a system call: arguments before, the result after. */
#if defined(__x86_64__)
#define HAS_REGISTERS 1
static const int argument_registers[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10 };
#define ARGUMENT(c, i) ((uint64_t)(c)->uc_mcontext.gregs[argument_registers[i]])
#define RESULT(c)      ((c)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define HAS_REGISTERS 1
#define ARGUMENT(c, i) ((c)->uc_mcontext.regs[i])
#define RESULT(c)      ((c)->uc_mcontext.regs[0])
#else
#define HAS_REGISTERS 0
#define ARGUMENT(c, i) ((void)(c), (uint64_t)(i))
#define RESULT(c)      (*(long *)(c))
#endif

/* As the kernel does it, but SIGSYS stays open; the mask comes into force when the handler returns. */
static int change_mask(ucontext_t *c)
{
	const uint64_t *set = (const uint64_t *)(uintptr_t)ARGUMENT(c, 1);
	uint64_t *before = (uint64_t *)(uintptr_t)ARGUMENT(c, 2);
	uint64_t mask, now;

	if (ARGUMENT(c, 3) != sizeof mask)
		return -EINVAL;
	memcpy(&now, &c->uc_sigmask, sizeof now);
	switch (ARGUMENT(c, 0)) {
	case SIG_BLOCK: mask = now | *set; break;
	case SIG_SETMASK: mask = *set; break;
	default: return -EINVAL;
	}
	mask &= ~(1ull << (SIGSYS - 1));
	if (before != NULL)
		*before = now;
	memcpy(&c->uc_sigmask, &mask, sizeof mask);
	return 0;
}

bool oxi_sandbox_answers(const siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	if (!HAS_REGISTERS || info->si_code <= 0)
		return false;           /* somebody sent the signal */
	if (info->si_syscall == SYS_rt_sigprocmask)
		RESULT(c) = change_mask(c);
	else if (info->si_syscall == SYS_openat && is_expendable((const char *)(uintptr_t)ARGUMENT(c, 1)))
		RESULT(c) = -EACCES;
	else
		return false;
	return true;
}

/* ---- the filter ---- */

/* Allowed whatever their arguments. */
static const int calls[] = {
	/* what is open */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fadvise64), SCMP_SYS(getdents64), SCMP_SYS(close),
	SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(getcwd),
	/* the channel, and what threads wake each other with */
	SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg), SCMP_SYS(shutdown), SCMP_SYS(accept),
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(pipe),
	SCMP_SYS(pipe2),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
	SCMP_SYS(msync), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(membarrier),
	SCMP_SYS(get_mempolicy), SCMP_SYS(mbind),
	/* threads and time */
	SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(getcpu),
	SCMP_SYS(arch_prctl), SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times), SCMP_SYS(getrusage), SCMP_SYS(getrandom),
	SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_gettime), SCMP_SYS(timer_getoverrun),
	SCMP_SYS(timer_delete), SCMP_SYS(setitimer), SCMP_SYS(getitimer), SCMP_SYS(alarm), SCMP_SYS(pause),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(wait4), SCMP_SYS(waitid),
	/* signals, but for those to others */
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigsuspend), SCMP_SYS(sigaltstack),
	/* who am I */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getpgrp), SCMP_SYS(getpgid), SCMP_SYS(getsid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getpriority), SCMP_SYS(getrlimit),
	SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(umask),
};

/* Allowed if this holds for their arguments. */
static int allow_some(scmp_filter_ctx c)
{
	const pid_t self = getpid();
	const struct {
		int call;
		struct scmp_arg_cmp is;
	} some[] = {
		{ SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM) },
		{ SCMP_SYS(newfstatat), SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH) },
		{ SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self) },
		{ SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self) },
		{ SCMP_SYS(rt_tgsigqueueinfo), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self) },
		{ SCMP_SYS(rt_sigprocmask), SCMP_A1(SCMP_CMP_EQ, 0) },
		{ SCMP_SYS(rt_sigprocmask), SCMP_A0(HAS_REGISTERS ? SCMP_CMP_EQ : SCMP_CMP_GE, HAS_REGISTERS ? SIG_UNBLOCK : 0) },
		{ SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_NE, SIGSYS) },
		{ SCMP_SYS(rt_sigaction), SCMP_A1(SCMP_CMP_EQ, 0) },
		{ SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0) },       /* only read */
		{ SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME) },
		{ SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME) },
		{ SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA) },  /* the name of a mapping */
		{ SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS) },      /* isatty() */
		{ SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONREAD) },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof some / sizeof *some && r == 0; i++)
		r = seccomp_rule_add_array(c, SCMP_ACT_ALLOW, some[i].call, 1, &some[i].is);
	return r;
}

/* What this machine does not have (-EDOM) it need not allow. */
static int allow(scmp_filter_ctx c)
{
	int r = 0;

	for (size_t i = 0; i < sizeof calls / sizeof *calls && r == 0; i++) {
		r = seccomp_rule_add_array(c, SCMP_ACT_ALLOW, calls[i], 0, NULL);
		if (r == -EDOM)
			r = 0;
	}
	return r;
}

/* More than glibc keeps at the top of a thread's heap (M_TRIM_THRESHOLD), in pieces that lie in that heap. */
static void *free_much(void *arg)
{
	void *volatile pieces[8];

	for (size_t i = 0; i < 8; i++)
		pieces[i] = malloc(OX_KIB(32));
	for (size_t i = 8; i-- > 0;)
		free(pieces[i]);
	return arg;
}

/* The files that the C library opens when it first needs them: the time zone, and whether a heap may shrink. */
static int ask_beforehand(void)
{
	pthread_t thread;
	int r;

	tzset();
	r = -pthread_create(&thread, NULL, free_much, NULL);
	return r == 0 ? -pthread_join(thread, NULL) : r;
}

int oxi_sandbox_enter(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_TRAP);
	int r = c != NULL ? ask_beforehand() : OX_ENOMEM;

	if (r == 0)
		r = seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = allow(c);
	if (r == 0)
		r = allow_some(c);
	if (r == 0)
		r = seccomp_rule_add(c, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_load(c);
	if (c != NULL)
		seccomp_release(c);
	return r;
}

#endif
