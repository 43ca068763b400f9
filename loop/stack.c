/* SPDX-License-Identifier: MIT */
/*
 * Stacks for coroutines. Address space is reserved in chunks, memory is committed by touching it, and each
 * stack has a guard page at its low end: a parked coroutine costs one page, and one that overflows faults
 * instead of writing into its neighbour.
 *
 *	chunk: | guard | stack 0 ............ top | guard | stack 1 ............ top | ...
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) marks pages without splitting the mapping, so that 100,000 stacks
 * are one VMA. Older kernels get mprotect(), which makes two VMAs of each stack and meets vm.max_map_count
 * (65,530 by default) near 32,000 stacks: then oxi_stack_get() answers OX_ENOMEM. The kernel is asked by
 * doing: a guarded page must make a system call that writes to it fail with EFAULT (an emulator may accept
 * the advice and ignore it).
 *
 * Reuse: fresh memory costs 10 us a stack, a used stack nothing, so free stacks are kept, last in first out,
 * as many as were in use at once in the last second; the memory of the others is given back by
 * oxi_stacks_trim() (their address space and guards stay).
 *
 * Colour: all stacks of a class begin at the same place of a page, which are the same few sets of the CPU's
 * cache; so each is told to leave free a different multiple of 64 bytes at its top.
 */
#include "loop/stack.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/private/check.h"
#include "include/private/sanitize.h"
#include "loop/loop.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#if defined(OXI_ASAN) || defined(OXI_TSAN)
#define SCALE 4u                        /* red zones and instrumented frames */
#else
#define SCALE 1u
#endif

#define GUARD       ((size_t)4096)
#define COLOURS     16u
#define CHUNK_MIN   16u                 /* stacks */
#define CHUNK_MAX   OX_GIB(1)           /* bytes */

struct oxi_stack_chunk {
	struct oxi_stack_chunk *next;
	char *base;
	size_t count;
};

static bool guard_install_works;

static void probe_guard_install(void)
{
	char *page = mmap(NULL, GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	guard_install_works = madvise(page, GUARD, MADV_GUARD_INSTALL) == 0 && syscall(SYS_uname, page) < 0 &&
	                      errno == EFAULT;
	munmap(page, GUARD);
}

void oxi_stacks_init(struct oxi_stacks *s)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, probe_guard_install);
	*s = (struct oxi_stacks){ .mprotect = !guard_install_works };
	for (unsigned i = 0; i < OXI_STACK_CLASSES; i++)
		s->classes[i].size = (OX_KIB(64) << 2 * i) * SCALE;
}

void oxi_stacks_destroy(struct oxi_stacks *s)
{
	for (unsigned i = 0; i < OXI_STACK_CLASSES; i++) {
		struct oxi_stack_class *c = &s->classes[i];

		while (c->chunks) {
			struct oxi_stack_chunk *k = c->chunks;

			c->chunks = k->next;
			OXI_UNPOISON(k->base, k->count * c->size);      /* whoever gets the addresses next */
			munmap(k->base, k->count * c->size);
			oxi_free(k);
		}
		oxi_free(c->free);
	}
}

/* Reserves the next chunk: twice as many stacks as the last one had, within bounds. */
static int grow(struct oxi_stack_class *c)
{
	struct oxi_stack_chunk *k = oxi_alloc(sizeof(*k));
	size_t most = CHUNK_MAX / c->size;

	if (k == NULL)
		return OX_ENOMEM;
	k->count = c->chunks ? c->chunks->count * 2 : CHUNK_MIN;
	if (k->count > most)
		k->count = most;
	k->base = mmap(NULL, k->count * c->size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (k->base == MAP_FAILED) {
		oxi_free(k);
		return OX_ENOMEM;
	}
	madvise(k->base, k->count * c->size, MADV_NOHUGEPAGE);  /* a huge page would commit 2 MiB for one frame */
	k->next = c->chunks;
	c->chunks = k;
	c->fresh = k->count;
	return 0;
}

/* Room in the free list for every stack that is out, so that putting one back never fails. */
static int make_room(struct oxi_stack_class *c)
{
	size_t need = c->used + c->free_len + 1;
	char **list;

	if (need <= c->free_cap)
		return 0;
	list = oxi_realloc(c->free, need * 2 * sizeof(*list));
	if (list == NULL)
		return OX_ENOMEM;
	c->free = list;
	c->free_cap = need * 2;
	return 0;
}

static int guard(struct oxi_stacks *s, char *base)
{
	int r = s->mprotect ? mprotect(base, GUARD, PROT_NONE) : madvise(base, GUARD, MADV_GUARD_INSTALL);

	if (r < 0 && s->mprotect && !s->told) {
		s->told = true;
		oxi_log(OX_LOG_ERROR, "no guard for the stack of another coroutine: %s. On this kernel each takes two "
		        "mappings, and vm.max_map_count bounds them; raise it with sysctl", strerror(errno));
	}
	return r < 0 ? OX_ENOMEM : 0;
}

static int take_fresh(struct oxi_stacks *s, struct oxi_stack_class *c, char **ret)
{
	char *base;

	if (c->fresh == 0 && grow(c) < 0)
		return OX_ENOMEM;
	base = c->chunks->base + (c->chunks->count - c->fresh) * c->size;
	if (guard(s, base) < 0)
		return OX_ENOMEM;
	c->fresh--;
	*ret = base;
	return 0;
}

int oxi_stack_get(struct oxi_stacks *s, size_t size, struct oxi_stack *ret)
{
	struct oxi_stack_class *c = s->classes;
	unsigned class = 0;
	char *base;

	size = (size ? size : OXI_STACK_DEFAULT) * SCALE;
	while (class < OXI_STACK_CLASSES && c->size < size)
		c++, class++;
	if (class == OXI_STACK_CLASSES)
		return OX_EINVAL;
	if (make_room(c) < 0)
		return OX_ENOMEM;
	if (c->free_len > 0) {
		base = c->free[--c->free_len];
		if (c->cold > c->free_len)
			c->cold = c->free_len;
	} else if (take_fresh(s, c, &base) < 0) {
		return OX_ENOMEM;
	}
	if (++c->used > c->used_peak)
		c->used_peak = c->used;
	*ret = (struct oxi_stack){ .bottom = base + GUARD, .size = c->size - GUARD, .class = class,
		                   .colour = (uint32_t)((uintptr_t)base / c->size % COLOURS * 64) };
	OXI_UNPOISON(ret->bottom, ret->size);
	return 0;
}

void oxi_stack_put(struct oxi_stacks *s, const struct oxi_stack *st)
{
	struct oxi_stack_class *c = &s->classes[st->class];

	OXI_POISON(st->bottom, st->size);
	c->used--;
	c->free[c->free_len++] = st->bottom - GUARD;
}

/* The coldest lie first in the list, so what goes is a prefix. */
static bool trim_class(struct oxi_stack_class *c)
{
	size_t keep = c->used_peak > c->used ? c->used_peak - c->used : 0;

	if (c->used_peak > c->used_max)
		c->used_max = c->used_peak;
	c->used_peak = c->used;
	while (c->cold + keep < c->free_len)
		madvise(c->free[c->cold++] + GUARD, c->size - GUARD, MADV_DONTNEED);
	return c->cold < c->free_len;
}

bool oxi_stacks_trim(struct oxi_stacks *s)
{
	bool left = false;

	for (unsigned i = 0; i < OXI_STACK_CLASSES; i++)
		left |= trim_class(&s->classes[i]);
	return left;
}

bool oxi_stacks_guards(const struct oxi_stacks *s, const void *address)
{
	for (unsigned i = 0; i < OXI_STACK_CLASSES; i++) {
		const struct oxi_stack_class *c = &s->classes[i];

		for (const struct oxi_stack_chunk *k = c->chunks; k; k = k->next) {
			size_t offset = (size_t)((const char *)address - k->base);

			if ((const char *)address >= k->base && offset < k->count * c->size)
				return offset % c->size < GUARD;
		}
	}
	return false;
}
