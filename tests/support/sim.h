/* SPDX-License-Identifier: MIT */
/*
 * A simulated transport under the real dispatcher: workers are records, time is a number that jumps to the next event, and
 * faults are scripted or drawn from a seed. What a real worker does in shared memory (claims by compare-and-swap, the
 * slot's running lease, the outbox of finished results) is done here in the same order, with gaps in between where a
 * kill may hit.
 */
#ifndef OXBOW_TESTS_SUPPORT_SIM_H
#define OXBOW_TESTS_SUPPORT_SIM_H

#include "pool/dispatch.h"
#include "pool/heritage.h"

#define SIM_KEYS 8u

struct sim_job {
	struct oxi_djob d;
	ox_time run;                    /* how long it runs */
	int status;                     /* what it returns */
	bool crashes;                   /* its worker dies in the middle */
	ox_time heeds;                  /* told to end, it does so after that long; 0: it does not */
	unsigned key;                   /* 1 to SIM_KEYS, and with it goes key_limit; 0: none */
	unsigned key_limit;
	ox_time deadline;               /* 0: none; may be moved, not made */
	struct oxi_pin *pin;            /* NULL: none */
	uint64_t affinity;              /* 0: none */
	struct oxi_dextra extra;
	bool too_late;                  /* its worker has not begun it */
	unsigned fails;                 /* so many attempts return -1 first */
	unsigned begun;                 /* how often it was run */
	unsigned running;               /* where: at most one worker at a time */
	unsigned killed;                /* workers, while they ran it */
	unsigned ends;
	enum oxi_end how;
	int end_status;
	ox_time begun_at, ended_at;
	unsigned slot;                  /* that began it last */
};

/* Chances in a thousand, each drawn where it applies. */
struct sim_faults {
	unsigned spawn_refused, init_fails, dies_starting;
	unsigned dies_unclaimed;        /* a message has arrived, nothing is claimed */
	unsigned dies_claimed;          /* claimed, not yet in the slot */
	unsigned dies_running, dies_finished;   /* finished: the result is in the outbox only */
	unsigned send_refused;
	unsigned duplicate;             /* a result comes twice */
	unsigned stale;                 /* a result comes again after its worker's death */
	unsigned stops;                 /* stands still for stop_time */
	ox_time stop_time;
};

enum sim_state { SIM_NONE, SIM_STARTING, SIM_UP, SIM_DEAD };

struct sim_worker {
	enum sim_state state;
	uint32_t generation;
	bool stands;                    /* as after SIGSTOP */
	bool ending;                    /* told to end */
	bool orphaned;                  /* died with the spawner */
	uint64_t claims[OXI_CLAIMS];    /* lease << 2 | enum oxi_claim */
	uint64_t inbox[4 * OXI_CLAIMS]; /* ring of leases that were sent */
	unsigned inbox_head, inbox_tail;
	struct sim_job *jobs[OXI_CLAIMS];       /* by lease, as the messages brought them */
	uint64_t claimed, running, culprit, told;
	ox_time since;
	uint64_t outbox[4 * OXI_CLAIMS];        /* ring of leases: finished, not received yet */
	unsigned outbox_head, outbox_tail;
	unsigned messages, kills;       /* of this generation */
};

struct sim_event;

struct sim {
	struct oxi_dispatch *d;
	ox_time now, timer;
	uint64_t seed;
	struct sim_faults faults;
	ox_time start_time;             /* from spawn to ready */
	ox_time latency;                /* of a message */
	ox_time gap;                    /* between claim and begin, at most */
	bool no_spawner;                /* nor will there be one: no worker is started any more */
	unsigned crash_limit;           /* of every job; 0: none */
	unsigned workers;
	struct sim_worker *w;
	struct sim_event *events;       /* a heap */
	size_t event_count, event_cap;
	uint64_t sequence;
	unsigned running[SIM_KEYS + 1]; /* jobs of a key, at this moment */
	unsigned submitted, ended, spawns, kills, sends, taken_back, told;
	void (*on_end)(struct sim *s, struct sim_job *job);     /* may submit and cancel; NULL: nothing */
	void (*on_pin_lost)(struct sim *s, struct oxi_pin *pin);        /* NULL: its jobs go on in the next worker */
	void *arg;
};

void sim_open(struct sim *s, const struct oxi_dispatch_options *o, uint64_t seed);
void sim_start(struct sim *s);
void sim_close(struct sim *s);                  /* all jobs have ended; checks the counts */

void sim_submit(struct sim *s, struct sim_job *job);
void sim_cancel(struct sim *s, struct sim_job *job, bool abandon);

/* Flush, then the next event or tick. False: there is none. */
bool sim_step(struct sim *s);
/* Steps while there are events before t; then it is t. */
void sim_run_until(struct sim *s, ox_time t);
/* Steps until all submitted jobs have ended. False: limit of virtual time reached first. */
bool sim_drain(struct sim *s, ox_time limit);

void sim_die(struct sim *s, unsigned slot);     /* on its own, now */
void sim_lose_spawner(struct sim *s);           /* all workers die with it */
void sim_stand(struct sim *s, unsigned slot);   /* SIGSTOP */
void sim_go_on(struct sim *s, unsigned slot);   /* SIGCONT */

/* submitted = ok + failed + cancelled + queued + leased, and no job ended twice. */
void sim_check(const struct sim *s);

#endif
