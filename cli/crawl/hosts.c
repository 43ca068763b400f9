/* SPDX-License-Identifier: MIT */
/*
 * A row for a host says from when on it may be asked, on the clock of the day, for processes come and go. Who wants to
 * ask moves that time by one statement, which only one of several can do: so any number of crawls keep one pace. A
 * robots.txt is kept as it came, for each crawler reads its own rules from it.
 *
 * The connection does one thing at a time, so whoever uses it holds a lock. What is older than a day is deleted when
 * the file is opened: it has as many rows as hosts were asked in a day, and robots.txt of up to 512 KiB each.
 */
#include "cli/crawl/hosts.h"

#include <oxbow/sqlite.h>
#include <oxbow/sync.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEPT OX_SEC(86400)

struct oxi_hosts {
	ox_sqlite *db;
	ox_lock *lock;
};

static const char SCHEMA[] =
	"pragma synchronous = normal;"
	"create table if not exists robots(host text not null, tls integer not null, fetched integer not null, body blob not null,"
	" primary key(host, tls)) without rowid;"
	"create table if not exists pace(host text primary key, next integer not null) without rowid;";

/* Microseconds since 1970. */
static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t us(ox_time t)
{
	return t / OX_US(1);
}

static int query(struct oxi_hosts *s, const char *sql, const ox_value *params, size_t n, ox_sqlite_result **ret)
{
	int r = ox_lock_acquire(s->lock);
	if (r < 0)
		return r;
	r = ox_sqlite_query(s->db, sql, params, n, ret);
	ox_lock_release(s->lock);
	return r;
}

int oxi_hosts_open(const char *path, char *error_text, struct oxi_hosts **ret)
{
	struct oxi_hosts *s = calloc(1, sizeof(*s));
	if (!s)
		return OX_ENOMEM;
	s->lock = ox_lock_new();
	int r = s->lock ? ox_sqlite_open(path, OX_SQLITE_OPTIONS(.error_text = error_text), &s->db) : OX_ENOMEM;
	if (r == 0)
		r = query(s, SCHEMA, NULL, 0, NULL);
	int64_t old = wall_us() - us(KEPT);
	if (r == 0)
		r = query(s, "delete from robots where fetched < ?", OX_VALUES(ox_int(old)), NULL);
	if (r == 0)
		r = query(s, "delete from pace where next < ?", OX_VALUES(ox_int(old)), NULL);
	if (r < 0) {
		if (s->db)
			snprintf(error_text, 256, "%s", oxi_hosts_error(s));
		oxi_hosts_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void oxi_hosts_close(struct oxi_hosts *s)
{
	if (s) {
		ox_sqlite_close(s->db);
		ox_lock_free(s->lock);
	}
	free(s);
}

const char *oxi_hosts_error(const struct oxi_hosts *s)
{
	return ox_sqlite_last_error(s->db)->message;
}

int oxi_hosts_robots(struct oxi_hosts *s, const char *host, bool tls, struct oxi_buffer *ret_body, ox_time *ret_age)
{
	OX_AUTO_SQLITE_RESULT *res = NULL;
	int r = query(s, "select fetched, body from robots where host = ? and tls = ?", OX_VALUES(ox_text(host), ox_int(tls)), &res);
	if (r < 0 || ox_sqlite_rows(res) == 0)
		return r;
	int64_t age = wall_us() - ox_sqlite_int(res, 0, 0);
	ox_bytes body = ox_sqlite_value(res, 0, 1);
	if (age < 0 || age > us(KEPT))          /* a clock that was set */
		return 0;
	*ret_age = OX_US(age);
	oxi_buffer_add(ret_body, body.data, body.len);
	return ret_body->failed ? OX_ENOMEM : 1;
}

int oxi_hosts_put_robots(struct oxi_hosts *s, const char *host, bool tls, ox_bytes body)
{
	return query(s, "insert or replace into robots values(?, ?, ?, ?)",
	             OX_VALUES(ox_text(host), ox_int(tls), ox_int(wall_us()), ox_binary(body.data, body.len)), NULL);
}

int oxi_hosts_claim(struct oxi_hosts *s, const char *host, ox_time delay, ox_time *ret_wait)
{
	OX_AUTO_SQLITE_RESULT *done = NULL, *other = NULL;
	int64_t now = wall_us(), far = now + us(OXI_HOSTS_WAIT_MAX);
	int r = query(s, "insert into pace values(?1, ?3) on conflict do update set next = ?3 where next <= ?2 or next > ?4",
	              OX_VALUES(ox_text(host), ox_int(now), ox_int(now + us(delay)), ox_int(far)), &done);
	*ret_wait = 0;
	if (r < 0 || ox_sqlite_affected(done) > 0)
		return r;
	r = query(s, "select next from pace where host = ?", OX_VALUES(ox_text(host)), &other);
	int64_t wait = r == 0 ? ox_sqlite_int(other, 0, 0) - now : 0;
	*ret_wait = OX_US(wait > 1 ? wait : 1);
	return r;
}

int oxi_hosts_hold(struct oxi_hosts *s, const char *host, ox_time wait)
{
	return query(s, "insert into pace values(?1, ?2) on conflict do update set next = max(next, ?2)",
	             OX_VALUES(ox_text(host), ox_int(wall_us() + us(wait))), NULL);
}
