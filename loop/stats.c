/* SPDX-License-Identifier: MIT */
/*
 * Figures of a loop. What is always on costs a few additions a turn and nothing a coroutine: the depth of
 * the ready queue is the number of resumes of a turn; times are the CPU's counter, read where it is read
 * anyway, and turned into nanoseconds when somebody asks, by the rate that it had since the loop began. The
 * latency from ready to running is sampled: at every 16th poll the last in line is noted, and the clock read
 * when its turn comes.
 */
#include "include/private/ticks.h"
#include "loop/state.h"
#include "loop/trace.h"

ox_time oxi_real_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * OX_SEC(1) + t.tv_nsec;
}

void oxi_figures_latency(struct oxi_figures *f)
{
	ox_time d = oxi_real_now() - f->sampled;
	unsigned bucket = d > 1 ? 63 - (unsigned)__builtin_clzll((unsigned long long)d) : 0;

	f->latency[bucket < OX_LATENCY_BUCKETS ? bucket : OX_LATENCY_BUCKETS - 1]++;
	f->sample = NULL;
}

static ox_time from_ticks(const struct oxi_figures *f, uint64_t ticks)
{
	double passed = (double)(oxi_ticks() - f->begun_at), ns = (double)(oxi_real_now() - f->begun);

	return passed > 0 ? (ox_time)((double)ticks * (ns / passed)) : 0;
}

static void count_stacks(const struct oxi_stacks *s, ox_loop_stats *ret)
{
	for (unsigned i = 0; i < OXI_STACK_CLASSES; i++) {
		const struct oxi_stack_class *c = &s->classes[i];

		ret->stacks += c->used;
		ret->stacks_cached += c->free_len;
		ret->stacks_max += c->used_max > c->used_peak ? c->used_max : c->used_peak;
	}
}

int ox_loop_get_stats(ox_loop_stats *ret)
{
	const struct ox_loop *l = oxi_loop;
	const struct oxi_figures *f;

	if (l == NULL)
		return OX_ESTATE;
	f = &l->figures;
	*ret = (ox_loop_stats){
		.turns = f->turns, .polls = f->polls, .resumes = f->resumes, .spawned = f->spawned,
		.alive = f->spawned - f->ended, .ready_max = f->ready_max, .timers = l->timers.len,
		.descriptors = oxi_reactor_descriptors(l->reactor), .stalls = f->stalls,
		.longest_busy = from_ticks(f, f->longest_busy), .longest_run = l->measures.longest_run,
		.longest_run_name = l->measures.longest_run_name,
	};
	count_stacks(&l->stacks, ret);
	for (unsigned i = 0; i < OX_LATENCY_BUCKETS; i++)
		ret->latency[i] = f->latency[i];
	return 0;
}

ox_time ox_latency_quantile(const ox_loop_stats *s, double part)
{
	uint64_t all = 0, below = 0;
	unsigned i = 0;

	for (unsigned k = 0; k < OX_LATENCY_BUCKETS; k++)
		all += s->latency[k];
	if (all == 0)
		return 0;
	for (; i < OX_LATENCY_BUCKETS - 1; i++) {
		below += s->latency[i];
		if ((double)below >= part * (double)all)
			break;
	}
	return OX_NS(1) << (i + 1);
}

/* ---- tracers ---- */

void oxi_trace(struct ox_loop *l, ox_trace_kind kind, const struct oxi_task *t, const struct oxi_wait *w, int status)
{
	const ox_trace event = {
		.kind = kind, .task = t ? t->id : 0, .name = t ? t->name : NULL, .site = t ? t->site : NULL,
		.wait = w ? w->kind : NULL, .object = w ? w->object : NULL, .status = status,
	};

	l->tracer(l->tracer_arg, &event);
}

int ox_instrument(ox_trace_fn *fn, void *arg)
{
	if (oxi_loop == NULL)
		return OX_ESTATE;
	oxi_loop->tracer = fn;
	oxi_loop->tracer_arg = arg;
	return 0;
}
