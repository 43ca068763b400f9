/* SPDX-License-Identifier: MIT */
/*
 * A template is a flat list of parts: literal bytes, places, and ends of words. It is parsed once and
 * expanded for each job into one run of NUL-ended words, the form in which it travels to the reaper.
 *
 * A place for all values stands for several where a job has several (lists, columns, -n). Where GNU parallel lets the
 * shell split what it has joined with blanks, words end here: a{}b for 1 and 2 is the two words a1 and 2b, and
 * with -X or -N, where a word is the context of its places, a1b and a2b.
 */
#include "cli/batch/template.h"

#include <stdlib.h>
#include <string.h>

#include "cli/batch/part.h"

void oxi_part_add(struct oxi_template *t, struct oxi_part part)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 4;
		struct oxi_part *parts = realloc(t->parts, cap * sizeof(*parts));
		if (!parts) {
			t->failed = true;
			oxi_place_free(&part.place);
			return;
		}
		t->parts = parts;
		t->cap = cap;
	}
	t->parts[t->n++] = part;
}

void oxi_part_literal(struct oxi_template *t, const char *from, const char *to)
{
	if (to > from)
		oxi_part_add(t, (struct oxi_part){ .kind = OXI_LITERAL, .text = { from, (size_t)(to - from) } });
}

ssize_t oxi_part_place(struct oxi_template *t, const char *p, bool shell, char quote, struct oxi_names *names,
                       struct oxi_buffer *why)
{
	struct oxi_place place;
	ssize_t len = oxi_place_read(p, shell, names, &place, why);
	if (len <= 0)
		return len < 0 ? len : 0;
	t->placed = true;
	t->counts |= place.kind == OXI_TOTAL || (place.kind == OXI_SEQ && place.padded);
	oxi_part_add(t, (struct oxi_part){ .kind = OXI_PLACE, .place = place, .quote = quote });
	return len;
}

/* \{ is a brace, \\{ a backslash before a place. */
static int add_word(struct oxi_template *t, const char *word, struct oxi_names *names, struct oxi_buffer *why)
{
	const char *start = word, *p = word;
	while (*p) {
		size_t slashes = strspn(p, "\\");
		if (slashes && p[slashes] == '{') {
			oxi_part_literal(t, start, p + slashes / 2);
			start = p + slashes;
			p = start + slashes % 2;
			if (slashes % 2)
				continue;
		} else if (*p != '{') {
			p++;
			continue;
		}
		const char *before = p;
		oxi_part_literal(t, start, p);
		ssize_t len = oxi_part_place(t, p, p > word && p[-1] == '$', 0, names, why);
		if (len < 0)
			return (int)len;
		start = p += len;
		if (!len)
			p = before + 1;
	}
	oxi_part_literal(t, start, p);
	oxi_part_add(t, (struct oxi_part){ .kind = OXI_WORD_END });
	return 0;
}

int oxi_template_words(struct oxi_template *t, char *const *words, size_t n, bool append, struct oxi_names *names,
                       struct oxi_buffer *why)
{
	*t = (struct oxi_template){ .names = names };
	for (size_t i = 0; i < n; i++) {
		int r = add_word(t, words[i], names, why);
		if (r < 0)
			return r;
	}
	if (append && !t->placed) {
		names->whole = true;
		oxi_part_add(t, (struct oxi_part){ .kind = OXI_PLACE });
		oxi_part_add(t, (struct oxi_part){ .kind = OXI_WORD_END });
	}
	return t->failed ? OX_ENOMEM : 0;
}

/* ---- expanding ---- */

static size_t word_end(const struct oxi_template *t, size_t i)
{
	while (t->parts[i].kind != OXI_WORD_END)
		i++;
	return i;
}

static bool has_all(const struct oxi_part *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (part[i].kind == OXI_PLACE && oxi_place_all(&part[i].place))
			return true;
	}
	return false;
}

static int add_part(const struct oxi_part *part, const struct oxi_values *v, size_t k, struct oxi_buffer *out)
{
	if (part->kind == OXI_PLACE)
		return oxi_place_add(&part->place, v, k, out);
	oxi_buffer_add(out, part->text.data, part->text.len);
	return 0;
}

/* A word in which places for all values stand for the k-th. */
static int add_for(const struct oxi_part *part, size_t n, const struct oxi_values *v, size_t k, struct oxi_buffer *out)
{
	for (size_t i = 0; i < n; i++) {
		int r = add_part(&part[i], v, k, out);
		if (r < 0)
			return r;
	}
	oxi_buffer_add_char(out, '\0');
	return 0;
}

/* A word in which each place for all values stands for them one after another, and ends the word between two. */
static int add_split(const struct oxi_part *part, size_t n, const struct oxi_values *v, struct oxi_buffer *out, size_t *words)
{
	size_t values = v->n - v->fields;
	for (size_t i = 0; i < n; i++) {
		size_t times = part[i].kind == OXI_PLACE && oxi_place_all(&part[i].place) ? values : 1;
		for (size_t k = 0; k < times; k++) {
			if (k)
				oxi_buffer_add_char(out, '\0');
			*words += k > 0;
			int r = add_part(&part[i], v, k, out);
			if (r < 0)
				return r;
		}
	}
	oxi_buffer_add_char(out, '\0');
	++*words;
	return 0;
}

static int expand_word(const struct oxi_template *t, const struct oxi_part *part, size_t n, const struct oxi_values *v,
                       struct oxi_buffer *out, size_t *words)
{
	size_t values = v->n - v->fields;
	bool all = values != 1 && has_all(part, n);
	if (!all) {
		++*words;
		return add_for(part, n, v, 0, out);
	}
	if (values == 0 && n == 1)
		return 0;               /* {} alone, of no values, is no word */
	if (!t->context || values == 0)
		return add_split(part, n, v, out, words);
	int r = 0;
	for (size_t k = 0; k < values && r == 0; k++, ++*words)
		r = add_for(part, n, v, k, out);
	return r;
}

size_t oxi_template_expand(const struct oxi_template *t, const struct oxi_values *job, struct oxi_buffer *out)
{
	struct oxi_values v = *job;
	v.fields = oxi_names_fields(t->names);
	v.total = t->total;
	v.slots = t->slots;
	if (t->shell)
		return oxi_shell_expand(t, &v, out);
	size_t words = 0;
	for (size_t i = 0; i < t->n;) {
		size_t end = word_end(t, i);
		if (expand_word(t, t->parts + i, end - i, &v, out, &words) < 0)
			return 0;
		i = end + 1;
	}
	return words;
}

size_t oxi_template_cost(const struct oxi_template *t, const ox_bytes *value, size_t n, size_t *ret_text)
{
	struct oxi_buffer out = { 0 };
	struct oxi_values v = { .value = value, .n = n, .seq = UINT64_MAX, .slot = UINT32_MAX };
	size_t words = oxi_template_expand(t, &v, &out);
	size_t cost = words && !out.failed ? out.len + words * sizeof(char *) : SIZE_MAX;
	*ret_text = t->shell && cost != SIZE_MAX ? strlen(out.data + sizeof("sh\0-c")) : 0;
	oxi_buffer_free(&out);
	return cost;
}

void oxi_template_free(struct oxi_template *t)
{
	for (size_t i = 0; i < t->n; i++)
		oxi_place_free(&t->parts[i].place);
	free(t->parts);
	*t = (struct oxi_template){ 0 };
}
