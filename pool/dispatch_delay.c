/* SPDX-License-Identifier: MIT */
/*
 * Retries: which jobs get one, and the time until then. The pause doubles from attempt to attempt up to a limit, and is
 * shortened at random by up to a half, so that what failed together does not come back together.
 *
 * Delayed jobs lie in a ring of slots of 8 ms each, by the time when they are due: entering and leaving cost the same
 * however many they are. What is due later than the ring is long (4 s) lies in it nevertheless, and is passed over in
 * each round; a sorted list would have to be searched for every job, a heap would need a third link in it.
 */
#include "pool/dispatch_state.h"

enum { SLOT_BITS = 23 };                /* ns */

/* ---- which, and how long ---- */

void oxi_policy_fill_in(struct oxi_policy *p)
{
	if (p->retry_delay == 0)
		p->retry_delay = OXI_RETRY;
	if (p->retry_max == 0)
		p->retry_max = OXI_BRAKE;
	if (p->retry_on == 0)
		p->retry_on = OX_RETRY_CRASH;
}

bool oxi_djob_may_retry(const struct oxi_dispatch *d, const struct oxi_djob *job, unsigned cause)
{
	return job->failures < job->retries && d->refuse == 0 && (d->kinds[job->index].policy.retry_on & cause) != 0;
}

static ox_time pause_after(struct oxi_dispatch *d, const struct oxi_policy *p, unsigned failures)
{
	ox_time pause = oxi_min_time(p->retry_delay, p->retry_max);

	while (--failures > 0 && pause < p->retry_max)
		pause = pause > p->retry_max / 2 ? p->retry_max : 2 * pause;
	return pause - (ox_time)(oxi_splitmix(&d->o.seed) % ((uint64_t)pause / 2 + 1));
}

/* ---- the ring ---- */

static int64_t slot_at(const struct oxi_dispatch *d, ox_time t)
{
	return (t - d->epoch) >> SLOT_BITS;
}

static ox_time time_of(const struct oxi_dispatch *d, int64_t slot)
{
	return d->epoch + (slot << SLOT_BITS);
}

/* The job is in no list. It becomes due at the beginning of the slot after its time. */
void oxi_djob_retry(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	ox_time pause = pause_after(d, &d->kinds[job->index].policy, ++job->failures);
	int64_t slot = slot_at(d, oxi_min_time(pause, OX_NEVER / 2 - now) + now) + 1;

	if (d->delayed_count++ == 0)
		d->delay_done = slot_at(d, now);
	oxi_djob_let_go(d, job);
	job->state = OXI_DELAYED;
	job->at = time_of(d, slot);
	oxi_list_append(&d->delayed[slot % OXI_DELAY_SLOTS], &job->link);
	d->delay_at = oxi_min_time(d->delay_at, job->at);
	d->counts.queued++;
	d->counts.retried++;
	d->ops->again(d->transport, job);
}

static void empty_slot(struct oxi_dispatch *d, struct oxi_list *slot, ox_time now)
{
	OXI_LIST_EACH(e, slot) {
		struct oxi_djob *job = oxi_djob_of(e);

		if (job->at > now)
			continue;
		oxi_djob_dequeue(d, job);
		oxi_djob_enqueue(d, job, OXI_LAST, now);
	}
}

/* To the queue with all that is due. */
void oxi_dispatch_end_delays(struct oxi_dispatch *d, ox_time now)
{
	int64_t last = slot_at(d, now), first = d->delay_done + 1;

	if (now < d->delay_at)
		return;
	if (first <= last - OXI_DELAY_SLOTS)
		first = last - OXI_DELAY_SLOTS + 1;
	for (int64_t slot = first; slot <= last; slot++)
		empty_slot(d, &d->delayed[slot % OXI_DELAY_SLOTS], now);
	d->delay_done = last;
	d->delay_at = OX_NEVER;
	for (int64_t slot = last + 1; d->delayed_count > 0 && d->delay_at == OX_NEVER; slot++)
		if (!oxi_list_empty(&d->delayed[slot % OXI_DELAY_SLOTS]))
			d->delay_at = time_of(d, slot);
}
