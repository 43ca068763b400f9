/* SPDX-License-Identifier: MIT */
/*
 * A job finds its worker as worker_init left it. What a job changes of the process and leaves is put back; what cannot be
 * put back (a thread, a child, a descriptor that somebody may still use) costs the worker, which hands in its results,
 * says what is wrong, begins nothing more, and is replaced.
 *
 * To look costs eight system calls, which is more than the smallest jobs take, so it is done when it can matter:
 *
 *	- after each job that ran alone in its message, for jobs that are not tiny travel so, and calls one by one too; its
 *	  result has left by then, so nobody waits for the look
 *	- after a job, when the last look is CHECK_AFTER ago: a job that long is always looked at, a stream of tiny ones pays
 *	  a hundredth
 *	- when there was nothing to do for a while
 *	- after each job, with strict_state
 *
 * The FPU's control word, which would spoil the next job's numbers without a trace, needs no system call and is looked at
 * after every job.
 *
 * One read of /proc/self/status tells mask, dispositions, umask and threads at once; that a handler took another one's
 * place it does not tell, nor the two itimers that nobody uses: those few are looked at in turn, one a look. Signals 32
 * and 33 are the C library's own. Not looked at: limits, environment, affinity, and what /proc would tell where it is not
 * mounted.
 */
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/private/check.h"
#include "pool/worker.h"

#define CHECK_AFTER OX_MS(1)
#define HIGH        600                 /* lowest descriptor of ours, if there may be so high ones */
#define TIMERS      32                  /* POSIX timers of worker_init's that are known */

/* As worker_init left it. */
static struct {
	char cwd[4096];
	dev_t cwd_dev;
	ino_t cwd_ino;
	unsigned umask, threads;
	uint64_t blocked, ignored, caught;              /* bit n - 1: signal n */
	struct sigaction action[NSIG];                  /* of those ignored or caught; else the default */
	int nice;
	long files;
	int timer[TIMERS];
	unsigned timers;
	char *locale;
	uint64_t fpu;
	int status_fd, timers_fd, files_fd;             /* -1: there is no /proc */
	bool begun;
	bool strict;
	unsigned skip;                                  /* kinds that are not looked at: enum ox_state */
	unsigned turn;                                  /* looks so far: which handler and itimer is next */
} base;

/* ---- the FPU ---- */

static uint64_t fpu_control(void)
{
#if defined(__x86_64__)
	uint32_t mxcsr;
	uint16_t cw;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
	return (uint64_t)cw << 32 | (mxcsr & ~0x3fu);   /* without the flags of what happened */
#elif defined(__aarch64__)
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
#else
	return 0;
#endif
}

static void set_fpu_control(uint64_t control)
{
#if defined(__x86_64__)
	uint32_t mxcsr = (uint32_t)control;
	uint16_t cw = (uint16_t)(control >> 32);

	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(cw));
#elif defined(__aarch64__)
	__asm__ volatile("msr fpcr, %0" : : "r"(control));
#else
	(void)control;
#endif
}

/* ---- what /proc tells ---- */

struct status {
	unsigned umask, threads;
	uint64_t blocked, ignored, caught;
};

/* The number behind a label in *at, which moves on. */
static bool find_number(char **at, const char *label, int radix, uint64_t *ret)
{
	char *found = strstr(*at, label);

	if (found == NULL)
		return false;
	*ret = strtoull(found + strlen(label), at, radix);
	return true;
}

static bool read_status(struct status *ret)
{
	const uint64_t library = 1ull << 31 | 1ull << 32;
	char text[4096], *at = text;
	uint64_t mask, threads;
	ssize_t n = pread(base.status_fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	if (!find_number(&at, "\nUmask:", 8, &mask) || !find_number(&at, "\nThreads:", 10, &threads) ||
	    !find_number(&at, "\nSigBlk:", 16, &ret->blocked) || !find_number(&at, "\nSigIgn:", 16, &ret->ignored) ||
	    !find_number(&at, "\nSigCgt:", 16, &ret->caught))
		return false;
	ret->umask = (unsigned)mask;
	ret->threads = (unsigned)threads;
	ret->blocked &= ~library;
	ret->ignored &= ~library;
	ret->caught &= ~library;
	return true;
}

/* How many descriptors are open. Linux 6.2 says it at once. */
static long count_files(void)
{
	struct stat st;
	long n = 0;

	if (fstat(base.files_fd, &st) < 0)
		return -1;
	if (st.st_size > 0)
		return (long)st.st_size;
	DIR *d = opendir("/proc/self/fd");
	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* The ids of POSIX timers. Says how many there are; not all, perhaps, are written. */
static unsigned read_timers(int ids[TIMERS])
{
	char text[4096];
	ssize_t n = pread(base.timers_fd, text, sizeof text - 1, 0);
	unsigned count = 0;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (char *at = text; at != NULL && count < TIMERS; at = strstr(at, "\nID: "), at += at != NULL) {
		int id;
		if (sscanf(at, "ID: %d", &id) == 1)
			ids[count++] = id;
	}
	return count;
}

/* ---- one look each ---- */

enum outcome { SAME, PUT_BACK, LOST };

static enum outcome put_back_if(bool done)
{
	return done ? PUT_BACK : LOST;
}

static enum outcome look_at_cwd(const struct status *s)
{
	struct stat st;

	(void)s;
	if (stat(".", &st) == 0 && st.st_dev == base.cwd_dev && st.st_ino == base.cwd_ino)
		return SAME;
	return put_back_if(chdir(base.cwd) == 0);
}

static enum outcome look_at_umask(const struct status *s)
{
	if (s->umask == base.umask)
		return SAME;
	umask((mode_t)base.umask);
	return PUT_BACK;
}

static enum outcome look_at_mask(const struct status *s)
{
	sigset_t set;

	if (s->blocked == base.blocked)
		return SAME;
	sigemptyset(&set);
	for (int i = 1; i < NSIG; i++)
		if ((base.blocked >> (i - 1) & 1) != 0)
			sigaddset(&set, i);
	return put_back_if(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
}

/* Handlers in the place of ours, which the masks do not show: one signal a look. */
static bool handler_replaced(int n)
{
	struct sigaction now;

	if (sigaction(n, NULL, &now) < 0 || now.sa_sigaction == base.action[n].sa_sigaction)
		return false;
	sigaction(n, &base.action[n], NULL);
	return true;
}

static enum outcome look_at_handlers(const struct status *s)
{
	static const int ours[] = { OXI_CRASH_SIGNALS };
	const unsigned count = sizeof ours / sizeof *ours;
	uint64_t changed = (s->ignored ^ base.ignored) | (s->caught ^ base.caught);
	bool replaced = false;

	for (int i = 1; changed != 0 && i < NSIG; i++)
		if ((changed >> (i - 1) & 1) != 0)
			sigaction(i, &base.action[i], NULL);
	for (unsigned i = 0; i < (base.strict ? count : 1); i++)
		replaced = handler_replaced(ours[(base.turn + i) % count]) || replaced;
	return changed != 0 || replaced ? PUT_BACK : SAME;
}

static bool itimer_left(int which)
{
	struct itimerval none = { 0 }, old;

	return setitimer(which, &none, &old) == 0 && (old.it_value.tv_sec | old.it_value.tv_usec) != 0;
}

static bool is_of_init(int timer)
{
	for (unsigned i = 0; i < base.timers; i++)
		if (base.timer[i] == timer)
			return true;
	return false;
}

static enum outcome look_at_timers(const struct status *s)
{
	bool left = itimer_left(ITIMER_REAL);
	int ids[TIMERS];

	(void)s;
	for (unsigned i = 0, n = read_timers(ids); i < n; i++)
		if (!is_of_init(ids[i]))
			left = syscall(SYS_timer_delete, ids[i]) == 0 || left;
	for (unsigned i = 0; i < (base.strict ? 2 : 1); i++)
		left = itimer_left((base.turn + i) % 2 == 0 ? ITIMER_VIRTUAL : ITIMER_PROF) || left;
	return left ? PUT_BACK : SAME;
}

static enum outcome look_at_locale(const struct status *s)
{
	(void)s;
	if (strcmp(setlocale(LC_ALL, NULL), base.locale) == 0 && uselocale((locale_t)0) == LC_GLOBAL_LOCALE)
		return SAME;
	uselocale(LC_GLOBAL_LOCALE);
	return put_back_if(setlocale(LC_ALL, base.locale) != NULL);
}

static enum outcome look_at_nice(const struct status *s)
{
	(void)s;
	if (getpriority(PRIO_PROCESS, 0) == base.nice)
		return SAME;
	return put_back_if(setpriority(PRIO_PROCESS, 0, base.nice) == 0);
}

/* The dead are nobody's any more, and are reaped. */
static enum outcome look_at_children(const struct status *s)
{
	pid_t pid;

	(void)s;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid == 0 ? LOST : SAME;
}

/* A thread that was joined, or a stranger that the channel turns away, counts a moment longer: then this looks again. */
static bool settles(bool (*differs)(const struct status *s), const struct status *s)
{
	struct timespec pause = { .tv_nsec = 500000 };
	struct status again = *s;

	for (int i = 0; differs(&again); i++) {
		if (i == 20)
			return false;
		nanosleep(&pause, NULL);
		read_status(&again);
	}
	return true;
}

static bool has_more_threads(const struct status *s)
{
	return s->threads > base.threads;
}

static bool has_other_files(const struct status *s)
{
	(void)s;
	return count_files() != base.files;
}

static enum outcome look_at_threads(const struct status *s)
{
	return settles(has_more_threads, s) ? SAME : LOST;
}

static enum outcome look_at_files(const struct status *s)
{
	return settles(has_other_files, s) ? SAME : LOST;
}

static const struct {
	unsigned kind;
	enum outcome (*look)(const struct status *s);
} looks[] = {
	{ OX_STATE_CWD, look_at_cwd }, { OX_STATE_UMASK, look_at_umask }, { OX_STATE_MASK, look_at_mask },
	{ OX_STATE_SIGNALS, look_at_handlers }, { OX_STATE_TIMERS, look_at_timers }, { OX_STATE_LOCALE, look_at_locale },
	{ OX_STATE_NICE, look_at_nice }, { OX_STATE_CHILDREN, look_at_children }, { OX_STATE_THREADS, look_at_threads },
	{ OX_STATE_FILES, look_at_files },
};

/* ---- the look ---- */

static void look_around(struct oxi_worker *w)
{
	unsigned skip = base.skip;
	struct status s;

	if (!read_status(&s))
		skip |= OX_STATE_UMASK | OX_STATE_MASK | OX_STATE_SIGNALS | OX_STATE_THREADS;
	if (base.files < 0)
		skip |= OX_STATE_FILES;
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		enum outcome o = (skip & looks[i].kind) != 0 ? SAME : looks[i].look(&s);
		w->put_back |= o == PUT_BACK ? looks[i].kind : 0;
		w->lost |= o == LOST ? looks[i].kind : 0;
	}
	if (w->page->warn_of_strays && (w->lost & OX_STATE_CHILDREN) != 0)
		base.skip |= OX_STATE_CHILDREN;         /* told once: they are still there at the next look */
	base.turn++;
}

bool oxi_state_check(struct oxi_worker *w)
{
	w->put_back = w->fpu_changed ? OX_STATE_FPU : 0;
	w->lost = 0;
	look_around(w);
	/* a stray may be allowed to stay */
	w->spoiled = w->spoiled || (w->lost & ~(w->page->warn_of_strays ? OX_STATE_CHILDREN : 0u)) != 0;
	w->unchecked = 0;
	w->fpu_changed = false;
	w->checked_at = oxi_worker_now();
	return (w->put_back | w->lost) != 0;
}

void oxi_state_tell(struct oxi_worker *w)
{
	uint8_t data[OXI_WIRE_RECORD];
	struct oxi_body body;
	struct oxi_record r = {
		.index = w->suspect, .time = w->put_back, .job = w->lost,
		.flags = (uint16_t)((w->mixed ? OXI_RECORD_MIXED : 0) | (w->spoiled ? OXI_RECORD_SPOILED : 0)),
	};

	oxi_body_init(&body, data, sizeof data, 1);
	oxi_body_put(&body, &r, NULL);
	oxi_worker_send(w, &(struct oxi_header){ .type = OXI_LEFT, .count = 1, .length = body.len }, data);
}

bool oxi_state_after_job(struct oxi_worker *w, unsigned index, int64_t at)
{
	w->mixed = w->unchecked++ > 0 && (w->mixed || w->suspect != index);
	w->suspect = (uint16_t)index;
	if (OXI_UNLIKELY(fpu_control() != base.fpu) && (base.skip & OX_STATE_FPU) == 0) {
		set_fpu_control(base.fpu);
		w->fpu_changed = true;
	}
	return base.strict || at - w->checked_at >= CHECK_AFTER;
}

/* ---- the beginning ---- */

static int open_high(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, HIGH) : -1;

	if (high < 0)
		return fd;
	close(fd);
	return high;
}

int oxi_state_begin(const struct oxi_worker *w)
{
	struct status s = { .threads = 0 };
	struct stat st;

	base.strict = w->page->strict_state;
	base.skip = w->page->keep_state | (w->page->sandbox ? OX_STATE_CWD | OX_STATE_NICE : 0);
	for (unsigned i = 0; i < w->page->jobs; i++)
		if (w->page->job[i].role != OXI_ROLE_JOB)       /* what an actor has open or running is its state */
			base.skip |= OX_STATE_THREADS | OX_STATE_CHILDREN | OX_STATE_FILES;
	base.status_fd = open_high("/proc/self/status", O_RDONLY);
	base.timers_fd = open_high("/proc/self/timers", O_RDONLY);
	base.files_fd = open_high("/proc/self/fd", O_PATH | O_DIRECTORY);
	if (getcwd(base.cwd, sizeof base.cwd) == NULL || stat(".", &st) < 0) {
		base.skip |= OX_STATE_CWD;      /* it has been removed: there is nothing to come back to */
	} else {
		base.cwd_dev = st.st_dev;
		base.cwd_ino = st.st_ino;
	}
	base.locale = strdup(setlocale(LC_ALL, NULL));
	if (base.locale == NULL)
		return OX_ENOMEM;
	read_status(&s);
	base.umask = s.umask;
	base.threads = s.threads;
	base.blocked = s.blocked;
	base.ignored = s.ignored;
	base.caught = s.caught;
	for (int i = 1; i < NSIG; i++)
		if (((s.ignored | s.caught) >> (i - 1) & 1) != 0)
			sigaction(i, NULL, &base.action[i]);
	base.nice = getpriority(PRIO_PROCESS, 0);
	base.timers = read_timers(base.timer);
	base.files = count_files();
	base.fpu = fpu_control();
	base.begun = true;
	return 0;
}

struct oxi_census oxi_state_count(void)
{
	struct status s = { .threads = 0 };

	if (!base.begun || !read_status(&s))
		return (struct oxi_census){ .files = -1 };
	return (struct oxi_census){ s.threads, count_files() };
}

void oxi_state_add_own(const struct oxi_census *before)
{
	struct oxi_census now = oxi_state_count();

	if (before->files < 0 || now.files < 0)
		return;
	base.threads += now.threads - before->threads;
	base.files += now.files - before->files;
}
