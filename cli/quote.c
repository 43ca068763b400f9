/* SPDX-License-Identifier: MIT */
/*
 * What is printed is to survive a terminal, a mail and a clipboard, and to mean the same in every POSIX shell.
 * So a word is cut in runs: text stands in single quotes, inside of which a newline is a newline; control
 * characters and bytes that are no UTF-8 are printed by printf, "$(printf '\377')". $'\377' would be shorter,
 * but dash has it not. A run of printf never ends with a newline, which $() would take away. A log that a program reads back has
 * the bytes as they are.
 */
#include "cli/quote.h"

#include <string.h>

#include "cli/utf8.h"

static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";

/* How many bytes at p can be shown as they are. 0: the first one cannot. */
static size_t shown(const char *p, size_t len)
{
	unsigned char c = (unsigned char)*p;
	if (c == '\n' || (c >= ' ' && c < 0x7f))
		return 1;
	size_t n = c < 0x80 ? 0 : oxi_utf8_len(p, len);
	return n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0 ? 0 : n;       /* C1 controls */
}

/* raw: all of it; else as far as it can be shown. */
static size_t add_text(struct oxi_buffer *b, const char *p, size_t len, bool raw)
{
	size_t i = 0;
	oxi_buffer_add_char(b, '\'');
	for (size_t n; i < len && (n = raw ? 1 : shown(p + i, len - i)); i += n) {
		if (p[i] == '\'')
			oxi_buffer_add_text(b, "'\\''");
		else
			oxi_buffer_add(b, p + i, n);
	}
	oxi_buffer_add_char(b, '\'');
	return i;
}

static size_t add_bytes(struct oxi_buffer *b, const char *p, size_t len)
{
	size_t i = 0;
	oxi_buffer_add_text(b, "\"$(printf '");
	for (; i < len && !shown(p + i, len - i); i++)
		oxi_buffer_add_format(b, "\\%03o", (unsigned char)p[i]);
	oxi_buffer_add_text(b, "')\"");
	return i;
}

static void add_word(struct oxi_buffer *b, const char *word, size_t len, bool raw)
{
	size_t i = 0;
	while (i < len && word[i] && strchr(PLAIN, word[i]))
		i++;
	if (len > 0 && i == len) {
		oxi_buffer_add(b, word, len);
		return;
	}
	if (len == 0)
		oxi_buffer_add_text(b, "''");
	for (i = 0; i < len;)
		i += raw || shown(word + i, len - i) ? add_text(b, word + i, len - i, raw) : add_bytes(b, word + i, len - i);
}

void oxi_buffer_add_quoted(struct oxi_buffer *b, const char *word, size_t len)
{
	add_word(b, word, len, false);
}

void oxi_buffer_add_quoted_words(struct oxi_buffer *b, const char *words, size_t len, bool raw)
{
	for (const char *p = words; p < words + len; p += strlen(p) + 1) {
		if (p > words)
			oxi_buffer_add_char(b, ' ');
		add_word(b, p, strlen(p), raw);
	}
}

void oxi_buffer_add_printable(struct oxi_buffer *b, const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = text[i] == '\t' ? 1 : text[i] == '\n' ? 0 : shown(text + i, len - i);
		if (n)
			oxi_buffer_add(b, text + i, n);
		else
			oxi_buffer_add_format(b, "\\%03o", (unsigned char)text[i]);
		n = n ? n : 1;
	}
}
