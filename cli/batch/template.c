/* SPDX-License-Identifier: MIT */
/*
 * A template is a flat list of parts: literal bytes, places, and ends of words. It is parsed once and
 * expanded for each job into one run of NUL-ended words, the form in which it travels to the reaper.
 *
 * The shell form could not be safe by quoting: no quoting survives every place that a text can have one in.
 * So the text that sh reads is made once, before any value is known, with "${k}" for the k-th distinct place;
 * the values go in as positional parameters, which the shell does not parse. The first parameters are the
 * values themselves ("$1" is the value, as people expect), the places follow. Inside double quotes of the
 * text the expansion needs no quotes of its own, inside single quotes it has to step outside of them; a small
 * scanner follows sh's quoting to know. Should it be led astray by quotes inside $(...), a value may be split
 * at spaces: it is still never run.
 */
#include "cli/batch/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum place { LITERAL, WORD_END, VALUE, NO_ENDING, LAST, FOLDER, LAST_NO_ENDING, SEQ, SLOT };

struct oxi_part {
	enum place place;
	unsigned list;                  /* from 1; 0: all of them */
	const char *text;               /* of a literal: borrowed from the command's words */
	size_t len;
};

static void add_part(struct oxi_template *t, struct oxi_part part)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct oxi_part *parts = realloc(t->parts, cap * sizeof(*parts));
		if (!parts) {
			t->failed = true;
			return;
		}
		t->parts = parts;
		t->cap = cap;
	}
	t->parts[t->n++] = part;
}

/* Reads a place at p, which is a brace. Returns its length; 0 if it is none. */
static size_t read_place(const char *p, struct oxi_part *ret)
{
	static const struct {
		const char *text;
		enum place place;
	} ops[] = {
		{ "}", VALUE }, { ".}", NO_ENDING }, { "/}", LAST }, { "//}", FOLDER },
		{ "/.}", LAST_NO_ENDING }, { "#}", SEQ }, { "%}", SLOT },
	};
	size_t digits = strspn(p + 1, "0123456789");
	if (digits > 4 || (digits && p[1] == '0'))
		return 0;
	const char *op = p + 1 + digits;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t len = strlen(ops[i].text);
		if (strncmp(op, ops[i].text, len) != 0 || (digits && ops[i].place >= SEQ))
			continue;
		*ret = (struct oxi_part){ .place = ops[i].place, .list = (unsigned)atoi(p + 1) };
		return 1 + digits + len;
	}
	return 0;
}

/* Reads a place and checks its list. Returns: its length; 0: none; OX_EINVAL. */
static int next_place(struct oxi_template *t, const char *p, size_t lists, struct oxi_part *ret)
{
	size_t len = read_place(p, ret);
	if (!len)
		return 0;
	if (ret->list > lists)
		return OX_EINVAL;
	if (ret->place < SEQ)
		t->has_value = true;
	return (int)len;
}

static int add_word(struct oxi_template *t, const char *word, size_t lists, const char **ret_bad)
{
	const char *start = word;
	for (const char *p = word;;) {
		struct oxi_part place;
		int len = *p == '{' ? next_place(t, p, lists, &place) : 0;
		if (len < 0) {
			*ret_bad = p;
			return len;
		}
		if (*p && !len) {
			p++;
			continue;
		}
		if (p > start)
			add_part(t, (struct oxi_part){ .place = LITERAL, .text = start, .len = (size_t)(p - start) });
		if (!*p)
			break;
		add_part(t, place);
		start = p += len;
	}
	add_part(t, (struct oxi_part){ .place = WORD_END });
	return 0;
}

/* The values as words of their own. */
static void add_values(struct oxi_template *t, size_t lists)
{
	for (unsigned i = 1; i <= lists; i++) {
		add_part(t, (struct oxi_part){ .place = VALUE, .list = i });
		add_part(t, (struct oxi_part){ .place = WORD_END });
	}
}

int oxi_template_words(struct oxi_template *t, char *const *words, size_t n, size_t lists, const char **ret_bad)
{
	*t = (struct oxi_template){ 0 };
	for (size_t i = 0; i < n; i++) {
		int r = add_word(t, words[i], lists, ret_bad);
		if (r < 0)
			return r;
	}
	if (!t->has_value)
		add_values(t, lists);
	return t->failed ? OX_ENOMEM : 0;
}

/* Follows sh's quoting over the character at p. */
struct quoting {
	char in;                        /* 0, ' or " */
	bool escaped;                   /* the next character stands for itself */
};

static void follow(struct quoting *q, char c)
{
	if (q->escaped)
		q->escaped = false;
	else if (c == '\\' && q->in != '\'')
		q->escaped = true;
	else if (q->in ? c == q->in : c == '\'' || c == '"')
		q->in = q->in ? '\0' : c;
}

/* The expansion of the k-th positional parameter inside such quotes. */
static void add_parameter(struct oxi_buffer *text, size_t k, char in)
{
	oxi_buffer_add_format(text, in == '\'' ? "'\"${%zu}\"'" : in == '"' ? "${%zu}" : "\"${%zu}\"", k);
}

int oxi_template_shell(struct oxi_template *t, const char *text, size_t lists, const char **ret_bad)
{
	*t = (struct oxi_template){ .shell = true };
	char *head[] = { "sh", "-c" };
	for (size_t i = 0; i < 2; i++)
		add_word(t, head[i], 0, ret_bad);
	size_t command = t->n;          /* the text's part, filled in below */
	add_part(t, (struct oxi_part){ .place = LITERAL });
	add_part(t, (struct oxi_part){ .place = WORD_END });
	add_word(t, head[0], 0, ret_bad);
	add_values(t, lists);

	size_t parameters = lists;
	struct quoting q = { 0 };
	for (const char *p = text; *p;) {
		struct oxi_part place;
		int len = *p == '{' && !q.escaped ? next_place(t, p, lists, &place) : 0;
		if (len < 0) {
			*ret_bad = p;
			return len;
		}
		if (!len) {
			follow(&q, *p);
			oxi_buffer_add_char(&t->text, *p++);
			continue;
		}
		add_part(t, place);
		add_part(t, (struct oxi_part){ .place = WORD_END });
		add_parameter(&t->text, ++parameters, q.in);
		p += len;
	}
	if (t->failed || t->text.failed)
		return OX_ENOMEM;
	t->parts[command].text = t->text.data ? t->text.data : "";
	t->parts[command].len = t->text.len;
	return 0;
}

/* Where the last part of a path starts, and where its ending does (its end, if it has none). */
static size_t last_part(ox_bytes v)
{
	const char *slash = v.len ? memrchr(v.data, '/', v.len) : NULL;
	return slash ? (size_t)(slash - (const char *)v.data) + 1 : 0;
}

static size_t ending(ox_bytes v)
{
	size_t last = last_part(v);
	const char *name = (const char *)v.data + last;
	const char *dot = v.len > last ? memrchr(name, '.', v.len - last) : NULL;
	return dot && dot > name ? (size_t)(dot - (const char *)v.data) : v.len;
}

static ox_bytes folder(ox_bytes v)
{
	size_t last = last_part(v);
	if (last == 0)
		return (ox_bytes){ ".", 1 };
	return (ox_bytes){ v.data, last > 1 ? last - 1 : 1 };
}

static ox_bytes edited(enum place place, ox_bytes v)
{
	const char *p = v.data;
	size_t last = last_part(v);
	switch (place) {
	case NO_ENDING:
		return (ox_bytes){ p, ending(v) };
	case LAST:
		return (ox_bytes){ p + last, v.len - last };
	case FOLDER:
		return folder(v);
	case LAST_NO_ENDING:
		return (ox_bytes){ p + last, ending(v) - last };
	default:
		return v;
	}
}

static void expand_place(const struct oxi_part *part, const struct oxi_values *v, struct oxi_buffer *out)
{
	size_t from = part->list ? part->list - 1 : 0, to = part->list ? part->list : v->n;
	for (size_t i = from; i < to; i++) {
		ox_bytes e = edited(part->place, v->value[i]);
		if (i > from)
			oxi_buffer_add_char(out, ' ');
		oxi_buffer_add(out, e.data, e.len);
	}
}

size_t oxi_template_expand(const struct oxi_template *t, const struct oxi_values *v, struct oxi_buffer *out)
{
	size_t words = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct oxi_part *part = &t->parts[i];
		switch (part->place) {
		case LITERAL:
			oxi_buffer_add(out, part->text, part->len);
			break;
		case WORD_END:
			oxi_buffer_add_char(out, '\0');
			words++;
			break;
		case SEQ:
			oxi_buffer_add_format(out, "%llu", (unsigned long long)v->seq);
			break;
		case SLOT:
			oxi_buffer_add_format(out, "%u", v->slot);
			break;
		default:
			expand_place(part, v, out);
		}
	}
	return words;
}

void oxi_template_free(struct oxi_template *t)
{
	free(t->parts);
	oxi_buffer_free(&t->text);
	*t = (struct oxi_template){ 0 };
}
