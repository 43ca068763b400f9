/* SPDX-License-Identifier: MIT */
/*
 * An actor in the main process: a pin (dispatch_pin.c), what its object is made from, and a policy. Constructor,
 * calls and destructor are jobs of that pin, so they run in the object's worker in the order in which they were submitted, and
 * need no messages of their own. Their records carry the actor's number, by which the worker finds the object.
 *
 *	open: constructor ──ends well──> takes calls ──close──> calls that have not begun end; destructor ──> gone
 *	             │ ends badly             │ worker dies      ^
 *	             v                        │                  │
 *	          failed <──policy, too often─┴─> constructor, before the calls that wait ──> takes calls
 *
 * A pin keeps its slot, so an actor that restarts does so in the worker that takes the dead one's place, and needs no
 * search for room. The destructor is made at the beginning: closing cannot fail for want of memory. It also is how the
 * end of the last call is known: what is behind it in the worker is nothing, so an actor without an object (its constructor
 * failed) sends it all the same.
 *
 * An actor that has failed keeps the code that its calls get. One whose worker has died gives up its place; the others
 * keep it until they are closed.
 *
 * A call is never repeated: it may have changed the object, and the restarted object is another one.
 */
#include <string.h>
#include <sys/epoll.h>

#include "pool/parent.h"

#define ACTOR_MAGIC  0x6163746f72000001ull
#define MAX_RESTARTS 1000u

struct ox_actor {
	uint64_t magic;
	ox_pool *pool;
	struct oxi_list link;           /* the pool's */
	const struct oxi_kind *type;    /* its constructor; destructor and methods follow */
	struct oxi_pin pin;
	bool placed;                    /* the pin has a place */
	uint64_t number;
	unsigned users;                 /* who has it, and who waits to submit a call */
	int status;                     /* 0: takes calls; else what they get */
	int init_status;
	bool built;                     /* there is an object */
	struct ox_result *again;        /* the constructor of a restart, on its way; NULL */
	struct ox_result *destructor;   /* to be sent, or on its way; NULL: has ended */
	int end_status;                 /* of the destructor */
	struct oxi_list closer;         /* struct oxi_wait, at most one */
	const uint8_t *given;           /* to the constructor; of the arena or of its own */
	size_t given_len;
	ox_actor_options options;       /* defaults filled in */
	unsigned restarts;
	ox_time restarted_at[];         /* ring of options.max_restarts */
};

void ox_actor_options_init(ox_actor_options *o)
{
	*o = (ox_actor_options){ .size = sizeof *o };
}

/* ---- types ---- */

static unsigned count_methods(const ox_actor_type *type)
{
	unsigned n = 0;

	while (type->methods != NULL && type->methods[n] != NULL)
		n++;
	return n;
}

unsigned oxi_actor_kinds(const ox_actor_type *const *types)
{
	unsigned n = 0;

	for (; types != NULL && *types != NULL; types++)
		n += 2 + count_methods(*types);
	return n;
}

static bool is_new_name(const struct oxi_kind *from, const struct oxi_kind *to, enum oxi_role role)
{
	for (; from < to; from++)
		if (from->role == role && strcmp(from->copy.name, to->copy.name) == 0)
			return false;
	return true;
}

static int take_method(struct oxi_kind *k, const ox_method *method, const struct oxi_kind *first)
{
	ox_method m = { 0 };

	memcpy(&m, method, method->size < sizeof m ? method->size : sizeof m);
	k->method = method;
	k->role = OXI_ROLE_METHOD;
	k->type = first->type;
	k->copy = (ox_job){
		.name = m.name, .fn = (ox_job_fn *)(oxi_code *)m.fn, .timeout = m.timeout, .grace = m.grace, .on_cancel = m.on_cancel,
		.max_result = m.max_result,
	};
	return m.fn != NULL && oxi_kind_makes_sense(k) && is_new_name(first, k, OXI_ROLE_METHOD) ? 0 : OX_EINVAL;
}

static int take_type(ox_pool *p, struct oxi_kind *k, const ox_actor_type *type)
{
	ox_actor_type t = { 0 };
	uint32_t index = (uint32_t)(k - p->kinds);

	memcpy(&t, type, type->size < sizeof t ? type->size : sizeof t);
	k[0] = (struct oxi_kind){ .role = OXI_ROLE_CONSTRUCT, .type = index, .actor = type };
	k[1] = (struct oxi_kind){ .role = OXI_ROLE_DESTRUCT, .type = index };
	k[0].copy = (ox_job){ .name = t.name, .fn = (ox_job_fn *)(oxi_code *)t.construct, .timeout = t.timeout };
	k[1].copy = (ox_job){ .name = t.name, .fn = (ox_job_fn *)(oxi_code *)t.destruct, .timeout = t.timeout };
	if (t.construct == NULL || !oxi_kind_makes_sense(&k[0]) || !oxi_kind_makes_sense(&k[1]) ||
	    !is_new_name(p->kinds, k, OXI_ROLE_CONSTRUCT))
		return OX_EINVAL;
	for (unsigned i = 0; i < count_methods(type); i++) {
		int r = take_method(&k[2 + i], type->methods[i], k);
		if (r < 0)
			return r;
	}
	return 0;
}

int oxi_actor_take_types(ox_pool *p)
{
	struct oxi_kind *k = p->kinds + p->job_count;
	int r = 0;

	for (const ox_actor_type *const *t = p->options.actors; r == 0 && t != NULL && *t != NULL; t++) {
		r = take_type(p, k, *t);
		k += 2 + count_methods(*t);
	}
	p->options.actors = NULL;
	return r;
}

/* A static in a header is another one in each source file: then name and code say that it is the same. */
static const struct oxi_kind *find_type(const ox_pool *p, const ox_actor_type *type)
{
	for (unsigned i = p->job_count; i < p->kind_count; i++) {
		const struct oxi_kind *k = &p->kinds[i];
		if (k->role == OXI_ROLE_CONSTRUCT && (k->actor == type || (k->copy.fn == (ox_job_fn *)(oxi_code *)type->construct &&
		                                                           strcmp(k->copy.name, type->name) == 0)))
			return k;
	}
	return NULL;
}

static const struct oxi_kind *find_method(const struct ox_actor *a, const ox_method *method)
{
	const struct oxi_kind *end = a->pool->kinds + a->pool->kind_count;

	for (const struct oxi_kind *k = a->type + 2; k < end && k->role == OXI_ROLE_METHOD; k++)
		if (k->method == method || (k->copy.fn == (ox_job_fn *)(oxi_code *)method->fn && strcmp(k->copy.name, method->name) == 0))
			return k;
	return NULL;
}

/* ---- what the jobs of an actor need of it ---- */

static struct ox_actor *actor_of(const struct oxi_pin *pin)
{
	return OXI_CONTAINER((struct oxi_pin *)pin, struct ox_actor, pin);
}

struct oxi_pin *oxi_actor_pin(struct ox_actor *a)
{
	return &a->pin;
}

uint64_t oxi_actor_number(const struct oxi_djob *job)
{
	return job->extra != NULL && job->extra->pin != NULL ? actor_of(job->extra->pin)->number : 0;
}

int oxi_actor_status(const struct ox_actor *a)
{
	return a->status;
}

/* ---- memory ---- */

static void drop_given(struct ox_actor *a)
{
	if (oxi_memory_inside(a->pool, a->given))
		oxi_memory_put(a->pool, a->given);
	else
		oxi_free((void *)(uintptr_t)a->given);
}

static int keep_given(struct ox_actor *a, const void *in, size_t len)
{
	ox_pool *p = a->pool;
	bool shared = len > 0 && oxi_memory_share(p, in, len);

	a->given_len = len;
	a->given = shared ? in : len > OXI_INLINE ? oxi_memory_copy(p, in, len) : oxi_alloc(len + 1);
	if (a->given == NULL)
		return OX_ENOMEM;
	if (!shared && len > 0 && len <= OXI_INLINE)
		memcpy((void *)(uintptr_t)a->given, in, len);
	return 0;
}

static void leave_worker(struct ox_actor *a)
{
	if (!a->placed)
		return;
	a->placed = false;
	oxi_dispatch_unpin(a->pool->dispatch, &a->pin, oxi_pool_now());
}

static void unref(struct ox_actor *a)
{
	ox_pool *p = a->pool;

	if (--a->users > 0)
		return;
	oxi_list_remove(&a->link);
	oxi_job_discard(a->destructor);
	drop_given(a);
	a->magic = 0;
	oxi_free(a);
	oxi_pool_unref(p);
}

static struct oxi_request request_of(struct ox_actor *a, const struct oxi_kind *kind)
{
	return (struct oxi_request){ .pool = a->pool, .actor = a, .kind = kind };
}

static int make_actor(ox_pool *p, const struct oxi_kind *type, const ox_actor_options *o, struct ox_actor **ret)
{
	struct ox_actor *a = oxi_alloc(sizeof *a + o->max_restarts * sizeof *a->restarted_at);

	if (a == NULL)
		return OX_ENOMEM;
	a->magic = ACTOR_MAGIC;
	a->pool = p;
	a->type = type;
	a->options = *o;
	a->number = ++p->last_actor;
	a->users = 1;
	p->users++;
	oxi_list_append(&p->actors, &a->link);
	oxi_list_init(&a->closer);
	*ret = a;
	return 0;
}

/* ---- its life ---- */

/* No calls from now on. The code is what they get, and those that have not begun. */
static void end_calls(struct ox_actor *a, int status)
{
	a->status = status;
	if (a->placed)
		oxi_dispatch_clear(a->pool->dispatch, &a->pin, OXI_END_LIMIT, status, oxi_pool_now());
}

/* What a constructor's end means for the actor. */
static int meaning_of(const ox_future *constructor)
{
	if (constructor->status >= 0)
		return 0;
	return constructor->origin == OX_ORIGIN_LIMIT || constructor->origin == OX_ORIGIN_CANCEL ? constructor->status : OX_EINIT;
}

static void constructed(struct ox_actor *a, struct ox_result *j)
{
	int status = meaning_of(&j->future);

	a->built = status == 0;
	a->init_status = j->future.status;
	if (status < 0 && a->status == 0)
		end_calls(a, status);
	if (j != a->again)
		return;                 /* who waits for it frees it */
	a->again = NULL;
	oxi_future_heard(&j->future);
	oxi_future_release(&j->future);
}

static void destructed(struct ox_actor *a, struct ox_result *j)
{
	bool died = j->future.origin == OX_ORIGIN_CRASH || j->future.origin == OX_ORIGIN_TIMEOUT;

	a->end_status = died ? j->future.status : 0;
	a->destructor = NULL;
	oxi_wake_all(&a->closer, 0);
	oxi_future_heard(&j->future);
	oxi_future_release(&j->future);
}

void oxi_actor_advance(struct oxi_pin *pin, struct ox_result *j)
{
	struct ox_actor *a = actor_of(pin);

	if (j->pool->kinds[j->dispatch.index].role == OXI_ROLE_CONSTRUCT)
		constructed(a, j);
	else
		destructed(a, j);
}

static bool may_restart(const struct ox_actor *a, ox_time now)
{
	const ox_actor_options *o = &a->options;

	return o->policy == OX_ACTOR_RESTART &&
	       (a->restarts < o->max_restarts || now - a->restarted_at[a->restarts % o->max_restarts] >= o->window);
}

/* The constructor goes before the calls that wait. */
static int restart(struct ox_actor *a, ox_time now)
{
	struct oxi_request q = request_of(a, a->type);

	q.in = a->given;
	q.len = a->given_len;
	int r = oxi_job_make(&q, &a->again);
	if (r < 0)
		return r;
	a->restarted_at[a->restarts++ % a->options.max_restarts] = now;
	a->again->dispatch.extra->first = true;
	oxi_job_enter(a->again);
	return 0;
}

void oxi_actor_lost(void *t, struct oxi_pin *pin)
{
	struct ox_actor *a = actor_of(pin);
	ox_time now = oxi_pool_now();

	(void)t;
	if (a->status == 0 && !a->built)
		return;                 /* its constructor has not begun: the next worker runs it */
	a->built = false;
	if (a->status == 0) {
		int r = a->pool->closing ? OX_ECLOSED : may_restart(a, now) ? restart(a, now) : OX_ELOST;
		if (r == 0)
			return;
		a->status = r;
	}
	end_calls(a, a->status);
	leave_worker(a);
}

/* ---- opening ---- */

static int take_options(const ox_actor_options *o, ox_actor_options *ret)
{
	*ret = (ox_actor_options){ .size = sizeof *ret };
	if (o != NULL && o->size == 0)
		return OX_EINVAL;
	if (o != NULL)
		memcpy(ret, o, o->size < sizeof *ret ? o->size : sizeof *ret);
	if (ret->policy > OX_ACTOR_RESTART || ret->max_restarts > MAX_RESTARTS || ret->window < 0)
		return OX_EINVAL;
	if (ret->max_restarts == 0)
		ret->max_restarts = 3;
	if (ret->window == 0)
		ret->window = OX_SEC(60);
	return 0;
}

/* Its parts, then its place, then its object. What was made is there also when it fails. */
static int build(struct ox_actor *a, const void *in, size_t len)
{
	struct oxi_request q = request_of(a, a->type + 1);
	ox_future *constructor;
	int r = keep_given(a, in, len);

	if (r == 0)
		r = oxi_job_make(&q, &a->destructor);
	if (r == 0)
		r = oxi_dispatch_pin(a->pool->dispatch, &a->pin, a->options.dedicated, oxi_pool_now());
	if (r < 0)
		return r;
	a->placed = true;
	q = request_of(a, a->type);
	q.in = a->given;
	q.len = len;
	r = oxi_job_submit_call(&q, &constructor);
	if (r < 0)
		return r;
	ox_await(constructor);
	r = meaning_of(constructor);
	oxi_future_release(constructor);
	return r;
}

int ox_actor_open(ox_pool *p, const ox_actor_type *type, const void *in, size_t len, const ox_actor_options *o, ox_actor **ret)
{
	ox_actor_options mine;
	struct ox_actor *a = NULL;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	if (p == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if (type == NULL || (in == NULL && len > 0) || take_options(o, &mine) < 0)
		return OX_EINVAL;
	const struct oxi_kind *kind = find_type(p, type);
	if (kind == NULL)
		return OX_ENOJOB;
	if (p->closing || p->draining > 0)
		return OX_ECLOSED;
	r = len > p->arena.zone_size ? OX_ETOOBIG : oxi_pool_attach(p);
	if (r == 0)
		r = make_actor(p, kind, &mine, &a);
	if (r < 0)
		return r;
	r = build(a, in, len);
	if (r == 0) {
		*ret = a;
		return 0;
	}
	if (r == OX_EINIT && mine.ret_init != NULL)
		*mine.ret_init = a->init_status;
	leave_worker(a);
	unref(a);
	return r;
}

/* ---- calls ---- */

/* An actor lives as long as somebody waits to call it. */
static int submit(struct ox_actor *a, ox_group *g, const ox_method *m, ox_bytes in, ox_future **ret)
{
	if (oxi_forked())
		return OX_EFORKED;
	if (a == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(a, ACTOR_MAGIC);
	if (m == NULL)
		return OX_EINVAL;
	struct oxi_request q = request_of(a, find_method(a, m));
	q.group = g;
	q.in = in.data;
	q.len = in.len;
	if (a->status < 0)
		return a->status;
	a->users++;
	int r = g != NULL ? oxi_job_submit_to_group(&q, true, ret) : oxi_job_submit_call(&q, ret);
	unref(a);
	return r;
}

ox_future *ox_actor_submit(ox_group *g, ox_actor *a, const ox_method *m, const void *in, size_t len)
{
	ox_future *f;
	int r = g == NULL ? OX_ENOMEM : submit(a, g, m, (ox_bytes){ in, len }, &f);

	return r == 0 ? f : oxi_future_failed(g, r);
}

int ox_actor_call(ox_actor *a, const ox_method *m, const void *in, size_t len, ox_result **ret)
{
	ox_future *f;
	int r = submit(a, NULL, m, (ox_bytes){ in, len }, &f);

	return r == 0 ? oxi_job_await(f, ret) : r;
}

int ox_actor_get_info(const ox_actor *a, ox_actor_info *ret)
{
	size_t size = ret->size;

	if (oxi_forked())
		return OX_EFORKED;
	if (size == 0)
		return OX_EINVAL;
	OXI_CHECK_OBJECT(a, ACTOR_MAGIC);
	ox_actor_info i = { .size = size, .status = a->status, .init_status = a->init_status, .restarts = a->restarts };
	if (a->placed && a->pin.generation != 0)
		i.pid = a->pool->seats[a->pin.slot].pid;
	memcpy(ret, &i, size < sizeof i ? size : sizeof i);
	return 0;
}

/* ---- the end ---- */

static oxi_abort_answer wait_on(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;               /* it is ending as fast as it can */
}

static void await_end(struct ox_actor *a)
{
	struct oxi_wait w;

	oxi_hook_arm(&a->pool->flush);
	oxi_wait_init(&w, "actor close", a, wait_on);
	oxi_list_append(&a->closer, &w.link);
	oxi_park(&w);
}

static void block_until_end(struct ox_actor *a)
{
	struct epoll_event e;

	oxi_pool_settle(a->pool);
	while (a->destructor != NULL) {
		epoll_wait(a->pool->epoll, &e, 1, -1);
		oxi_pool_turn(a->pool);
	}
}

int ox_actor_close(ox_actor *a)
{
	if (a == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(a, ACTOR_MAGIC);
	bool parks = oxi_checkpoint() != OX_ESTATE && a->placed && oxi_pool_attach(a->pool) == 0;
	end_calls(a, a->status < 0 ? a->status : OX_ECLOSED);
	if (a->placed && a->pin.generation != 0) {      /* else nothing of it is anywhere */
		oxi_job_enter(a->destructor);
		if (a->destructor != NULL && parks)
			await_end(a);
		else if (a->destructor != NULL)
			block_until_end(a);
	}
	leave_worker(a);
	int r = a->end_status;
	unref(a);
	return r;
}

/* The dispatcher ends with the pool, and its pins with it. */
void oxi_actors_leave(ox_pool *p)
{
	OXI_LIST_EACH(e, &p->actors) {
		struct ox_actor *a = OXI_CONTAINER(e, struct ox_actor, link);
		a->placed = false;
		if (a->status == 0)
			a->status = OX_ECLOSED;
	}
}
