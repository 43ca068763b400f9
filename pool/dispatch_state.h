/* SPDX-License-Identifier: MIT */
/* The structs of the dispatcher, for its own files alone. What others may use is in dispatch.h. */
#ifndef OXBOW_POOL_DISPATCH_STATE_H
#define OXBOW_POOL_DISPATCH_STATE_H

#include "include/private/check.h"
#include "pool/dispatch.h"
#include "pool/heritage.h"
#include "pool/table.h"

#define OXI_SLOW     OX_MS(5)
#define OXI_SLOW_REMOTE OX_MS(200)  /* the same of a remote worker: more than networks take for a round trip */
#define OXI_RETRY    OX_MS(10)      /* after a send that was refused; a failed job's and a failed worker's first delay */
#define OXI_LUMP     OX_MS(10)      /* of jobs that a limited rate lets go at once */
#define OXI_BRAKE    OX_SEC(5)      /* the longest of these delays */
#define OXI_FINI     OX_SEC(5)      /* for a worker that was told to end, from its last result */
#define OXI_PATIENCE OX_MS(10)      /* of a job with an affinity */

enum { OXI_LEVELS = 2 * OXI_PRIORITY_MAX + 1 };

enum { OXI_DELAY_SLOTS = 512 };

enum { OXI_HOME_BITS = 12 };

/* Jobs that wait. */
struct oxi_dqueue {
	struct oxi_list level[OXI_LEVELS];      /* one a priority, the lowest first; each in order */
	unsigned levels;                /* bit i: level[i] is not empty */
	unsigned count;                 /* in all of them */
};

struct oxi_dkey {
	struct oxi_entry entry;         /* in dispatch.keys */
	struct oxi_list link;           /* in dispatch.blocked, while some are */
	struct oxi_dqueue blocked;
	unsigned users;                 /* jobs, and cells of abandoned ones */
	unsigned held, limit;           /* places */
};

enum oxi_dworker_state { OXI_WORKER_DOWN, OXI_WORKER_STARTING, OXI_WORKER_READY };

struct oxi_dcell {
	uint64_t lease;                 /* 0: free */
	struct oxi_djob *job;           /* NULL: abandoned, but it still runs */
	struct oxi_dkey *key;           /* abandoned: of which it holds a place; else NULL */
	uint32_t cost;
};

struct oxi_dworker {
	enum oxi_dworker_state state;
	uint32_t generation;
	bool killed;                    /* READY: by us; its end is awaited */
	bool stopped;                   /* was told to end */
	bool failed_start;              /* STARTING: said so; counted */
	bool refused;                   /* it could not be started when that was last tried */
	bool parting;                   /* is ending, and its slot stays empty then */
	uint64_t ended;                 /* jobs */
	uint64_t quota;                 /* of jobs, in its life */
	ox_time retire_at;              /* when it is too old */
	ox_time fini_by;                /* stopped, all jobs ended: when it is killed; 0: to be set */
	unsigned heir;                  /* the slot, plus 1, that begins when this one's jobs have ended; 0: none */
	unsigned elder;                 /* the other way round: takes no jobs yet; 0: none */
	bool accepting;                 /* counted in dispatch.accepting */
	bool remote;                    /* joins by itself */
	ox_time slow;                   /* without a result for so long it is slow: OXI_SLOW, or OXI_SLOW_REMOTE */
	unsigned misfires;              /* in a row: starts that were refused or came to nothing */
	unsigned outstanding;           /* leases, abandoned ones included */
	unsigned nested;                /* of these jobs, those that stand in one another */
	ox_time load;                   /* their cost */
	ox_time progress_at;            /* of the last result, or of the first lease */
	bool settled;                   /* slow, and all that it owes has begun */
	ox_time looked_at;              /* last time it was found slow */
	ox_time check_at;               /* when to look whether a job has run too long; OX_NEVER */
	ox_time shortest;               /* timeout of its leases since it had none; 0: none has one */
	ox_time retry_at;               /* no sends before */
	ox_time spawn_at;               /* OXI_WORKER_DOWN; OX_NEVER: the slot is spare */
	ox_time abandoned_timeout;      /* of the job abandoned last, with its grace; 0: none */
	uint64_t abandoned;             /* its lease */
	uint64_t counter;               /* of leases */
	unsigned round;                 /* of sends, in which it last got a message */
	struct oxi_list pins, hungry;   /* all of it; those with jobs to send */
	unsigned pin_count;
	bool dedicated;                 /* to its one pin */
	struct oxi_list fond;           /* jobs that wait for it a while, by the time until when */
	struct oxi_list leases;         /* of live jobs, in order of sending */
	struct oxi_dcell cells[OXI_CLAIMS];
};

/* Which worker had an affinity last. */
struct oxi_home {
	uint64_t affinity;
	uint32_t slot, generation;
};

struct oxi_dkind {
	ox_time estimate;
	uint32_t samples;
	uint32_t cost;                  /* of one job, as the estimate stands */
	struct oxi_policy policy;       /* defaults filled in */
};

struct oxi_dispatch {
	const struct oxi_dispatch_ops *ops;
	void *transport;
	struct oxi_dispatch_options o;
	struct oxi_dispatch_counts counts;
	unsigned local;                 /* workers and spares */
	unsigned slots, staffed;        /* local and remote ones; local slots that have, or will have, a worker that does not part */
	int refuse;                     /* closed or broken: the code that jobs get; 0: neither */
	unsigned accepting;             /* workers that would take a job */
	unsigned start_failures;        /* in a row, of all workers */
	ox_time helpless_since;         /* no worker is ready, and one could not be started; 0: not so */
	unsigned turn;                  /* the worker looked at first, of equals */
	unsigned round;                 /* of sends: each worker gets one message in it */
	ox_time timer_at;               /* as told to ops->timer */
	struct oxi_dqueue queue;
	unsigned apart;                 /* jobs that wait elsewhere: for one worker */
	struct oxi_home *homes;         /* a table that forgets; NULL: no affinity was seen yet */
	struct oxi_table keys;
	struct oxi_list blocked;        /* keys for which jobs wait */
	struct oxi_list late;           /* jobs whose turn came too late: ended by the next tick */
	ox_time rate_at;                /* no sends before */
	/* jobs that are delayed (dispatch_delay.c) */
	struct oxi_list delayed[OXI_DELAY_SLOTS];
	size_t delayed_count;
	ox_time epoch;                  /* their slots count from here */
	int64_t delay_done;             /* the last slot that was emptied, while there are any */
	ox_time delay_at;               /* when to look at them; OX_NEVER */
	struct oxi_dkind *kinds;
	struct oxi_dworker *workers;
};

static inline struct oxi_djob *oxi_djob_of(struct oxi_list *link)
{
	return OXI_CONTAINER(link, struct oxi_djob, link);
}

static inline ox_time oxi_min_time(ox_time a, ox_time b)
{
	return a < b ? a : b;
}

static inline ox_time oxi_max_time(ox_time a, ox_time b)
{
	return a > b ? a : b;
}

static inline unsigned oxi_dworker_slot(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	return (unsigned)(w - d->workers);
}

static inline ox_time oxi_dispatch_budget(const struct oxi_dispatch *d)
{
	return 2 * d->o.batch;
}

static inline bool oxi_dworker_takes_jobs(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	return d->refuse == 0 && w->state == OXI_WORKER_READY && !w->killed && !w->stopped && w->elder == 0;
}

/* What would have it replaced waits until the last pin has gone. */

static inline bool oxi_dworker_is_used_up(const struct oxi_dworker *w)
{
	return w->ended + w->outstanding >= w->quota && w->pin_count == 0;
}

static inline bool oxi_dworker_has_room(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	return oxi_dworker_takes_jobs(d, w) && w->load <= d->o.batch && w->outstanding <= d->o.max_batch && !oxi_dworker_is_used_up(w);
}

static inline bool oxi_djob_is_pinned(const struct oxi_djob *job)
{
	return job->extra != NULL && job->extra->pin != NULL;
}

/* Whose turn it is: the one with the least. A priority counts as so long a wait. */
static inline ox_time oxi_djob_turn(const struct oxi_dispatch *d, const struct oxi_djob *job)
{
	return job->at - job->priority * d->o.ageing;
}

static inline struct oxi_dcell *oxi_lease_cell(struct oxi_dworker *w, uint64_t lease)
{
	return &w->cells[lease % OXI_CLAIMS];
}

static inline bool oxi_dworker_is_slow(const struct oxi_dworker *w, ox_time now)
{
	return w->outstanding > 0 && now - w->progress_at >= w->slow;
}

/* ---- estimates, the queue, leases (dispatch_lease.c) ---- */

void oxi_dkind_set_cost(const struct oxi_dispatch *d, struct oxi_dkind *k);
void oxi_dkind_learn(const struct oxi_dispatch *d, uint16_t index, ox_time run_time);
void oxi_djob_end(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status);
enum oxi_end_of_queue { OXI_LAST, OXI_FIRST };

/* LAST: it waits from now on. FIRST: it goes on waiting. */
void oxi_djob_enqueue(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end_of_queue where, ox_time now);
void oxi_djob_dequeue(struct oxi_dispatch *d, struct oxi_djob *job);
void oxi_djob_block(struct oxi_dispatch *d, struct oxi_djob *job);      /* into its key's queue, last */
void oxi_dqueue_init(struct oxi_dqueue *q);
struct oxi_djob *oxi_dqueue_next(const struct oxi_dispatch *d, const struct oxi_dqueue *q);     /* whose turn it is; there is one */
void oxi_dispatch_set_late(struct oxi_dispatch *d, struct oxi_djob *job);       /* from the queue */
void oxi_dispatch_end_late(struct oxi_dispatch *d);
void oxi_dispatch_refuse_all(struct oxi_dispatch *d, int status);
void oxi_dworker_set_accepting(struct oxi_dispatch *d, struct oxi_dworker *w);
void oxi_lease_take(struct oxi_dispatch *d, struct oxi_dworker *w, struct oxi_djob *job, ox_time now);
void oxi_lease_free_cell(struct oxi_dispatch *d, struct oxi_dworker *w, struct oxi_dcell *c);
void oxi_lease_drop(struct oxi_dispatch *d, struct oxi_djob *job);
enum oxi_taken oxi_lease_take_back(struct oxi_dispatch *d, struct oxi_djob *job);
/* pinned: also jobs that can go nowhere else. */
unsigned oxi_lease_take_back_last(struct oxi_dispatch *d, struct oxi_dworker *w, unsigned n, bool pinned, ox_time now);

/* ---- pins (dispatch_pin.c) ---- */

void oxi_pin_enqueue(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end_of_queue where);
void oxi_pins_bind(struct oxi_dworker *w);                                      /* it is ready */
void oxi_pins_lose(struct oxi_dispatch *d, struct oxi_dworker *w, uint32_t generation);

/* ---- affinity (dispatch_affinity.c) ---- */

void oxi_affinity_note(struct oxi_dispatch *d, const struct oxi_djob *job, const struct oxi_dworker *w);
/* It is the job's turn, and w would take it: true if it waits for another worker from now on. */
bool oxi_affinity_waits(struct oxi_dispatch *d, struct oxi_djob *job, const struct oxi_dworker *w, ox_time now);
/* Jobs that have waited for w long enough are queued for all; with OX_NEVER all of them. */
void oxi_affinity_give_up(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);

/* ---- keys (dispatch_key.c) ---- */

void oxi_djob_hold(struct oxi_djob *job);       /* takes a place of its key, if it has one and holds none */
void oxi_djob_let_go(struct oxi_dispatch *d, struct oxi_djob *job);
void oxi_djob_drop_key(struct oxi_dispatch *d, struct oxi_djob *job);
struct oxi_dkey *oxi_djob_pass_on(struct oxi_djob *job);        /* its place is the caller's now; NULL: it held none */
void oxi_dkey_leave(struct oxi_dispatch *d, struct oxi_dkey *key);      /* gives such a place back */
bool oxi_djob_step_aside(struct oxi_dispatch *d, struct oxi_djob *job); /* it is its turn. True: it has no place, and is blocked */

/* ---- ends that are wanted (dispatch_doom.c) ---- */

/* A kill is wanted for it: how and with which status it ends then. */
void oxi_djob_doom(struct oxi_djob *job, enum oxi_end how, int status);
/*
 * Looks whether the job that runs has used up its time, or is one that must be killed. One that must be
 * killed and does not run has just ended, or is just beginning: its result comes, or the next look finds it
 * running.
 */
void oxi_dworker_check_timeouts(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);
void oxi_dispatch_set_timer(struct oxi_dispatch *d, ox_time now);               /* dispatch.c */

/* ---- delays (dispatch_delay.c) ---- */

void oxi_policy_fill_in(struct oxi_policy *p);
bool oxi_djob_may_retry(const struct oxi_dispatch *d, const struct oxi_djob *job, unsigned cause);
void oxi_djob_retry(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now);
void oxi_dispatch_end_delays(struct oxi_dispatch *d, ox_time now);

/* ---- which workers there are (dispatch_staff.c) ---- */

void oxi_dworker_enter(struct oxi_dispatch *d, struct oxi_dworker *w);          /* a new one: STARTING */
void oxi_dworker_start(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);
void oxi_dworker_refused(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);   /* it was not started */
void oxi_dworker_kill(struct oxi_dispatch *d, struct oxi_dworker *w);
void oxi_dworker_stop(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);
ox_time oxi_dworker_backoff(unsigned n);
void oxi_dworker_begin_life(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);
/* Has it replaced if it is used up, or old and at the end of a job. */
void oxi_dworker_retire_if_due(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);
void oxi_dworker_yield_to_heir(struct oxi_dispatch *d, struct oxi_dworker *w);  /* it owes nothing any more */
ox_time oxi_dworker_next_change(const struct oxi_dispatch *d, const struct oxi_dworker *w);
void oxi_dworker_change(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);    /* what that time has brought */
void oxi_dispatch_grow(struct oxi_dispatch *d, ox_time now);
struct oxi_dworker *oxi_dispatch_hire(struct oxi_dispatch *d, ox_time now);     /* one more; NULL: there are as many as may be */
static inline bool oxi_dworker_is_empty(const struct oxi_dworker *w)            /* and stays so */
{
	return w == NULL || (w->state == OXI_WORKER_DOWN && w->spawn_at == OX_NEVER);
}
ox_time oxi_dispatch_despair_at(const struct oxi_dispatch *d);  /* when the first job has waited too long for a worker */
void oxi_dispatch_despair(struct oxi_dispatch *d, ox_time now);

/* ---- sending and taking back (dispatch_send.c) ---- */

void oxi_dispatch_send_queue(struct oxi_dispatch *d, ox_time now);
void oxi_dispatch_count_sent(struct oxi_dispatch *d, ox_time now);
void oxi_dispatch_relieve_slow(struct oxi_dispatch *d, ox_time now);
void oxi_dispatch_share_work(struct oxi_dispatch *d, ox_time now);

#endif
