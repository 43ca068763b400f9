/* SPDX-License-Identifier: MIT */
/*
 * Affinity: jobs of one number go to the worker that had that number last, for what that one has loaded, opened or cached for it.
 * It is a wish. A job whose turn it is and whose worker is another steps aside for PATIENCE (10 ms): if its worker has room
 * by then it goes there, else to whoever is free. A worker that is slow already is not waited for.
 *
 * Which worker that is stands in a table of 4,096 entries, found by a hash: two numbers in one entry cost one of them its
 * wish, and nothing ever has to be cleaned up. The table is made when the first number comes; a job without one pays for
 * nothing of this.
 */
#include "pool/dispatch_state.h"

#include <stdlib.h>

static struct oxi_home *home_of(const struct oxi_dispatch *d, uint64_t affinity)
{
	return &d->homes[affinity * 0x9e3779b97f4a7c15u >> (64 - OXI_HOME_BITS)];
}

void oxi_affinity_note(struct oxi_dispatch *d, const struct oxi_djob *job, const struct oxi_dworker *w)
{
	if (d->homes == NULL)
		d->homes = calloc(1u << OXI_HOME_BITS, sizeof(*d->homes));
	if (d->homes != NULL)           /* without memory there are no wishes */
		*home_of(d, job->extra->affinity) = (struct oxi_home){ job->extra->affinity, oxi_dworker_slot(d, w), w->generation };
}

bool oxi_affinity_waits(struct oxi_dispatch *d, struct oxi_djob *job, const struct oxi_dworker *w, ox_time now)
{
	const struct oxi_home *home;
	struct oxi_dworker *wanted;

	if (job->extra->affinity == 0 || job->extra->anywhere || d->homes == NULL)
		return false;
	home = home_of(d, job->extra->affinity);
	wanted = &d->workers[home->slot];
	if (home->affinity != job->extra->affinity || wanted == w || wanted->generation != home->generation || wanted->dedicated ||
	    !oxi_dworker_takes_jobs(d, wanted) || oxi_dworker_is_slow(wanted, now))
		return false;
	oxi_djob_dequeue(d, job);
	d->counts.queued++;
	d->apart++;
	job->extra->until = now + OXI_PATIENCE;
	oxi_list_append(&wanted->fond, &job->link);
	return true;
}

void oxi_affinity_give_up(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	for (struct oxi_list *e = w->fond.prev, *before; e != &w->fond; e = before) {
		struct oxi_djob *job = oxi_djob_of(e);

		before = e->prev;
		if (job->extra->until > now)
			continue;
		oxi_djob_dequeue(d, job);
		oxi_djob_enqueue(d, job, OXI_FIRST, now);
	}
}
