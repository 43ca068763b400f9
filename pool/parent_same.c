/* SPDX-License-Identifier: MIT */
/*
 * Work that is done once for all who ask for it while it is pending. The job belongs to no group; each who asked has a follower, a
 * future in his own group, which is resolved by the job's end and has its value. The job lives until the last follower
 * has been released, so nothing is copied.
 *
 * A follower that is cancelled leaves at once, as long as another one wants the work. The last one cancels the job, and ends
 * with it, as a job's own future would. From then on nobody can join: who asks again gets work of his own.
 *
 * In the pool's books the followers are what was submitted and ended, and each takes a place of max_pending: the first
 * one the place of the job itself, which is kept until that ends.
 */
#include <string.h>

#include "pool/parent.h"

struct oxi_same {
	struct oxi_entry entry;         /* in the pool's table, while listed */
	ox_pool *pool;
	struct ox_result *work;
	struct oxi_list followers;      /* that are not done */
	size_t users;                   /* followers that have the work, done or not */
	bool listed;
	unsigned kind;
	size_t len;
	uint8_t key[];
};

struct follower {
	ox_future future;
	struct oxi_same *same;          /* NULL: it was cancelled, and the work went on */
	const ox_pool *pool;            /* only to be compared with, once it is done */
	const char *name;
	struct oxi_list link;
	bool first;                     /* has the job's place */
};

static bool follower_cancel(ox_future *f, ox_cause cause);
static void follower_release(ox_future *f);
static const char *follower_name(const ox_future *f);

static const struct oxi_future_ops follower_ops = {
	.kind = "job", .cancel = follower_cancel, .release = follower_release, .name = follower_name,
};

static struct follower *follower_of(const ox_future *f)
{
	return f != NULL && f->ops == &follower_ops ? OXI_CONTAINER(f, struct follower, future) : NULL;
}

static const char *follower_name(const ox_future *f)
{
	return follower_of(f)->name;
}

bool oxi_same_is(const ox_future *f, const ox_pool *p)
{
	const struct follower *w = follower_of(f);

	return w != NULL && w->pool == p;
}

struct ox_result *oxi_same_work(const ox_future *f)
{
	const struct follower *w = follower_of(f);

	return w != NULL && w->same != NULL ? w->same->work : NULL;
}

/* ---- the table ---- */

static uint64_t hash_of(unsigned kind, ox_bytes key)
{
	return oxi_hash(key.data, key.len, kind);
}

struct oxi_same *oxi_same_find(const ox_pool *p, unsigned kind, ox_bytes key)
{
	for (struct oxi_entry *e = oxi_table_find(&p->same, hash_of(kind, key)); e != NULL; e = oxi_table_next(e)) {
		struct oxi_same *s = OXI_CONTAINER(e, struct oxi_same, entry);
		if (s->kind == kind && s->len == key.len && memcmp(s->key, key.data, key.len) == 0)
			return s;
	}
	return NULL;
}

static void delist(struct oxi_same *s)
{
	if (s->listed)
		oxi_table_remove(&s->pool->same, &s->entry);
	s->listed = false;
}

/* ---- followers come and go ---- */

static int follow(struct oxi_same *s, ox_group *g, bool first, ox_future **ret)
{
	struct follower *w = oxi_alloc(sizeof *w);
	int r = w != NULL ? oxi_future_init(&w->future, g, &follower_ops) : OX_ENOMEM;

	if (r < 0) {
		oxi_free(w);
		return r;
	}
	w->same = s;
	w->pool = s->pool;
	w->name = s->pool->kinds[s->kind].copy.name;
	w->first = first;
	oxi_list_append(&s->followers, &w->link);
	s->users++;
	s->pool->submitted++;
	*ret = &w->future;
	return 0;
}

int oxi_same_join(struct oxi_same *s, ox_group *g, ox_future **ret)
{
	int r = follow(s, g, false, ret);

	if (r == 0)
		s->pool->shared++;
	return r;
}

int oxi_same_new(struct ox_result *work, ox_bytes key, ox_group *g, ox_future **ret)
{
	struct oxi_same *s = oxi_alloc(sizeof *s + key.len);

	if (s == NULL)
		return OX_ENOMEM;
	s->pool = work->pool;
	s->work = work;
	s->kind = work->dispatch.index;
	s->len = key.len;
	memcpy(s->key, key.data, key.len);
	oxi_list_init(&s->followers);
	int r = oxi_table_add(&s->pool->same, &s->entry, hash_of(s->kind, key));
	s->listed = r == 0;
	if (r == 0)
		r = follow(s, g, true, ret);
	if (r < 0) {
		delist(s);
		oxi_free(s);
		return r;
	}
	oxi_job_extra(&work->dispatch)->same = s;
	return 0;
}

static void unref(struct oxi_same *s)
{
	if (--s->users > 0)
		return;
	oxi_future_release(&s->work->future);
	oxi_free(s);
}

static void follower_release(ox_future *f)
{
	struct follower *w = follower_of(f);

	if (w->same != NULL)
		unref(w->same);
	oxi_free(w);
}

/* ---- ends ---- */

static void resolve(struct oxi_same *s, struct follower *w, int status, ox_origin origin)
{
	oxi_list_remove(&w->link);
	oxi_job_count(s->pool, status, origin);
	if (!w->first)
		oxi_place_leave(s->pool, 0);
	oxi_future_resolve(&w->future, status, origin);
}

void oxi_same_ended(struct oxi_same *s)
{
	const ox_future *work = &s->work->future;

	oxi_future_heard(work);         /* it is told to the followers */
	delist(s);
	s->users++;                     /* the last follower may be released in here */
	while (!oxi_list_empty(&s->followers)) {
		struct follower *w = OXI_CONTAINER(s->followers.next, struct follower, link);

		w->future.value = work->value;
		w->future.value_len = work->value_len;
		resolve(s, w, work->status, (ox_origin)work->origin);
	}
	unref(s);
}

static bool follower_cancel(ox_future *f, ox_cause cause)
{
	struct follower *w = follower_of(f);
	struct oxi_same *s = w->same;

	(void)cause;
	if (s->followers.next == s->followers.prev) {
		delist(s);
		oxi_job_cancel(s->work);
		return true;
	}
	w->same = NULL;
	s->users--;
	resolve(s, w, OX_ECANCELED, OX_ORIGIN_CANCEL);
	return true;
}

ox_time oxi_same_deadline(const struct oxi_same *s)
{
	ox_time last = INT64_MIN;

	OXI_LIST_EACH(e, &s->followers) {
		ox_time at = oxi_group_deadline(OXI_CONTAINER(e, struct follower, link)->future.group);
		last = at > last ? at : last;
	}
	return last;
}
