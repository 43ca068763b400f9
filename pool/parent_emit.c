/* SPDX-License-Identifier: MIT */
/*
 * Parts of results. A part comes through the worker's outbox and waits here, in order, until it is taken; the worker knows
 * how many wait, asks when that is the limit, and is answered when half of them have been taken.
 *
 * Attempts are told apart: when one is over and the job will be run again, what was not taken is dropped; if some was
 * taken, the taker hears OX_ELOST once, and then the next attempt's. The last attempt's parts are all given, however
 * it ended.
 */
#include <string.h>

#include "pool/parent_inside.h"

struct oxi_part {
	struct oxi_list link;
	const uint8_t *data;            /* behind the struct, or a block of the arena */
	size_t len;
	bool in_arena;
	_Alignas(16) uint8_t room[];
};

/* One that waits; what it gets is written before it is woken, for the job may be gone when it runs. */
struct oxi_taker {
	struct oxi_wait wait;
	struct oxi_inside *in;
	ox_bytes *ret;
};

static void free_part(const struct oxi_inside *in, struct oxi_part *part)
{
	if (part != NULL && part->in_arena)
		oxi_memory_put(in->job->pool, part->data);
	oxi_free(part);
}

static void drop_parts(struct oxi_inside *in)
{
	for (struct oxi_list *e; (e = oxi_list_shift(&in->parts)) != NULL;)
		free_part(in, OXI_CONTAINER(e, struct oxi_part, link));
	in->untaken = in->untaken_bytes = 0;
}

void oxi_emit_free(struct oxi_inside *in)
{
	drop_parts(in);
	free_part(in, in->borrowed);
}

/* ---- taking ---- */

static const ox_job *job_of(const struct oxi_inside *in)
{
	return &in->job->pool->kinds[in->job->dispatch.index].copy;
}

/* The worker hears of it when there is room for a good many. */
void oxi_emit_full(struct oxi_inside *in)
{
	const ox_job *job = job_of(in);

	if (in->untaken <= job->emit_ahead / 2 && in->untaken_bytes <= job->emit_ahead_bytes / 2)
		oxi_inside_answer(in, 0, NULL, 0);
}

static bool give(struct oxi_inside *in, ox_bytes *ret)
{
	struct oxi_list *e = oxi_list_shift(&in->parts);

	free_part(in, in->borrowed);
	in->borrowed = e != NULL ? OXI_CONTAINER(e, struct oxi_part, link) : NULL;
	if (e == NULL)
		return false;
	in->untaken--;
	in->untaken_bytes -= in->borrowed->len;
	in->given = true;
	*ret = (ox_bytes){ in->borrowed->data, in->borrowed->len };
	if (in->asks == OXI_ASKS_ROOM)
		oxi_emit_full(in);
	return true;
}

static void wake_taker(struct oxi_inside *in, int result)
{
	struct oxi_taker *t = in->taker;

	in->taker = NULL;
	if (t != NULL)
		oxi_wake(&t->wait, result);
}

static oxi_abort_answer stop_taking(struct oxi_wait *w)
{
	OXI_CONTAINER(w, struct oxi_taker, wait)->in->taker = NULL;
	return OXI_ABORTED;
}

static int end_of(ox_future *f)
{
	int status = ox_future_status(f);

	return status < 0 ? status : 0;
}

int ox_emit_next(ox_future *f, ox_bytes *ret)
{
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	struct ox_result *j = oxi_job_of(f);
	if (j == NULL)
		return f == NULL ? OX_ENOMEM : ox_future_done(f) && ox_future_status(f) < 0 ? ox_future_status(f) : OX_EINVAL;
	if (ox_future_done(f) && (j->story == NULL || j->story->inside == NULL))
		return end_of(f);
	struct oxi_taker t = { .in = oxi_inside_of(j), .ret = ret };
	if (t.in == NULL)
		return OX_ENOMEM;
	if (t.in->taker != NULL)
		return OX_EBUSY;
	if (t.in->lost) {
		t.in->lost = false;
		return OX_ELOST;
	}
	if (give(t.in, ret))
		return 1;
	if (ox_future_done(f))
		return end_of(f);
	oxi_wait_init(&t.wait, "parts", &j->future, stop_taking);
	t.in->taker = &t;
	return oxi_park(&t.wait);
}

/* ---- coming ---- */

static struct oxi_part *make_part(const struct oxi_load *load)
{
	struct oxi_part *part = oxi_alloc(sizeof *part + (load->in_arena ? 0 : load->len));

	if (part == NULL)
		return NULL;
	part->data = load->in_arena ? load->data : part->room;
	part->len = load->len;
	part->in_arena = load->in_arena;
	if (!load->in_arena && load->len > 0)
		memcpy(part->room, load->data, load->len);
	oxi_list_init(&part->link);
	return part;
}

/* More than it may send unasked: it sees its own limit and no more than that. */
static bool is_overrun(const struct oxi_inside *in)
{
	const ox_job *job = job_of(in);

	return in->untaken > 0 && (in->untaken > job->emit_ahead || in->untaken_bytes > job->emit_ahead_bytes);
}

void oxi_emit_add(ox_pool *p, struct oxi_seat *s, const struct oxi_record *r, const void *payload)
{
	struct oxi_djob *d = oxi_dispatch_peek(p->dispatch, s->slot, r->lease);
	struct oxi_load load = { .data = payload, .len = (size_t)r->length, .in_arena = (r->flags & OXI_RECORD_ARENA) != 0 };

	if (d == NULL)
		return;
	if (load.in_arena) {
		load.data = p->arena.base + r->place;
		if (!oxi_grant_take(s, r->lease, (size_t)r->place, load.len)) {
			oxi_seat_reject(p, s);
			return;
		}
	}
	struct oxi_inside *in = oxi_inside_of(OXI_CONTAINER(d, struct ox_result, dispatch));
	struct oxi_part *part = in != NULL && !is_overrun(in) ? make_part(&load) : NULL;
	if (part == NULL) {             /* a part cannot be left out silently: the attempt is lost */
		if (load.in_arena)
			oxi_memory_put(p, load.data);
		oxi_dispatch_condemn(p->dispatch, s->slot, s->generation, OX_ENOMEM, oxi_pool_now());
		return;
	}
	oxi_list_append(&in->parts, &part->link);
	in->untaken++;
	in->untaken_bytes += part->len;
	if (in->taker != NULL && give(in, in->taker->ret))
		wake_taker(in, 1);
}

/* ---- ends ---- */

void oxi_emit_again(struct oxi_inside *in)
{
	drop_parts(in);
	if (!in->given)
		return;
	in->given = false;
	in->lost = in->taker == NULL;
	wake_taker(in, OX_ELOST);
}

void oxi_emit_finish(struct oxi_inside *in, int status)
{
	wake_taker(in, status < 0 ? status : 0);        /* who waits has taken all there was */
}
