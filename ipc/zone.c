/* SPDX-License-Identifier: MIT */
/*
 * The parent's allocator of one zone. What a large payload costs is the first touch of its pages; so freed
 * memory is handed out again, the most recently freed first, and goes back to the system only when it has not been
 * needed for a while: at each oxi_zone_calm(), but for a limit that is kept always, all beyond the most that was in use
 * at once since the call before. Between two calls a zone has, in use or free, that most and the limit at most.
 *
 * A zone is an array of extents of 2 MiB. A block above 1 MiB is a run of whole extents. Smaller ones are
 * slots of one size in an extent, a slab. Sizes are powers of two and the halves between (64, 128, 192, 256,
 * 384 ... 1 MiB), so at most a third of a block is waste.
 *
 *	extents   FREE FREE | SLAB | LARGE BODY BODY | FREE FREE FREE ...
 *	            run 2     slots     run 3            run 3: first and last extent of a free run say its length
 *
 * - A free run has no free neighbour: freeing coalesces by the tags at its two ends.
 * - Runs are found by first fit from below, so high addresses stay untouched, and trimming takes the highest first.
 * - A class keeps one empty slab at most, so that a single block got and put in turn does not make and end slabs.
 * - All of it lies in private memory: no worker can break it, and nothing has to be repaired when one dies.
 *
 * Warm is what is free and was touched since it last went back: whole extents, and slots in slabs. A block
 * counts as touched when it is handed out, although its user may not write all of it.
 *
 * Rejected: buddies (a payload of 2^n + 1 bytes would cost twice its size in cold pages); giving back single
 * free slots of slabs that are in use (a system call each, for memory that the next burst wants again).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "include/private/check.h"
#include "include/private/list.h"
#include "ipc/arena.h"

enum {
	SMALLEST = 6,                   /* 64 bytes */
	LARGEST = 20,                   /* 1 MiB */
	CLASSES = 2 * (LARGEST - SMALLEST) + 1,
};

enum kind { FREE, LARGE, BODY, SLAB };

struct slot {
	uint32_t refs;                  /* 0: free */
	uint32_t next;                  /* free: the next free slot + 1; 0: none */
};

struct slab {
	struct oxi_list link;           /* in its class, while it has a free slot */
	uint32_t extent;
	uint32_t class;
	uint32_t slots;
	uint32_t used;
	uint32_t fresh;                 /* slots from here on were never handed out */
	uint32_t touched;               /* slots below this count as warm when free */
	uint32_t free;                  /* last freed slot + 1 */
	struct slot slot[];
};

struct extent {
	union {
		struct slab *slab;      /* SLAB */
		struct {
			uint32_t run;   /* LARGE; first and last of FREE: extents in it. BODY: distance to its LARGE */
			uint32_t refs;  /* LARGE */
		};
	};
	uint8_t kind;
	bool touched;                   /* not for SLAB */
};

struct class {
	struct oxi_list slabs;          /* with a free slot */
	struct slab *empty;             /* one of them, with no used slot */
};

struct oxi_zone {
	uint8_t *base;                  /* of the zone */
	size_t offset;                  /* of the zone in the arena */
	size_t used, warm, warm_limit;
	size_t peak;                    /* of used, since the last oxi_zone_calm() */
	uint32_t count;                 /* extents */
	uint32_t first;                 /* no extent below it is free; the start of a run, a block or a slab, or count */
	uint32_t idle;                  /* free extents that are touched */
	struct class class[CLASSES];
	struct extent extent[];
};

/* ---- sizes ---- */

static size_t class_size(uint32_t class)
{
	return class % 2 == 0 ? (size_t)1 << (SMALLEST + class / 2) : (size_t)3 << (SMALLEST + class / 2 - 1);
}

/* The smallest class that holds len bytes (at most 1 MiB). Class 1, 96 bytes, is no multiple of 64 and not used. */
static uint32_t class_of(size_t len)
{
	uint32_t high, class;

	if (len <= (size_t)1 << SMALLEST)
		return 0;
	high = 63 - (uint32_t)__builtin_clzll(len - 1);         /* 2^high < len <= 2^(high + 1) */
	class = 2 * (high - SMALLEST) + 1;
	return class == 1 || len > class_size(class) ? class + 1 : class;
}

static size_t slab_bytes(const struct slab *s, uint32_t slots)
{
	return slots * class_size(s->class);
}

/* ---- runs of extents ---- */

static void set_idle(struct oxi_zone *z, uint32_t i, bool touched)
{
	if (touched) {
		z->idle++;
		z->warm += OXI_EXTENT;
	}
	z->extent[i].touched = touched;
}

/* The extents are FREE or become so; neighbours join them. */
static void free_run(struct oxi_zone *z, uint32_t i, uint32_t n)
{
	for (uint32_t k = i; k < i + n; k++)
		z->extent[k].kind = FREE;
	if (i + n < z->count && z->extent[i + n].kind == FREE)
		n += z->extent[i + n].run;
	if (i > 0 && z->extent[i - 1].kind == FREE) {
		n += z->extent[i - 1].run;
		i -= z->extent[i - 1].run;
	}
	z->extent[i].run = z->extent[i + n - 1].run = n;
	if (i < z->first)
		z->first = i;
}

static uint32_t step(const struct oxi_zone *z, uint32_t i)
{
	return z->extent[i].kind == SLAB ? 1 : z->extent[i].run;
}

/* The start of the first run of at least n; count: none. */
static uint32_t find_run(struct oxi_zone *z, uint32_t n)
{
	uint32_t i = z->first;

	while (i < z->count && z->extent[i].kind != FREE)
		i += step(z, i);
	z->first = i;
	while (i < z->count && (z->extent[i].kind != FREE || z->extent[i].run < n))
		i += step(z, i);
	return i;
}

/* Takes n extents; their kind is the caller's to set. count: there are not so many in a row. */
static uint32_t take_run(struct oxi_zone *z, uint32_t n)
{
	uint32_t i = find_run(z, n), run;

	if (i == z->count)
		return i;
	run = z->extent[i].run;
	if (run > n)
		z->extent[i + n].run = z->extent[i + run - 1].run = run - n;
	for (uint32_t k = i; k < i + n; k++) {
		if (z->extent[k].touched) {
			z->idle--;
			z->warm -= OXI_EXTENT;
		}
	}
	if (i == z->first)
		z->first = i + n;
	return i;
}

/* ---- slabs ---- */

static void end_slab(struct oxi_zone *z, struct slab *s)
{
	struct class *c = &z->class[s->class];

	if (c->empty == s)
		c->empty = NULL;
	oxi_list_remove(&s->link);
	z->warm -= slab_bytes(s, s->touched);
	set_idle(z, s->extent, s->touched > 0);
	free_run(z, s->extent, 1);
	free(s);
}

static bool end_empty_slabs(struct oxi_zone *z)
{
	bool any = false;

	for (uint32_t c = 0; c < CLASSES; c++) {
		if (z->class[c].empty != NULL) {
			end_slab(z, z->class[c].empty);
			any = true;
		}
	}
	return any;
}

/* As take_run(), and asks the empty slabs for their extents. */
static uint32_t need_run(struct oxi_zone *z, uint32_t n)
{
	uint32_t i = take_run(z, n);

	return i == z->count && end_empty_slabs(z) ? take_run(z, n) : i;
}

static struct slab *new_slab(struct oxi_zone *z, uint32_t class)
{
	uint32_t slots = (uint32_t)(OXI_EXTENT / class_size(class));
	struct slab *s = malloc(sizeof(*s) + slots * sizeof(s->slot[0]));
	uint32_t i;

	if (s == NULL)
		return NULL;
	i = need_run(z, 1);
	if (i == z->count) {
		free(s);
		return NULL;
	}
	*s = (struct slab){ .extent = i, .class = class, .slots = slots, .touched = z->extent[i].touched ? slots : 0 };
	z->extent[i].kind = SLAB;
	z->extent[i].slab = s;
	z->warm += slab_bytes(s, s->touched);
	oxi_list_prepend(&z->class[class].slabs, &s->link);
	z->class[class].empty = s;
	return s;
}

static uint32_t take_slot(struct slab *s)
{
	uint32_t i;

	if (s->free == 0)
		return s->fresh++;
	i = s->free - 1;
	s->free = s->slot[i].next;
	return i;
}

static size_t get_small(struct oxi_zone *z, uint32_t class, size_t *ret_cap)
{
	struct class *c = &z->class[class];
	size_t size = class_size(class);
	struct slab *s;
	uint32_t i;

	if (oxi_list_empty(&c->slabs) && new_slab(z, class) == NULL)
		return 0;
	s = OXI_CONTAINER(c->slabs.next, struct slab, link);
	i = take_slot(s);
	if (i < s->touched)
		z->warm -= size;
	else
		s->touched = i + 1;
	z->used += size;
	s->slot[i].refs = 1;
	if (c->empty == s)
		c->empty = NULL;
	if (++s->used == s->slots)
		oxi_list_remove(&s->link);
	*ret_cap = size;
	return z->offset + s->extent * OXI_EXTENT + i * size;
}

static void put_small(struct oxi_zone *z, struct slab *s, uint32_t i)
{
	struct class *c = &z->class[s->class];

	s->slot[i].next = s->free;
	s->free = i + 1;
	z->used -= class_size(s->class);
	z->warm += class_size(s->class);
	if (s->used-- == s->slots)
		oxi_list_prepend(&c->slabs, &s->link);
	if (s->used > 0)
		return;
	if (c->empty == NULL)
		c->empty = s;
	else
		end_slab(z, s);
}

/* ---- large blocks ---- */

static size_t get_large(struct oxi_zone *z, size_t len, size_t *ret_cap)
{
	uint32_t n, i;

	if (len > z->count * OXI_EXTENT)
		return 0;
	n = (uint32_t)((len + OXI_EXTENT - 1) / OXI_EXTENT);
	i = need_run(z, n);
	if (i == z->count)
		return 0;
	for (uint32_t k = 0; k < n; k++)
		z->extent[i + k] = (struct extent){ .kind = BODY, .run = k, .touched = true };
	z->extent[i] = (struct extent){ .kind = LARGE, .run = n, .refs = 1, .touched = true };
	z->used += n * OXI_EXTENT;
	*ret_cap = n * OXI_EXTENT;
	return z->offset + i * OXI_EXTENT;
}

static void put_large(struct oxi_zone *z, uint32_t i)
{
	uint32_t n = z->extent[i].run;

	z->used -= n * OXI_EXTENT;
	for (uint32_t k = i; k < i + n; k++)
		set_idle(z, k, true);
	free_run(z, i, n);
}

/* ---- the calls ---- */

struct oxi_zone *oxi_zone_new(struct oxi_arena *a, unsigned zone, size_t warm_limit)
{
	uint32_t count = (uint32_t)((zone < a->zones ? a->zone_size : a->overflow_size) / OXI_EXTENT);
	struct oxi_zone *z = calloc(1, sizeof(*z) + count * sizeof(z->extent[0]));

	if (z == NULL)
		return NULL;
	z->offset = oxi_arena_zone(a, zone);
	z->base = a->base + z->offset;
	z->warm_limit = warm_limit;
	z->count = z->first = count;
	for (uint32_t c = 0; c < CLASSES; c++)
		oxi_list_init(&z->class[c].slabs);
	if (count > 0)
		free_run(z, 0, count);
	return z;
}

void oxi_zone_free(struct oxi_zone *z)
{
	if (z == NULL)
		return;
	for (uint32_t i = 0; i < z->count; i += step(z, i))
		if (z->extent[i].kind == SLAB)
			free(z->extent[i].slab);
	free(z);
}

size_t oxi_zone_get(struct oxi_zone *z, size_t len, size_t *ret_cap)
{
	size_t place = len <= (size_t)1 << LARGEST ? get_small(z, class_of(len), ret_cap) : get_large(z, len, ret_cap);

	if (z->used > z->peak)
		z->peak = z->used;
	return place;
}

/* The count of a live block's users, for any place inside it; NULL: there is none. */
static uint32_t *find_refs(const struct oxi_zone *z, size_t place, size_t *ret_start, size_t *ret_cap)
{
	size_t in = place - z->offset;
	struct extent *e;
	uint32_t i;

	if (place < z->offset || in / OXI_EXTENT >= z->count)
		return NULL;
	i = (uint32_t)(in / OXI_EXTENT);
	if (z->extent[i].kind == BODY)
		i -= z->extent[i].run;
	e = (struct extent *)&z->extent[i];
	if (e->kind == LARGE) {
		*ret_start = z->offset + i * OXI_EXTENT;
		*ret_cap = e->run * OXI_EXTENT;
		return &e->refs;
	}
	if (e->kind == SLAB) {
		size_t size = class_size(e->slab->class);
		uint32_t k = (uint32_t)(in % OXI_EXTENT / size);

		*ret_start = z->offset + i * OXI_EXTENT + k * size;
		*ret_cap = size;
		return k < e->slab->fresh && e->slab->slot[k].refs > 0 ? &e->slab->slot[k].refs : NULL;
	}
	return NULL;
}

bool oxi_zone_find(const struct oxi_zone *z, size_t place, size_t *ret_start, size_t *ret_cap)
{
	size_t start, cap;

	if (find_refs(z, place, &start, &cap) == NULL)
		return false;
	*ret_start = start;
	*ret_cap = cap;
	return true;
}

static uint32_t *live_refs(struct oxi_zone *z, size_t place, size_t *ret_cap)
{
	size_t start = 0;
	uint32_t *refs = find_refs(z, place, &start, ret_cap);

	OXI_CHECK(refs != NULL && start == place);
	return refs;
}

void oxi_zone_ref(struct oxi_zone *z, size_t place)
{
	size_t cap;

	++*live_refs(z, place, &cap);
}

void oxi_zone_put(struct oxi_zone *z, size_t place)
{
	uint32_t i = (uint32_t)((place - z->offset) / OXI_EXTENT);
	size_t cap;

	if (--*live_refs(z, place, &cap) > 0)
		return;
	if (z->extent[i].kind == SLAB)
		put_small(z, z->extent[i].slab, (uint32_t)((place - z->offset) % OXI_EXTENT / cap));
	else
		put_large(z, i);
	size_t most = z->peak - z->used + z->warm_limit;
	if (z->warm > most && z->idle > 0)
		oxi_zone_trim(z, most);
}

bool oxi_zone_is_hot(const struct oxi_zone *z)
{
	return z->warm > z->warm_limit;
}

void oxi_zone_calm(struct oxi_zone *z)
{
	size_t needed = z->peak - z->used;

	oxi_zone_trim(z, needed > z->warm_limit ? needed : z->warm_limit);
	z->peak = z->used;
}

size_t oxi_zone_used(const struct oxi_zone *z)
{
	return z->used;
}

size_t oxi_zone_warm(const struct oxi_zone *z)
{
	return z->warm;
}

/* Gives back the touched extents of a free run that ends before end, highest first, as far as needed. */
static void trim_run(struct oxi_zone *z, uint32_t begin, uint32_t end, size_t keep)
{
	while (end > begin && z->warm > keep && z->idle > 0) {
		uint32_t last = end;

		while (end > begin && z->extent[end - 1].touched && z->warm > keep) {
			z->extent[--end].touched = false;
			z->idle--;
			z->warm -= OXI_EXTENT;
		}
		if (end == last)
			end--;
		else
			madvise(z->base + end * OXI_EXTENT, (last - end) * OXI_EXTENT, MADV_REMOVE);
	}
}

void oxi_zone_trim(struct oxi_zone *z, size_t keep)
{
	uint32_t end = z->count;

	if (z->warm > keep)
		end_empty_slabs(z);
	while (end > 0 && z->warm > keep && z->idle > 0) {
		const struct extent *e = &z->extent[end - 1];
		uint32_t begin = end - 1;

		if (e->kind == FREE)
			begin = end - e->run;
		else if (e->kind == BODY)
			begin = end - 1 - e->run;
		if (e->kind == FREE)
			trim_run(z, begin, end, keep);
		end = begin;
	}
}
