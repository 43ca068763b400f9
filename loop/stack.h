/* SPDX-License-Identifier: MIT */
/* Guarded stacks. See stack.c. */
#ifndef OXBOW_LOOP_STACK_H
#define OXBOW_LOOP_STACK_H

#include <oxbow/base.h>

#define OXI_STACK_CLASSES 3u            /* 64 KiB, 256 KiB, 1 MiB (four times that under a sanitizer) */
#define OXI_STACK_DEFAULT OX_KIB(256)

struct oxi_stack {
	char *bottom;                   /* the first usable byte, above the guard */
	size_t size;                    /* usable bytes */
	uint32_t colour;                /* bytes to leave free at the top */
	uint32_t class;
};

struct oxi_stack_chunk;

struct oxi_stack_class {
	size_t size;                    /* with the guard */
	struct oxi_stack_chunk *chunks; /* newest first */
	size_t fresh;                   /* stacks of the newest chunk that were never used */
	char **free;                    /* guarded and free; the last is the hottest */
	size_t free_len, free_cap;
	size_t cold;                    /* free[0..cold) have no memory committed */
	size_t used, used_peak;         /* now, and since the last trim */
	size_t used_max;                /* before that */
};

struct oxi_stacks {
	struct oxi_stack_class classes[OXI_STACK_CLASSES];
	bool told;                      /* that guards have run out */
	bool mprotect;                  /* guard by mprotect: the kernel has no MADV_GUARD_INSTALL, or a test says so */
};

void oxi_stacks_init(struct oxi_stacks *s);
void oxi_stacks_destroy(struct oxi_stacks *s);

/* A stack of at least size bytes (0: the default). 0; OX_ENOMEM; OX_EINVAL over 1 MiB. */
int oxi_stack_get(struct oxi_stacks *s, size_t size, struct oxi_stack *ret);
void oxi_stack_put(struct oxi_stacks *s, const struct oxi_stack *st);

/* Gives back the memory of free stacks that the last period did not need; returns whether any committed ones are left. */
bool oxi_stacks_trim(struct oxi_stacks *s);

/* True if address lies in a guard of one of these stacks. Async-signal-safe. */
bool oxi_stacks_guards(const struct oxi_stacks *s, const void *address);

#endif
