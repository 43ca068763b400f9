/* SPDX-License-Identifier: MIT */
/*
 * Measurements by function, where ox_run_options.measure asks for them: the longest run, and how much of its
 * stack each task used. A new stack is all zeros, so the lowest byte of it that is not zero is how far it
 * was used; what was used is set to zeros again for the next. (Looking through 256 KiB takes some 10 us.)
 */
#include "include/private/sanitize.h"
#include "loop/state.h"

#define WARN_PERCENT 75u

static struct oxi_function *function_of(struct oxi_measures *m, const struct oxi_task *t)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->functions[i].fn == t->fn)
			return &m->functions[i];
	if (m->len == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 32;
		struct oxi_function *more = oxi_realloc(m->functions, cap * sizeof(*more));

		if (more == NULL)
			return NULL;            /* this one is not measured */
		m->functions = more;
		m->cap = cap;
	}
	m->functions[m->len] = (struct oxi_function){ .fn = t->fn, .stats.name = t->name };
	return &m->functions[m->len++];
}

void oxi_measure_run(struct ox_loop *l, struct oxi_task *t, ox_time d)
{
	struct oxi_measures *m = &l->measures;

	if (d > t->longest_run)
		t->longest_run = d;
	if (d > m->longest_run) {
		m->longest_run = d;
		m->longest_run_name = t->name;
	}
}

OXI_NO_SANITIZE
static size_t used(const struct oxi_stack *st)
{
	const uint64_t *p = (const uint64_t *)(const void *)st->bottom, *top = p + st->size / sizeof(*p);

	while (p < top && *p == 0)
		p++;
	return (size_t)(top - p) * sizeof(*p);
}

/* Not by memset(), which a sanitizer would look at. */
OXI_NO_SANITIZE
static void clean(const struct oxi_stack *st, size_t n)
{
	volatile uint64_t *p = (volatile uint64_t *)(void *)(st->bottom + st->size - n);

	for (size_t i = 0; i < n / sizeof(*p); i++)
		p[i] = 0;
}

static void warn(struct oxi_function *f, size_t n, size_t size)
{
	if (n > size / 100 * WARN_PERCENT && f->stats.stack_used <= f->stats.stack_size / 100 * WARN_PERCENT)
		oxi_log(OX_LOG_WARNING, "a task of %s used %zu of its %zu bytes of stack: give it more with "
		        "ox_spawn_options.stack_size", f->stats.name, n, size);
}

void oxi_measure_end(struct ox_loop *l, const struct oxi_task *t)
{
	struct oxi_function *f = function_of(&l->measures, t);
	size_t n = used(&t->stack);

	clean(&t->stack, n);
	if (f == NULL)
		return;
	f->stats.tasks++;
	if (t->longest_run > f->stats.longest_run)
		f->stats.longest_run = t->longest_run;
	warn(f, n, t->stack.size);
	if (n > f->stats.stack_used) {
		f->stats.stack_used = n;
		f->stats.stack_size = t->stack.size;
	}
}

int ox_loop_get_functions(ox_function_stats *ret, size_t cap)
{
	const struct oxi_measures *m = oxi_loop ? &oxi_loop->measures : NULL;

	if (m == NULL)
		return OX_ESTATE;
	for (size_t i = 0; i < m->len && i < cap; i++)
		ret[i] = m->functions[i].stats;
	return (int)m->len;
}
