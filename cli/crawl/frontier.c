/* SPDX-License-Identifier: MIT */
/*
 * Fair over hosts: those that may be asked stand in a queue, each gives one item when its turn comes and
 * stands again at its end, or waits for its alarm. Who has a million URLs gets no more turns than who has one.
 *
 * Hosts of one address take turns among themselves, too: whose turn has come while the address is busy, or wants its
 * pause, goes to the end of the address's own queue. One is called back whenever the address may have become free,
 * and looks for itself; so a host that finds nothing to ask for holds up nobody, and a thousand that wait cost nothing.
 *
 * Only so many items are held in memory. What comes beyond is known to the store alone, and since every item
 * has been given to the store before it comes here, nothing has to be written then: the host counts it as
 * cold, and asks for it when its own queue is empty. A host with cold items takes no others into memory, so
 * that its order stays.
 */
#include "cli/crawl/frontier.h"

#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTAINER(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

struct oxi_origin *oxi_origin_new(const char *url, uint64_t id)
{
	size_t len = strlen(url) + 1;
	struct oxi_origin *o = malloc(sizeof(*o) + len);
	if (!o)
		return NULL;
	o->refs = 1;
	o->id = id;
	memcpy(o->url, url, len);
	return o;
}

void oxi_origin_unref(struct oxi_origin *o)
{
	if (o && --o->refs == 0)
		free(o);
}

struct oxi_item *oxi_item_new(const char *url, uint64_t id, unsigned depth, struct oxi_origin *via)
{
	size_t len = strlen(url) + 1;
	struct oxi_item *item = malloc(sizeof(*item) + len);
	if (!item)
		return NULL;
	*item = (struct oxi_item){ .id = id, .depth = depth, .via = via };
	memcpy(item->url, url, len);
	if (via)
		via->refs++;
	return item;
}

void oxi_item_free(struct oxi_item *item)
{
	if (item) {
		oxi_origin_unref(item->via);
		free(item->trail);
	}
	free(item);
}

const char *oxi_item_target(const struct oxi_item *item)
{
	return item->trail ? item->trail->target : item->url;
}

/* ---- hosts ---- */

static size_t bucket_of(const char *host)
{
	size_t h = 5381;
	for (; *host; host++)
		h = h * 33 + (unsigned char)*host;
	return h % OXI_HOST_BUCKETS;
}

int oxi_frontier_init(struct oxi_frontier *f, unsigned per_host)
{
	*f = (struct oxi_frontier){
		.bucket = calloc(OXI_HOST_BUCKETS, sizeof(*f->bucket)), .address = calloc(OXI_HOST_BUCKETS, sizeof(*f->address)),
		.per_host = per_host,
	};
	return f->bucket && f->address ? 0 : OX_ENOMEM;
}

struct oxi_host *oxi_frontier_host_named(struct oxi_frontier *f, const char *name)
{
	struct oxi_host **bucket = &f->bucket[bucket_of(name)];
	for (struct oxi_host *h = *bucket; h; h = h->next) {
		if (strcmp(h->name, name) == 0)
			return h;
	}
	size_t len = strlen(name) + 1;
	struct oxi_host *h = calloc(1, sizeof(*h) + len);
	if (!h)
		return NULL;
	memcpy(h->name, name, len);
	h->id = ++f->hosts;
	h->next = *bucket;
	*bucket = h;
	return h;
}

struct oxi_host *oxi_frontier_host(struct oxi_frontier *f, const struct oxi_url *url)
{
	char name[sizeof(url->host) + 8];
	snprintf(name, sizeof(name), "%s:%u", url->host, url->port == 443 ? 80 : url->port);
	return oxi_frontier_host_named(f, name);
}

struct oxi_address *oxi_frontier_address(struct oxi_frontier *f, const char *ip)
{
	struct oxi_address **bucket = &f->address[bucket_of(ip)];
	for (struct oxi_address *a = *bucket; a; a = a->next) {
		if (strcmp(a->ip, ip) == 0)
			return a;
	}
	size_t len = strlen(ip) + 1;
	struct oxi_address *a = calloc(1, sizeof(*a) + len);
	if (!a)
		return NULL;
	memcpy(a->ip, ip, len);
	a->next = *bucket;
	*bucket = a;
	return a;
}

static void free_addresses(struct oxi_frontier *f)
{
	for (size_t i = 0; f->address && i < OXI_HOST_BUCKETS; i++) {
		struct oxi_address *a;
		while ((a = f->address[i])) {
			f->address[i] = a->next;
			free(a);
		}
	}
	free(f->address);
}

void oxi_frontier_free(struct oxi_frontier *f)
{
	struct oxi_alarm *a;
	while ((a = oxi_alarms_due(&f->retries, OX_NEVER)))
		oxi_item_free(CONTAINER(a, struct oxi_item, alarm));
	for (size_t i = 0; f->bucket && i < OXI_HOST_BUCKETS; i++) {
		struct oxi_host *h;
		while ((h = f->bucket[i])) {
			struct oxi_item *item;
			while ((item = h->first)) {
				h->first = item->next;
				oxi_item_free(item);
			}
			oxi_robots_free(&h->gate[0].rules);
			oxi_robots_free(&h->gate[1].rules);
			f->bucket[i] = h->next;
			free(h);
		}
	}
	free(f->bucket);
	free_addresses(f);
	oxi_alarms_free(&f->alarms);
	oxi_alarms_free(&f->addresses);
	oxi_alarms_free(&f->retries);
}

/* ---- queues ---- */

static void append(struct oxi_frontier *f, struct oxi_item *item)
{
	struct oxi_host *h = item->host;
	item->next = NULL;
	if (h->first)
		h->last->next = item;
	else
		h->first = item;
	h->last = item;
	f->in_memory++;
	oxi_frontier_update(f, h);
}

static void put_first(struct oxi_frontier *f, struct oxi_item *item)
{
	struct oxi_host *h = item->host;
	item->next = h->first;
	if (!h->first)
		h->last = item;
	h->first = item;
	f->in_memory++;
	oxi_frontier_update(f, h);
}

void oxi_frontier_put(struct oxi_frontier *f, struct oxi_item *item)
{
	struct oxi_host *h = item->host;
	f->waiting++;
	/* What is not later than what was loaded would not be found there again. */
	if (item->id < h->loaded_to || (h->cold == 0 && f->in_memory < OXI_IN_MEMORY)) {
		h->loaded_to = item->id > h->loaded_to ? item->id : h->loaded_to;
		(item->first ? put_first : append)(f, item);
		return;
	}
	h->cold++;
	oxi_item_free(item);
	oxi_frontier_update(f, h);
}

void oxi_frontier_put_loaded(struct oxi_frontier *f, struct oxi_item *item)
{
	item->host->loaded_to = item->id;
	item->host->cold--;
	append(f, item);
}

void oxi_frontier_put_back(struct oxi_frontier *f, struct oxi_item *item)
{
	f->waiting++;
	put_first(f, item);
}

int oxi_frontier_put_later(struct oxi_frontier *f, struct oxi_item *item, ox_time at)
{
	int r = oxi_alarm_set(&f->retries, &item->alarm, at);
	f->waiting += r == 0;
	return r;
}

/* ---- whose turn it is ---- */

static bool may_run(const struct oxi_frontier *f, const struct oxi_host *h)
{
	return h->running == 0 || (!h->asking && h->running < f->per_host);
}

static void stand(struct oxi_frontier *f, struct oxi_host *h)
{
	h->ready = true;
	h->next_ready = NULL;
	if (f->ready_first)
		f->ready_last->next_ready = h;
	else
		f->ready_first = h;
	f->ready_last = h;
}

/* Calls one of those that wait for an address, or sets its alarm. Returns whether one was called. */
static bool call_next(struct oxi_frontier *f, struct oxi_address *a, ox_time now)
{
	bool may = a->first && a->running < f->per_host;
	/* Without memory for the alarm one is called too early, and waits once more. */
	if (may && a->not_before > now && oxi_alarm_set(&f->addresses, &a->alarm, a->not_before) == 0)
		return false;
	oxi_alarm_clear(&f->addresses, &a->alarm);
	if (!may)
		return false;
	struct oxi_host *h = a->first;
	a->first = h->next_ready;
	stand(f, h);
	return true;
}

void oxi_address_update(struct oxi_frontier *f, struct oxi_address *a)
{
	if (a && a->first)
		call_next(f, a, ox_now());
}

/* Whether a host whose turn it is has to wait for its address; it stands there then. */
static bool waits_for_address(struct oxi_frontier *f, struct oxi_host *h, ox_time now)
{
	struct oxi_address *a = h->address;
	if (!a || (a->running < f->per_host && a->not_before <= now))
		return false;
	h->ready = true;
	h->next_ready = NULL;
	if (a->first)
		a->last->next_ready = h;
	else
		a->first = h;
	a->last = h;
	return true;
}

void oxi_frontier_update(struct oxi_frontier *f, struct oxi_host *h)
{
	oxi_address_update(f, h->address);
	if (!h->first && h->cold && !h->hungry) {
		h->hungry = true;
		h->next_hungry = f->hungry;
		f->hungry = h;
	}
	if (h->ready)
		return;
	if (!h->first || !may_run(f, h)) {
		oxi_alarm_clear(&f->alarms, &h->alarm);
		return;
	}
	/* Without memory for the alarm it is ready too early, is looked at again then, and tries once more. */
	if (h->not_before > ox_now() && oxi_alarm_set(&f->alarms, &h->alarm, h->not_before) == 0)
		return;
	oxi_alarm_clear(&f->alarms, &h->alarm);
	stand(f, h);
}

struct oxi_host *oxi_frontier_hungry(struct oxi_frontier *f)
{
	struct oxi_host *h = f->hungry;
	if (h)
		f->hungry = h->next_hungry;
	return h;
}

struct oxi_item *oxi_frontier_next(struct oxi_frontier *f, ox_time now)
{
	struct oxi_alarm *a;
	while ((a = oxi_alarms_due(&f->retries, now)))
		put_first(f, CONTAINER(a, struct oxi_item, alarm));
	while ((a = oxi_alarms_due(&f->alarms, now)))
		oxi_frontier_update(f, CONTAINER(a, struct oxi_host, alarm));
	while ((a = oxi_alarms_due(&f->addresses, now)))
		oxi_address_update(f, CONTAINER(a, struct oxi_address, alarm));
	struct oxi_host *h;
	while ((h = f->ready_first)) {
		f->ready_first = h->next_ready;
		h->ready = false;
		if (!h->first || !may_run(f, h) || h->not_before > now) {
			oxi_frontier_update(f, h);
			if (h->ready)           /* no memory for its alarm */
				return NULL;
			continue;
		}
		if (waits_for_address(f, h, now)) {
			if (call_next(f, h->address, now))      /* likewise */
				return NULL;
			continue;
		}
		struct oxi_item *item = h->first;
		h->first = item->next;
		f->in_memory--;
		f->waiting--;
		return item;
	}
	return NULL;
}

ox_time oxi_frontier_wake_at(const struct oxi_frontier *f)
{
	ox_time host = oxi_alarms_next(&f->alarms), item = oxi_alarms_next(&f->retries), address = oxi_alarms_next(&f->addresses);
	ox_time first = host < item ? host : item;
	return first < address ? first : address;
}
