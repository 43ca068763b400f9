/* SPDX-License-Identifier: MIT */
/*
 * A row for each page that was fetched with success, by the URL that it was fetched from: what its server calls
 * this state of it, and the reply of the job that parsed and crunched it. When the server says that nothing has
 * changed, that reply is taken once more, as if a worker had just given it: links, value and words are the same
 * by construction, and as little believed.
 *
 * So it must be the reply that a worker would give now. Each row says what made it, and one that was made by
 * another build of the program, another plugin or for other options is no reason to leave out a fetch. Its
 * digest still tells whether the body has changed.
 *
 * A reply has as many bytes as a worker may send back (4 MiB of links, its value and words), and is in memory from
 * before a request to its end: as many of them as there are connections.
 *
 * Rows are written by the keeper in the transaction of their page. Visits read them while that goes on, by a
 * connection of their own.
 */
#include "cli/crawl/cache.h"

#include <dlfcn.h>
#include <errno.h>
#include <oxbow/sync.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct oxi_cache {
	ox_sqlite *reader;
	ox_lock *reading;
	bool empty;                     /* when it was opened: then nothing that is found in it is older than this crawl */
	char *maker;
};

static const char SCHEMA[] =
	"create table if not exists cache(url text primary key, crawl integer not null, maker text not null, etag text not null,"
	" modified text not null, date text not null, status integer not null, type text not null, body integer not null,"
	" digest text not null, sitemap integer not null, reply blob not null);"
	"insert or ignore into meta values('crawl', 1);";

void oxi_cached_free(struct oxi_cached *p)
{
	if (p) {
		oxi_buffer_free(&p->url);
		oxi_buffer_free(&p->reply);
	}
	free(p);
}

/* ---- what makes a reply ---- */

static int add_file(const char *path, struct oxi_buffer *out)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	oxi_buffer_add_format(out, "%lld %lld.%09ld ", (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

int oxi_cache_maker(const struct oxi_crunch *crunch, const char *name, bool obeys, struct oxi_buffer *out)
{
	Dl_info info;
	void *fn = NULL;
	memcpy(&fn, &crunch->fn, sizeof(fn));
	int r = add_file("/proc/self/exe", out);
	if (r == 0 && fn && strchr(name, ':'))
		r = dladdr(fn, &info) ? add_file(info.dli_fname, out) : -ENOENT;
	oxi_buffer_add_format(out, "%d %s", obeys, name ? name : "");
	oxi_buffer_add_char(out, '\0');
	return r < 0 ? r : out->failed ? OX_ENOMEM : 0;
}

/* ---- the database ---- */

int oxi_cache_open(const char *dir, ox_sqlite *db, const char *maker, char *error_text, struct oxi_cache **ret)
{
	char path[4096];
	OX_AUTO_SQLITE_RESULT *any = NULL;
	struct oxi_cache *c = calloc(1, sizeof(*c));
	if (!c)
		return OX_ENOMEM;
	snprintf(path, sizeof(path), "%s/crawl.db", dir);       /* it is open already, so it fits */
	c->reading = ox_lock_new();
	c->maker = strdup(maker);
	int r = c->reading && c->maker ? ox_sqlite_query(db, SCHEMA, NULL, 0, NULL) : OX_ENOMEM;
	if (r == 0)
		r = ox_sqlite_query(db, "select 1 from cache limit 1", NULL, 0, &any);
	if (r == OX_EDB)
		snprintf(error_text, 256, "%s", ox_sqlite_last_error(db)->message);
	if (r == 0)
		r = ox_sqlite_open(path, OX_SQLITE_OPTIONS(.read_only = true, .no_wal = true, .error_text = error_text), &c->reader);
	if (r < 0) {
		oxi_cache_close(c);
		return r;
	}
	c->empty = ox_sqlite_rows(any) == 0;
	*ret = c;
	return 0;
}

void oxi_cache_close(struct oxi_cache *c)
{
	if (!c)
		return;
	ox_sqlite_close(c->reader);
	ox_lock_free(c->reading);
	free(c->maker);
	free(c);
}

static void copy(char *to, size_t cap, const ox_sqlite_result *res, size_t column)
{
	const char *text = ox_sqlite_value(res, 0, column).data;
	snprintf(to, cap, "%s", text ? text : "");
}

static struct oxi_cached *cached_of(const struct oxi_cache *c, const char *url, bool sitemap, const ox_sqlite_result *res)
{
	struct oxi_cached *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	const char *maker = ox_sqlite_value(res, 0, 0).data;
	copy(p->etag, sizeof(p->etag), res, 1);
	copy(p->modified, sizeof(p->modified), res, 2);
	copy(p->date, sizeof(p->date), res, 3);
	p->status = (int)ox_sqlite_int(res, 0, 4);
	copy(p->type, sizeof(p->type), res, 5);
	p->body = (uint64_t)ox_sqlite_int(res, 0, 6);
	copy(p->digest, sizeof(p->digest), res, 7);
	p->sitemap = ox_sqlite_int(res, 0, 8) != 0;
	p->holds = maker && strcmp(maker, c->maker) == 0 && p->sitemap == sitemap;
	ox_bytes reply = ox_sqlite_value(res, 0, 9);
	oxi_buffer_add(&p->reply, reply.data, reply.len);
	oxi_buffer_add(&p->url, url, strlen(url) + 1);
	if (!p->reply.failed && !p->url.failed)
		return p;
	oxi_cached_free(p);
	return NULL;
}

int oxi_cache_recall(struct oxi_cache *c, const char *url, bool sitemap, struct oxi_cached **ret)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	*ret = NULL;
	int r = c->empty ? 0 : ox_lock_acquire(c->reading);
	if (r < 0 || c->empty)
		return r;
	r = ox_sqlite_query(c->reader, "select maker, etag, modified, date, status, type, body, digest, sitemap, reply from cache where url = ?",
	                    OX_VALUES(ox_text(url)), &res);
	ox_lock_release(c->reading);
	if (r < 0 || ox_sqlite_rows(res) == 0)
		return r;
	*ret = cached_of(c, url, sitemap, res);
	return *ret ? 0 : OX_ENOMEM;
}

int oxi_cache_keep(const struct oxi_cache *c, ox_sqlite *db, const struct oxi_cached *p)
{
	if (p->confirmed)
		return ox_sqlite_query(db, "update cache set crawl = (select value from meta where name = 'crawl') where url = ?",
		                       OX_VALUES(ox_text(p->url.data)), NULL);
	return ox_sqlite_query(db, "insert or replace into cache values(?, (select value from meta where name = 'crawl'), ?, ?, ?, ?, ?, ?, ?,"
	                           " ?, ?, ?)",
	                       OX_VALUES(ox_text(p->url.data), ox_text(c->maker), ox_text(p->etag), ox_text(p->modified), ox_text(p->date),
	                                 ox_int(p->status), ox_text(p->type), ox_int((int64_t)p->body), ox_text(p->digest),
	                                 ox_int(p->sitemap), ox_binary(p->reply.data, p->reply.len)), NULL);
}

int oxi_cache_begin_again(ox_sqlite *db)
{
	return ox_sqlite_query(db, "delete from cache where crawl < (select value from meta where name = 'crawl');"
	                           "update meta set value = value + 1 where name = 'crawl'", NULL, 0, NULL);
}
