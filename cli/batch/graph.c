/* SPDX-License-Identifier: MIT */
/* What comes after what. A circle in it would wait for itself for ever, so it is looked for before anything runs. */
#include <stdlib.h>

#include "cli/batch/plan.h"

int oxi_plan_after(struct oxi_task *before, struct oxi_task *t, enum oxi_condition when)
{
	if (before->over) {
		oxi_task_let(before, t, when);
		return 0;
	}
	if ((before->edges & (before->edges - 1)) == 0) {       /* 0 or a power of two: full */
		size_t cap = before->edges ? 2 * before->edges : 1;
		struct oxi_edge *grown = realloc(before->edge, cap * sizeof(*grown));
		if (!grown)
			return OX_ENOMEM;
		before->edge = grown;
	}
	before->edge[before->edges++] = (struct oxi_edge){ t, when };
	t->waits++;
	return 0;
}

int oxi_plan_source(struct oxi_task *source, struct oxi_task *t)
{
	struct oxi_task **grown = realloc(source->sink, (source->sinks + 1) * sizeof(struct oxi_task *));
	if (!grown)
		return OX_ENOMEM;
	source->sink = grown;
	source->sink[source->sinks++] = t;
	t->source = source;
	return 0;
}

/* ---- circles ---- */

enum colour { WHITE, GREY, BLACK };     /* not seen; on the way from the start; nothing behind it leads back */

struct walk {
	unsigned char *colour;
	struct oxi_task **path;         /* depth of them: the way from the start */
	size_t *at;                     /* for each of them: which of its successors is next */
	size_t depth;
};

static struct oxi_task *successor(const struct oxi_task *t, size_t i)
{
	return i < t->edges ? t->edge[i].to : i < t->edges + t->sinks ? t->sink[i - t->edges] : NULL;
}

static void step_to(struct walk *w, struct oxi_task *t)
{
	w->colour[t->number] = GREY;
	w->path[w->depth] = t;
	w->at[w->depth++] = 0;
}

/* Walks on from the end of the path. Returns a task of the path that is met again; NULL: there is none. */
static struct oxi_task *walk_on(struct walk *w)
{
	while (w->depth) {
		struct oxi_task *t = w->path[w->depth - 1], *next = successor(t, w->at[w->depth - 1]++);
		if (!next) {
			w->colour[t->number] = BLACK;
			w->depth--;
		} else if (w->colour[next->number] == GREY) {
			return next;
		} else if (w->colour[next->number] == WHITE) {
			step_to(w, next);
		}
	}
	return NULL;
}

/* The end of the path, from again on, becomes the result. */
static ssize_t take_circle(struct walk *w, const struct oxi_task *again, struct oxi_task ***ret)
{
	size_t from = w->depth;
	while (w->path[--from] != again)
		;
	size_t n = w->depth - from;
	for (size_t i = 0; i < n; i++)
		w->path[i] = w->path[from + i];
	*ret = w->path;
	w->path = NULL;
	return (ssize_t)n;
}

ssize_t oxi_plan_circle(const struct oxi_plan *p, struct oxi_task ***ret)
{
	size_t n = p->n ? p->n : 1;
	struct walk w = {
		.colour = calloc(n, 1), .path = calloc(n, sizeof(struct oxi_task *)), .at = calloc(n, sizeof(size_t)),
	};
	ssize_t r = w.colour && w.path && w.at ? 0 : OX_ENOMEM;
	*ret = NULL;
	for (size_t i = 0; i < p->n && r == 0; i++) {
		if (w.colour[i] != WHITE)
			continue;
		step_to(&w, p->task[i]);
		struct oxi_task *again = walk_on(&w);
		if (again)
			r = take_circle(&w, again, ret);
	}
	free(w.colour);
	free(w.path);
	free(w.at);
	return r;
}
