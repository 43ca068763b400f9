/* SPDX-License-Identifier: MIT */
#include "pool/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void oxi_lines_init(struct oxi_lines *l, const void *text, size_t len)
{
	*l = (struct oxi_lines){ .at = text, .end = (const char *)text + len };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_printable(const char *at, const char *end)
{
	for (; at < end; at++)
		if ((unsigned char)*at < ' ' || *at == 127)
			return false;
	return true;
}

static int take_line(const char *at, const char *end, struct oxi_line *ret)
{
	const char *key_end = at;

	while (key_end < end && !is_blank(*key_end))
		key_end++;
	const char *value = key_end;
	while (value < end && is_blank(*value))
		value++;
	if ((size_t)(key_end - at) >= sizeof ret->key || (size_t)(end - value) >= sizeof ret->value ||
	    !is_printable(at, key_end) || !is_printable(value, end))
		return OX_EPROTO;
	snprintf(ret->key, sizeof ret->key, "%.*s", (int)(key_end - at), at);
	snprintf(ret->value, sizeof ret->value, "%.*s", (int)(end - value), value);
	return 1;
}

int oxi_lines_next(struct oxi_lines *l, struct oxi_line *ret)
{
	while (l->at < l->end) {
		const char *at = l->at;
		const char *newline = memchr(at, '\n', (size_t)(l->end - at));
		const char *end = newline != NULL ? newline : l->end;

		l->at = newline != NULL ? newline + 1 : l->end;
		l->line++;
		while (at < end && is_blank(*at))
			at++;
		while (end > at && is_blank(end[-1]))
			end--;
		if (at < end && *at != '#')
			return take_line(at, end, ret);
	}
	return 0;
}

bool oxi_line_is(const struct oxi_line *l, const char *key)
{
	return strcmp(l->key, key) == 0;
}

bool oxi_number_before(const char *text, uint64_t max, uint64_t *ret, const char **ret_rest)
{
	uint64_t n = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		if (n > (max - digit) / 10 || digit > max)
			return false;
		n = n * 10 + digit;
	}
	if (at == text || (*at != '\0' && *at != ' '))
		return false;
	*ret = n;
	*ret_rest = *at == ' ' ? at + 1 : at;
	return true;
}

bool oxi_number(const char *text, uint64_t max, uint64_t *ret)
{
	const char *rest;
	uint64_t n;

	if (!oxi_number_before(text, max, &n, &rest) || *rest != '\0')
		return false;
	*ret = n;
	return true;
}

void oxi_text_add(struct oxi_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->data + t->len, t->cap - t->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->cap - t->len)
		t->full = true;
	else
		t->len += (size_t)n;
}
