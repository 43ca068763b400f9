/* SPDX-License-Identifier: MIT */
#include "cli/crawl/frontier.h"

#include <stdlib.h>
#include <string.h>

struct oxi_origin *oxi_origin_new(const char *url)
{
	size_t len = strlen(url) + 1;
	struct oxi_origin *o = malloc(sizeof(*o) + len);
	if (!o)
		return NULL;
	o->refs = 1;
	memcpy(o->url, url, len);
	return o;
}

void oxi_origin_unref(struct oxi_origin *o)
{
	if (o && --o->refs == 0)
		free(o);
}

static size_t bucket_of(const char *host)
{
	size_t h = 5381;
	for (; *host; host++)
		h = h * 33 + (unsigned char)*host;
	return h % OXI_LANE_BUCKETS;
}

struct oxi_lane *oxi_frontier_lane(struct oxi_frontier *f, const char *host)
{
	struct oxi_lane **bucket = &f->bucket[bucket_of(host)];
	for (struct oxi_lane *l = *bucket; l; l = l->next) {
		if (strcmp(l->host, host) == 0)
			return l;
	}
	size_t len = strlen(host) + 1;
	struct oxi_lane *l = calloc(1, sizeof(*l) + len);
	if (!l)
		return NULL;
	memcpy(l->host, host, len);
	l->next = *bucket;
	*bucket = l;
	return l;
}

int oxi_frontier_put(struct oxi_frontier *f, struct oxi_lane *l, const char *url, unsigned depth, struct oxi_origin *via)
{
	size_t len = strlen(url) + 1;
	struct oxi_item *item = malloc(sizeof(*item) + len);
	if (!item)
		return OX_ENOMEM;
	*item = (struct oxi_item){ .via = via, .depth = depth };
	memcpy(item->url, url, len);
	if (via)
		via->refs++;
	if (l->first)
		l->last->next = item;
	else
		l->first = item;
	l->last = item;
	f->waiting++;
	return 0;
}

struct oxi_item *oxi_frontier_take(struct oxi_frontier *f, struct oxi_lane *l)
{
	struct oxi_item *item = l->first;
	if (!item)
		return NULL;
	l->first = item->next;
	f->waiting--;
	return item;
}

void oxi_item_free(struct oxi_item *item)
{
	if (item)
		oxi_origin_unref(item->via);
	free(item);
}

void oxi_frontier_free(struct oxi_frontier *f)
{
	for (size_t i = 0; i < OXI_LANE_BUCKETS; i++) {
		struct oxi_lane *l;
		while ((l = f->bucket[i])) {
			struct oxi_item *item;
			while ((item = oxi_frontier_take(f, l)))
				oxi_item_free(item);
			f->bucket[i] = l->next;
			free(l);
		}
	}
}
