/* SPDX-License-Identifier: MIT */
/*
 * What a job asks of the parent, and waits for: a callback, or a job of its own. There is one question at a time, for
 * there is one thread, and each gets one answer, at the latest when the job is told to end. The answer to "wait for this
 * job" may be the job itself: then it is run here, in the frame of the one that waits.
 */
#include <stdlib.h>
#include <string.h>

#include <oxbow/nested.h>

#include "include/private/check.h"
#include "pool/worker.h"

/* ---- messages about one job ---- */

void oxi_worker_tell(struct oxi_worker *w, enum oxi_message type, struct oxi_record *r, const void *payload)
{
	_Alignas(16) uint8_t data[OXI_WIRE_RECORD + OXI_INLINE];
	struct oxi_body body;

	oxi_body_init(&body, data, sizeof data, 1);
	OXI_CHECK(oxi_body_put(&body, r, payload) == 0);
	oxi_worker_send(w, &(struct oxi_header){ .type = (uint8_t)type, .count = 1, .length = body.len }, data);
}

struct oxi_mail *oxi_worker_ask(struct oxi_worker *w, enum oxi_message type, struct oxi_record *r, const void *payload)
{
	oxi_worker_tell(w, type, r, payload);
	return oxi_worker_await(w, 1u << OXI_ANSWER | 1u << OXI_RUN);
}

int oxi_worker_place(ox_reply *out, struct oxi_record *r, const void *data, size_t len)
{
	if (len > out->max)
		return OX_ETOOBIG;
	r->lease = out->lease;
	r->length = len;
	if (len <= OXI_INLINE)
		return 0;
	r->flags |= OXI_RECORD_ARENA;
	return oxi_reply_copy(out, data, len, &r->place);
}

/* ---- answers ---- */

void oxi_reply_forget_answer(ox_reply *out)
{
	free(out->answer);
	out->answer = NULL;
}

/* Keeps the message, for its bytes are borrowed. */
static int take_answer(ox_reply *out, struct oxi_mail *m, ox_bytes *ret)
{
	const struct oxi_arena *a = &out->worker->heritage->arena;
	struct oxi_record r;
	const void *at;

	OXI_CHECK(oxi_body_record(m->body, (size_t)m->header.length, m->header.count, 0, &r, &at) == 0);
	if ((r.flags & OXI_RECORD_ARENA) != 0) {
		OXI_CHECK(oxi_arena_contains(a, r.place, r.length));
		at = a->base + r.place;
	}
	out->answer = m;
	if (r.status >= 0)
		*ret = (ox_bytes){ at, (size_t)r.length };
	return r.status;
}

/* What every question begins with. */
static int may_ask(ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->worker->alone)
		return OX_ESTATE;               /* a replay */
	int r = oxi_reply_step_aside(out);
	if (r == 0)
		oxi_reply_forget_answer(out);
	return r < 0 ? r : ox_job_cancelled(out) ? OX_ECANCELED : 0;
}

/* ---- callbacks ---- */

static int find_call(const struct oxi_pool_page *page, const ox_callback *call)
{
	for (unsigned i = 0; call != NULL && i < page->calls; i++)
		if (page->call[i] == call->fn)
			return (int)i;
	return OX_ENOJOB;
}

int ox_job_call(ox_reply *out, const ox_callback *call, const void *in, size_t len, ox_bytes *ret)
{
	struct oxi_record r = { 0 };
	ox_bytes none;
	int status = may_ask(out), index = find_call(out->worker->page, call);

	if (status == 0)
		status = index < 0 ? index : oxi_worker_place(out, &r, in, len);
	if (status < 0)
		return status;
	r.index = (uint16_t)index;
	return take_answer(out, oxi_worker_ask(out->worker, OXI_CALL, &r, in), ret != NULL ? ret : &none);
}

/* ---- jobs of the job ---- */

static int find_job(const struct oxi_pool_page *page, const ox_job *job)
{
	for (unsigned i = 0; job != NULL && i < page->jobs; i++)
		if (page->job[i].fn == job->fn && page->job[i].name == oxi_text_identity(job->name))
			return (int)i;
	return OX_ENOJOB;
}

int ox_job_submit(ox_reply *out, const ox_job *job, const void *in, size_t len, uint64_t *ret_ticket)
{
	struct oxi_record r = { 0 };

	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->worker->alone)
		return OX_ESTATE;
	int index = find_job(out->worker->page, job);
	int status = !*out->worker->original ? OX_EFORKED : ox_job_cancelled(out) ? OX_ECANCELED :
	             index < 0 ? index : out->open == OXI_TICKETS ? OX_EBUSY : oxi_worker_place(out, &r, in, len);
	if (status < 0)
		return status;
	r.index = (uint16_t)index;
	r.job = ++out->tickets;
	out->open++;
	oxi_worker_tell(out->worker, OXI_SUBMIT, &r, in);
	*ret_ticket = r.job;
	return 0;
}

/*
 * One that was run here and has failed may be run again, somewhere: then its status is asked for, and how it really ended
 * is the answer.
 */
int ox_job_await(ox_reply *out, uint64_t ticket, ox_bytes *ret)
{
	ox_bytes none;
	int status = may_ask(out);

	if (status == 0 && (ticket == 0 || ticket > out->tickets))
		return OX_EINVAL;
	if (ret == NULL)
		ret = &none;
	while (status == 0) {
		struct oxi_record r = { .lease = out->lease, .job = ticket };
		struct oxi_mail *m = oxi_worker_ask(out->worker, OXI_AWAIT, &r, NULL);
		if (m->header.type == OXI_ANSWER) {
			out->open -= out->open > 0;
			return take_answer(out, m, ret);
		}
		status = oxi_worker_run(m, out, ret);
		free(m);
		if (status >= 0) {
			out->open -= out->open > 0;
			return status;
		}
		status = ox_job_cancelled(out) ? OX_ECANCELED : 0;
	}
	return status;
}

int ox_job_run(ox_reply *out, const ox_job *job, const void *in, size_t len, ox_bytes *ret)
{
	uint64_t ticket;
	int r = ox_job_submit(out, job, in, len, &ticket);

	return r < 0 ? r : ox_job_await(out, ticket, ret);
}
