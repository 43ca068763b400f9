/* SPDX-License-Identifier: MIT */
/*
 * The tokens of CSS (CSS Syntax Level 3, section 4) as far as an address can be among them: comments, strings,
 * names, url(...). There is no grammar above these but one: which at-rule a token stands in, up to its ; or {.
 * That is enough, because an address is one token wherever it stands, and quick, because nothing nests.
 */
#include "cli/crawl/css.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cli/crawl/url.h"

#define WORD_MAX 16            /* longer ones are none that mean anything here */

enum rule { NONE, IMPORT, NAMESPACE };

struct reader {
	const char *p, *end;
	enum rule rule;
	oxi_link_fn *give;
	void *arg;
};

/* Text with its escapes undone; too long for what it is for, it is read and forgotten. */
struct word {
	char *text;
	size_t len, cap;
	bool too_long;
};

static void add(struct word *w, const char *p, size_t len)
{
	w->too_long |= len > w->cap - w->len;
	if (w->too_long)
		return;
	memcpy(w->text + w->len, p, len);
	w->len += len;
}

static void add_code_point(struct word *w, unsigned long c)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	unsigned char p[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; c >>= 6)
		p[i] = 0x80 | (c & 63);
	p[0] = (unsigned char)(n == 1 ? c : (0xf0 << (4 - n) & 0xff) | c);
	add(w, (char *)p, n);
}

/* What a backslash stands before: up to six hex digits and a blank, the end of a line, or a character. */
static void read_escape(struct reader *d, struct word *w)
{
	unsigned long c = 0;
	size_t n = 0;
	for (; n < 6 && d->p < d->end && isxdigit((unsigned char)*d->p); n++) {
		int digit = tolower((unsigned char)*d->p++);
		c = c << 4 | (unsigned long)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	if (n > 0) {
		add_code_point(w, c);
		if (d->p < d->end && isspace((unsigned char)*d->p))
			d->p++;
	} else if (d->p < d->end) {
		add(w, d->p, *d->p != '\n');
		d->p++;
	}
}

/* Up to one of the ends, or blank ones. */
static void read_until(struct reader *d, const char *ends, struct word *w)
{
	while (d->p < d->end && (!*d->p || !strchr(ends, *d->p))) {
		if (*d->p++ == '\\')
			read_escape(d, w);
		else
			add(w, d->p - 1, 1);
	}
}

/* A string, behind its first quote. One that its line ends is none. */
static bool read_string(struct reader *d, char quote, struct word *w)
{
	read_until(d, (char[]){ quote, '\n', '\0' }, w);
	bool whole = d->p == d->end || *d->p == quote;
	d->p += d->p < d->end;
	return whole;
}

static bool is_name_part(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80 || c == '-' || c == '_' || c == '\\';
}

static bool read_name(struct reader *d, const char *wanted)
{
	char text[WORD_MAX];
	struct word w = { .text = text, .cap = sizeof(text) };
	while (d->p < d->end && is_name_part(*d->p)) {
		if (*d->p++ == '\\')
			read_escape(d, &w);
		else
			add(&w, d->p - 1, 1);
	}
	return !w.too_long && w.len == strlen(wanted) && strncasecmp(text, wanted, w.len) == 0;
}

static void skip_blanks(struct reader *d)
{
	while (d->p < d->end && isspace((unsigned char)*d->p))
		d->p++;
}

/* The first address of an @import is what it imports; all in @namespace are names. */
static void take(struct reader *d, const struct word *w)
{
	if (w->len > 0 && !w->too_long && d->rule != NAMESPACE)
		d->give(d->arg, d->rule == IMPORT ? OXI_LINK_IMPORT : OXI_LINK_CSS, false, w->text, w->len);
	if (d->rule == IMPORT)
		d->rule = NONE;
}

/* Behind "url(". Without quotes it ends at a blank or a parenthesis; what is wrong ends at that too. */
static void read_url(struct reader *d)
{
	char text[OXI_URL_MAX];
	struct word w = { .text = text, .cap = sizeof(text) };
	skip_blanks(d);
	char quote = d->p < d->end ? *d->p : '\0';
	bool good = true;
	if (quote == '"' || quote == '\'') {
		d->p++;
		good = read_string(d, quote, &w);
	} else {
		read_until(d, ") \t\n\r\f\"'(", &w);
	}
	skip_blanks(d);
	if (good && (d->p == d->end || *d->p == ')'))
		take(d, &w);
	else
		read_until(d, ")", &w);
}

static void read_text(struct reader *d, char quote)
{
	char text[OXI_URL_MAX];
	struct word w = { .text = text, .cap = sizeof(text) };
	if (!read_string(d, quote, &w))
		d->rule = NONE;
	else if (d->rule == IMPORT)
		take(d, &w);
}

static void skip_comment(struct reader *d)
{
	const char *close = memmem(d->p, (size_t)(d->end - d->p), "*/", 2);
	d->p = close ? close + 2 : d->end;
}

/* One token, whose first character is c and is behind us. */
static void read_token(struct reader *d, char c)
{
	if (c == '/' && d->p < d->end && *d->p == '*') {
		d->p++;
		skip_comment(d);
	} else if (c == '"' || c == '\'') {
		read_text(d, c);
	} else if (c == '@') {
		const char *name = d->p;
		d->rule = read_name(d, "import") ? IMPORT : NONE;
		d->p = d->rule == IMPORT ? d->p : name;
		if (d->rule == NONE && read_name(d, "namespace"))
			d->rule = NAMESPACE;
	} else if (c == ';' || c == '{' || c == '}') {
		d->rule = NONE;
	} else if (is_name_part(c)) {
		d->p--;
		bool is_url = read_name(d, "url");
		if (is_url && d->p < d->end && *d->p == '(') {
			d->p++;
			read_url(d);
		}
	}
}

void oxi_css_links(const char *text, size_t len, oxi_link_fn *give, void *arg)
{
	struct reader d = { .p = text, .end = text + len, .give = give, .arg = arg };
	while (d.p < d.end)
		read_token(&d, *d.p++);
}
