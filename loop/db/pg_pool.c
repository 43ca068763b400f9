/* SPDX-License-Identifier: MIT */
/*
 * Pools. A connection is idle here or out with a coroutine; `open` counts both, and those that are being
 * made. Who finds none idle and all places taken parks in a FIFO, and is woken with a connection that came
 * back, or, when one was lost, with its place, to make a new one. A waiter that is woken owns what it was
 * woken with, so nothing is lost when it is cancelled afterwards.
 *
 * The connection that came back last is handed out first: the others grow old, and are closed after max_idle.
 *
 * Health. An idle connection's socket is watched: a server that closes it (a restart, pg_terminate_backend)
 * is noticed at once. A peer that vanished without a word is found by a question, which costs a round trip
 * and is therefore asked only after check_after. There is no task of the pool's own: it would need a group,
 * and nothing here needs to happen while nobody uses the pool but closing idle connections, which a timer can
 * do.
 *
 * Giving back happens in the coroutine that used the connection, so that whoever left a mess pays for it.
 */
#include <sys/socket.h>

#include "loop/db/pg.h"

#define POOL_MAGIC 0x6c6f6f7067700001ull

struct ox_pg_pool {
	uint64_t magic;
	char *conninfo;
	ox_pg_pool_options o;
	ox_pg_options connect;
	struct oxi_list idle;           /* ox_pg.link, the one that came back last at the front */
	size_t idle_count;
	size_t open;                    /* idle, out, or being made */
	struct oxi_list waiters;        /* struct getter.wait.link */
	size_t waiting;
	uint64_t connects;
	struct oxi_timer trim;          /* set while more than min are idle */
	bool closed;                    /* freed when the last connection is gone */
};

struct getter {
	struct oxi_wait wait;
	ox_pg *db;                      /* when woken with 0; NULL: a place, to make one */
};

void ox_pg_pool_options_init(ox_pg_pool_options *o)
{
	*o = *OX_PG_POOL_OPTIONS(.size = sizeof(*o));
}

/* ---- places ---- */

static void destroy(ox_pg_pool *p)
{
	oxi_timer_clear(&p->trim);
	p->magic = 0;
	oxi_free(p->conninfo);
	oxi_free(p);
}

static bool hand_to_waiter(ox_pg_pool *p, ox_pg *db)
{
	struct oxi_list *e = oxi_list_shift(&p->waiters);
	struct getter *g;

	if (e == NULL)
		return false;
	g = OXI_CONTAINER(OXI_CONTAINER(e, struct oxi_wait, link), struct getter, wait);
	g->db = db;
	p->waiting--;
	oxi_wake(&g->wait, 0);
	return true;
}

void oxi_pg_pool_forget(ox_pg_pool *p)
{
	if (hand_to_waiter(p, NULL))
		return;
	p->open--;
	if (p->closed && p->open == 0)
		destroy(p);
}

/* ---- idle connections ---- */

static void take_idle(ox_pg *db)
{
	oxi_list_remove(&db->link);
	db->pool->idle_count--;
	db->idle_ready = NULL;
}

static void drop(ox_pg *db)
{
	take_idle(db);
	oxi_pg_destroy(db);
}

/* Reads what an idle connection says: false if it ends with good-bye. */
static bool sound(ox_pg *db)
{
	char byte;
	ssize_t n;

	do
		n = recv(PQsocket(db->conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n > 0 && oxi_pg_consume(db) && PQstatus(db->conn) == CONNECTION_OK);
	return n < 0 && errno == EAGAIN;
}

static void idle_ready(ox_pg *db)
{
	if (!sound(db))
		drop(db);
}

static void set_trim(ox_pg_pool *p)
{
	ox_pg *oldest = OXI_CONTAINER(p->idle.prev, ox_pg, link);
	bool wanted = p->idle_count > 0 && p->open > p->o.min && p->o.max_idle != OX_NEVER;

	if (wanted)
		oxi_timer_set(&p->trim, oldest->idle_since + p->o.max_idle);    /* without memory: they stay */
	else
		oxi_timer_clear(&p->trim);
}

static void trim(struct oxi_timer *t)
{
	ox_pg_pool *p = OXI_CONTAINER(t, ox_pg_pool, trim);
	ox_time now = oxi_now();

	while (p->idle_count > 0 && p->open > p->o.min) {
		ox_pg *oldest = OXI_CONTAINER(p->idle.prev, ox_pg, link);

		if (oldest->idle_since + p->o.max_idle > now)
			break;
		drop(oldest);
	}
	set_trim(p);
}

static void make_idle(ox_pg_pool *p, ox_pg *db)
{
	db->idle_since = oxi_now();
	if (hand_to_waiter(p, db))
		return;
	db->idle_ready = idle_ready;
	oxi_list_prepend(&p->idle, &db->link);
	p->idle_count++;
	if (p->trim.index == 0)
		set_trim(p);
	if (db->watch == NULL || oxi_watch_set(db->watch, OX_READABLE) < 0)
		drop(db);
}

static bool too_old(const ox_pg *db)
{
	ox_time max_age = db->pool->o.max_age;

	return max_age != OX_NEVER && oxi_now() - db->made > max_age;
}

/* ---- giving back ---- */

/* Leaves no trace of who had it. 0; negative: it cannot be used again. */
static int clean(ox_pg *db)
{
	int r = oxi_pg_end_all(db);

	if (r == 0)
		r = oxi_pg_roll_back(db, true);
	if (r == 0 && db->pool->o.discard_all)
		r = oxi_pg_run(db, "DISCARD ALL");
	else if (r == 0 && db->listens)
		r = oxi_pg_run(db, "UNLISTEN *");
	for (PGnotify *note; r == 0 && (note = PQnotifies(db->conn));)
		PQfreemem(note);
	db->listens = false;
	return r;
}

void oxi_pg_give_back(ox_pg *db)
{
	ox_pg_pool *p = db->pool;
	int r = p->closed || too_old(db) ? OX_ECLOSED : oxi_pg_enter_any(db);

	if (r == 0) {
		ox_scope s;
		bool closed;

		ox_scope_shield(&s, db->cancel_limit);
		r = clean(db);
		ox_scope_leave(&s, 0);
		closed = db->closed;
		r = oxi_pg_leave(db, r);
		if (closed)
			return;         /* by somebody else, meanwhile: it is freed */
	}
	if (r < 0 || p->closed)
		oxi_pg_destroy(db);
	else
		make_idle(p, db);
}

/* ---- taking ---- */

static oxi_abort_answer stop_waiting(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	((ox_pg_pool *)(uintptr_t)w->object)->waiting--;
	return OXI_ABORTED;
}

static int wait_for_one(ox_pg_pool *p, ox_pg **ret)
{
	struct getter g = { 0 };
	int r;

	oxi_wait_init(&g.wait, "postgresql pool", p, stop_waiting);
	oxi_list_append(&p->waiters, &g.wait.link);
	p->waiting++;
	r = oxi_park(&g.wait);
	*ret = g.db;
	return r;
}

/* Fills a place that the caller owns; without success the place is free again. */
static int make_new(ox_pg_pool *p, ox_pg **ret)
{
	ox_pg *db = NULL;
	int r = oxi_pg_connect(p->conninfo, &p->connect, &db);

	if (r == 0) {
		p->connects++;
		r = p->o.init ? p->o.init(db, p->o.init_arg) : 0;
		if (r >= 0 && p->closed)
			r = OX_ECLOSED;
	}
	if (r < 0) {
		ox_pg_close(db);
		oxi_pg_pool_forget(p);
		return r;
	}
	db->pool = p;
	*ret = db;
	return 0;
}

/* Still good? When in doubt it is asked, by an empty query. */
static int fit(ox_pg *db)
{
	ox_pg_pool *p = db->pool;
	int r = !too_old(db) && sound(db) ? 0 : OX_ECLOSED;

	if (r == 0 && p->o.check_after != OX_NEVER && oxi_now() - db->idle_since > p->o.check_after)
		r = ox_pg_query(db, "", NULL, 0, NULL);
	return r == 0 && p->closed ? OX_ECLOSED : r;
}

static ox_pg *take_first(ox_pg_pool *p)
{
	ox_pg *db = OXI_CONTAINER(p->idle.next, ox_pg, link);

	take_idle(db);
	return db;
}

int ox_pg_pool_get(ox_pg_pool *p, ox_pg **ret)
{
	int r = p ? oxi_checkpoint() : OX_ENOMEM;
	bool closed = false;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(p, POOL_MAGIC);
	while (!closed && !p->closed) {
		ox_pg *db = NULL;

		if (p->idle_count > 0)
			db = take_first(p);
		else if (p->open < p->o.max)
			p->open++;
		else
			r = wait_for_one(p, &db);
		if (r < 0)
			return r;
		if (db == NULL)
			return make_new(p, ret);
		r = fit(db);
		if (r == 0) {
			*ret = db;
			return 0;
		}
		closed = p->closed;             /* then this may be the end of p */
		oxi_pg_destroy(db);
		if (r == OX_ECANCELED)
			return r;
		r = 0;
	}
	return OX_ECLOSED;
}

/* ---- the pool ---- */

static void set_defaults(ox_pg_pool_options *o)
{
	if (o->max == 0)
		o->max = o->min > 10 ? o->min : 10;
	if (o->max_idle == 0)
		o->max_idle = OX_SEC(600);
	if (o->max_age == 0)
		o->max_age = OX_SEC(3600);
	if (o->check_after == 0)
		o->check_after = OX_SEC(30);
}

static ox_pg_pool *new_pool(const char *conninfo, const ox_pg_pool_options *o)
{
	ox_pg_pool *p = oxi_alloc(sizeof(*p));
	size_t len = strlen(conninfo) + 1;

	if (p == NULL)
		return NULL;
	p->magic = POOL_MAGIC;
	p->o = *o;
	set_defaults(&p->o);
	if (o->connect)
		p->connect = *o->connect;
	p->connect.error_text = o->error_text;          /* for the first ones: its owner is there */
	oxi_list_init(&p->idle);
	oxi_list_init(&p->waiters);
	oxi_timer_init(&p->trim, trim);
	p->conninfo = oxi_alloc(len);
	if (p->conninfo == NULL) {
		oxi_free(p);
		return NULL;
	}
	memcpy(p->conninfo, conninfo, len);
	return p;
}

int ox_pg_pool_open(const char *conninfo, const ox_pg_pool_options *o, ox_pg_pool **ret)
{
	ox_pg_pool *p;
	int r = oxi_checkpoint();

	o = o ? o : OX_PG_POOL_OPTIONS(.size = sizeof(*o));
	if (r < 0)
		return r;
	if (conninfo == NULL || (o->max > 0 && o->max < o->min))
		return OX_EINVAL;
	p = new_pool(conninfo, o);
	if (p == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; r == 0 && i < o->min; i++) {
		ox_pg *db;

		p->open++;
		r = make_new(p, &db);
		if (r == 0)
			make_idle(p, db);
	}
	p->connect.error_text = NULL;
	if (r < 0)
		ox_pg_pool_close(p);
	else
		*ret = p;
	return r;
}

void ox_pg_pool_close(ox_pg_pool *p)
{
	struct oxi_list *e;

	if (p == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(p, POOL_MAGIC);
	p->closed = true;
	while ((e = oxi_list_shift(&p->waiters)))
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), OX_ECLOSED);
	p->waiting = 0;
	p->open++;                      /* p stays until the idle ones are gone */
	while (p->idle_count > 0)
		drop(OXI_CONTAINER(p->idle.next, ox_pg, link));
	oxi_pg_pool_forget(p);
}

int ox_pg_pool_get_stats(const ox_pg_pool *p, ox_pg_pool_stats *ret)
{
	size_t size = ret->size;
	ox_pg_pool_stats s = { .size = size };

	OXI_CHECK_OBJECT(p, POOL_MAGIC);
	if (size < sizeof(size) || size > sizeof(s))
		return OX_EINVAL;
	s.open = p->open;
	s.idle = p->idle_count;
	s.waiting = p->waiting;
	s.connects = p->connects;
	memcpy(ret, &s, size);
	return 0;
}
