/* SPDX-License-Identifier: MIT */
/* Boost.Context's assembler entry points, declared for C: they are plain C
   symbols, so no C++ header and no libstdc++ is needed. */
#ifndef FCTX_H
#define FCTX_H
#include <stddef.h>
typedef void *fcontext_t;
typedef struct { fcontext_t fctx; void *data; } transfer_t;
extern transfer_t jump_fcontext(fcontext_t to, void *vp);
extern fcontext_t make_fcontext(void *stack_top, size_t size, void (*fn)(transfer_t));
#endif
