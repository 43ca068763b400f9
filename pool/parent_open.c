/* SPDX-License-Identifier: MIT */
/*
 * A pool from its options to its first worker, and the taking apart. What is built, in order: options and kinds checked and copied;
 * the spawner, before there is a thread of ZeroMQ's; the epoll instance; the arena, at an address that is free in the spawner too,
 * with the page that tells workers of the pool; seats and zones; channel and dispatcher. What was half built is taken apart by the
 * same function as the whole.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/parent_inside.h"
#include "pool/remote.h"
#include "pool/saved.h"

#define WARM        OX_MIB(64)          /* of free memory that each zone keeps, however long */
#define MAX_WORKERS 1024u
#define MAX_KINDS   UINT16_MAX

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
	page->pid_namespace = p->options.pid_namespace;
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
		p->seats[i].pidfd = p->seats[i].bell = p->seats[i].output.fd = p->seats[i].errors.fd = -1;
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
		r = oxi_bell_open(p);
	if (r == 0)
		r = oxi_remote_open(p);
	return r == 0 ? make_dispatch(p) : r;
}

void oxi_pool_dismantle(ox_pool *p)
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
	oxi_bell_close(p);
	oxi_free(p->seats);
	int fds[] = { p->spawner, p->timer, p->epoll, p->arena.fd };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	p->dispatch = NULL;
	oxi_shared_close(p);
	p->channel = NULL;
	p->seats = NULL;
	p->arena.fd = p->spawner = p->timer = p->bell = p->epoll = -1;
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
	p->arena.fd = p->spawner = p->timer = p->bell = p->epoll = -1;
	p->timer_at = p->timer_set = p->kill_at = p->checkup_at = p->calm_at = OX_NEVER;
	p->oom_kills = oxi_oom_kills();
	oxi_pool_init_hooks(p);
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
		oxi_pool_dismantle(p);
		oxi_pool_unref(p);
		return r;
	}
	oxi_dispatch_start(p->dispatch, oxi_pool_now());
	oxi_pool_set_timer(p);
	if (p->remote != NULL && oxi_loop_running() && (r = oxi_pool_attach(p)) < 0) {
		ox_pool_close(p);
		return r;
	}
	*ret = p;
	return 0;
}
