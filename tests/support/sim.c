/* SPDX-License-Identifier: MIT */
#include "tests/support/sim.h"

#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "tests/support/random.h"

enum event_kind { READY, INIT_FAILED, ARRIVE, BEGIN, FINISH, CRASH, RESULT, STALE, LOST, GO_ON };

struct sim_event {
	ox_time at;
	uint64_t sequence;              /* equal times: in order */
	enum event_kind kind;
	unsigned slot;
	uint32_t generation;
	uint64_t lease;
};

#define RING(i) ((i) % (4 * OXI_CLAIMS))

static bool chance(struct sim *s, unsigned per_thousand)
{
	return per_thousand > 0 && random_below(&s->seed, 1000) < per_thousand;
}

/* ---- the heap of events ---- */

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->sequence < b->sequence;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
	struct sim_event t = *a;

	*a = *b;
	*b = t;
}

static void push(struct sim *s, ox_time at, enum event_kind kind, unsigned slot, uint64_t lease)
{
	size_t i = s->event_count++;

	if (s->event_count > s->event_cap) {
		s->event_cap = 2 * s->event_cap + 64;
		s->events = realloc(s->events, s->event_cap * sizeof(*s->events));
		OXI_CHECK(s->events != NULL);
	}
	s->events[i] = (struct sim_event){ at, s->sequence++, kind, slot, s->w[slot].generation, lease };
	for (; i > 0 && earlier(&s->events[i], &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->events[i], &s->events[(i - 1) / 2]);
}

static struct sim_event pop(struct sim *s)
{
	struct sim_event first = s->events[0];
	size_t i = 0, n = --s->event_count;

	s->events[0] = s->events[n];
	for (;;) {
		size_t least = i;

		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < n; k++)
			if (earlier(&s->events[k], &s->events[least]))
				least = k;
		if (least == i)
			return first;
		swap(&s->events[i], &s->events[least]);
		i = least;
	}
}

/* ---- a worker's life ---- */

static struct sim_job *job_of(struct sim_worker *w, uint64_t lease)
{
	return w->jobs[lease % OXI_CLAIMS];
}

static void stop_running(struct sim *s, struct sim_job *job)
{
	job->running--;
	s->running[job->key]--;
}

void sim_die(struct sim *s, unsigned slot)
{
	struct sim_worker *w = &s->w[slot];

	if (w->state == SIM_NONE || w->state == SIM_DEAD)
		return;
	w->culprit = w->running;
	if (w->running != 0)
		stop_running(s, job_of(w, w->running));
	w->state = SIM_DEAD;
	push(s, s->now + OX_US(100), LOST, slot, 0);
}

void sim_lose_spawner(struct sim *s)
{
	for (unsigned slot = 0; slot < s->workers; slot++) {
		s->w[slot].orphaned = s->w[slot].state == SIM_STARTING || s->w[slot].state == SIM_UP;
		sim_die(s, slot);
	}
}

/* Claims the next job that was not taken back. */
static void claim_next(struct sim *s, unsigned slot)
{
	struct sim_worker *w = &s->w[slot];

	while (w->claimed == 0 && w->running == 0 && w->inbox_head != w->inbox_tail) {
		uint64_t lease = w->inbox[RING(w->inbox_head++)];
		uint64_t *cell = &w->claims[lease % OXI_CLAIMS];

		if (*cell != (lease << 2 | OXI_CLAIM_OFFERED))
			continue;
		*cell = lease << 2 | OXI_CLAIM_TAKEN;
		w->claimed = lease;
		if (chance(s, s->faults.dies_claimed))
			sim_die(s, slot);
		else
			push(s, s->now + (s->gap > 0 ? (ox_time)random_below(&s->seed, (uint64_t)s->gap) : 0), BEGIN, slot, lease);
	}
	if (w->ending && w->claimed == 0 && w->running == 0 && w->state == SIM_UP)
		sim_die(s, slot);
}

static void arrive(struct sim *s, unsigned slot)
{
	if (chance(s, s->faults.dies_unclaimed))
		sim_die(s, slot);
	else
		claim_next(s, slot);
}

/* Done with a job: that lies in the outbox, and the next one is claimed. */
static void hand_in(struct sim *s, unsigned slot, uint64_t lease)
{
	struct sim_worker *w = &s->w[slot];

	w->outbox[RING(w->outbox_tail++)] = lease;
	if (chance(s, s->faults.dies_finished)) {
		sim_die(s, slot);
		return;
	}
	push(s, s->now + s->latency, RESULT, slot, lease);
	claim_next(s, slot);
}

static void begin(struct sim *s, unsigned slot, uint64_t lease)
{
	struct sim_worker *w = &s->w[slot];
	struct sim_job *job = job_of(w, lease);

	w->claimed = 0;
	if (job->deadline > 0 && s->now >= job->deadline) {
		job->too_late = true;
		hand_in(s, slot, lease);
		return;
	}
	job->too_late = false;
	w->running = lease;
	w->since = s->now;
	job->begun++;
	job->begun_at = s->now;
	job->slot = slot;
	OXI_CHECK(++job->running == 1);
	s->running[job->key]++;
	OXI_CHECK(job->pin == NULL || (job->pin->slot == slot && job->pin->generation == w->generation));
	OXI_CHECK(job->key == 0 || s->running[job->key] <= job->key_limit);
	if (job->crashes || chance(s, s->faults.dies_running)) {
		push(s, s->now + job->run / 2, CRASH, slot, lease);
		return;
	}
	push(s, s->now + job->run, FINISH, slot, lease);
	if (w->told == lease && job->heeds > 0)
		push(s, s->now + job->heeds, FINISH, slot, lease);
	if (chance(s, s->faults.stops)) {
		sim_stand(s, slot);
		push(s, s->now + s->faults.stop_time, GO_ON, slot, 0);
	}
}

static void finish(struct sim *s, unsigned slot, uint64_t lease)
{
	struct sim_worker *w = &s->w[slot];

	stop_running(s, job_of(w, lease));
	w->running = 0;
	hand_in(s, slot, lease);
}

/* The oldest finished result reaches the parent. */
static void deliver(struct sim *s, unsigned slot)
{
	struct sim_worker *w = &s->w[slot];
	uint64_t lease = w->outbox[RING(w->outbox_head++)];
	struct sim_job *job = job_of(w, lease);
	struct oxi_djob *d = oxi_dispatch_find(s->d, slot, lease);
	int status = job->begun <= job->fails ? -1 : job->status;

	OXI_CHECK(d == NULL || d == &job->d);
	OXI_CHECK(!job->too_late || job->deadline > 0);
	if (chance(s, s->faults.stale))
		push(s, s->now + OX_MS(50), STALE, slot, lease);
	if (d != NULL && job->too_late)
		oxi_dispatch_late(s->d, d, s->now);
	else if (d != NULL && (status >= 0 || !oxi_dispatch_failed(s->d, d, job->run, s->now)))
		oxi_dispatch_done(s->d, d, status, job->run, s->now);
	if (chance(s, s->faults.duplicate))
		OXI_CHECK(oxi_dispatch_find(s->d, slot, lease) == NULL);
}

static void lose(struct sim *s, unsigned slot)
{
	struct sim_worker *w = &s->w[slot];
	uint32_t generation = w->generation;

	while (w->outbox_head != w->outbox_tail)
		deliver(s, slot);
	w->state = SIM_NONE;
	if (w->orphaned)
		oxi_dispatch_excuse(s->d, slot, generation);
	oxi_dispatch_lost(s->d, slot, generation, w->culprit, OX_ECRASHED, s->now);
}

void sim_stand(struct sim *s, unsigned slot)
{
	s->w[slot].stands = true;
}

void sim_go_on(struct sim *s, unsigned slot)
{
	s->w[slot].stands = false;
}

static void handle(struct sim *s, const struct sim_event *e)
{
	struct sim_worker *w = &s->w[e->slot];

	if (e->kind == STALE) {
		OXI_CHECK(oxi_dispatch_find(s->d, e->slot, e->lease) == NULL);
		return;
	}
	if (e->generation != w->generation || (w->state == SIM_DEAD && e->kind != LOST) || w->state == SIM_NONE)
		return;
	if (w->stands && (e->kind == ARRIVE || e->kind == BEGIN || e->kind == FINISH || e->kind == CRASH)) {
		push(s, s->now + OX_MS(1), e->kind, e->slot, e->lease);
		return;
	}
	switch (e->kind) {
	case READY:
		w->state = SIM_UP;
		oxi_dispatch_ready(s->d, e->slot, e->generation, s->now);
		break;
	case INIT_FAILED:
		oxi_dispatch_init_failed(s->d, e->slot, e->generation, OX_EINIT, s->now);
		sim_die(s, e->slot);
		break;
	case ARRIVE:
		arrive(s, e->slot);
		break;
	case BEGIN:
		begin(s, e->slot, e->lease);
		break;
	case FINISH:
		if (w->running == e->lease)     /* else it has ended sooner, as it was told */
			finish(s, e->slot, e->lease);
		break;
	case RESULT:
		deliver(s, e->slot);
		break;
	case CRASH:
		if (w->running == e->lease)
			sim_die(s, e->slot);
		break;
	case LOST:
		lose(s, e->slot);
		break;
	case GO_ON:
		sim_go_on(s, e->slot);
		break;
	case STALE:
		break;
	}
}

/* ---- what the dispatcher asks for ---- */

static int op_spawn(void *t, unsigned slot, uint32_t generation)
{
	struct sim *s = t;
	struct sim_worker *w = &s->w[slot];

	OXI_CHECK(w->state == SIM_NONE);
	if (s->no_spawner)
		return OX_EINIT;
	if (chance(s, s->faults.spawn_refused))
		return -EAGAIN;
	memset(w, 0, sizeof(*w));
	w->state = SIM_STARTING;
	w->generation = generation;
	s->spawns++;
	if (chance(s, s->faults.init_fails))
		push(s, s->now + s->start_time, INIT_FAILED, slot, 0);
	else if (chance(s, s->faults.dies_starting))
		push(s, s->now + s->start_time, CRASH, slot, 0);
	else
		push(s, s->now + s->start_time, READY, slot, 0);
	return 0;
}

static void op_kill(void *t, unsigned slot)
{
	struct sim *s = t;

	OXI_CHECK(s->w[slot].state == SIM_UP || s->w[slot].state == SIM_DEAD);
	OXI_CHECK(s->w[slot].kills++ == 0);
	s->kills++;
	sim_die(s, slot);
}

static void op_stop(void *t, unsigned slot)
{
	struct sim *s = t;

	s->w[slot].ending = true;
	push(s, s->now + s->latency, ARRIVE, slot, 0);
}

static int op_send(void *t, unsigned slot, struct oxi_djob *const *jobs, unsigned n)
{
	struct sim *s = t;
	struct sim_worker *w = &s->w[slot];

	OXI_CHECK(n > 0 && n <= OXI_CLAIMS / 4 && w->state != SIM_NONE && w->state != SIM_STARTING && !w->ending);
	if (chance(s, s->faults.send_refused))
		return -EHOSTUNREACH;
	for (unsigned i = 0; i < n; i++) {
		uint64_t lease = jobs[i]->lease;

		OXI_CHECK(jobs[i]->state == OXI_LEASED && jobs[i]->slot == slot && lease != 0 && lease < 1ull << 62);
		w->claims[lease % OXI_CLAIMS] = lease << 2 | OXI_CLAIM_OFFERED;
		w->jobs[lease % OXI_CLAIMS] = OXI_CONTAINER(jobs[i], struct sim_job, d);
		w->inbox[RING(w->inbox_tail++)] = lease;
	}
	s->sends++;
	w->messages++;
	push(s, s->now + s->latency, ARRIVE, slot, 0);
	return 0;
}

static enum oxi_taken op_take_back(void *t, unsigned slot, uint64_t lease)
{
	struct sim *s = t;
	uint64_t *cell = &s->w[slot].claims[lease % OXI_CLAIMS];

	if (*cell != (lease << 2 | OXI_CLAIM_OFFERED))
		return OXI_TAKEN_NOT;
	*cell = lease << 2 | OXI_CLAIM_BACK;
	s->taken_back++;
	return OXI_TAKEN;
}

static void op_running(void *t, unsigned slot, struct oxi_running *ret)
{
	struct sim *s = t;

	*ret = (struct oxi_running){ .lease = s->w[slot].running, .since = s->w[slot].since };
}

static void op_tell(void *t, unsigned slot, uint64_t lease)
{
	struct sim *s = t;
	struct sim_worker *w = &s->w[slot];

	if (w->told == lease)
		return;
	w->told = lease;
	s->told++;
	if (w->running == lease && job_of(w, lease)->heeds > 0)
		push(s, s->now + job_of(w, lease)->heeds, FINISH, slot, lease);
}

static int op_crashed(void *t, struct oxi_djob *d)
{
	struct sim *s = t;
	struct sim_job *job = OXI_CONTAINER(d, struct sim_job, d);

	job->killed++;
	return s->crash_limit > 0 && job->killed >= s->crash_limit ? OX_EQUARANTINED : 0;
}

static void op_end(void *t, struct oxi_djob *d, enum oxi_end how, int status)
{
	struct sim *s = t;
	struct sim_job *job = OXI_CONTAINER(d, struct sim_job, d);

	OXI_CHECK(job->ends++ == 0);
	OXI_CHECK(d->state == OXI_ENDED);
	job->how = how;
	job->end_status = status;
	job->ended_at = s->now;
	s->ended++;
	if (s->on_end != NULL)
		s->on_end(s, job);
}

/* What a job has is the owner's affair. */
static void op_again(void *t, struct oxi_djob *job)
{
	(void)t, (void)job;
}

static ox_time op_deadline(void *t, const struct oxi_djob *d)
{
	const struct sim_job *job = OXI_CONTAINER((struct oxi_djob *)d, struct sim_job, d);

	(void)t;
	OXI_CHECK(d->dated);
	return job->deadline;
}

static void op_pin_lost(void *t, struct oxi_pin *pin)
{
	struct sim *s = t;

	OXI_CHECK(pin->generation == 0);
	if (s->on_pin_lost != NULL)
		s->on_pin_lost(s, pin);
}

static void op_timer(void *t, ox_time at)
{
	struct sim *s = t;

	s->timer = at;
}

static const struct oxi_dispatch_ops ops = {
	.spawn = op_spawn, .kill = op_kill, .stop = op_stop, .send = op_send, .take_back = op_take_back,
	.running = op_running, .tell = op_tell, .again = op_again, .deadline = op_deadline, .crashed = op_crashed, .end = op_end,
	.timer = op_timer, .pin_lost = op_pin_lost,
};

/* ---- the calls ---- */

void sim_open(struct sim *s, const struct oxi_dispatch_options *o, uint64_t seed)
{
	*s = (struct sim){
		.seed = seed, .now = OX_SEC(1000), .timer = OX_NEVER, .workers = o->workers + o->spare, .start_time = OX_MS(2),
		.latency = OX_US(20), .gap = OX_US(2),
	};
	s->w = calloc(s->workers, sizeof(*s->w));
	s->d = oxi_dispatch_new(o, &ops, s);
	OXI_CHECK(s->w != NULL && s->d != NULL);
}

void sim_start(struct sim *s)
{
	oxi_dispatch_start(s->d, s->now);
}

void sim_check(const struct sim *s)
{
	struct oxi_dispatch_counts c;

	oxi_dispatch_get_counts(s->d, &c);
	OXI_CHECK(s->submitted == c.ended_ok + c.ended_failed + c.ended_cancelled + c.queued + c.leased);
	OXI_CHECK(s->ended == c.ended_ok + c.ended_failed + c.ended_cancelled);
	OXI_CHECK(c.killed == s->kills && c.spawned == s->spawns);
}

void sim_close(struct sim *s)
{
	sim_check(s);
	OXI_CHECK(s->submitted == s->ended);
	oxi_dispatch_free(s->d);
	free(s->w);
	free(s->events);
}

void sim_submit(struct sim *s, struct sim_job *job)
{
	s->submitted++;
	job->d.dated = job->deadline > 0;
	if (job->pin != NULL || job->affinity != 0) {
		job->d.extra = &job->extra;
		job->extra.pin = job->pin;
		job->extra.affinity = job->affinity;
	}
	if (job->key > 0) {
		job->d.extra = &job->extra;
		job->extra.key = oxi_dispatch_key(s->d, job->key, job->key_limit);
		OXI_CHECK(job->extra.key != NULL);
	}
	oxi_dispatch_submit(s->d, &job->d, s->now);
}

void sim_cancel(struct sim *s, struct sim_job *job, bool abandon)
{
	oxi_dispatch_cancel(s->d, &job->d, OXI_END_CANCEL, OX_ECANCELED, abandon, s->now);
}

bool sim_step(struct sim *s)
{
	oxi_dispatch_flush(s->d, s->now);
	if (s->event_count == 0 || s->timer < s->events[0].at) {
		if (s->timer == OX_NEVER)
			return false;
		if (s->timer > s->now)
			s->now = s->timer;
		s->timer = OX_NEVER;
		oxi_dispatch_tick(s->d, s->now);
		OXI_CHECK(s->timer > s->now);           /* else the clock stands still */
	} else {
		struct sim_event e = pop(s);

		s->now = e.at;
		handle(s, &e);
	}
	return true;
}

static ox_time next_time(const struct sim *s)
{
	ox_time at = s->event_count > 0 ? s->events[0].at : OX_NEVER;

	return s->timer < at ? s->timer : at;
}

void sim_run_until(struct sim *s, ox_time t)
{
	oxi_dispatch_flush(s->d, s->now);
	while (next_time(s) <= t && sim_step(s))
		;
	s->now = t;
}

bool sim_drain(struct sim *s, ox_time limit)
{
	ox_time end = s->now + limit;

	while (s->ended < s->submitted && s->now < end && sim_step(s))
		;
	return s->ended == s->submitted;
}
