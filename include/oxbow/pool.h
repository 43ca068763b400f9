/* SPDX-License-Identifier: MIT */
/*
 * Pools of worker processes. A job is submitted with a copy of its input; its future carries the result. A
 * worker that dies costs the job that it ran and nothing else; when the main process dies, all its workers
 * are gone within a second.
 *
 * Workers are forked by the spawner, a process that the first ox_pool_open() forks off, or ox_pool_prepare()
 * first thing in main. At that moment the program must have one thread.
 */
#ifndef OXBOW_POOL_H
#define OXBOW_POOL_H

#include <oxbow/callback.h>
#include <oxbow/group.h>
#include <oxbow/job.h>

OX_BEGIN

typedef struct ox_pool ox_pool;
typedef struct ox_result ox_result;

/** Where standard output and error of a pool's workers go. */
typedef enum ox_output {
	OX_OUTPUT_INHERIT,              /* to the program's own */
	OX_OUTPUT_CAPTURE,              /* kept for ox_future_output() and the crash story, up to capture bytes a job */
	OX_OUTPUT_TAG,                  /* to the program's own, by lines, with "[pool/job pid] " before each */
	OX_OUTPUT_NULL,                 /* nowhere */
} ox_output;

/** What becomes of processes that a job has started and left. */
typedef enum ox_strays {
	OX_STRAYS_KILL,                 /* the worker is replaced, and they are killed with it */
	OX_STRAYS_WARN,                 /* they are told to the log, and live until the pool closes */
} ox_strays;

/** What jobs may ask of the system. */
typedef enum ox_sandbox {
	OX_SANDBOX_NONE,                /* what the program may */
	OX_SANDBOX_COMPUTE,             /* no new files, sockets, programs and processes: OX_ESANDBOX */
} ox_sandbox;

typedef struct ox_pool_options {
	size_t size;
	const ox_job *const *jobs;      /* NULL-terminated: OX_JOBS(&a, &b) */
	unsigned workers;               /* 0: ox_cpu_count() */
	size_t max_pending;             /* jobs not done yet at which ox_submit() waits; 0: 4,096 */
	size_t max_pending_bytes;       /* the same for the bytes of their inputs; 0: 256 MiB */
	size_t max_result;              /* bytes of one result; 0: 1 GiB */
	size_t arena_bytes;             /* shared memory for inputs, and again for each worker's results, used as needed; 0: 4 GiB */
	int (*worker_init)(void *arg);  /* runs first in each new worker; negative: it could not be set up */
	void (*worker_fini)(void *arg); /* runs last in a worker that is told to end */
	void *worker_arg;               /* for both, as it was when the spawner was forked or the pool was opened */
	unsigned init_limit;            /* so many failures of worker_init in a row break the pool: OX_EINIT. 0: 5 */
	size_t capture;                 /* bytes of a job's standard output and error that are kept, with OX_OUTPUT_CAPTURE (which
	                                 * it implies if output is not set); 0: 64 KiB */
	const char *name;               /* static text, for reports and ps */
	size_t max_jobs;                /* a worker runs at most so many, or up to a quarter less, so that not all end at
	                                 * once; another takes its place. 0: any number */
	ox_time max_age;                /* the same for its age, at the end of the job that it runs then. 0: any */
	unsigned min_workers;           /* kept when there is nothing to do: the pool begins with so many, and grows to
	                                 * workers as jobs wait. 0: always workers */
	ox_time idle_time;              /* a worker above min_workers ends when it had nothing to do for so long; 0: 10 s */
	size_t recycle_rss;             /* a worker whose private memory passed so many bytes is replaced after its job; 0: none */
	size_t max_rss;                 /* one that passes so many is killed: its job fails with OX_EOOM. 0: none */
	ox_time stall;                  /* one that is stopped (SIGSTOP) so long with a job is killed: OX_ESTUCK. 0: none */
	int nice;                       /* added to the program's; a worker that may not begins none: OX_EINIT */
	bool pin;                       /* each worker stays on one CPU, of those that the program may use */
	size_t max_data;                /* bytes: beyond, allocations fail in the worker (RLIMIT_DATA); 0: as the program */
	size_t max_files;               /* descriptors (RLIMIT_NOFILE); 0: as the program */
	size_t max_file_size;           /* bytes of a file that it writes (RLIMIT_FSIZE); 0: as the program */
	size_t max_core;                /* bytes of a core dump; 0: none is made */
	ox_time ageing;                 /* a job that has waited that long longer than another goes before it, though it is
	                                 * one priority lower. 0: 10 s; OX_NEVER: priority alone decides */
	ox_time interval;               /* limits the rate: so long between the beginnings of two jobs; after a pause
	                                 * those of 10 ms begin together. 0: no limit */
	const char *quarantine_dir;     /* a folder, where inputs that are quarantined are saved; NULL: they are not */
	bool measure;                   /* each job's times are counted: see <oxbow/metrics.h> */
	const struct ox_actor_type *const *actors;      /* NULL-terminated: OX_ACTOR_TYPES(&a, &b), see oxbow/actor.h */
	ox_output output;               /* what becomes of what jobs write to standard output and error */
	const ox_callback *const *calls;        /* what jobs may call, at most 64: OX_CALLS(&fetch_call); NULL: nothing */
	void *call_arg;                 /* first argument of these */
	uint64_t seed;                  /* of ox_job_random() */
	size_t max_input;               /* bytes of one input; 0: 4 GiB */
	size_t overflow_bytes;          /* shared memory for what finds no room in those of arena_bytes; 0: as arena_bytes.
	                                 * Beyond, payloads are sent in pieces, which costs four copies more */
	bool strict_state;              /* what a job changed of the process is put back before the next begins, also among
	                                 * jobs that travel together and take less than 1 ms: that costs each one microseconds */
	unsigned keep_state;            /* ox_state, or-ed: what jobs may change and leave, unseen. 0: nothing */
	ox_strays strays;
	ox_sandbox sandbox;             /* begins after worker_init */
	ox_time spawn_deadline;         /* while no worker can be forked, jobs wait at most so long: then OX_EINIT.
	                                 * 0: 10 s; OX_NEVER */
	const char *listen;             /* remote workers may join (worker.h): "tcp://ADDRESS:PORT", where ADDRESS may be
	                                 * 0.0.0.0 for all, and port 0 is the kernel's choice. NULL: none */
	const char *join_file;          /* written for them, mode 0600; removed when the pool is closed. With listen */
	unsigned remote_workers;        /* at most so many in all; 0: 64 */
	bool remote_only;               /* the pool has no workers of its own */
	ox_time heartbeat;              /* a host that says nothing for so long is lost; 0: 3 s */
	bool pid_namespace;             /* each worker in one of its own (pid_namespaces(7)), with a second process, its keeper: what
	                                 * its jobs started dies with it, wherever it hid, and no job sees or signals others.
	                                 * Needs CAP_SYS_ADMIN */
} ox_pool_options;
#define OX_POOL_OPTIONS(...) (&(ox_pool_options){ .size = sizeof(ox_pool_options), __VA_ARGS__ })
#define OX_JOBS(...) ((const ox_job *const[]){ __VA_ARGS__, NULL })
#define OX_ACTOR_TYPES(...) ((const struct ox_actor_type *const[]){ __VA_ARGS__, NULL })
OX_API void ox_pool_options_init(ox_pool_options *o);

/**
 * How many CPUs this process may use: by its affinity, or fewer if the quotas of its control groups (v1 or v2)
 * give it less time than that; a part of a CPU counts as one. Reads files under /proc and /sys.
 *
 * Returns: at least 1. Call from: anywhere. Threads: any. After fork: yes. Since: 0.1
 */
OX_API unsigned ox_cpu_count(void);

/**
 * Forks the spawner now, while the program has one thread. Once a process; later calls do nothing.
 *
 * Returns: 0; OX_ESTATE when there are threads already; -errno. Call from: anywhere, best first thing in
 * main.
 * Since: 0.1
 */
OX_API int ox_pool_prepare(void);

/**
 * Opens a pool and starts its workers; does not wait for them.
 *
 * @ret: owned: ox_pool_close(). It belongs to the loop of the thread that first submits to it.
 * Returns: 0; OX_EINVAL (neither jobs nor actors, two of one name), OX_ESTATE (threads, no spawner: call ox_pool_prepare()
 * first), OX_ENOJOB (a job's function lies in a library loaded after the spawner was forked), OX_ENOMEM,
 * OX_EFORKED, -ENOSYS (a sandbox, and Oxbow was built without libseccomp), -EPERM (a PID namespace, without the right to
 * make one), -errno.
 * Call from: anywhere. Threads: the future owner's. After fork: no. Since: 0.1
 */
OX_API int ox_pool_open(const ox_pool_options *o, ox_pool **ret);

/**
 * Waits until the pool has no unfinished job, while no new one is taken (OX_ECLOSED). Returns: 0;
 * OX_ECANCELED.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_pool_drain(ox_pool *p);

/**
 * Ends the pool: jobs that have not begun fail with OX_ECLOSED, running ones have a second to end, then their
 * workers are killed and they fail so too. When it returns, no process of the pool is left, nor any that its
 * jobs had started. Results and blobs stay valid. Takes NULL.
 *
 * Returns: 0. Call from: a coroutine, or outside of a loop, where it blocks instead of yielding. Since: 0.1
 */
OX_API OX_YIELDS int ox_pool_close(ox_pool *p);
static inline void ox_pool_auto_(ox_pool **p) { ox_pool_close(*p); }
#define OX_AUTO_POOL __attribute__((cleanup(ox_pool_auto_))) ox_pool

/**
 * Submits a job.
 *
 * @in, @len: the input, copied; memory of an ox_blob or of a job's result of this pool is shared instead, and
 * must not change until the job ends.
 * Returns: the future, as ox_spawn(): never NULL. Failed at once with OX_ENOJOB, OX_ECLOSED, OX_ETOOBIG,
 * OX_EQUARANTINED (by the job's crash_limit), OX_EINIT, OX_ENOMEM, OX_ECANCELED (the caller was cancelled while it waited,
 * or the group is).
 * Yields: while max_pending or max_pending_bytes are reached, and now and then for fairness. Since: 0.1
 */
OX_API OX_YIELDS ox_future *ox_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len);

typedef struct ox_submit_options {
	size_t size;
	int priority;                   /* -3 to 3: jobs of a higher one begin first, but see ageing of the pool */
	ox_time timeout;                /* in place of the job's own; OX_NEVER: none. 0: the job's */
	ox_bytes key;                   /* of the jobs that have this key, at most key_limit run at a time; {NULL, 0}: none */
	unsigned key_limit;             /* of different ones, the last said counts. 0: 1 */
	ox_future *const *after;        /* jobs of this pool: it begins when they are done, and gets what they replied.
	                                 * OX_AFTER_JOBS(a, b) is this member and the next */
	size_t after_count;             /* at most 65,535 */
	bool after_any;                 /* also if some of them have failed; else it fails then, without having begun */
	ox_bytes same;                  /* while a job of this kind with the same bytes here is pending, it is waited for, and no
	                                 * other one is made: of options and input, the first one's count */
	uint64_t affinity;              /* the job goes to the worker that had this number last, if that one is free within
	                                 * 10 ms; else to any. 0: none */
} ox_submit_options;
#define OX_SUBMIT_OPTIONS(...) (&(ox_submit_options){ .size = sizeof(ox_submit_options), __VA_ARGS__ })
#define OX_AFTER_JOBS(...)                                                                      \
	.after = (ox_future *const[]){ __VA_ARGS__ },                                           \
	.after_count = sizeof((ox_future *const[]){ __VA_ARGS__ }) / sizeof(ox_future *)
OX_API void ox_submit_options_init(ox_submit_options *o);

/**
 * Submits a job with options: as ox_submit(), where NULL is all defaults. The priority orders jobs in the pool; who waits
 * to be let in by max_pending waits in turn.
 *
 * A job with .after ends without having begun when one of those has failed: with OX_EDEPENDENCY, or with OX_ECANCELED if that
 * was cancelled. Those futures may be freed as soon as they are done.
 * With .same the result is shared: each submitter has a future of its own with the one value, and the work is cancelled
 * when the last of them is.
 *
 * Returns: as ox_submit(), also a future failed with OX_EINVAL: no such priority or timeout, or a future in .after that belongs
 * to no job of this pool (one that has failed from the start may be there, and counts as failed).
 * Yields: as ox_submit(). Since: 0.1
 */
OX_API OX_YIELDS ox_future *ox_submit_with(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                                           const ox_submit_options *o);

/**
 * Submits a job if it can be taken at once: as ox_submit_with(), but it never waits, and where that returns a failed
 * future this one returns its code: to be busy is no failure of the group.
 *
 * @ret: the future, written if 0 is returned.
 * Returns: 0; OX_EBUSY: max_pending or max_pending_bytes are reached, or others wait already; OX_ESTATE (no loop runs in
 * this thread, or the group is closed); codes as ox_submit_with(). Call from: the loop's thread, also a callback. Since: 0.1
 */
OX_API int ox_try_submit(ox_group *g, ox_pool *p, const ox_job *job, const void *in, size_t len,
                         const ox_submit_options *o, ox_future **ret);

/**
 * Runs a job and waits for it.
 *
 * @ret: written whenever a result exists: if the status is 0 or more. Owned: ox_result_free() or
 * OX_AUTO_RESULT. NULL if not wanted.
 * Returns: the job's status; OX_ECRASHED and others as ox_submit(). Cancel: cancels the job. Since: 0.1
 */
OX_API OX_YIELDS int ox_call(ox_pool *p, const ox_job *job, const void *in, size_t len, ox_result **ret);

/** The bytes of a result, borrowed until it is freed. {NULL, 0} for NULL. Since: 0.1 */
OX_API ox_bytes ox_result_bytes(const ox_result *r);
/** The status of the job that it came from. Since: 0.1 */
OX_API int ox_result_status(const ox_result *r);
OX_API void ox_result_free(ox_result *r);
static inline void ox_result_auto_(ox_result **r) { ox_result_free(*r); }
#define OX_AUTO_RESULT __attribute__((cleanup(ox_result_auto_))) ox_result

/** How a worker died, for a future or call that failed with OX_ECRASHED, OX_ETIMEDOUT, OX_EOOM, OX_ESTUCK, OX_ESANDBOX or OX_ECANCELED. */
typedef struct ox_crash {
	pid_t pid;                      /* of the worker */
	int signal;                     /* that killed it; 0: it exited */
	int exit_code;                  /* if signal is 0 */
	const void *address;            /* of the fault, for SIGSEGV, SIGBUS, SIGFPE, SIGILL; else NULL */
	void *const *backtrace;         /* return addresses, innermost first, valid in this process too */
	size_t backtrace_len;           /* 0 where the worker could not record them */
	ox_time user_time, system_time; /* of the whole worker process */
	size_t max_rss;                 /* bytes */
	const char *output;             /* captured standard output and error of the job, if the pool captures */
	size_t output_len;
	bool output_truncated;          /* there was more */
	size_t memory_limit;            /* the max_rss that it went over; 0: it did not, or the kernel killed it */
	const char *saved;              /* the file that the input was saved in, if it is quarantined; NULL: none */
	const char *note;               /* ox_job_note(), as the job said last; NULL: it said nothing */
	uint64_t progress_done, progress_total; /* the same for ox_job_progress(); 0 and 0: nothing */
	const char *job;                /* its name */
	ox_time ran;                    /* how long it had run */
	const char *system_call;        /* that the sandbox did not allow: "openat"; NULL: none, or not known */
	const char *host;               /* of a remote worker; its addresses mean nothing here. NULL: this one */
} ox_crash;

/** The story of the crash; NULL if the future did not crash. Borrowed until the group closes. Since: 0.1 */
OX_API const ox_crash *ox_future_crash(const ox_future *f);

/**
 * Tells a crash to a person: some lines of text, each with a newline, with the functions of the backtrace by name, and
 * the last lines of the job's output. Reads the program's files for the names.
 *
 * @buf, @cap: gets as much as fits, 0-terminated if cap > 0.
 * Returns: the bytes of the whole text without the 0, as snprintf(). Call from: anywhere. Threads: any. Since: 0.1
 */
OX_API size_t ox_crash_text(const ox_crash *c, char *buf, size_t cap);

/** What a job wrote to its standard output and error, if the pool captures. Borrowed until the group closes. Since: 0.1 */
OX_API const char *ox_future_output(const ox_future *f, size_t *ret_len, bool *ret_truncated);

/** How long a job ran in its worker, measured there; 0 for other futures. Since: 0.1 */
OX_API ox_time ox_future_run_time(const ox_future *f);

/** Memory of the pool's arena for an input that is not copied. */
typedef struct ox_blob ox_blob;
/** Returns: owned: ox_blob_free(), which may come before the job that uses it ends; NULL without memory. Since: 0.1 */
OX_API ox_blob *ox_blob_new(ox_pool *p, size_t len);
OX_API void *ox_blob_data(ox_blob *b);
OX_API void ox_blob_free(ox_blob *b);

typedef struct ox_map_options {
	size_t size;
	const ox_job *job;
	/* Gives the next input: 1 with *ret_in (borrowed until the next call), 0 at the end, or a negative code. May yield. */
	int (*next)(void *arg, ox_bytes *ret_in);
	void *arg;
	bool unordered;                 /* results as they come, not in the order of the inputs */
	size_t in_flight;               /* jobs at a time; 0: 4 for each worker */
} ox_map_options;
#define OX_MAP_OPTIONS(...) (&(ox_map_options){ .size = sizeof(ox_map_options), __VA_ARGS__ })
OX_API void ox_map_options_init(ox_map_options *o);

typedef struct ox_map ox_map;

/**
 * Applies a job to a lazy sequence of inputs. A map is a group (OX_COLLECT) and nests with groups and scopes.
 *
 * Returns: owned: ox_map_close() or OX_AUTO_MAP; NULL without memory or outside a coroutine. Since: 0.1
 */
OX_API ox_map *ox_map_open(ox_pool *p, const ox_map_options *o);

/**
 * Gives the next done job.
 *
 * @ret: its future, borrowed until the next call; ask it for status and value.
 * Returns: 1; 0 at the end; what next returned when that was negative, after the results before it;
 * OX_ECANCELED.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_map_next(ox_map *m, ox_future **ret);
OX_API OX_YIELDS void ox_map_close(ox_map *m);
static inline void ox_map_auto_(ox_map **m) { ox_map_close(*m); }
#define OX_AUTO_MAP __attribute__((cleanup(ox_map_auto_))) ox_map

typedef struct ox_pool_stats {
	size_t size;
	uint64_t submitted;             /* = done + failed + cancelled + pending */
	uint64_t done;                  /* with the job's own status, 0 or more */
	uint64_t failed;                /* any other end that is not a cancel */
	uint64_t cancelled;
	uint64_t pending;               /* queued or running */
	uint64_t pending_bytes;         /* of their inputs */
	uint64_t crashed;               /* workers that died on their own */
	uint64_t killed;                /* workers that were killed: cancel, timeout, limit */
	uint64_t spawned;               /* workers started */
	uint64_t retried;               /* attempts after the first that cost a retry */
	uint64_t late;                  /* results dropped because their lease was over */
	uint64_t rejected;              /* peers and messages that were refused */
	unsigned workers;               /* ready or busy now */
	unsigned busy;                  /* running a job now */
	unsigned starting;              /* forked, not yet ready */
	unsigned stopped;               /* stopped by a signal now */
	uint64_t shared;                /* of those submitted, that waited for another's work (.same) */
	uint64_t waiting;               /* of those pending, that wait for others to be done (.after) */
	uint64_t spoiled;               /* workers replaced for what their jobs had left: threads, children, descriptors */
	unsigned degraded;              /* workers that could not be forked, and are tried again */
	unsigned remote;                /* of workers: those on other hosts */
	unsigned hosts;                 /* that have joined */
} ox_pool_stats;

/** Fills in *ret; set ret->size first. Returns: 0; OX_EINVAL. Since: 0.1 */
OX_API int ox_pool_get_stats(const ox_pool *p, ox_pool_stats *ret);

OX_END

#endif
