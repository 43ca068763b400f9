/* SPDX-License-Identifier: MIT */
/*
 * Select. First every clause is attempted, in order; the first that can be done is done, and that is all. If
 * none can, all are armed: each is linked into its object, and the coroutine parks. Whoever then can serve
 * one of them commits it, which takes all out of their objects before anything else runs.
 *
 * So there is no moment in which two of a select could be served, and none in which an object holds the
 * clause of a select that is over: no claims that fail, no entries to skip. It costs a walk over the clauses,
 * of which there are a few. (Lazy removal, as in Go's selectgo, must lock all channels, or find and skip dead
 * entries later.)
 *
 * A clause that fails to be armed (out of memory; another coroutine reads that descriptor) is the one that
 * commits, with that error: so the caller sees which it was.
 */
#include <string.h>

#include "loop/select.h"
#include "loop/state.h"

_Static_assert(sizeof(struct oxi_clause) <= sizeof(ox_clause), "the public struct has room for ours");

static struct oxi_clause *clause(ox_clause *clauses, size_t i)
{
	return (struct oxi_clause *)(void *)clauses[i].private_.words;
}

ox_clause oxi_clause_public(const struct oxi_clause *c)
{
	ox_clause p;

	memcpy(&p, c, sizeof(*c));
	return p;
}

/* ---- committing ---- */

static void disarm(struct oxi_clause *c)
{
	if (c->ops->disarm)
		c->ops->disarm(c);
	else
		oxi_list_remove(&c->link);
}

static void disarm_first(struct oxi_select *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		disarm(clause(s->clauses, i));
}

void oxi_clause_commit(struct oxi_clause *c, int result)
{
	struct oxi_select *s = c->of;

	disarm_first(s, s->n);
	s->committed = c;
	oxi_wake(&s->wait, result);
}

struct oxi_clause *oxi_clause_shift(struct oxi_list *clauses)
{
	struct oxi_list *e = oxi_list_shift(clauses);

	return e ? OXI_CONTAINER(e, struct oxi_clause, link) : NULL;
}

void oxi_clause_commit_all(struct oxi_list *clauses, int result)
{
	struct oxi_clause *c;

	while ((c = oxi_clause_shift(clauses)))
		oxi_clause_commit(c, result);
}

static oxi_abort_answer take_back(struct oxi_wait *w)
{
	struct oxi_select *s = OXI_CONTAINER(w, struct oxi_select, wait);

	disarm_first(s, s->n);
	return OXI_ABORTED;
}

/* ---- waiting ---- */

/* The index of the first that can be done now; OX_EBUSY. */
static int attempt(struct oxi_select *s, int *ret_result)
{
	for (size_t i = 0; i < s->n; i++) {
		struct oxi_clause *c = clause(s->clauses, i);

		if (c->ops->attempt(c, ret_result))
			return (int)i;
	}
	return OX_EBUSY;
}

/* OX_EBUSY when all are armed; the index of the one that could not be. */
static int arm(struct oxi_select *s, int *ret_result)
{
	for (size_t i = 0; i < s->n; i++) {
		struct oxi_clause *c = clause(s->clauses, i);
		int r;

		c->of = s;
		r = c->ops->arm(c);
		if (r < 0) {
			disarm_first(s, i);
			*ret_result = r;
			return (int)i;
		}
	}
	return OX_EBUSY;
}

static int park(struct oxi_select *s, const char *kind, const void *object, int fd, int *ret_result)
{
	int i = arm(s, ret_result), r;

	if (i >= 0)
		return i;
	oxi_wait_init(&s->wait, kind, object, take_back);
	s->wait.fd = fd;
	r = oxi_park(&s->wait);
	if (s->committed == NULL)
		return r;
	*ret_result = r;
	return (int)((ox_clause *)(void *)s->committed - s->clauses);
}

static int wait_alone(struct oxi_clause *c, int fd)
{
	struct oxi_select s = { .clauses = (ox_clause *)(void *)c, .n = 1 };
	int r, i = park(&s, c->ops->kind, c->object, fd, &r);

	return i < 0 ? i : r;
}

int oxi_clause_wait(struct oxi_clause *c)
{
	return wait_alone(c, -1);
}

int oxi_clause_wait_fd(struct oxi_clause *c)
{
	return wait_alone(c, c->fd);
}

int oxi_clause_run(struct oxi_clause *c)
{
	int r;

	return c->ops->attempt(c, &r) ? r : oxi_clause_wait(c);
}

static int check(size_t n)
{
	return n == 0 || n > INT32_MAX ? OX_EINVAL : 0;
}

int ox_select(ox_clause *clauses, size_t n, int *ret_result)
{
	struct oxi_select s = { .clauses = clauses, .n = n };
	int r = check(n), ignored;

	if (r == 0)
		r = oxi_may_begin();
	if (r < 0)
		return r;
	ret_result = ret_result ? ret_result : &ignored;
	r = attempt(&s, ret_result);
	if (r == OX_EBUSY)
		return park(&s, "select", NULL, -1, ret_result);
	oxi_give_way();
	return r;
}

int ox_select_try(ox_clause *clauses, size_t n, int *ret_result)
{
	struct oxi_select s = { .clauses = clauses, .n = n };
	int r = check(n), ignored;

	return r < 0 ? r : attempt(&s, ret_result ? ret_result : &ignored);
}

/* ---- futures ---- */

static bool future_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = ox_future_status(c->object);
	return ox_future_done(c->object);
}

static void future_notify(struct oxi_waiter *w, ox_future *f)
{
	oxi_future_heard(f);
	oxi_clause_commit(OXI_CONTAINER(w, struct oxi_clause, waiter), f->status);
}

static int future_arm(struct oxi_clause *c)
{
	ox_future *f = c->object;

	if (f == &oxi_loop->current->future)
		return OX_ESTATE;       /* it would wait for itself */
	c->waiter.notify = future_notify;
	oxi_list_append(&f->waiters, &c->waiter.link);
	return 0;
}

static void future_disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->waiter.link);
}

ox_clause ox_clause_done(ox_future *f)
{
	static const struct oxi_clause_ops ops = { "future", future_attempt, future_arm, future_disarm };

	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .object = f });
}

/* ---- time ---- */

static bool time_attempt(struct oxi_clause *c, int *ret_result)
{
	*ret_result = 0;
	return c->at <= oxi_now();
}

static void time_fired(struct oxi_timer *t)
{
	oxi_clause_commit(OXI_CONTAINER(t, struct oxi_clause, timer), 0);
}

static int time_arm(struct oxi_clause *c)
{
	oxi_timer_init(&c->timer, time_fired);
	return oxi_timer_set(&c->timer, c->at);
}

static void time_disarm(struct oxi_clause *c)
{
	oxi_timer_clear(&c->timer);
}

ox_clause ox_clause_at(ox_time at)
{
	static const struct oxi_clause_ops ops = { "time", time_attempt, time_arm, time_disarm };

	return oxi_clause_public(&(struct oxi_clause){ .ops = &ops, .at = at });
}

ox_clause ox_clause_after(ox_time d)
{
	ox_time now = oxi_now();

	return ox_clause_at(d <= 0 ? now : d < OX_NEVER - now ? now + d : OX_NEVER);
}
