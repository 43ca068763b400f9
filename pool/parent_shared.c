/* SPDX-License-Identifier: MIT */
/*
 * Data that all workers see. The arena is mapped in every one of them, so one block is enough; what they need besides is
 * to find it:
 *
 *	page->shared --> directory: id, place, length | id, place, length | ...       sorted by id, never changed
 *	                             |                  '--> block
 *	                             '--> block
 *
 * A change makes a new directory and stores its place in the page, one word: so versions change as a whole, for all data
 * at once. A worker reads that word when it begins a job and keeps to it until the job ends.
 *
 * When may the old directory and what only it names be freed? A job that was sent after the change sees the new one, for
 * the message that it came with left after the word was stored. So when every lease that was given before the change
 * has ended, nobody looks at the old one any more; leases are counted up in each worker, and the dispatcher knows
 * the oldest (oxi_dispatch_past). This costs a job one load, and nothing where nothing is shared; reference counts or
 * hazard words in shared memory would cost each job writes, and be left behind by those that die.
 *
 * A piece, block or directory, gets its record when it is made, so that retiring it needs no memory. Only a new
 * directory does: without one, data that was freed stays in the list and in the directory until the next change.
 */
#include <string.h>

#include <oxbow/shared.h>

#include "pool/parent.h"

#define SHARED_MAGIC 0x7368617265640001ull

/* A block of the arena. */
struct oxi_piece {
	struct oxi_list link;           /* in pool->retired */
	size_t place;
	uint64_t mark[];                /* retired: for each seat, the last lease that may look at it */
};

struct ox_shared {
	uint64_t magic;
	struct oxi_list link;           /* in pool->shared_data, by id */
	ox_pool *pool;
	uint64_t id;
	struct oxi_piece *data;
	size_t len;
	bool freed;                     /* by its owner, and still in the directory */
};

/* ---- pieces ---- */

/* A block for len bytes, or one more user of the one that data lies in. NULL: no room. */
static struct oxi_piece *piece_new(ox_pool *p, const void *data, size_t len)
{
	struct oxi_piece *piece = oxi_alloc(sizeof *piece + p->seat_count * sizeof piece->mark[0]);
	const uint8_t *at = NULL;

	if (piece == NULL)
		return NULL;
	if (oxi_memory_share(p, data, len))
		at = data;
	else
		at = oxi_memory_copy(p, len > 0 ? data : "", len);
	if (at == NULL) {
		oxi_free(piece);
		return NULL;
	}
	oxi_list_init(&piece->link);
	piece->place = (size_t)(at - p->arena.base);
	return piece;
}

static void piece_free(ox_pool *p, struct oxi_piece *piece)
{
	if (piece == NULL)
		return;
	oxi_memory_put(p, p->arena.base + piece->place);
	oxi_free(piece);
}

static void retire(ox_pool *p, struct oxi_piece *piece)
{
	if (piece == NULL)
		return;
	for (unsigned i = 0; i < p->seat_count; i++)
		piece->mark[i] = oxi_dispatch_mark(p->dispatch, i);
	oxi_list_append(&p->retired, &piece->link);
}

static bool is_past(const ox_pool *p, const struct oxi_piece *piece)
{
	for (unsigned i = 0; p->dispatch != NULL && i < p->seat_count; i++)
		if (!oxi_dispatch_past(p->dispatch, i, piece->mark[i]))
			return false;
	return true;
}

/* The oldest first: what it waits for, the younger ones wait for too. */
void oxi_shared_sweep(ox_pool *p)
{
	while (!oxi_list_empty(&p->retired)) {
		struct oxi_piece *piece = OXI_CONTAINER(p->retired.next, struct oxi_piece, link);
		if (!is_past(p, piece))
			return;
		oxi_list_remove(&piece->link);
		piece_free(p, piece);
	}
}

/* ---- the directory ---- */

static size_t count_live(const ox_pool *p)
{
	size_t n = 0;

	OXI_LIST_EACH(e, &p->shared_data)
		n += !OXI_CONTAINER(e, struct ox_shared, link)->freed;
	return n;
}

static void fill(const ox_pool *p, struct oxi_directory *d)
{
	d->count = 0;
	OXI_LIST_EACH(e, &p->shared_data) {
		const struct ox_shared *s = OXI_CONTAINER(e, struct ox_shared, link);
		if (!s->freed)
			d->entry[d->count++] = (struct oxi_shared_entry){ .id = s->id, .place = s->data->place, .length = s->len };
	}
}

static void forget_freed(ox_pool *p)
{
	OXI_LIST_EACH(e, &p->shared_data) {
		struct ox_shared *s = OXI_CONTAINER(e, struct ox_shared, link);
		if (!s->freed)
			continue;
		retire(p, s->data);
		oxi_list_remove(&s->link);
		oxi_free(s);
		oxi_pool_unref(p);
	}
}

/* Makes what is in the list what workers see. 0; OX_ENOMEM: they see what they saw before. */
static int publish(ox_pool *p)
{
	struct oxi_pool_page *page = oxi_pool_page(&p->arena);
	size_t size = sizeof(struct oxi_directory) + count_live(p) * sizeof(struct oxi_shared_entry);
	struct oxi_directory *d = oxi_alloc(size);
	struct oxi_piece *old = p->directory;

	if (d != NULL)
		fill(p, d);
	struct oxi_piece *new = d != NULL ? piece_new(p, d, size) : NULL;
	oxi_free(d);
	if (new == NULL)
		return OX_ENOMEM;
	p->directory = new;
	atomic_store_explicit(&page->shared, new->place, memory_order_release);
	retire(p, old);
	return 0;
}

/* Workers are gone: nobody sees anything. */
void oxi_shared_close(ox_pool *p)
{
	oxi_shared_sweep(p);
	piece_free(p, p->directory);
	p->directory = NULL;
	OXI_LIST_EACH(e, &p->shared_data) {
		struct ox_shared *s = OXI_CONTAINER(e, struct ox_shared, link);
		oxi_list_remove(&s->link);
		if (!s->freed)
			continue;
		piece_free(p, s->data);
		oxi_free(s);
		oxi_pool_unref(p);
	}
}

/* ---- the calls ---- */

ox_shared *ox_shared_new(ox_pool *p, const void *data, size_t len)
{
	if (oxi_forked() || p == NULL)
		return NULL;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	ox_shared *s = !p->closing ? oxi_alloc(sizeof *s) : NULL;
	if (s == NULL)
		return NULL;
	*s = (ox_shared){ .magic = SHARED_MAGIC, .pool = p, .id = p->shared_ids + 1, .data = piece_new(p, data, len), .len = len };
	oxi_list_append(&p->shared_data, &s->link);
	if (s->data == NULL || publish(p) < 0) {
		oxi_list_remove(&s->link);
		piece_free(p, s->data);
		oxi_free(s);
		return NULL;
	}
	p->shared_ids++;
	p->users++;
	forget_freed(p);
	oxi_shared_sweep(p);
	return s;
}

uint64_t ox_shared_id(const ox_shared *s)
{
	if (s == NULL)
		return 0;
	OXI_CHECK_OBJECT(s, SHARED_MAGIC);
	return s->id;
}

int ox_shared_replace(ox_shared *s, const void *data, size_t len)
{
	if (oxi_forked())
		return OX_EFORKED;
	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, SHARED_MAGIC);
	ox_pool *p = s->pool;
	struct oxi_piece *old = s->data;
	size_t old_len = s->len;
	if (p->closing)
		return OX_ECLOSED;
	struct oxi_piece *new = piece_new(p, data, len);
	if (new == NULL)
		return OX_ENOMEM;
	s->data = new;
	s->len = len;
	if (publish(p) < 0) {
		s->data = old;
		s->len = old_len;
		piece_free(p, new);
		return OX_ENOMEM;
	}
	retire(p, old);
	forget_freed(p);
	oxi_shared_sweep(p);
	return 0;
}

void ox_shared_free(ox_shared *s)
{
	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, SHARED_MAGIC);
	ox_pool *p = s->pool;
	s->magic = 0;
	s->freed = true;
	if (p->dispatch == NULL) {              /* the pool is closed */
		piece_free(p, s->data);
		oxi_free(s);
		oxi_pool_unref(p);
		return;
	}
	p->users++;                     /* while it is worked on */
	if (publish(p) == 0)
		forget_freed(p);
	oxi_shared_sweep(p);
	oxi_pool_unref(p);
}
