/* SPDX-License-Identifier: MIT */
#include "loop/http/range.h"

#include <string.h>
#include <strings.h>

static const char *skip_separators(const char *p)
{
	return p + strspn(p, " \t,");
}

/* Reads digits, as many as there are; a number beyond 64 bits is the largest. False if there are none. */
static bool read_number(const char **p, uint64_t *ret)
{
	const char *start = *p;

	for (*ret = 0; **p >= '0' && **p <= '9'; ++*p)
		if (__builtin_mul_overflow(*ret, 10, ret) || __builtin_add_overflow(*ret, (uint64_t)(**p - '0'), ret)) {
			*ret = UINT64_MAX;
			*p += strspn(*p, "0123456789");
			break;
		}
	return *p > start;
}

/* One range. False if it is not well formed. *ret_inside: it has a byte of the content. */
static bool read_range(const char **p, uint64_t size, struct oxi_http_range *ret, bool *ret_inside)
{
	uint64_t suffix;

	if (**p == '-') {
		++*p;
		if (!read_number(p, &suffix))
			return false;
		*ret_inside = suffix > 0 && size > 0;
		ret->first = suffix < size ? size - suffix : 0;
		ret->last = size - 1;
		return true;
	}
	if (!read_number(p, &ret->first) || *(*p)++ != '-')
		return false;
	if (!read_number(p, &ret->last))
		ret->last = UINT64_MAX;
	if (ret->last < ret->first)
		return false;
	*ret_inside = ret->first < size;
	ret->last = ret->last < size ? ret->last : size - 1;
	return true;
}

int oxi_http_ranges(const char *header, uint64_t size, struct oxi_http_range ret[OXI_HTTP_RANGES])
{
	uint64_t left = size;
	const char *p;
	int n = 0;

	if (strncasecmp(header, "bytes=", 6) != 0)
		return -1;
	p = skip_separators(header + 6);
	if (!*p)
		return -1;
	while (*p) {
		struct oxi_http_range one;
		bool inside;

		if (!read_range(&p, size, &one, &inside) || (*p && !strchr(" \t,", *p)))
			return -1;
		p = skip_separators(p);
		if (!inside)
			continue;
		if (n == OXI_HTTP_RANGES || one.last - one.first >= left)
			return -1;
		left -= one.last - one.first + 1;
		ret[n++] = one;
	}
	return n;
}

bool oxi_http_etag_listed(const char *list, const char *etag, bool strong)
{
	const char *p = skip_separators(list), *end;

	if (*p == '*')
		return true;
	for (; *p; p = skip_separators(end)) {
		bool weak = p[0] == 'W' && p[1] == '/';
		const char *tag = weak ? p + 2 : p;

		if (*tag != '"' || !(end = strchr(tag + 1, '"')))
			return false;
		end++;
		if (!(weak && strong) && (size_t)(end - tag) == strlen(etag) && memcmp(tag, etag, strlen(etag)) == 0)
			return true;
	}
	return false;
}
