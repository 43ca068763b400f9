/* SPDX-License-Identifier: MIT */
/*
 * Invariants: used is the sum of what leases have; of a pool with names it is also the number of taken ones. A lease
 * is given out whole or not at all, so two jobs never hold half of what the other waits for.
 *
 * What can never fit is refused when the needs are made, before anything runs. Only -j can shrink afterwards (oxbow set); a job
 * that needs more than is left then runs when nobody else has any of it, rather than never.
 */
#include "cli/batch/resources.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oxbow/pool.h>

#include "cli/batch/jobfile.h"
#include "cli/options.h"

#define NAME_MAX_LEN 64
#define TOKENS_MAX   4096               /* of a pool with names */
#define LETTERS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

/* ---- resources ---- */

__attribute__((format(printf, 2, 3))) static int wrong(struct oxi_buffer *why, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	oxi_buffer_add_text(why, text);
	return why->failed ? OX_ENOMEM : OX_EINVAL;
}

static int add(struct oxi_resources *r, const char *name, uint64_t total)
{
	struct oxi_resource *v = realloc(r->v, (r->n + 1) * sizeof(*v));
	if (!v)
		return OX_ENOMEM;
	r->v = v;
	v[r->n] = (struct oxi_resource){ .name = strdup(name), .total = total };
	return v[r->n++].name ? 0 : OX_ENOMEM;
}

int oxi_resources_init(struct oxi_resources *r, unsigned jobs, uint64_t memory)
{
	*r = (struct oxi_resources){ 0 };
	int e = add(r, "cpu", (uint64_t)jobs * OXI_CPU);
	return e < 0 ? e : add(r, "mem", memory);
}

void oxi_resources_free(struct oxi_resources *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].name);
		free(r->v[i].index);
		free(r->v[i].taken);
	}
	free(r->v);
	*r = (struct oxi_resources){ 0 };
}

void oxi_resources_set_jobs(struct oxi_resources *r, unsigned jobs)
{
	r->v[OXI_RESOURCE_CPU].total = (uint64_t)jobs * OXI_CPU;
}

static const struct oxi_resource *find(const struct oxi_resources *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->v[i].name, name) == 0)
			return &r->v[i];
	}
	return NULL;
}

/* Copies n names into one block behind the pointers to them. */
static char **copy_names(const char *const *name, size_t n)
{
	size_t len = n * sizeof(char *);
	for (size_t i = 0; i < n; i++)
		len += strlen(name[i]) + 1;
	char **copy = malloc(len + 1);
	char *to = copy ? (char *)(copy + n) : NULL;
	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = to;
		to = stpcpy(to, name[i]) + 1;
	}
	return copy;
}

static int check_tokens(const char *name, const char *const *index, size_t n, struct oxi_buffer *why)
{
	if (n == 0 || n > TOKENS_MAX)
		return wrong(why, "pool %s: give 1 to %d tokens", name, TOKENS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!*index[i] || strchr(index[i], ','))
			return wrong(why, "pool %s: a token needs a name, without a comma in it", name);
		for (size_t k = 0; k < i; k++) {
			if (strcmp(index[i], index[k]) == 0)
				return wrong(why, "pool %s: '%.64s' is in it twice", name, index[i]);
		}
	}
	return 0;
}

int oxi_resources_add(struct oxi_resources *r, const char *name, const char *const *index, size_t n, struct oxi_buffer *why)
{
	size_t len = strlen(name);
	if (len == 0 || len > NAME_MAX_LEN || strspn(name, LETTERS "0123456789") != len || strspn(name, LETTERS) == 0)
		return wrong(why, "pool '%.*s': its name is to be one of letters, digits and _", NAME_MAX_LEN, name);
	const struct oxi_resource *same = find(r, name);
	if (same)
		return wrong(why, same < r->v + OXI_RESOURCE_POOLS ? "pool %s: that is the machine's" : "pool %s: there is one already", name);
	int e = index ? check_tokens(name, index, n, why) : 0;
	if (e == 0)
		e = add(r, name, n);
	if (e < 0 || !index)
		return e;
	struct oxi_resource *added = &r->v[r->n - 1];
	added->index = copy_names(index, n);
	added->taken = calloc(n, sizeof(*added->taken));
	return added->index && added->taken ? 0 : OX_ENOMEM;
}

/* "0,1": cuts text, which has a name before each comma and the end. */
static int add_named(struct oxi_resources *r, const char *name, char *text, struct oxi_buffer *why)
{
	size_t n = 1, i = 0;
	for (const char *p = text; (p = strchr(p, ',')) != NULL; p++)
		n++;
	const char **index = calloc(n, sizeof(*index));
	if (!index)
		return OX_ENOMEM;
	for (char *p = text; p; i++)
		index[i] = strsep(&p, ",");
	int e = oxi_resources_add(r, name, index, n, why);
	free(index);
	return e;
}

int oxi_resources_add_text(struct oxi_resources *r, const char *text, struct oxi_buffer *why)
{
	size_t len = strcspn(text, "=:");
	char *copy = strdup(text);
	if (!copy)
		return OX_ENOMEM;
	copy[len] = '\0';
	uint64_t n = 0;
	int e;
	if (text[len] == '=')
		e = add_named(r, copy, copy + len + 1, why);
	else if (text[len] == ':' && oxi_value_count(text + len + 1, 1, UINT32_MAX, &n) == 0)
		e = oxi_resources_add(r, copy, NULL, n, why);
	else
		e = wrong(why, "pool '%.100s': give NAME=TOKEN,TOKEN... or NAME:NUMBER, as in gpu=0,1 or db:4", text);
	free(copy);
	return e;
}

/* ---- needs ---- */

static void format_amount(unsigned which, uint64_t amount, char *text, size_t cap)
{
	if (which == OXI_RESOURCE_CPU)
		snprintf(text, cap, "%g", (double)amount / OXI_CPU);
	else if (which == OXI_RESOURCE_MEM && amount >> 20)
		snprintf(text, cap, "%" PRIu64 "MiB", amount >> 20);
	else
		snprintf(text, cap, "%" PRIu64, amount);
}

static int unknown(const struct oxi_resources *r, const char *name, struct oxi_buffer *why)
{
	const char *near = oxi_nearest(name, (const char *const *)&r->v->name, sizeof(*r->v), r->n);
	return near ? wrong(why, "there is no pool '%.100s': did you mean %s?", name, near) :
	              wrong(why, "there is no pool '%.100s': give --pool %.100s:N", name, name);
}

static int check_fits(const struct oxi_resource *v, unsigned which, uint64_t amount, struct oxi_buffer *why)
{
	if (amount <= v->total)
		return 0;
	char need[32], have[32];
	format_amount(which, amount, need, sizeof(need));
	format_amount(which, v->total, have, sizeof(have));
	if (which == OXI_RESOURCE_CPU)
		return wrong(why, "a job that needs cpu=%s can never run: -j allows %s at a time", need, have);
	return wrong(why, "a job that needs %s=%s can never run: there is %s in all", v->name, need, have);
}

/* Makes room for one more. */
static int grow(struct oxi_needs *needs, unsigned which, uint64_t amount)
{
	struct oxi_amount *v = realloc(needs->v, (needs->n + 1) * sizeof(*v));
	if (!v)
		return OX_ENOMEM;
	needs->v = v;
	v[needs->n++] = (struct oxi_amount){ which, amount };
	return 0;
}

int oxi_needs_add(struct oxi_needs *needs, const struct oxi_resources *r, const char *name, uint64_t amount, struct oxi_buffer *why)
{
	const struct oxi_resource *v = find(r, name);
	if (!v)
		return unknown(r, name, why);
	unsigned which = (unsigned)(v - r->v);
	for (size_t i = 0; i < needs->n; i++) {
		if (needs->v[i].which == which)
			return wrong(why, "%s is needed twice", name);
	}
	int e = check_fits(v, which, amount, why);
	return e < 0 ? e : grow(needs, which, amount);
}

/* One of the list, len bytes. */
static int add_need(struct oxi_needs *needs, const struct oxi_resources *r, const char *text, size_t len, struct oxi_buffer *why)
{
	char item[2 * NAME_MAX_LEN];
	uint64_t amount;
	char *equals = NULL;
	if (len < sizeof(item)) {
		memcpy(item, text, len);
		item[len] = '\0';
		equals = strchr(item, '=');
	}
	if (!equals || equals == item)
		return wrong(why, "'%.*s': give NAME=AMOUNT, as in cpu=2,mem=1G,gpu=1", (int)(len < 100 ? len : 100), text);
	*equals = '\0';
	if (oxi_need_parse(item, equals + 1, &amount) < 0)
		return wrong(why, "%s=%s: give an amount", item, equals + 1);
	return r ? oxi_needs_add(needs, r, item, amount, why) : 0;
}

int oxi_needs_add_text(struct oxi_needs *needs, const struct oxi_resources *r, const char *text, struct oxi_buffer *why)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		int e = add_need(needs, r, text, len, why);
		if (e < 0 || text[len] == '\0')
			return e;
		text += len + 1;
	}
}

void oxi_needs_free(struct oxi_needs *needs)
{
	free(needs->v);
	*needs = (struct oxi_needs){ 0 };
}

unsigned oxi_needs_threads(const struct oxi_needs *needs, unsigned jobs)
{
	for (size_t i = 0; i < needs->n; i++) {
		if (needs->v[i].which == OXI_RESOURCE_CPU)
			return (unsigned)((needs->v[i].amount + OXI_CPU - 1) / OXI_CPU);
	}
	static unsigned cpus;                   /* to count them takes reading files */
	if (cpus == 0)
		cpus = ox_cpu_count();
	unsigned share = cpus / jobs;
	return share ? share : 1;
}

/* ---- leases ---- */

static bool fits(const struct oxi_resource *v, uint64_t amount)
{
	return v->used == 0 || (v->used <= v->total && amount <= v->total - v->used);
}

/* A job that does not say needs one CPU. */
static bool says_cpu(const struct oxi_needs *needs)
{
	for (size_t i = 0; i < needs->n; i++) {
		if (needs->v[i].which == OXI_RESOURCE_CPU)
			return true;
	}
	return false;
}

const char *oxi_resources_lack(const struct oxi_resources *r, const struct oxi_needs *needs)
{
	if (!says_cpu(needs) && !fits(&r->v[OXI_RESOURCE_CPU], OXI_CPU))
		return r->v[OXI_RESOURCE_CPU].name;
	for (size_t i = 0; i < needs->n; i++) {
		const struct oxi_resource *v = &r->v[needs->v[i].which];
		if (needs->v[i].amount && !fits(v, needs->v[i].amount))
			return v->name;
	}
	return NULL;
}

/* Takes the first free tokens; there are enough. Returns how many. */
static size_t take_tokens(struct oxi_resource *v, uint64_t amount, uint32_t *token)
{
	size_t n = 0;
	for (uint32_t i = 0; n < amount; i++) {
		if (v->taken[i])
			continue;
		v->taken[i] = true;
		token[n++] = i;
	}
	return n;
}

static size_t count_tokens(const struct oxi_resources *r, const struct oxi_needs *needs)
{
	size_t n = 0;
	for (size_t i = 0; i < needs->n; i++)
		n += r->v[needs->v[i].which].index ? needs->v[i].amount : 0;
	return n;
}

int oxi_resources_take(struct oxi_resources *r, const struct oxi_needs *needs, struct oxi_lease *ret)
{
	if (oxi_resources_lack(r, needs))
		return 0;
	size_t n = count_tokens(r, needs), at = 0;
	uint32_t *token = n ? malloc(n * sizeof(*token)) : NULL;
	if (n && !token)
		return OX_ENOMEM;
	r->v[OXI_RESOURCE_CPU].used += says_cpu(needs) ? 0 : OXI_CPU;
	for (size_t i = 0; i < needs->n; i++) {
		struct oxi_resource *v = &r->v[needs->v[i].which];
		v->used += needs->v[i].amount;
		if (v->index)
			at += take_tokens(v, needs->v[i].amount, token + at);
	}
	*ret = (struct oxi_lease){ needs, token };
	return 1;
}

void oxi_resources_give(struct oxi_resources *r, struct oxi_lease *lease)
{
	size_t at = 0;
	if (!lease->needs)
		return;
	r->v[OXI_RESOURCE_CPU].used -= says_cpu(lease->needs) ? 0 : OXI_CPU;
	for (size_t i = 0; i < lease->needs->n; i++) {
		const struct oxi_amount *a = &lease->needs->v[i];
		struct oxi_resource *v = &r->v[a->which];
		v->used -= a->amount;
		for (uint64_t k = 0; v->index && k < a->amount; k++)
			v->taken[lease->token[at++]] = false;
	}
	free(lease->token);
	*lease = (struct oxi_lease){ 0 };
}

size_t oxi_lease_env(const struct oxi_resources *r, const struct oxi_lease *lease, struct oxi_buffer *ret)
{
	size_t n = 0, at = 0;
	for (size_t i = 0; lease->needs && i < lease->needs->n; i++) {
		const struct oxi_amount *a = &lease->needs->v[i];
		const struct oxi_resource *v = &r->v[a->which];
		if (!v->index || !a->amount)
			continue;
		oxi_buffer_add_text(ret, "OXBOW_POOL_");
		oxi_buffer_add_text(ret, v->name);
		for (uint64_t k = 0; k < a->amount; k++) {
			oxi_buffer_add_char(ret, k ? ',' : '=');
			oxi_buffer_add_text(ret, v->index[lease->token[at++]]);
		}
		oxi_buffer_add_char(ret, '\0');
		n++;
	}
	return n;
}
