/* SPDX-License-Identifier: MIT */
/* Counting words: in a worker the words of one page, in the main process those of all. */
#ifndef OXBOW_CLI_WORDS_H
#define OXBOW_CLI_WORDS_H

#include <oxbow/base.h>

#include "cli/buffer.h"

struct oxi_word {
	uint32_t hash, at, len;         /* its text in the table's text; len 0: a free slot */
	uint64_t count;
};

struct oxi_words {
	struct oxi_word *slot;          /* cap of them, a power of two */
	size_t n, cap;
	struct oxi_buffer text;
	uint64_t total;                 /* of all counts */
	bool failed;                    /* memory */
};

#define OXI_WORD_MAX       64           /* bytes; what is longer is cut */
#define OXI_WORDS_DISTINCT (1u << 20)   /* distinct ones; further ones only count towards the total */

void oxi_words_add(struct oxi_words *w, const char *word, size_t len, uint64_t count);

/* Adds all words of a text (UTF-8), in lower case as far as ASCII goes. */
void oxi_words_add_text(struct oxi_words *w, const char *text, size_t len);

/* The table as bytes, and added from bytes that came from a worker. Returns: 0; OX_EPROTO. */
void oxi_words_pack(const struct oxi_words *w, struct oxi_buffer *out);
int oxi_words_unpack(struct oxi_words *w, const void *data, size_t len);

/* The n most frequent, most first, equal ones by their text. Returns how many; *ret is the caller's to free. */
size_t oxi_words_top(const struct oxi_words *w, size_t n, struct oxi_word **ret);

static inline const char *oxi_word_text(const struct oxi_words *w, const struct oxi_word *word)
{
	return w->text.data + word->at;
}

void oxi_words_free(struct oxi_words *w);

#endif
