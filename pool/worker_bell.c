/* SPDX-License-Identifier: MIT */
/* The worker's side of the bells (pool/parent_bell.c): jobs are worked off where they lie, and results are left where they are. */
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/worker.h"

void oxi_worker_know_ring(struct oxi_worker *w)
{
	struct stat st;

	if (fstat(w->heritage->ring, &st) < 0)
		_exit(OXI_EXIT_PARENT);
	w->ring_ino = st.st_ino;
}

bool oxi_worker_inbox(const struct oxi_worker *w, struct oxi_mail *ret)
{
	uint32_t next = w->taken + 1;
	const struct oxi_inbox *b = &w->slot->inbox[next % OXI_INBOXES];

	if (atomic_load_explicit(&b->seq, memory_order_acquire) != next || b->before != w->by_channel)
		return false;
	ret->header = (struct oxi_header){ .type = OXI_JOBS, .count = b->count, .length = b->len };
	ret->body = w->slot->inbox_body[next % OXI_INBOXES];
	return true;
}

void oxi_worker_inbox_done(struct oxi_worker *w)
{
	atomic_store_explicit(&w->slot->taken, ++w->taken, memory_order_release);
}

bool oxi_worker_summoned(const struct oxi_worker *w)
{
	return w->channel == NULL && atomic_load_explicit(&w->slot->summoned, memory_order_relaxed) != 0;
}

bool oxi_worker_is_drained(const struct oxi_worker *w)
{
	return atomic_load_explicit(&w->slot->drain, memory_order_acquire) == w->by_channel + 1;
}

static int wait_for_bell(const struct oxi_worker *w, int timeout_ms)
{
	return poll(&(struct pollfd){ .fd = w->heritage->bell, .events = POLLIN }, 1, timeout_ms) == 0 ? 0 : 2;
}

bool oxi_worker_sleep(struct oxi_worker *w, int timeout_ms)
{
	struct oxi_mail next;
	uint64_t rung;
	int r = 2;

	atomic_exchange(&w->slot->asleep, 1);   /* before the look: what is posted after it rings */
	if (!oxi_worker_inbox(w, &next) && !oxi_worker_summoned(w) && !oxi_worker_is_drained(w))
		r = w->channel == NULL ? wait_for_bell(w, timeout_ms) : oxi_channel_wait(w->channel, w->heritage->bell, timeout_ms);
	atomic_store_explicit(&w->slot->asleep, 0, memory_order_relaxed);
	if (r < 0)
		_exit(OXI_EXIT_PARENT);
	if (r == 2 && read(w->heritage->bell, &rung, sizeof rung) < 0)
		return true;            /* it had not been rung */
	return r == 2 || (r == 1 && oxi_worker_receive(w, 0));
}

void oxi_worker_ring(const struct oxi_worker *w)
{
	const uint64_t once = 1;

	if (atomic_exchange(&w->slot->rung, 1) == 0 && write(w->heritage->ring, &once, sizeof once) < 0 && errno != EAGAIN)
		_exit(OXI_EXIT_CLOSED);
}

bool oxi_worker_leave_results(struct oxi_worker *w)
{
	if (w->spoke)
		return false;
	atomic_store_explicit(&w->outbox->sent, w->seq, memory_order_release);
	oxi_worker_ring(w);
	return true;
}

bool oxi_worker_intact(const struct oxi_worker *w)
{
	struct stat st;

	if (w->spoke)
		return oxi_channel_intact(w->channel);
	return fstat(w->heritage->ring, &st) == 0 && st.st_ino == w->ring_ino;
}
