/* SPDX-License-Identifier: MIT */
/*
 * From an answer to its value and links: the page goes to a worker in one block of the pool's arena, and what
 * comes back is read with suspicion, for the worker has run a parser over foreign bytes and maybe a plugin.
 *
 * When the crunch function kills its worker, the same block goes out once more for the links alone: a crash
 * costs the page its value, and not the crawl what lies behind the page.
 */
#include <oxbow/http.h>
#include <oxbow/scope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/crawl.h"
#include "cli/crawl/look.h"

/* The head of an answer, as a worker reads it. */
static void pack_headers(const ox_response *answer, struct oxi_buffer *out)
{
	const void *at = NULL;
	const char *name, *value;
	while (ox_response_header_next(answer, &at, &name, &value)) {
		oxi_buffer_add(out, name, strlen(name) + 1);
		oxi_buffer_add(out, value, strlen(value) + 1);
	}
}

static ox_blob *pack(struct oxi_crawl *c, const ox_response *answer, const struct oxi_item *item, const struct oxi_record *r,
                     size_t *ret_size)
{
	struct oxi_buffer headers = { 0 };
	pack_headers(answer, &headers);
	struct oxi_page_input in = {
		.url = r->final.data, .type = r->type, .status = r->status, .body = ox_response_body(answer),
		.sitemap = item->by == OXI_LINK_SITEMAP, .obeys = c->o->obey != OXI_OBEY_NONE, .headers = { headers.data, headers.len },
	};
	*ret_size = oxi_page_input_size(&in);
	ox_blob *b = headers.failed ? NULL : ox_blob_new(c->pool, *ret_size);
	if (b)
		oxi_page_input_write(&in, ox_blob_data(b));
	oxi_buffer_free(&headers);
	return b;
}

/* ---- links ---- */

/* Whether a URL is to be taken, known ones apart: 1, 0, OX_ENOMEM. */
static int may_take(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url)
{
	enum oxi_trap trap = oxi_trap_of(url);
	uint64_t queries = 0;
	if (trap == OXI_TRAP_NONE && oxi_queries_add(&c->queries, url, &queries) < 0)
		return OX_ENOMEM;
	if (queries > c->o->max_queries)
		trap = OXI_TRAP_QUERIES;
	if (trap != OXI_TRAP_NONE) {
		h->traps[trap]++;
		return 0;
	}
	if (h->accepted >= c->o->max_pages_host) {
		h->over_budget++;
		return 0;
	}
	return 1;
}

static void append(struct oxi_change *change, struct oxi_item *item)
{
	if (change->first)
		change->last->next = item;
	else
		change->first = item;
	change->last = item;
}

/* A URL that is new: it becomes known, whatever happens to it. */
static int take_new(struct oxi_crawl *c, struct oxi_change *change, const struct oxi_url *url, unsigned depth,
                    struct oxi_origin *via, const struct oxi_page_link *link)
{
	struct oxi_host *h = oxi_frontier_host(&c->frontier, url);
	if (!h)
		return OX_ENOMEM;
	int r = via ? may_take(c, h, url) : 1;
	if (r <= 0)
		return r;
	struct oxi_item *item = oxi_item_new(url->text, c->last_id + 1, depth, via);
	if (!item)
		return OX_ENOMEM;
	item->host = h;
	item->by = link->by;
	item->first = link->first;
	c->last_id++;
	c->accepted++;
	h->accepted++;
	append(change, item);
	oxi_change_add_url(change, item->id, h, depth, via ? via->id : 0, OXI_URL_WAITING, link->by, url->text);
	return 0;
}

/* A link to a host that wants https only is one to https. */
static const struct oxi_url *secured(struct oxi_crawl *c, const struct oxi_url *url, struct oxi_url *other)
{
	char text[OXI_URL_MAX + 2];
	bool plain = c->strict && strncmp(url->text, "http:", 5) == 0;
	struct oxi_host *h = plain ? oxi_frontier_host(&c->frontier, url) : NULL;
	if (!h || !h->strict)
		return url;
	int n = snprintf(text, sizeof(text), "https%s", url->text + strlen("http"));
	return oxi_url_resolve(NULL, text, (size_t)n, other) < 0 ? url : other;
}

int oxi_crawl_take(struct oxi_crawl *c, struct oxi_change *change, const struct oxi_url *url, unsigned depth,
                   struct oxi_origin *via, const struct oxi_page_link *link)
{
	struct oxi_url other;
	if (!oxi_scope_holds(&c->scope, url))
		return 0;
	url = secured(c, url, &other);
	struct oxi_key key = oxi_crawl_key(c, url->text);
	if (c->accepted >= c->o->max_pages) {
		c->over_budget += !oxi_seen_has(&c->seen, key);
		return 0;
	}
	int r = oxi_seen_add(&c->seen, key);
	return r <= 0 ? r : take_new(c, change, url, depth, via, link);
}

/*
 * A page is shown with its style sheets, and these with what they name: two steps. So a page at the end of --depth has all
 * that belongs to it, and a chain of style sheets has an end.
 */
bool oxi_crawl_reaches(const struct oxi_crawl *c, enum oxi_link by, unsigned depth)
{
	return depth <= c->o->depth || (oxi_link_use(by) == OXI_USE_REQUISITE && depth - c->o->depth <= 2);
}

/* What a link that has been resolved is for. Returns: 0; OX_ENOMEM. */
static int take_link(struct oxi_crawl *c, struct oxi_change *change, const struct oxi_url *url, unsigned depth,
                     struct oxi_origin *via, const struct oxi_page_link *link)
{
	if (c->o->explain)
		return oxi_explain_link(c, url, link->by, depth, &change->links);
	return oxi_crawl_reaches(c, link->by, depth) ? oxi_crawl_take(c, change, url, depth, via, link) : 0;
}

/* Resolves the links of a page and takes them into the crawl. */
static int take_links(struct oxi_crawl *c, const struct oxi_item *item, const struct oxi_record *r, ox_bytes links,
                      struct oxi_change *change)
{
	uint64_t id = item->trail && item->trail->alias ? item->trail->alias : item->id;
	struct oxi_origin *via = oxi_origin_new(r->final.data, id);
	struct oxi_url base, url;
	bool has_base = false;
	struct oxi_page_link link;
	/* What a sitemap lists is as near as its site: robots.txt led there, not a page. */
	unsigned depth = item->by == OXI_LINK_SITEMAP ? r->depth : r->depth + 1;
	int n = via ? 1 : OX_ENOMEM;
	while (n > 0 && (n = oxi_page_link_next(&links, &link)) > 0) {
		enum oxi_link_use use = oxi_link_use(link.by);
		const char *against = has_base ? base.text : r->final.data;
		if (use == OXI_USE_REQUISITE && !c->o->requisites && !c->o->explain)
			continue;
		if (use == OXI_USE_BASE)
			has_base |= oxi_url_resolve(against, link.url.data, link.url.len, &base) == 0;
		else if (oxi_url_resolve(against, link.url.data, link.url.len, &url) == 0)
			n = take_link(c, change, &url, depth, via, &link) < 0 ? OX_ENOMEM : 1;
	}
	oxi_origin_unref(via);
	return n;
}

/* Where what comes of a page goes. */
struct target {
	const struct oxi_item *item;
	struct oxi_record *record;
	struct oxi_change *change;
	const ox_response *answer;
};

static int take_result(struct oxi_crawl *c, const struct target *t, ox_bytes reply)
{
	struct oxi_record *r = t->record;
	struct oxi_page_result result;
	int code = oxi_page_result_read(reply, &result);
	if (code < 0)
		return code;
	memcpy(r->charset, result.charset, sizeof(r->charset));
	r->directives = result.directives;
	memcpy(r->digest, result.digest, sizeof(r->digest));
	r->unchanged = r->cached && strcmp(r->cached->digest, r->digest) == 0;
	oxi_buffer_add(&r->value, result.value.data, result.value.len);
	if (r->error == OXI_ERROR_NONE && (result.parse < 0 || result.crunch < 0)) {
		r->error = result.parse < 0 ? OXI_ERROR_PARSE_LIMIT : OXI_ERROR_CRUNCH_FAILED;
		memcpy(r->reason, result.reason, sizeof(result.reason));
	}
	code = oxi_blobs_keep(c, result.blobs, r);
	if (code < 0)
		return code;
	code = oxi_words_unpack(&c->tally.words, result.words.data, result.words.len);
	return code < 0 ? code : take_links(c, t->item, r, result.links, t->change);
}

/* ---- what the next crawl is to know ---- */

/* One that is too long, or that could not be sent back, is left out. */
static void copy_header(char *to, size_t cap, const char *from)
{
	size_t len = from ? strlen(from) : 0;
	bool plain = len < cap;
	for (size_t i = 0; plain && i < len; i++)
		plain = (unsigned char)from[i] >= ' ' && from[i] != 127;
	if (plain && len)
		memcpy(to, from, len + 1);
}

static struct oxi_cached *new_cached(const struct oxi_record *r)
{
	struct oxi_cached *p = calloc(1, sizeof(*p));
	if (p)
		oxi_buffer_add(&p->url, r->final.data, r->final.len);
	return p;
}

static int keep(const struct oxi_crawl *c, const struct target *t, ox_bytes reply)
{
	const struct oxi_record *r = t->record;
	if (!c->store->cache || r->status != 200 || r->error != OXI_ERROR_NONE)
		return 0;
	struct oxi_cached *p = new_cached(r);
	if (!p)
		return OX_ENOMEM;
	copy_header(p->etag, sizeof(p->etag), ox_response_header(t->answer, "ETag"));
	copy_header(p->modified, sizeof(p->modified), ox_response_header(t->answer, "Last-Modified"));
	memcpy(p->type, r->type, sizeof(p->type));
	memcpy(p->digest, r->digest, sizeof(p->digest));
	if (r->exchange)
		memcpy(p->date, r->exchange->date, sizeof(p->date));
	else
		oxi_date_now(p->date);
	p->status = r->status;
	p->body = r->body;
	p->sitemap = t->item->by == OXI_LINK_SITEMAP;
	oxi_buffer_add(&p->reply, reply.data, reply.len);
	t->change->cached = p;
	return 0;
}

int oxi_crawl_recall(struct oxi_crawl *c, const struct oxi_item *item, struct oxi_record *record, struct oxi_change *change)
{
	const struct target t = { .item = item, .record = record, .change = change };
	const ox_bytes reply = { record->cached->reply.data, record->cached->reply.len };
	int r = take_result(c, &t, reply);
	if (r == OX_EPROTO) {
		record->error = OXI_ERROR_CRUNCH_FAILED;
		strcpy(record->reason, "what is known of the page is damaged");
		return 0;
	}
	change->cached = r < 0 ? NULL : new_cached(record);
	if (r < 0 || !change->cached)
		return r < 0 ? r : OX_ENOMEM;
	change->cached->confirmed = true;
	return 0;
}

/* ---- jobs ---- */

/* Runs a job over a page. Returns: its status, after it has taken the result. */
static int run_job(struct oxi_crawl *c, const struct target *t, const ox_job *job, const void *data, size_t size)
{
	struct oxi_record *r = t->record;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, c->pool, job, data, size);
	int status = ox_await(f);
	r->crunch_time += ox_future_run_time(f);
	const ox_crash *crash = ox_future_crash(f);
	if (crash)
		r->signal = crash->signal;
	if (crash && crash->system_call)
		snprintf(r->reason, sizeof(r->reason), "the sandbox does not allow %s()", crash->system_call);
	if (status < 0)
		return ox_cancelled() ? OX_ECANCELED : status;
	ox_bytes reply = { 0 };
	reply.data = ox_future_value(f, &reply.len);
	status = take_result(c, t, reply);
	if (status == OX_EPROTO) {
		r->error = OXI_ERROR_CRUNCH_FAILED;
		return 0;
	}
	return status < 0 ? status : keep(c, t, reply);
}

/* What a job's failure says about the page; NONE: it says that there are no workers. */
static enum oxi_error error_of_job(int code, const struct oxi_record *r)
{
	switch (code) {
	case OX_ECRASHED:
		return r->signal ? OXI_ERROR_CRUNCH_SIGNAL : OXI_ERROR_CRUNCH_FAILED;
	case OX_ETIMEDOUT:
	case OX_ESTUCK:
		return OXI_ERROR_CRUNCH_TIMEOUT;
	case OX_EOOM:
	case OX_ENOMEM:
		return OXI_ERROR_CRUNCH_OOM;
	case OX_ETOOBIG:
	case OX_EQUARANTINED:
	case OX_ESANDBOX:
		return OXI_ERROR_CRUNCH_FAILED;
	default:
		return OXI_ERROR_NONE;
	}
}

int oxi_crawl_crunch(struct oxi_crawl *c, ox_response *answer, const struct oxi_item *item, struct oxi_record *record,
                     struct oxi_change *change)
{
	struct target t = { item, record, change, answer };
	size_t size;
	ox_blob *b = pack(c, answer, item, record, &size);
	if (!b)
		return OX_ENOMEM;
	int r = run_job(c, &t, &oxi_page_job, ox_blob_data(b), size);
	enum oxi_error error = r < 0 && r != OX_ECANCELED ? error_of_job(r, record) : OXI_ERROR_NONE;
	if (error != OXI_ERROR_NONE) {
		record->error = error;
		r = run_job(c, &t, &oxi_page_links_job, ox_blob_data(b), size);
		if (r < 0 && r != OX_ECANCELED && error_of_job(r, record) != OXI_ERROR_NONE)
			r = 0;          /* the parser itself cannot take it */
	}
	ox_blob_free(b);
	return r;
}
