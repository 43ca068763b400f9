/* SPDX-License-Identifier: MIT */
/* The crunch of every peer here, as a plugin of `oxbow crawl`: SHA-256 of the body; its words without <...>, counted in a table. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include <oxbow/crunch.h>

#define SLOTS 65536u

struct slot {
	const char *word;
	uint32_t len, page, count;
};

static struct slot table[SLOTS];
static uint32_t page_number;            /* a slot of an earlier page is free */
static char lower[256];                 /* a word's byte in lower case; 0: not part of a word */

static void fill_lower(void)
{
	for (int c = 0; c < 256; c++)
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_')
			lower[c] = (char)c;
		else if (c >= 'A' && c <= 'Z')
			lower[c] = (char)(c + 32);
}

/* Writes the text without tags, every byte in lower case or 0, and returns its length. */
static size_t strip(const char *in, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		const char *end = in[i] == '<' ? memchr(in + i, '>', len - i) : NULL;

		if (end)
			i = (size_t)(end - in);
		else
			out[n++] = lower[(unsigned char)in[i]];
	}
	return n;
}

static bool is_new(const char *word, uint32_t len)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)word[i]) * 16777619u;
	struct slot *s;
	for (s = &table[h % SLOTS]; s->page == page_number; s = &table[++h % SLOTS])
		if (s->len == len && memcmp(s->word, word, len) == 0) {
			s->count++;
			return false;
		}
	*s = (struct slot){ word, len, page_number, 1 };
	return true;
}

OX_API int totals(const ox_page *page, ox_page_reply *out);
int totals(const ox_page *page, ox_page_reply *out)
{
	unsigned char digest[32];
	char *text = malloc(page->body.len + 1);
	int64_t words = 0, distinct = 0;

	if (!text || !EVP_Digest(page->body.data, page->body.len, digest, NULL, EVP_sha256(), NULL)) {
		free(text);
		return OX_ENOMEM;
	}
	if (page_number++ == 0)
		fill_lower();
	size_t len = strip(page->body.data, page->body.len, text);
	for (size_t i = 0, start; i < len; i++) {
		for (start = i; i < len && text[i]; i++)
			;
		if (i > start) {
			words++;
			distinct += is_new(text + start, (uint32_t)(i - start));
		}
	}
	ox_page_put_int(out, "words", words);
	ox_page_put_int(out, "distinct", distinct);
	free(text);
	return 0;
}
