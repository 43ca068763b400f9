/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: a FIFO of ready coroutines, the turn, and the one parking primitive.
 *
 *	         spawn                 park                         wake
 *	(none) --------> READY ----> RUNNING --------> PARKED --------------> READY
 *	                   ^            | returned        |  scope cancelled: abort(),
 *	                   '------------'                 '--> ABORTED: READY with OX_ECANCELED; LATER: stays PARKED
 *
 * A turn runs the coroutines that are ready at its beginning, in order; those made ready meanwhile wait for
 * the next one. Then come the hooks (work that was put off to be done once for the whole turn), then the
 * poll.
 *
 * Polling is a system call and a turn can be 20 ns long, so while anything is ready the loop polls only every
 * 50 us, by a clock that costs nothing, or after POLL_RESUMES coroutines; with nothing ready it polls always,
 * and sleeps there.
 *
 * Every coroutine switches to the thread's own stack and the scheduler to the next: two switches where one
 * would do. That costs 3 ns and buys that whatever is not a coroutine (poll callbacks, hooks, the end of a
 * task and the reuse of its stack) runs on a big stack and in one place.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <oxbow/thread.h>

#include "include/private/ticks.h"
#include "loop/lock.h"
#include "loop/state.h"
#include "loop/trace.h"

#define POLL_RESUMES 1000u
#define BUDGET       128u               /* operations begun in a row without parking */
#define SAMPLED_POLLS 16u               /* one in so many begins a sample of the latency */

_Thread_local struct ox_loop *oxi_loop;

/* ---- time ---- */

/* Virtual time stands still between jumps: then skew is the time itself. */
ox_time oxi_now(void)
{
	struct ox_loop *l = oxi_loop;

	return l && l->virtual ? l->skew : oxi_real_now();
}

ox_time ox_now(void)
{
	return oxi_now();
}

/* ---- parking ---- */

static void switch_away(struct ox_loop *l, struct oxi_task *t)
{
	t->saved_errno = errno;
	oxi_context_switch(&t->context, &l->main, false);
	errno = t->saved_errno;
}

/* No wait record: nothing takes a coroutine back that is ready already. */
static int yield(struct ox_loop *l, struct oxi_task *t)
{
	oxi_trace_wake(l, t, 0);
	oxi_list_append(&l->ready, &t->ready);
	switch_away(l, t);
	return t->scope->cancelled ? OX_ECANCELED : 0;
}

/* 0; 1: it is time to let the others run; a negative code. */
static inline int may_begin(void)
{
	struct ox_loop *l = oxi_loop;

	if (OXI_UNLIKELY(oxi_forked()))
		return OX_EFORKED;
	if (OXI_UNLIKELY(l == NULL || l->current == NULL))
		return OX_ESTATE;
	if (l->current->scope->cancelled)
		return OX_ECANCELED;
	return ++l->current->operations >= BUDGET;
}

int oxi_may_begin(void)
{
	int r = may_begin();

	return r < 0 ? r : 0;
}

void oxi_give_way(void)
{
	struct ox_loop *l = oxi_loop;

	if (OXI_UNLIKELY(l->current->operations >= BUDGET))
		yield(l, l->current);
}

int oxi_checkpoint(void)
{
	int r = may_begin();

	return OXI_LIKELY(r <= 0) ? r : yield(oxi_loop, oxi_loop->current);
}

int oxi_checkpoint_at(struct oxi_list *waits)
{
	struct oxi_wait w;
	int r = may_begin();

	if (OXI_LIKELY(r <= 0))
		return r;
	oxi_wait_init(&w, NULL, NULL, NULL);
	oxi_list_append(waits, &w.link);
	r = yield(oxi_loop, oxi_loop->current);
	oxi_list_remove(&w.link);
	return w.result < 0 ? w.result : r;
}

void oxi_wait_init(struct oxi_wait *w, const char *kind, const void *object, oxi_abort_answer (*abort)(struct oxi_wait *))
{
	*w = (struct oxi_wait){ .abort = abort, .kind = kind, .object = object, .fd = -1 };
	oxi_list_init(&w->link);
	w->task = oxi_loop->current;
}

/* Tells a parked coroutine of a cancel; once. */
void oxi_abort_wait(struct oxi_wait *w)
{
	oxi_abort_answer (*abort)(struct oxi_wait *) = w->abort;

	w->abort = NULL;
	if (w->parked && abort && abort(w) == OXI_ABORTED)
		oxi_wake(w, OX_ECANCELED);
}

int oxi_park(struct oxi_wait *w)
{
	struct ox_loop *l = oxi_loop;
	struct oxi_task *t = w->task;

	OXI_CHECK(t != NULL && t == l->current);
	w->since = l->time;
	w->parked = true;
	t->wait = w;
	oxi_trace_park(l, t, w);
	if (OXI_UNLIKELY(w->kind == oxi_lock_kind))
		oxi_deadlock_look(w);
	if (t->scope->cancelled)
		oxi_abort_wait(w);
	switch_away(l, t);
	t->wait = NULL;
	return w->result;
}

void oxi_ready(struct oxi_task *t)
{
	oxi_list_append(&oxi_loop->ready, &t->ready);
	if (OXI_UNLIKELY(!oxi_loop->turning))
		oxi_loop_disturbed(oxi_loop);
}

void oxi_wake(struct oxi_wait *w, int result)
{
	OXI_CHECK(w->parked);
	w->parked = false;
	w->result = result;
	oxi_trace_wake(oxi_loop, w->task, result);
	oxi_ready(w->task);
}

void oxi_wake_all(struct oxi_list *waits, int result)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(waits)))
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), result);
}

int ox_yield(void)
{
	int r = oxi_checkpoint();

	return r < 0 ? r : yield(oxi_loop, oxi_loop->current);
}

/* ---- hooks ---- */

void oxi_hook_init(struct oxi_hook *h, void (*fn)(struct oxi_hook *))
{
	oxi_list_init(&h->link);
	h->fn = fn;
}

void oxi_hook_arm(struct oxi_hook *h)
{
	if (oxi_list_empty(&h->link))
		oxi_list_append(&oxi_loop->hooks, &h->link);
	if (OXI_UNLIKELY(!oxi_loop->turning))
		oxi_loop_disturbed(oxi_loop);
}

void oxi_hook_at_end(struct oxi_hook *h)
{
	if (oxi_list_empty(&h->link))
		oxi_list_prepend(&oxi_loop->end_hooks, &h->link);
}

void oxi_hook_disarm(struct oxi_hook *h)
{
	oxi_list_remove(&h->link);
}

static void run_hooks(struct oxi_list *hooks)
{
	struct oxi_list now, *e;

	oxi_list_init(&now);
	oxi_list_splice(&now, hooks);
	while ((e = oxi_list_shift(&now))) {
		struct oxi_hook *h = OXI_CONTAINER(e, struct oxi_hook, link);

		h->fn(h);
	}
}

/* ---- the turn ---- */

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;         /* xorshift64, Marsaglia 2003 */
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * For tests: an order drawn from the seed. Each pass moves about half of the list, by a random bit each, behind the rest
 * (a riffle shuffle backwards); after twice log2(n) of them, and a few, one order is about as likely as another. A
 * hundred thousand take no time to speak of, and no memory.
 */
__attribute__((cold)) static void shuffle(struct ox_loop *l, struct oxi_list *turn)
{
	unsigned passes = 8, n = 0;

	OXI_LIST_EACH(e, turn)
		n++;
	for (; n > 0; n >>= 1)
		passes += 2;
	while (passes-- > 0) {
		struct oxi_list behind;

		oxi_list_init(&behind);
		OXI_LIST_EACH(e, turn) {
			if (random_next(&l->shuffle) >> 63 == 0)
				continue;
			oxi_list_remove(e);
			oxi_list_append(&behind, e);
		}
		oxi_list_splice(turn, &behind);
	}
}

static inline void switch_to(struct ox_loop *l, struct oxi_task *t)
{
	l->current = t;
	oxi_context_switch(&l->main, &t->context, false);
	l->current = NULL;
}

/* What a coroutine wants done on the thread's own stack. */
struct oxi_errand {
	void *(*fn)(void *);
	void *arg, *result;
};

static __attribute__((noinline)) void run_errands(struct ox_loop *l, struct oxi_task *t)
{
	while (l->errand) {
		struct oxi_errand *e = l->errand;

		l->errand = NULL;
		l->errand_of = t;
		e->result = e->fn(e->arg);
		l->errand_of = NULL;
		switch_to(l, t);
	}
}

void *ox_run_on_big_stack(void *(*fn)(void *arg), void *arg)
{
	struct ox_loop *l = oxi_loop;
	struct oxi_errand e = { .fn = fn, .arg = arg };

	if (l == NULL || l->current == NULL || oxi_forked())
		return fn(arg);
	l->errand = &e;
	switch_away(l, l->current);
	return e.result;
}

static inline void step(struct ox_loop *l, struct oxi_task *t)
{
	l->figures.resumes++;
	t->operations = 0;
	switch_to(l, t);
	if (OXI_UNLIKELY(l->errand != NULL))
		run_errands(l, t);
}

static inline void resume(struct ox_loop *l, struct oxi_task *t)
{
	step(l, t);
	if (OXI_UNLIKELY(t->ended))
		oxi_task_finish(t);
}

static void resume_watched(struct ox_loop *l, struct oxi_task *t)
{
	ox_time begin = l->measures.on ? oxi_real_now() : 0;

	if (t == l->figures.sample)
		oxi_figures_latency(&l->figures);
	oxi_trace_if(l, OX_TRACE_RUN, t, NULL, 0);
	step(l, t);
	if (l->measures.on)
		oxi_measure_run(l, t, oxi_real_now() - begin);
	if (t->ended)
		oxi_task_finish(t);
}

/* A turn that is looked at: by a tracer, a measurement, or the sample of the latencies. */
__attribute__((cold, noinline)) static void run_watched(struct ox_loop *l, struct oxi_list *turn)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(turn)))
		resume_watched(l, OXI_CONTAINER(e, struct oxi_task, ready));
}

static inline __attribute__((always_inline)) void run_ready(struct ox_loop *l)
{
	struct oxi_list turn, *e;
	uint64_t n = l->figures.resumes;

	oxi_list_init(&turn);
	oxi_list_splice(&turn, &l->ready);
	if (OXI_UNLIKELY(l->shuffle != 0))
		shuffle(l, &turn);
	if (OXI_UNLIKELY(l->figures.sample || l->tracer || l->measures.on))
		run_watched(l, &turn);
	while ((e = oxi_list_shift(&turn)))
		resume(l, OXI_CONTAINER(e, struct oxi_task, ready));
	n = l->figures.resumes - n;
	l->figures.turns += n > 0;
	if (n > l->figures.ready_max)
		l->figures.ready_max = n;
}

static void polled(struct ox_loop *l)
{
	l->time = oxi_now();
	l->figures.polled_resumes = l->figures.resumes;
	l->polled_at = oxi_ticks();
	oxi_timers_fire(&l->timers, l->time);
	if (++l->figures.polls % SAMPLED_POLLS == 0 && !l->virtual && !oxi_list_empty(&l->ready)) {
		l->figures.sample = OXI_CONTAINER(l->ready.prev, struct oxi_task, ready);
		l->figures.sampled = l->time;
	}
}

static void poll_reactor(struct ox_loop *l, ox_time until)
{
	oxi_trace_poll_begin(l);
	l->asleep = until != 0;
	oxi_reactor_poll(l->reactor, until);
	oxi_loop_awake(l);
	oxi_trace_poll_end(l);
}

static void poll_until(struct ox_loop *l, ox_time until)
{
	uint64_t busy = oxi_ticks() - l->polled_at;

	if (busy > l->figures.longest_busy)
		l->figures.longest_busy = busy;
	oxi_loop_awake(l);              /* the end of a stall is told before it sleeps */
	poll_reactor(l, until);
	polled(l);
}

/* Free stacks that nobody needed for a second give their memory back; an idle loop is woken for that once. */
static void trim(struct oxi_timer *t)
{
	if (oxi_stacks_trim(&oxi_loop->stacks))
		oxi_timer_set(t, oxi_loop->time + OX_SEC(1));
}

static bool something_is_ready(const struct ox_loop *l)
{
	return !oxi_list_empty(&l->ready) || !oxi_list_empty(&l->hooks);
}

/* Nothing can make anything ready: no timer but our own, nothing real is pending, nobody else has the loop. */
static bool is_stuck(const struct ox_loop *l)
{
	return l->held == 0 && !l->handed_out && l->timers.len == (l->trim_timer.index != 0);
}

/*
 * Nothing is ready. In real time the loop sleeps until the next timer. Virtual time jumps there instead,
 * unless something real is pending: then the loop waits for that.
 */
static void idle(struct ox_loop *l)
{
	ox_time next = oxi_timers_next(&l->timers);
	bool stuck = is_stuck(l);

	if (!l->virtual && l->all_parked == NULL && !stuck) {
		poll_until(l, next);
		return;
	}
	poll_until(l, 0);
	if (stuck && !something_is_ready(l) && l->all_parked == NULL)
		oxi_deadlock(l);
	if (something_is_ready(l))
		return;
	if (l->all_parked) {
		struct oxi_wait *w = l->all_parked;

		l->all_parked = NULL;
		oxi_wake(w, 0);
	} else if (l->held > 0 || next == OX_NEVER || !l->virtual) {
		poll_until(l, l->virtual ? OX_NEVER : next);
	} else {
		l->skew = l->time = next > l->skew ? next : l->skew;
		oxi_timers_fire(&l->timers, l->time);
	}
}

/* True: something is ready again. Inlined: a turn can be as short as one yield. */
static inline __attribute__((always_inline)) bool turn(struct ox_loop *l)
{
	run_ready(l);
	if (!oxi_list_empty(&l->hooks))
		run_hooks(&l->hooks);
	return something_is_ready(l);
}

static bool poll_is_due(const struct ox_loop *l)
{
	return l->figures.resumes - l->figures.polled_resumes >= POLL_RESUMES || oxi_ticks() - l->polled_at > oxi_ticks_short();
}

static void begin_turning(struct ox_loop *l)
{
	l->turning = true;
	oxi_loop_awake(l);
}

void oxi_loop_turns(struct ox_loop *l, struct oxi_task *until)
{
	begin_turning(l);
	while (until->future.origin == OX_ORIGIN_NONE) {
		if (turn(l)) {
			if (poll_is_due(l))
				poll_until(l, 0);
		} else if (until->future.origin == OX_ORIGIN_NONE) {
			idle(l);
		}
	}
	l->turning = false;
}

bool oxi_loop_some_turns(struct ox_loop *l, bool poll)
{
	bool more;

	begin_turning(l);
	if (poll)
		poll_reactor(l, 0);
	polled(l);
	do
		more = turn(l);
	while (more && !poll_is_due(l));
	if (!more)
		oxi_reactor_wake_at(l->reactor, oxi_timers_next(&l->timers));
	oxi_loop_awake(l);              /* the end of a stall is told now */
	oxi_watchdog_rest(l);
	l->turning = false;
	return more;
}

/* ---- a loop ---- */

void *oxi_loop_get(const void *key)
{
	for (unsigned i = 0; i < OXI_LOCALS; i++)
		if (oxi_loop->locals[i].key == key)
			return oxi_loop->locals[i].value;
	return NULL;
}

int oxi_loop_put(const void *key, void *value)
{
	unsigned i = 0, free = OXI_LOCALS;

	for (; i < OXI_LOCALS && oxi_loop->locals[i].key != key; i++)
		if (oxi_loop->locals[i].key == NULL && free == OXI_LOCALS)
			free = i;
	if (i == OXI_LOCALS)
		i = free;
	if (i == OXI_LOCALS)
		return OX_ENOMEM;
	oxi_loop->locals[i].key = value ? key : NULL;
	oxi_loop->locals[i].value = value;
	return 0;
}

bool oxi_loop_running(void)
{
	return oxi_loop != NULL;
}

void oxi_loop_hold(int delta)
{
	oxi_loop->held += delta;
	OXI_CHECK(oxi_loop->held >= 0);
}

ox_loop *ox_loop_self(void)
{
	if (oxi_loop)
		oxi_loop->handed_out = true;
	return oxi_loop;
}

struct event_base *oxi_loop_event_base(void)
{
	return oxi_reactor_base(oxi_loop->reactor);
}

void oxi_loop_init_lists(struct ox_loop *l)
{
	oxi_list_init(&l->ready);
	oxi_list_init(&l->hooks);
	oxi_list_init(&l->end_hooks);
	oxi_list_init(&l->deliver);
	oxi_list_init(&l->deliver_groups);
	oxi_timer_init(&l->trim_timer, trim);
	l->time = oxi_now();
	l->polled_at = l->figures.begun_at = oxi_ticks();
	l->figures.begun = oxi_real_now();
}

void oxi_loop_run_end_hooks(struct ox_loop *l)
{
	run_hooks(&l->end_hooks);
}
