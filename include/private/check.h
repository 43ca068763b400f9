/* SPDX-License-Identifier: MIT */
/*
 * Checks that stay on in production. OXI_CHECK is for our own invariants: a broken one ends the process, with file,
 * line and what was expected. Objects carry a magic word, checked at each public entry: a wrong type and a use after
 * free are caught there and not a minute later.
 */
#ifndef OXBOW_PRIVATE_CHECK_H
#define OXBOW_PRIVATE_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define OXI_LIKELY(x)   __builtin_expect(!!(x), 1)
#define OXI_UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline _Noreturn void oxi_check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "oxbow: %s:%d: expected %s\n", file, line, what);
	abort();
}

#define OXI_CHECK(x)                                                            \
	do {                                                                    \
		if (OXI_UNLIKELY(!(x)))                                         \
			oxi_check_failed(__FILE__, __LINE__, #x);               \
	} while (0)

#define OXI_CHECK_OBJECT(o, m) OXI_CHECK((o) != NULL && (o)->magic == (m))

#endif
