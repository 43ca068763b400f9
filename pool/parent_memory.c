/* SPDX-License-Identifier: MIT */
/*
 * Payloads in the pool's arena. A block has users: the job whose input it is, the job whose result it is, a
 * blob. Whoever has a pointer into a live block can make it the input of another job, which is then one more
 * user: nothing is copied.
 */
#include <string.h>

#include "pool/parent.h"

#define BLOB_MAGIC 0x626c6f6200000001ull

bool oxi_memory_inside(const ox_pool *p, const void *data)
{
	const uint8_t *at = data;

	return at >= p->arena.base + p->arena.control_size && at < p->arena.base + p->arena.size;
}

static struct oxi_zone *zone_of(const ox_pool *p, const void *data, size_t *ret_place)
{
	*ret_place = (size_t)((const uint8_t *)data - p->arena.base);
	return p->zones[(*ret_place - p->arena.control_size) / p->arena.zone_size];
}

uint8_t *oxi_memory_get(ox_pool *p, size_t len)
{
	size_t cap, place = oxi_pool_chaos(p, OXI_CHAOS_ARENA) ? 0 : oxi_zone_get(p->zones[0], len, &cap);

	return place != 0 ? p->arena.base + place : NULL;
}

uint8_t *oxi_memory_copy(ox_pool *p, const void *data, size_t len)
{
	uint8_t *copy = oxi_memory_get(p, len);

	return copy != NULL ? memcpy(copy, data, len) : NULL;
}

bool oxi_memory_share(ox_pool *p, const void *data, size_t len)
{
	size_t place, start, cap;

	if (!oxi_memory_inside(p, data))
		return false;
	struct oxi_zone *z = zone_of(p, data, &place);
	if (!oxi_zone_find(z, place, &start, &cap) || len > cap - (place - start))
		return false;
	oxi_zone_ref(z, start);
	return true;
}

void oxi_memory_put(ox_pool *p, const void *data)
{
	size_t place, start, cap;
	struct oxi_zone *z = zone_of(p, data, &place);

	OXI_CHECK(oxi_zone_find(z, place, &start, &cap));
	oxi_zone_put(z, start);
}

/* ---- blobs ---- */

struct ox_blob {
	uint64_t magic;
	ox_pool *pool;
	uint8_t *data;
};

ox_blob *ox_blob_new(ox_pool *p, size_t len)
{
	size_t cap;

	if (oxi_forked() || p == NULL)
		return NULL;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	ox_blob *b = oxi_alloc(sizeof *b);
	size_t place = b != NULL ? oxi_zone_get(p->zones[0], len, &cap) : 0;
	if (place == 0) {
		oxi_free(b);
		return NULL;
	}
	*b = (ox_blob){ .magic = BLOB_MAGIC, .pool = p, .data = p->arena.base + place };
	p->users++;
	return b;
}

void *ox_blob_data(ox_blob *b)
{
	OXI_CHECK_OBJECT(b, BLOB_MAGIC);
	return b->data;
}

void ox_blob_free(ox_blob *b)
{
	if (b == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(b, BLOB_MAGIC);
	ox_pool *p = b->pool;
	oxi_memory_put(p, b->data);
	b->magic = 0;
	oxi_free(b);
	oxi_pool_unref(p);
}
