/* SPDX-License-Identifier: MIT */
/*
 * The shared arena: large payloads lie in one memfd, mapped at the same address in the parent, the spawner
 * and the workers, reserved large and committed by use. There are no locks in it and no metadata: the parent
 * alone allocates.
 *
 *	| control pages (heritage.h) | input zone | result zone of worker 0 | of worker 1 | ... | overflow |
 *
 * A worker maps everything read-only but its own result zone (and its own control page), so a wild pointer
 * cannot reach another job's data. What finds no room in its zone goes to the overflow, one zone for all: there a
 * worker makes a block writable when it is given it, and read-only again when it has filled it. Each zone has an allocator in the parent's private memory: size classes
 * (powers of two and halves between) up to 1 MiB, extents of whole 2 MiB above; freed memory is kept warm while it may
 * be wanted again, and then given back (MADV_REMOVE) beyond a limit.
 */
#ifndef OXBOW_IPC_ARENA_H
#define OXBOW_IPC_ARENA_H

#include <oxbow/base.h>

#define OXI_EXTENT OX_MIB(2)            /* control pages and zones are multiples of it, and begin at one */

struct oxi_arena {
	int fd;                         /* memfd; -1: closed */
	uint8_t *base;                  /* the same in every process */
	size_t size;                    /* of the whole, bytes */
	size_t control_size;            /* of the control pages at its start */
	size_t zone_size;               /* of each zone */
	unsigned zones;                 /* 1 + workers; the number of the overflow, as a zone */
	size_t overflow_size;           /* 0: none */
};

/*
 * Makes the memfd and maps it; sizes (not 0, but for the overflow's) are rounded up to whole extents. 0;
 * -EOVERFLOW; -EFBIG: RLIMIT_FSIZE; -errno.
 */
int oxi_arena_create(struct oxi_arena *a, size_t control_size, size_t zone_size, unsigned zones, size_t overflow_size);
/*
 * Maps another process's arena, whose struct came with its fd, read-only at its address. 0; -EEXIST: the
 * address is taken; -EINVAL: the file is shorter; -errno.
 */
int oxi_arena_attach(struct oxi_arena *a);
/* Makes a part of an attached arena, whole pages, writable in this process (a worker's zone, its control page). 0; -errno. */
int oxi_arena_allow(struct oxi_arena *a, size_t offset, size_t len);
int oxi_arena_forbid(struct oxi_arena *a, size_t offset, size_t len);           /* read-only again */
/*
 * For who is about to write len bytes there, in a block that ends cap bytes from there: if it is one of 1 MiB or more, extents that have
 * no page yet get one huge page each, in the first 64 MiB, where the kernel can. One fault is then in place of 512, in each process.
 */
void oxi_arena_prepare(struct oxi_arena *a, size_t offset, size_t cap, size_t len);
/*
 * Has the system give the pages now: what it has not got is told here, not by a SIGBUS later. 0; -ENOMEM, -errno. Where
 * the kernel cannot (before Linux 5.14) it answers 0.
 */
int oxi_arena_commit(struct oxi_arena *a, size_t offset, size_t len);
void oxi_arena_destroy(struct oxi_arena *a);            /* unmaps and closes; once more does nothing */

static inline size_t oxi_arena_zone(const struct oxi_arena *a, unsigned zone)   /* offset of a zone */
{
	return a->control_size + zone * a->zone_size;
}

static inline unsigned oxi_arena_zone_of(const struct oxi_arena *a, size_t place)       /* behind the control pages */
{
	size_t zone = (place - a->control_size) / a->zone_size;

	return zone < a->zones ? (unsigned)zone : a->zones;
}

/* True if [place, place + length) lies inside one zone of the arena. For numbers from the wire. */
bool oxi_arena_contains(const struct oxi_arena *a, uint64_t place, uint64_t length);

/* ---- the parent's allocator of one zone (zone.c) ---- */

struct oxi_zone;
struct oxi_zone *oxi_zone_new(struct oxi_arena *a, unsigned zone, size_t warm_limit);   /* NULL: memory */
void oxi_zone_free(struct oxi_zone *z);                 /* takes NULL */
/* A block of at least len bytes, 64-byte aligned; *ret_cap says how many. An offset into the arena; 0: full. */
size_t oxi_zone_get(struct oxi_zone *z, size_t len, size_t *ret_cap);
/* A live block counts its users: get starts with 1, ref adds one, put takes one. place: its start. */
void oxi_zone_put(struct oxi_zone *z, size_t place);
void oxi_zone_ref(struct oxi_zone *z, size_t place);
/* The live block that place lies in: its start and size; false if there is none. For numbers from elsewhere. */
bool oxi_zone_find(const struct oxi_zone *z, size_t place, size_t *ret_start, size_t *ret_cap);
size_t oxi_zone_used(const struct oxi_zone *z);         /* bytes in live blocks */
size_t oxi_zone_warm(const struct oxi_zone *z);         /* bytes free and perhaps committed */
/* More is warm than is kept for ever: after a while oxi_zone_calm() gives back what was not needed since it was called last. */
bool oxi_zone_is_hot(const struct oxi_zone *z);
void oxi_zone_calm(struct oxi_zone *z);
/* Gives free extents back to the system until at most keep bytes are warm. Free room between live small blocks stays. */
void oxi_zone_trim(struct oxi_zone *z, size_t keep);

#endif
