/* SPDX-License-Identifier: MIT */
/*
 * What a forked process may rely on, and nothing else: the code and constants of the program, descriptors 0,
 * 1, 2 and the ones named in struct oxi_heritage, and the pool's shared arena, whose control pages are laid
 * out here.
 *
 *	struct oxi_pool_page     the pool's constants; written by the parent before the first fork, read-only in workers
 *	struct oxi_slot          one a worker, whole pages: written by that worker (and, where said, by the parent)
 *
 * There is no lock in shared memory: each field has one writer, or is changed by compare-and-swap. What lies
 * here was perhaps written by a process that ran wild: the parent checks it like bytes from a wire.
 */
#ifndef OXBOW_POOL_HERITAGE_H
#define OXBOW_POOL_HERITAGE_H

#include <stdatomic.h>
#include <sys/resource.h>

#include <oxbow/actor.h>
#include <oxbow/callback.h>
#include <oxbow/job.h>

#include "ipc/arena.h"
#include "ipc/channel.h"
#include "pool/chaos.h"

#define OXI_CLAIMS      1024u           /* leases a worker can hold, power of two */
#define OXI_INLINE      OX_KIB(4)       /* payloads up to this travel in the message */
#define OXI_OUTBOXES    4u
#define OXI_OUTBOX      OX_KIB(64)      /* results of one message */
#define OXI_INBOXES     4u
#define OXI_INBOX       OX_KIB(64)      /* of the jobs of one message; larger ones go through the channel */
#define OXI_BATCH       256u            /* jobs in one message, at most */
#define OXI_FRAMES      64u             /* of a crash's backtrace */
#define OXI_SECRET      16u             /* bytes */
#define OXI_DEPTH       64u             /* jobs that stand in one another, at most */
#define OXI_NOTE        104u            /* bytes of a note, with its end */
#define OXI_CALLS       64u             /* functions of the main loop that a pool's jobs can call */
#define OXI_LOG_LINE    800u            /* bytes */
#define OXI_TICKETS     1024u           /* jobs that a job has submitted and not awaited, at most */

/* An actor's type is a row of kinds: its constructor, its destructor, its methods. */
enum oxi_role { OXI_ROLE_JOB, OXI_ROLE_CONSTRUCT, OXI_ROLE_DESTRUCT, OXI_ROLE_METHOD };

typedef void oxi_code(void);            /* a function of any type */

/* What the pool's workers know of a job. */
struct oxi_job_entry {
	union {
		oxi_code *code;
		ox_job_fn *fn;
		ox_construct_fn *construct;
		ox_destruct_fn *destruct;       /* may be NULL */
		ox_method_fn *method;
	};
	uint64_t identity;              /* of the code, in the main process */
	enum oxi_role role;
	uint32_t type;                  /* of an actor: the index of its constructor */
	size_t max_result;
	uint64_t name;                  /* oxi_text_identity() of it */
	size_t emit_ahead, emit_ahead_bytes;
	ox_time timeout;                /* 0: none */
};

struct oxi_pool_page {
	uint32_t epoch;                 /* tells this pool from earlier ones in every message header */
	pid_t parent;                   /* the main process, the only one that workers let in */
	unsigned workers, jobs;
	unsigned places;                /* slots s and s + places are never both asked to run jobs: they share a CPU */
	bool pin;
	bool sandbox, strict_state, warn_of_strays, pid_namespace;
	unsigned keep_state;            /* enum ox_state, or-ed: what jobs may change and leave */
	int nice;
	size_t max_core, max_data, max_files, max_file_size;    /* 0: as it is; but no core */
	size_t max_input;
	_Atomic uint64_t shared;        /* place of the struct oxi_directory; 0: nothing has been shared */
	int (*worker_init)(void *arg);
	void (*worker_fini)(void *arg);
	void *worker_arg;
	uint64_t init_identity, fini_identity;          /* oxi_code_identity() of the two; 0 for NULL */
	uint64_t seed;
	unsigned calls;
	ox_callback_fn *call[OXI_CALLS];                /* only to be compared with */
	struct oxi_chaos chaos;
	struct oxi_job_entry job[];
};

/* The data that all workers see, as of one moment (parent_shared.c). A block of the arena, never changed. */
struct oxi_directory {
	uint64_t count;
	struct oxi_shared_entry {
		uint64_t id, place, length;
	} entry[];                      /* by id */
};

/* A claim cell: lease << 2 | state. Cell lease % OXI_CLAIMS. Offered by the parent before sending. */
enum oxi_claim { OXI_CLAIM_NONE, OXI_CLAIM_OFFERED, OXI_CLAIM_TAKEN, OXI_CLAIM_BACK };

static inline uint64_t oxi_claim(uint64_t lease, enum oxi_claim state)
{
	return lease << 2 | state;
}

/*
 * The body of one RESULTS message, built where the parent finds it if the worker dies before the message has
 * left. Records stand in front, payloads behind room for as many records as the message can get, so what is
 * published is a decodable body at any moment: count grows last. The worker fills outbox seq % OXI_OUTBOXES
 * with the seq-th message, and reuses it only once the parent has received that message.
 */
struct oxi_outbox {
	_Atomic uint32_t seq, count;
	_Atomic uint32_t len;
	_Atomic uint32_t sent;          /* = seq: it is complete, and to be read here; no message comes */
	_Alignas(64) uint8_t body[OXI_OUTBOX];
};

/*
 * The head of a JOBS message that is read where it lies, inbox_body[seq % OXI_INBOXES]. The parent fills it when the worker
 * has worked off what was in it before.
 */
struct oxi_inbox {
	_Atomic uint32_t seq;           /* written last */
	uint32_t before;                /* JOBS messages sent through the channel before this one */
	uint32_t count, len;            /* records; bytes of the body */
};

/*
 * What a job says of itself while it runs: one for each level of jobs that stand in one another. A sequence lock of
 * one writer: odd while it writes. The job that it is about is named by its lease.
 */
struct oxi_report {
	_Atomic uint32_t seq;
	_Atomic uint64_t lease;
	_Atomic uint64_t done, total;
	char note[OXI_NOTE];
};

/* One that holds still. False: none of this lease, or it is being written all the time. */
struct oxi_said {
	uint64_t done, total;
	char note[OXI_NOTE];            /* ends with 0, whatever was there */
};
bool oxi_report_read(const struct oxi_report *level, uint64_t lease, struct oxi_said *ret);

struct oxi_slot {
	/* the worker writes */
	_Atomic uint64_t running;       /* lease of the job that runs; 0: none */
	_Atomic int64_t since;          /* when it began, monotonic ns */
	_Atomic int32_t init_status;    /* negative: worker_init said so, and the worker has ended */
	/* its obituary, written by the signal handler of the dying worker */
	_Atomic int32_t signal;
	uint64_t fault_address;
	int32_t system_call;            /* SIGSYS: its number */
	uint32_t architecture;          /* that the number belongs to, as AUDIT_ARCH_ says it */
	uint32_t frame_count;
	void *frames[OXI_FRAMES];
	/* in a PID namespace: its pid outside, and what its keeper writes when it has ended */
	_Atomic int32_t pid;
	_Atomic uint32_t ended;
	int32_t end_status;             /* as wait() says it */
	struct rusage end_usage;
	/* bells: set by who waits or has rung, exchanged for 0 by who rings or comes (pool/parent_bell.c) */
	_Alignas(64) _Atomic uint32_t asleep;           /* the worker: rung only then */
	_Atomic uint32_t rung;          /* by the worker, and the parent has not come yet */
	/* the worker writes */
	_Atomic uint32_t taken;         /* inboxes worked off */
	_Atomic uint32_t ready;         /* 1: worker_init is over, jobs may come */
	_Atomic uint32_t listening;     /* 1: the parent is to connect to its channel */
	/* the parent writes */
	_Alignas(64) struct oxi_inbox inbox[OXI_INBOXES];
	_Atomic uint32_t summoned;      /* 1: something is to come through the channel */
	_Atomic uint32_t drain;         /* not 0: nothing comes any more; 1 + the JOBS messages through the channel */
	_Atomic uint32_t received;      /* RESULTS messages so far */
	_Atomic uint64_t logged;        /* LOG messages handled */
	/* cell lease % OXI_CLAIMS: the job that was last told to end. Leases are not used twice, so it is never cleared */
	_Alignas(64) _Atomic uint64_t told[OXI_CLAIMS];
	/* both write, by compare-and-swap */
	_Alignas(64) _Atomic uint64_t claims[OXI_CLAIMS];
	/* the worker writes */
	_Alignas(64) struct oxi_report report[OXI_DEPTH];
	struct oxi_outbox outbox[OXI_OUTBOXES];
	/* the parent writes */
	_Alignas(64) uint8_t inbox_body[OXI_INBOXES][OXI_INBOX];
};

/* All that a worker process is given by the fork. */
struct oxi_heritage {
	struct oxi_arena arena;
	pid_t spawner;                  /* its parent process, with which it dies */
	unsigned slot;
	uint32_t generation;
	uint8_t secret[OXI_SECRET];     /* known to this worker and the parent: HELLO repeats it */
	char channel[OXI_CHANNEL_NAME];
	int floor;                      /* its own descriptors lie above it */
	int bell, ring;                 /* its own; the parent's */
	int output, errors;             /* for descriptors 1 and 2; -1: they stay */
};

static inline bool oxi_slot_told(const struct oxi_slot *s, uint64_t lease)
{
	return atomic_load_explicit(&s->told[lease % OXI_CLAIMS], memory_order_relaxed) == lease;
}

/*
 * Which loaded object a function lies in, and where: the same in two processes if the function is. 0: in
 * none. A program or library that was loaded after the spawner's fork is not there in the workers.
 */
uint64_t oxi_code_identity(const void *fn);
uint64_t oxi_text_identity(const char *text);                   /* the same for the same text */

/* The finish of SplitMix64: each bit of x bears on each of the result. */
static inline uint64_t oxi_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The next number of SplitMix64. */
static inline uint64_t oxi_splitmix(uint64_t *state)
{
	return oxi_mix(*state += 0x9e3779b97f4a7c15u);
}

size_t oxi_control_page(unsigned jobs);                         /* bytes of struct oxi_pool_page, in whole pages */
size_t oxi_control_slot(void);                                  /* bytes of struct oxi_slot, in whole pages */
struct oxi_pool_page *oxi_pool_page(const struct oxi_arena *a);
struct oxi_slot *oxi_pool_slot(const struct oxi_arena *a, unsigned slot);

#endif
