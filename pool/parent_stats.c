/* SPDX-License-Identifier: MIT */
/* What a pool tells of itself: its figures, and to the log when it has fewer workers than it should. */
#include <string.h>

#include "pool/parent.h"

const char *oxi_pool_name(const ox_pool *p)
{
	return p->options.name != NULL ? p->options.name : "(no name)";
}

void oxi_pool_degraded(ox_pool *p, int status)
{
	struct oxi_dispatch_counts c;

	if (p->degraded || p->dispatch == NULL)
		return;
	p->degraded = true;
	oxi_dispatch_get_counts(p->dispatch, &c);
	oxi_log(OX_LOG_WARNING, "pool %s goes on with %u workers of %u, as no more can be started now: %s",
	        oxi_pool_name(p), c.ready, p->options.workers, ox_strerror(status));
}

void oxi_pool_restored(ox_pool *p)
{
	struct oxi_dispatch_counts c;

	if (!p->degraded)
		return;
	oxi_dispatch_get_counts(p->dispatch, &c);
	p->degraded = c.refused > 0;
	if (!p->degraded)
		oxi_log(OX_LOG_INFO, "pool %s has all its workers again", oxi_pool_name(p));
}

int ox_pool_get_stats(const ox_pool *p, ox_pool_stats *ret)
{
	struct oxi_dispatch_counts c;
	size_t size = ret->size;

	if (oxi_forked())
		return OX_EFORKED;
	if (size == 0)
		return OX_EINVAL;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	oxi_dispatch_get_counts(p->dispatch, &c);
	ox_pool_stats s = {
		.size = size, .submitted = p->submitted, .done = p->done, .failed = p->failed, .cancelled = p->cancelled,
		.pending = p->submitted - p->done - p->failed - p->cancelled, .pending_bytes = p->pending_bytes,
		.crashed = c.crashed, .killed = c.killed, .spawned = c.spawned, .retried = c.retried, .late = c.late,
		.rejected = p->rejected + oxi_channel_malformed(p->channel),
		.workers = c.ready, .busy = c.busy, .starting = c.starting, .shared = p->shared, .waiting = p->waiting_count,
		.spoiled = p->spoiled, .degraded = c.refused,
	};
	for (unsigned i = 0; i < p->seat_count; i++)
		s.stopped += oxi_seat_stopped(&p->seats[i]);
	if (p->remote != NULL)
		oxi_remote_count(p, &s);
	memcpy(ret, &s, size < sizeof s ? size : sizeof s);
	return 0;
}
