/* SPDX-License-Identifier: MIT */
/*
 * The pool as a whole: the turn, and closing.
 *
 * All descriptors of a pool (ZeroMQ's, the spawner's socket, a timer, the pipes of captured output) are in
 * one epoll instance of its own. A loop watches that one; attaching a pool to a loop and detaching it is one
 * call; and where no loop runs, closing polls it directly. The timer is a descriptor too, for a pool lives in
 * real time whatever clock the loop has.
 *
 * A turn handles what has come and lets the dispatcher send. ZeroMQ's descriptor tells of changes only, so a
 * turn in which the channel was used ends by asking for its state; what is left to do is done in the loop's next turn.
 *
 * Closing: refuse and fail jobs, tell workers to end -> after a second kill -> all seats empty -> tell the
 * spawner -> its end of the socket closes: nothing is left -> free, but for what results and blobs still lie
 * in.
 */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/parent_inside.h"
#include "pool/remote.h"
#include "pool/saved.h"

#define GRACE OX_SEC(1)                 /* for workers that are told to end */

ox_time oxi_pool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return OX_SEC(t.tv_sec) + t.tv_nsec;
}

/* ---- events ---- */

int oxi_pool_listen(ox_pool *p, int fd, enum oxi_event what, unsigned slot)
{
	/* a ring of the bell is an edge: nobody has to read it */
	struct epoll_event e = { .events = EPOLLIN | (what == OXI_EVENT_BELL ? EPOLLET : 0u), .data.u64 = (uint64_t)what << 32 | slot };

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void oxi_pool_unlisten(const ox_pool *p, int *fd)
{
	if (*fd < 0)
		return;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

void oxi_pool_set_timer(ox_pool *p)
{
	ox_time at = p->timer_at < p->checkup_at ? p->timer_at : p->checkup_at;

	if (p->calm_at < at)
		at = p->calm_at;
	if (p->closing && p->kill_at < at)
		at = p->kill_at;
	if (p->remote != NULL && oxi_remote_next(p) < at)
		at = oxi_remote_next(p);
	if (at >= p->timer_set)
		return;                 /* it is looked at then; most are put off before, as jobs end */
	ox_time t = at == OX_NEVER ? 0 : at > 0 ? at : 1;
	struct itimerspec spec = { .it_value = { t / OX_SEC(1), t % OX_SEC(1) } };
	timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &spec, NULL);
	p->timer_set = at;
}

static void kill_all(ox_pool *p)
{
	for (unsigned i = 0; i < p->seat_count; i++)
		if (p->seats[i].state != OXI_SEAT_EMPTY)
			oxi_seat_kill(&p->seats[i]);
	if (p->remote != NULL)
		oxi_remote_kill(p);
}

static void on_timer(ox_pool *p)
{
	ox_time now = oxi_pool_now();
	uint64_t times;

	if (read(p->timer, &times, sizeof times) != (ssize_t)sizeof times)
		return;
	p->timer_set = OX_NEVER;
	for (unsigned i = 0; i < p->seat_count; i++)
		if (p->seats[i].state == OXI_SEAT_READY)
			oxi_transport_harvest(p, &p->seats[i], false);
	if (now >= p->timer_at) {
		p->timer_at = OX_NEVER;
		oxi_dispatch_tick(p->dispatch, now);
	}
	if (now >= p->checkup_at)
		oxi_checkup(p, now);
	if (now >= p->calm_at)
		oxi_memory_calm(p, now);
	if (p->closing && now >= p->kill_at) {
		p->kill_at = OX_NEVER;
		p->killed = true;
		kill_all(p);
	}
}

static void on_event(ox_pool *p, enum oxi_event what, struct oxi_seat *s)
{
	static const struct rusage none;
	int signal_number;

	switch (what) {
	case OXI_EVENT_TIMER:
		on_timer(p);
		break;
	case OXI_EVENT_OUTPUT:
		oxi_output_read(p, s);
		break;
	case OXI_EVENT_DEATH:
		signal_number = atomic_load(&s->shared->signal);        /* the spawner would have known */
		if (s->state != OXI_SEAT_EMPTY)
			oxi_seat_died(p, s, signal_number > 0 && signal_number < NSIG ? signal_number : SIGKILL, &none);
		break;
	case OXI_EVENT_CHANNEL:
		oxi_channel_stir(p->channel);
		break;
	case OXI_EVENT_BELL:
		p->rung = true;
		break;
	case OXI_EVENT_SPAWNER:
		break;                  /* looked at in every turn */
	}
}

static void advance_close(ox_pool *p)
{
	if (!p->closing)
		return;
	if (!p->shut && oxi_seats_empty(p) && oxi_remote_empty(p)) {
		p->shut = true;
		if (p->spawner >= 0)
			shutdown(p->spawner, SHUT_WR);
	}
	if (p->shut && p->spawner < 0 && p->pending == 0 && !oxi_list_empty(&p->closer))
		oxi_wake(OXI_CONTAINER(oxi_list_shift(&p->closer), struct oxi_wait, link), 0);
}

/* ZeroMQ's descriptor is silent about what is still there: then this turn has a sequel. */
void oxi_pool_settle(ox_pool *p)
{
	oxi_transport_pump(p);
	if (p->remote != NULL)
		oxi_remote_turn(p);
	oxi_calls_collect(p);
	if (p->awaiting > 0)
		oxi_nested_try(p);
	oxi_after_settle(p);
	oxi_dispatch_flush(p->dispatch, oxi_pool_now());
	bool more = p->remote != NULL && oxi_remote_settle(p);
	if (p->rung || more || (oxi_channel_stirred(p->channel) && oxi_channel_pending(p->channel))) {
		if (p->loop != NULL)
			oxi_hook_arm(&p->flush);
		else
			p->timer_at = oxi_pool_now();
	}
	if (!oxi_list_empty(&p->retired))
		oxi_shared_sweep(p);
	advance_close(p);
	oxi_checkup_plan(p);
	oxi_pool_set_timer(p);
}

void oxi_pool_turn(ox_pool *p)
{
	struct epoll_event events[16];
	int n = epoll_wait(p->epoll, events, 16, 0);

	oxi_transport_reports(p);
	for (int i = 0; i < n; i++)
		on_event(p, (enum oxi_event)(events[i].data.u64 >> 32), &p->seats[(uint32_t)events[i].data.u64]);
	oxi_pool_settle(p);
}

/* ---- the loop that it belongs to ---- */

static void on_ready(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	oxi_pool_turn(arg);
}

static void on_flush(struct oxi_hook *h)
{
	oxi_pool_settle(OXI_CONTAINER(h, ox_pool, flush));
}

static void detach(ox_pool *p)
{
	if (p->held)
		oxi_loop_hold(-1);
	p->held = false;
	oxi_hook_disarm(&p->flush);
	oxi_hook_disarm(&p->at_end);
	oxi_watch_free(p->watch);
	p->watch = NULL;
	p->loop = NULL;
}

static void on_loop_end(struct oxi_hook *h)
{
	detach(OXI_CONTAINER(h, ox_pool, at_end));
}

void oxi_pool_init_hooks(ox_pool *p)
{
	oxi_hook_init(&p->flush, on_flush);
	oxi_hook_init(&p->at_end, on_loop_end);
}

int oxi_pool_attach(ox_pool *p)
{
	if (OXI_LIKELY(p->loop != NULL))
		return p->loop == ox_loop_self() ? 0 : OX_ESTATE;
	p->watch = oxi_watch_new(p->epoll, on_ready, p);
	if (p->watch == NULL)
		return OX_ENOMEM;
	int r = oxi_watch_set(p->watch, OX_READABLE);
	if (r < 0) {
		oxi_watch_free(p->watch);
		p->watch = NULL;
		return r;
	}
	p->loop = ox_loop_self();
	oxi_hook_at_end(&p->at_end);
	oxi_hook_arm(&p->flush);        /* what came while no loop ran */
	return 0;
}

/* ---- closing ---- */

static oxi_abort_answer wait_on(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;               /* it is ending as fast as it can */
}

static oxi_abort_answer leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

int ox_pool_drain(ox_pool *p)
{
	struct oxi_wait w;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if (p->pending == 0)
		return 0;
	p->draining++;
	oxi_wait_init(&w, "drain", p, leave);
	oxi_list_append(&p->drainers, &w.link);
	r = oxi_park(&w);
	p->draining--;
	return r;
}

static void begin_close(ox_pool *p)
{
	struct oxi_list *e;

	p->closing = true;
	p->kill_at = oxi_pool_now() + GRACE;
	while ((e = oxi_list_shift(&p->submitters)) != NULL)
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), OX_ECLOSED);
	oxi_after_close(p);
	oxi_dispatch_close(p->dispatch, oxi_pool_now());
}

/* In a coroutine: parks. */
static void await_end(ox_pool *p)
{
	struct oxi_wait w;

	oxi_hook_arm(&p->flush);
	oxi_wait_init(&w, "pool close", p, wait_on);
	oxi_list_append(&p->closer, &w.link);
	oxi_park(&w);
}

static void block_until_end(ox_pool *p)
{
	struct epoll_event e;

	oxi_pool_settle(p);
	while (!p->shut || p->spawner >= 0) {
		epoll_wait(p->epoll, &e, 1, -1);
		oxi_pool_turn(p);
	}
}

int ox_pool_close(ox_pool *p)
{
	if (p == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	bool parks = oxi_checkpoint() != OX_ESTATE && oxi_pool_attach(p) == 0;
	begin_close(p);
	if (parks)
		await_end(p);
	else
		block_until_end(p);
	if (p->loop != NULL)
		detach(p);
	oxi_actors_leave(p);
	oxi_pool_dismantle(p);
	oxi_pool_unref(p);
	return 0;
}
