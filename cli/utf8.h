/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_UTF8_H
#define OXBOW_CLI_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence at p, at most n bytes; 0: malformed (RFC 3629: no surrogates, no overlong forms). */
size_t oxi_utf8_len(const void *p, size_t n);

#endif
