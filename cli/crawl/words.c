/* SPDX-License-Identifier: MIT */
/*
 * A word is a run of letters, digits, underscores and whatever UTF-8 writes with several bytes (but for the
 * spaces and punctuation of U+00A0-00BF, U+2000-206F and U+3000-303F), with at least one character that is no
 * digit. A hash table with open addressing keeps each distinct word once, its text in one buffer; the packed
 * form is a row of (length byte, text, count as 4 bytes).
 */
#include "cli/crawl/words.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *p, size_t len)
{
	uint32_t h = 2166136261u;               /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h;
}

static struct oxi_word *place(const struct oxi_words *w, struct oxi_word *slot, size_t cap, uint32_t hash,
                              const char *word, size_t len)
{
	size_t i = hash & (cap - 1);
	while (slot[i].len && (slot[i].hash != hash || slot[i].len != len ||
	                       memcmp(w->text.data + slot[i].at, word, len) != 0))
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static bool grow(struct oxi_words *w)
{
	size_t cap = w->cap ? 2 * w->cap : 256;
	struct oxi_word *slot = calloc(cap, sizeof(*slot));
	if (!slot) {
		w->failed = true;
		return false;
	}
	for (size_t i = 0; i < w->cap; i++) {
		struct oxi_word *old = &w->slot[i];
		if (old->len)
			*place(w, slot, cap, old->hash, w->text.data + old->at, old->len) = *old;
	}
	free(w->slot);
	w->slot = slot;
	w->cap = cap;
	return true;
}

void oxi_words_add(struct oxi_words *w, const char *word, size_t len, uint64_t count)
{
	if (len == 0)
		return;
	len = len < OXI_WORD_MAX ? len : OXI_WORD_MAX;
	w->total += count;
	if (2 * (w->n + 1) > w->cap && !grow(w))
		return;
	uint32_t hash = hash_of(word, len);
	struct oxi_word *slot = place(w, w->slot, w->cap, hash, word, len);
	if (slot->len) {
		slot->count += count;
		return;
	}
	if (w->n == OXI_WORDS_DISTINCT)
		return;
	*slot = (struct oxi_word){ hash, (uint32_t)w->text.len, (uint32_t)len, count };
	oxi_buffer_add(&w->text, word, len);
	if (w->text.failed) {
		w->failed = true;
		slot->len = 0;
		return;
	}
	w->n++;
}

static bool is_within(unsigned char c, char from, char to)
{
	return c >= (unsigned char)from && c <= (unsigned char)to;
}

/* How many bytes of a word stand at p; 0: none. */
static size_t word_bytes(const unsigned char *p, size_t len)
{
	if (p[0] < 0x80)
		return is_within(p[0] | 0x20, 'a', 'z') || is_within(p[0], '0', '9') || p[0] == '_';
	bool blank = len > 1 && p[0] == 0xc2 && p[1] < 0xc0;
	if (len > 2 && ((p[0] == 0xe2 && (p[1] == 0x80 || (p[1] == 0x81 && p[2] < 0xb0))) || (p[0] == 0xe3 && p[1] == 0x80)))
		blank = true;
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	return blank ? 0 : n < len ? n : len;
}

static size_t blank_bytes(const unsigned char *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] == 0xc2 ? 2 : 3;
	return n < len ? n : len;
}

void oxi_words_add_text(struct oxi_words *w, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	while (p < end) {
		char word[OXI_WORD_MAX];
		size_t n = 0, step;
		bool number = true;
		for (; p < end && (step = word_bytes(p, (size_t)(end - p))) > 0; p += step) {
			number &= is_within(*p, '0', '9');
			if (n + step > sizeof(word))
				continue;
			memcpy(word + n, p, step);
			if (is_within(*p, 'A', 'Z'))
				word[n] |= 0x20;
			n += step;
		}
		if (!number)
			oxi_words_add(w, word, n, 1);
		if (p < end)
			p += blank_bytes(p, (size_t)(end - p));
	}
}

void oxi_words_pack(const struct oxi_words *w, struct oxi_buffer *out)
{
	for (size_t i = 0; i < w->cap; i++) {
		const struct oxi_word *word = &w->slot[i];
		if (!word->len)
			continue;
		uint32_t count = htole32(word->count < UINT32_MAX ? (uint32_t)word->count : UINT32_MAX);
		oxi_buffer_add_char(out, (char)word->len);
		oxi_buffer_add(out, oxi_word_text(w, word), word->len);
		oxi_buffer_add(out, &count, sizeof(count));
	}
}

int oxi_words_unpack(struct oxi_words *w, const void *data, size_t len)
{
	const char *p = data, *end = p + len;
	while (p < end) {
		size_t n = (unsigned char)*p++;
		uint32_t count;
		if (n == 0 || n > OXI_WORD_MAX || (size_t)(end - p) < n + sizeof(count))
			return OX_EPROTO;
		memcpy(&count, p + n, sizeof(count));
		oxi_words_add(w, p, n, le32toh(count));
		p += n + sizeof(count);
	}
	return 0;
}

static int more_first(const void *a_, const void *b_, void *table)
{
	const struct oxi_word *a = a_, *b = b_;
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	int order = memcmp(oxi_word_text(table, a), oxi_word_text(table, b), a->len < b->len ? a->len : b->len);
	return order ? order : (a->len > b->len) - (a->len < b->len);
}

size_t oxi_words_top(const struct oxi_words *w, size_t n, struct oxi_word **ret)
{
	*ret = malloc((w->n + 1) * sizeof(**ret));
	if (!*ret)
		return 0;
	size_t found = 0;
	for (size_t i = 0; i < w->cap; i++) {
		if (w->slot[i].len)
			(*ret)[found++] = w->slot[i];
	}
	qsort_r(*ret, found, sizeof(**ret), more_first, (void *)w);
	return found < n ? found : n;
}

void oxi_words_free(struct oxi_words *w)
{
	free(w->slot);
	oxi_buffer_free(&w->text);
	*w = (struct oxi_words){ 0 };
}
