/* SPDX-License-Identifier: MIT */
/*
 * A file is lines "key: value"; lines of User-agent that follow each other begin a group, its rules are the
 * Allow and Disallow up to the next such lines. Our groups are all that name our agent, taken together; if
 * there is none, those of "*" (RFC 9309 section 2.2.1). So one pass keeps two lists, and drops the second
 * when the first was named at all.
 *
 * A rule's pattern is compared with the path from its first byte. The longest pattern that matches decides,
 * in bytes as they stand in the file, Allow among equals; "*" stands for anything and "$" at its end for the
 * end of the path (2.2.2, 2.2.3). Both sides are brought to one form first: percent-encodings of unreserved
 * characters undone, other bytes above ASCII encoded, hex digits in upper case.
 *
 * This reads foreign bytes in the main process, as an HTTP header is: it is a scanner without nesting or
 * growth, its input has a limit, and a fuzzer looks after it. Matching takes pattern times path steps at the
 * most, with no recursion: a "*" only ever goes back to itself.
 *
 * Crawl-delay and Sitemap are not in the RFC. The first is taken from our groups, the second from anywhere.
 */
#include "cli/crawl/robots.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATTERN_MAX  8192
#define RULES_MAX    50000
#define SITEMAPS_MAX 100

enum list { LIST_OURS, LIST_ALL, LISTS };

struct reader {
	const char *agent;
	size_t agent_len;
	struct oxi_robots list[LISTS];
	bool is_for[LISTS];             /* whom the group being read is for */
	bool named[LISTS];
	bool in_agents;                 /* the line before was a User-agent */
	struct oxi_buffer sitemaps;
	size_t sitemaps_n;
};

/* ---- the form in which patterns and paths are compared ---- */

static int hex_value(unsigned char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

static bool is_unreserved(unsigned char c)
{
	return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct oxi_buffer *out, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	oxi_buffer_add(out, (char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
}

static void add_normal(struct oxi_buffer *out, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == '%' && len - i > 2 && isxdigit((unsigned char)p[i + 1]) && isxdigit((unsigned char)p[i + 2])) {
			c = (unsigned char)(hex_value((unsigned char)p[i + 1]) << 4 | hex_value((unsigned char)p[i + 2]));
			if (is_unreserved(c))
				oxi_buffer_add_char(out, (char)c);
			else
				add_encoded(out, c);
			i += 2;
		} else if (c > ' ' && c < 0x7f) {
			oxi_buffer_add_char(out, (char)c);
		} else {
			add_encoded(out, c);
		}
	}
}

/* ---- lines ---- */

static void add_rule(struct oxi_robots *r, const char *pattern, size_t len, bool allows)
{
	/* An empty Disallow allows everything, as no rule does. */
	if (len == 0 || len > PATTERN_MAX || r->n == RULES_MAX)
		return;
	if ((r->n & (r->n - 1)) == 0) {
		struct oxi_robots_rule *more = realloc(r->rule, (r->n ? 2 * r->n : 1) * sizeof(*more));
		r->text.failed |= !more;
		if (!more)
			return;
		r->rule = more;
	}
	size_t at = r->text.len;
	add_normal(&r->text, pattern, len);
	r->rule[r->n++] = (struct oxi_robots_rule){ (uint32_t)at, (uint32_t)(r->text.len - at), allows };
}

static void on_rule(struct reader *d, const char *value, size_t len, bool allows)
{
	d->in_agents = false;
	for (int i = 0; i < LISTS; i++) {
		if (d->is_for[i])
			add_rule(&d->list[i], value, len, allows);
	}
}

/* A product token is letters, "_" and "-"; a version behind it is not looked at (2.2.1). */
static size_t token_length(const char *p, size_t len)
{
	size_t n = 0;
	while (n < len && n < OXI_ROBOTS_AGENT && (isalpha((unsigned char)p[n]) || p[n] == '_' || p[n] == '-'))
		n++;
	return n;
}

static void on_agent(struct reader *d, const char *value, size_t len)
{
	if (!d->in_agents)
		memset(d->is_for, 0, sizeof(d->is_for));
	d->in_agents = true;
	bool all = len > 0 && value[0] == '*' && (len == 1 || isspace((unsigned char)value[1]));
	size_t n = token_length(value, len);
	bool ours = n == d->agent_len && strncasecmp(value, d->agent, n) == 0;
	d->is_for[LIST_ALL] |= all;
	d->is_for[LIST_OURS] |= ours;
	d->named[LIST_ALL] |= all;
	d->named[LIST_OURS] |= ours;
}

static void on_delay(struct reader *d, const char *value, size_t len)
{
	char text[16];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
	memcpy(text, value, n);
	text[n] = '\0';
	if (!isdigit((unsigned char)text[0]))
		return;
	double seconds = strtod(text, NULL);
	ox_time delay = seconds < 1e6 ? (ox_time)(seconds * 1e9) : OX_SEC(1000000);
	d->in_agents = false;
	for (int i = 0; i < LISTS; i++) {
		if (d->is_for[i] && delay > d->list[i].delay)
			d->list[i].delay = delay;
	}
}

static void on_sitemap(struct reader *d, const char *value, size_t len)
{
	if (len == 0 || memchr(value, '\0', len) || d->sitemaps_n == SITEMAPS_MAX)
		return;
	d->sitemaps_n++;
	oxi_buffer_add(&d->sitemaps, value, len);
	oxi_buffer_add_char(&d->sitemaps, '\0');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **p, size_t *len)
{
	while (*len && is_blank(**p))
		(*p)++, (*len)--;
	while (*len && is_blank((*p)[*len - 1]))
		(*len)--;
}

static bool is_key(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(key, name, len) == 0;
}

static void on_line(struct reader *d, const char *line, size_t len)
{
	const char *comment = memchr(line, '#', len);
	if (comment)
		len = (size_t)(comment - line);
	const char *colon = memchr(line, ':', len);
	if (!colon)
		return;
	const char *value = colon + 1;
	size_t key_len = (size_t)(colon - line), value_len = len - key_len - 1;
	trim(&line, &key_len);
	trim(&value, &value_len);
	if (is_key(line, key_len, "user-agent"))
		on_agent(d, value, value_len);
	else if (is_key(line, key_len, "allow"))
		on_rule(d, value, value_len, true);
	else if (is_key(line, key_len, "disallow"))
		on_rule(d, value, value_len, false);
	else if (is_key(line, key_len, "crawl-delay"))
		on_delay(d, value, value_len);
	else if (is_key(line, key_len, "sitemap"))
		on_sitemap(d, value, value_len);
}

int oxi_robots_read(const void *data, size_t len, const char *agent, struct oxi_robots *ret)
{
	struct reader d = { .agent = agent, .agent_len = token_length(agent, strlen(agent)) };
	const char *p = data, *end = p + (len < OXI_ROBOTS_BYTES ? len : OXI_ROBOTS_BYTES);
	if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (p < end) {
		const char *eol = p;
		while (eol < end && *eol != '\n' && *eol != '\r')
			eol++;
		on_line(&d, p, (size_t)(eol - p));
		p = eol + 1;
	}
	enum list chosen = d.named[LIST_OURS] ? LIST_OURS : LIST_ALL;
	oxi_robots_free(&d.list[LISTS - 1 - chosen]);
	*ret = d.list[chosen];
	ret->sitemaps = d.sitemaps;
	if (!ret->text.failed && !ret->sitemaps.failed)
		return 0;
	oxi_robots_free(ret);
	return OX_ENOMEM;
}

/* ---- matching ---- */

static bool matches(const char *pattern, size_t len, const char *path, size_t path_len)
{
	bool to_end = len > 0 && pattern[len - 1] == '$';
	len -= to_end;
	size_t p = 0, s = 0, star = SIZE_MAX, star_s = 0;
	for (;;) {
		if (p == len && (!to_end || s == path_len))
			return true;
		if (p < len && pattern[p] == '*') {
			star = p++;
			star_s = s;
		} else if (p < len && s < path_len && pattern[p] == path[s]) {
			p++;
			s++;
		} else if (star != SIZE_MAX && star_s < path_len) {
			p = star + 1;
			s = ++star_s;
		} else {
			return false;
		}
	}
}

bool oxi_robots_allow(const struct oxi_robots *r, const char *path, const struct oxi_robots_rule **ret_rule)
{
	struct oxi_buffer normal = { 0 };
	const struct oxi_robots_rule *best = NULL;
	add_normal(&normal, path, strlen(path));
	for (size_t i = 0; i < r->n && !normal.failed; i++) {
		const struct oxi_robots_rule *rule = &r->rule[i];
		if (best && (rule->len < best->len || (rule->len == best->len && !rule->allows)))
			continue;
		if (matches(r->text.data + rule->at, rule->len, normal.data, normal.len))
			best = rule;
	}
	bool failed = normal.failed;
	oxi_buffer_free(&normal);
	if (ret_rule)
		*ret_rule = best;
	return !failed && (!best || best->allows);
}

void oxi_robots_free(struct oxi_robots *r)
{
	free(r->rule);
	oxi_buffer_free(&r->text);
	oxi_buffer_free(&r->sitemaps);
	*r = (struct oxi_robots){ 0 };
}
