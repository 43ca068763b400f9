/* SPDX-License-Identifier: MIT */
/* What the parts of the runner share: batch.c makes it, feed.c gives jobs to slots, slot.c and program.c run them, settle.c writes them down, drain.c reads them, stop.c ends them. */
#ifndef OXBOW_CLI_RUNNER_H
#define OXBOW_CLI_RUNNER_H

#include <oxbow/group.h>
#include <oxbow/pool.h>
#include <oxbow/queue.h>
#include <oxbow/run.h>
#include <oxbow/scope.h>
#include <oxbow/signal.h>
#include <oxbow/sync.h>

#include "cli/batch/batch.h"
#include "cli/batch/control.h"
#include "cli/batch/files.h"
#include "cli/batch/ledger.h"
#include "cli/batch/plan.h"
#include "cli/batch/print.h"
#include "cli/command.h"

#define OXI_PIECE OX_KIB(64)

enum stage { RUNNING, DRAINING, STOPPING, KILLING };

struct lane {
	struct batch *b;
	enum oxi_lane which;
	ox_queue *jobs;                 /* of struct oxi_job: to be started; NULL: the run has no such jobs */
	struct slot *slot;
	unsigned slots_max, slots_open; /* there can be; were opened */
	unsigned wanted, running;       /* jobs at a time; slots that have one */
	ox_lock *gate;                  /* who waits for his turn to start stands in it */
	ox_event *room;                 /* somebody in the gate should look again */
	bool in_feed, all_fed;
	ox_scope feeding;               /* while in_feed: cancelled when nothing more is to be read */
};

struct batch {
	const struct oxi_batch_options *o;
	struct oxi_plan *plan;
	char id[20];                    /* of the run: OXBOW_RUN */
	struct oxi_reaper reaper;
	struct oxi_spill spill;
	struct oxi_bar bar;
	struct oxi_printer printer;
	struct oxi_ledger ledger;
	struct oxi_throttle throttle;
	struct oxi_control control;
	struct oxi_files files;
	ox_pool *workers;               /* of the calls; NULL: there are none */
	int events;                     /* descriptor; -1: none */

	/* jobs on their way */
	ox_queue *ended;                /* of struct oxi_job: to be written down; NULL: slots do that themselves */
	unsigned settlers_left;
	ox_queue *retries;              /* of struct oxi_job: to be started again, the earliest due first */
	ox_event *retry_sooner;         /* one is due before the one that is waited for */
	bool feeding_ended;             /* before the plan: a task's rows could not be read */
	uint64_t fed, finished;         /* finished: for good, whatever the outcome */
	uint64_t total;                 /* jobs there will be; 0: unknown */

	struct lane lane[OXI_LANES];
	unsigned slots_left;            /* of all lanes: that have not ended */
	unsigned running;               /* slots of all lanes that have a job */
	const char *busy;               /* what holds back the next start */
	ox_time mean;                   /* wall time of jobs, of late */

	/* the end */
	enum stage stage;
	ox_signals *signals;
	ox_event *sooner;               /* the keeper of time has something earlier to do */
	ox_time keeper_wakes;           /* in active time */
	ox_time deadline, kill_all;     /* in active time; OX_NEVER */
	bool halted;
	bool held;                      /* somebody has asked that nothing starts for a while */
	int nice;                       /* added for what starts: as somebody has asked */
	char **cancelled;               /* names and numbers of jobs that are not to start */
	size_t cancels;
	int exit;                       /* 0: as the jobs say */
	int job_code;                   /* of the job that halted the run */

	ox_time began, paused;          /* paused: for so long the run was stopped, in all */
	ox_group *work, *watch;         /* work: NULL once it has ended */
	uint64_t chance;                /* state of the random numbers */
	char piece[OXI_PIECE];          /* what was read last: used before the next wait */
};

enum killed { ALIVE, BY_TIMEOUT, BY_CANCEL, BY_STOP };

static inline enum oxi_status oxi_killed_status(enum killed why)
{
	return why == BY_TIMEOUT ? OXI_TIMEOUT : why == BY_STOP ? OXI_INTERRUPTED : OXI_FAILED;
}

struct slot {
	struct batch *b;
	struct lane *lane;
	unsigned index, serial;         /* serial: of the start */
	ox_queue *ended;                /* a token when the job's process has ended */
	ox_event *over;                 /* nothing of the job is left */
	struct oxi_report report;
	struct oxi_job *job;            /* that runs; NULL: none */
	struct oxi_lease lease;         /* of what its job needs */
	struct oxi_buffer words;        /* of its command, and what stands before them for the reaper */
	size_t envs;                    /* variables among them */
	size_t words_from;              /* where the command begins */
	ox_scope reading;               /* cancelled when nothing of the job is left to write */
	bool in_reading;
	ox_scope trying;                /* of a call or a fetch: cancelled to end it */
	bool in_trying;
	unsigned showing;               /* lines that are shown at the moment, which must not be cut */
	struct oxi_buffer line[2];      /* line by line: what is not a whole line yet */
	/* in active time: */
	ox_time began, due;             /* due: time is up */
	enum killed killed, cause;      /* cause: what killed was when the job's process ended */
	bool live;                      /* started, and not waited for to its end */
	ox_time paused;                 /* the run's, when it started */
	unsigned step;                  /* of the term-seq */
	ox_time next_step;
};

/* Says why the batch cannot go on, once, and settles its exit code. Returns r, for a coroutine's end. */
int oxi_run_fail(struct batch *b, int code, const char *what, int r);

/* The same of what jobs write, with the right code. */
int oxi_output_fail(struct batch *b, int r);

/* Ends the work at once, from outside of it. */
void oxi_run_cancel(struct batch *b);

/* The time that counts for limits: it stands still while the run is stopped. */
ox_time oxi_run_now(const struct batch *b);

/* Waits until e is set, which it clears, or until a point of active time. Returns: 0; OX_ECANCELED. */
OX_YIELDS int oxi_run_wait(struct batch *b, ox_event *e, ox_time until);

uint64_t oxi_run_random(struct batch *b);

/* drain.c: what the slot's job has written to its standard output (0) or error (1) is kept, or shown at once. 0, or what was said. */
OX_YIELDS int oxi_slot_keep(struct slot *s, int which, const char *data, size_t len);

/* drain.c: reads what the slot's job writes, from the read ends of its pipes, until it is over. 0, or what was said. */
OX_YIELDS int oxi_slot_read(struct slot *s, int out_fd, int err_fd);

/* slot.c */
OX_YIELDS int oxi_slot_run(void *slot);         /* a coroutine's function */
OX_YIELDS int oxi_retry_run(void *batch);       /* a coroutine's function: starts again what is due */
struct oxi_buffer oxi_slot_command(const struct slot *s);       /* the words of its job's command: borrowed */
OX_YIELDS int oxi_slot_note(struct slot *s, const char *word, const char *what);        /* a message of ours on the job's standard error */
OX_YIELDS int oxi_slot_try(struct slot *s, int (*fn)(struct slot *s, const char *word));        /* what has no process: fn of the command's word */
struct slot *oxi_slot_first(struct batch *b);  /* of all lanes' slots, one after the other */
struct slot *oxi_slot_next(struct slot *s);     /* NULL: it was the last */
void oxi_slots_look(struct batch *b);           /* who waits in a gate looks again */
bool oxi_slot_open(struct lane *l);             /* one more; false: there can be no more, or no memory */
void oxi_slots_free(struct lane *l);

/*
 * files.c: before an attempt looks at the files that the job declares. Returns: 1: it has to run, and what the end is told of d;
 * 0: it has its outcome; or what was said.
 */
OX_YIELDS int oxi_files_begin(struct slot *s, struct oxi_declared *d);
OX_YIELDS int oxi_files_end(struct slot *s, struct oxi_declared *d, int r);     /* r: as it was carried out. 0, r, or what was said */

/* settle.c */
void oxi_job_name(struct oxi_job *j);           /* makes its name, if it has one */
OX_YIELDS int oxi_job_ended(struct batch *b, struct oxi_job *j);       /* takes j over, which has its outcome */
OX_YIELDS int oxi_settle_run(void *batch);      /* a coroutine's function, of a run that leaves a record */
void oxi_slots_ended(struct batch *b);          /* nothing will come any more */

/* How jobs are carried out. Each returns 0, and the job has its outcome; or what was said. */
OX_YIELDS int oxi_program_run(struct slot *s, size_t n);        /* program.c: n words */
OX_YIELDS int oxi_call_run(struct slot *s, size_t n);           /* call.c */
OX_YIELDS int oxi_fetch_run(struct slot *s, size_t n);          /* fetch.c */
OX_YIELDS int oxi_reaper_hear(void *batch);     /* a coroutine's function */

/* steer.c */
extern const struct oxi_control_ops oxi_steer_ops;      /* of a struct batch */
bool oxi_job_cancelled(const struct batch *b, struct oxi_job *j);       /* somebody has asked that it does not start */

/* feed.c */
OX_YIELDS int oxi_feed(void *lane);             /* a coroutine's function: what the plan has for this lane becomes its jobs */
OX_YIELDS int oxi_plan_read(void *batch);       /* a coroutine's function: adds tasks as they come */
void oxi_no_more_jobs(struct batch *b);         /* nothing new starts, and what waits to be started is dropped */
int oxi_job_settled(struct batch *b, const struct oxi_job *j);  /* one that was fed has ended for good */

/* stop.c */
OX_YIELDS int oxi_signals_hear(void *batch);    /* a coroutine's function */
OX_YIELDS int oxi_time_keep(void *batch);       /* a coroutine's function: limits of time, and ends by force */
void oxi_slot_kill(struct slot *s, enum killed why);
OX_YIELDS int oxi_halt_check(struct batch *b, const struct oxi_job *j);  /* after a job's end, and the input's (NULL) */
int oxi_jobs_set(struct batch *b, unsigned jobs);        /* at a time. 0; OX_EINVAL: there can be no more than wanted is now */
void oxi_time_sooner(struct batch *b, ox_time at);

#endif
