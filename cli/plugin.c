/* SPDX-License-Identifier: MIT */
#include "cli/plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

const ox_job *const *oxi_plugin_load(const char *name, struct oxi_buffer *why)
{
	char path[4096];

	/* dlopen searches for a name without a slash among the system's libraries: a plugin is a file. */
	if ((size_t)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "./", name) >= sizeof(path)) {
		oxi_buffer_add_text(why, "the plugin's path is too long");
		return NULL;
	}
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		oxi_buffer_add_format(why, "cannot load the plugin: %s", dlerror());
		return NULL;
	}
	const ox_job *const *jobs = dlsym(library, OXI_PLUGIN_TABLE);
	if (jobs && jobs[0])
		return jobs;
	oxi_buffer_add_format(why, "plugin %s has no jobs: it exports no table '" OXI_PLUGIN_TABLE "'", path);
	return NULL;
}

/* Workers know a job by its name, so two plugins cannot have the same. */
static int add_jobs(struct oxi_plugins *p, const char *name, const ox_job *const *table, struct oxi_buffer *why)
{
	size_t n = 0;
	while (table[n])
		n++;
	const ox_job **jobs = realloc(p->jobs, (p->jobs_n + n + 1) * sizeof(*jobs));
	if (!jobs)
		return OX_ENOMEM;
	p->jobs = jobs;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < p->jobs_n; k++) {
			if (strcmp(jobs[k]->name, table[i]->name) != 0)
				continue;
			oxi_buffer_add_format(why, "%s: another plugin has a job '%s' too", name, table[i]->name);
			return OX_EINVAL;
		}
	}
	memcpy(jobs + p->jobs_n, table, (n + 1) * sizeof(*jobs));
	p->jobs_n += n;
	return 0;
}

static int add(struct oxi_plugins *p, const char *name, struct oxi_buffer *why)
{
	const ox_job *const *table = oxi_plugin_load(name, why);
	int r = table ? add_jobs(p, name, table, why) : OX_EINVAL;
	if (r < 0)
		return r;
	char **names = realloc(p->name, (p->n + 1) * sizeof(*names));
	if (names)
		p->name = names;
	const ox_job *const **tables = names ? realloc(p->table, (p->n + 1) * sizeof(*tables)) : NULL;
	if (tables)
		p->table = tables;
	char *copy = tables ? strdup(name) : NULL;
	if (!copy)
		return OX_ENOMEM;
	p->name[p->n] = copy;
	p->table[p->n++] = table;
	return 0;
}

static int refuse(const char *name, const char *job, const ox_job *const *table, struct oxi_buffer *why)
{
	const char *names[64];
	size_t n = 0;
	for (; table[n] && n < sizeof(names) / sizeof(names[0]); n++)
		names[n] = table[n]->name;
	const char *near = oxi_nearest(job, names, sizeof(*names), n);
	oxi_buffer_add_format(why, "%s has no job '%s'", name, job);
	if (near)
		oxi_buffer_add_format(why, ": did you mean %s?", near);
	return OX_EINVAL;
}

int oxi_plugins_find(struct oxi_plugins *p, const char *name, const char *job, bool closed, const ox_job **ret,
                     struct oxi_buffer *why)
{
	size_t i = 0;
	while (i < p->n && strcmp(p->name[i], name) != 0)
		i++;
	if (i == p->n && closed) {
		oxi_buffer_add_format(why, "%s: the workers run already: load it with --plugin", name);
		return OX_EINVAL;
	}
	int r = i < p->n ? 0 : add(p, name, why);
	if (r < 0)
		return r;
	const ox_job *const *table = p->table[i];
	for (size_t k = 0; table[k]; k++) {
		if (strcmp(table[k]->name, job) == 0) {
			*ret = table[k];
			return 0;
		}
	}
	return refuse(name, job, table, why);
}

void oxi_plugins_free(struct oxi_plugins *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->name[i]);
	free(p->name);
	free(p->table);
	free(p->jobs);
	*p = (struct oxi_plugins){ 0 };
}
