/* SPDX-License-Identifier: MIT */
/*
 * The short way between main and a worker of this machine: messages lie in the slot, which both have mapped, and a bell says
 * so. A bell is an eventfd and a flag beside it; nobody rings who sees that the other one is awake, and will look.
 *
 *	ready      said once, when worker_init is over
 *	JOBS       body put in an inbox, its seq last    "asleep" exchanged for 0 ── it was 1: bell ──> the worker's poll()
 *	RESULTS    outbox complete, its sent last        "rung" exchanged for 1 ─── it was 0: ring ──> the pool's epoll
 *	drain      set when nothing comes any more
 *
 * It saves two threads of ZeroMQ's that hand each message on, with a wake-up each: a call of an empty job takes a third of
 * the time; and a worker that needs no channel starts in a fifth of the time. All else goes through the channel, and so do these two where they do not fit (a body that is too long, no free
 * inbox) and where the order says so:
 *
 *	- Jobs run in the order in which they were sent. An inbox says how many JOBS messages were sent through the channel
 *	  before it, and the worker looks into an inbox before it takes the next message.
 *	- A worker that has sent something else through the channel since its last RESULTS, as a line for the log, lets these
 *	  follow it there.
 *	- Results are numbered: one that was rung for waits here for the one before it, which may be in the channel.
 *
 * What a worker says in its slot is as little believed as what it sends. A bell is looked at once a turn; the worker's
 * own flag only says whose slot to look into.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "pool/parent.h"

static int make_bell(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* ---- making ---- */

int oxi_bell_open(ox_pool *p)
{
	p->bell = make_bell();
	if (p->bell < 0)
		return -errno;
	return oxi_pool_listen(p, p->bell, OXI_EVENT_BELL, 0);
}

int oxi_bell_ready(struct oxi_seat *s)
{
	if (s->bell < 0)
		s->bell = make_bell();
	return s->bell < 0 ? -errno : 0;
}

void oxi_bell_reset(struct oxi_seat *s)
{
	struct oxi_slot *slot = s->shared;
	_Atomic uint32_t *const all[] = {
		&slot->asleep, &slot->rung, &slot->taken, &slot->ready, &slot->listening, &slot->summoned, &slot->drain,
	};

	s->posted = s->by_channel = 0;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		atomic_store(all[i], 0);
	for (unsigned i = 0; i < OXI_INBOXES; i++)
		atomic_store(&s->shared->inbox[i].seq, 0);
}

void oxi_bell_close(ox_pool *p)
{
	for (unsigned i = 0; p->seats != NULL && i < p->seat_count; i++)
		if (p->seats[i].bell >= 0)
			close(p->seats[i].bell);
	oxi_pool_unlisten(p, &p->bell);
}

/* ---- jobs ---- */

static void ring(struct oxi_seat *s)
{
	const uint64_t once = 1;

	if (atomic_exchange(&s->shared->asleep, 0) != 0 && write(s->bell, &once, sizeof once) < 0)
		return;                 /* full: it is rung already */
}

uint8_t *oxi_bell_inbox(struct oxi_seat *s, size_t len)
{
	uint32_t taken = atomic_load_explicit(&s->shared->taken, memory_order_acquire);

	if (len > OXI_INBOX || s->posted - taken >= OXI_INBOXES)
		return NULL;
	return s->shared->inbox_body[(s->posted + 1) % OXI_INBOXES];
}

void oxi_bell_post(struct oxi_seat *s, uint32_t count, size_t len)
{
	struct oxi_inbox *b = &s->shared->inbox[++s->posted % OXI_INBOXES];

	b->before = s->by_channel;
	b->count = count;
	b->len = (uint32_t)len;
	atomic_store(&b->seq, s->posted);
	ring(s);
}

void oxi_bell_summon(struct oxi_seat *s)
{
	atomic_store(&s->shared->summoned, 1);
	ring(s);
}

void oxi_bell_drain(struct oxi_seat *s)
{
	atomic_store(&s->shared->drain, s->by_channel + 1);
	ring(s);
}

/* ---- results ---- */

uint32_t oxi_bell_take(ox_pool *p, struct oxi_seat *s)
{
	uint32_t records = 0;

	for (unsigned i = 0; i < OXI_OUTBOXES && s->state == OXI_SEAT_READY; i++) {
		struct oxi_outbox *o = &s->shared->outbox[(s->received + 1) % OXI_OUTBOXES];
		if (atomic_load_explicit(&o->sent, memory_order_acquire) != s->received + 1)
			break;
		uint32_t count = atomic_load_explicit(&o->count, memory_order_relaxed);
		uint32_t len = atomic_load_explicit(&o->len, memory_order_relaxed);
		oxi_transport_received(p, s, o->body, len < OXI_OUTBOX ? len : OXI_OUTBOX, count);
		records += count;
	}
	return records;
}

void oxi_bell_answer(ox_pool *p, uint32_t budget)
{
	uint32_t records = 0;
	unsigned i = 0;

	for (p->rung = false; i < p->seat_count && records < budget; i++) {
		struct oxi_seat *s = &p->seats[(p->bell_next + i) % p->seat_count];
		if (atomic_load_explicit(&s->shared->rung, memory_order_relaxed) != 0 && atomic_exchange(&s->shared->rung, 0) != 0) {
			oxi_seat_look(p, s);
			records += oxi_bell_take(p, s);
		}
	}
	p->rung = i < p->seat_count;
	p->bell_next = (p->bell_next + i) % p->seat_count;
}
