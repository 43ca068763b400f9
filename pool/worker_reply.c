/* SPDX-License-Identifier: MIT */
/*
 * A reply grows through these places, and never back:
 *
 *	outbox      up to 4 KiB, needs no copy to be sent; or aside, in memory of its own, once something else must go
 *	            through the outbox before it
 *	granted     into the room that came with the job, if jobs of its kind have lately been large
 *	asked       a larger room, which costs a round trip; each time twice as much as before. In the worker's result
 *	            zone, or in the overflow, where it is made writable for this job, and its pages are asked for
 *	private     where the parent has no room, or the system no pages: sent in chunks at the end
 *
 * Other payloads of the job, parts and questions, are copied into rooms that are asked for in the same way.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/private/check.h"
#include "pool/worker.h"

static int fail(ox_reply *out, int error)
{
	if (out->error == 0)
		out->error = error;
	return out->error;
}

/* ---- rooms of the arena ---- */

/* The one in the overflow, if it has one, is written no more. */
static void give_back(ox_reply *out)
{
	struct oxi_arena a = out->worker->heritage->arena;

	if (out->lent != NULL)
		OXI_CHECK(oxi_arena_forbid(&a, (size_t)(out->lent - a.base), out->lent_len) == 0);
	out->lent = NULL;
}

/* False: the system cannot give so much. */
static bool open_room(const ox_reply *out, const uint8_t *room, size_t cap)
{
	struct oxi_arena a = out->worker->heritage->arena;
	size_t place = (size_t)(room - a.base);

	if (oxi_arena_allow(&a, place, cap) < 0)
		return false;
	if (oxi_arena_commit(&a, place, cap) == 0)
		return true;
	OXI_CHECK(oxi_arena_forbid(&a, place, cap) == 0);
	return false;
}

/* So many bytes of the room are about to be written. */
static void reach(ox_reply *out, uint8_t *room, size_t cap, size_t want)
{
	struct oxi_arena a = out->worker->heritage->arena;

	if (want <= out->reached)
		return;
	oxi_arena_prepare(&a, (size_t)(room - a.base) + out->reached, cap - out->reached, want - out->reached);
	out->reached = (want + OXI_EXTENT - 1) & ~(OXI_EXTENT - 1);
}

static void move_to(ox_reply *out, uint8_t *room, size_t cap, size_t want, bool in_overflow)
{
	out->reached = 0;
	reach(out, room, cap, want);
	memcpy(room, out->data, out->len);
	give_back(out);
	if (in_overflow) {
		out->lent = room;
		out->lent_len = cap;
	}
	out->data = room;
	out->cap = cap;
	out->where = OXI_IN_ARENA;
}

/* What the parent says to a reply that wants a room of so many bytes. */
static struct oxi_record ask_for(ox_reply *out, size_t length)
{
	const struct oxi_arena *a = &out->worker->heritage->arena;
	struct oxi_record r = { .lease = out->lease, .length = length, .flags = OXI_RECORD_GRANT };
	uint8_t body[OXI_WIRE_RECORD];
	const void *none;
	bool answered;

	out->grant = NULL;              /* the parent takes it back when more is asked for */
	if (out->where == OXI_IN_ARENA)
		r.place = (uint64_t)(out->data - a->base);
	oxi_record_encode(body, &r);
	oxi_worker_send(out->worker, &(struct oxi_header){ .type = OXI_NEED, .count = 1, .length = sizeof body }, body);
	do {
		struct oxi_mail *m = oxi_worker_await(out->worker, 1u << OXI_GRANT);
		answered = oxi_body_record(m->body, (size_t)m->header.length, m->header.count, 0, &r, &none) == 0 &&
		           r.lease == out->lease;
		free(m);
	} while (!answered);
	return r;
}

/* ---- private memory ---- */

static int grow_private(ox_reply *out, size_t cap)
{
	bool first = out->where != OXI_IN_PRIVATE;
	void *room = first ? mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	                   : mremap(out->data, out->cap, cap, MREMAP_MAYMOVE);

	if (room == MAP_FAILED)
		return fail(out, OX_ENOMEM);
	if (first) {
		memcpy(room, out->data, out->len);
		give_back(out);
	}
	out->data = room;
	out->cap = cap;
	out->where = OXI_IN_PRIVATE;
	return 0;
}

/* ---- the places, one after the other ---- */

/* Makes the room hold want bytes. */
static int grow(ox_reply *out, size_t want)
{
	size_t ask = want > out->cap * 2 ? want : out->cap * 2 < out->max ? out->cap * 2 : out->max;

	if (want <= out->cap) {
		if (out->where == OXI_IN_ARENA)
			reach(out, out->data, out->cap, want);
		return 0;
	}
	if (out->where == OXI_IN_PRIVATE)
		return grow_private(out, ask);
	if (out->grant != NULL && want <= out->grant_cap) {
		move_to(out, out->grant, out->grant_cap, want, false);
		out->grant = NULL;
		return 0;
	}
	const struct oxi_arena *a = &out->worker->heritage->arena;
	struct oxi_record r = ask_for(out, ask);
	uint8_t *room = a->base + r.place;
	bool in_overflow = r.place >= oxi_arena_zone(a, a->zones);
	if ((r.flags & OXI_RECORD_CHUNKS) != 0)
		return grow_private(out, ask);
	if (r.length < want)
		return fail(out, OX_ENOMEM);
	if (in_overflow && !open_room(out, room, (size_t)r.length))
		return grow_private(out, ask);
	move_to(out, room, (size_t)r.length, want, in_overflow);
	return 0;
}

int oxi_reply_step_aside(ox_reply *out)
{
	if (!*out->worker->original)            /* in a child of the job's: the channel is its parent's */
		return OX_EFORKED;
	if (out->where != OXI_IN_OUTBOX || out->aside != NULL)
		return 0;
	out->aside = malloc(OXI_INLINE);
	if (out->aside == NULL)
		return OX_ENOMEM;
	memcpy(out->aside, out->data, out->len);
	out->data = out->aside;
	return 0;
}

int oxi_reply_copy(ox_reply *out, const void *data, size_t len, uint64_t *ret_place)
{
	struct oxi_arena a = out->worker->heritage->arena;
	struct oxi_record r = ask_for(out, len);
	uint8_t *room = a.base + r.place;
	bool in_overflow = r.place >= oxi_arena_zone(&a, a.zones);

	if ((r.flags & OXI_RECORD_CHUNKS) != 0 || r.length < len || (in_overflow && !open_room(out, room, (size_t)r.length)))
		return OX_ENOMEM;
	oxi_arena_prepare(&a, (size_t)r.place, (size_t)r.length, len);
	memcpy(room, data, len);
	if (in_overflow)
		OXI_CHECK(oxi_arena_forbid(&a, (size_t)r.place, (size_t)r.length) == 0);
	*ret_place = r.place;
	return 0;
}

void oxi_reply_end(ox_reply *out)
{
	uint8_t *data = out->data;

	give_back(out);
	if (out->where != OXI_IN_PRIVATE)
		return;
	if (out->error == 0 && out->len <= OXI_INLINE)
		memcpy(out->aside != NULL ? out->aside : oxi_worker_page(out->worker), data, out->len);
	else if (out->error == 0)
		fail(out, oxi_worker_deliver(out->worker, out->lease, data, out->len));
	if (out->error != 0)
		out->len = 0;
	if (out->error != 0 || out->len <= OXI_INLINE)
		out->where = OXI_IN_OUTBOX;
	munmap(data, out->cap);
}

/* ---- the calls ---- */

void *ox_reply_reserve(ox_reply *out, size_t len)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->error != 0)
		return NULL;
	if (!*out->worker->original) {          /* in a child of the job's: the outbox is its parent's */
		fail(out, OX_EFORKED);
		return NULL;
	}
	if (len > out->max - out->len) {
		fail(out, OX_ETOOBIG);
		return NULL;
	}
	if (grow(out, out->len + len) < 0)
		return NULL;
	uint8_t *at = out->data + out->len;
	out->len += len;
	return at;
}

int ox_reply_write(ox_reply *out, const void *data, size_t len)
{
	void *at = ox_reply_reserve(out, len);

	if (at == NULL)
		return out->error;
	if (len > 0)
		memcpy(at, data, len);
	return 0;
}

void ox_reply_truncate(ox_reply *out, size_t len)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (len < out->len)
		out->len = len;
}

size_t ox_reply_len(const ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	return out->len;
}
