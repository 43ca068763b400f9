/* SPDX-License-Identifier: MIT */
/*
 * A seat is a worker's place in the pool, and the worker in it:
 *
 *	EMPTY --FORK sent--> FORKING --FORKED--> STARTING --it says so in its slot--> READY
 *	  ^                     |                   |                                   |
 *	  '------------------ its death, reported by the spawner, from any state -------'
 *
 * Its channel is there from the HELLO on, in any state, and perhaps never.
 *
 * A death is told by the spawner, which knows how it happened. If the spawner itself is gone, its workers die
 * with it, and the pidfds say when. Only a dead worker's seat is cleared, for a living one could still write.
 * What it had published in its outboxes counts, whether its messages came or not.
 */
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/packet.h"
#include "pool/parent.h"

/* ---- grants: result room in the worker's zone ---- */

const struct oxi_grant *oxi_grant_find(const struct oxi_seat *s, uint64_t lease)
{
	for (unsigned i = 0; i < OXI_GRANTS; i++)
		if (s->grant[i].lease == lease)
			return &s->grant[i];
	return NULL;
}

/* Two entries stay for the job that runs: for the room that it has and the one that it moves to. */
const struct oxi_grant *oxi_grant_add(ox_pool *p, struct oxi_seat *s, uint64_t lease, size_t len)
{
	struct oxi_grant *g = (struct oxi_grant *)oxi_grant_find(s, 0);
	unsigned used = 0;
	size_t place;

	for (unsigned i = 0; i < OXI_GRANTS; i++)
		used += s->grant[i].lease != 0;
	if (used >= OXI_GRANTS - 2 || (place = oxi_zone_get(p->zones[1 + s->slot], len, &g->cap)) == 0)
		return NULL;
	g->lease = lease;
	g->place = place;
	return g;
}

static void drop(ox_pool *p, struct oxi_grant *g)
{
	oxi_memory_put(p, p->arena.base + g->place);
	g->lease = 0;
}

const struct oxi_grant *oxi_grant_more(ox_pool *p, struct oxi_seat *s, uint64_t lease, size_t place, size_t len)
{
	for (unsigned i = 0; i < OXI_GRANTS; i++)
		if (lease != 0 && s->grant[i].lease == lease && s->grant[i].place != place)
			drop(p, &s->grant[i]);
	struct oxi_grant *g = (struct oxi_grant *)oxi_grant_find(s, 0);
	size_t more = lease != 0 && g != NULL ? oxi_memory_get(p, 1 + s->slot, len, &g->cap) : 0;
	if (more == 0)
		return NULL;
	g->lease = lease;
	g->place = more;
	return g;
}

void oxi_grant_drop(ox_pool *p, struct oxi_seat *s, uint64_t lease)
{
	for (unsigned i = 0; i < OXI_GRANTS; i++)
		if (s->grant[i].lease != 0 && (lease == 0 || s->grant[i].lease == lease))
			drop(p, &s->grant[i]);
}

bool oxi_grant_take(struct oxi_seat *s, uint64_t lease, size_t place, size_t len)
{
	for (unsigned i = 0; i < OXI_GRANTS; i++) {
		struct oxi_grant *g = &s->grant[i];
		if (g->lease == lease && g->place == place && len <= g->cap) {
			g->lease = 0;
			return true;
		}
	}
	return false;
}

/* ---- birth ---- */

static void reset_shared(struct oxi_slot *slot)
{
	atomic_store(&slot->running, 0);
	atomic_store(&slot->init_status, 0);
	atomic_store(&slot->signal, 0);
	atomic_store(&slot->pid, 0);
	atomic_store(&slot->ended, 0);
	atomic_store(&slot->received, 0);
	atomic_store(&slot->logged, 0);
	slot->frame_count = 0;
	slot->system_call = -1;
	for (unsigned i = 0; i < OXI_CLAIMS; i++)
		atomic_store_explicit(&slot->claims[i], 0, memory_order_relaxed);
	for (unsigned i = 0; i < OXI_OUTBOXES; i++) {
		atomic_store(&slot->outbox[i].seq, 0);
		atomic_store(&slot->outbox[i].sent, 0);
		atomic_store(&slot->outbox[i].count, 0);
	}
}

static void clear(ox_pool *p, struct oxi_seat *s)
{
	oxi_grant_drop(p, s, 0);
	oxi_chunks_forget(s);
	if (p->seat_count > p->options.workers)         /* others sit down elsewhere: this seat's memory is not kept warm */
		oxi_zone_trim(p->zones[1 + s->slot], 0);
	oxi_output_close(p, s);
	if (s->expected)
		oxi_channel_forget(p->channel, s->channel);
	s->expected = false;
	oxi_pool_unlisten(p, &s->pidfd);
	s->pid = 0;
	s->doomed = s->orphaned = false;
	s->stopped_at = 0;
	s->memory_limit = 0;
	s->received = s->harvested = 0;
	s->peer.len = 0;
	s->asking = NULL;
	s->state = OXI_SEAT_EMPTY;
}

static int order_fork(ox_pool *p, struct oxi_seat *s, const struct oxi_ends *output)
{
	struct oxi_packet m = { .kind = OXI_PACKET_FORK, .slot = s->slot, .generation = s->generation };
	int fds[OXI_PACKET_FDS] = { s->bell, p->bell, output->fd[0], output->fd[1] };

	if (getrandom(s->secret, sizeof s->secret, 0) != (ssize_t)sizeof s->secret)
		return -errno;
	memcpy(m.fork.secret, s->secret, sizeof s->secret);
	memcpy(m.fork.channel, s->channel, sizeof s->channel);
	return oxi_packet_send(p->spawner, &m, fds, 2 + output->n);
}

int oxi_seat_spawn(ox_pool *p, struct oxi_seat *s, uint32_t generation)
{
	struct oxi_ends output = { .n = 0 };
	int r;

	if (s->state != OXI_SEAT_EMPTY)
		return OX_EBUSY;
	if (p->spawner < 0 && (r = oxi_pool_find_spawner(p)) < 0)
		return r == OX_ESTATE ? OX_EINIT : r;   /* there will be none */
	if (oxi_pool_chaos(p, OXI_CHAOS_FORK))
		return -EAGAIN;
	r = oxi_channel_make_name(s->channel);
	if (r == 0)
		r = oxi_bell_ready(s);
	if (r < 0)
		return r;
	s->generation = generation;
	reset_shared(s->shared);
	oxi_bell_reset(s);
	r = oxi_output_open(p, s, &output);
	if (r == 0)
		r = order_fork(p, s, &output);
	while (output.n > 0)
		close(output.fd[--output.n]);
	if (r < 0) {
		clear(p, s);
		return r;
	}
	s->state = OXI_SEAT_FORKING;
	return 0;
}

/* There is none, for a reason that may pass. */
static void refused(ox_pool *p, struct oxi_seat *s, int status)
{
	uint32_t generation = s->generation;

	clear(p, s);
	oxi_pool_degraded(p, status);
	oxi_dispatch_refused(p->dispatch, s->slot, generation, oxi_pool_now());
}

void oxi_seat_forked(ox_pool *p, struct oxi_seat *s, int status, pid_t pid, int pidfd)
{
	if (status < 0) {
		refused(p, s, status);
		return;
	}
	s->pid = pid;
	s->pidfd = pidfd;
	if (p->trace != NULL)
		oxi_trace_event(p->trace, "spawned", s->slot, pid, 0);
	s->state = OXI_SEAT_STARTING;
	if (s->doomed)
		oxi_seat_kill(s);
	if (pidfd < 0)                  /* no descriptor was free: it could not be killed, so it must not work */
		oxi_bell_drain(s);
	oxi_seat_look(p, s);
}

void oxi_seat_look(ox_pool *p, struct oxi_seat *s)
{
	if (s->state != OXI_SEAT_EMPTY && !s->expected && atomic_load(&s->shared->listening) != 0) {
		s->expected = true;
		if (oxi_channel_expect(p->channel, s->channel) < 0)
			oxi_seat_kill(s);
	}
	if (s->state == OXI_SEAT_STARTING && s->pidfd >= 0 && atomic_load(&s->shared->ready) != 0) {
		s->state = OXI_SEAT_READY;
		if (p->options.pid_namespace && atomic_load(&s->shared->pid) > 0)
			s->pid = atomic_load(&s->shared->pid);  /* not its keeper's */
		oxi_dispatch_ready(p->dispatch, s->slot, s->generation, oxi_pool_now());
		oxi_pool_restored(p);
	}
}

/* ---- death ---- */

void oxi_seat_kill(struct oxi_seat *s)
{
	if (s->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	else
		s->doomed = true;
}

static void write_story(struct oxi_seat *s, int status, const struct rusage *usage, bool ran, struct oxi_story *ret)
{
	oxi_story_write(s->shared, s->pid, status, usage, ran, ret);
	ret->crash.memory_limit = s->memory_limit;
	oxi_output_move(&s->output, ret);
}

/*
 * A SIGKILL of ours is known to the dispatcher, and this is not asked for. One that comes as the kernel's count of OOM kills has
 * risen is taken for one of them.
 */
static int cause_of(ox_pool *p, int status)
{
	if (p->options.sandbox != OX_SANDBOX_NONE && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return OX_ESANDBOX;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return OX_ECRASHED;
	uint64_t before = p->oom_kills;
	p->oom_kills = oxi_oom_kills();
	return p->oom_kills > before ? OX_EOOM : OX_ECRASHED;
}

static void trace_death(ox_pool *p, unsigned slot, uint64_t lease, const struct oxi_story *story)
{
	const struct oxi_djob *d = lease != 0 ? oxi_dispatch_look(p->dispatch, slot, lease) : NULL;
	ox_time now = oxi_pool_now(), begun = atomic_load(&p->seats[slot].shared->since);

	if (d != NULL && begun <= now)
		oxi_trace_job(p->trace, &(struct oxi_trace_job){ .name = p->kinds[d->index].copy.name, .slot = slot, .begun = begun,
		                                                 .run = now - begun, .status = OX_ECRASHED });
	bool ended = story->crash.signal == 0 && lease == 0;
	oxi_trace_event(p->trace, ended ? "ended" : story->crash.signal == SIGKILL ? "killed" : "crashed", slot, story->crash.pid, story->crash.signal);
}

static uint64_t crashes(const ox_pool *p)
{
	struct oxi_dispatch_counts c;

	oxi_dispatch_get_counts(p->dispatch, &c);
	return c.crashed;
}

/* A worker that was at no job dies on nobody's future. */
static void report_idle_death(const ox_pool *p, const struct oxi_story *story)
{
	char text[4096];

	ox_crash_text(&story->crash, text, sizeof text);
	oxi_log(OX_LOG_WARNING, "pool %s: %s", oxi_pool_name(p), text);
}

void oxi_seat_died(ox_pool *p, struct oxi_seat *s, int status, const struct rusage *usage)
{
	struct oxi_story story;
	uint64_t running = atomic_load(&s->shared->running);
	int init_status = s->state == OXI_SEAT_READY ? 0 : atomic_load(&s->shared->init_status);
	uint32_t generation = s->generation;

	if (s->state == OXI_SEAT_STARTING && s->pidfd < 0 && !s->orphaned) {
		refused(p, s, -EMFILE);
		return;
	}
	oxi_transport_harvest(p, s, true);
	oxi_output_drain(p, s);
	oxi_inside_last_words(p, s);
	write_story(s, status, usage, running != 0, &story);
	p->blameless = s->orphaned;
	if (s->orphaned)
		oxi_dispatch_excuse(p->dispatch, s->slot, generation);
	clear(p, s);                    /* first, for the dispatcher may seat the next worker at once */
	p->obituary = &story;
	if (p->trace != NULL)
		trace_death(p, s->slot, running, &story);
	if (init_status < 0)
		oxi_dispatch_init_failed(p->dispatch, s->slot, generation, init_status, oxi_pool_now());
	uint64_t before = crashes(p);
	oxi_dispatch_lost(p->dispatch, s->slot, generation, running, cause_of(p, status), oxi_pool_now());
	p->obituary = NULL;
	if (running == 0 && !p->blameless && init_status == 0 && crashes(p) > before)
		report_idle_death(p, &story);
	oxi_free(story.output);         /* nobody's job wrote it */
	oxi_free(story.saved);
}

bool oxi_seats_empty(const ox_pool *p)
{
	for (unsigned i = 0; i < p->seat_count; i++)
		if (p->seats[i].state != OXI_SEAT_EMPTY)
			return false;
	return true;
}
