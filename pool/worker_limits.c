/* SPDX-License-Identifier: MIT */
/*
 * What the pool asks of each worker process: its place among the CPUs and in their queues, which its threads inherit and
 * so comes first; and its resource limits, which come when it has all that it needs itself.
 */
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

#include "pool/worker.h"

static int be_nice(int by)
{
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, 0);
	if (errno != 0 || setpriority(PRIO_PROCESS, 0, nice + by) < 0)
		return -errno;
	return 0;
}

/* To the n-th of the CPUs that this process may use, counted around. */
static int pin(unsigned n)
{
	cpu_set_t may, one;

	if (sched_getaffinity(0, sizeof may, &may) < 0)
		return -errno;
	n %= (unsigned)CPU_COUNT(&may);
	CPU_ZERO(&one);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && n-- == 0)
			CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof one, &one) < 0 ? -errno : 0;
}

int oxi_worker_take_place(const struct oxi_worker *w)
{
	int r = w->page->nice != 0 ? be_nice(w->page->nice) : 0;

	if (r == 0 && w->page->pin)
		r = pin(w->heritage->slot % w->page->places);
	return r;
}

/* Never above the hard limit that there is: a limit is asked for, no more than that. */
static int limit(int resource, size_t most)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		return -errno;
	if (l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	return setrlimit(resource, &l) < 0 ? -errno : 0;
}

int oxi_worker_limit(const struct oxi_worker *w)
{
	int r = limit(RLIMIT_CORE, w->page->max_core);

	if (r == 0 && w->page->max_data > 0)
		r = limit(RLIMIT_DATA, w->page->max_data);
	if (r == 0 && w->page->max_files > 0)
		r = limit(RLIMIT_NOFILE, w->page->max_files);
	if (r == 0 && w->page->max_file_size > 0)
		r = limit(RLIMIT_FSIZE, w->page->max_file_size);
	return r;
}
