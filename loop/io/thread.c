/* SPDX-License-Identifier: MIT */
/*
 * Threads for work that blocks. One set of threads serves all loops of the process.
 *
 * Work goes straight to a thread: to the one that became idle last (its cache is warm, and the others can
 * time out), or to a new one. Only when its kind is at the limit does it wait in the kind's queue, and the
 * thread that ends a work of that kind goes on with the next. So no work ever waits for a thread that serves
 * another kind, and there is no common queue.
 *
 * Ended work goes back through the loop's port: a stack that threads push to without a lock and the loop
 * takes whole, reversed into the order of ending. The push that finds it empty wakes the loop by an eventfd,
 * registered edge-triggered, so that nobody ever reads it. A port is counted by its loop and by each work,
 * for a thread may still hold it when the loop has the work already.
 *
 * The end of a loop waits for its work, abandoned work aside. The end of the last one joins all idle threads,
 * and so leaves none behind: a process has one thread before its first work and after its last loop. A thread
 * still busy with abandoned work then serves the next loop, or if there is none ends by itself when the work
 * has.
 *
 * Signals are for the process's own threads: all are blocked here, but those that tell of a crash.
 *
 * Rejected: a pool per loop (threads and limits would multiply); one queue for all (a blocked lookup would
 * hold up reads); threads made in advance (a pool of processes must be able to fork first).
 */
#include "loop/io/thread.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <oxbow/sync.h>

#define STACK_SIZE OX_MIB(8)
#define KEEP_SEC   5                    /* an idle thread lives so long */

struct thread {
	struct oxi_list link;           /* in the idle or the gone threads; in none while it works */
	pthread_t id;
	pthread_cond_t wake;
	struct oxi_work *work;
	unsigned number;                /* for its name */
	bool stop;                      /* the last loop has ended; who ended it joins */
	bool alone;                     /* the last loop ended before its (abandoned) work; nobody joins */
};

struct kind {
	unsigned limit, running;
	struct oxi_list queue;          /* works, when running is at the limit */
};

#define KIND(name, most) [name] = { .limit = (most), .queue = { &pool.kinds[name].queue, &pool.kinds[name].queue } }

static struct {
	pthread_mutex_t lock;           /* of all here, and of every work's state */
	struct kind kinds[OXI_THREAD_KINDS];
	struct oxi_list idle;           /* threads, the hottest first */
	struct oxi_list gone;           /* threads that have ended, or are about to, and are to be joined */
	unsigned loops;                 /* that have a port */
	unsigned made;                  /* threads, ever: for their names */
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.kinds = {
		KIND(OXI_THREAD_CALL, 64),
		KIND(OXI_THREAD_FILE, 16),
		KIND(OXI_THREAD_DNS, 16),
		KIND(OXI_THREAD_FREE, UINT32_MAX),
	},
	.idle = { &pool.idle, &pool.idle },
	.gone = { &pool.gone, &pool.gone },
};

struct oxi_thread_port {
	_Atomic(struct oxi_work *) ended;       /* newest first */
	atomic_uint refs;
	int fd;                         /* an eventfd */
	struct oxi_fd *poll;
	struct oxi_hook end;
	unsigned pending;               /* submitted, neither done nor abandoned; the loop's own count */
};

static struct oxi_work closed;          /* at the head of a port: its loop has ended */

/* ---- the port: from threads to the loop ---- */

static void port_unref(struct oxi_thread_port *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	if (p->fd >= 0)
		close(p->fd);
	oxi_free(p);
}

/* Thread: hands ended work to the loop. False: there is no loop any more (then the work was abandoned). */
static bool port_push(struct oxi_thread_port *p, struct oxi_work *w)
{
	struct oxi_work *head = atomic_load_explicit(&p->ended, memory_order_relaxed);
	uint64_t one = 1;

	do {
		if (head == &closed)
			return false;
		w->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&p->ended, &head, w, memory_order_release,
	                                                memory_order_relaxed));
	if (head == NULL && write(p->fd, &one, sizeof(one)) < 0)
		return true;            /* the counter is full: cannot be, in 500 years */
	return true;
}

static void settle(struct oxi_thread_port *p, struct oxi_work *w)
{
	bool abandoned = w->state == OXI_WORK_ABANDONED;

	if (!abandoned) {
		p->pending--;
		oxi_loop_hold(-1);
	}
	w->done(w);
	if (abandoned)
		oxi_free(w);
}

/* Takes all that has ended, leaves head in its place, and settles it in the order of ending. */
static void port_take(struct oxi_thread_port *p, struct oxi_work *head)
{
	struct oxi_work *newest = atomic_exchange_explicit(&p->ended, head, memory_order_acquire);
	struct oxi_work *oldest = NULL, *w;

	while ((w = newest)) {
		newest = w->next;
		w->next = oldest;
		oldest = w;
	}
	while ((w = oldest)) {
		oldest = w->next;
		settle(p, w);
	}
}

static void port_woken(void *arg, unsigned events)
{
	if (events & OX_READABLE)
		port_take(arg, NULL);
}

/* ---- threads; with the lock held, but where work runs ---- */

/* One of a kind has ended: the next that may run, or NULL. */
static struct oxi_work *next_of(struct kind *k)
{
	struct oxi_list *e = oxi_list_shift(&k->queue);
	struct oxi_work *w = e ? OXI_CONTAINER(e, struct oxi_work, link) : NULL;

	if (w)
		w->state = OXI_WORK_RUNNING;
	else
		k->running--;
	return w;
}

/* Runs the thread's work. It is idle, or has its next work, before the ended one is handed over. */
static void serve(struct thread *t)
{
	struct oxi_work *w = t->work;
	struct oxi_thread_port *port = w->port;

	pthread_mutex_unlock(&pool.lock);
	w->run(w);
	pthread_mutex_lock(&pool.lock);
	if (w->state == OXI_WORK_ABANDONED) {
		pthread_mutex_unlock(&pool.lock);
		w->drop(w);
		pthread_mutex_lock(&pool.lock);
	} else {
		w->state = OXI_WORK_ENDED;
	}
	t->work = next_of(&pool.kinds[w->kind]);
	if (t->work == NULL && pool.loops == 0)
		t->alone = true;
	else if (t->work == NULL)
		oxi_list_prepend(&pool.idle, &t->link);
	pthread_mutex_unlock(&pool.lock);
	if (!port_push(port, w))
		oxi_free(w);
	port_unref(port);
	pthread_mutex_lock(&pool.lock);
}

/* Waits for work: false after KEEP_SEC in vain, or when told to stop. */
static bool wait_for_work(struct thread *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += KEEP_SEC;
	while (t->work == NULL && !t->stop)
		if (pthread_cond_timedwait(&t->wake, &pool.lock, &until) == ETIMEDOUT && t->work == NULL)
			break;
	return t->work != NULL;
}

static void thread_free(struct thread *t)
{
	pthread_cond_destroy(&t->wake);
	oxi_free(t);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	char name[16];

	snprintf(name, sizeof(name), "ox-thread-%u", t->number % 100000);
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&pool.lock);
	do {
		while (t->work)
			serve(t);
	} while (!t->alone && wait_for_work(t));
	if (!t->alone && !t->stop) {
		oxi_list_remove(&t->link);
		oxi_list_append(&pool.gone, &t->link);
	}
	pthread_mutex_unlock(&pool.lock);
	if (t->alone) {
		pthread_detach(pthread_self());
		thread_free(t);
	}
	return NULL;
}

static void join_all(struct oxi_list *threads)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(threads))) {
		struct thread *t = OXI_CONTAINER(e, struct thread, link);

		pthread_join(t->id, NULL);
		thread_free(t);
	}
}

static void block_signals(sigset_t *ret_before)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t all;

	sigfillset(&all);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		sigdelset(&all, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

/* Begins a thread. A new one inherits the signal mask of its maker. */
static int begin(struct thread *t)
{
	pthread_attr_t attr;
	sigset_t before;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	block_signals(&before);
	r = -pthread_create(&t->id, &attr, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static int thread_new(struct oxi_work *first)
{
	struct thread *t = oxi_alloc(sizeof(*t));
	pthread_condattr_t attr;
	int r;

	join_all(&pool.gone);           /* they need the lock no more */
	if (t == NULL)
		return OX_ENOMEM;
	oxi_list_init(&t->link);
	t->work = first;
	t->number = pool.made++;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	r = begin(t);
	if (r < 0)
		thread_free(t);
	return r;
}

/* Gives work to the hottest idle thread, or to a new one. */
static int assign(struct oxi_work *w)
{
	struct oxi_list *e = oxi_list_shift(&pool.idle);
	struct thread *t = e ? OXI_CONTAINER(e, struct thread, link) : NULL;

	w->state = OXI_WORK_RUNNING;
	if (t == NULL)
		return thread_new(w);
	t->work = w;
	pthread_cond_signal(&t->wake);
	return 0;
}

/* ---- a loop's part ---- */

static const char port_key;

static void stop_idle_threads(void)
{
	struct oxi_list threads;

	oxi_list_init(&threads);
	pthread_mutex_lock(&pool.lock);
	if (--pool.loops == 0) {
		OXI_LIST_EACH(e, &pool.idle) {
			struct thread *t = OXI_CONTAINER(e, struct thread, link);

			t->stop = true;
			pthread_cond_signal(&t->wake);
		}
		oxi_list_splice(&threads, &pool.idle);
		oxi_list_splice(&threads, &pool.gone);
	}
	pthread_mutex_unlock(&pool.lock);
	join_all(&threads);
}

static void loop_ends(struct oxi_hook *h)
{
	struct oxi_thread_port *p = OXI_CONTAINER(h, struct oxi_thread_port, end);
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };
	uint64_t n;

	while (p->pending > 0)
		if (poll(&ready, 1, -1) > 0 && read(p->fd, &n, sizeof(n)) > 0)
			port_take(p, NULL);
	port_take(p, &closed);
	stop_idle_threads();
	oxi_fd_free(p->poll);
	oxi_loop_put(&port_key, NULL);
	port_unref(p);
}

static int port_open(struct oxi_thread_port **ret)
{
	struct oxi_thread_port *p = oxi_alloc(sizeof(*p));
	int r;

	if (p == NULL)
		return OX_ENOMEM;
	atomic_init(&p->refs, 1);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = p->fd < 0 ? -errno : oxi_fd_new(p->fd, port_woken, p, &p->poll);
	if (r == 0)
		r = oxi_loop_put(&port_key, p);
	if (r < 0) {
		oxi_fd_free(p->poll);
		port_unref(p);
		return r;
	}
	oxi_hook_init(&p->end, loop_ends);
	oxi_hook_at_end(&p->end);
	pthread_mutex_lock(&pool.lock);
	pool.loops++;
	pthread_mutex_unlock(&pool.lock);
	*ret = p;
	return 0;
}

int oxi_work_submit(struct oxi_work *w)
{
	struct kind *k = &pool.kinds[w->kind];
	int r = 0;

	w->port = oxi_loop_get(&port_key);
	if (w->port == NULL)
		r = port_open(&w->port);
	if (r < 0)
		return r;
	oxi_list_init(&w->link);
	pthread_mutex_lock(&pool.lock);
	if (k->running == k->limit) {
		w->state = OXI_WORK_QUEUED;
		oxi_list_append(&k->queue, &w->link);
	} else {
		r = assign(w);
		k->running += r == 0;
	}
	if (r == 0)
		atomic_fetch_add_explicit(&w->port->refs, 1, memory_order_relaxed);
	pthread_mutex_unlock(&pool.lock);
	if (r < 0)
		return r;
	w->port->pending++;
	oxi_loop_hold(+1);
	return 0;
}

/* From one state to another, if it is in that. The loop waits for it no more. */
static bool leave(struct oxi_work *w, int from, int to)
{
	struct oxi_thread_port *p = w->port;
	bool left;

	pthread_mutex_lock(&pool.lock);
	left = (int)w->state == from;
	if (left) {
		w->state = to;
		oxi_list_remove(&w->link);
	}
	pthread_mutex_unlock(&pool.lock);
	if (left) {
		p->pending--;
		oxi_loop_hold(-1);
	}
	return left;
}

bool oxi_work_revoke(struct oxi_work *w)
{
	struct oxi_thread_port *p = w->port;
	bool revoked = leave(w, OXI_WORK_QUEUED, OXI_WORK_ENDED);

	if (revoked)
		port_unref(p);
	return revoked;
}

bool oxi_work_abandon(struct oxi_work *w)
{
	return leave(w, OXI_WORK_RUNNING, OXI_WORK_ABANDONED);
}

/* ---- a coroutine that waits ---- */

struct call {
	struct oxi_work work;
	void (*fn)(void *);
	void *arg;
	void (*drop)(void *);
	ox_limiter *limiter;            /* it has a token of this one; or NULL */
	struct oxi_wait *caller;        /* NULL: has gone */
};

struct caller {
	struct oxi_wait wait;
	struct call *call;
	enum { STAYS, REVOKED, GONE } how;      /* GONE: the call is its thread's now */
};

static void call_run(struct oxi_work *w)
{
	struct call *c = OXI_CONTAINER(w, struct call, work);

	c->fn(c->arg);
}

static void call_drop(struct oxi_work *w)
{
	struct call *c = OXI_CONTAINER(w, struct call, work);

	c->drop(c->arg);
}

static void call_done(struct oxi_work *w)
{
	struct call *c = OXI_CONTAINER(w, struct call, work);

	if (c->limiter)
		ox_limiter_release_for(c->limiter, c);
	if (c->caller)
		oxi_wake(c->caller, 0);
}

static oxi_abort_answer caller_leaves(struct oxi_wait *wait)
{
	struct caller *me = OXI_CONTAINER(wait, struct caller, wait);
	struct call *c = me->call;

	if (oxi_work_revoke(&c->work)) {
		me->how = REVOKED;
		return OXI_ABORTED;
	}
	if (c->drop == NULL || !oxi_work_abandon(&c->work))
		return OXI_LATER;
	me->how = GONE;
	c->caller = NULL;
	return OXI_ABORTED;
}

/* Submits a call and parks; what is said about drop in thread.h. */
static int submit_and_park(struct call *c, const char *what, bool *ret_gone)
{
	struct caller me = { .call = c };
	int r = c->limiter ? ox_limiter_acquire_for(c->limiter, c) : 0;

	if (r == 0) {
		oxi_wait_init(&me.wait, what, c->arg, caller_leaves);
		c->caller = &me.wait;
		r = oxi_work_submit(&c->work);
		if (r == 0)
			r = oxi_park(&me.wait);
		else if (c->limiter)
			ox_limiter_release_for(c->limiter, c);
	}
	*ret_gone = me.how == GONE;
	if (r == OX_ECANCELED && me.how != GONE && c->drop)
		c->drop(c->arg);
	return r;
}

static int run(enum oxi_thread_kind kind, const struct call *what_to, const char *what)
{
	bool gone;
	struct call here, *c = what_to->drop ? oxi_alloc(sizeof(*c)) : &here;
	int r;

	if (c == NULL)
		return OX_ENOMEM;
	*c = *what_to;
	c->work = (struct oxi_work){ .run = call_run, .done = call_done, .drop = call_drop, .kind = kind };
	r = submit_and_park(c, what, &gone);
	if (c != &here && !gone)
		oxi_free(c);
	return r;
}

int oxi_thread_run(enum oxi_thread_kind kind, void (*fn)(void *arg), void *arg, void (*drop)(void *arg),
                   const char *what)
{
	return run(kind, &(struct call){ .fn = fn, .arg = arg, .drop = drop }, what);
}

/* ---- public ---- */

struct function {
	void *(*fn)(void *);
	void *arg, *result;
	void (*abandoned)(void *arg, void *result);
};

static void function_run(void *arg)
{
	struct function *f = arg;

	f->result = f->fn(f->arg);
}

static void function_drop(void *arg)
{
	struct function *f = arg;

	f->abandoned(f->arg, f->result);
	oxi_free(f);
}

void ox_thread_options_init(ox_thread_options *o)
{
	*o = *OX_THREAD_OPTIONS(.size = sizeof(*o));
}

static int run_function(struct function *f, ox_limiter *limiter, void **ret)
{
	enum oxi_thread_kind kind = limiter ? OXI_THREAD_FREE : OXI_THREAD_CALL;
	struct call c = { .fn = function_run, .arg = f, .drop = f->abandoned ? function_drop : NULL, .limiter = limiter };
	int r = run(kind, &c, "thread");

	if (r == 0 && ret)
		*ret = f->result;
	return r;
}

int ox_thread_call_with(void *(*fn)(void *arg), void *arg, const ox_thread_options *o, void **ret)
{
	struct function here = { .fn = fn, .arg = arg }, *f = &here;
	ox_limiter *limiter = o ? o->limiter : NULL;
	int r = oxi_checkpoint();

	if (o == NULL || o->abandoned == NULL)
		return r < 0 ? r : run_function(f, limiter, ret);
	if (r == OX_ECANCELED)
		o->abandoned(arg, NULL);
	if (r < 0)
		return r;
	f = oxi_alloc(sizeof(*f));
	if (f == NULL)
		return OX_ENOMEM;
	*f = here;
	f->abandoned = o->abandoned;
	r = run_function(f, limiter, ret);
	if (r != OX_ECANCELED)
		oxi_free(f);
	return r;
}

int ox_thread_call(void *(*fn)(void *arg), void *arg, void **ret)
{
	return ox_thread_call_with(fn, arg, NULL, ret);
}
