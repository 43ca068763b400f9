/* SPDX-License-Identifier: MIT */
/*
 * What is read from a file is read whole, linked and checked before anything runs; lines from a pipe are run as they come.
 */
#include "cli/batch/load.h"

#include <stdlib.h>

#include "cli/batch/settings.h"
#include "cli/say.h"

/* What a file says holds where the command line says nothing. */
static void take_limits(struct oxi_load *l, const struct oxi_jobfile_limits *limits)
{
	struct oxi_batch_options *o = &l->o;
	if (limits->jobs && !l->jobs_given)
		o->jobs = limits->jobs;
	if (limits->rate > 0 && o->throttle.rate <= 0)
		o->throttle.rate = limits->rate;
	if (limits->deadline && !o->deadline)
		o->deadline = limits->deadline;
	if (limits->halt_given && !l->halt_given)
		o->halt = limits->halt;
}

/* The pools of a file stand beside those of the command line. */
static int take_pools(struct oxi_load *l, const struct oxi_jobfile_limits *limits)
{
	struct oxi_resources *all = &l->plan.resources;
	int r = limits->pools && all->n == 0 ? oxi_settings_resources(&l->o, all, &l->why) : 0;
	for (size_t i = 0; i < limits->pools && r == 0; i++) {
		const struct oxi_pool *p = &limits->pool[i];
		const char **names = calloc(p->n + 1, sizeof(*names));
		for (size_t k = 0; names && p->index && k < p->n; k++)
			names[k] = p->index[k].data;
		r = names ? oxi_resources_add(all, p->name.data, p->index ? names : NULL, p->n, &l->why) : OX_ENOMEM;
		free(names);
	}
	return r;
}

/* ---- reading ---- */

static int read_entries(struct oxi_load *l, struct oxi_jobfile *f, bool link)
{
	struct oxi_entry e;
	int r;
	l->build.file = f;
	while ((r = oxi_jobfile_next(f, &e, &l->why)) > 0) {
		size_t from = l->build.n;
		r = oxi_build_add(&l->build, &e, &l->why);
		if (r == 0 && link)
			r = oxi_build_link(&l->build, from, &l->why);
		if (r < 0)
			return r;
	}
	return r;
}

/* What comes through a pipe, while it runs. */
static int read_on(void *arg, struct oxi_plan *p)
{
	struct oxi_load *l = arg;
	int r = read_entries(l, &l->file[l->files - 1], true);
	if (r < 0)
		oxi_buffer_add(&p->why, l->why.data, l->why.len);
	oxi_plan_close(p);
	return r;
}

static int read_files(struct oxi_load *l, char **names, size_t n)
{
	l->file = calloc(n, sizeof(*l->file));
	if (!l->file)
		return OX_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct oxi_jobfile *f = &l->file[l->files++];
		int r = oxi_jobfile_open(f, names[i], &l->why);
		if (r < 0)
			return r;
		take_limits(l, oxi_jobfile_limits(f));
		r = take_pools(l, oxi_jobfile_limits(f));
		if (r < 0)
			return r;
		if (!oxi_jobfile_is_stream(f))
			r = read_entries(l, f, false);
		else if (i + 1 < n)
			r = oxi_jobfile_fault(f, (struct oxi_spot){ 0 }, &l->why, "what comes through a pipe is given last");
		if (r < 0)
			return r;
	}
	return oxi_build_link(&l->build, 0, &l->why);
}

int oxi_load_open(struct oxi_load *l, char **names, size_t n)
{
	l->build = (struct oxi_build){ .o = &l->o, .plan = &l->plan, .plugins = &l->plugins };
	int r = read_files(l, names, n);
	if (r < 0)
		return r;
	if (oxi_jobfile_is_stream(&l->file[n - 1])) {
		l->plan.open = true;
		l->plan.read = read_on;
		l->plan.read_arg = l;
	}
	l->build.plugins_closed = true;
	l->o.functions = l->plugins.jobs;
	return 0;
}

int oxi_load_refuse(struct oxi_load *l, int r)
{
	if (l->why.len)
		oxi_say(l->o.command, "%.*s", (int)l->why.len, l->why.data);
	else
		oxi_say(l->o.command, "%s", ox_strerror(r));
	return OXI_EXIT_INPUT;
}

void oxi_load_close(struct oxi_load *l)
{
	oxi_plan_free(&l->plan);
	oxi_build_free(&l->build);
	for (size_t i = 0; i < l->files; i++)
		oxi_jobfile_close(&l->file[i]);
	free(l->file);
	oxi_settings_free(&l->o);
	oxi_plugins_free(&l->plugins);
	oxi_buffer_free(&l->why);
}
