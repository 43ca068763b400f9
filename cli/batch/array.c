/* SPDX-License-Identifier: MIT */
/* Ranges are kept as they are written, so a billion indices take no more than one. */
#include "cli/batch/array.h"

#include <errno.h>
#include <stdlib.h>

#define INDEX_MAX (UINT64_MAX / 4)

struct oxi_range {
	uint64_t first, step, count;
};

static bool number(const char **p, uint64_t *ret)
{
	if (**p < '0' || **p > '9')
		return false;
	char *end;
	errno = 0;
	*ret = strtoull(*p, &end, 10);
	if (errno || *ret > INDEX_MAX)
		return false;
	*p = end;
	return true;
}

/* "5", "1-9" or "1-9:2" at *p, which is moved behind it. */
static bool range(const char **p, struct oxi_range *ret)
{
	*ret = (struct oxi_range){ .step = 1, .count = 1 };
	if (!number(p, &ret->first))
		return false;
	if (**p != '-')
		return true;
	++*p;
	const char *start = *p;
	uint64_t last;
	if (!number(p, &last))
		return false;
	if (last < ret->first) {
		*p = start;
		return false;
	}
	if (**p == ':') {
		start = ++*p;
		if (!number(p, &ret->step) || ret->step == 0) {
			*p = start;
			return false;
		}
	}
	ret->count = (last - ret->first) / ret->step + 1;
	return true;
}

static int add(struct oxi_array *a, struct oxi_range r)
{
	struct oxi_range *grown = realloc(a->range, (a->n + 1) * sizeof(*grown));
	if (!grown)
		return OX_ENOMEM;
	a->range = grown;
	a->range[a->n++] = r;
	return __builtin_add_overflow(a->count, r.count, &a->count) ? OX_EINVAL : 0;
}

static int parse(const char **p, struct oxi_array *ret)
{
	for (;; ++*p) {
		struct oxi_range one;
		int r = range(p, &one) ? add(ret, one) : OX_EINVAL;
		if (r < 0)
			return r;
		if (**p != ',')
			break;
	}
	if (**p != '%')
		return **p ? OX_EINVAL : 0;
	++*p;
	const char *start = *p;
	uint64_t limit;
	if (!number(p, &limit) || **p || limit == 0 || limit > 100000) {
		*p = start;
		return OX_EINVAL;
	}
	ret->limit = (unsigned)limit;
	return 0;
}

int oxi_array_parse(const char *text, struct oxi_array *ret, const char **ret_bad)
{
	*ret = (struct oxi_array){ 0 };
	*ret_bad = text;
	int r = parse(ret_bad, ret);
	if (r < 0)
		oxi_array_free(ret);
	return r;
}

uint64_t oxi_array_at(const struct oxi_array *a, uint64_t i)
{
	const struct oxi_range *r = a->range;
	for (; i >= r->count; r++)
		i -= r->count;
	return r->first + i * r->step;
}

void oxi_array_free(struct oxi_array *a)
{
	free(a->range);
	*a = (struct oxi_array){ 0 };
}
