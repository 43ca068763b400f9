/* SPDX-License-Identifier: MIT */
#include "cli/state/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "cli/state/parts.h"

static int add_task(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_tasks *t = arg;
	ox_bytes name = ox_sqlite_value(res, row, 1);
	if ((t->n & (t->n + 1)) == 0) {         /* 1, 3, 7 ...: there is room for so many */
		struct oxi_task *bigger = realloc(t->task, (2 * t->n + 1) * sizeof(*bigger));
		if (!bigger)
			return OX_ENOMEM;
		t->task = bigger;
	}
	char *copy = name.data ? strndup(name.data, name.len) : strdup("");
	if (!copy)
		return OX_ENOMEM;
	t->task[t->n++] = (struct oxi_task){
		.n = (uint32_t)ox_sqlite_int(res, row, 0), .name = copy, .kind = (int)ox_sqlite_int(res, row, 2),
		.counts.jobs = (uint64_t)ox_sqlite_int(res, row, 3),
	};
	return 0;
}

/* In the order of the tasks. */
static int add_edge(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_tasks *t = arg;
	struct oxi_task *task = oxi_tasks_find(t, (uint32_t)ox_sqlite_int(res, row, 0));
	if (!task)
		return 0;
	if ((t->edges & (t->edges + 1)) == 0) {
		struct oxi_task_edge *bigger = realloc(t->edge, (2 * t->edges + 1) * sizeof(*bigger));
		if (!bigger)
			return OX_ENOMEM;
		t->edge = bigger;
	}
	if (!task->edges)
		task->edge = t->edges;
	task->edges++;
	t->edge[t->edges++] = (struct oxi_task_edge){ (uint32_t)ox_sqlite_int(res, row, 1), (int)ox_sqlite_int(res, row, 2) };
	return 0;
}

static void add(struct oxi_task_counts *c, int64_t status, uint64_t n)
{
	if (status < 0 || status >= OXI_STATUSES)
		return;
	c->count[status] += n;
	c->recorded += status == OXI_INTERRUPTED ? 0 : n;
}

static int add_count(void *arg, const ox_sqlite_result *res, size_t row)
{
	struct oxi_tasks *t = arg;
	struct oxi_task *task = oxi_tasks_find(t, (uint32_t)ox_sqlite_int(res, row, 0));
	int64_t status = ox_sqlite_int(res, row, 1);
	uint64_t n = (uint64_t)ox_sqlite_int(res, row, 2);
	add(&t->all, status, n);
	if (task)
		add(&task->counts, status, n);
	return 0;
}

int oxi_tasks_read(struct oxi_look *l, struct oxi_tasks *ret)
{
	*ret = (struct oxi_tasks){ 0 };
	int r = oxi_look_each(l, "select n, name, kind, jobs from task order by n", NULL, 0, add_task, ret);
	if (r == 0)
		r = oxi_look_each(l, "select task, source, condition from edge order by task, source", NULL, 0, add_edge, ret);
	if (r == 0)
		r = oxi_look_each(l, "select task, status, count(*) from job where final group by task, status", NULL, 0, add_count, ret);
	bool known = ret->n > 0;
	for (size_t i = 0; i < ret->n; i++) {
		known &= ret->task[i].counts.jobs > 0;
		ret->all.jobs += ret->task[i].counts.jobs;
	}
	if (!known)
		ret->all.jobs = 0;
	return r;
}

void oxi_tasks_free(struct oxi_tasks *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->task[i].name);
	free(t->task);
	free(t->edge);
	*t = (struct oxi_tasks){ 0 };
}

static int compare(const void *key, const void *task)
{
	uint32_t n = *(const uint32_t *)key, other = ((const struct oxi_task *)task)->n;
	return n < other ? -1 : n > other;
}

struct oxi_task *oxi_tasks_find(const struct oxi_tasks *t, uint32_t n)
{
	return t->n ? bsearch(&n, t->task, t->n, sizeof(*t->task), compare) : NULL;
}

uint64_t oxi_task_left(const struct oxi_task_counts *c)
{
	return c->jobs > c->recorded ? c->jobs - c->recorded : 0;
}

/* ok: all jobs of it succeeded; any: all ended; fail: one failed. */
enum oxi_edge_state oxi_edge_state(const struct oxi_task *from, int when)
{
	const struct oxi_task_counts *c = &from->counts;
	uint64_t bad = c->count[OXI_FAILED] + c->count[OXI_TIMEOUT] + c->count[OXI_SKIPPED];
	bool over = c->jobs && oxi_task_left(c) == 0;
	switch (when) {
	case 0: return bad ? OXI_EDGE_NEVER : over ? OXI_EDGE_OPEN : OXI_EDGE_WAITS;
	case 1: return over ? OXI_EDGE_OPEN : OXI_EDGE_WAITS;
	default: return c->count[OXI_FAILED] + c->count[OXI_TIMEOUT] ? OXI_EDGE_OPEN : over ? OXI_EDGE_NEVER : OXI_EDGE_WAITS;
	}
}

struct oxi_look_row oxi_look_row(const ox_sqlite_result *res, size_t row)
{
	enum { ID, TASK, NAME, WORDS, STATUS, EXIT, SIGNAL, ATTEMPT, SLOT, BEGAN, WALL, USER, SYSTEM, RSS, OUT, ERR };
	uint64_t id = (uint64_t)ox_sqlite_int(res, row, ID);
	return (struct oxi_look_row){
		.id = id,
		.seq = id & OXI_SEQ_MAX,
		.session = (unsigned)(id >> OXI_SEQ_BITS),
		.task = (uint32_t)ox_sqlite_int(res, row, TASK),
		.name = ox_sqlite_value(res, row, NAME),
		.words = ox_sqlite_value(res, row, WORDS),
		.outcome.status = oxi_status_of(ox_sqlite_int(res, row, STATUS)),
		.outcome.exit = (int)ox_sqlite_int(res, row, EXIT),
		.outcome.signal = (int)ox_sqlite_int(res, row, SIGNAL),
		.attempt = (unsigned)ox_sqlite_int(res, row, ATTEMPT),
		.slot = (unsigned)ox_sqlite_int(res, row, SLOT),
		.began = ox_sqlite_real(res, row, BEGAN),
		.wall = ox_sqlite_real(res, row, WALL),
		.user = ox_sqlite_real(res, row, USER),
		.system = ox_sqlite_real(res, row, SYSTEM),
		.max_rss = (uint64_t)ox_sqlite_int(res, row, RSS),
		.out = (uint64_t)ox_sqlite_int(res, row, OUT),
		.err = (uint64_t)ox_sqlite_int(res, row, ERR),
	};
}
