/* SPDX-License-Identifier: MIT */
#include "cli/crawl/link.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t\n\f\r"

const char *oxi_link_name(enum oxi_link by)
{
	static const char *const names[] = {
#define OXI_LINK_NAME(name, text, use) text,
		OXI_LINKS(OXI_LINK_NAME)
#undef OXI_LINK_NAME
	};
	return by < OXI_LINK_COUNT ? names[by] : NULL;
}

enum oxi_link_use oxi_link_use(enum oxi_link by)
{
	static const enum oxi_link_use uses[] = {
#define OXI_LINK_USE(name, text, use) OXI_USE_##use,
		OXI_LINKS(OXI_LINK_USE)
#undef OXI_LINK_USE
	};
	return by < OXI_LINK_COUNT ? uses[by] : OXI_USE_BASE;
}

/* ---- rel ---- */

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = text; *p; p += strcspn(p, BLANKS)) {
		p += strspn(p, BLANKS);
		if (strncasecmp(p, word, len) == 0 && strcspn(p, BLANKS) == len)
			return true;
	}
	return false;
}

static bool has_one_of(const char *text, const char *const *words)
{
	for (; text && *words; words++) {
		if (has_word(text, *words))
			return true;
	}
	return false;
}

bool oxi_link_unvouched(const char *rel)
{
	static const char *const words[] = { "nofollow", "ugc", "sponsored", NULL };
	return has_one_of(rel, words);
}

enum oxi_link oxi_link_by_rel(const char *rel, enum oxi_link by, enum oxi_link resource)
{
	static const char *const hosts[] = { "preconnect", "dns-prefetch", NULL };
	static const char *const resources[] = { "stylesheet", "icon", "apple-touch-icon", "mask-icon", "preload", "modulepreload",
	                                         "manifest", NULL };
	return has_one_of(rel, hosts) ? OXI_LINK_BASE : has_one_of(rel, resources) ? resource : by;
}

/* ---- srcset ---- */

/* Behind the descriptors of a candidate: a comma in parentheses does not end them. */
static const char *skip_descriptors(const char *p)
{
	for (bool inside = false; *p && (inside || *p != ','); p++)
		inside = *p == '(' || (inside && *p != ')');
	return p;
}

void oxi_link_srcset(const char *text, oxi_link_fn *give, void *arg)
{
	const char *p = text;
	for (;;) {
		p += strspn(p, BLANKS ",");
		size_t len = strcspn(p, BLANKS), whole = len;
		if (len == 0)
			return;
		while (len > 0 && p[len - 1] == ',')
			len--;
		give(arg, OXI_LINK_SRCSET, false, p, len);
		p += whole;
		if (len == whole)
			p = skip_descriptors(p);
	}
}

/* ---- refresh ---- */

void oxi_link_refresh(const char *text, oxi_link_fn *give, void *arg)
{
	const char *url = text + strspn(text, BLANKS "0123456789.");
	url += strspn(url, BLANKS ";,");
	if (strncasecmp(url, "url", 3) != 0)
		return;
	url += 3;
	url += strspn(url, BLANKS);
	if (*url++ != '=')
		return;
	url += strspn(url, BLANKS);
	char quote = *url == '"' || *url == '\'' ? *url++ : '\0';
	size_t len = quote ? strcspn(url, (char[]){ quote, '\0' }) : strlen(url);
	if (len)
		give(arg, OXI_LINK_REFRESH, false, url, len);
}

/* ---- Link ---- */

#define REL_MAX 256     /* bytes of a rel that count */

/* A token, or the inside of a quoted string, to value as far as it fits. Returns what stands behind it. */
static const char *read_value(const char *p, char *value, size_t cap)
{
	size_t n = 0;
	bool quoted = *p == '"';
	p += quoted;
	while (*p && (quoted ? *p != '"' : !strchr(";, \t", *p))) {
		p += quoted && *p == '\\' && p[1];
		if (n + 1 < cap)
			value[n++] = *p;
		p++;
	}
	value[n] = '\0';
	return p + (quoted && *p == '"');
}

/* The parameters of a link; of several rel the first counts. Returns what stands behind them. */
static const char *read_parameters(const char *p, char rel[REL_MAX], bool *has_rel)
{
	char value[REL_MAX];
	*has_rel = false;
	for (p += strspn(p, " \t"); *p == ';'; p += strspn(p, " \t")) {
		p += strspn(p, " \t;");
		const char *name = p;
		size_t len = strcspn(p, " \t=;,");
		p += len;
		p += strspn(p, " \t");
		value[0] = '\0';
		if (*p == '=') {
			p++;
			p = read_value(p + strspn(p, " \t"), value, sizeof(value));
		}
		if (len == 3 && strncasecmp(name, "rel", 3) == 0 && !*has_rel) {
			*has_rel = true;
			strcpy(rel, value);
		}
	}
	return p;
}

void oxi_link_header(const char *text, oxi_link_fn *give, void *arg)
{
	const char *p = text;
	while (*(p += strspn(p, " \t,")) == '<') {
		char rel[REL_MAX];
		bool has_rel;
		const char *url = ++p;
		size_t len = strcspn(p, ">");
		if (p[len] != '>')
			return;
		p = read_parameters(p + len + 1, rel, &has_rel);
		enum oxi_link by = has_rel ? oxi_link_by_rel(rel, OXI_LINK_HEADER, OXI_LINK_HEADER_RESOURCE) : OXI_LINK_BASE;
		if (by != OXI_LINK_BASE)
			give(arg, by, oxi_link_unvouched(rel), url, len);
		p += strcspn(p, ",");   /* what cannot be understood */
	}
}
