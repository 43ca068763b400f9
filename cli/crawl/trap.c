/* SPDX-License-Identifier: MIT */
/*
 * A site can make up pages faster than anybody fetches them: calendars, sessions in paths, folders that link
 * to themselves. Nothing here is certain, so each rule only stops what no reader would miss, says its name in
 * the report, and the budgets stand behind them.
 */
#include "cli/crawl/trap.h"

#include <stdlib.h>
#include <string.h>

#include "cli/crawl/seen.h"

const char *oxi_trap_name(enum oxi_trap t)
{
	static const char *const names[] = {
		NULL,
#define OXI_TRAP_NAME(name, text) text,
		OXI_TRAPS(OXI_TRAP_NAME)
#undef OXI_TRAP_NAME
	};
	return t < OXI_TRAP_COUNT ? names[t] : NULL;
}

static enum oxi_trap trap_of_path(const char *path)
{
	struct { const char *at; size_t len; } segment[OXI_TRAP_SEGMENTS_MAX];
	size_t n = 0;
	for (const char *p = path; *p == '/';) {
		size_t len = strcspn(++p, "/?");
		if (n == OXI_TRAP_SEGMENTS_MAX)
			return OXI_TRAP_DEPTH;
		size_t same = 0;
		for (size_t i = 0; i < n && len > 0; i++)
			same += segment[i].len == len && memcmp(segment[i].at, p, len) == 0;
		if (same >= OXI_TRAP_REPEATS_MAX)
			return OXI_TRAP_REPEATED;
		segment[n].at = p;
		segment[n++].len = len;
		p += len;
	}
	return OXI_TRAP_NONE;
}

enum oxi_trap oxi_trap_of(const struct oxi_url *url)
{
	if (strlen(url->text) > OXI_TRAP_URL_MAX)
		return OXI_TRAP_LENGTH;
	const char *path = url->text + url->path, *query = strchr(path, '?');
	size_t parameters = query != NULL;
	for (const char *p = query; p && (p = strpbrk(p, "&;")); p++)
		parameters++;
	return parameters > OXI_TRAP_PARAMETERS_MAX ? OXI_TRAP_PARAMETERS : trap_of_path(path);
}

static struct oxi_query_count *place(struct oxi_query_count *slot, size_t cap, uint64_t key)
{
	size_t i = key & (cap - 1);
	while (slot[i].key && slot[i].key != key)
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static int grow(struct oxi_queries *q)
{
	size_t cap = q->cap ? 2 * q->cap : 256;
	struct oxi_query_count *slot = calloc(cap, sizeof(*slot));
	if (!slot)
		return OX_ENOMEM;
	for (size_t i = 0; i < q->cap; i++) {
		if (q->slot[i].key)
			*place(slot, cap, q->slot[i].key) = q->slot[i];
	}
	free(q->slot);
	q->slot = slot;
	q->cap = cap;
	return 0;
}

int oxi_queries_add(struct oxi_queries *q, const struct oxi_url *url, uint64_t *ret)
{
	const char *query = strchr(url->text + url->path, '?');
	*ret = 0;
	if (!query)
		return 0;
	if (3 * (q->n + 1) > 2 * q->cap && grow(q) < 0)
		return OX_ENOMEM;
	uint64_t key = oxi_key_of(url->text, (size_t)(query - url->text)).a;
	struct oxi_query_count *count = place(q->slot, q->cap, key + (key == 0));
	q->n += count->key == 0;
	count->key = key + (key == 0);
	*ret = ++count->n;
	return 0;
}

void oxi_queries_free(struct oxi_queries *q)
{
	free(q->slot);
	*q = (struct oxi_queries){ 0 };
}
