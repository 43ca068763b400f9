/* SPDX-License-Identifier: MIT */
/*
 * Where the items of a queue lie, in one of three orders. Memory grows as needed, and shrinks never: after a
 * pop the next push cannot fail.
 */
#ifndef OXBOW_LOOP_STORE_H
#define OXBOW_LOOP_STORE_H

#include <stddef.h>
#include <stdint.h>

enum oxi_order {
	OXI_FIFO,
	OXI_LIFO,
	OXI_SORTED,                     /* the least first; first in, first out among equals */
};

typedef int oxi_compare(const void *a, const void *b);

struct oxi_ranked {
	void *item;
	uint64_t number;                /* in order of pushing, for equals */
};

struct oxi_store {
	enum oxi_order order;
	oxi_compare *compare;           /* OXI_SORTED */
	size_t len, cap;                /* cap: a power of two, or 0 */
	size_t head;                    /* of the ring: the first item is at head modulo cap */
	uint64_t numbers;
	union {
		void **ring;            /* OXI_FIFO, OXI_LIFO */
		struct oxi_ranked *heap;        /* OXI_SORTED: binary */
		void *memory;
	};
};

int oxi_store_push(struct oxi_store *s, void *item);    /* 0; OX_ENOMEM */
void *oxi_store_pop(struct oxi_store *s);               /* there is one */
void oxi_store_destroy(struct oxi_store *s);

#endif
