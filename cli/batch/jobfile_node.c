/* SPDX-License-Identifier: MIT */
/*
 * A file of a hundred thousand entries is two million nodes, so they are small, lie one behind the other in chunks that grow,
 * and are freed together. Large chunks ask for huge pages: what nodes cost is above all the page faults of fresh memory, and
 * these are dear in virtual machines. An entry has one chunk of its own, that is just large enough for it.
 */
#include "cli/batch/jobfile_node.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_FIRST OX_KIB(16)
#define CHUNK_MAX   OX_MIB(16)
#define HUGE_PAGE   OX_MIB(2)

struct oxi_chunk {
	struct oxi_chunk *older;
	size_t size;
	char data[];
};

static struct oxi_chunk *new_chunk(size_t size)
{
	struct oxi_chunk *c;
	if (size > SIZE_MAX / 2)
		return NULL;
	if (size < 2 * HUGE_PAGE) {
		c = malloc(sizeof(*c) + size);
	} else {
		size = (size + sizeof(*c) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE - sizeof(*c);
		c = aligned_alloc(HUGE_PAGE, sizeof(*c) + size);
		if (c)
			madvise(c, sizeof(*c) + size, MADV_HUGEPAGE);
	}
	if (c)
		*c = (struct oxi_chunk){ .size = size };
	return c;
}

int oxi_arena_reserve(struct oxi_arena *a, size_t size)
{
	if ((size_t)(a->end - a->at) >= size)
		return 0;
	struct oxi_chunk *c = new_chunk(size);
	if (!c)
		return OX_ENOMEM;
	c->older = a->chunk;
	a->chunk = c;
	a->at = c->data;
	a->end = c->data + c->size;
	return 0;
}

static char *take(struct oxi_arena *a, size_t size, size_t align)
{
	size_t gap = -(uintptr_t)a->at % align;
	if ((size_t)(a->end - a->at) < gap + size) {
		size_t room = a->chunk ? 2 * a->chunk->size : CHUNK_FIRST;
		room = room < CHUNK_MAX ? room : CHUNK_MAX;
		if (oxi_arena_reserve(a, size > room ? size : room) < 0)
			return NULL;
		gap = 0;
	}
	char *p = a->at + gap;
	a->at = p + size;
	return p;
}

void *oxi_arena_take(struct oxi_arena *a, size_t size)
{
	char *p = take(a, size, _Alignof(uint64_t));
	return p ? memset(p, 0, size) : NULL;
}

char *oxi_arena_text(struct oxi_arena *a, size_t len)
{
	char *p = take(a, len + 1, 1);
	if (p)
		p[len] = '\0';
	return p;
}

void oxi_arena_clear(struct oxi_arena *a)
{
	if (!a->chunk)
		return;
	oxi_chunk_free(a->chunk->older);
	a->chunk->older = NULL;
	a->at = a->chunk->data;
	a->end = a->at + a->chunk->size;
}

void oxi_chunk_free(struct oxi_chunk *c)
{
	while (c) {
		struct oxi_chunk *older = c->older;
		free(c);
		c = older;
	}
}

void oxi_arena_free(struct oxi_arena *a)
{
	oxi_chunk_free(a->chunk);
	*a = (struct oxi_arena){ 0 };
}

struct oxi_node *oxi_node_new(struct oxi_arena *a, enum oxi_node_kind kind, struct oxi_spot spot)
{
	struct oxi_node *n = (void *)take(a, sizeof(*n), _Alignof(struct oxi_node));
	if (n)
		*n = (struct oxi_node){ .kind = kind, .spot = spot };
	return n;
}

struct oxi_node *oxi_node_text(struct oxi_arena *a, struct oxi_spot spot, const char *text, size_t len)
{
	struct oxi_node *n = oxi_node_new(a, OXI_NODE_TEXT, spot);
	char *copy = n ? oxi_arena_text(a, len) : NULL;
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	n->text = copy;
	n->n = (uint32_t)len;
	return n;
}
