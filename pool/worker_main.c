/* SPDX-License-Identifier: MIT */
/*
 * A worker from the fork to its first job. It keeps nothing of the program but code, constants and memory as
 * it was when the spawner was forked: signals are reset, descriptors closed, the arena is read-only but for
 * its own slot and its own result zone. Then it takes the parent's connection, says HELLO with the secret that the parent
 * chose for it, runs worker_init, and says CREDIT.
 *
 * It ends in four ways: the parent says DRAIN, worker_fini runs and it exits with 0; the parent's end of the
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

/* The parent that has us started answers at once: if it does not, it does not want us. */
#define WELCOME_MS 10000

#define KEPT 3                          /* descriptors of the heritage's */

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

/* Leaves 0, 1, 2, three from the floor on (the bells, the listener), and below them what occupies these numbers. */
static void keep_descriptors(struct oxi_heritage *h)
{
	int *const kept[KEPT] = { &h->bell, &h->ring, &h->listener };

	if (h->output >= 0) {
		dup2(h->output, 1);
		dup2(h->errors, 2);
	}
	for (int i = 0; i < KEPT; i++)  /* out of each other's way first */
		*kept[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, h->floor + KEPT);
	for (int i = 0; i < KEPT; i++)
		if ((*kept[i] = dup3(*kept[i], h->floor + i, O_CLOEXEC)) < 0)
			_exit(OXI_EXIT_PARENT);
	close_range((unsigned)h->floor + KEPT, ~0u, 0);
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

static void say_hello(struct oxi_worker *w)
{
	uint8_t data[OXI_WIRE_RECORD + OXI_SECRET];
	struct oxi_record r = { .index = (uint16_t)w->heritage->slot, .length = OXI_SECRET };
	struct oxi_body body;

	oxi_body_init(&body, data, sizeof data, 1);
	oxi_body_put(&body, &r, w->heritage->secret);
	oxi_worker_send(w, &(struct oxi_header){ .type = OXI_HELLO, .count = 1, .length = body.len }, data);
}

/* Waits for WELCOME; whatever else comes first, or nothing, means that we are not wanted. */
static void await_welcome(struct oxi_worker *w)
{
	if (!oxi_worker_receive(w, WELCOME_MS))
		_exit(OXI_EXIT_PARENT);
	struct oxi_mail *m = OXI_CONTAINER(oxi_list_shift(&w->mail), struct oxi_mail, link);
	bool welcome = m->header.type == OXI_WELCOME;
	free(m);
	if (!welcome)
		_exit(OXI_EXIT_PARENT);
}

static _Noreturn void refuse(struct oxi_worker *w, int status)
{
	atomic_store(&w->slot->init_status, status);
	_exit(OXI_EXIT_INIT);
}

static void initialise(struct oxi_worker *w)
{
	int r = oxi_worker_limit(w);

	if (r == 0 && w->page->worker_init != NULL)
		r = w->page->worker_init(w->page->worker_arg);
	if (r == 0)
		r = oxi_state_begin(w);
	if (r == 0 && w->page->sandbox)
		r = oxi_sandbox_enter();
	if (r < 0)
		refuse(w, r);
	oxi_worker_send(w, &(struct oxi_header){ .type = OXI_CREDIT }, NULL);
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
	if (oxi_channel_new_worker(h->channel, h->listener, w.page->parent, &w.channel) < 0)
		_exit(OXI_EXIT_PARENT);
	close_range(3, (unsigned)h->floor - 1, 0);
	say_hello(&w);
	await_welcome(&w);
	initialise(&w);
	oxi_worker_loop(&w);
	oxi_worker_end_objects(&w);
	if (w.page->worker_fini != NULL)
		w.page->worker_fini(w.page->worker_arg);
	fflush(stdout);
	_exit(OXI_EXIT_OK);
}
