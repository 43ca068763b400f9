/* SPDX-License-Identifier: MIT */
/*
 * Broadcast: a ring, and items numbered from 0. A subscriber knows the number of the item it wants next,
 * nothing else: so sending costs nothing per subscriber, the parked ones aside, and whoever lags finds out by
 * himself.
 */
#include <oxbow/broadcast.h>

#include <string.h>

#include "loop/select.h"

#define BROADCAST_MAGIC  0x7473616362000001ull
#define SUBSCRIBER_MAGIC 0x7263736275730001ull

struct ox_broadcast {
	uint64_t magic;
	size_t capacity, item_size;
	uint64_t sent;                  /* items */
	char *ring;
	struct oxi_list waiters;        /* clauses whose object is a subscriber; each has seen all that was sent */
	size_t subscribers;
	bool shut;
};

struct ox_subscriber {
	uint64_t magic;
	ox_broadcast *of;
	uint64_t next;                  /* item that it wants */
	bool waited_at;
};

/* ---- sending ---- */

ox_broadcast *ox_broadcast_new(size_t capacity, size_t item_size)
{
	ox_broadcast *b;

	if (capacity == 0 || item_size == 0 || capacity > SIZE_MAX / item_size)
		return NULL;
	b = oxi_alloc(sizeof(*b));
	if (b == NULL)
		return NULL;
	b->ring = oxi_alloc(capacity * item_size);
	if (b->ring == NULL) {
		oxi_free(b);
		return NULL;
	}
	b->magic = BROADCAST_MAGIC;
	b->capacity = capacity;
	b->item_size = item_size;
	oxi_list_init(&b->waiters);
	return b;
}

void ox_broadcast_free(ox_broadcast *b)
{
	if (b == NULL)
		return;
	OXI_CHECK_OBJECT(b, BROADCAST_MAGIC);
	OXI_CHECK(b->subscribers == 0);
	b->magic = 0;
	oxi_free(b->ring);
	oxi_free(b);
}

static char *place(const ox_broadcast *b, uint64_t number)
{
	return b->ring + number % b->capacity * b->item_size;
}

int ox_broadcast_send(ox_broadcast *b, const void *item)
{
	struct oxi_clause *c;

	if (b == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(b, BROADCAST_MAGIC);
	if (b->shut)
		return OX_ECLOSED;
	memcpy(place(b, b->sent++), item, b->item_size);
	while ((c = oxi_clause_shift(&b->waiters))) {
		memcpy(c->ret, item, b->item_size);
		((ox_subscriber *)c->object)->next = b->sent;
		oxi_clause_commit(c, 0);
	}
	return 0;
}

void ox_broadcast_shut(ox_broadcast *b)
{
	if (b == NULL)
		return;
	OXI_CHECK_OBJECT(b, BROADCAST_MAGIC);
	b->shut = true;
	oxi_clause_commit_all(&b->waiters, OX_ECLOSED);
}

/* ---- getting ---- */

ox_subscriber *ox_subscriber_new(ox_broadcast *b)
{
	ox_subscriber *s = b ? oxi_alloc(sizeof(*s)) : NULL;

	if (s == NULL)
		return NULL;
	OXI_CHECK_OBJECT(b, BROADCAST_MAGIC);
	s->magic = SUBSCRIBER_MAGIC;
	s->of = b;
	s->next = b->sent;
	b->subscribers++;
	return s;
}

void ox_subscriber_free(ox_subscriber *s)
{
	if (s == NULL)
		return;
	OXI_CHECK_OBJECT(s, SUBSCRIBER_MAGIC);
	OXI_CHECK(!s->waited_at);
	s->magic = 0;
	s->of->subscribers--;
	oxi_free(s);
}

/* Skips the items that are gone. Returns their number, up to what an int holds: the rest is told by the next call. */
static int skip_lost(ox_subscriber *s)
{
	uint64_t behind = s->of->sent - s->next, lost = behind > s->of->capacity ? behind - s->of->capacity : 0;

	if (lost > INT32_MAX)
		lost = INT32_MAX;
	s->next += lost;
	return (int)lost;
}

static bool attempt(struct oxi_clause *c, int *ret_result)
{
	ox_subscriber *s = c->object;

	*ret_result = OX_ENOMEM;
	if (s == NULL)
		return true;
	OXI_CHECK_OBJECT(s, SUBSCRIBER_MAGIC);
	*ret_result = s->next < s->of->sent ? skip_lost(s) : OX_ECLOSED;
	if (*ret_result == 0)
		memcpy(c->ret, place(s->of, s->next++), s->of->item_size);
	return *ret_result != OX_ECLOSED || s->of->shut;
}

static int arm(struct oxi_clause *c)
{
	ox_subscriber *s = c->object;

	if (s->waited_at)
		return OX_EBUSY;
	s->waited_at = true;
	oxi_list_append(&s->of->waiters, &c->link);
	return 0;
}

static void disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->link);
	((ox_subscriber *)c->object)->waited_at = false;
}

static const struct oxi_clause_ops ops = { "broadcast", attempt, arm, disarm };

ox_clause ox_clause_next(ox_subscriber *s, void *ret_item)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = s, .ret = ret_item });
}

int ox_subscriber_get(ox_subscriber *s, void *ret_item)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &ops, .object = s, .ret = ret_item });
}
