/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_QUOTE_H
#define OXBOW_CLI_QUOTE_H

#include "cli/buffer.h"

/* Adds a word as a POSIX shell reads it back, in printable characters and newlines only. */
void oxi_buffer_add_quoted(struct oxi_buffer *b, const char *word, size_t len);
/* The same of words, NUL behind each, len bytes in all. raw: all bytes are as they are. */
void oxi_buffer_add_quoted_words(struct oxi_buffer *b, const char *words, size_t len, bool raw);

/* Adds text for a terminal: as it is, but what cannot be shown as \ooo. */
void oxi_buffer_add_printable(struct oxi_buffer *b, const char *text, size_t len);

#endif
