/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: which job goes to which worker, when, and what becomes of it. A pure state machine: events
 * and the time come in by calls, actions go out through a vtable, and it reads no clock, owns no fd and knows
 * no process. Behind the vtable stands ZeroMQ with real workers (parent_transport.c) or a simulation
 * (tests/support/sim.c).
 *
 *	QUEUED --send--> LEASED --claimed in the worker's slot--> STARTED --result--> DONE
 *	   ^                |  taken back, or lost: free              |  crash, timeout, failure --> FAILED, or DELAYED
 *	   '----------------'-----------------------------------------'  and QUEUED again
 *
 * BLOCKED is one whose turn has come while too many others of its key are with workers (dispatch_key.c).
 */
#ifndef OXBOW_POOL_DISPATCH_H
#define OXBOW_POOL_DISPATCH_H

#include <oxbow/job.h>
#include <oxbow/future.h>

#include "include/private/list.h"

enum oxi_job_state { OXI_QUEUED, OXI_BLOCKED, OXI_DELAYED, OXI_LEASED, OXI_ENDED };

/* A job that waits for one of its own may run it on the spot, in the middle of itself. Both have begun, and die together. */
enum oxi_nesting { OXI_OUTER = 1, OXI_INNER = 2 };

#define OXI_PRIORITY_MAX 3              /* from -3 to 3 */

/*
 * A pin: its jobs may go to one worker only, the one in a slot with a generation, where they begin in the order in which
 * they were submitted. When that worker dies the owner is told, and what was not begun stays queued: for the next worker
 * in the slot, unless the owner ends it.
 */
struct oxi_pin {
	struct oxi_list link;           /* of the worker's pins */
	struct oxi_list hungry;         /* of those of them that have jobs in queue */
	struct oxi_list queue;          /* jobs, in order */
	uint32_t slot;
	uint32_t generation;            /* of the worker that its jobs go to; 0: the next one that is ready in the slot */
};

/* What few jobs have besides, in memory of the owner's; read until the job has ended. */
struct oxi_dextra {
	struct oxi_dkey *key;           /* from oxi_dispatch_key(), given back when the job ends; NULL: none */
	struct oxi_pin *pin;            /* NULL: it may go anywhere */
	uint64_t affinity;              /* goes rather to the worker that had this last; 0: none */
	ox_time until;                  /* waits for that worker, until then; 0: it does not */
	bool anywhere;                  /* has waited for it, or was there: goes to whoever is free */
	bool first;                     /* submitted to the head of its pin's queue */
	bool holds;                     /* one of its key's places */
};

/* A job as the dispatcher sees it; embedded in the parent's job (which is a future). */
struct oxi_djob {
	struct oxi_list link;           /* queue, delayed, or the worker's leases, in order of sending */
	uint64_t lease;                 /* LEASED: its number; else 0 */
	ox_time at;                     /* DELAYED: until when; doomed: when to kill; nesting: since when it runs; else since when it
	                                 * is in the queue, for ageing */
	ox_time timeout;                /* told to end when it has run that long; 0: none */
	struct oxi_dextra *extra;       /* NULL: none */
	uint32_t slot;                  /* LEASED: the worker */
	uint16_t index;                 /* job function */
	uint8_t state;                  /* enum oxi_job_state */
	uint8_t failures;               /* attempts that cost a retry */
	uint8_t retries;                /* allowed */
	uint8_t doomed;                 /* a kill is wanted for it: enum oxi_end + 1, and the status is in doom; else 0 */
	int8_t priority;                /* higher ones first */
	bool dated : 1;                 /* has a deadline: ops->deadline */
	uint8_t nesting : 2;            /* LEASED: enum oxi_nesting, or-ed; else 0 */
	int doom;
};

/* How an attempt ended, as the dispatcher tells the owner of the job. */
enum oxi_end { OXI_END_RESULT, OXI_END_CRASH, OXI_END_CANCEL, OXI_END_TIMEOUT, OXI_END_LIMIT };

/* How a kind of job is killed, and when it is run again. */
struct oxi_policy {
	ox_time grace;                  /* from being told to end until the kill */
	ox_time retry_delay;            /* before the second attempt, twice that before the third; 0: 10 ms */
	ox_time retry_max;              /* the longest; 0: 5 s */
	unsigned retry_on;              /* enum ox_retry; 0: OX_RETRY_CRASH */
};

/* What a worker's shared slot says at this moment (heritage.h); the transport reads it. */
struct oxi_running {
	uint64_t lease;                 /* claimed and not finished; 0: none */
	ox_time since;                  /* when it was claimed, monotonic */
};

enum oxi_taken {
	OXI_TAKEN_NOT,                  /* it has begun */
	OXI_TAKEN,                      /* it will never run there */
	OXI_TAKEN_ASKED,                /* not known yet: oxi_dispatch_returned(), or it begins */
};

struct oxi_dispatch_ops {
	/* Starts a worker in a slot. 0; OX_EINIT: nor will another: the pool breaks; any other code: not now (tried again with backoff). */
	int (*spawn)(void *t, unsigned slot, uint32_t generation);
	/* Kills the worker in a slot; its end is reported by oxi_dispatch_lost(). */
	void (*kill)(void *t, unsigned slot);
	/* Tells an idle worker to end. */
	void (*stop)(void *t, unsigned slot);
	/* Sends n jobs, whose leases are set, to a slot. 0; negative: none was sent, they stay queued. */
	int (*send)(void *t, unsigned slot, struct oxi_djob *const *jobs, unsigned n);
	/* Sends one job, whose lease is set, to a worker that waits for it in the middle of another. 0; negative: it was not sent. */
	int (*run)(void *t, unsigned slot, struct oxi_djob *job);
	/* Takes a job that was sent back if it has not begun (compare-and-swap in the slot, or a question to a remote host). */
	enum oxi_taken (*take_back)(void *t, unsigned slot, uint64_t lease);
	void (*running)(void *t, unsigned slot, struct oxi_running *ret);
	/* Tells a job that was sent, and may be running, that it should end. Telling it again changes nothing. */
	void (*tell)(void *t, unsigned slot, uint64_t lease);
	/* The job's worker has crashed while it ran. 0; a code: it ends with that, also if it has retries left. NULL: as if 0. */
	int (*crashed)(void *t, struct oxi_djob *job);
	/* When a job that is dated must not begin any more; OX_NEVER: it may. Asked each time that matters, for it may be moved. */
	ox_time (*deadline)(void *t, const struct oxi_djob *job);
	/* An attempt is over, whether it had begun or not, and the job will be run again. */
	void (*again)(void *t, struct oxi_djob *job);
	/* The job has ended; how and with which status. For OXI_END_RESULT the transport has stored the value before. */
	void (*end)(void *t, struct oxi_djob *job, enum oxi_end how, int status);
	/* Wants oxi_dispatch_tick() at this time, in place of the one asked for before; OX_NEVER: not at all. */
	void (*timer)(void *t, ox_time at);
	/* The worker of a pin has died, and the jobs that ended by that have ended. The owner may clear, submit and unpin. */
	void (*pin_lost)(void *t, struct oxi_pin *pin);
};

struct oxi_dispatch_options {
	unsigned workers;               /* that take jobs, at most */
	unsigned spare;                 /* slots besides: replacements start there while the old ones end */
	unsigned remote;                /* slots after those, whose workers come and go by themselves: oxi_dispatch_join() */
	bool remote_only;               /* there are no other workers */
	unsigned min_workers;           /* that are kept when there is nothing to do; 0: all */
	ox_time idle;                   /* one more than that ends when it had nothing to do for so long */
	uint64_t max_jobs;              /* a worker gets so many, or up to a quarter less; 0: any number */
	ox_time max_age;                /* and is replaced when it is so old, or a quarter less; 0: never */
	unsigned jobs;                  /* kinds, for the estimates */
	unsigned init_limit;            /* so many failed starts in a row, and no worker ready, break the pool; 0: 5 */
	bool one_at_a_time;             /* no batching: one lease a worker (output is captured) */
	ox_time batch;                  /* work per message aimed at; 0: 1 ms, at most 1 s */
	unsigned max_batch;             /* jobs per message; 0: 256, at most that */
	const struct oxi_policy *policy;        /* one a kind, copied; NULL: all defaults */
	uint64_t seed;                  /* of the randomness in delays */
	ox_time interval;               /* between two jobs that are sent, on average; 0: none */
	ox_time ageing;                 /* a wait that counts as much as one priority; 0: 10 s */
	ox_time spawn_deadline;         /* what jobs wait while there is no worker and none can be started; 0: 10 s; OX_NEVER */
};

struct oxi_dispatch_counts {
	uint64_t ended_ok, ended_failed, ended_cancelled;
	uint64_t crashed, killed, spawned, retried, late;
	unsigned queued, leased;
	unsigned ready, starting;       /* workers; busy ones are ready too, and running a job at this moment */
	unsigned busy;
	unsigned refused;               /* could not be started when last tried, and will be tried again */
	int refuse;                     /* what new jobs get: OX_ECLOSED, OX_EINIT; 0: they are taken */
};

struct oxi_dispatch;

enum { OXI_LEASE_BITS = 46 };           /* of a lease's counter; the slot has the 16 above, and two are left for a claim's state */

static inline unsigned oxi_lease_slot(uint64_t lease)
{
	return (unsigned)(lease >> OXI_LEASE_BITS);
}

struct oxi_dispatch *oxi_dispatch_new(const struct oxi_dispatch_options *o, const struct oxi_dispatch_ops *ops, void *t);
void oxi_dispatch_free(struct oxi_dispatch *d);         /* every job has ended */

/* Starts the workers. */
void oxi_dispatch_start(struct oxi_dispatch *d, ox_time now);
/*
 * One more user of a key: jobs of one key are sent to workers until limit of them are there (of different limits, the one said
 * last). For the extra of a job that is submitted then, or to be given back. NULL: no memory.
 */
struct oxi_dkey *oxi_dispatch_key(struct oxi_dispatch *d, uint64_t hash, unsigned limit);
void oxi_dispatch_unkey(struct oxi_dispatch *d, struct oxi_dkey *key);
/*
 * A new job, whose index, timeout, retries, priority, extra and dated are set: enters the queue; sent by the next flush.
 * If the pool is broken it ends at once (OXI_END_LIMIT, OX_EINIT), if it is closed too (OX_ECLOSED).
 */
void oxi_dispatch_submit(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now);
/* Sends what can be sent, and takes back what would wait too long. Called once a turn, after the turn's events. */
void oxi_dispatch_flush(struct oxi_dispatch *d, ox_time now);
/* True when a flush would send a full message now: a submitter in a long loop flushes then. */
bool oxi_dispatch_eager(const struct oxi_dispatch *d);
/*
 * The owner wants it ended: queued or taken back: ends now; running: it is told, and when its grace has passed its
 * worker is killed (or it is let run, for abandon, and its result dropped). Ends exactly once in each case, with how and status given here unless
 * a result came first. Nothing if it has ended.
 */
void oxi_dispatch_cancel(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status, bool abandon, ox_time now);

/*
 * Gives a pin a place: the worker that has the fewest, or a new one where there are fewer than there may be. A worker
 * with pins is not recycled. dedicated: one that has no other pin and gets no other jobs. 0; OX_EBUSY: there is none such;
 * OX_ECLOSED, OX_EINIT.
 */
int oxi_dispatch_pin(struct oxi_dispatch *d, struct oxi_pin *pin, bool dedicated, ox_time now);
/* Ends the jobs of a pin that have not begun. */
void oxi_dispatch_clear(struct oxi_dispatch *d, struct oxi_pin *pin, enum oxi_end how, int status, ox_time now);
/* It has no jobs any more. */
void oxi_dispatch_unpin(struct oxi_dispatch *d, struct oxi_pin *pin, ox_time now);
/*
 * The job outer waits for job, one of its own: has it run there, on the spot, if it is nowhere running yet, and may begin now.
 * False: it does not; to be asked again when something has changed.
 */
bool oxi_dispatch_run_inside(struct oxi_dispatch *d, struct oxi_djob *job, struct oxi_djob *outer, ox_time now);
/* The live job with this lease; NULL. Counts nothing. */
struct oxi_djob *oxi_dispatch_peek(const struct oxi_dispatch *d, unsigned slot, uint64_t lease);

/* Events from the transport. generation: of the worker that it is about; an old one is ignored (late counted). */
void oxi_dispatch_ready(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now);
void oxi_dispatch_init_failed(struct oxi_dispatch *d, unsigned slot, uint32_t generation, int status, ox_time now);
/* The start that ops->spawn() has promised was refused: tried again with backoff. */
void oxi_dispatch_refused(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now);
/* A remote worker is there, and ready, in a remote slot that has none. Returns: its generation. */
uint32_t oxi_dispatch_join(struct oxi_dispatch *d, unsigned slot, ox_time now);
/* A remote worker takes no more jobs: it will be lost when its own have ended. */
void oxi_dispatch_leave(struct oxi_dispatch *d, unsigned slot, uint32_t generation);
/* A job that was asked back (OXI_TAKEN_ASKED) has come back. False: there is no such lease (late, counted). */
bool oxi_dispatch_returned(struct oxi_dispatch *d, unsigned slot, uint64_t lease, ox_time now);
/* A result for a lease: finds the live job, or NULL (late, counted). The caller stores the value, then calls done. */
struct oxi_djob *oxi_dispatch_find(struct oxi_dispatch *d, unsigned slot, uint64_t lease);
/* The same without counting, to look at: NULL: none. */
const struct oxi_djob *oxi_dispatch_look(struct oxi_dispatch *d, unsigned slot, uint64_t lease);
void oxi_dispatch_done(struct oxi_dispatch *d, struct oxi_djob *job, int status, ox_time run_time, ox_time now);
/* The worker has not begun a dated job, for it was too late: ends so, or is queued again if its deadline has been moved. */
void oxi_dispatch_late(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now);
/* Before a value is stored: the job's function has returned a failure. True: it will be run again, forget the result. */
bool oxi_dispatch_failed(struct oxi_dispatch *d, struct oxi_djob *job, ox_time run_time, ox_time now);
/* The death that is told next is nobody's fault: if the worker was starting, it has not failed to. */
void oxi_dispatch_excuse(struct oxi_dispatch *d, unsigned slot, uint32_t generation);
/*
 * The worker in a slot has died, and all that it had sent was handed in before. culprit: the lease it was
 * running, as its slot said; 0: none. The culprit's job ends with OXI_END_CRASH and status, or is retried; so
 * is not one that ran when its worker was killed for another. All other leases go back to the head of the
 * queue, in order, and it costs them nothing.
 */
void oxi_dispatch_lost(struct oxi_dispatch *d, unsigned slot, uint32_t generation, uint64_t culprit, int status, ox_time now);
/* The worker must go: the job that it runs ends with OXI_END_LIMIT and status, unless its result comes first. */
void oxi_dispatch_condemn(struct oxi_dispatch *d, unsigned slot, uint32_t generation, int status, ox_time now);
/* The worker gets no more jobs, and is replaced. */
void oxi_dispatch_retire(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now);
/* The same, and it will begin none of the jobs that it has. */
void oxi_dispatch_spoiled(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now);
bool oxi_dispatch_owes(const struct oxi_dispatch *d, unsigned slot);    /* has jobs to run, or runs one */
/*
 * How many leases have been given to a slot; and whether none of the first so many runs any more, nor will. (Marks, for what jobs
 * see while they run.)
 */
uint64_t oxi_dispatch_mark(const struct oxi_dispatch *d, unsigned slot);
bool oxi_dispatch_past(struct oxi_dispatch *d, unsigned slot, uint64_t mark);
void oxi_dispatch_tick(struct oxi_dispatch *d, ox_time now);
/*
 * No new workers, no sends; workers are told to end. What has not begun ends now (OXI_END_LIMIT, OX_ECLOSED),
 * what runs by its result or by the end of its worker.
 */
void oxi_dispatch_close(struct oxi_dispatch *d, ox_time now);
void oxi_dispatch_get_counts(const struct oxi_dispatch *d, struct oxi_dispatch_counts *ret);

#endif
