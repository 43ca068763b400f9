/* SPDX-License-Identifier: MIT */
/*
 * The tree of tasks, for a person. All that is alive hangs in the tree of scopes (scope.c): a task by its
 * outermost scope, below the scope of its group. So no list of tasks is kept, and the tree is walked up and
 * down by its own links, without a stack or memory.
 *
 *	#1 main: parked 1.203 s: group 0x5581
 *	    ox_group_join+0x5c (liboxbow.so.0+0xb21c)
 *	  group "handlers": 2 tasks
 *	    #7 serve: parked 0.020 s: read 0x5590 fd 7; spawned at server.c:31
 *
 * It may be printed in a signal handler that interrupts the loop anywhere, in the middle of a change of the
 * tree as well. Elements are linked in such an order that a walk forwards meets only whole ones; their
 * memory stays while the loop runs (tasks and groups are used again, never freed), and each is known by its
 * magic word: at the first that is not, the walk ends and says so.
 */
#include "loop/dump.h"

#include <oxbow/inspect.h>

#include "loop/backtrace.h"
#include "loop/lock.h"
#include "loop/state.h"

struct oxi_task *oxi_scope_task(const struct oxi_scope *s)
{
	return s == &s->task->root ? s->task : NULL;
}

struct oxi_scope *oxi_scope_next(const struct oxi_scope *top, struct oxi_scope *s, unsigned *depth)
{
	if (!oxi_list_empty(&s->children)) {
		++*depth;
		return OXI_CONTAINER(s->children.next, struct oxi_scope, link);
	}
	for (; s != top; s = s->parent, --*depth)
		if (s->link.next != &s->parent->children)
			return OXI_CONTAINER(s->link.next, struct oxi_scope, link);
	return NULL;
}

void oxi_print_task(struct oxi_print *p, const struct oxi_task *t)
{
	oxi_print(p, "#");
	oxi_print_number(p, t->id);
	oxi_print(p, " ");
	oxi_print(p, t->name);
}

static void print_quoted(struct oxi_print *p, const char *text)
{
	oxi_print(p, " \"");
	oxi_print(p, text);
	oxi_print(p, "\"");
}

/* Objects begin with a magic word: futures and groups have names. */
static void print_object(struct oxi_print *p, const void *object)
{
	const uint64_t *magic = object;

	if (*magic == OXI_FUTURE_MAGIC && oxi_future_is_task(object)) {
		oxi_print(p, " ");
		oxi_print_task(p, OXI_CONTAINER(object, struct oxi_task, future));
	} else if (*magic == OXI_GROUP_MAGIC && ((const struct ox_group *)object)->name) {
		print_quoted(p, ((const struct ox_group *)object)->name);
	} else {
		oxi_print(p, " ");
		oxi_print_hex(p, (uintptr_t)object);
	}
}

const struct oxi_task *oxi_wait_owner(const struct oxi_wait *w)
{
	return w->kind == oxi_lock_kind ? ((const ox_lock *)w->object)->owner : NULL;
}

void oxi_print_wait(struct oxi_print *p, const struct oxi_wait *w)
{
	const struct oxi_task *owner = oxi_wait_owner(w);

	oxi_print(p, w->kind);
	if (w->object)
		print_object(p, w->object);
	if (w->fd >= 0) {
		oxi_print(p, " fd ");
		oxi_print_number(p, (uint64_t)w->fd);
	}
	if (owner) {
		oxi_print(p, " held by ");
		oxi_print_task(p, owner);
	}
}

static bool runs(const struct ox_loop *l, const struct oxi_task *t)
{
	return t == l->current || t == l->errand_of;
}

static void print_state(struct oxi_print *p, const struct ox_loop *l, const struct oxi_task *t)
{
	const struct oxi_wait *w = t->wait;

	if (runs(l, t)) {
		oxi_print(p, "running");
	} else if (w && w->parked) {
		oxi_print(p, "parked ");
		oxi_print_seconds(p, oxi_now() - w->since);
		oxi_print(p, ": ");
		oxi_print_wait(p, w);
	} else {
		oxi_print(p, t->ended ? "ending" : "ready");
	}
	if (t->scope && t->scope->cancelled)
		oxi_print(p, "; cancelled");
}

void oxi_print_task_line(struct oxi_print *p, const struct ox_loop *l, const struct oxi_task *t)
{
	oxi_print_task(p, t);
	oxi_print(p, ": ");
	print_state(p, l, t);
	if (t->site) {
		oxi_print(p, "; spawned at ");
		oxi_print(p, t->site);
	}
}

static void print_where(struct oxi_print *p, struct oxi_symbols *symbols, const struct ox_loop *l,
                        const struct oxi_task *t, const void *context, unsigned indent)
{
	struct oxi_backtrace b;

	if (runs(l, t))
		oxi_backtrace_running(&b, context);
	else
		oxi_backtrace_parked(&b, t);
	oxi_print_backtrace(p, symbols, &b, indent);
}

static void print_group(struct oxi_print *p, const struct ox_group *g)
{
	oxi_print(p, "group");
	if (g->name)
		print_quoted(p, g->name);
	oxi_print(p, ": ");
	oxi_print_number(p, g->pending);
	oxi_print(p, g->scope.cancelled ? " pending; cancelled\n" : " pending\n");
}

static void print_scope(struct oxi_print *p, const struct oxi_scope *s)
{
	oxi_print(p, s->shield ? "shield" : "scope");
	if (s->deadline != OX_NEVER) {
		oxi_print(p, ": ");
		oxi_print_seconds(p, s->deadline - oxi_now());
		oxi_print(p, " left");
	}
	oxi_print(p, s->cancelled ? "; cancelled\n" : "\n");
}

static void print_node(struct oxi_print *p, struct oxi_symbols *symbols, const struct ox_loop *l,
                       const struct oxi_scope *s, const void *context, unsigned indent)
{
	const struct oxi_task *t = oxi_scope_task(s);

	oxi_print_indent(p, indent);
	if (t) {
		oxi_print_task_line(p, l, t);
		oxi_print(p, "\n");
		print_where(p, symbols, l, t, context, indent + 8);
	} else if (s->group) {
		print_group(p, s->group);
	} else {
		print_scope(p, s);
	}
}

void oxi_dump(struct oxi_print *p, const struct ox_loop *l, const void *context)
{
	struct oxi_scope *top = l->main_task ? &l->main_task->root : NULL, *s = top;
	struct oxi_symbols symbols = { .next = 0 };
	unsigned depth = 0;

	oxi_print(p, "oxbow: the loop of thread ");
	oxi_print_number(p, (uint64_t)l->tid);
	oxi_print(p, l->current || l->errand_of ? ": " : " (no task runs): ");
	oxi_print_number(p, l->figures.spawned - l->figures.ended);
	oxi_print(p, " tasks\n");
	for (; s && s->magic == OXI_SCOPE_MAGIC; s = oxi_scope_next(top, s, &depth))
		print_node(p, &symbols, l, s, context, 2 * depth);
	if (s)
		oxi_print(p, "(the rest is being changed at this moment)\n");
	oxi_symbols_close(&symbols);
	oxi_print_flush(p);
}

int ox_dump_tasks(int fd)
{
	struct oxi_print p = OXI_PRINT(fd);
	int saved = errno;

	if (oxi_loop == NULL)
		return OX_ESTATE;
	oxi_dump(&p, oxi_loop, NULL);
	errno = saved;
	return p.error;
}
