/* SPDX-License-Identifier: MIT */
/*
 * Jobs of jobs. A child is a job like any other, in no group, held by the job that has submitted it: until that has looked at
 * its result and asks for something else, or ends. When that job's attempt is over its children are cancelled, wherever
 * they are, and it has not ended before they have.
 *
 * The number of a child, and so its random numbers, comes from the number of its job and its ticket there.
 */
#include "pool/parent_inside.h"

static struct oxi_inside *inside_of(struct oxi_list *sibling)
{
	return OXI_CONTAINER(sibling, struct oxi_inside, sibling);
}

/* ---- submitting ---- */

static struct oxi_inside *make_child(struct oxi_inside *in, unsigned index, const struct oxi_load *load)
{
	ox_pool *p = in->job->pool;
	struct ox_result *j;

	if (oxi_job_new_child(p, index, load->data, load->len, &j) < 0)
		return NULL;
	struct oxi_inside *child = oxi_inside_of(j);
	if (child == NULL) {
		j->dispatch.state = OXI_ENDED;
		oxi_job_ended(p, &j->dispatch, OXI_END_LIMIT, OX_ENOMEM);
		oxi_future_heard(&j->future);
		oxi_future_release(&j->future);
	}
	return child;
}

void oxi_nested_submit(struct oxi_inside *in, unsigned index, uint64_t ticket, const struct oxi_load *load)
{
	ox_pool *p = in->job->pool;

	if (index >= p->kind_count || in->child_count > OXI_TICKETS) {
		oxi_seat_reject(p, oxi_inside_seat(in));
		return;
	}
	struct oxi_inside *child = make_child(in, index, load);
	if (child == NULL) {
		in->no_memory = true;
		return;
	}
	uint64_t mix = oxi_job_number(in->job) + ticket;
	struct ox_result *j = child->job;
	child->number = oxi_splitmix(&mix);
	j->dispatch.priority = in->job->dispatch.priority;
	child->parent = in;
	child->ticket = ticket;
	child->depth = in->depth + 1;
	oxi_list_append(&in->children, &child->sibling);
	in->child_count++;
	in->live++;
	if (child->depth < OXI_DEPTH) {
		oxi_dispatch_submit(p->dispatch, &j->dispatch, oxi_pool_now());
	} else {
		j->dispatch.state = OXI_ENDED;
		oxi_job_ended(p, &j->dispatch, OXI_END_LIMIT, OX_EDEPTH);
	}
}

/* ---- awaiting ---- */

static struct oxi_inside *find_child(const struct oxi_inside *in, uint64_t ticket)
{
	OXI_LIST_EACH(e, &in->children)
		if (inside_of(e)->ticket == ticket)
			return inside_of(e);
	return NULL;
}

static void answer(struct oxi_inside *in)
{
	const ox_future *f = &in->held->future;

	oxi_future_heard(f);
	oxi_inside_answer(in, f->status, f->value, f->value_len);
}

/* True: it will be run where it is awaited, and the question is answered with that. */
static bool run_inside(struct oxi_inside *in)
{
	return oxi_dispatch_run_inside(in->job->pool->dispatch, &in->held->dispatch, &in->job->dispatch, oxi_pool_now());
}

void oxi_nested_await(struct oxi_inside *in, uint64_t ticket)
{
	struct oxi_inside *child = find_child(in, ticket);

	if (child != NULL && in->held == child->job)
		in->held = NULL;        /* it was run inside and has failed: how it has really ended is asked */
	oxi_inside_forget_answer(in);
	if (child == NULL) {
		oxi_inside_answer(in, in->no_memory ? OX_ENOMEM : OX_EINVAL, NULL, 0);
		return;
	}
	in->held = child->job;
	if (ox_future_done(&child->job->future))
		answer(in);
	else if (run_inside(in))
		oxi_inside_no_answer(in);
}

void oxi_nested_try(ox_pool *p)
{
	for (unsigned i = 0; p->awaiting > 0 && i < p->seat_count; i++) {
		struct oxi_inside *in = p->seats[i].asking;
		if (in != NULL && in->asks == OXI_ASKS_JOB && run_inside(in))
			oxi_inside_no_answer(in);
	}
}

/* ---- ends ---- */

void oxi_nested_ended(struct oxi_inside *child)
{
	struct oxi_inside *in = child->parent;

	if (child->orphan) {
		oxi_future_heard(&child->job->future);
		oxi_future_release(&child->job->future);
	} else if (in->asks == OXI_ASKS_JOB && in->held == child->job) {
		answer(in);
	}
	oxi_inside_one_less(in);
}

void oxi_nested_drop(struct oxi_inside *child)
{
	struct ox_result *j = child->job;

	oxi_list_remove(&child->sibling);
	child->parent->child_count--;
	if (ox_future_done(&j->future)) {
		oxi_future_heard(&j->future);
		oxi_future_release(&j->future);
		return;
	}
	child->orphan = true;
	oxi_job_cancel(j);
}

void oxi_nested_drop_all(struct oxi_inside *in)
{
	while (!oxi_list_empty(&in->children))
		oxi_nested_drop(inside_of(in->children.next));
}
