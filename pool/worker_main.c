/* SPDX-License-Identifier: MIT */
/*
 * A worker from the fork to its first job. It keeps nothing of the program but code, constants and memory as
 * it was when the spawner was forked: signals are reset, descriptors closed, the arena is read-only but for
 * its own slot and its own result zone. It runs worker_init, and says in its slot that it is ready. Nobody else can write
 * there, so that is all the proof of who it is; the channel, which has another, opens later (worker_channel.c).
 *
 * It ends in four ways: the parent says that no more comes, worker_fini runs and it exits with 0; the parent's end of the
 * channel is gone; worker_init fails, which it says in its slot; or it dies. It is dead with the spawner in
 * any case.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pool/worker.h"

static void bind_to_spawner(const struct oxi_heritage *h)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != h->spawner)
		_exit(OXI_EXIT_PARENT);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setpgid(0, 0);
	prctl(PR_SET_NAME, "oxbow-worker");
}

/*
 * Asks for longer turns on a CPU than the main process has (2.8 ms unless it was changed): then the scheduler
 * lets main, when it wakes, go first (EEVDF, Linux 6.12; older kernels ignore the number). sched_setattr(2)
 * has no wrapper in the C library.
 */
static void yield_to_main(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { .size = sizeof a };

	if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) < 0 || a.policy != SCHED_OTHER)
		return;
	a.runtime = OX_MS(20);
	syscall(SYS_sched_setattr, 0, &a, 0);
}

void oxi_worker_reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Leaves 0, 1, 2 and the two bells, which lie from the floor on. */
static void keep_descriptors(struct oxi_heritage *h)
{
	if (h->output >= 0) {
		dup2(h->output, 1);
		dup2(h->errors, 2);
	}
	h->ring = fcntl(h->ring, F_DUPFD_CLOEXEC, h->floor + 1);
	h->bell = fcntl(h->bell, F_DUPFD_CLOEXEC, h->ring + 1);
	if (h->ring < 0 || h->bell < 0)
		_exit(OXI_EXIT_PARENT);
	close_range(3, (unsigned)h->ring - 1, 0);
	close_range((unsigned)h->ring + 1, (unsigned)h->bell - 1, 0);
	close_range((unsigned)h->bell + 1, ~0u, 0);
}

static void allow_own_memory(struct oxi_worker *w)
{
	struct oxi_arena a = w->heritage->arena;
	size_t own = (size_t)((uint8_t *)w->slot - a.base);

	if (oxi_arena_allow(&a, own, oxi_control_slot()) < 0 ||
	    oxi_arena_allow(&a, oxi_arena_zone(&a, 1 + w->heritage->slot), a.zone_size) < 0)
		_exit(OXI_EXIT_PARENT);
}

/* A page that a fork wipes: how a child that a job forked off, and let return, is known. */
const uint8_t *oxi_worker_original(void)
{
	uint8_t *page = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED || madvise(page, 1, MADV_WIPEONFORK) < 0)
		_exit(OXI_EXIT_PARENT);
	*page = 1;
	return page;
}

static _Noreturn void refuse(struct oxi_worker *w, int status)
{
	atomic_store(&w->slot->init_status, status);
	_exit(OXI_EXIT_INIT);
}

/* Limits and the sandbox forbid what the channel needs to be opened. */
static bool must_open_now(const struct oxi_pool_page *page)
{
	return page->sandbox || page->max_files > 0 || page->max_data > 0;
}

/* As /proc has it, which is the main process's also where our PID namespace is not. 0: not known. */
static pid_t pid_outside(void)
{
	char pid[16] = "";

	return readlink("/proc/self", pid, sizeof pid - 1) > 0 ? (pid_t)atoi(pid) : 0;
}

static void initialise(struct oxi_worker *w)
{
	if (w->page->pid_namespace)
		atomic_store_explicit(&w->slot->pid, pid_outside(), memory_order_relaxed);
	if (must_open_now(w->page))
		oxi_worker_open_channel(w);
	int r = oxi_worker_limit(w);

	if (r == 0 && w->page->worker_init != NULL)
		r = w->page->worker_init(w->page->worker_arg);
	if (r == 0)
		r = oxi_state_begin(w);
	if (r == 0 && w->page->sandbox)
		r = oxi_sandbox_enter();
	if (r < 0)
		refuse(w, r);
	atomic_store_explicit(&w->slot->ready, 1, memory_order_release);
	oxi_worker_ring(w);
}

_Noreturn void oxi_worker_main(struct oxi_heritage *h)
{
	struct oxi_worker w = { .heritage = h, .page = oxi_pool_page(&h->arena), .slot = oxi_pool_slot(&h->arena, h->slot) };

	bind_to_spawner(h);
	oxi_worker_reset_signals();
	keep_descriptors(h);
	int r = oxi_worker_take_place(&w);
	if (r < 0)
		refuse(&w, r);
	yield_to_main();
	allow_own_memory(&w);
	w.original = oxi_worker_original();
	oxi_list_init(&w.mail);
	oxi_list_init(&w.objects);
	oxi_worker_watch_crashes(w.slot);
	oxi_worker_know_ring(&w);
	initialise(&w);
	oxi_worker_loop(&w);
	oxi_worker_end_objects(&w);
	if (w.page->worker_fini != NULL)
		w.page->worker_fini(w.page->worker_arg);
	fflush(stdout);
	_exit(OXI_EXIT_OK);
}
