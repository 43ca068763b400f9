/* SPDX-License-Identifier: MIT */
/*
 * A URL is fetched as it was found; the rules only say by which key it is known. That is the key of what stands before
 * the query, to which those of the parameters are added, one by one: added up when their order does not count, so that
 * nothing has to be sorted, and with the sum multiplied in between when it does. Parameters are compared as they are
 * written, with their values, and "?a&&b" has two.
 */
#include "cli/crawl/query.h"

#include <string.h>

/* Whether a name matches a pattern: the last star takes one byte more each time that the rest does not fit. */
static bool matches(const char *pattern, const char *name, size_t len)
{
	const char *star = NULL;
	size_t i = 0, from = 0;
	while (i < len) {
		if (*pattern == '*') {
			star = ++pattern;
			from = i;
		} else if (*pattern == name[i]) {
			pattern++;
			i++;
		} else if (star) {
			pattern = star;
			i = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool is_dropped(const struct oxi_query_rules *rules, const char *parameter, size_t len)
{
	const char *equals = memchr(parameter, '=', len);
	size_t name = equals ? (size_t)(equals - parameter) : len;
	for (size_t i = 0; i < rules->n; i++) {
		if (matches(rules->drop[i], parameter, name))
			return true;
	}
	return false;
}

struct oxi_key oxi_query_key(const struct oxi_query_rules *rules, const char *url, size_t len)
{
	const char *end = url + len, *p = memchr(url, '?', len);
	if (!p || (rules->n == 0 && !rules->sort))
		return oxi_key_of(url, len);
	struct oxi_key key = oxi_key_of(url, (size_t)(p - url));
	while (p < end) {
		const char *parameter = p + 1, *next = memchr(parameter, '&', (size_t)(end - parameter));
		p = next ? next : end;
		size_t n = (size_t)(p - parameter);
		if (n == 0 || is_dropped(rules, parameter, n))
			continue;
		struct oxi_key more = oxi_key_of(parameter, n);
		uint64_t factor = rules->sort ? 1 : 0x9e3779b97f4a7c15;         /* odd: no bit is lost */
		key.a = key.a * factor + more.a;
		key.b = key.b * factor + more.b;
	}
	key.b |= key.a == 0;
	return key;
}
