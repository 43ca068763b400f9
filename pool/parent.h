/* SPDX-License-Identifier: MIT */
/*
 * The inside of a pool in the main process. Files, each an idea:
 *
 *	parent_spawner.c    the client of the spawner: the first fork, registering a pool, promoting the standby
 *	cpus.c              how many workers by default
 *	parent_memory.c     payloads in the arena; blobs
 *	parent_chunks.c     payloads that go another way, in pieces
 *	parent_shared.c     data that all workers see
 *	parent_place.c      how many jobs may be in the pool
 *	parent_submit.c     submit and call
 *	parent_job.c        a job is a future: its memory, its end, what is asked of it
 *	parent_after.c      jobs that wait for others, and get their results
 *	parent_same.c       one job's work for all who ask for it
 *	parent_seat.c       a worker as the parent sees it: birth, death, what it wrote
 *	parent_checkup.c    memory and standstill of workers, looked at by the clock
 *	parent_measure.c    times of jobs; parent_prometheus.c, parent_trace.c: for others to look at
 *	parent_quarantine.c which inputs have crashed workers, and how often
 *	parent_story.c      a death and how it is told; parent_symbols.c: names of functions
 *	parent_residue.c    what jobs left in their workers, told
 *	parent_transport.c  the dispatcher's wishes turned into messages, and messages into its events
 *	parent_remote.c     hosts of remote workers: who listens, who is there
 *	parent_lane.c       a slot of such a host, as the dispatcher sees it
 *	parent_open.c       from options to workers, and taking apart
 *	parent_pool.c       the turn, and closing
 *	parent_stats.c      figures, and what the log hears of the pool
 *	parent_map.c        a job over a sequence
 *	parent_actor.c      objects in workers: their lives, calls, restarts
 *	parent_output.c     what workers write: captured, tagged
 *	parent_inside.c     what a job does besides running (parent_inside.h): its parts, callbacks, and jobs of its own
 *	parent_snapshot.c   a child forked from the program itself; needs no pool
 */
#ifndef OXBOW_POOL_PARENT_H
#define OXBOW_POOL_PARENT_H

#include <oxbow/pool.h>
#include <oxbow/run.h>

#include <sys/resource.h>

#include "loop/loop.h"
#include "pool/dispatch.h"
#include "pool/heritage.h"
#include "pool/packet.h"
#include "pool/table.h"

/* ---- the spawner (any thread) ---- */

int oxi_spawner_prepare(void);
/*
 * Makes a pool known to the spawner: its arena, and a socket of its own. 0; OX_ENOJOB, OX_ESTATE (none), OX_EINIT (none
 * any more), -EEXIST, -errno.
 */
int oxi_spawner_register(const struct oxi_arena *a, int *ret_socket);


/* ---- jobs ---- */

#define OXI_JOB_MAGIC 0x6a6f620000000001ull

#define OXI_HOST 72u                    /* bytes of a host's name, with its end */

/* What few jobs have, made when it is needed: what a worker's death, or a captured output, adds to one, and its inside. */
struct oxi_story {
	ox_crash crash;
	bool crashed;
	char *output;                   /* of this struct */
	size_t output_len;
	bool output_truncated;
	struct oxi_said said;           /* last, of an attempt whose worker died */
	struct oxi_inside *inside;      /* of this struct; NULL: nothing */
	char *saved;                    /* of this struct: crash.saved */
	char system_call[32];
	void *frames[OXI_FRAMES];
	char host[OXI_HOST];            /* where that was; "": here */
};

/* What few jobs have besides. Made for those alone, freed when the job has ended. */
struct oxi_job_extra {
	struct oxi_dextra dispatch;     /* where the job's dispatch.extra points to */
	const struct oxi_scope *scope;  /* of a call with a deadline: its caller's */
	struct oxi_after *after;        /* NULL: it waits for none */
	struct oxi_same *same;          /* NULL: its future is its submitter's own */
};

/* A job and its result: ox_result is this struct too. */
struct ox_result {
	ox_future future;
	struct oxi_djob dispatch;
	ox_pool *pool;
	union {
		const uint8_t *input;   /* until it has ended: in room; in the arena (then this job is one of its users); else of its own */
		ox_time run_time;       /* then; 0: it was not told */
	};
	size_t input_len;               /* until it has ended */
	struct oxi_story *story;        /* NULL: none */
	uint16_t cap;                   /* bytes at room; the result goes there too if it fits */
	bool limit;                     /* the status of its result is the library's, not the function's */
	uint32_t number;                /* in order of submission, the lower part; the upper one is in future.spare */
	_Alignas(8) uint8_t room[];
};

#define OXI_ROOM_SMALL  16u
#define OXI_ROOM_MEDIUM 72u

/* ---- workers ---- */

enum oxi_seat_state {
	OXI_SEAT_EMPTY,
	OXI_SEAT_FORKING,               /* asked of the spawner */
	OXI_SEAT_STARTING,              /* has said HELLO, is initialising */
	OXI_SEAT_READY,
};

struct oxi_grant {
	uint64_t lease;                 /* 0: free entry */
	size_t place, cap;
};
#define OXI_GRANTS 8u                   /* a worker holds at most */

/* Bytes that a worker wrote since the last job ended, or, tagged, the line that has not ended. */
struct oxi_output {
	int fd;                         /* of the pipe; -1 */
	char *data;                     /* made when the first byte comes */
	size_t len;
	bool truncated;
};

struct oxi_seat {
	enum oxi_seat_state state;
	unsigned slot;
	uint32_t generation;
	bool doomed;                    /* to be killed as soon as its pidfd is there */
	pid_t pid;                      /* 0: not known yet */
	int pidfd;                      /* -1 */
	bool expected;                  /* its channel listens, and main connects */
	struct oxi_peer peer;           /* once it has said HELLO there */
	uint8_t secret[OXI_SECRET];
	char channel[OXI_CHANNEL_NAME];
	struct oxi_slot *shared;
	bool orphaned;                  /* the spawner is gone, with which it dies: no fault of its job */
	ox_time stopped_at;             /* when it was first seen stopped by a signal; 0: it moves */
	size_t memory_limit;            /* that it went over; 0 */
	uint32_t received;              /* RESULTS messages handled */
	uint32_t harvested;             /* results of the next one that were taken from the outbox beforehand */
	int bell;                       /* -1: none yet */
	uint32_t posted, by_channel;    /* JOBS messages put in inboxes, and sent through the channel */
	struct oxi_grant grant[OXI_GRANTS];
	struct oxi_transfer *transfer;  /* of a payload in chunks; NULL: there was none yet */
	struct oxi_output output, errors;       /* errors: where they are tagged, a pipe of their own */
	const char *writer;             /* tagged: the job that it was sent last */
	struct oxi_inside *asking;      /* of the job that waits for an answer; NULL: none */
};

/* ---- the pool ---- */

#define OXI_POOL_MAGIC 0x706f6f6c00000001ull

struct oxi_kind {
	const ox_job *job;              /* as the user names it */
	const ox_method *method;        /* the same of a method, of an actor's type */
	const ox_actor_type *actor;
	ox_job copy;                    /* what it said when the pool was opened; fn: of its role's type */
	enum oxi_role role;
	uint32_t type;                  /* of an actor: index of the constructor */
	size_t expect;                  /* room to send along for a result; 0: they are small */
	unsigned told;                  /* enum ox_state: what its jobs left and was said */
};

/* A callback as the pool knows it. */
struct oxi_callee {
	ox_callback copy;
	unsigned active;                /* running */
	struct oxi_list waiting;        /* struct oxi_call, for active to fall below the limit */
};

struct ox_pool {
	uint64_t magic;
	/* constants */
	ox_pool_options options;        /* defaults filled in; .jobs is not used */
	struct oxi_kind *kinds;
	unsigned kind_count, job_count; /* jobs come first, then actors */
	/* what jobs, results and blobs hold on to: lives until the last of them is freed */
	struct oxi_arena arena;
	struct oxi_zone **zones;        /* inputs, then one a worker, then the overflow */
	size_t users;                   /* jobs, results and blobs, and 1 until closed */
	struct ox_result *free_jobs[2]; /* by OXI_ROOM_ class, chained by pool */
	/* what runs them */
	struct oxi_dispatch *dispatch;
	struct oxi_channel *channel;
	struct oxi_seat *seats;
	unsigned seat_count;            /* workers, and as many spares if workers are recycled */
	int spawner;                    /* the pool's socket; -1: no spawner */
	struct oxi_remote *remote;      /* who listens for remote workers; NULL: nobody */
	struct oxi_story *obituary;             /* while the dispatcher is told of a death */
	struct oxi_callee *callees;
	unsigned callee_count;
	struct oxi_list ended_calls;    /* struct oxi_call, whose coroutines have ended */
	uint64_t numbers;               /* given to jobs */
	unsigned awaiting;              /* seats whose jobs wait for jobs of theirs */
	bool lines_lost;                /* of tagged output, and told */
	bool blameless;                 /* that one was not of the job's making */
	struct oxi_quarantine *quarantine;      /* NULL: nothing has crashed that is counted */
	struct oxi_measured *measured;          /* one a kind; NULL: not asked for */
	struct oxi_trace *trace;                /* NULL: none */
	/* events: all descriptors of the pool are in one epoll instance */
	struct oxi_chaos chaos;         /* as the pool's page has it */
	uint64_t dice;                  /* times that it was asked here */
	int epoll, timer, bell;
	bool rung;                      /* the bell, and not all has been taken */
	unsigned bell_next;             /* the seat to be looked at first */
	ox_time timer_at, timer_set;    /* wanted, and what the kernel has */
	ox_time checkup_at;             /* the next look at the workers */
	ox_time calm_at;                /* and at memory that may go back to the system; OX_NEVER: there is none */
	uint64_t oom_kills;             /* of the kernel's, when last looked at */
	bool degraded;                  /* was told that workers could not be forked */
	ox_loop *loop;                  /* that watches; NULL: none */
	struct oxi_watch *watch;
	struct oxi_hook flush, at_end;
	bool held;                      /* the loop knows that something real is pending */
	/* admission */
	struct oxi_list submitters;     /* struct submitter, FIFO */
	size_t pending, pending_bytes;
	uint64_t submitted, done, failed, cancelled, rejected, shared, spoiled;
	/* jobs that wait for others */
	struct oxi_list waiting, ripe;  /* by dispatch.link; ripe: no longer, but the dispatcher has not got them yet */
	size_t waiting_count;           /* in both */
	struct oxi_table same;          /* struct oxi_same, while another submitter may join */
	unsigned draining;
	struct oxi_list drainers;       /* struct oxi_wait */
	/* data that all workers see */
	struct oxi_list shared_data;    /* struct ox_shared */
	struct oxi_list retired;        /* pieces that jobs may still look at, the oldest first */
	struct oxi_piece *directory;    /* NULL: none yet */
	uint64_t shared_ids;
	/* closing */
	bool closing, killed, shut;     /* killed: workers that had not ended; shut: the spawner has been told */
	ox_time kill_at;                /* when to kill what has not ended */
	struct oxi_list closer;         /* struct oxi_wait, at most one */
	/* actors that are not closed yet */
	struct oxi_list actors;
	uint64_t last_actor;            /* its number */
};

bool oxi_pool_chaos(ox_pool *p, enum oxi_chaos_what what);
ox_time oxi_pool_now(void);             /* real time, also under the test clock: workers do not live in virtual time */
int oxi_pool_attach(ox_pool *p);        /* to the running loop. 0; OX_ESTATE: belongs to another; OX_ENOMEM */
void oxi_pool_turn(ox_pool *p);         /* handles all events */
void oxi_pool_settle(ox_pool *p);       /* after something was put to the dispatcher */
void oxi_pool_unref(ox_pool *p);
void oxi_pool_init_hooks(ox_pool *p);
void oxi_pool_set_timer(ox_pool *p);    /* for what is due next */
void oxi_pool_dismantle(ox_pool *p);    /* frees all that is not needed by results and blobs; also what was half built */
const char *oxi_pool_name(const ox_pool *p);            /* for the log */
void oxi_pool_degraded(ox_pool *p, int status);         /* a worker was refused: told to the log once */
void oxi_pool_restored(ox_pool *p);                     /* one is ready: no more refused ones? Told too */
int oxi_pool_find_spawner(ox_pool *p);  /* 0; -errno, OX_ESTATE */
enum oxi_event { OXI_EVENT_CHANNEL, OXI_EVENT_BELL, OXI_EVENT_SPAWNER, OXI_EVENT_TIMER, OXI_EVENT_OUTPUT, OXI_EVENT_DEATH };
int oxi_pool_listen(ox_pool *p, int fd, enum oxi_event what, unsigned slot);
void oxi_pool_unlisten(const ox_pool *p, int *fd);      /* closes it; a fork of the program may have a copy, so it is taken out first */

const struct oxi_kind *oxi_pool_find_kind(const ox_pool *p, const ox_job *job);         /* NULL: it has none such */

/* ---- bells: the short way to and from a worker (parent_bell.c) ---- */

int oxi_bell_open(ox_pool *p);          /* 0; -errno */
void oxi_bell_close(ox_pool *p);
int oxi_bell_ready(struct oxi_seat *s);         /* makes the seat's, once. 0; -errno */
void oxi_bell_reset(struct oxi_seat *s);        /* before there is a new worker */
/* Room for the body of a JOBS message; post, and it is there. NULL: this one has to go through the channel. */
uint8_t *oxi_bell_inbox(struct oxi_seat *s, size_t len);
void oxi_bell_post(struct oxi_seat *s, uint32_t count, size_t len);
void oxi_bell_summon(struct oxi_seat *s);       /* the worker shall open its channel */
void oxi_bell_drain(struct oxi_seat *s);        /* it shall end when it has worked off what it has */
/* The pool's bell was rung: takes what has been left, until that were so many records; p->rung: not all. */
void oxi_bell_answer(ox_pool *p, uint32_t budget);
/* Takes what one worker has left, in order. The number of records. */
uint32_t oxi_bell_take(ox_pool *p, struct oxi_seat *s);

/* ---- inputs that crash workers ---- */

int oxi_quarantine_crashed(void *t, struct oxi_djob *job);      /* for the dispatcher: counts; OX_EQUARANTINED: enough */
bool oxi_quarantine_holds(const ox_pool *p, const struct oxi_kind *kind, const void *in, size_t len);
void oxi_quarantine_free(struct oxi_quarantine *q);

/* ---- memory ---- */

bool oxi_memory_inside(const ox_pool *p, const void *data);     /* of the arena */
/* A block of a zone, or else of the overflow. Its place; 0: both are full. */
size_t oxi_memory_get(ox_pool *p, unsigned zone, size_t len, size_t *ret_cap);
/* A block of an input's size, of one user, to be written here; NULL: full, or the system has no memory for it. */
uint8_t *oxi_memory_new(ox_pool *p, size_t len);
/* A copy of an input in the arena; NULL as oxi_memory_new(). */
uint8_t *oxi_memory_copy(ox_pool *p, const void *data, size_t len);
/* A copy there if it is large, or else of oxi_alloc(). NULL: neither is to be had. */
const uint8_t *oxi_memory_copy_or_own(ox_pool *p, const void *data, size_t len);
/* One more user of the live block that holds [data, data + len); false: none does. */
bool oxi_memory_share(ox_pool *p, const void *data, size_t len);
void oxi_memory_put(ox_pool *p, const void *data);
void oxi_memory_calm(ox_pool *p, ox_time now);          /* gives back what has not been needed lately */

void oxi_shared_sweep(ox_pool *p);      /* frees what no job can see any more */
void oxi_shared_close(ox_pool *p);

/* ---- jobs, for the transport ---- */

/*
 * The result of a live job: bytes to copy, or memory that is given to the job (of the arena or of oxi_alloc()); output: what it has
 * written, NULL if that is in another's. Its status: r's, or OX_ENOMEM.
 */
int oxi_job_store(struct ox_result *job, const struct oxi_record *r, const void *data, bool given,
                  struct oxi_output *output);
struct ox_result *oxi_job_of(const ox_future *f);               /* NULL: it is none */
/* The story of a job, made if there is none; NULL: memory. */
struct oxi_story *oxi_job_story(struct ox_result *job);
/* A job of a job: counted, and not submitted yet. Released as a future. 0; OX_ENOMEM. */
int oxi_job_new_child(ox_pool *p, unsigned index, const void *in, size_t len, struct ox_result **ret);
uint64_t oxi_job_number(const struct ox_result *job);           /* for its random numbers */
void oxi_job_finish(struct ox_result *job, enum oxi_end how, int status);       /* the last step of its end */
void oxi_job_ended(void *t, struct oxi_djob *job, enum oxi_end how, int status);

/* When a dated job must not begin any more, as things stand. */
ox_time oxi_job_deadline(void *t, const struct oxi_djob *job);

/* ---- jobs, for their own files ---- */

static inline struct oxi_job_extra *oxi_job_extra(const struct oxi_djob *job)      /* NULL: none */
{
	return job->extra != NULL ? OXI_CONTAINER(job->extra, struct oxi_job_extra, dispatch) : NULL;
}

/* The job without its future, its input in place. 0; OX_ENOMEM. */
int oxi_job_new(ox_pool *p, const void *in, size_t len, struct ox_result **ret);
void oxi_job_enter_books(struct ox_result *j, unsigned index);  /* its records learn what is known of its kind */
int oxi_job_join(struct ox_result *j, ox_group *g);             /* its future begins: 0; OX_ENOMEM. NULL: in no group */
bool oxi_job_is(const ox_future *f, const ox_pool *p);          /* a job of this pool */
void oxi_job_cancel(struct ox_result *job);
void oxi_job_count(ox_pool *p, int status, ox_origin origin);   /* a future with this end */

/* What a call to submit asks for. */
struct oxi_request {
	ox_group *group;                /* NULL: none */
	ox_pool *pool;
	const ox_job *job;
	const void *in;
	size_t len;
	const ox_submit_options *options;       /* NULL: all defaults */
	struct ox_actor *actor;         /* NULL: none; else there is a kind in place of a job */
	const struct oxi_kind *kind;
};

/* 0 with the future of a job that may have ended already; a code: none was made. The first one parks for a place. */
int oxi_job_submit_to_group(const struct oxi_request *q, bool wait, ox_future **ret);
int oxi_job_submit_call(const struct oxi_request *q, ox_future **ret);
int oxi_job_await(ox_future *f, ox_result **ret);       /* ret: NULL, or written if the status is 0 or more */
/* An actor's job in no group, for later: it enters when there is need, without waiting for a place. */
int oxi_job_make(const struct oxi_request *q, struct ox_result **ret);
void oxi_job_enter(struct ox_result *j);
void oxi_job_discard(struct ox_result *j);      /* one that did not enter; takes NULL */

/* ---- actors ---- */

unsigned oxi_actor_kinds(const ox_actor_type *const *types);    /* how many kinds they are; types may be NULL */
int oxi_actor_take_types(ox_pool *p);           /* into the kinds behind the jobs. 0; OX_EINVAL */
bool oxi_kind_makes_sense(struct oxi_kind *k);
int oxi_actor_status(const struct ox_actor *a); /* 0: it takes calls */
struct oxi_pin *oxi_actor_pin(struct ox_actor *a);
uint64_t oxi_actor_number(const struct oxi_djob *job);          /* of the one that a job is for; 0: none */
void oxi_actor_advance(struct oxi_pin *pin, struct ox_result *j);       /* its constructor or destructor has ended */
void oxi_actor_lost(void *t, struct oxi_pin *pin);
void oxi_actors_leave(ox_pool *p);              /* all workers are gone */

/* ---- admission ---- */

bool oxi_place_try(ox_pool *p, size_t len);     /* takes a place if there is one that nobody waits for */
int oxi_place_await(ox_pool *p, size_t len);    /* takes a place; parks until there is one. 0; OX_ECANCELED, OX_ECLOSED */
void oxi_place_take(ox_pool *p, size_t len);    /* whether there is one or not */
void oxi_place_shrink(ox_pool *p, size_t len);  /* so many bytes of it are not needed */
void oxi_place_leave(ox_pool *p, size_t len);
void oxi_pool_hold(ox_pool *p);                 /* tells the loop whether something real is pending */

/* ---- jobs that wait for others ---- */

/* Takes note of the futures. 0; OX_EINVAL: not a job's of this pool; OX_ENOMEM. */
int oxi_after_new(ox_pool *p, ox_future *const *fs, size_t count, bool any, struct oxi_after **ret);
void oxi_after_free(ox_pool *p, struct oxi_after *a);           /* takes NULL */
int oxi_after_verdict(const struct oxi_after *a);               /* negative: the job is not to begin */
/* The job waits from now on. False: there is nothing to wait for any more. */
bool oxi_after_wait(struct oxi_after *a, struct ox_result *job);
bool oxi_after_leave(struct oxi_after *a);                      /* to end it. False: it does not wait (any more) */
void oxi_after_settle(ox_pool *p);                              /* what is ripe goes to the dispatcher, or ends */
void oxi_after_close(ox_pool *p);                               /* all that wait end */
/* The records that take the results to the worker: how many, and their inline bytes; and them. */
uint32_t oxi_after_size(const ox_pool *p, const struct oxi_after *a, size_t *ret_bytes);
void oxi_after_put(const ox_pool *p, const struct oxi_after *a, uint64_t lease, struct oxi_body *b);
extern const struct oxi_future_ops oxi_host_result_ops;        /* of a future that stands for another pool's job, done before */
/* The same for a host, with all payloads inline. */
uint32_t oxi_after_size_inline(const struct oxi_after *a, size_t *ret_bytes);
void oxi_after_put_inline(const struct oxi_after *a, struct oxi_body *b);

/* ---- jobs whose work is shared ---- */

struct oxi_same *oxi_same_find(const ox_pool *p, unsigned kind, ox_bytes key);
/* A future in g for the work of a job that is about to be submitted, or is pending already. 0; OX_ENOMEM, OX_ESTATE. */
int oxi_same_new(struct ox_result *work, ox_bytes key, ox_group *g, ox_future **ret);
int oxi_same_join(struct oxi_same *s, ox_group *g, ox_future **ret);
void oxi_same_ended(struct oxi_same *s);                        /* the work is done: so are all its futures */
ox_time oxi_same_deadline(const struct oxi_same *s);            /* the last of them */
struct ox_result *oxi_same_work(const ox_future *f);            /* that its end came from; NULL: none, or it is no such future */
bool oxi_same_is(const ox_future *f, const ox_pool *p);
/* ---- snapshots: what is asked of any future ---- */

const struct oxi_story *oxi_snapshot_story(const ox_future *f);
ox_time oxi_snapshot_run_time(const ox_future *f);

/* ---- seats ---- */

extern const struct oxi_dispatch_ops oxi_transport_ops;

int oxi_seat_spawn(ox_pool *p, struct oxi_seat *s, uint32_t generation);
void oxi_seat_kill(struct oxi_seat *s);
void oxi_seat_look(ox_pool *p, struct oxi_seat *s);      /* what the worker says of itself in its slot */
void oxi_seat_forked(ox_pool *p, struct oxi_seat *s, int status, pid_t pid, int pidfd);
void oxi_seat_died(ox_pool *p, struct oxi_seat *s, int status, const struct rusage *usage);
bool oxi_seats_empty(const ox_pool *p);
/* The ends of pipes that a new worker is given. */
struct oxi_ends {
	int fd[OXI_PACKET_FDS];
	unsigned n;
};
int oxi_output_open(ox_pool *p, struct oxi_seat *s, struct oxi_ends *ret);      /* 0; -errno. n descriptors are the caller's */
void oxi_output_read(ox_pool *p, struct oxi_seat *s);           /* what has come */
void oxi_output_drain(ox_pool *p, struct oxi_seat *s);          /* the same, and a job has ended */
void oxi_output_forget(struct oxi_output *o);
void oxi_output_close(const ox_pool *p, struct oxi_seat *s);
void oxi_output_move(struct oxi_output *o, struct oxi_story *ret);      /* what there is, if any */

bool oxi_seat_stopped(const struct oxi_seat *s);        /* by a signal */
void oxi_checkup_plan(ox_pool *p);
void oxi_checkup(ox_pool *p, ox_time now);
uint64_t oxi_oom_kills(void);           /* processes of our control group that the kernel has killed for want of memory */

/* ---- remote workers (pool/remote.h) ---- */

int oxi_remote_open(ox_pool *p);        /* listens, if the options say so. 0; OX_EINVAL, -errno */
void oxi_remote_turn(ox_pool *p);       /* handles what has come, and what is due */
bool oxi_remote_settle(ox_pool *p);     /* after the dispatcher has sent. True: there is more to handle at once */
ox_time oxi_remote_next(const ox_pool *p);      /* when a turn is due; OX_NEVER */
void oxi_remote_kill(ox_pool *p);       /* forgets the hosts that have not left */
bool oxi_remote_empty(const ox_pool *p);
void oxi_remote_count(const ox_pool *p, ox_pool_stats *s);
void oxi_remote_close(ox_pool *p);

/* ---- stories ---- */

/* What is known of the death of a process that ran a job or not, in the form in which the job gets it. */
void oxi_story_write(const struct oxi_slot *slot, pid_t pid, int status, const struct rusage *usage, bool ran, struct oxi_story *ret);
/* The function that code lies in, of any loaded object: *ret_offset from its beginning. Owned: oxi_free(). NULL: not known. */
char *oxi_symbol_name(const void *code, size_t *ret_offset);
void oxi_residue_tell(ox_pool *p, struct oxi_seat *s, const struct oxi_record *r);
void oxi_inside_last_words(ox_pool *p, struct oxi_seat *s);     /* of a dead worker: what its jobs have said goes into their stories */

/* Room for a result of the job with this lease, before it runs, in its own zone alone; NULL: no more. */
const struct oxi_grant *oxi_grant_add(ox_pool *p, struct oxi_seat *s, uint64_t lease, size_t len);
/* More room for a job that runs and has filled the room at place (0: has none yet), which is kept until it has moved out. */
const struct oxi_grant *oxi_grant_more(ox_pool *p, struct oxi_seat *s, uint64_t lease, size_t place, size_t len);
const struct oxi_grant *oxi_grant_find(const struct oxi_seat *s, uint64_t lease);
void oxi_grant_drop(ox_pool *p, struct oxi_seat *s, uint64_t lease);            /* all of a lease; 0: all there are */
bool oxi_grant_take(struct oxi_seat *s, uint64_t lease, size_t place, size_t len);   /* becomes the caller's */

/* A TAKE or a CHUNK has come from a worker. */
void oxi_chunks_take(ox_pool *p, struct oxi_seat *s, const struct oxi_record *take);
void oxi_chunks_put(ox_pool *p, struct oxi_seat *s, const struct oxi_record *chunk, const void *bytes);
/* The whole result of a lease, len bytes, of oxi_alloc(), now the caller's; NULL: it is not there. */
uint8_t *oxi_chunks_result(struct oxi_seat *s, uint64_t lease, size_t len);
void oxi_chunks_forget(struct oxi_seat *s);     /* the worker is dead */
size_t oxi_pool_max_result(const ox_pool *p, unsigned kind);    /* bytes */

/* A RESULTS body from a worker, from record first on; or what its outboxes hold beyond what was received. */
void oxi_transport_results(ox_pool *p, struct oxi_seat *s, const void *body, size_t len, uint32_t count, uint32_t first);
/* The next RESULTS message of this worker, whole. */
void oxi_transport_received(ox_pool *p, struct oxi_seat *s, const void *body, size_t len, uint32_t count);
void oxi_transport_harvest(ox_pool *p, struct oxi_seat *s, bool dead);
/* A message about one job. payload: r->length bytes, unless r says that they are in the arena. 0; -errno. */
int oxi_transport_tell(ox_pool *p, struct oxi_seat *s, enum oxi_message type, const struct oxi_record *r, const void *payload);
/* Receives what is there, up to a budget. */
void oxi_transport_pump(ox_pool *p);
void oxi_transport_reports(ox_pool *p); /* from the spawner */

#endif
