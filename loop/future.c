/* SPDX-License-Identifier: MIT */
/*
 * Futures: a status that comes once, a value, and who waits for it. What feeds a future (a coroutine, a
 * worker, a hand) embeds the struct and gives it three operations; whoever waits links a waiter, which is
 * told once.
 *
 * A future that could not be made is a static one that has failed from the start, one for each code: so spawn
 * and submit never return NULL, and the happy path needs no test.
 */
#include <string.h>

#include "loop/state.h"

static bool cancel_none(ox_future *f, ox_cause cause)
{
	(void)f, (void)cause;
	return false;
}

static void release_none(ox_future *f)
{
	(void)f;
}

static const struct oxi_future_ops static_ops = { .kind = "failed", .cancel = cancel_none, .release = release_none };

static ox_future failed[] = {
#define FAILED(name, value, text)                                                                       \
	{ .magic = OXI_FUTURE_MAGIC, .ops = &static_ops, .status = name, .origin = OX_ORIGIN_LIMIT,     \
	  .flags = OXI_FUTURE_STATIC },
	OX_ERRORS(FAILED)
#undef FAILED
};

static ox_future *static_failed(int status)
{
	for (size_t i = 0; i < sizeof(failed) / sizeof(*failed); i++)
		if (failed[i].status == status)
			return &failed[i];
	return static_failed(OX_ENOMEM);
}

/* NULL is how an allocation that failed arrives here. */
static const ox_future *given(const ox_future *f)
{
	if (f == NULL)
		return static_failed(OX_ENOMEM);
	OXI_CHECK_OBJECT(f, OXI_FUTURE_MAGIC);
	return f;
}

bool ox_future_done(const ox_future *f)
{
	return given(f)->origin != OX_ORIGIN_NONE;
}

int ox_future_status(const ox_future *f)
{
	f = given(f);
	if (f->origin == OX_ORIGIN_NONE)
		return OX_EBUSY;
	if (f->status < 0)
		oxi_future_heard(f);
	return f->status;
}

void oxi_future_heard(const ox_future *f)
{
	if (!(f->flags & OXI_FUTURE_STATIC))
		((ox_future *)(uintptr_t)f)->flags |= OXI_FUTURE_HEARD;
}

ox_origin ox_future_origin(const ox_future *f)
{
	return (ox_origin)given(f)->origin;
}

const void *ox_future_value(const ox_future *f, size_t *ret_len)
{
	f = given(f);
	if (ret_len)
		*ret_len = f->value_len;
	return f->value;
}

bool ox_future_cancel(ox_future *f)
{
	if (oxi_forked() || ox_future_done(f) || f->flags & OXI_FUTURE_CANCELLED)
		return false;
	f->flags |= OXI_FUTURE_CANCELLED;
	return f->ops->cancel(f, OX_CAUSE_CANCEL);
}

int oxi_future_init(ox_future *f, ox_group *g, const struct oxi_future_ops *ops)
{
	*f = (ox_future){ .magic = OXI_FUTURE_MAGIC, .ops = ops };
	oxi_list_init(&f->link);
	oxi_list_init(&f->waiters);
	return g ? oxi_group_enter(g, f) : 0;
}

void oxi_future_resolve(ox_future *f, int status, ox_origin origin)
{
	struct oxi_list waiters, *e;

	OXI_CHECK(f->origin == OX_ORIGIN_NONE);
	f->status = status;
	f->origin = (uint8_t)origin;
	oxi_list_init(&waiters);
	oxi_list_splice(&waiters, &f->waiters);
	while ((e = oxi_list_shift(&waiters))) {
		struct oxi_waiter *w = OXI_CONTAINER(e, struct oxi_waiter, link);

		w->notify(w, f);
	}
	if (f->group)
		oxi_group_done(f->group, f);
}

void oxi_future_release(ox_future *f)
{
	if (f->flags & OXI_FUTURE_STATIC)
		return;
	OXI_CHECK(f->origin != OX_ORIGIN_NONE && oxi_list_empty(&f->waiters));
	if (OXI_UNLIKELY(f->status < 0 && f->status != OX_ECANCELED && !(f->flags & OXI_FUTURE_HEARD)))
		oxi_unheard_future(f);
	oxi_list_remove(&f->link);
	f->magic = 0;
	f->ops->release(f);
}

/* ---- promises, and futures that have failed from the start ---- */

static bool promise_cancel(ox_future *f, ox_cause cause)
{
	(void)cause;
	oxi_future_resolve(f, OX_ECANCELED, OX_ORIGIN_CANCEL);
	return true;
}

static void promise_release(ox_future *f)
{
	oxi_free((void *)(uintptr_t)f->value);
	oxi_free(f);
}

static const struct oxi_future_ops promise_ops = { .kind = "promise", .cancel = promise_cancel, .release = promise_release };

static ox_future *promise_new(ox_group *g, int *ret_error)
{
	ox_future *f = oxi_alloc(sizeof(*f));

	*ret_error = f ? oxi_future_init(f, g, &promise_ops) : OX_ENOMEM;
	if (*ret_error < 0) {
		oxi_free(f);
		return NULL;
	}
	return f;
}

ox_future *ox_promise(ox_group *g)
{
	int error;
	ox_future *f;

	if (oxi_forked())
		return static_failed(OX_EFORKED);
	if (g == NULL)
		return static_failed(OX_ENOMEM);
	if (g->magic == OXI_GROUP_MAGIC && g->scope.cancelled)
		return oxi_future_failed(g, OX_ECANCELED);
	f = promise_new(g, &error);
	return f ? f : static_failed(error);
}

ox_future *oxi_future_failed(ox_group *g, int status)
{
	int error;
	ox_future *f = g && g->magic == OXI_GROUP_MAGIC ? promise_new(g, &error) : NULL;

	if (f == NULL)
		return static_failed(status);
	f->flags |= OXI_FUTURE_STILLBORN;
	oxi_future_resolve(f, status, status == OX_ECANCELED ? OX_ORIGIN_CANCEL : OX_ORIGIN_LIMIT);
	return f;
}

int ox_promise_resolve(ox_future *f, int status, const void *value, size_t len)
{
	void *copy = NULL;

	if (oxi_forked())
		return OX_EFORKED;
	if (ox_future_done(f) || f->ops != &promise_ops)
		return OX_ESTATE;
	if (value) {
		copy = oxi_alloc(len + 1);
		if (copy == NULL)
			return OX_ENOMEM;
		memcpy(copy, value, len);
		f->value = copy;
		f->value_len = len;
	}
	oxi_future_resolve(f, status, OX_ORIGIN_PROMISE);
	return 0;
}
