/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher's books: what a kind of job costs, which jobs wait, and who owes which. Nothing is decided here.
 *
 * A lease's number is never used twice: the slot is in its upper bits, a counter in the lower ones. Cell lease % OXI_CLAIMS
 * finds the job, here and in the worker's slot, so a number whose cell is still taken is left out.
 */
#include "pool/dispatch_state.h"

/* ---- estimates ---- */

void oxi_dkind_set_cost(const struct oxi_dispatch *d, struct oxi_dkind *k)
{
	ox_time cost = d->o.batch / d->o.max_batch;     /* so that max_batch jobs fill a message */

	if (k->samples == 0 || d->o.one_at_a_time || k->estimate >= d->o.batch) {
		k->cost = (uint32_t)oxi_dispatch_budget(d);
		return;
	}
	cost = oxi_max_time(cost, oxi_dispatch_budget(d) / k->samples);  /* no more than there are results to judge by */
	k->cost = (uint32_t)oxi_max_time(oxi_max_time(cost, k->estimate), 1);
}

void oxi_dkind_learn(const struct oxi_dispatch *d, uint16_t index, ox_time run_time)
{
	struct oxi_dkind *k = &d->kinds[index];

	k->estimate = k->samples == 0 ? run_time : k->estimate + (run_time - k->estimate) / 8;
	if (k->samples < 4 * OXI_CLAIMS)
		k->samples++;
	oxi_dkind_set_cost(d, k);
}

/* ---- the ends of jobs ---- */

void oxi_djob_end(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status)
{
	job->state = OXI_ENDED;
	oxi_djob_drop_key(d, job);
	if (how == OXI_END_CANCEL)
		d->counts.ended_cancelled++;
	else if (how == OXI_END_RESULT && status >= 0)
		d->counts.ended_ok++;
	else
		d->counts.ended_failed++;
	d->ops->end(d->transport, job, how, status);
}

/* ---- queues ---- */

void oxi_dqueue_init(struct oxi_dqueue *q)
{
	q->levels = q->count = 0;
	for (unsigned level = 0; level < OXI_LEVELS; level++)
		oxi_list_init(&q->level[level]);
}

static unsigned level_of(const struct oxi_djob *job)
{
	return (unsigned)(job->priority + OXI_PRIORITY_MAX);
}

static void put(struct oxi_dispatch *d, struct oxi_dqueue *q, struct oxi_djob *job, enum oxi_end_of_queue where)
{
	struct oxi_list *level = &q->level[level_of(job)];

	oxi_list_insert(where == OXI_LAST ? level->prev : level, &job->link);
	q->levels |= 1u << level_of(job);
	q->count++;
	d->counts.queued++;
}

void oxi_djob_enqueue(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end_of_queue where, ox_time now)
{
	job->state = OXI_QUEUED;
	if (where == OXI_LAST)
		job->at = now;
	if (job->extra != NULL)
		job->extra->anywhere = where == OXI_FIRST;
	if (oxi_djob_is_pinned(job))
		oxi_pin_enqueue(d, job, where);
	else
		put(d, &d->queue, job, where);
}

void oxi_djob_block(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dkey *key = job->extra->key;

	job->state = OXI_BLOCKED;
	if (key->blocked.count == 0)
		oxi_list_append(&d->blocked, &key->link);
	put(d, &key->blocked, job, OXI_LAST);
}

/*
 * The job that is first in its queue and has waited longest, where each priority above the others counts as
 * d->o.ageing of waiting. So nothing starves, and all that is looked at is one job a priority.
 */
struct oxi_djob *oxi_dqueue_next(const struct oxi_dispatch *d, const struct oxi_dqueue *q)
{
	struct oxi_djob *best = NULL;
	ox_time best_key = OX_NEVER;

	for (unsigned left = q->levels; left != 0;) {
		unsigned level = 31u - (unsigned)__builtin_clz(left);
		struct oxi_djob *job = oxi_djob_of(q->level[level].next);
		ox_time key = oxi_djob_turn(d, job);

		left ^= 1u << level;
		if (best == NULL && left == 0)
			return job;
		if (key < best_key) {
			best = job;
			best_key = key;
		}
	}
	return best;
}

/* In a queue of one worker: it has just left that one. */
static bool was_apart(struct oxi_dextra *x)
{
	bool apart = x->pin != NULL || x->until > 0;

	if (x->pin != NULL && oxi_list_empty(&x->pin->queue))
		oxi_list_remove(&x->pin->hungry);
	x->until = 0;
	return apart;
}

void oxi_djob_dequeue(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dqueue *q = job->state == OXI_BLOCKED ? &job->extra->key->blocked : &d->queue;

	oxi_list_remove(&job->link);
	d->counts.queued--;
	if (job->state == OXI_DELAYED) {
		d->delayed_count--;
		return;
	}
	if (job->extra != NULL && was_apart(job->extra)) {
		d->apart--;
		return;
	}
	if (oxi_list_empty(&q->level[level_of(job)]))
		q->levels ^= 1u << level_of(job);
	if (--q->count == 0 && job->state == OXI_BLOCKED)
		oxi_list_remove(&job->extra->key->link);
}

/* Its owner hears of it when the messages are sent; until then it counts as queued. */
void oxi_dispatch_set_late(struct oxi_dispatch *d, struct oxi_djob *job)
{
	oxi_djob_dequeue(d, job);
	job->state = OXI_ENDED;
	oxi_list_append(&d->late, &job->link);
	d->counts.queued++;
}

void oxi_dispatch_end_late(struct oxi_dispatch *d)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(&d->late)) != NULL) {
		d->counts.queued--;
		oxi_djob_end(d, oxi_djob_of(e), OXI_END_CANCEL, OX_ECANCELED);
	}
}

static void end_queue(struct oxi_dispatch *d, struct oxi_list *queue)
{
	while (!oxi_list_empty(queue)) {
		struct oxi_djob *job = oxi_djob_of(queue->next);

		oxi_djob_dequeue(d, job);
		oxi_djob_end(d, job, OXI_END_LIMIT, d->refuse);
	}
}

void oxi_dispatch_refuse_all(struct oxi_dispatch *d, int status)
{
	d->refuse = status;
	oxi_dispatch_end_late(d);
	for (unsigned level = OXI_LEVELS; level-- > 0;)
		end_queue(d, &d->queue.level[level]);
	while (!oxi_list_empty(&d->blocked)) {
		struct oxi_djob *job = oxi_dqueue_next(d, &OXI_CONTAINER(d->blocked.next, struct oxi_dkey, link)->blocked);

		oxi_djob_dequeue(d, job);
		oxi_djob_end(d, job, OXI_END_LIMIT, status);
	}
	for (unsigned slot = 0; slot < OXI_DELAY_SLOTS; slot++)
		end_queue(d, &d->delayed[slot]);
	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[i];

		while (!oxi_list_empty(&w->hungry))
			end_queue(d, &OXI_CONTAINER(w->hungry.next, struct oxi_pin, hungry)->queue);
		end_queue(d, &w->fond);
	}
}

/* ---- leases ---- */

/* To be called when anything has changed that it depends on. */
void oxi_dworker_set_accepting(struct oxi_dispatch *d, struct oxi_dworker *w)
{
	bool accepting = oxi_dworker_has_room(d, w) && !w->dedicated;

	if (accepting == w->accepting)
		return;
	w->accepting = accepting;
	d->accepting += accepting ? 1 : -1u;
}

void oxi_lease_take(struct oxi_dispatch *d, struct oxi_dworker *w, struct oxi_djob *job, ox_time now)
{
	struct oxi_dcell *c;

	do
		c = oxi_lease_cell(w, ++w->counter);
	while (c->lease != 0);
	*c = (struct oxi_dcell){
		.lease = (uint64_t)oxi_dworker_slot(d, w) << OXI_LEASE_BITS | w->counter, .job = job, .cost = d->kinds[job->index].cost,
	};
	oxi_djob_hold(job);
	if (job->extra != NULL && job->extra->affinity != 0)
		oxi_affinity_note(d, job, w);
	job->state = OXI_LEASED;
	job->lease = c->lease;
	job->slot = oxi_dworker_slot(d, w);
	oxi_list_append(&w->leases, &job->link);
	d->counts.leased++;
	if (w->outstanding++ == 0)
		w->progress_at = now;
	w->load += c->cost;
	w->settled = false;
	if (job->timeout > 0) {
		w->shortest = w->shortest == 0 ? job->timeout : oxi_min_time(w->shortest, job->timeout);
		w->check_at = oxi_min_time(w->check_at, now + job->timeout);
	}
}

void oxi_lease_free_cell(struct oxi_dispatch *d, struct oxi_dworker *w, struct oxi_dcell *c)
{
	struct oxi_dkey *key = c->key;

	w->load -= c->cost;
	w->outstanding--;
	*c = (struct oxi_dcell){ .lease = 0 };
	if (key != NULL)
		oxi_dkey_leave(d, key);
	if (w->outstanding == 0) {
		w->check_at = OX_NEVER;
		w->shortest = 0;
		oxi_dworker_yield_to_heir(d, w);
	}
	oxi_dworker_set_accepting(d, w);
}

/* The job has no lease any more, and is in no list. */
void oxi_lease_drop(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dworker *w = &d->workers[job->slot];

	oxi_lease_free_cell(d, w, oxi_lease_cell(w, job->lease));
	oxi_list_remove(&job->link);
	w->nested -= job->nesting != 0;
	job->nesting = 0;
	job->lease = 0;
	d->counts.leased--;
}

enum oxi_taken oxi_lease_take_back(struct oxi_dispatch *d, struct oxi_djob *job)
{
	enum oxi_taken taken = job->doomed ? OXI_TAKEN_NOT : d->ops->take_back(d->transport, job->slot, job->lease);

	if (taken == OXI_TAKEN)
		oxi_lease_drop(d, job);
	return taken;
}

/*
 * Takes back at most n jobs that have not begun, the last ones first, which then stand first in their queues, in order. Those
 * that are asked back come later, one by one.
 */
unsigned oxi_lease_take_back_last(struct oxi_dispatch *d, struct oxi_dworker *w, unsigned n, bool pinned, ox_time now)
{
	unsigned taken = 0, asked = 0;

	for (struct oxi_list *e = w->leases.prev, *before; e != &w->leases && taken + asked < n; e = before) {
		before = e->prev;
		if (oxi_djob_is_pinned(oxi_djob_of(e)) && !pinned)
			continue;
		enum oxi_taken how = oxi_lease_take_back(d, oxi_djob_of(e));
		if (how == OXI_TAKEN_NOT)
			break;
		if (how == OXI_TAKEN_ASKED) {
			asked++;
			continue;
		}
		oxi_djob_enqueue(d, oxi_djob_of(e), OXI_FIRST, now);
		taken++;
	}
	return taken;
}
