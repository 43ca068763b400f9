/* SPDX-License-Identifier: MIT */
/*
 * Callbacks: a job asks, a coroutine answers. It runs in the scope of the job's group and is none of its futures; its end
 * is heard by a waiter, and handled in the pool's turn, when the coroutine is no more. Beyond the callback's limit calls
 * wait in order, as a list, with no coroutine.
 *
 *	asked --> waiting --> running --> ended --> answered
 *	            |            |                     (or dropped: the job waits no more)
 *	            '- forgotten '- forgotten: cancelled, and its job's end waits for it
 */
#include <string.h>

#include "pool/parent_inside.h"

#define ANSWER_MAGIC 0x616e737765720001ull

struct ox_answer {
	uint64_t magic;
	uint8_t *data;
	size_t len, cap;
	int error;                      /* OX_ENOMEM once a write has failed */
};

struct oxi_call {
	struct oxi_list link;           /* waiting, or in the pool's ended_calls */
	struct oxi_inside *in;          /* of the job: it waits for the end of this */
	struct oxi_callee *callee;
	ox_future *task;                /* NULL: waiting */
	struct oxi_waiter waiter;
	ox_answer answer;
	const uint8_t *input;           /* in room, or a block of the arena */
	size_t len;
	_Alignas(16) uint8_t room[];
};

int ox_answer_write(ox_answer *out, const void *data, size_t len)
{
	OXI_CHECK_OBJECT(out, ANSWER_MAGIC);
	size_t want = out->len + len;
	if (out->error == 0 && want > out->cap) {
		size_t cap = want > 2 * out->cap ? want : 2 * out->cap;
		uint8_t *room = want >= len ? oxi_realloc(out->data, cap) : NULL;
		out->error = room == NULL ? OX_ENOMEM : 0;
		if (room != NULL) {
			out->data = room;
			out->cap = cap;
		}
	}
	if (out->error < 0)
		return out->error;
	if (len > 0)
		memcpy(out->data + out->len, data, len);
	out->len = want;
	return 0;
}

/* ---- the coroutine ---- */

static int run(void *arg)
{
	struct oxi_call *c = arg;
	ox_pool *p = c->in->job->pool;

	return c->callee->copy.fn(p->options.call_arg, c->input, c->len, &c->answer);
}

/* The coroutine has ended, and is still there: the rest comes later. */
static void on_end(struct oxi_waiter *w, ox_future *f)
{
	struct oxi_call *c = OXI_CONTAINER(w, struct oxi_call, waiter);
	ox_pool *p = c->in->job->pool;

	oxi_future_heard(f);
	oxi_list_append(&p->ended_calls, &c->link);
	oxi_hook_arm(&p->flush);
}

static int begin(struct oxi_call *c)
{
	const ox_callback *copy = &c->callee->copy;
	int r = oxi_spawn_aside(c->in->job->future.group, run, c,
	                        OX_SPAWN_OPTIONS(.name = copy->name, .stack_size = copy->stack_size), &c->task);

	if (r < 0)
		return r;
	c->callee->active++;
	oxi_list_append(&c->task->waiters, &c->waiter.link);
	return 0;
}

static void free_call(struct oxi_call *c)
{
	if (c->input != c->room)
		oxi_memory_put(c->in->job->pool, c->input);
	oxi_free(c->answer.data);
	oxi_free(c);
}

/* Gives the answer to the job, if it waits for that. */
static void answer(struct oxi_call *c, int status)
{
	struct oxi_inside *in = c->in;

	if (in->call != c)
		return;
	in->call = NULL;
	oxi_inside_answer(in, status >= 0 && c->answer.error < 0 ? c->answer.error : status, c->answer.data, c->answer.len);
}

static void end_call(struct oxi_call *c, int status)
{
	struct oxi_inside *in = c->in;

	answer(c, status);
	free_call(c);
	oxi_inside_one_less(in);
}

/* Those that wait begin, as far as the limit allows. */
static void begin_waiting(struct oxi_callee *callee)
{
	struct oxi_list *e;
	int r;

	while ((callee->copy.limit == 0 || callee->active < callee->copy.limit) && (e = oxi_list_shift(&callee->waiting)) != NULL) {
		struct oxi_call *c = OXI_CONTAINER(e, struct oxi_call, link);
		if ((r = begin(c)) < 0)
			end_call(c, r);
	}
}

void oxi_calls_collect(ox_pool *p)
{
	for (struct oxi_list *e; (e = oxi_list_shift(&p->ended_calls)) != NULL;) {
		struct oxi_call *c = OXI_CONTAINER(e, struct oxi_call, link);
		struct oxi_callee *callee = c->callee;
		int status = c->task->status;

		oxi_future_release(c->task);
		callee->active--;
		end_call(c, status);
		begin_waiting(callee);
	}
}

/* ---- the job's side ---- */

static struct oxi_call *make_call(struct oxi_inside *in, struct oxi_callee *callee, const struct oxi_load *load)
{
	ox_pool *p = in->job->pool;
	struct oxi_call *c = oxi_alloc(sizeof *c + (load->in_arena ? 0 : load->len));

	if (c == NULL)
		return NULL;
	c->in = in;
	c->callee = callee;
	c->answer.magic = ANSWER_MAGIC;
	c->waiter.notify = on_end;
	oxi_list_init(&c->link);
	oxi_list_init(&c->waiter.link);
	c->input = load->in_arena ? load->data : c->room;
	c->len = load->len;
	if (load->in_arena)
		OXI_CHECK(oxi_memory_share(p, load->data, load->len));
	else if (load->len > 0)
		memcpy(c->room, load->data, load->len);
	return c;
}

void oxi_call_start(struct oxi_inside *in, unsigned index, const struct oxi_load *load)
{
	ox_pool *p = in->job->pool;

	if (index >= p->callee_count) {
		oxi_seat_reject(p, oxi_inside_seat(in));
		return;
	}
	struct oxi_callee *callee = &p->callees[index];
	struct oxi_call *c = p->loop != NULL ? make_call(in, callee, load) : NULL;
	if (c == NULL) {
		oxi_inside_answer(in, p->loop != NULL ? OX_ENOMEM : OX_ECLOSED, NULL, 0);
		return;
	}
	in->call = c;
	in->live++;
	oxi_list_append(&callee->waiting, &c->link);
	begin_waiting(callee);
}

void oxi_call_forget(struct oxi_inside *in)
{
	struct oxi_call *c = in->call;

	in->call = NULL;
	if (c == NULL)
		return;
	if (c->task != NULL) {
		ox_future_cancel(c->task);      /* nothing, if it has ended in this turn */
		return;
	}
	oxi_list_remove(&c->link);
	free_call(c);
	oxi_inside_one_less(in);
}

/* ---- the pool's side ---- */

int oxi_calls_open(ox_pool *p)
{
	const ox_callback *const *calls = p->options.calls;

	oxi_list_init(&p->ended_calls);
	while (calls != NULL && calls[p->callee_count] != NULL)
		if (p->callee_count++ == OXI_CALLS)
			return OX_EINVAL;
	if (p->callee_count == 0)
		return 0;
	p->callees = oxi_alloc(p->callee_count * sizeof *p->callees);
	if (p->callees == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < p->callee_count; i++) {
		struct oxi_callee *c = &p->callees[i];
		memcpy(&c->copy, calls[i], calls[i]->size < sizeof c->copy ? calls[i]->size : sizeof c->copy);
		oxi_list_init(&c->waiting);
		if (c->copy.size == 0 || c->copy.fn == NULL || c->copy.name == NULL)
			return OX_EINVAL;
		for (unsigned e = 0; e < i; e++)
			if (p->callees[e].copy.fn == c->copy.fn)
				return OX_EINVAL;
	}
	p->options.calls = NULL;
	return 0;
}
