/* SPDX-License-Identifier: MIT */
#include "cli/batch/settings.h"

#include <stdlib.h>
#include <string.h>

#include "cli/batch/resources.h"
#include "cli/batch/memory.h"
#include "cli/options.h"
#include "cli/say.h"

/* A word of a list, as an index; OX_EINVAL. */
static int one_of(const char *value, const char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(value, names[i]) == 0)
			return i;
	}
	return OX_EINVAL;
}

static int take_colour(const char *value, enum oxi_when *ret)
{
	static const char *const names[] = { "never", "auto", "always" };
	int i = one_of(value ? value : "auto", names, 3);
	if (i >= 0)
		*ret = (enum oxi_when)i;
	return i;
}

static int take_exit(const char *value, enum oxi_exit_mode *ret)
{
	static const char *const names[] = { "any", "count", "job" };
	int i = one_of(value, names, 3);
	if (i >= 0)
		*ret = (enum oxi_exit_mode)i;
	return i;
}

static int take_count(const char *value, uint64_t max, unsigned *ret)
{
	uint64_t n;
	if (oxi_value_count(value, 0, max, &n) < 0)
		return OX_EINVAL;
	*ret = (unsigned)n;
	return 0;
}

static int take_nice(const char *value, int *ret)
{
	unsigned n;
	bool less = *value == '-';
	if (take_count(value + less, 39, &n) < 0)
		return OX_EINVAL;
	*ret = less ? -(int)n : (int)n;
	return 0;
}

static int take_stdin(const char *value, struct oxi_batch_options *o)
{
	bool none = strcmp(value, "none") == 0;
	o->input_kind = none ? OXI_STDIN_NULL : *value == '=' ? OXI_STDIN_TEXT : OXI_STDIN_FILE;
	o->input = none ? NULL : value + (*value == '=');
	return *value ? 0 : OX_EINVAL;
}

static int take_results(const char *value, struct oxi_batch_options *o)
{
	size_t len = strlen(value);
	char *path = *value ? malloc(len + sizeof("/{#}")) : NULL;
	if (!path)
		return *value ? OX_ENOMEM : OX_EINVAL;
	strcpy(path, value);
	if (!strchr(value, '{'))
		strcpy(path + len, "/{#}");
	free((char *)o->results);
	o->results = path;
	return 0;
}

static int take_psi(const char *command, const char *value, double *psi)
{
	int r = oxi_psi_parse(value, psi);
	if (r == OX_EINVAL || r >= 0)
		return r;
	oxi_say(command, "--psi %s: this system does not tell its pressure (/proc/pressure): %s", value, ox_strerror(r));
	return r;
}

static int take_pin(struct oxi_batch_options *o)
{
	int r = oxi_child_pin(&o->child, o->jobs);
	if (r < 0)
		oxi_say("run", "--pin: this system does not tell which CPUs there are: %s", ox_strerror(r));
	return r;
}

static int take_jobs(const char *value, struct oxi_batch_options *o)
{
	int r = oxi_value_jobs(value, &o->jobs);
	return r == 0 && o->child.pin ? take_pin(o) : r;
}

static int take_need(const char *value, struct oxi_batch_options *o)
{
	struct oxi_needs needs = { 0 };
	struct oxi_buffer why = { 0 };
	int r = oxi_needs_add_text(&needs, NULL, value, &why);  /* which pools there are is known later */
	oxi_needs_free(&needs);
	oxi_buffer_free(&why);
	if (r == 0)
		o->need = value;
	return r;
}

static int take_pool(const char *value, struct oxi_batch_options *o)
{
	const char **pool = realloc(o->pool, (o->pools + 1) * sizeof(*pool));
	if (!pool)
		return OX_ENOMEM;
	o->pool = pool;
	pool[o->pools++] = value;
	return strcspn(value, "=:") < strlen(value) ? 0 : OX_EINVAL;
}

static int take_text(const char *value, const char **ret)
{
	*ret = value;
	return *value ? 0 : OX_EINVAL;
}

static int take_flag(bool *ret)
{
	*ret = true;
	return 0;
}

static int take_resume(enum oxi_resume how, struct oxi_durable_options *o)
{
	o->resume = how;
	return 0;
}

static int take_only(const char *value, struct oxi_durable_options *o)
{
	const char **only = realloc(o->only, (o->only_n + 1) * sizeof(*only));
	if (!only)
		return OX_ENOMEM;
	o->only = only;
	only[o->only_n++] = value;
	o->resume = OXI_ONLY;
	return *value ? 0 : OX_EINVAL;
}

static int take_durable(const char *value, struct oxi_durable_options *o)
{
	static const char *const names[] = { "group", "job", "off" };
	int i = one_of(value, names, 3);
	if (i >= 0)
		o->durable = (enum oxi_durable)i;
	return i;
}

static int take_how(int id, const char *value, struct oxi_batch_options *o)
{
	switch (id) {
	case 'j': return take_jobs(value, o);
	case OXI_SET_RETRIES: return take_count(value, UINT32_MAX, &o->retry.tries);
	case OXI_SET_BACKOFF: return oxi_backoff_parse(value, &o->retry.backoff);
	case OXI_SET_RETRY_ON: return oxi_retry_on_parse(value, &o->retry.on);
	case OXI_SET_TIMEOUT: return oxi_time_limit_parse(value, &o->timeout);
	case OXI_SET_DEADLINE: return oxi_value_time(value, &o->deadline);
	case OXI_SET_TERM_SEQ: return oxi_term_seq_parse(value, &o->term_seq);
	case OXI_SET_HALT: return oxi_halt_parse(value, &o->halt);
	case OXI_SET_EXIT: return take_exit(value, &o->exit_mode);
	case OXI_SET_DELAY: return oxi_value_time(value, &o->throttle.delay);
	case OXI_SET_RATE: return oxi_rate_parse(value, &o->throttle.rate);
	case OXI_SET_LOAD: return oxi_load_parse(value, &o->throttle.load);
	case OXI_SET_MEMFREE: return oxi_value_size(value, &o->throttle.memfree);
	case OXI_SET_PSI: return take_psi(o->command, value, o->throttle.psi);
	case OXI_SET_NICE: return take_nice(value, &o->child.nice);
	case OXI_SET_LIMIT: return oxi_child_limits_parse(value, &o->child);
	case OXI_SET_ENV: return oxi_child_env_add(&o->child, value);
	case OXI_SET_CLEAN_ENV: return take_flag(&o->child.clean_env);
	case OXI_SET_GNU_ENV: return take_flag(&o->child.gnu_env);
	case OXI_SET_UMASK: return oxi_child_umask_parse(value, &o->child);
	case OXI_SET_IONICE: return oxi_child_ionice_parse(value, &o->child);
	case OXI_SET_PIN: return take_pin(o);
	case OXI_SET_NEED: return take_need(value, o);
	case OXI_SET_POOL: return take_pool(value, o);
	default: return 1;
	}
}

static int take_output(int id, const char *value, struct oxi_batch_options *o)
{
	switch (id) {
	case 'k': return take_flag(&o->keep_order);
	case 'u': return take_flag(&o->ungroup);
	case 'v': return take_flag(&o->verbose);
	case OXI_SET_LB: return take_flag(&o->line_buffer);
	case OXI_SET_TAG: return take_text(value ? value : "{}", &o->tag);
	case OXI_SET_COLOR: return take_colour(value, &o->colour);
	case OXI_SET_JOBLOG: return take_text(value, &o->joblog);
	case OXI_SET_RESULTS: return take_results(value, o);
	case OXI_SET_EVENTS: return take_text(value, &o->events);
	case OXI_SET_CWD: return take_text(value, &o->cwd);
	case OXI_SET_STDIN: return take_stdin(value, o);
	case OXI_SET_RUN: return take_text(value, &o->state.dir);
	case OXI_SET_RESUME: return take_resume(OXI_RESUME, &o->state);
	case OXI_SET_RESUME_FAILED: return take_resume(OXI_RESUME_FAILED, &o->state);
	case OXI_SET_RETRY_FAILED: return take_resume(OXI_RETRY_FAILED, &o->state);
	case OXI_SET_ONLY: return take_only(value, &o->state);
	case OXI_SET_EPHEMERAL: return take_flag(&o->state.ephemeral);
	case OXI_SET_DURABLE: return take_durable(value, &o->state);
	case OXI_SET_DRY_RUN: return take_flag(&o->dry_run);
	case OXI_SET_BAR: return take_flag(&o->bar);
	case OXI_SET_ETA: return take_flag(&o->eta);
	case OXI_SET_QUIET: return take_flag(&o->quiet);
	default: return 1;
	}
}

/* What a value must be, for who gave another. */
static const char *expected(int id)
{
	switch (id) {
	case 'j': return "give a number from 1, a percentage of the CPUs, or +N or -N";
	case OXI_SET_BACKOFF: return "give a time, or two as in 1s..60s";
	case OXI_SET_RETRY_ON: return "give a list as in 'exit:1,75 signal timeout'";
	case OXI_SET_TIMEOUT: return "give a time, 30s for instance, or a percentage of the median";
	case OXI_SET_TERM_SEQ: return "give signals with milliseconds between them, as in TERM,200,KILL,25";
	case OXI_SET_HALT: return "give never, or now or soon with fail, success or done, as in soon,fail=3 or now,done=5%";
	case OXI_SET_DURABLE: return "give group, job or off";
	case OXI_SET_EXIT: return "give any, count or job";
	case OXI_SET_COLOR: return "give auto, always or never";
	case OXI_SET_DELAY: case OXI_SET_DEADLINE: return "give a time, 30s for instance";
	case OXI_SET_RATE: return "give a rate as in 50/s, 10/m or 3/h";
	case OXI_SET_LOAD: return "give a load, or a percentage of the CPUs";
	case OXI_SET_MEMFREE: return "give a size, 1G for instance";
	case OXI_SET_PSI: return "give limits as in 'cpu<60,io<20,memory<10'";
	case OXI_SET_NICE: return "give a number from -39 to 39";
	case OXI_SET_LIMIT: return "give limits as in as=2G,nofile=512 (as core cpu data fsize memlock nofile nproc rss stack)";
	case OXI_SET_ENV: return "give NAME=VALUE";
	case OXI_SET_NEED: return "give a list as in cpu=2,mem=1G,gpu=1";
	case OXI_SET_POOL: return "give NAME=TOKEN,TOKEN... or NAME:NUMBER, as in gpu=0,1 or db:4";
	case OXI_SET_UMASK: return "give an octal number, 027 for instance";
	case OXI_SET_IONICE: return "give idle, or best-effort or realtime and a level from 0 to 7, as in best-effort:7";
	case OXI_SET_RETRIES: return "give a number from 0";
	default: return "it must not be empty";
	}
}

static const char *name_of(int id)
{
	static const struct oxi_option rows[] = { OXI_SETTINGS, { 0 } };
	const struct oxi_option *o = rows;
	while (o->id != id)
		o++;
	return o->name;
}

int oxi_settings_take(int id, const char *value, struct oxi_batch_options *o)
{
	int r = take_how(id, value, o);
	if (r == 1)
		r = take_output(id, value, o);
	if (r == 1)
		return 0;
	if (r >= 0)
		return 1;
	char letter[] = { (char)id, '\0' };
	bool is_letter = id < OXI_LONG;
	if (r == OX_EINVAL || r == OX_ENOMEM)
		oxi_say(o->command, "%s%s %s: %s", is_letter ? "-" : "--", is_letter ? letter : name_of(id), value ? value : "",
		        r == OX_EINVAL ? expected(id) : ox_strerror(r));
	return OX_EINVAL;
}

int oxi_settings_resources(const struct oxi_batch_options *o, struct oxi_resources *ret, struct oxi_buffer *why)
{
	int r = oxi_resources_init(ret, o->jobs, oxi_memory_total());
	for (size_t i = 0; i < o->pools && r == 0; i++)
		r = oxi_resources_add_text(ret, o->pool[i], why);
	return r;
}

/* In a job file jobs have no numbers that stay what they are. */
static bool is_run(const struct oxi_batch_options *o)
{
	return strcmp(o->command, "run") == 0;
}

/* It is to be resumed, and nothing says from what. */
static bool from_nothing(const struct oxi_batch_options *o)
{
	bool folder = o->state.dir && *o->state.dir && !o->state.ephemeral;
	return o->state.resume != OXI_RESUME_NO && !folder && !(o->joblog && is_run(o));
}

int oxi_settings_check(const struct oxi_batch_options *o)
{
	if (o->ungroup && (o->keep_order || o->tag || o->line_buffer || o->results || o->colour != OXI_WHEN_NEVER))
		oxi_say(o->command, "-u passes output on as it comes: it goes with none of -k, --lb, --tag, --color, --results");
	else if (o->line_buffer && o->keep_order)
		oxi_say(o->command, "--lb shows lines as they come: it does not go with -k");
	else if (from_nothing(o))
		oxi_say(o->command, "--resume, --resume-failed, --retry-failed, --only: give %s", is_run(o) ?
		        "the folder of the run with --run, or the log that it has written with --joblog" :
		        "the folder of the run with --run");
	else
		return 0;
	return OX_EINVAL;
}

void oxi_settings_free(struct oxi_batch_options *o)
{
	free(o->child.env);
	free(o->pool);
	free(o->state.only);
	free((char *)o->results);
}
