/* SPDX-License-Identifier: MIT */
/* Shared data as a job sees it: the directory that was current when it began (parent_shared.c). */
#include "include/private/check.h"
#include "pool/worker.h"

static const struct oxi_shared_entry *find(const struct oxi_directory *d, uint64_t id)
{
	size_t from = 0, to = (size_t)d->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (d->entry[middle].id == id)
			return &d->entry[middle];
		if (d->entry[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

ox_bytes ox_job_shared(const ox_reply *out, uint64_t id)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->shared == 0)
		return (ox_bytes){ NULL, 0 };
	const struct oxi_arena *a = &out->worker->heritage->arena;
	const struct oxi_shared_entry *e = find((const struct oxi_directory *)(a->base + out->shared), id);
	if (e == NULL)
		return (ox_bytes){ NULL, 0 };
	OXI_CHECK(oxi_arena_contains(a, e->place, e->length));
	return (ox_bytes){ a->base + e->place, (size_t)e->length };
}
