/* SPDX-License-Identifier: MIT */
/*
 * The objects that live in this worker. Each has the number that its actor has in the main process, and its type, which is
 * the index of its constructor in the pool's table; its destructor is the next entry. The one that was called last stands
 * first, so that finding it takes no search where there are few or one is busy.
 */
#include <stdlib.h>

#include "include/private/check.h"
#include "pool/worker.h"

struct object {
	struct oxi_list link;
	uint64_t number;
	uint32_t type;
	uint32_t calls;
	void *self;
};

static struct object *find(struct oxi_worker *w, uint64_t number)
{
	OXI_LIST_EACH(e, &w->objects) {
		struct object *o = OXI_CONTAINER(e, struct object, link);
		if (o->number != number)
			continue;
		oxi_list_remove(&o->link);
		oxi_list_prepend(&w->objects, &o->link);
		return o;
	}
	return NULL;
}

static int construct(struct oxi_worker *w, const struct oxi_record *job, const void *in)
{
	const struct oxi_job_entry *entry = &w->page->job[job->index];
	struct object *o = calloc(1, sizeof *o);

	OXI_CHECK(find(w, job->job) == NULL);
	if (o == NULL)
		return OX_ENOMEM;
	int status = entry->construct(in, (size_t)job->length, &o->self);
	if (status < 0) {
		free(o);
		return status;
	}
	o->number = job->job;
	o->type = entry->type;
	oxi_list_prepend(&w->objects, &o->link);
	return status;
}

static void destruct(struct oxi_worker *w, struct object *o)
{
	const struct oxi_job_entry *entry = &w->page->job[o->type + 1];

	if (entry->destruct != NULL)
		entry->destruct(o->self);
	oxi_list_remove(&o->link);
	free(o);
}

int oxi_worker_act(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out)
{
	const struct oxi_job_entry *entry = &w->page->job[job->index];

	if (entry->role == OXI_ROLE_CONSTRUCT)
		return construct(w, job, in);
	struct object *o = find(w, job->job);
	if (o != NULL)
		OXI_CHECK(o->type == entry->type);
	if (entry->role == OXI_ROLE_METHOD && o != NULL) {
		out->number = o->number << 32 | ++o->calls;
		return entry->method(o->self, in, (size_t)job->length, out);
	}
	if (entry->role == OXI_ROLE_METHOD)
		out->error = OX_EINIT;  /* was sent before it was known that the constructor fails */
	else if (o != NULL)
		destruct(w, o);
	return 0;
}

void oxi_worker_end_objects(struct oxi_worker *w)
{
	while (!oxi_list_empty(&w->objects))
		destruct(w, OXI_CONTAINER(w->objects.next, struct object, link));
}
