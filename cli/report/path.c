/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli/report/report.h"

struct last {
	uint64_t id;                    /* of the job that ended last; 0: none ran */
	double end;
};

struct lasts {
	const struct oxi_tasks *tasks;
	struct last *last;              /* of each task */
	size_t latest;                  /* the task whose is the last of all */
};

static int take(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct lasts *x = arg;
	const struct oxi_task *t = oxi_tasks_find(x->tasks, (uint32_t)ox_sqlite_int(res, row, 0));
	if (!t)
		return 0;
	size_t i = (size_t)(t - x->tasks->task);
	x->last[i] = (struct last){ (uint64_t)ox_sqlite_int(res, row, 1), ox_sqlite_real(res, row, 2) };
	if (x->last[i].end > x->last[x->latest].end)
		x->latest = i;
	return 0;
}

/* SIZE_MAX: nothing that it comes after has run. */
static size_t before(const struct lasts *x, size_t at)
{
	const struct oxi_task *t = &x->tasks->task[at];
	size_t best = SIZE_MAX;
	for (size_t i = t->edge; i < t->edge + t->edges; i++) {
		const struct oxi_task *from = oxi_tasks_find(x->tasks, x->tasks->edge[i].from);
		size_t k = from ? (size_t)(from - x->tasks->task) : SIZE_MAX;
		if (from && x->last[k].id && (best == SIZE_MAX || x->last[k].end > x->last[best].end))
			best = k;
	}
	return best;
}

static void reverse(uint64_t *list, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		uint64_t id = list[i];
		list[i] = list[n - 1 - i];
		list[n - 1 - i] = id;
	}
}

int oxi_path_find(struct oxi_page *p, uint64_t **ret, size_t *ret_n)
{
	struct lasts x = { &p->tasks, calloc(p->tasks.n + 1, sizeof(*x.last)), 0 };
	uint64_t *path = calloc(p->tasks.n + 1, sizeof(*path));
	size_t n = 0;
	/* Of the rows of a group the one with the maximum is given: SQLite says so. */
	int r = !x.last || !path ? OX_ENOMEM : oxi_look_each(p->l,
		"select task, id, max(began + wall / 1e9) from job where final and attempt > 0 group by task", NULL, 0, take, &x);
	/* Not longer than there are tasks, whatever the edges say. */
	for (size_t at = x.latest; r == 0 && at != SIZE_MAX && n < p->tasks.n && x.last[at].id; at = before(&x, at))
		path[n++] = x.last[at].id;
	free(x.last);
	reverse(path, r == 0 ? n : 0);
	if (r < 0) {
		free(path);
		return r;
	}
	*ret = path;
	*ret_n = n;
	return 0;
}
