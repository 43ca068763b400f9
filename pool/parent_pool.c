/* SPDX-License-Identifier: MIT */
/*
 * The pool as a whole: opening, the turn, closing.
 *
 * All descriptors of a pool (ZeroMQ's, the spawner's socket, a timer, the pipes of captured output) are in
 * one epoll instance of its own. A loop watches that one; attaching a pool to a loop and detaching it is one
 * call; and where no loop runs, closing polls it directly. The timer is a descriptor too, for a pool lives in
 * real time whatever clock the loop has.
 *
 * A turn handles what has come and lets the dispatcher send. ZeroMQ's descriptor tells of changes only, so a
 * turn ends by asking for the channel's state; what is left to do is done in the loop's next turn.
 *
 * Closing: refuse and fail jobs, tell workers to end -> after a second kill -> all seats empty -> tell the
 * spawner -> its end of the socket closes: nothing is left -> free, but for what results and blobs still lie
 * in.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/parent_inside.h"
#include "pool/remote.h"
#include "pool/saved.h"

#define GRACE       OX_SEC(1)           /* for workers that are told to end */
#define WARM        OX_MIB(64)          /* of free memory kept in each zone */
#define MAX_WORKERS 1024u
#define MAX_KINDS   UINT16_MAX

ox_time oxi_pool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return OX_SEC(t.tv_sec) + t.tv_nsec;
}

/* ---- events ---- */

int oxi_pool_listen(ox_pool *p, int fd, enum oxi_event what, unsigned slot)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)what << 32 | slot };

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

void oxi_pool_unlisten(const ox_pool *p, int *fd)
{
	if (*fd < 0)
		return;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, *fd, NULL);
	close(*fd);
	*fd = -1;
}

static void set_timer(ox_pool *p)
{
	ox_time at = p->timer_at < p->checkup_at ? p->timer_at : p->checkup_at;

	if (p->closing && p->kill_at < at)
		at = p->kill_at;
	if (p->remote != NULL && oxi_remote_next(p) < at)
		at = oxi_remote_next(p);
	if (at == p->timer_set)
		return;
	ox_time t = at == OX_NEVER ? 0 : at > 0 ? at : 1;
	struct itimerspec spec = { .it_value = { t / OX_SEC(1), t % OX_SEC(1) } };
	timerfd_settime(p->timer, TFD_TIMER_ABSTIME, &spec, NULL);
	p->timer_set = at;
}

static void kill_all(ox_pool *p)
{
	for (unsigned i = 0; i < p->seat_count; i++)
		if (p->seats[i].state != OXI_SEAT_EMPTY)
			oxi_seat_kill(&p->seats[i]);
	if (p->remote != NULL)
		oxi_remote_kill(p);
}

static void on_timer(ox_pool *p)
{
	ox_time now = oxi_pool_now();
	uint64_t times;

	if (read(p->timer, &times, sizeof times) != (ssize_t)sizeof times)
		return;
	p->timer_set = OX_NEVER;
	for (unsigned i = 0; i < p->seat_count; i++)
		if (p->seats[i].state == OXI_SEAT_READY)
			oxi_transport_harvest(p, &p->seats[i], false);
	if (now >= p->timer_at) {
		p->timer_at = OX_NEVER;
		oxi_dispatch_tick(p->dispatch, now);
	}
	if (now >= p->checkup_at)
		oxi_checkup(p, now);
	if (p->closing && now >= p->kill_at) {
		p->kill_at = OX_NEVER;
		p->killed = true;
		kill_all(p);
	}
}

static void on_event(ox_pool *p, enum oxi_event what, struct oxi_seat *s)
{
	static const struct rusage none;
	int signal_number;

	switch (what) {
	case OXI_EVENT_TIMER:
		on_timer(p);
		break;
	case OXI_EVENT_OUTPUT:
		oxi_output_read(p, s);
		break;
	case OXI_EVENT_DEATH:
		signal_number = atomic_load(&s->shared->signal);        /* the spawner would have known */
		if (s->state != OXI_SEAT_EMPTY)
			oxi_seat_died(p, s, signal_number > 0 && signal_number < NSIG ? signal_number : SIGKILL, &none);
		break;
	case OXI_EVENT_CHANNEL:
	case OXI_EVENT_SPAWNER:
		break;                  /* looked at in every turn */
	}
}

static void advance_close(ox_pool *p)
{
	if (!p->closing)
		return;
	if (!p->shut && oxi_seats_empty(p) && oxi_remote_empty(p)) {
		p->shut = true;
		if (p->spawner >= 0)
			shutdown(p->spawner, SHUT_WR);
	}
	if (p->shut && p->spawner < 0 && p->pending == 0 && !oxi_list_empty(&p->closer))
		oxi_wake(OXI_CONTAINER(oxi_list_shift(&p->closer), struct oxi_wait, link), 0);
}

/* ZeroMQ's descriptor is silent about what is still there: then this turn has a sequel. */
void oxi_pool_settle(ox_pool *p)
{
	oxi_transport_pump(p);
	if (p->remote != NULL)
		oxi_remote_turn(p);
	oxi_calls_collect(p);
	if (p->awaiting > 0)
		oxi_nested_try(p);
	oxi_after_settle(p);
	oxi_dispatch_flush(p->dispatch, oxi_pool_now());
	bool more = p->remote != NULL && oxi_remote_settle(p);
	if (oxi_channel_pending(p->channel) || more) {
		if (p->loop != NULL)
			oxi_hook_arm(&p->flush);
		else
			p->timer_at = oxi_pool_now();
	}
	if (!oxi_list_empty(&p->retired))
		oxi_shared_sweep(p);
	advance_close(p);
	oxi_checkup_plan(p);
	set_timer(p);
}

void oxi_pool_turn(ox_pool *p)
{
	struct epoll_event events[16];
	int n = epoll_wait(p->epoll, events, 16, 0);

	oxi_transport_reports(p);
	for (int i = 0; i < n; i++)
		on_event(p, (enum oxi_event)(events[i].data.u64 >> 32), &p->seats[(uint32_t)events[i].data.u64]);
	oxi_pool_settle(p);
}

/* ---- the loop that it belongs to ---- */

static void on_ready(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	oxi_pool_turn(arg);
}

static void on_flush(struct oxi_hook *h)
{
	oxi_pool_settle(OXI_CONTAINER(h, ox_pool, flush));
}

static void detach(ox_pool *p)
{
	if (p->held)
		oxi_loop_hold(-1);
	p->held = false;
	oxi_hook_disarm(&p->flush);
	oxi_hook_disarm(&p->at_end);
	oxi_watch_free(p->watch);
	p->watch = NULL;
	p->loop = NULL;
}

static void on_loop_end(struct oxi_hook *h)
{
	detach(OXI_CONTAINER(h, ox_pool, at_end));
}

int oxi_pool_attach(ox_pool *p)
{
	if (OXI_LIKELY(p->loop != NULL))
		return p->loop == ox_loop_self() ? 0 : OX_ESTATE;
	p->watch = oxi_watch_new(p->epoll, on_ready, p);
	if (p->watch == NULL)
		return OX_ENOMEM;
	int r = oxi_watch_set(p->watch, OX_READABLE);
	if (r < 0) {
		oxi_watch_free(p->watch);
		p->watch = NULL;
		return r;
	}
	p->loop = ox_loop_self();
	oxi_hook_at_end(&p->at_end);
	oxi_hook_arm(&p->flush);        /* what came while no loop ran */
	return 0;
}

/* ---- opening ---- */

void ox_pool_options_init(ox_pool_options *o)
{
	*o = (ox_pool_options){ .size = sizeof *o };
}

static bool recycles(const ox_pool_options *o)
{
	return o->max_jobs > 0 || o->max_age > 0 || o->recycle_rss > 0;
}

/* Whether the library was built with it, which configure decides. */
static bool has_sandbox(void)
{
#ifdef OXI_SECCOMP
	return true;
#else
	oxi_log(OX_LOG_ERROR, "no pool with a sandbox: this Oxbow was configured with --disable-sandbox");
	return false;
#endif
}

static int take_options(ox_pool *p, const ox_pool_options *o)
{
	ox_pool_options *mine = &p->options;

	if (o == NULL || o->size == 0)
		return OX_EINVAL;
	memcpy(mine, o, o->size < sizeof *mine ? o->size : sizeof *mine);
	if (mine->workers > MAX_WORKERS || mine->max_age < 0 ||
	    mine->idle_time < 0 || mine->stall < 0 || mine->ageing < 0 || mine->interval < 0 ||
	    mine->interval > OX_NEVER / 4 || mine->output > OX_OUTPUT_NULL || mine->spawn_deadline < 0 ||
	    mine->keep_state >= 2 * OX_STATE_FILES || (unsigned)mine->strays > OX_STRAYS_WARN ||
	    (unsigned)mine->sandbox > OX_SANDBOX_COMPUTE || (mine->remote_only && mine->listen == NULL))
		return OX_EINVAL;
	if (mine->capture > 0 && mine->output == OX_OUTPUT_INHERIT)
		mine->output = OX_OUTPUT_CAPTURE;
	if (mine->capture > 0 && mine->output != OX_OUTPUT_CAPTURE)
		return OX_EINVAL;
	if (mine->output == OX_OUTPUT_CAPTURE && mine->capture == 0)
		mine->capture = OX_KIB(64);
	if (mine->sandbox != OX_SANDBOX_NONE && !has_sandbox())
		return -ENOSYS;
	if (mine->remote_only)
		mine->workers = 1;      /* a seat that stays empty */
	if (mine->workers == 0)
		mine->workers = ox_cpu_count();
	if (mine->max_pending == 0)
		mine->max_pending = 4096;
	if (mine->max_pending_bytes == 0)
		mine->max_pending_bytes = OX_MIB(256);
	if (mine->max_result == 0)
		mine->max_result = OX_GIB(1);
	if (mine->arena_bytes == 0)
		mine->arena_bytes = OX_GIB(4);
	if (mine->overflow_bytes == 0)
		mine->overflow_bytes = mine->arena_bytes;
	if (mine->max_input == 0)
		mine->max_input = OX_GIB(4);
	if (mine->init_limit == 0)
		mine->init_limit = 5;
	if (mine->min_workers == 0 || mine->min_workers > mine->workers)
		mine->min_workers = mine->workers;
	if (mine->idle_time == 0)
		mine->idle_time = OX_SEC(10);
	p->seat_count = recycles(mine) ? 2 * mine->workers : mine->workers;
	return 0;
}

static int take_chaos(ox_pool *p)
{
	const char *text = secure_getenv("OX_CHAOS");

	if (text == NULL)
		return 0;
	int r = oxi_chaos_parse(text, &p->chaos);
	if (r < 0)
		oxi_log(OX_LOG_ERROR, "OX_CHAOS=%s: give SEED or SEED:what=rate,... with rates in a thousand", text);
	else
		oxi_log(OX_LOG_WARNING, "chaos is on, by OX_CHAOS=%s: workers will die, and more", text);
	return r;
}

bool oxi_pool_chaos(ox_pool *p, enum oxi_chaos_what what)
{
	return OXI_UNLIKELY(p->chaos.on) && oxi_chaos_hits(&p->chaos, what, UINT64_MAX, ++p->dice);
}

/* Fills in the defaults too. */
bool oxi_kind_makes_sense(struct oxi_kind *k)
{
	static const unsigned causes = OX_RETRY_CRASH | OX_RETRY_TIMEOUT | OX_RETRY_FAILURE;
	ox_job *job = &k->copy;

	if (job->timeout > OX_NEVER / 4)
		job->timeout = 0;
	if (job->emit_ahead == 0)
		job->emit_ahead = 64;
	if (job->emit_ahead_bytes == 0)
		job->emit_ahead_bytes = OX_MIB(4);
	return job->name != NULL && job->timeout >= 0 && job->grace >= 0 && job->grace <= OX_NEVER / 4 &&
	       job->retry_delay >= 0 && job->retry_max >= 0 && (job->retry_on & ~causes) == 0;
}

static int take_kinds(ox_pool *p)
{
	const ox_job *const *jobs = p->options.jobs;

	while (jobs != NULL && jobs[p->job_count] != NULL)
		if (p->job_count++ == MAX_KINDS)
			return OX_EINVAL;
	p->kind_count = p->job_count + oxi_actor_kinds(p->options.actors);
	if (p->kind_count == 0 || p->kind_count > MAX_KINDS)
		return OX_EINVAL;
	p->kinds = oxi_alloc(p->kind_count * sizeof *p->kinds);
	if (p->kinds == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < p->job_count; i++) {
		struct oxi_kind *k = &p->kinds[i];
		k->job = jobs[i];
		memcpy(&k->copy, jobs[i], jobs[i]->size < sizeof k->copy ? jobs[i]->size : sizeof k->copy);
		if (k->copy.fn == NULL || !oxi_kind_makes_sense(k))
			return OX_EINVAL;
		for (unsigned e = 0; e < i; e++)
			if (strcmp(p->kinds[e].copy.name, k->copy.name) == 0)
				return OX_EINVAL;
	}
	p->options.jobs = NULL;
	int r = oxi_actor_take_types(p);
	if (r == 0 && p->options.measure && (p->measured = oxi_measured_new(p->kind_count)) == NULL)
		r = OX_ENOMEM;
	return r;
}

static int write_page(ox_pool *p)
{
	static _Atomic uint32_t epochs;
	uint32_t base;
	struct oxi_pool_page *page = oxi_pool_page(&p->arena);

	if (getrandom(&base, sizeof base, 0) != (ssize_t)sizeof base)
		return -errno;
	*page = (struct oxi_pool_page){
		.epoch = base + atomic_fetch_add(&epochs, 1), .parent = getpid(),
		.workers = p->seat_count, .jobs = p->kind_count, .seed = p->options.seed,
		.worker_init = p->options.worker_init, .worker_fini = p->options.worker_fini, .worker_arg = p->options.worker_arg,
		.init_identity = p->options.worker_init != NULL ? oxi_code_identity((const void *)p->options.worker_init) : 0,
		.fini_identity = p->options.worker_fini != NULL ? oxi_code_identity((const void *)p->options.worker_fini) : 0,
	};
	page->chaos = p->chaos;
	page->places = p->options.workers;
	page->pin = p->options.pin;
	page->sandbox = p->options.sandbox == OX_SANDBOX_COMPUTE;
	page->strict_state = p->options.strict_state;
	page->keep_state = p->options.keep_state;
	page->warn_of_strays = p->options.strays == OX_STRAYS_WARN;
	page->nice = p->options.nice;
	page->max_core = p->options.max_core;
	page->max_data = p->options.max_data;
	page->max_files = p->options.max_files;
	page->max_file_size = p->options.max_file_size;
	page->calls = p->callee_count;
	for (unsigned i = 0; i < p->callee_count; i++)
		page->call[i] = p->callees[i].copy.fn;
	page->max_input = p->options.max_input;
	for (unsigned i = 0; i < p->kind_count; i++) {
		const ox_job *job = &p->kinds[i].copy;
		page->job[i] = (struct oxi_job_entry){
			.name = oxi_text_identity(job->name), .emit_ahead = job->emit_ahead, .emit_ahead_bytes = job->emit_ahead_bytes,
			.fn = job->fn, .identity = oxi_code_identity((const void *)job->fn), .timeout = job->timeout,
			.role = p->kinds[i].role, .type = p->kinds[i].type,
			.max_result = job->max_result > 0 && job->max_result < p->options.max_result ? job->max_result
			                                                                              : p->options.max_result,
		};
		if (page->job[i].identity == 0 && job->fn != NULL)
			return OX_ENOJOB;
	}
	return 0;
}

size_t oxi_pool_max_result(const ox_pool *p, unsigned kind)
{
	return oxi_pool_page(&p->arena)->job[kind].max_result;
}

static int make_arena(ox_pool *p)
{
	size_t control = oxi_control_page(p->kind_count) + p->seat_count * oxi_control_slot();
	size_t extent = OX_MIB(2);
	size_t zone = (p->options.arena_bytes + extent - 1) / extent * extent;
	int r = oxi_arena_create(&p->arena, control, zone, 1 + p->seat_count, p->options.overflow_bytes);

	return r == 0 ? write_page(p) : r;
}

int oxi_pool_find_spawner(ox_pool *p)
{
	int r = oxi_spawner_register(&p->arena, &p->spawner);

	if (r == 0 && (r = oxi_pool_listen(p, p->spawner, OXI_EVENT_SPAWNER, 0)) < 0) {
		close(p->spawner);
		p->spawner = -1;
	}
	return r;
}

/*
 * The arena must lie at an address that is free in the spawner as well. It nearly always is, for the spawner
 * has what main had early; where it is not, the next arena is made while the first still takes the address.
 */
static int place_arena(ox_pool *p)
{
	struct oxi_arena taken[4];
	unsigned n = 0;
	int r;

	for (;;) {
		r = make_arena(p);
		if (r == 0)
			r = oxi_pool_find_spawner(p);
		if (r != -EEXIST || n == 4)
			break;
		taken[n++] = p->arena;
		p->arena = (struct oxi_arena){ .fd = -1 };
	}
	while (n > 0)
		oxi_arena_destroy(&taken[--n]);
	return r;
}

static int make_seats(ox_pool *p)
{
	unsigned n = p->seat_count;

	p->seats = oxi_alloc(n * sizeof *p->seats);
	p->zones = oxi_alloc((2 + n) * sizeof *p->zones);
	if (p->seats == NULL || p->zones == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		p->seats[i].slot = i;
		p->seats[i].pidfd = p->seats[i].output.fd = p->seats[i].errors.fd = -1;
		p->seats[i].shared = oxi_pool_slot(&p->arena, i);
	}
	for (unsigned i = 0; i <= p->arena.zones; i++)
		if ((p->zones[i] = oxi_zone_new(&p->arena, i, WARM)) == NULL)
			return OX_ENOMEM;
	return 0;
}

static int make_events(ox_pool *p)
{
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->timer = p->epoll >= 0 ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK) : -1;
	return p->timer < 0 ? -errno : oxi_pool_listen(p, p->timer, OXI_EVENT_TIMER, 0);
}

static int make_dispatch(ox_pool *p)
{
	struct oxi_policy *policy = oxi_alloc(p->kind_count * sizeof *policy);
	struct oxi_dispatch_options o = {
		.workers = p->options.workers, .jobs = p->kind_count, .init_limit = p->options.init_limit,
		.one_at_a_time = p->options.output == OX_OUTPUT_CAPTURE || p->options.output == OX_OUTPUT_TAG, .max_batch = OXI_BATCH, .spare = p->seat_count - p->options.workers,
		.min_workers = p->options.min_workers, .idle = p->options.idle_time, .max_jobs = p->options.max_jobs,
		.max_age = p->options.max_age,
		.ageing = p->options.ageing,
		.interval = p->options.interval, .spawn_deadline = p->options.spawn_deadline,
		.remote = p->remote != NULL ? p->options.remote_workers : 0, .remote_only = p->options.remote_only,
		.policy = policy, .seed = (uint64_t)oxi_pool_now(),
	};

	if (policy == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < p->kind_count; i++) {
		const ox_job *job = &p->kinds[i].copy;
		policy[i] = (struct oxi_policy){
			.grace = job->grace, .retry_delay = job->retry_delay, .retry_max = job->retry_max, .retry_on = job->retry_on,
		};
	}
	p->dispatch = oxi_dispatch_new(&o, p->remote != NULL ? &oxi_remote_ops : &oxi_transport_ops, p);
	oxi_free(policy);
	return p->dispatch != NULL ? 0 : OX_ENOMEM;
}

static int build(ox_pool *p, const ox_pool_options *o)
{
	int r = take_options(p, o);

	if (r == 0)
		r = take_chaos(p);
	if (r == 0)
		r = take_kinds(p);
	if (r == 0)
		r = oxi_calls_open(p);
	if (r == 0)
		r = oxi_spawner_prepare();      /* before there is a thread of ZeroMQ's */
	if (r == 0)
		r = make_events(p);
	if (r == 0)
		r = place_arena(p);
	if (r == 0)
		r = make_seats(p);
	if (r == 0)
		r = oxi_channel_new_parent(&p->channel);
	if (r == 0)
		r = oxi_pool_listen(p, oxi_channel_fd(p->channel), OXI_EVENT_CHANNEL, 0);
	if (r == 0)
		r = oxi_remote_open(p);
	return r == 0 ? make_dispatch(p) : r;
}

/* Frees all that is not needed by results and blobs; also what was half built. */
static void dismantle(ox_pool *p)
{
	oxi_trace_close(p->trace);
	p->trace = NULL;
	oxi_dispatch_free(p->dispatch);
	oxi_remote_close(p);
	oxi_channel_free(p->channel);
	for (unsigned i = 0; p->seats != NULL && i < p->seat_count; i++) {
		oxi_free(p->seats[i].output.data);
		oxi_free(p->seats[i].errors.data);
		oxi_free(p->seats[i].transfer);
	}
	oxi_free(p->seats);
	int fds[] = { p->spawner, p->timer, p->epoll, p->arena.fd };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	p->dispatch = NULL;
	oxi_shared_close(p);
	p->channel = NULL;
	p->seats = NULL;
	p->arena.fd = p->spawner = p->timer = p->epoll = -1;
}

void oxi_pool_unref(ox_pool *p)
{
	if (--p->users > 0)
		return;
	for (unsigned class = 0; class < 2; class++)
		for (struct ox_result *j = p->free_jobs[class], *next; j != NULL; j = next) {
			next = (struct ox_result *)j->pool;
			oxi_free(j);
		}
	for (unsigned i = 0; p->zones != NULL && i <= p->arena.zones; i++)
		oxi_zone_free(p->zones[i]);
	oxi_free(p->zones);
	if (p->arena.base != NULL)
		oxi_arena_destroy(&p->arena);
	oxi_free(p->kinds);
	oxi_free(p->callees);
	oxi_quarantine_free(p->quarantine);
	oxi_free(p->measured);
	p->magic = 0;
	oxi_free(p);
}

int ox_pool_prepare(void)
{
	oxi_fork_mark();
	return oxi_forked() ? OX_EFORKED : oxi_spawner_prepare();
}

int ox_pool_open(const ox_pool_options *o, ox_pool **ret)
{
	oxi_fork_mark();
	if (oxi_forked())
		return OX_EFORKED;
	int r = oxi_replay_if_asked(o);
	if (r < 0)
		return r;
	ox_pool *p = oxi_alloc(sizeof *p);
	if (p == NULL)
		return OX_ENOMEM;
	p->magic = OXI_POOL_MAGIC;
	p->users = 1;
	p->arena.fd = p->spawner = p->timer = p->epoll = -1;
	p->timer_at = p->timer_set = p->kill_at = p->checkup_at = OX_NEVER;
	p->oom_kills = oxi_oom_kills();
	oxi_hook_init(&p->flush, on_flush);
	oxi_hook_init(&p->at_end, on_loop_end);
	oxi_list_init(&p->submitters);
	oxi_list_init(&p->waiting);
	oxi_list_init(&p->ripe);
	oxi_list_init(&p->drainers);
	oxi_list_init(&p->closer);
	oxi_list_init(&p->actors);
	oxi_list_init(&p->shared_data);
	oxi_list_init(&p->retired);
	r = build(p, o);
	if (r < 0) {
		dismantle(p);
		oxi_pool_unref(p);
		return r;
	}
	oxi_dispatch_start(p->dispatch, oxi_pool_now());
	set_timer(p);
	if (p->remote != NULL && oxi_loop_running() && (r = oxi_pool_attach(p)) < 0) {
		ox_pool_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

/* ---- closing ---- */

static oxi_abort_answer wait_on(struct oxi_wait *w)
{
	(void)w;
	return OXI_LATER;               /* it is ending as fast as it can */
}

static oxi_abort_answer leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

int ox_pool_drain(ox_pool *p)
{
	struct oxi_wait w;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if (p->pending == 0)
		return 0;
	p->draining++;
	oxi_wait_init(&w, "drain", p, leave);
	oxi_list_append(&p->drainers, &w.link);
	r = oxi_park(&w);
	p->draining--;
	return r;
}

static void begin_close(ox_pool *p)
{
	struct oxi_list *e;

	p->closing = true;
	p->kill_at = oxi_pool_now() + GRACE;
	while ((e = oxi_list_shift(&p->submitters)) != NULL)
		oxi_wake(OXI_CONTAINER(e, struct oxi_wait, link), OX_ECLOSED);
	oxi_after_close(p);
	oxi_dispatch_close(p->dispatch, oxi_pool_now());
}

/* In a coroutine: parks. */
static void await_end(ox_pool *p)
{
	struct oxi_wait w;

	oxi_hook_arm(&p->flush);
	oxi_wait_init(&w, "pool close", p, wait_on);
	oxi_list_append(&p->closer, &w.link);
	oxi_park(&w);
}

static void block_until_end(ox_pool *p)
{
	struct epoll_event e;

	oxi_pool_settle(p);
	while (!p->shut || p->spawner >= 0) {
		epoll_wait(p->epoll, &e, 1, -1);
		oxi_pool_turn(p);
	}
}

int ox_pool_close(ox_pool *p)
{
	if (p == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	bool parks = oxi_checkpoint() != OX_ESTATE && oxi_pool_attach(p) == 0;
	begin_close(p);
	if (parks)
		await_end(p);
	else
		block_until_end(p);
	if (p->loop != NULL)
		detach(p);
	oxi_actors_leave(p);
	dismantle(p);
	oxi_pool_unref(p);
	return 0;
}
