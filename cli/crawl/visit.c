/* SPDX-License-Identifier: MIT */
/*
 * An item's way: its host's turn comes, the door is looked at, it is asked for, an answer is crunched, and its
 * change goes to the keeper. Between two requests an item is in its host's queue again: after a redirect in
 * that of the new host, after a failure that may pass when its alarm rings.
 *
 * A visit is a coroutine, one for each request that is under way; there are no others, however many hosts
 * wait. What needs no request, because robots.txt, a trap or a budget decides, has its result without one.
 *
 * Before a request there is leave to be had, from the rate of all of them and the room for its body: each holds as much
 * of --mem as its body may have, and from its answer on as much as it has. Who gets none is put back, and the
 * dispatcher waits. With --hosts-db other crawls are asked, too, which takes a visit.
 */
#include <oxbow/http.h>
#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"

struct visit {
	struct oxi_crawl *c;
	struct oxi_item *item;
	struct oxi_host *host;          /* that is asked */
	struct oxi_address *address;    /* as it was known then; NULL: it was not */
	enum { PAGE, ROBOTS, LOOK } what;       /* the item's page; robots.txt, from the host or the hosts' database: the item waits */
	size_t held;                    /* bytes of c->held */
	struct oxi_url target;
};

/* A visit needs so much room, and no more. */
static void hold(struct visit *v, size_t bytes)
{
	v->c->held += bytes - v->held;
	v->held = bytes;
	v->c->no_room = false;
	ox_event_set(v->c->changed);
}

/* ---- results ---- */

static int new_change(struct oxi_item *item, struct oxi_change **ret)
{
	struct oxi_change *change = calloc(1, sizeof(*change));
	if (!change)
		return OX_ENOMEM;
	change->host = item->host;
	change->done = item->id;
	*ret = change;
	return 0;
}

static void describe_item(struct oxi_record *record, const struct oxi_item *item)
{
	record->url = item->url;
	record->depth = item->depth;
	record->via = item->via ? item->via->url : NULL;
	record->by = oxi_link_name(item->by);
	record->attempt = item->attempt;
}

/* The same body again and again, whatever the address: a page that stands for an error, or a trap. */
static void watch_streak(struct oxi_host *h, const struct oxi_record *record)
{
	uint64_t digest = 0;
	memcpy(&digest, record->digest, sizeof(digest));
	if (!record->page || !digest)
		return;
	h->streak = h->streak_digest == digest ? h->streak + 1 : 1;
	h->streak_digest = digest;
	h->trapped |= h->streak >= OXI_TRAP_STREAK_MAX;
}

static void count(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_record *record)
{
	oxi_crawl_tally_add(&c->tally, record);
	h->urls++;
	h->pages += record->page;
	h->bytes += record->not_modified ? 0 : record->body;
	h->errors[record->error]++;
	watch_streak(h, record);
}

/* Ends an item: its record, with what the change has got already, goes to the keeper. Both are given. */
static int give_result(struct oxi_crawl *c, struct oxi_item *item, struct oxi_record *record, struct oxi_change *change)
{
	change->exchange = record->exchange;
	record->exchange = NULL;
	count(c, item->host, record);
	int told = oxi_crawl_events_said(c, oxi_events_result(&c->events, item->url, record->status, oxi_error_name(record->error),
	                                                     record->attempt + 1, record->times.total, record->body));
	if (c->o->explain)
		oxi_explain_item(c, item, &change->line);
	oxi_record_json(record, &change->line);
	oxi_buffer_add(&change->line, change->links.data, change->links.len);
	if (item->trail && item->trail->alias)
		oxi_change_add_url(change, item->trail->alias, item->host, item->depth, item->id, OXI_URL_ALIAS, item->by,
		                   item->trail->target);
	oxi_item_free(item);
	int given = oxi_keeper_give(c, change);
	return told < 0 ? told : given;
}

/* The result of an item that is not asked for. */
static int refuse(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_url *target, enum oxi_error error, const char *reason)
{
	struct oxi_record record = { .error = error };
	struct oxi_change *change;
	int r = new_change(item, &change);
	if (r < 0) {
		oxi_item_free(item);
		return r;
	}
	describe_item(&record, item);
	snprintf(record.reason, sizeof(record.reason), "%s", reason ? reason : "");
	oxi_buffer_add(&record.final, target->text, strlen(target->text) + 1);
	r = give_result(c, item, &record, change);
	oxi_record_free(&record);
	return r;
}

/* ---- one request ---- */

/* An item that has met a redirect goes to where that leads. */
static void go_on(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_url *hop, int *ret_code)
{
	struct oxi_host *h = oxi_frontier_host(&c->frontier, hop);
	if (!h) {
		oxi_item_free(item);
		*ret_code = OX_ENOMEM;
		return;
	}
	item->host = h;
	item->attempt = 0;
	item->trail->alias = ++c->last_id;
	oxi_frontier_put_back(&c->frontier, item);
}

static int try_later(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_record *record)
{
	ox_time wait = c->o->retry_delay << (item->attempt < 16 ? item->attempt : 15);
	item->attempt++;
	int r = oxi_crawl_events_said(c, oxi_events_again(&c->events, item->url, item->attempt, wait, oxi_error_name(record->error)));
	if (r == 0)
		r = oxi_frontier_put_later(&c->frontier, item, ox_now() + wait);
	if (r < 0)
		oxi_item_free(item);
	return r;
}

static int crunch(struct oxi_crawl *c, ox_response *answer, const struct oxi_item *item, struct oxi_record *record,
                  struct oxi_change *change)
{
	if (record->not_modified)
		return oxi_crawl_recall(c, item, record, change);
	if (!answer || record->status < 200 || record->status > 299)
		return 0;
	int r = oxi_crawl_crunch(c, answer, item, record, change);
	return r < 0 && r != OX_ENOMEM ? oxi_crawl_fail(c, OXI_EXIT_WORKERS, "workers", r) : r;
}

static int finish(struct oxi_crawl *c, struct oxi_item *item, struct oxi_record *record, ox_response *answer)
{
	struct oxi_change *change;
	int r = new_change(item, &change);
	if (r == 0) {
		r = crunch(c, answer, item, record, change);
		if (r >= 0)
			return give_result(c, item, record, change);
		oxi_change_free(change);
	}
	oxi_item_free(item);
	return r;
}

static int fetch(struct visit *v)
{
	struct oxi_crawl *c = v->c;
	OX_AUTO_RESPONSE *answer = NULL;
	struct oxi_record record = { 0 };
	struct oxi_url *hop = malloc(sizeof(*hop));
	describe_item(&record, v->item);
	int r = hop ? oxi_crawl_fetch(c, v->item, &v->target, &record, &answer, hop) : OX_ENOMEM;
	oxi_gate_end(c, v->host, v->address, record.status ? &record.times : NULL, record.ip);
	hold(v, answer ? ox_response_body(answer).len : 0);
	int told = r >= 0 ? oxi_gate_tell(c, v->host) : 0;
	r = told < 0 ? told : r;
	int code = r > OXI_NEXT_RESULT ? oxi_keeper_archive(c, &record) : 0;
	if (code < 0)
		r = code;
	switch (r) {
	case OXI_NEXT_RESULT:
		code = finish(c, v->item, &record, answer);
		break;
	case OXI_NEXT_AGAIN:
		oxi_frontier_put_back(&c->frontier, v->item);
		break;
	case OXI_NEXT_LATER:
		code = try_later(c, v->item, &record);
		break;
	case OXI_NEXT_HOP:
		go_on(c, v->item, hop, &code);
		break;
	default:
		oxi_item_free(v->item);
		code = r;
	}
	oxi_record_free(&record);
	free(hop);
	return code;
}

static int ask(struct visit *v)
{
	int r = oxi_gate_ask(v->c, v->host, v->address, &v->target);
	if (r == 0)
		r = oxi_gate_tell(v->c, v->host);
	if (r < 0)
		oxi_item_free(v->item);
	else
		oxi_frontier_put_back(&v->c->frontier, v->item);
	return r;
}

static int look(struct visit *v)
{
	int r = oxi_gate_look(v->c, v->host, &v->target);
	v->host->asking = false;
	v->host->running--;
	if (r < 0)
		oxi_item_free(v->item);
	else
		oxi_frontier_put_back(&v->c->frontier, v->item);
	return r;
}

/* Other crawls have the host's turn, or it could not be found out. */
static void give_way(struct visit *v, int code)
{
	v->host->asking &= v->what != ROBOTS;
	oxi_gate_end(v->c, v->host, v->address, NULL, "");
	if (code < 0)
		oxi_item_free(v->item);
	else
		oxi_frontier_put_back(&v->c->frontier, v->item);
}

static int request(struct visit *v)
{
	struct oxi_crawl *c = v->c;
	int r = oxi_gate_claim(c, v->host);
	int told = r > 0 ? oxi_crawl_events_said(c, oxi_events_fetch(&c->events, v->target.text, v->what == ROBOTS, v->item->attempt + 1)) : 0;
	r = told < 0 ? told : r;
	if (r <= 0) {
		give_way(v, r);
		return r;
	}
	return v->what == ROBOTS ? ask(v) : fetch(v);
}

static int visit(void *arg)
{
	struct visit *v = arg;
	struct oxi_crawl *c = v->c;
	int r = v->what == LOOK ? look(v) : request(v);
	c->running--;
	hold(v, 0);
	free(v);
	return r == OX_ENOMEM ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", r) : r;
}

/* ---- the next one ---- */

static enum oxi_error judge(struct oxi_crawl *c, const struct oxi_item *item, const struct oxi_url *target, bool *unknown,
                            const char **ret_reason)
{
	struct oxi_host *h = item->host;
	*unknown = false;
	if (h->trapped) {
		*ret_reason = oxi_trap_name(OXI_TRAP_SAME_BODY);
		h->traps[OXI_TRAP_SAME_BODY]++;
		return OXI_ERROR_TRAP;
	}
	if (h->bytes >= c->o->max_bytes_host) {
		*ret_reason = "--max-bytes-host";
		return OXI_ERROR_BUDGET;
	}
	return oxi_gate_check(c, h, target, unknown);
}

/* Whether a request may begin by --mem and --rate. */
static bool has_leave(struct oxi_crawl *c, size_t bytes)
{
	ox_time now = ox_now(), wait = 0;
	c->no_room = c->running > 0 && bytes > c->o->mem - (c->held < c->o->mem ? c->held : c->o->mem);
	if (!c->no_room)
		wait = oxi_throttle_take(&c->rate, now);
	c->rate_at = wait ? now + wait : 0;
	return !c->no_room && !wait;
}

static int begin(struct oxi_crawl *c, struct visit *v)
{
	size_t bytes = v->what == LOOK ? 0 : v->what == ROBOTS ? OXI_ROBOTS_FETCHED : c->o->max_body;
	if (v->what != LOOK && !has_leave(c, bytes)) {
		oxi_frontier_put_back(&c->frontier, v->item);
		free(v);
		return 0;
	}
	if (v->what == LOOK)
		v->host->running++;
	else
		v->address = oxi_gate_begin(c, v->host);
	v->host->asking |= v->what != PAGE;
	hold(v, bytes);
	oxi_frontier_update(&c->frontier, v->host);
	c->running++;
	ox_spawn(c->work, visit, v);
	return 1;
}

int oxi_crawl_begin_next(struct oxi_crawl *c)
{
	struct oxi_item *item = ox_now() < c->rate_at ? NULL : oxi_frontier_next(&c->frontier, ox_now());
	if (!item)
		return 0;
	struct visit *v = calloc(1, sizeof(*v));
	if (!v) {
		oxi_item_free(item);
		return oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", OX_ENOMEM);
	}
	v->c = c;
	v->item = item;
	v->host = item->host;
	const char *target = oxi_item_target(item), *reason = NULL;
	enum oxi_error error = OXI_ERROR_PROTOCOL;
	bool unknown = false;
	/* It was in normal form when it was taken; what a store gives back is looked at again. */
	if (oxi_url_resolve(NULL, target, strlen(target), &v->target) == 0)
		error = judge(c, item, &v->target, &unknown, &reason);
	if (unknown)
		v->what = c->hosts && !oxi_gate_of(item->host, &v->target)->looked ? LOOK : ROBOTS;
	if (error == OXI_ERROR_NONE)
		return begin(c, v);
	oxi_frontier_update(&c->frontier, item->host);
	int r = refuse(c, item, &v->target, error, reason);
	free(v);
	return r < 0 ? r : 1;
}
