/* SPDX-License-Identifier: MIT */
/* The structs of loop/, for loop/ alone. What others may use is in loop.h. */
#ifndef OXBOW_LOOP_STATE_H
#define OXBOW_LOOP_STATE_H

#include <stdatomic.h>

#include "loop/inspect.h"
#include "loop/loop.h"
#include "loop/stack.h"
#include "loop/switch.h"

/* ---- timers ---- */

struct oxi_timer_entry {
	ox_time at;
	uint64_t number;                /* in order of setting, for equal deadlines */
	struct oxi_timer *timer;
};

struct oxi_timers {
	struct oxi_timer_entry *heap;
	size_t len, cap;
	uint64_t numbers;
};

ox_time oxi_timers_next(const struct oxi_timers *h);
void oxi_timers_fire(struct oxi_timers *h, ox_time now);
void oxi_timers_destroy(struct oxi_timers *h);

/* ---- scopes ---- */

#define OXI_SCOPE_MAGIC 0x65706f6373000001ull

struct oxi_scope {
	uint64_t magic;                 /* while entered */
	struct oxi_scope *parent;
	struct oxi_list children, link;
	struct oxi_scope *work;         /* next in a walk of the tree */
	struct oxi_task *task;          /* that entered it */
	struct ox_group *group;         /* whose scope it is; or NULL */
	struct oxi_timer timer;
	ox_time deadline;
	uint8_t cause;                  /* why it is cancelled, by itself or from outside: the first cause */
	bool cancelled;                 /* so that calls inside fail: itself, or from outside and not shielded */
	bool own;                       /* it was cancelled itself, not from outside */
	bool expired;                   /* its own deadline has passed */
	bool shield;
};

void oxi_scope_enter(struct oxi_scope *s, struct oxi_task *task, ox_time deadline, bool shield);
void oxi_scope_exit(struct oxi_scope *s);       /* any order of calls has been checked */
void oxi_scope_cancel(struct oxi_scope *s, ox_cause cause);

/* ---- tasks ---- */

#define OXI_TASK_MAGIC 0x6b736174000001ull

struct oxi_task {
	ox_future future;               /* first: a task is a future */
	struct oxi_list ready;
	struct oxi_list deliver;        /* in the walk that tells the tasks of a cancelled scope */
	struct oxi_context context;
	struct oxi_scope *scope;        /* innermost */
	struct oxi_scope root;          /* outermost, inside the group's */
	struct oxi_wait *wait;          /* while parked */
	struct oxi_starter *starter;    /* waits for ox_started() */
	ox_coro *fn;
	void *arg;
	const char *name, *site;
	uint64_t id;                    /* in order of spawning, from 1 */
	struct oxi_stack stack;
	int saved_errno;
	struct oxi_binding *bindings;   /* task-locals; NULL: none */
	struct oxi_deferred *deferred;  /* calls at its end, the first to be made; NULL: none */
	struct oxi_list owned;          /* struct oxi_owned: locks that it holds */
	unsigned operations;            /* since it was resumed */
	bool ended;                     /* fn has returned: its status is known, its stack not yet free */
	ox_time longest_run;            /* if that is measured */
};

/* Makes a task in g, or the main task for NULL. 0; OX_ENOMEM, OX_EINVAL (stack size). */
int oxi_task_new(struct ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o, struct oxi_task **ret);
void oxi_task_finish(struct oxi_task *t);       /* on the thread's stack, once t has ended */
void oxi_task_release(struct oxi_task *t);
int oxi_start_failed(struct oxi_task *t, int status);   /* t ends without ox_started(): what its status is then */

struct oxi_binding *oxi_bindings_ref(struct oxi_binding *b);    /* takes NULL */
void oxi_bindings_unref(struct oxi_binding *b);
void oxi_deferred_call(struct oxi_task *t);     /* the next one; there is one */

/* What a task must give back before it ends; forget does it for one that did not, and that is reported. */
struct oxi_owned {
	struct oxi_list link;           /* in the owner's list */
	const char *kind;
	void (*forget)(struct oxi_owned *o);
};

/* ---- groups ---- */

#define OXI_GROUP_MAGIC  0x70756f7267000001ull
#define OXI_GROUP_CLOSED 0x70756f7267c105edull  /* in the loop's list of free groups: memory that stays a group */

struct ox_group {
	uint64_t magic;
	struct oxi_scope scope;
	struct oxi_list tasks;          /* futures that are not done: coroutines, */
	struct oxi_list externals;      /* and jobs and promises, which must be told of a cancel */
	struct oxi_list done;           /* done, in order, not yet given out by next */
	struct oxi_list given;          /* given out last by next */
	struct oxi_list joiners;        /* waits of join and close */
	struct oxi_list deliver;        /* in the walk of a cancel: its externals are to be told */
	struct oxi_wait *next_waiter;
	struct ox_group *next_free;
	size_t pending;                 /* tasks and externals */
	int *errors;
	size_t errors_len, errors_cap;
	int first_error;
	bool fail_fast, reap;
	bool joined, errors_asked;      /* somebody heard of first_error, or of any: see unheard.c */
	const ox_future *first_failed;  /* only to be compared with */
	const char *unheard_kind, *unheard_name, *unheard_site;
	const char *name;
};

int oxi_group_enter(struct ox_group *g, ox_future *f);          /* a new pending future; OX_ESTATE: closed */
void oxi_group_done(struct ox_group *g, ox_future *f);          /* one of it is done */
void oxi_group_cancel_externals(struct ox_group *g);
/* While ox_group_start() waits for f: one more is pending, and f stays where it is though it may end. */
void oxi_group_starts(struct ox_group *g, ox_future *f);
void oxi_group_started(struct ox_group *g, ox_future *f);

bool oxi_future_is_task(const ox_future *f);

/* ---- the reactor ---- */

struct oxi_reactor;
/* base: NULL for an own one. turn: what oxi_reactor_turn_soon() has the caller's base call. */
int oxi_reactor_new(struct event_base *base, void (*turn)(void), struct oxi_reactor **ret);
void oxi_reactor_free(struct oxi_reactor *r);
int oxi_reactor_fd(struct oxi_reactor *r);      /* that is readable when a poll would find something; -errno */
bool oxi_reactor_turn_soon(struct oxi_reactor *r);      /* false: the base is our own, and nobody else turns it */
void oxi_reactor_wake_at(struct oxi_reactor *r, ox_time at);
/* Polls: until at on the monotonic clock, not at all (at 0), or for ever (OX_NEVER). Calls what is ready. */
void oxi_reactor_poll(struct oxi_reactor *r, ox_time until);
size_t oxi_reactor_descriptors(const struct oxi_reactor *r);    /* watched now, its own aside */
struct event_base *oxi_reactor_base(struct oxi_reactor *r);

/* ---- the loop ---- */

#define OXI_LOOP_MAGIC 0x706f6f6c00000001ull
#define OXI_LOCALS 8u

struct oxi_post {
	struct oxi_post *next;
	void (*fn)(void *);
	void *arg;
};

struct ox_loop {
	uint64_t magic;
	struct oxi_list ready;          /* tasks for the next turn */
	struct oxi_task *current;       /* NULL: on the thread's own stack */
	struct oxi_errand *errand;      /* that current has for that stack, */
	struct oxi_task *errand_of;     /* and while it is done: whose it is. For reports */
	struct oxi_task *main_task;
	bool turning;                   /* inside the turns: a step in a step is refused */
	bool keep_sigpipe;              /* as asked for */
	struct oxi_context main;
	ox_time time;                   /* of the last poll */
	ox_time skew;                   /* virtual minus real time */
	uint64_t polled_at;             /* ticks */
	struct oxi_list hooks, end_hooks;
	struct oxi_timers timers;
	struct oxi_timer trim_timer;
	struct oxi_reactor *reactor;
	struct oxi_stacks stacks;
	struct oxi_list deliver;        /* tasks that a cancel has to wake, */
	struct oxi_list deliver_groups; /* and groups whose jobs and promises it has to cancel */
	bool delivering;
	_Atomic(struct oxi_post *) posts;       /* newest first */
	int post_fd;
	struct oxi_watch *post_watch;
	struct {
		const void *key;
		void *value;
	} locals[OXI_LOCALS];
	struct oxi_task *free_tasks;
	struct ox_group *free_groups;
	int held;                       /* real things that are pending */
	bool virtual;
	uint64_t shuffle;               /* state of the generator; 0: FIFO */
	struct oxi_wait *all_parked;
	/* for those who look from outside */
	struct ox_loop *next_loop;
	int tid;
	int report_fd;                  /* 0: none */
	volatile bool asleep;           /* in a poll, until the first callback */
	bool handed_out;                /* ox_loop_self() or ox_loop_open() has given it away, or its base is the caller's */
	bool deadlock_cancels, deadlocked;
	bool dump_on_sigquit;
	uint64_t deadlock_at;           /* resumes at the last report */
	struct oxi_figures figures;
	struct oxi_measures measures;
	struct oxi_watchdog watchdog;
	ox_trace_fn *tracer;
	void *tracer_arg;
};

extern _Thread_local struct ox_loop *oxi_loop __attribute__((tls_model("initial-exec")));

/* oxi_forked(), for the hot path. fork.c. */
extern _Atomic(char *) oxi_alive;

static inline bool oxi_is_forked(void)
{
	const char *page = atomic_load_explicit(&oxi_alive, memory_order_acquire);

	return OXI_UNLIKELY(page != NULL && *page == 0);
}

/* The running coroutine; NULL outside of one. */
static inline struct oxi_task *oxi_task_current(void)
{
	return oxi_loop ? oxi_loop->current : NULL;
}

int oxi_posts_open(struct ox_loop *l);
void oxi_posts_kick(struct ox_loop *l);         /* wakes the loop for nothing */
void oxi_posts_close(struct ox_loop *l);        /* calls what was posted before */

/* The turns, until task has finished. */
void oxi_loop_turns(struct ox_loop *l, struct oxi_task *until);
/* Between two steps of an embedded loop something has become ready: the one who turns it is told. */
void oxi_loop_disturbed(struct ox_loop *l);
/* A few turns without blocking. poll: look at the descriptors too. True: something is still ready. */
bool oxi_loop_some_turns(struct ox_loop *l, bool poll);
void oxi_ready(struct oxi_task *t);

void oxi_abort_wait(struct oxi_wait *w);         /* a cancel has reached it */
void oxi_loop_init_lists(struct ox_loop *l);
void oxi_loop_run_end_hooks(struct ox_loop *l);
void oxi_tasks_destroy(struct ox_loop *l);
void oxi_groups_destroy(struct ox_loop *l);

/* What runs on the thread's own stack does so again: a watchdog that rests goes on. */
static inline void oxi_loop_awake(struct ox_loop *l)
{
	l->asleep = false;
	if (OXI_UNLIKELY(l->watchdog.resting))
		oxi_watchdog_go_on(l);
}

/* An own stack for signal handlers of this thread, and a handler of SIGSEGV; see overflow.c. */
void oxi_alt_stack(bool on);
void oxi_overflow_report_install(void);

/* From now on SIGINT cancels the main task's scope, if this is the process's first loop and the program has left it alone (signal.c). */
int oxi_interrupt_open(void);

#endif
