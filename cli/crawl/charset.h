/* SPDX-License-Identifier: MIT */
/* What a text is written in, and the same in UTF-8. */
#ifndef OXBOW_CLI_CHARSET_H
#define OXBOW_CLI_CHARSET_H

#include <oxbow/base.h>

#include "cli/buffer.h"

#define OXI_CHARSET_MAX 32

/*
 * Finds the charset of a page, as browsers do: a byte order mark, then HTTP's word, then what the page says in
 * its first kilobyte, then UTF-8 if it is that, and windows-1252 otherwise (WHATWG Encoding; HTML 13.2.3.2).
 *
 * @type: Content-Type; "" if there was none. @ret: its name, lower case. @ret_skip: bytes of the mark.
 */
void oxi_charset_find(const void *data, size_t len, const char *type, char ret[OXI_CHARSET_MAX], size_t *ret_skip);

/* Adds a text as UTF-8; what is none in its charset becomes U+FFFD. Returns: 0; OX_ENOMEM. */
int oxi_charset_decode(const char *charset, const void *data, size_t len, struct oxi_buffer *out);

/*
 * Writes a link's query as a browser sends it: in the page's charset, percent-encoded. The rest stays UTF-8.
 * Returns: 0; OX_ENOMEM.
 */
int oxi_charset_encode_query(const char *charset, const char *link, size_t len, struct oxi_buffer *out);

/*
 * Loads the charsets that pages on the web are in, and from then on knows no others: for a process that will not be
 * allowed to open files, which the C library does for each.
 */
void oxi_charset_prepare(void);

#endif
