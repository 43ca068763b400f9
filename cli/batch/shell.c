/* SPDX-License-Identifier: MIT */
/*
 * Templates of sh -c. This could not be safe by quoting: no quoting survives every place that a text can have one in.
 * So what sh reads is made of the text and of "${k}" for the k-th place, without looking at any value; the values go
 * in as positional parameters, which the shell does not parse. The first parameters are the values themselves
 * ("$1" is the value, as people expect), the places follow.
 *
 * Inside double quotes of the text an expansion needs no quotes of its own, inside single quotes it has to step outside
 * of them. A scanner follows sh's quoting to know: a stack of what the place is inside of, which $(...) and
 * `...` begin anew and $((...)) counts as double quotes. It does not know comments and here-documents. Should it be led
 * astray, a value may be split at blanks: it is still never run.
 */
#include "cli/batch/part.h"

#include <stdlib.h>
#include <string.h>

#define NESTED_MAX 32

/* Each level is one of ' " ` ( and A, which is arithmetic. */
struct quoting {
	char level[NESTED_MAX];
	size_t n;
};

static char top(const struct quoting *q)
{
	return q->n ? q->level[q->n - 1] : '\0';
}

static bool is_top(const struct quoting *q, char c)
{
	return q->n && q->level[q->n - 1] == c;
}

static void push(struct quoting *q, char c)
{
	if (q->n < NESTED_MAX)
		q->level[q->n++] = c;
}

/* Goes over what stands at p, and says how long that is. */
static size_t follow(struct quoting *q, const char *p)
{
	if (is_top(q, '\'')) {
		q->n -= *p == '\'';
		return 1;
	}
	bool quoted = is_top(q, '"') || is_top(q, 'A');
	if (*p == '\\' && p[1])
		return 2;
	if (*p == '"' || *p == '`') {
		if (is_top(q, *p))
			q->n--;
		else
			push(q, *p);
	} else if (*p == '\'' && !quoted)
		push(q, *p);
	else if (strncmp(p, "$((", 3) == 0) {
		push(q, 'A');
		push(q, 'A');
		return 3;
	} else if (strncmp(p, "$(", 2) == 0) {
		push(q, '(');
		return 2;
	} else if (*p == '(' && !is_top(q, '"'))
		push(q, is_top(q, 'A') ? 'A' : '(');
	else if (*p == ')' && (is_top(q, '(') || is_top(q, 'A')))
		q->n--;
	return 1;
}

/* \{ in quotes: the backslash, which sh would leave, goes. Elsewhere sh takes it away, and must see it. */
static bool drops_backslash(const struct quoting *q, const char *p)
{
	return p[0] == '\\' && p[1] == '{' && (is_top(q, '"') || is_top(q, '\''));
}

int oxi_template_shell(struct oxi_template *t, const char *text, struct oxi_names *names, struct oxi_buffer *why)
{
	*t = (struct oxi_template){ .shell = true, .names = names };
	names->whole |= strchr(text, '$') != NULL;      /* "$1" is the value */
	struct quoting q = { 0 };
	const char *start = text, *p = text;
	while (*p) {
		ssize_t len = 0;
		if (drops_backslash(&q, p)) {
			oxi_part_literal(t, start, p);
			start = p + 1;
			p += 2;
			continue;
		}
		if (*p == '{' && !(p > text && p[-1] == '$')) {
			char in = top(&q);
			size_t n = t->n;
			oxi_part_literal(t, start, p);
			len = oxi_part_place(t, p, false, in == 'A' ? '"' : in == '\'' || in == '"' ? in : 0, names, why);
			if (len < 0)
				return (int)len;
			if (len)
				start = p + len;
			else
				t->n = n;
		}
		p += len ? (size_t)len : follow(&q, p);
	}
	oxi_part_literal(t, start, p);
	names->whole |= !t->placed;
	return t->failed ? OX_ENOMEM : 0;
}

/* The expansion of a place for n values, as the parameters from the k-th on. */
static void add_parameters(struct oxi_buffer *text, size_t k, size_t n, char quote)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			oxi_buffer_add_char(text, ' ');
		oxi_buffer_add_format(text, quote == '"' ? "${%zu}" : "\"${%zu}\"", k + i);
	}
}

static void add_text(const struct oxi_template *t, size_t values, struct oxi_buffer *out)
{
	size_t k = values + 1;
	for (size_t i = 0; i < t->n; i++) {
		const struct oxi_part *part = &t->parts[i];
		if (part->kind == OXI_LITERAL) {
			oxi_buffer_add(out, part->text.data, part->text.len);
			continue;
		}
		size_t n = oxi_place_all(&part->place) ? values : 1;
		oxi_buffer_add_text(out, part->quote == '\'' ? "'" : "");
		if (part->quote == '\'' && n > 1) {
			/* One string to sh, as it is one to who wrote it: the values with blanks between them. */
			oxi_buffer_add_char(out, '"');
			add_parameters(out, k, n, '"');
			oxi_buffer_add_char(out, '"');
		} else
			add_parameters(out, k, n, part->quote);
		oxi_buffer_add_text(out, part->quote == '\'' ? "'" : "");
		k += n;
	}
	oxi_buffer_add_char(out, '\0');
}

static int add_place(const struct oxi_place *place, const struct oxi_values *v, struct oxi_buffer *out, size_t *words)
{
	size_t n = oxi_place_all(place) ? v->n - v->fields : 1;
	for (size_t k = 0; k < n; k++, ++*words) {
		int r = oxi_place_add(place, v, k, out);
		if (r < 0)
			return r;
		oxi_buffer_add_char(out, '\0');
	}
	return 0;
}

size_t oxi_shell_expand(const struct oxi_template *t, const struct oxi_values *v, struct oxi_buffer *out)
{
	static const char head[] = "sh\0-c", name[] = "sh";
	size_t words = 4, values = v->n - v->fields;
	oxi_buffer_add(out, head, sizeof(head));
	add_text(t, values, out);
	oxi_buffer_add(out, name, sizeof(name));
	for (size_t i = 0; i < values; i++, words++) {
		if (v->value[i].data)
			oxi_buffer_add(out, v->value[i].data, v->value[i].len);
		oxi_buffer_add_char(out, '\0');
	}
	for (size_t i = 0; i < t->n; i++) {
		if (t->parts[i].kind == OXI_PLACE && add_place(&t->parts[i].place, v, out, &words) < 0)
			return 0;
	}
	return words;
}
