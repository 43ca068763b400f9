/* SPDX-License-Identifier: MIT */
/*
 * url: every URL that was taken, in the order of discovery, waiting, done, or an alias of one. host: figures
 * that budgets and politeness need. meta: how many bytes of the results belong to what is done.
 *
 * A page's result, links and state are one change, and changes are written in the order in which they come,
 * many in one transaction: the result first, to its file, then the transaction that says how long that file
 * is. Whenever the process dies, the file is cut to what the database says, and no page is half there. The same
 * holds for the WARC, whose payloads, and which record has each, are in payload.
 *
 * Tables that came later (payload, and cache: cache.c) are made when an older crawl is opened; its rows are as they were.
 *
 * There is no index over the text of the URLs: which are known, a set in memory knows (seen.h), and when a
 * crawl is resumed it is made again from the rows. Rows go in as JSON, a batch in one statement: a call for
 * each would cost more than its work, for the connection lives in a thread of its own.
 *
 * Without a folder the database is SQLite's own temporary one, and holds what memory is too small for.
 */
#include "cli/crawl/store.h"

#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOADED 256

static const char SCHEMA[] =
	"create table if not exists meta(name text primary key, value integer not null) without rowid;"
	"create table if not exists host(id integer primary key, name text not null, accepted integer not null default 0,"
	" urls integer not null default 0, pages integer not null default 0, bytes integer not null default 0,"
	" not_before integer not null default 0);"
	"create table if not exists url(id integer primary key, host integer not null, depth integer not null,"
	" via integer not null, state integer not null, found integer not null, url text not null);"
	"create index if not exists url_waiting on url(host, id) where state = 0;"
	"create table if not exists payload(sha1 text primary key, url text not null, date text not null) without rowid;"
	"insert or ignore into meta values('version', 1), ('results', 0), ('warc', 0), ('warc_stamp', 0), ('warc_serial', 0),"
	" ('warc_number', 0), ('warc_len', 0);";

/* ---- changes ---- */

void oxi_change_add_url(struct oxi_change *c, uint64_t id, struct oxi_host *host, unsigned depth, uint64_t via,
                        enum oxi_url_state state, enum oxi_link by, const char *url)
{
	if (!host->stored) {
		host->stored = true;
		oxi_buffer_add_format(&c->hosts, "[%llu,\"%s\"],", (unsigned long long)host->id, host->name);
	}
	struct oxi_json j = { .out = &c->urls };
	oxi_json_begin(&j, NULL, '[');
	oxi_json_int(&j, NULL, (int64_t)id);
	oxi_json_int(&j, NULL, (int64_t)host->id);
	oxi_json_int(&j, NULL, depth);
	oxi_json_int(&j, NULL, (int64_t)via);
	oxi_json_int(&j, NULL, state);
	oxi_json_int(&j, NULL, by);
	oxi_json_text(&j, NULL, url);
	oxi_json_end(&j);
	oxi_buffer_add_char(&c->urls, ',');
}

void oxi_change_free(struct oxi_change *c)
{
	struct oxi_item *item;
	while ((item = c->first)) {
		c->first = item->next;
		oxi_item_free(item);
	}
	oxi_buffer_free(&c->line);
	oxi_buffer_free(&c->links);
	oxi_buffer_free(&c->urls);
	oxi_buffer_free(&c->hosts);
	oxi_exchange_free(c->exchange);
	oxi_cached_free(c->cached);
	free(c);
}

/* ---- the database ---- */

int oxi_store_open(const char *dir, char *error_text, struct oxi_store **ret)
{
	char path[4096] = "";
	if (dir && (size_t)snprintf(path, sizeof(path), "%s/crawl.db", dir) >= sizeof(path))
		return OX_ETOOBIG;
	struct oxi_store *s = calloc(1, sizeof(*s));
	if (!s)
		return OX_ENOMEM;
	int r = ox_sqlite_open(path, OX_SQLITE_OPTIONS(.no_wal = !dir, .error_text = error_text), &s->db);
	if (r == 0)
		r = ox_sqlite_query(s->db, dir ? "pragma synchronous = normal" : "pragma journal_mode = off", NULL, 0, NULL);
	if (r == 0)
		r = ox_sqlite_query(s->db, SCHEMA, NULL, 0, NULL);
	if (r < 0) {
		if (s->db)
			snprintf(error_text, 256, "%s", oxi_store_error(s));
		oxi_store_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void oxi_store_close(struct oxi_store *s)
{
	if (s) {
		oxi_cache_close(s->cache);
		ox_sqlite_close(s->db);
	}
	free(s);
}

const char *oxi_store_error(const struct oxi_store *s)
{
	return ox_sqlite_last_error(s->db)->message;
}

/* ---- values ---- */

static const char *text_at(const ox_sqlite_result *res, size_t row, size_t column)
{
	const char *text = ox_sqlite_value(res, row, column).data;
	return text ? text : "";
}

static uint64_t number_at(const ox_sqlite_result *res, size_t row, size_t column)
{
	return (uint64_t)ox_sqlite_int(res, row, column);
}

/* ---- writing ---- */

/* Runs a statement over rows, if there are any. */
static int with_rows(struct oxi_store *s, const char *sql, struct oxi_buffer *rows)
{
	if (rows->failed)
		return OX_ENOMEM;
	if (rows->len <= 1)
		return 0;
	rows->data[rows->len - 1] = ']';
	ox_value json = ox_null();
	json.kind = OX_VALUE_TEXT;
	json.bytes = (ox_bytes){ rows->data, rows->len };
	return ox_sqlite_query(s->db, sql, &json, 1, NULL);
}

/* Frozen until then, on the clock that goes on while no process runs. */
static long long wall_time(ox_time at)
{
	ox_time wait = at - ox_now();
	return wait > 0 ? (long long)time(NULL) + wait / OX_SEC(1) + 1 : 0;
}

static void add_host(struct oxi_host *h, struct oxi_buffer *out)
{
	oxi_buffer_add_format(out, "[%llu,%llu,%llu,%llu,%llu,%lld],", (unsigned long long)h->id,
	                      (unsigned long long)h->accepted, (unsigned long long)h->urls, (unsigned long long)h->pages,
	                      (unsigned long long)h->bytes, h->freezes ? wall_time(h->not_before) : 0);
}

struct batch {
	struct oxi_buffer hosts, urls, done, figures;
	uint64_t results_len;
};

static void collect(const struct oxi_change *changes, struct batch *b)
{
	oxi_buffer_add_char(&b->hosts, '[');
	oxi_buffer_add_char(&b->urls, '[');
	oxi_buffer_add_char(&b->done, '[');
	oxi_buffer_add_char(&b->figures, '[');
	for (const struct oxi_change *c = changes; c; c = c->next) {
		oxi_buffer_add(&b->hosts, c->hosts.data, c->hosts.len);
		oxi_buffer_add(&b->urls, c->urls.data, c->urls.len);
		if (c->done)
			oxi_buffer_add_format(&b->done, "%llu,", (unsigned long long)c->done);
		if (c->host)
			c->host->dirty = true;
	}
	for (const struct oxi_change *c = changes; c; c = c->next) {
		if (c->host && c->host->dirty)
			add_host(c->host, &b->figures);
		if (c->host)
			c->host->dirty = false;
	}
}

static int write_batch(struct oxi_store *s, struct batch *b)
{
	int r = with_rows(s, "insert into host(id, name) select value->>0, value->>1 from json_each(?)", &b->hosts);
	if (r == 0)
		r = with_rows(s, "insert into url select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6"
		                  " from json_each(?)", &b->urls);
	if (r == 0)
		r = with_rows(s, "update url set state = 1 where id in (select value from json_each(?))", &b->done);
	if (r == 0)
		r = with_rows(s, "update host set accepted = r.value->>1, urls = r.value->>2, pages = r.value->>3,"
		                  " bytes = r.value->>4, not_before = r.value->>5 from json_each(?) as r"
		                  " where host.id = r.value->>0", &b->figures);
	return r < 0 ? r : ox_sqlite_query(s->db, "update meta set value = ? where name = 'results'",
	                                   OX_VALUES(ox_int((int64_t)b->results_len)), NULL);
}

static int write_place(struct oxi_store *s, const struct oxi_warc_place *p)
{
	return ox_sqlite_query(s->db, "insert or replace into meta values('warc', 1), ('warc_stamp', ?), ('warc_serial', ?), ('warc_number', ?), ('warc_len', ?)",
	                       OX_VALUES(ox_int((int64_t)p->stamp), ox_int((int64_t)p->serial), ox_int((int64_t)p->number),
	                                 ox_int((int64_t)p->len)), NULL);
}

int oxi_store_apply(struct oxi_store *s, const struct oxi_change *changes, uint64_t results_len, const struct oxi_warc_place *warc)
{
	struct batch b = { .results_len = results_len };
	collect(changes, &b);
	int r = write_batch(s, &b);
	oxi_buffer_free(&b.hosts);
	oxi_buffer_free(&b.urls);
	oxi_buffer_free(&b.done);
	oxi_buffer_free(&b.figures);
	if (r == 0 && warc)
		r = write_place(s, warc);
	for (const struct oxi_change *c = changes; r == 0 && c; c = c->next)
		r = c->cached ? oxi_cache_keep(s->cache, s->db, c->cached) : 0;
	return r;
}

struct transaction {
	int (*fn)(void *arg);
	void *arg;
};

static int run_transaction(ox_sqlite *db, void *arg)
{
	const struct transaction *t = arg;
	(void)db;
	return t->fn(t->arg);
}

int oxi_store_transaction(struct oxi_store *s, int (*fn)(void *arg), void *arg)
{
	struct transaction t = { fn, arg };
	return ox_sqlite_transaction(s->db, run_transaction, &t, NULL);
}

int oxi_store_payload(struct oxi_store *s, struct oxi_exchange *x)
{
	OX_AUTO_SQLITE_RESULT *new = NULL, *old = NULL;
	int r = ox_sqlite_query(s->db, "insert or ignore into payload values(?, ?, ?)",
	                        OX_VALUES(ox_text(x->payload), ox_text(x->url.data), ox_text(x->date)), &new);
	if (r < 0 || ox_sqlite_affected(new) > 0)
		return r;
	r = ox_sqlite_query(s->db, "select url, date from payload where sha1 = ?", OX_VALUES(ox_text(x->payload)), &old);
	if (r == 0 && ox_sqlite_rows(old) > 0)
		oxi_exchange_revisits(x, OXI_REVISIT_SAME_PAYLOAD, text_at(old, 0, 0), text_at(old, 0, 1));
	return r;
}

static int begin_again(ox_sqlite *db, void *arg)
{
	(void)arg;
	int r = ox_sqlite_query(db, "delete from url; delete from host; update meta set value = 0 where name in ('results', 'warc')",
	                        NULL, 0, NULL);
	return r < 0 ? r : oxi_cache_begin_again(db);
}

int oxi_store_begin_again(struct oxi_store *s)
{
	return ox_sqlite_transaction(s->db, begin_again, NULL, NULL);
}

/* ---- reading ---- */

/* An item of the row; *via is the origin of the row before, which this one may share. */
static struct oxi_item *item_of(const ox_sqlite_result *res, size_t row, struct oxi_origin **via)
{
	uint64_t via_id = number_at(res, row, 4);
	if (*via && (*via)->id != via_id) {
		oxi_origin_unref(*via);
		*via = NULL;
	}
	if (!*via && via_id && !(*via = oxi_origin_new(text_at(res, row, 5), via_id)))
		return NULL;
	struct oxi_item *item = oxi_item_new(text_at(res, row, 3), number_at(res, row, 0), (unsigned)number_at(res, row, 1), *via);
	if (item)
		item->by = number_at(res, row, 2) < OXI_LINK_COUNT ? (enum oxi_link)number_at(res, row, 2) : OXI_LINK_START;
	return item;
}

int oxi_store_load(struct oxi_store *s, struct oxi_frontier *f, struct oxi_host *h)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(s->db,
	                        "select u.id, u.depth, u.found, u.url, u.via, v.url from url u left join url v on v.id = u.via"
	                        " where u.state = 0 and u.host = ? and u.id > ? order by u.id limit ?",
	                        OX_VALUES(ox_int((int64_t)h->id), ox_int((int64_t)h->loaded_to), ox_int(LOADED)), &res);
	struct oxi_origin *via = NULL;
	for (size_t i = 0; r == 0 && i < ox_sqlite_rows(res); i++) {
		struct oxi_item *item = item_of(res, i, &via);
		if (!item) {
			r = OX_ENOMEM;
			break;
		}
		item->host = h;
		oxi_frontier_put_loaded(f, item);
	}
	if (r == 0 && ox_sqlite_rows(res) == 0 && h->cold) {
		f->waiting -= h->cold;  /* the database was tampered with: do not ask for ever */
		h->cold = 0;
	}
	oxi_origin_unref(via);
	h->hungry = false;
	oxi_frontier_update(f, h);
	return r;
}

static int resume_hosts(struct oxi_store *s, struct oxi_frontier *f, struct oxi_resumed *ret)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(s->db, "select name, accepted, urls, pages, bytes, not_before,"
	                               " (select count(*) from url where state = 0 and url.host = host.id), id"
	                               " from host order by id", NULL, 0, &res);
	long long now = (long long)time(NULL);
	for (size_t i = 0; r == 0 && i < ox_sqlite_rows(res); i++) {
		struct oxi_host *h = oxi_frontier_host_named(f, text_at(res, i, 0));
		if (!h)
			return OX_ENOMEM;
		h->id = number_at(res, i, 7);
		f->hosts = h->id;
		h->stored = true;
		h->accepted = number_at(res, i, 1);
		h->urls = number_at(res, i, 2);
		h->pages = number_at(res, i, 3);
		h->bytes = number_at(res, i, 4);
		long long frozen = ox_sqlite_int(res, i, 5) - now;
		if (frozen > 0)
			h->not_before = ox_now() + OX_SEC(frozen < 86400 ? frozen : 86400);
		h->cold = number_at(res, i, 6);
		f->waiting += h->cold;
		ret->accepted += h->accepted;
		oxi_frontier_update(f, h);
	}
	return r;
}

static int resume_urls(struct oxi_store *s, const struct oxi_query_rules *rules, struct oxi_seen *seen, struct oxi_resumed *ret,
                       int (*each)(void *arg, const char *start), void *arg)
{
	int r = ox_sqlite_stream(s->db, "select id, url, via = 0 and found = 0, state = 1 from url order by id", NULL, 0);
	ox_sqlite_result *rows;
	while (r == 0 && (r = ox_sqlite_next(s->db, &rows)) > 0) {
		r = 0;
		for (size_t i = 0; r == 0 && i < ox_sqlite_rows(rows); i++) {
			ox_bytes url = ox_sqlite_value(rows, i, 1);
			ret->last_id = number_at(rows, i, 0);
			ret->done += number_at(rows, i, 3);
			r = oxi_seen_add(seen, oxi_query_key(rules, url.data, url.len));
			if (r >= 0)
				r = number_at(rows, i, 2) ? each(arg, url.data) : 0;
		}
		ox_sqlite_result_free(rows);
	}
	return r;
}

int oxi_store_resume(struct oxi_store *s, const struct oxi_query_rules *rules, struct oxi_frontier *f, struct oxi_seen *seen,
                     struct oxi_resumed *ret, int (*each)(void *arg, const char *start), void *arg)
{
	*ret = (struct oxi_resumed){ 0 };
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = ox_sqlite_query(s->db, "select value from meta where name in ('results', 'warc', 'warc_stamp', 'warc_serial', 'warc_number',"
	                               " 'warc_len') order by name", NULL, 0, &res);
	if (r == 0) {
		ret->results_len = number_at(res, 0, 0);
		ret->archives = number_at(res, 1, 0) != 0;
		ret->warc = (struct oxi_warc_place){ .len = number_at(res, 2, 0), .number = number_at(res, 3, 0),
		                                     .serial = number_at(res, 4, 0), .stamp = number_at(res, 5, 0) };
	}
	if (r == 0)
		r = resume_hosts(s, f, ret);
	if (r == 0)
		r = resume_urls(s, rules, seen, ret, each, arg);
	if (r < 0)
		ox_sqlite_abandon(s->db);
	return r;
}
