/* SPDX-License-Identifier: MIT */
/*
 * A snapshot's child. It was forked from the program itself, with threads and ZeroMQ in it, so it keeps its hands off all
 * that: it has no descriptor but 0, 1 and 2, default signals, and ends by _exit(). What the program had not written
 * yet to its standard output is the program's to write.
 *
 * It dies with the thread that forked it, which is the loop's: the loop waits for it, so that thread ends before it only
 * with the whole program.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "pool/snapshot.h"
#include "pool/worker.h"

size_t oxi_snapshot_head(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (sizeof(struct oxi_snapshot_page) + page - 1) / page * page;
}

static void bind_to_parent(const struct oxi_snapshot_order *o)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != o->parent)
		_exit(OXI_EXIT_PARENT);
	setpgid(0, 0);
	prctl(PR_SET_NAME, "oxbow-snapshot");
}

static void keep_descriptors(void)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing >= 0)
		dup2(nothing, 0);
	else
		close(0);
	close_range(3, ~0u, 0);
}

/* What counts against RLIMIT_DATA already, in bytes; 0: not known. */
static size_t data_size(void)
{
	char text[128];
	unsigned long pages;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "%*u %*u %*u %*u %*u %lu", &pages) == 1 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

/* The limits of a worker, by its own functions. */
static int set_limits(struct oxi_worker *w, struct oxi_pool_page *page, const ox_snapshot_options *o)
{
	page->nice = o->nice;
	page->max_core = o->max_core;
	page->max_data = o->max_data > 0 ? data_size() + o->max_data : 0;
	page->max_files = o->max_files;
	page->max_file_size = o->max_file_size;
	w->page = page;
	int r = oxi_worker_take_place(w);
	return r == 0 ? oxi_worker_limit(w) : r;
}

/*
 * Where the program ignores SIGCHLD nothing is left of a child that has ended, no pid to open a pidfd of. So it does not end before
 * the parent has that.
 */
static void await_watch(const struct oxi_snapshot_page *page)
{
	while (!atomic_load(&page->watched))
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

static _Noreturn void publish(struct oxi_snapshot_page *page, int status, const ox_reply *out)
{
	bool failed = status >= 0 && out->error != 0;

	page->status = failed ? out->error : status;
	page->limit = failed;
	page->len = failed ? 0 : out->len;
	atomic_store(&page->done, 1);
	fflush(stdout);
	_exit(OXI_EXIT_OK);
}

_Noreturn void oxi_snapshot_main(const struct oxi_snapshot_order *o)
{
	struct oxi_pool_page limits = { .epoch = 0 };
	struct oxi_worker w = { .alone = true, .slot = &o->page->slot };
	ox_reply out = {
		.magic = OXI_REPLY_MAGIC, .worker = &w, .lease = OXI_SNAPSHOT_LEASE, .data = o->room,
		.cap = o->options.max_result, .max = o->options.max_result, .deadline = OX_NEVER,
	};

	bind_to_parent(o);
	oxi_worker_reset_signals();
	keep_descriptors();
	__fpurge(stdout);
	__fpurge(stderr);
	oxi_worker_watch_crashes(w.slot);
	w.original = oxi_worker_original();
	await_watch(o->page);
	out.error = set_limits(&w, &limits, &o->options);
	if (out.error < 0)
		publish(o->page, 0, &out);
	int64_t begun = oxi_worker_now();
	if (o->options.timeout > 0 && o->options.timeout < OX_NEVER - begun)
		out.deadline = begun + o->options.timeout;
	int status = o->fn(o->arg, &out);
	if (!*w.original)
		_exit(OXI_EXIT_OK);     /* a child that the function forked came back */
	o->page->run_time = oxi_worker_now() - begun;
	publish(o->page, status, &out);
}
