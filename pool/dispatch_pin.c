/* SPDX-License-Identifier: MIT */
/*
 * Pins: whose jobs can run in one worker only, because of something that lives there. A pin keeps its slot for life. In it
 * it is bound to one worker after the other:
 *
 *	not bound --a worker is ready in the slot--> bound to its generation --it dies: the owner is told--> not bound
 *
 * Only a bound pin's jobs are sent. Several of them may be on their way to the worker at once, which runs what it
 * is sent in order; what comes back from it, having not begun, goes to the head of the pin's queue. So order is kept without
 * waiting for one job's result before sending the next.
 */
#include "pool/dispatch_state.h"

void oxi_pin_enqueue(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end_of_queue where)
{
	struct oxi_pin *pin = job->extra->pin;

	if (oxi_list_empty(&pin->queue))
		oxi_list_append(&d->workers[pin->slot].hungry, &pin->hungry);
	oxi_list_insert(where == OXI_LAST && !job->extra->first ? pin->queue.prev : &pin->queue, &job->link);
	d->apart++;
	d->counts.queued++;
}

void oxi_pins_bind(struct oxi_dworker *w)
{
	OXI_LIST_EACH(e, &w->pins) {
		struct oxi_pin *pin = OXI_CONTAINER(e, struct oxi_pin, link);

		if (pin->generation == 0)
			pin->generation = w->generation;
	}
}

static struct oxi_pin *bound_to(const struct oxi_dworker *w, uint32_t generation)
{
	OXI_LIST_EACH(e, &w->pins) {
		struct oxi_pin *pin = OXI_CONTAINER(e, struct oxi_pin, link);

		if (pin->generation == generation)
			return pin;
	}
	return NULL;
}

void oxi_pins_lose(struct oxi_dispatch *d, struct oxi_dworker *w, uint32_t generation)
{
	struct oxi_pin *pin;

	while ((pin = bound_to(w, generation)) != NULL) {
		pin->generation = 0;
		d->ops->pin_lost(d->transport, pin);
	}
}

/* Is a better place than b? */
static bool is_better(const struct oxi_dispatch *d, const struct oxi_dworker *a, const struct oxi_dworker *b)
{
	if (b == NULL || a->pin_count != b->pin_count)
		return b == NULL || a->pin_count < b->pin_count;
	if (oxi_dworker_takes_jobs(d, a) != oxi_dworker_takes_jobs(d, b))
		return oxi_dworker_takes_jobs(d, a);
	return a->load < b->load;
}

static struct oxi_dworker *find_place(struct oxi_dispatch *d, bool dedicated, ox_time now)
{
	struct oxi_dworker *best = NULL, *more;

	for (unsigned i = 0; i < d->local; i++) {
		struct oxi_dworker *w = &d->workers[i];

		if (!oxi_dworker_is_empty(w) && !w->parting && !w->dedicated && (w->pin_count == 0 || !dedicated) && is_better(d, w, best))
			best = w;
	}
	more = best == NULL || best->pin_count > 0 ? oxi_dispatch_hire(d, now) : NULL;
	return more != NULL ? more : best;
}

int oxi_dispatch_pin(struct oxi_dispatch *d, struct oxi_pin *pin, bool dedicated, ox_time now)
{
	struct oxi_dworker *w = d->refuse == 0 ? find_place(d, dedicated, now) : NULL;

	if (w == NULL)
		return d->refuse < 0 ? d->refuse : OX_EBUSY;
	oxi_list_init(&pin->queue);
	oxi_list_init(&pin->hungry);
	oxi_list_append(&w->pins, &pin->link);
	pin->slot = oxi_dworker_slot(d, w);
	pin->generation = w->state == OXI_WORKER_READY && !w->killed && !w->stopped ? w->generation : 0;
	w->pin_count++;
	w->dedicated = dedicated;
	if (dedicated)
		oxi_affinity_give_up(d, w, OX_NEVER);
	oxi_dworker_set_accepting(d, w);
	return 0;
}

void oxi_dispatch_clear(struct oxi_dispatch *d, struct oxi_pin *pin, enum oxi_end how, int status, ox_time now)
{
	struct oxi_dworker *w = &d->workers[pin->slot];

	for (struct oxi_list *e = w->leases.prev, *before; e != &w->leases; e = before) {
		struct oxi_djob *job = oxi_djob_of(e);

		before = e->prev;
		if (oxi_djob_is_pinned(job) && job->extra->pin == pin && oxi_lease_take_back(d, job))
			oxi_djob_enqueue(d, job, OXI_FIRST, now);
	}
	while (!oxi_list_empty(&pin->queue)) {
		struct oxi_djob *job = oxi_djob_of(pin->queue.next);

		oxi_djob_dequeue(d, job);
		oxi_djob_end(d, job, how, status);
	}
}

void oxi_dispatch_unpin(struct oxi_dispatch *d, struct oxi_pin *pin, ox_time now)
{
	struct oxi_dworker *w = &d->workers[pin->slot];

	OXI_CHECK(oxi_list_empty(&pin->queue));
	oxi_list_remove(&pin->link);
	w->pin_count--;
	w->dedicated = false;
	w->progress_at = oxi_max_time(w->progress_at, now);     /* if it is one too many, it has been idle since now */
	oxi_dworker_set_accepting(d, w);
	oxi_dworker_retire_if_due(d, w, now);
}
