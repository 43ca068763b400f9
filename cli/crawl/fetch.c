/* SPDX-License-Identifier: MIT */
/*
 * One request for one item. Redirects are not followed by libcurl, because each target is a URL like any
 * other: it must be in scope, its host has rules and a pace of its own, and it is the last one that the page is
 * known by. So a hop is the item's next request, and waits in its new host's queue. The address is asked of
 * the guard by the HTTP client, when it connects.
 */
#include <oxbow/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/crawl/page.h"

#define SPEED_MIN   100                 /* bytes a second, over 20 s */
#define WIRE_EXCESS OX_MIB(1)           /* what a body may have more on the wire than decoded, in a WARC */

static bool is_redirect(const ox_response *answer)
{
	int status = ox_response_status(answer);
	return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
	       ox_response_header(answer, "Location");
}

static void copy(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from ? from : "");
}

static void set_final(struct oxi_record *r, const char *url)
{
	r->final.len = 0;
	oxi_buffer_add(&r->final, url, strlen(url) + 1);
}

/* ---- the request ---- */

/* A proxy that was asked for connects in our stead, so what can be judged is the URL: an address in it. */
static int judge_for_proxy(const struct oxi_crawl *c, const struct oxi_url *url)
{
	return oxi_guard_check_host(&c->o->guard, url->host);
}

/* The headers of a request: those of the starts, and the conditions under which the page is wanted. */
struct headers {
	const char *line[OXI_HEADERS_MAX + 3];
	char etag[OXI_ETAG_MAX + 32], modified[128];
};

static void list_headers(const struct oxi_crawl *c, const struct oxi_url *url, const struct oxi_cached *known, struct headers *h)
{
	size_t n = 0;
	for (size_t i = 0; oxi_scope_is_start(&c->scope, url) && i < c->o->headers_n; i++)
		h->line[n++] = c->o->headers[i];
	if (known && known->holds && *known->etag) {
		snprintf(h->etag, sizeof(h->etag), "If-None-Match: %s", known->etag);
		h->line[n++] = h->etag;
	}
	if (known && known->holds && *known->modified) {
		snprintf(h->modified, sizeof(h->modified), "If-Modified-Since: %s", known->modified);
		h->line[n++] = h->modified;
	}
	h->line[n] = NULL;
}

/* What there was of an exchange belongs to the record, if the WARC can have it. */
static int end_exchange(struct oxi_exchange *x, int r, const ox_response *answer, struct oxi_record *record)
{
	int code = r == OX_ECANCELED ? 0 : oxi_exchange_end(x, r, answer ? ox_response_header(answer, "Transfer-Encoding") : NULL);
	if (answer)
		ox_response_times(answer, &x->times);
	if (code < 0 || r == OX_ECANCELED || !x->headed) {
		oxi_exchange_free(x);
		return code;
	}
	if (record->via)
		oxi_buffer_add(&x->via, record->via, strlen(record->via) + 1);
	x->depth = record->depth;
	record->exchange = x;
	return 0;
}

int oxi_crawl_get(struct oxi_crawl *c, const struct oxi_url *url, size_t max_body, struct oxi_record *record, ox_response **ret)
{
	const struct oxi_crawl_options *o = c->o;
	bool by_proxy = o->proxy && *o->proxy;
	record->reason[0] = '\0';
	if (by_proxy && judge_for_proxy(c, url) < 0)
		return -EACCES;
	struct oxi_exchange *x = c->warc ? oxi_exchange_new(url->text, &o->guard, max_body + WIRE_EXCESS) : NULL;
	if (c->warc && !x)
		return OX_ENOMEM;
	struct headers headers;
	list_headers(c, url, record->cached, &headers);
	const ox_http_options options = {
		.size = sizeof(options), .timeout = o->timeout, .connect_timeout = o->connect_timeout, .min_speed = SPEED_MIN,
		.max_body = max_body, .max_redirects = -1, .headers = headers.line,
		.user_agent = c->agent, .cookies = c->cookies, .proxy = o->proxy, .ca_file = o->ca_file, .insecure = o->insecure,
		.error_text = record->reason, .allow_address = by_proxy ? NULL : x ? oxi_exchange_allow : oxi_guard_check,
		.allow_arg = x ? (void *)x : (void *)&o->guard, .on_wire = x ? oxi_exchange_on_wire : NULL, .wire_arg = x,
	};
	int r = ox_http_get(url->text, &options, ret);
	if (r == OX_ENOMEM) {
		/* libcurl says so too when a header is longer than it takes, which any server can do: the crawl goes on. */
		snprintf(record->reason, sizeof(record->reason), "headers larger than the HTTP library takes, or no memory");
		r = OX_ETOOBIG;
	}
	int code = x ? end_exchange(x, r, r == 0 ? *ret : NULL, record) : 0;
	if (code < 0 && r == 0) {
		ox_response_free(*ret);
		*ret = NULL;
	}
	return code < 0 ? code : r;
}

/* ---- the answer ---- */

/* What every answer says about itself. */
static void describe(struct oxi_record *r, const ox_response *answer)
{
	r->status = ox_response_status(answer);
	r->body = ox_response_body(answer).len;
	copy(r->ip, sizeof(r->ip), ox_response_ip(answer));
	copy(r->http, sizeof(r->http), ox_response_version(answer));
	copy(r->type, sizeof(r->type), ox_response_header(answer, "Content-Type"));
	ox_response_times(answer, &r->times);
	r->error = r->status >= 500 ? OXI_ERROR_HTTP_5XX : r->status >= 400 ? OXI_ERROR_HTTP_4XX : OXI_ERROR_NONE;
	r->page = r->status >= 200 && r->status < 300 && oxi_page_is_html(r->type);
}

/* The server says that the page is what it was: then so is what is known of it. */
static void restore(struct oxi_record *r)
{
	const struct oxi_cached *known = r->cached;
	if (r->exchange)
		oxi_exchange_revisits(r->exchange, OXI_REVISIT_NOT_MODIFIED, known->url.data, known->date);
	r->status = known->status;
	r->body = known->body;
	copy(r->type, sizeof(r->type), known->type);
	r->page = oxi_page_is_html(r->type);
	r->unchanged = r->not_modified = true;
}

static bool is_not_modified(const struct oxi_record *r)
{
	const struct oxi_cached *known = r->cached;
	return r->status == 304 && known && known->holds && (*known->etag || *known->modified);
}

/* Strict-Transport-Security (RFC 6797), which counts over TLS and from a host with a name; subdomains speak for themselves. */
static void hear_policy(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url, const ox_response *answer)
{
	const char *policy = ox_response_header(answer, "Strict-Transport-Security");
	bool named = url->host[0] != '[' && url->host[strspn(url->host, "0123456789.")];
	const char *age = policy ? strcasestr(policy, "max-age=") : NULL;
	if (age && named && strncmp(url->text, "https:", 6) == 0)
		h->strict = strtoul(age + strlen("max-age=") + (age[strlen("max-age=")] == '"'), NULL, 10) > 0;
	c->strict |= h->strict;
}

static bool is_among(struct oxi_key key, const struct oxi_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (keys[i].a == key.a && keys[i].b == key.b)
			return true;
	}
	return false;
}

static struct oxi_trail *trail_of(const struct oxi_crawl *c, struct oxi_item *item)
{
	if (!item->trail && (item->trail = malloc(sizeof(*item->trail)))) {
		item->trail->hop[0] = oxi_key_of(item->url, strlen(item->url));
		item->trail->known[0] = oxi_crawl_key(c, item->url);
		item->trail->n = 1;
		item->trail->alias = 0;
		copy(item->trail->target, sizeof(item->trail->target), item->url);
	}
	return item->trail;
}

/* Judges the target of a redirect. Returns: an oxi_next; OX_ENOMEM. */
static int next_hop(struct oxi_crawl *c, struct oxi_item *item, const ox_response *answer, struct oxi_record *r,
                    struct oxi_url *hop)
{
	const char *location = ox_response_header(answer, "Location");
	struct oxi_trail *t = trail_of(c, item);
	if (!t)
		return OX_ENOMEM;
	int bad = oxi_url_resolve(t->target, location, strlen(location), hop);
	if (bad) {
		r->error = bad == OXI_URL_SCHEME ? OXI_ERROR_REDIRECT_SCHEME : OXI_ERROR_PROTOCOL;
		return OXI_NEXT_RESULT;
	}
	struct oxi_key key = oxi_key_of(hop->text, strlen(hop->text));
	if (is_among(key, t->hop, t->n) || t->n > OXI_HOPS_MAX) {
		r->error = OXI_ERROR_REDIRECT_LOOP;
		return OXI_NEXT_RESULT;
	}
	set_final(r, hop->text);
	if (!oxi_scope_holds(&c->scope, hop))
		return OXI_NEXT_RESULT;
	if (oxi_trap_of(hop)) {
		r->error = OXI_ERROR_TRAP;
		copy(r->reason, sizeof(r->reason), oxi_trap_name(oxi_trap_of(hop)));
		return OXI_NEXT_RESULT;
	}
	/* What counts as the same as where it came from is known through this item alone. */
	struct oxi_key known = oxi_crawl_key(c, hop->text);
	int added = is_among(known, t->known, t->n) ? 1 : oxi_seen_add(&c->seen, known);
	if (added <= 0)
		return added < 0 ? added : OXI_NEXT_RESULT;
	t->hop[t->n] = key;
	t->known[t->n++] = known;
	copy(t->target, sizeof(t->target), hop->text);
	return OXI_NEXT_HOP;
}

/* ---- what comes next ---- */

/* What may pass by itself. */
static bool is_passing(const struct oxi_record *r)
{
	switch (r->error) {
	case OXI_ERROR_DNS:
	case OXI_ERROR_REFUSED:
	case OXI_ERROR_RESET:
	case OXI_ERROR_TIMEOUT:
		return true;
	case OXI_ERROR_HTTP_4XX:
	case OXI_ERROR_HTTP_5XX:
		return r->status == 429 || r->status == 502 || r->status == 503 || r->status == 504;
	default:
		return false;
	}
}

static int next_of(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_record *r, const ox_response *answer)
{
	if (r->status == 429 || r->status == 503) {
		if (oxi_gate_freeze(c, item->host, ox_response_header(answer, "Retry-After")))
			return OXI_NEXT_AGAIN;
	} else if (r->status) {
		item->host->freezes = 0;
	}
	return is_passing(r) && item->attempt < c->o->retries ? OXI_NEXT_LATER : OXI_NEXT_RESULT;
}

static int recall(struct oxi_crawl *c, const struct oxi_item *item, const struct oxi_url *target, struct oxi_record *record)
{
	if (!c->store->cache)
		return 0;
	int r = oxi_cache_recall(c->store->cache, target->text, item->by == OXI_LINK_SITEMAP, &record->cached);
	return r < 0 && r != OX_ENOMEM ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "cannot read the state", r) : r;
}

int oxi_crawl_fetch(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_url *target,
                    struct oxi_record *record, ox_response **ret, struct oxi_url *hop)
{
	ox_response *answer = NULL;
	*ret = NULL;
	set_final(record, target->text);
	int r = record->final.failed ? OX_ENOMEM : recall(c, item, target, record);
	if (r == 0)
		r = oxi_crawl_get(c, target, c->o->max_body, record, &answer);
	if (r == OX_ECANCELED || r == OX_ENOMEM)
		return r;
	if (r < 0) {
		record->error = oxi_error_of_fetch(r);
		return next_of(c, item, record, NULL);
	}
	describe(record, answer);
	hear_policy(c, item->host, target, answer);
	if (is_not_modified(record))
		restore(record);
	if (is_redirect(answer)) {
		r = next_hop(c, item, answer, record, hop);
		ox_response_free(answer);
		return r;
	}
	*ret = answer;
	return next_of(c, item, record, answer);
}
