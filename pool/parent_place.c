/* SPDX-License-Identifier: MIT */
/*
 * Admission: a job has a place in the pool from its submit to its end, of max_pending, and so do the bytes of its input. Who
 * finds none waits in turn.
 */
#include "pool/parent.h"

/* One that waits to be let in. The place is its own from the moment it is woken. */
struct submitter {
	struct oxi_wait wait;
	size_t len;
};

static bool has_room(const ox_pool *p, size_t len)
{
	return p->pending == 0 || (p->pending < p->options.max_pending &&
	                           p->pending_bytes + len <= p->options.max_pending_bytes);
}

void oxi_pool_hold(ox_pool *p)
{
	bool real = p->watch != NULL && (p->pending > 0 || p->closing);

	if (real != p->held)
		oxi_loop_hold(real ? 1 : -1);
	p->held = real;
}

void oxi_place_take(ox_pool *p, size_t len)
{
	p->pending++;
	p->pending_bytes += len;
}

void oxi_place_shrink(ox_pool *p, size_t len)
{
	p->pending_bytes -= len;
	while (!oxi_list_empty(&p->submitters)) {
		struct submitter *s = OXI_CONTAINER(p->submitters.next, struct submitter, wait.link);
		if (!has_room(p, s->len))
			break;
		oxi_place_take(p, s->len);
		oxi_list_remove(&s->wait.link);
		oxi_wake(&s->wait, 0);
	}
}

void oxi_place_leave(ox_pool *p, size_t len)
{
	p->pending--;
	oxi_place_shrink(p, len);
	for (struct oxi_list *e; p->pending == 0 && (e = oxi_list_shift(&p->drainers)) != NULL;)
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), 0);
	oxi_pool_hold(p);
}

static oxi_abort_answer give_up(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

bool oxi_place_try(ox_pool *p, size_t len)
{
	if (!oxi_list_empty(&p->submitters) || !has_room(p, len))
		return false;
	oxi_place_take(p, len);
	return true;
}

int oxi_place_await(ox_pool *p, size_t len)
{
	struct submitter s = { .len = len };

	if (oxi_place_try(p, len))
		return 0;
	oxi_wait_init(&s.wait, "submit", p, give_up);
	oxi_list_append(&p->submitters, &s.wait.link);
	return oxi_park(&s.wait);
}
