/* SPDX-License-Identifier: MIT */
/* The tasks of a run, with their counts, and rows of jobs without their output, for the commands that look. */
#ifndef OXBOW_CLI_STATE_TASKS_H
#define OXBOW_CLI_STATE_TASKS_H

#include "cli/state/look.h"

struct oxi_task_counts {
	uint64_t jobs;                  /* there will be; 0: it is not known */
	uint64_t count[OXI_STATUSES];
	uint64_t recorded;              /* the sum of these, interruptions aside */
};

struct oxi_task {
	uint32_t n;
	int kind;
	char *name;
	struct oxi_task_counts counts;
	size_t edge, edges;             /* what it comes after: those from tasks.edge[edge] on */
};

struct oxi_tasks {
	struct oxi_task *task;          /* in the order of n */
	size_t n;
	struct oxi_task_edge {
		uint32_t from;          /* an n; oxi_tasks_find() has it */
		int when;
	} *edge;
	size_t edges;
	struct oxi_task_counts all;
};

/* Returns: 0; OX_EDB, OX_ENOMEM, OX_ECANCELED. It may be freed in any case. */
OX_YIELDS int oxi_tasks_read(struct oxi_look *l, struct oxi_tasks *ret);
void oxi_tasks_free(struct oxi_tasks *t);

/* NULL: there is none. */
struct oxi_task *oxi_tasks_find(const struct oxi_tasks *t, uint32_t n);

/* How many of them have not ended. */
uint64_t oxi_task_left(const struct oxi_task_counts *c);

/* What an edge says now. */
enum oxi_edge_state { OXI_EDGE_WAITS, OXI_EDGE_OPEN, OXI_EDGE_NEVER };
enum oxi_edge_state oxi_edge_state(const struct oxi_task *from, int when);

/* What follows "select" for oxi_look_row(). */
#define OXI_LOOK_JOBS \
	"select id, task, name, words, status, exit, signal, attempt, slot, began, wall / 1e9, user / 1e9, system / 1e9, rss, out, err " \
	"from job "
/* The same of each attempt that ran, and behind it whether it is the job's last word. */
#define OXI_LOOK_PIECES \
	"select id, task, name, words, status, exit, signal, attempt, slot, began, wall / 1e9, user / 1e9, system / 1e9, rss, out, err, final " \
	"from job where attempt > 0 union all " \
	"select a.job, j.task, j.name, j.words, a.status, a.exit, a.signal, a.attempt, a.slot, a.began, a.wall / 1e9, a.user / 1e9, " \
	"a.system / 1e9, a.rss, 0, 0, 0 from attempt a left join job j on j.id = a.job"
enum { OXI_LOOK_LAST = 16 };
struct oxi_look_row {
	uint64_t id, seq;
	unsigned session;
	uint32_t task;
	ox_bytes name, words;           /* name.data NULL: none */
	struct oxi_outcome outcome;
	unsigned attempt, slot;
	double began, wall, user, system;       /* seconds */
	uint64_t max_rss, out, err;
};
struct oxi_look_row oxi_look_row(const ox_sqlite_result *res, size_t row);

#endif
