/* SPDX-License-Identifier: MIT */
/*
 * As GNU parallel does it: with -X and -m a command is filled until one more record would be too much for the system, and
 * when the input ends with fewer than that, what there is is spread evenly over the slots, so that all have work. That
 * needs to know whether more comes, so a full command waits for the record behind it; -n and -N alone do not.
 *
 * What a value costs is measured, by expanding the template with it once and twice: that is right whatever a
 * template does with it. The limit is that of execve(2): a quarter of the stack's, for all words, their pointers and the
 * environment; some is left for what a job's environment has more than ours.
 */
#include "cli/batch/pack.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/source.h"

#define RESERVE   OX_KIB(16)
#define WORDS_MAX OX_MIB(3)             /* the way to the reaper is 4 MiB wide */

extern char **environ;

struct oxi_span {
	size_t at, len;
};

static size_t limit(void)
{
	long most = sysconf(_SC_ARG_MAX);
	size_t environment = 0, all = most > 0 ? (size_t)most : OX_KIB(128);
	for (char **e = environ; *e; e++)
		environment += strlen(*e) + 1 + sizeof(char *);
	all = all > environment + RESERVE ? all - environment - RESERVE : 0;
	return all < WORDS_MAX ? all : WORDS_MAX;
}

static bool grow(void *list, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return true;
	size_t n = 2 * need;
	void *grown = realloc(*(void **)list, n * size);
	if (!grown)
		return false;
	*(void **)list = grown;
	*cap = n;
	return true;
}

static int add(struct oxi_pack *p, const ox_bytes *value, size_t n)
{
	if (!grow(&p->span, &p->span_cap, p->spans + n, sizeof(*p->span)) ||
	    !grow(&p->end, &p->end_cap, p->records + 1, sizeof(*p->end)))
		return OX_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		p->span[p->spans++] = (struct oxi_span){ p->bytes.len, value[i].len };
		oxi_buffer_add(&p->bytes, value[i].data, value[i].len);
	}
	p->end[p->records++] = p->spans;
	return p->bytes.failed ? OX_ENOMEM : 0;
}

/* Adds what a record costs to *cost and *text. */
static int measure(const struct oxi_pack *p, const ox_bytes *value, size_t n, size_t *cost, size_t *text)
{
	for (size_t i = 0; i < n; i++) {
		ox_bytes two[] = { value[i], value[i] };
		size_t text_once, text_twice;
		size_t once = oxi_template_cost(p->t, two, 1, &text_once);
		size_t twice = oxi_template_cost(p->t, two, 2, &text_twice);
		if (once == SIZE_MAX || twice == SIZE_MAX)
			return OX_ETOOBIG;
		if (*cost == 0) {
			*cost = once;
			*text = text_once;
			continue;
		}
		*cost += twice - once;
		*text += 2 * (text_twice - text_once);  /* later parameters have longer numbers */
	}
	return 0;
}

/* The values of records from up to to. */
static int give(struct oxi_pack *p, size_t to)
{
	size_t first = p->given ? p->end[p->given - 1] : 0, last = p->most ? p->end[to - 1] : first;
	p->n = last - first;
	if (!grow(&p->value, &p->value_cap, p->n + 1, sizeof(*p->value)))
		return OX_ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		struct oxi_span s = p->span[first + i];
		p->value[i] = (ox_bytes){ p->bytes.data ? p->bytes.data + s.at : "", s.len };
	}
	p->given = to;
	return 1;
}

/* Moves what is not given yet to the front, at most the one record that did not fit. */
static void drop_given(struct oxi_pack *p)
{
	size_t first = p->given ? p->end[p->given - 1] : 0;
	size_t at = first < p->spans ? p->span[first].at : p->bytes.len;
	for (size_t i = first; i < p->spans; i++)
		p->span[i - first] = (struct oxi_span){ p->span[i].at - at, p->span[i].len };
	for (size_t i = p->given; i < p->records; i++)
		p->end[i - p->given] = p->end[i] - first;
	if (p->bytes.len > at)
		memmove(p->bytes.data, p->bytes.data + at, p->bytes.len - at);
	p->bytes.len -= at;
	p->spans -= first;
	p->records -= p->given;
	p->given = 0;
	p->cost = p->text = 0;
}

static int measure_held(struct oxi_pack *p)
{
	for (size_t i = 0; i < p->spans; i++) {
		ox_bytes v = { p->bytes.data ? p->bytes.data + p->span[i].at : "", p->span[i].len };
		int r = measure(p, &v, 1, &p->cost, &p->text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One more record. *ret_full: it was one too many. */
static int take(struct oxi_pack *p, const ox_bytes *value, size_t n, bool *ret_full)
{
	int r = p->most > 1 ? measure(p, value, n, &p->cost, &p->text) : 0;
	if (r == 0)
		r = add(p, value, n);
	*ret_full = p->records > 1 && (p->records > p->most || p->cost > p->limit || p->text > OXI_ARG_MAX);
	return r;
}

static int give_last(struct oxi_pack *p)
{
	if (p->records == 0)
		return 0;
	if (p->fill)
		p->chunk = (p->records + p->jobs - 1) / p->jobs;
	return give(p, p->fill ? p->chunk : p->records);
}

int oxi_pack_next(struct oxi_pack *p, int (*next)(void *arg, const ox_bytes **ret_value, size_t *ret_n), void *arg)
{
	if (p->chunk) {
		size_t left = p->records - p->given;
		return left ? give(p, p->given + (left < p->chunk ? left : p->chunk)) : 0;
	}
	drop_given(p);
	if (!p->limit)
		p->limit = limit();
	int r = p->most > 1 ? measure_held(p) : 0;
	while (r >= 0) {
		const ox_bytes *value;
		size_t n;
		bool full = false;
		r = next(arg, &value, &n);
		if (r == 0)
			return give_last(p);
		if (r > 0)
			r = take(p, value, n, &full);
		if (r < 0)
			break;
		if (full)
			return give(p, p->records - 1);
		if (!p->fill && p->records >= (p->most ? p->most : 1))
			return give(p, p->records);
	}
	return r;
}

void oxi_pack_reset(struct oxi_pack *p)
{
	p->bytes.len = p->spans = p->records = p->given = p->chunk = 0;
}

void oxi_pack_free(struct oxi_pack *p)
{
	oxi_buffer_free(&p->bytes);
	free(p->span);
	free(p->end);
	free(p->value);
}
