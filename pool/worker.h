/* SPDX-License-Identifier: MIT */
/*
 * The inside of a worker process. One thread; no loop. Files: worker_main.c (from the fork to the first job),
 * worker_limits.c (CPUs and limits), worker_sandbox.c (what a job may ask of the system), worker_loop.c (jobs in, results
 * out), worker_channel.c (what else is said), worker_state.c (what a job changed is put back), worker_actor.c (objects that stay), worker_reply.c (one result),
 * worker_bell.c (both by shared memory), worker_chunks.c (payloads in pieces), worker_shared.c (data that all workers see), worker_report.c (what a job says meanwhile),
 * worker_ask.c (what it asks for and waits), worker_random.c, worker_crash.c (last words), worker_chaos.c (faults on purpose).
 * worker_snapshot.c is another process, forked from main for one function; it replies and crashes as a worker does.
 */
#ifndef OXBOW_POOL_WORKER_H
#define OXBOW_POOL_WORKER_H

#include <signal.h>

#include "include/private/list.h"
#include "pool/heritage.h"

struct oxi_mail {
	struct oxi_list link;
	struct oxi_header header;
	uint8_t *body;                  /* 16-byte aligned; behind this, or in an inbox */
};

struct oxi_worker {
	const struct oxi_heritage *heritage;
	const struct oxi_pool_page *page;
	struct oxi_slot *slot;
	struct oxi_channel *channel;    /* NULL: not open yet */
	/* the short way: worker_bell.c */
	ino_t ring_ino;                 /* of the parent's bell */
	uint32_t taken, by_channel;     /* JOBS messages worked off: of inboxes, of the channel */
	bool spoke;                     /* the last message through the channel was no RESULTS: they go the same way */
	bool alone;                     /* a replay or a snapshot: there is no pool to talk to */
	const uint8_t *original;        /* 1 here, 0 in any process forked from here */
	/* messages received and not yet worked on: struct oxi_mail */
	struct oxi_list mail;
	struct oxi_list objects;        /* of actors: worker_actor.c */
	/* the outbox being filled */
	struct oxi_outbox *outbox;
	uint32_t seq, room;             /* its number; records it has room for */
	int64_t sent_at;                /* when the last message left, monotonic ns */
	uint32_t left;                  /* jobs of the batch that are not done, with the one that runs */
	/* lines for the log */
	uint64_t logged, log_lost;      /* sent; not sent, since one was */
	int64_t log_at;                 /* the time that the lines sent so far take at the rate that is allowed */
	/* the process's state, as jobs may have changed it since it was looked at */
	int64_t checked_at;
	uint32_t unchecked;             /* jobs since then */
	uint16_t suspect;               /* the kind of the last of them */
	bool mixed;                     /* not all of them were of that kind */
	bool fpu_changed;
	unsigned put_back, lost;        /* enum ox_state: what the last check found */
	bool spoiled;                   /* something could not be put back: no job begins here any more */
	uint64_t dice;                  /* times that chaos was asked */
};

/* Exit codes of a worker that ends itself. */
enum { OXI_EXIT_OK = 0, OXI_EXIT_INIT = 69, OXI_EXIT_CLOSED = 70, OXI_EXIT_PARENT = 71 };

_Noreturn void oxi_worker_main(struct oxi_heritage *h);

void oxi_worker_reset_signals(void);    /* default actions, none blocked */
const uint8_t *oxi_worker_original(void);       /* for struct oxi_worker */

/* 0; -errno. The first before there are threads, the second before the first job. */
int oxi_worker_take_place(const struct oxi_worker *w);
int oxi_worker_limit(const struct oxi_worker *w);

/* Waits for the parent to connect. */
void oxi_worker_open_channel(struct oxi_worker *w);
struct oxi_mail *oxi_mail_new(size_t len);              /* with room for a body. NULL: no memory */
/* Receives one message and queues it; false if timeout_ms passed. Ends the process when the parent's end is gone. */
bool oxi_worker_receive(struct oxi_worker *w, int timeout_ms);
void oxi_worker_send(struct oxi_worker *w, struct oxi_header *h, const void *body);
void oxi_worker_know_ring(struct oxi_worker *w);
/* The next JOBS message, where it lies; when it is worked off, done. False: there is none, or one from the channel is first. */
bool oxi_worker_inbox(const struct oxi_worker *w, struct oxi_mail *ret);
void oxi_worker_inbox_done(struct oxi_worker *w);
/* Until there is something in an inbox or the mail, as far as is known; false if timeout_ms passed (-1: for ever). */
bool oxi_worker_sleep(struct oxi_worker *w, int timeout_ms);
bool oxi_worker_summoned(const struct oxi_worker *w);   /* the channel is to be opened */
bool oxi_worker_is_drained(const struct oxi_worker *w); /* nothing comes any more, and all is worked off but what is here */
void oxi_worker_ring(const struct oxi_worker *w);       /* the parent's bell */
bool oxi_worker_leave_results(struct oxi_worker *w);    /* the outbox is complete. False: it has to go through the channel */
bool oxi_worker_intact(const struct oxi_worker *w);     /* the job has closed nothing that the result needs */
/* Works until the parent says that it is enough. */
void oxi_worker_loop(struct oxi_worker *w);
/* Waits for the next message of these types (1u << type, or-ed), the caller's to free() then; what else comes is queued. */
struct oxi_mail *oxi_worker_await(struct oxi_worker *w, unsigned types);

/* Gets the input of a job that comes in chunks, read-only. 0; OX_ENOMEM, OX_ETOOBIG, OX_ECANCELED: nobody wants it any more. */
int oxi_worker_fetch(struct oxi_worker *w, const struct oxi_record *job, const void **ret_in);
void oxi_worker_discard(const void *in, size_t len);
/* Sends a result in chunks, and returns when the parent has it. 0; why it does not want it. */
int oxi_worker_deliver(struct oxi_worker *w, uint64_t lease, const uint8_t *data, size_t len);

/* Sends what the outbox has, and readies one that has room for a small payload. */
void oxi_worker_turn_page(struct oxi_worker *w);
/* Publishes a record: at once, or when the batch is done. Its payload, if it is inline, was put behind what there is. */
uint8_t *oxi_worker_page(struct oxi_worker *w);                 /* there: OXI_INLINE bytes */
void oxi_worker_publish(struct oxi_worker *w, struct oxi_record *r);
/* Runs a job in the middle of another one, which has stepped aside. Its status; what it replied is left in outer->answer. */
int oxi_worker_run(struct oxi_mail *m, ox_reply *outer, ox_bytes *ret);
int64_t oxi_worker_now(void);
void oxi_worker_tell_lost(ox_reply *out);       /* how many lines were not sent */

/* A message about one job, with a payload or with room in the arena named by r. */
void oxi_worker_tell(struct oxi_worker *w, enum oxi_message type, struct oxi_record *r, const void *payload);
/* Waits for the message after, which is ANSWER or RUN. The caller's. */
struct oxi_mail *oxi_worker_ask(struct oxi_worker *w, enum oxi_message type, struct oxi_record *r, const void *payload);
/* Fills in where a payload is: with the message, or copied into room of the arena. 0; OX_ETOOBIG, OX_ENOMEM. */
int oxi_worker_place(ox_reply *out, struct oxi_record *r, const void *data, size_t len);

/* The reply being built leaves the outbox. 0; OX_ENOMEM; OX_EFORKED: this is a child of the job's. */
int oxi_reply_step_aside(ox_reply *out);
void oxi_reply_forget_answer(ox_reply *out);
/* A copy of what is not the reply, in room of the arena that is asked of the parent. 0; OX_ENOMEM: it has none. */
int oxi_reply_copy(ox_reply *out, const void *data, size_t len, uint64_t *ret_place);

/* The process as it is now is what every job shall find. 0; OX_ENOMEM. */
int oxi_state_begin(const struct oxi_worker *w);
/* Notes that a job ended at that time. True: it is time for a check. */
bool oxi_state_after_job(struct oxi_worker *w, unsigned index, int64_t at);
/* How many threads and descriptors there are; what has been added since is the worker's own. */
struct oxi_census {
	unsigned threads;
	long files;
};
struct oxi_census oxi_state_count(void);
void oxi_state_add_own(const struct oxi_census *before);
/* Puts back what jobs have changed. True: there is something to tell the parent, after the results. */
bool oxi_state_check(struct oxi_worker *w);
void oxi_state_tell(struct oxi_worker *w);

/* From here on, system calls that compute jobs have no need for end the worker. 0; -errno. */
int oxi_sandbox_enter(void);
/* In the handler of SIGSYS: the call was one that the C library may make; it has been answered by an error, go on. */
bool oxi_sandbox_answers(const siginfo_t *info, void *context);

/* Those whose deaths tell their story. */
#define OXI_CRASH_SIGNALS SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS

/* Runs what an actor's constructor, destructor or method is; gives its status. */
int oxi_worker_act(struct oxi_worker *w, const struct oxi_record *job, const void *in, ox_reply *out);
void oxi_worker_end_objects(struct oxi_worker *w);

/* Has the death by a signal leave its story in the slot. The first once in the spawner, before it forks. */
void oxi_worker_prepare_crashes(void);
void oxi_worker_watch_crashes(struct oxi_slot *slot);

/* Where chaos may strike: does not return, or late. */
void oxi_worker_chaos(struct oxi_worker *w, enum oxi_chaos_what what);
bool oxi_worker_chaos_begin(struct oxi_worker *w);      /* true: the job shall not end */

#define OXI_REPLY_MAGIC 0x7265706c79000001ull

struct ox_reply {
	uint64_t magic;
	struct oxi_worker *worker;
	uint64_t lease;
	uint8_t *data;
	size_t len, cap;                /* bytes of result; bytes at data */
	size_t reached;                 /* in the arena: bytes at data that are prepared for writing, whole extents */
	size_t max;                     /* bytes it may get */
	int error;                      /* the first failure: it becomes the job's status */
	enum { OXI_IN_OUTBOX, OXI_IN_ARENA, OXI_IN_PRIVATE } where;     /* data is; private: mapped, for chunks */
	uint64_t shared;                /* place of the directory when the job began; 0: none */
	uint8_t *lent;                  /* the room in the overflow that is writable now, data or not yet; NULL: none */
	size_t lent_len;
	uint8_t *grant;                 /* room given with the job, not used yet; NULL: none */
	size_t grant_cap;
	/* the job that it belongs to */
	struct ox_reply *outer;         /* of the job that runs this one on the spot; NULL: none */
	unsigned depth;                 /* how many of these there are */
	uint64_t number;                /* of the job, for its random numbers */
	int64_t since, ended;           /* when it began, and returned */
	const struct oxi_job_entry *entry;
	uint8_t *aside;                 /* where a small reply is built when the outbox is needed meanwhile; NULL: not yet */
	uint64_t random[4];             /* the generator; all 0: not seeded */
	size_t untaken, untaken_bytes;  /* parts, as far as is known here */
	uint64_t tickets;               /* given out */
	unsigned open;                  /* of these not awaited */
	struct oxi_mail *answer;        /* whose bytes are borrowed; NULL: none */
	int64_t deadline;               /* monotonic ns; until it begins, its submitter's alone */
	int64_t timeout;                /* 0: none */
	const struct oxi_mail *mail;    /* that it came in */
	uint32_t after, afters;         /* there: the first AFTER record of it, and how many they are */
};

/*
 * The function has returned: brings the bytes to where the parent finds them. A room that is given away is read-only
 * here from now on. What cannot be brought there is the reply's error, and it is empty then.
 */
void oxi_reply_end(ox_reply *out);

#endif
