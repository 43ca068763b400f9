/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are functions of a plugin, in forked workers. What the function replies is the job's standard output, and its
 * value if it is JSON; what it prints is its standard error. A crash is the job's failure by that signal, and costs no other.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include <oxbow/file.h>
#include <oxbow/future.h>
#include <oxbow/pool.h>

#include "cli/batch/runner.h"

#define VALUE_MAX OX_KIB(64)

/* What the function gets: the argument, or what is in the file that the argument names. */
struct input {
	ox_bytes bytes;
	ox_blob *blob;
};

static int read_file(struct batch *b, const char *path, struct input *ret)
{
	OX_AUTO_FILE *f = NULL;
	struct stat st;
	int r = ox_file_open(path, O_RDONLY, 0, &f);
	if (r >= 0)
		r = ox_file_stat(f, &st);
	if (r < 0 || st.st_size == 0)
		return r;
	ret->blob = ox_blob_new(b->workers, (size_t)st.st_size);
	if (!ret->blob)
		return OX_ENOMEM;
	ret->bytes = (ox_bytes){ ox_blob_data(ret->blob), (size_t)st.st_size };
	size_t at = 0;
	ssize_t n;
	while ((n = ox_file_pread(f, (char *)ox_blob_data(ret->blob) + at, ret->bytes.len - at, (int64_t)at)) > 0)
		at += (size_t)n;
	return n < 0 ? (int)n : at < ret->bytes.len ? -EIO : 0;
}

static int keep_reply(struct slot *s, ox_future *f)
{
	struct oxi_job *j = s->job;
	size_t len;
	const char *data = ox_future_value(f, &len);
	if (data && len <= VALUE_MAX) {
		json_t *value = json_loadb(data, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
		if (value)
			oxi_buffer_add(&j->product.value, data, len);
		json_decref(value);
	}
	return data ? oxi_slot_keep(s, 0, data, len) : 0;
}

static int keep_output(struct slot *s, ox_future *f)
{
	size_t len;
	bool truncated;
	const char *text = ox_future_output(f, &len, &truncated);
	int r = text ? oxi_slot_keep(s, 1, text, len) : 0;
	return r >= 0 && truncated ? oxi_slot_note(s, s->job->task->job->name, "it printed more than is kept") : r;
}

/* How it ended, in the terms of a program. */
static int take_outcome(struct slot *s, ox_future *f, int r)
{
	struct oxi_job *j = s->job;
	const ox_crash *crash = f ? ox_future_crash(f) : NULL;
	j->outcome = (struct oxi_outcome){ .status = r < 0 ? OXI_FAILED : OXI_OK, .exit = r < 0 };
	if (s->killed)
		j->outcome.status = oxi_killed_status(s->killed);
	else if (crash && crash->signal)
		j->outcome = (struct oxi_outcome){ .status = OXI_FAILED, .signal = crash->signal };
	if (s->killed)
		j->outcome = (struct oxi_outcome){ .status = j->outcome.status, .signal = SIGTERM };
	return r < 0 && !s->killed ? oxi_slot_note(s, j->task->job->name, ox_strerror(r)) : 0;
}

static int call(struct slot *s, const struct input *in)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_submit(g, s->b->workers, s->job->task->job, in->bytes.data, in->bytes.len);
	int r = ox_await(f);
	if (r == OX_ECANCELED && !s->killed) {
		ox_group_close(g);
		return r;
	}
	int e = take_outcome(s, f, r);
	if (e >= 0 && !s->killed)               /* inside what is cancelled nothing may wait */
		e = keep_output(s, f);
	if (e >= 0 && r >= 0) {
		s->job->ended.began = ox_now() - ox_future_run_time(f);         /* it may have waited for another one */
		e = keep_reply(s, f);
	}
	ox_group_close(g);
	return e;
}

static int prepare_and_call(struct slot *s, const char *argument)
{
	bool file = s->job->task->reads_file;
	struct input in = { .bytes = { file ? "" : argument, file ? 0 : strlen(argument) } };
	int r = file ? read_file(s->b, argument, &in) : 0;
	if (r == OX_ECANCELED && !s->killed)
		return r;
	r = r < 0 ? take_outcome(s, NULL, r) : call(s, &in);
	ox_blob_free(in.blob);
	return r;
}

int oxi_call_run(struct slot *s, size_t n)
{
	(void)n;                                /* its argument, one word */
	return oxi_slot_try(s, prepare_and_call);
}
