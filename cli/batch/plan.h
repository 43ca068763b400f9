/* SPDX-License-Identifier: MIT */
/* The plan: the tasks of a run, what comes after what, and which job is next. No process, no clock. */
#ifndef OXBOW_CLI_PLAN_H
#define OXBOW_CLI_PLAN_H

#include <oxbow/sync.h>

#include "cli/batch/job.h"
#include "cli/batch/task.h"

/* What carries out a task's jobs: programs, functions in workers, fetches. Each lane has slots of its own. */
enum oxi_lane { OXI_LANE_RUN, OXI_LANE_CALL, OXI_LANE_FETCH, OXI_LANES };

enum { OXI_PLAN_OVER = 0, OXI_PLAN_JOB = 1, OXI_PLAN_LATER = 2 };

struct oxi_heap {
	struct oxi_task **task;
	size_t n, cap;
};

struct oxi_plan {
	struct oxi_task **task;         /* n of them, by their number */
	size_t n, cap;
	bool open;                      /* more tasks may come */
	struct oxi_buffer why;          /* what is wrong: text without NUL */
	struct oxi_spill *spill;        /* of the jobs' captures */
	uint64_t jobs;                  /* that were given */
	size_t left[OXI_LANES];         /* tasks that may still give jobs */
	struct oxi_heap ready[OXI_LANES];
	unsigned ahead;                 /* elements that may wait for each task */
	ox_event *news;                 /* set when there may be a job where there was none; NULL: nobody waits */

	struct oxi_resources resources; /* that needs are counted against; none: nothing is needed */

	/* Adds tasks as they come, while open; it has closed the plan when it returns. NULL: all are there. As oxi_plan_next. */
	int (*read)(void *arg, struct oxi_plan *p);
	void *read_arg;

	/* 1: an earlier session of the run has done this job, whose outcome is set: it is not given again. 0; OX_ENOMEM. May be NULL. */
	int (*known)(void *arg, struct oxi_job *j);
	void *arg;
};

/* Takes t over as the next task; it has its template. Returns: 0; OX_ENOMEM. */
int oxi_plan_add(struct oxi_plan *p, struct oxi_task *t);

/* graph.c: what comes after what. Of tasks that were added. 0; OX_ENOMEM. */
int oxi_plan_after(struct oxi_task *before, struct oxi_task *t, enum oxi_condition when);
int oxi_plan_source(struct oxi_task *source, struct oxi_task *t);

/*
 * Is there a circle in it? Gives its tasks in order, each after the one before it, the first after the last. Returns: their
 * number; 0: there is none; OX_ENOMEM. *ret is freed by the caller.
 */
ssize_t oxi_plan_circle(const struct oxi_plan *p, struct oxi_task ***ret);

/* All that could be known about t is, so it may give jobs as soon as what it comes after is over. 0; OX_ENOMEM. */
int oxi_plan_release(struct oxi_plan *p, struct oxi_task *t);

/* No more tasks will come. */
void oxi_plan_close(struct oxi_plan *p);

/*
 * The next job of a lane. Returns: OXI_PLAN_JOB; OXI_PLAN_OVER: there will be none any more; OXI_PLAN_LATER: none before one
 * is settled, or a task is added; OX_ECANCELED, OX_ENOMEM; another negative code, and p->why says what is wrong.
 * Yields: as oxi_input_next.
 */
OX_YIELDS int oxi_plan_next(struct oxi_plan *p, enum oxi_lane lane, struct oxi_job **ret);

/* A job has ended for good: what comes after it may go on. 0; OX_ENOMEM. */
int oxi_plan_settle(struct oxi_plan *p, const struct oxi_job *j);

/* t is over: may the one after it run? Else that is skipped, because of t. */
void oxi_task_let(const struct oxi_task *t, struct oxi_task *after, enum oxi_condition when);

/* How many jobs there will be; 0: unknown. */
uint64_t oxi_plan_total(const struct oxi_plan *p);

enum oxi_lane oxi_task_lane(const struct oxi_task *t);

/* Frees what its tasks have, too. */
void oxi_plan_free(struct oxi_plan *p);

/* element.c: what a job that has succeeded gives to the tasks whose source its task is. */
struct oxi_element {
	struct oxi_element *next;
	struct oxi_jsonl *row;
	char *fault;                    /* a place that has nothing to stand for; NULL: none */
	size_t n;
	ox_bytes value[];               /* n, and their bytes behind them */
};

/* The values of t's job that comes from j. NULL: no memory. */
struct oxi_element *oxi_element_new(const struct oxi_task *t, const struct oxi_job *j);
void oxi_element_free(struct oxi_element *e);

#endif
