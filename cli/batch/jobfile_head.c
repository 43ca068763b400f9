/* SPDX-License-Identifier: MIT */
/* What stands before the entries: the version of the format, limits of the run, defaults. */
#include <string.h>

#include "cli/batch/jobfile_part.h"
#include "cli/batch/throttle.h"
#include "cli/options.h"

#define INDEXES_MAX 4096

/* ---- limits ---- */

static int take_jobs(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_jobfile_limits *l = to;
	int r = oxi_value_jobs(oxi_node_word(value), &l->jobs);
	return r < 0 ? r : oxi_take_text(t, value, 0, &l->jobs_text);
}

static int take_rate(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_jobfile_limits *l = to;
	(void)t;
	return oxi_rate_parse(oxi_node_word(value), &l->rate);
}

static int take_deadline(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_jobfile_limits *l = to;
	int r = oxi_value_time(oxi_node_word(value), &l->deadline);
	return r == 0 && l->deadline == 0 ? oxi_taker_refuse(t, value) : r;
}

static int take_halt(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_jobfile_limits *l = to;
	(void)t;
	l->halt_given = true;
	return oxi_halt_parse(oxi_node_word(value), &l->halt);
}

/* It becomes part of a variable's name. */
static bool pool_name_ok(const struct oxi_node *key)
{
	static const char set[] = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	return key->n > 0 && key->n <= 64 && strspn(key->text, set) == key->n;
}

static int take_indexes(struct oxi_taker *t, const struct oxi_node *value, struct oxi_pool *p)
{
	if (value->n == 0 || value->n > INDEXES_MAX)
		return oxi_taker_refuse(t, value);
	int r = oxi_take_list(t, value, oxi_take_text, &p->index, &p->n);
	for (size_t i = 0; i < p->n && r == 0; i++) {
		for (size_t k = 0; k < i && r == 0; k++) {
			if (strcmp(p->index[i].data, p->index[k].data) == 0)
				r = oxi_taker_fault(t, p->index[i].spot, "'%.100s' is in this pool already", p->index[i].data);
		}
	}
	return r;
}

static int take_pools(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_jobfile_limits *l = to;
	if (value->kind != OXI_NODE_MAP)
		return oxi_taker_refuse(t, value);
	l->pool = oxi_arena_take(t->memory, (value->n + 1) * sizeof(*l->pool));
	if (!l->pool)
		return OX_ENOMEM;
	for (const struct oxi_node *key = value->first; key; key = key->next->next) {
		struct oxi_pool *p = &l->pool[l->pools++];
		if (!pool_name_ok(key))
			return oxi_taker_fault(t, key->spot, "pools: '%.100s' is to be a name of letters, digits and _", key->text);
		if (strcmp(key->text, "cpu") == 0 || strcmp(key->text, "mem") == 0)
			return oxi_taker_fault(t, key->spot, "pools: %s is the machine's, see need", key->text);
		int r = oxi_take_text(t, key, 0, &p->name);
		if (r == 0 && key->next->kind == OXI_NODE_LIST)
			r = take_indexes(t, key->next, p);
		else if (r == 0 && oxi_value_count(oxi_node_word(key->next), 1, UINT32_MAX, &p->n) < 0)
			r = oxi_taker_refuse(t, key->next);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the head ---- */

struct head {
	struct oxi_jobfile *f;
	const struct oxi_node *jobs;
};

static int take_version(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	(void)to;
	return strcmp(oxi_node_word(value), "1") == 0 ? 0 : oxi_taker_refuse(t, value);
}

static int take_limits(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	static const struct oxi_member rows[] = {
		{ "jobs", take_jobs, "a number, or a share of the CPUs, 100%", 0 },
		{ "pools", take_pools, "a map of names to a number or a list of indexes, {db: 4, gpu: [0, 1]}", 0 },
		{ "rate", take_rate, "a rate, 50/s, 10/m or 3/h", 0 },
		{ "deadline", take_deadline, "a time above 0, 2h", 0 },
		{ "halt", take_halt, "never, or as in soon,fail=5%", 0 },
	};
	static const struct oxi_members limits = { "limits", rows, 5 };
	struct head *h = to;
	return oxi_take_map(t, &limits, 0, value, &h->f->limits);
}

static int take_defaults(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct head *h = to;
	struct oxi_entry probe = { 0 };
	h->f->defaults = value;
	return oxi_take_entry(t, value, false, &probe);
}

static int take_entries(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct head *h = to;
	if (value->kind != OXI_NODE_MAP)
		return oxi_taker_refuse(t, value);
	h->jobs = value;
	return 0;
}

int oxi_take_head(struct oxi_jobfile *f, const struct oxi_node *map, const struct oxi_node **ret_jobs, struct oxi_buffer *why)
{
	static const struct oxi_member rows[] = {
		{ "oxbow", take_version, "1, the version of this format", 0 },
		{ "limits", take_limits, "a map, {jobs: 100%, rate: 50/s}", 0 },
		{ "defaults", take_defaults, "a map, {retries: 3, timeout: 1m}", 0 },
		{ "jobs", take_entries, "a map of names to entries", OXI_M_FILE },
	};
	static const struct oxi_members head = { "a job file", rows, 4 };
	struct head h = { .f = f };
	struct oxi_taker t = { .f = f, .memory = &f->head, .why = why };
	int r = oxi_take_map(&t, &head, f->format == OXI_JOBFILE_YAML ? 0 : OXI_M_FILE, map, &h);
	if (r == OX_EINVAL && t.bad)
		oxi_jobfile_fault(f, map->spot, why, "a job file is a map of oxbow, limits, defaults and jobs");
	*ret_jobs = h.jobs;
	return r;
}
