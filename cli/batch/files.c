/* SPDX-License-Identifier: MIT */
/*
 * A job is up to date, and is not run, if all files that it makes are there, none of them older than any that it reads, and
 * each is what the same command has left there: the run before wrote down the command's hash and the file's time. Of a
 * file on which nothing was ever written down, times alone decide, as in make(1).
 *
 *	checked -> written down as half made -> the job runs -> succeeded: written down with command and time
 *	                                                     -> else: what it has made or touched is removed
 *
 * Whatever kills this process between, the file counts as half made and is made again. Files that the job has not
 * touched stay. Folders are never removed, those above an out file are made.
 */
#include "cli/batch/files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/batch/runner.h"
#include "cli/folder.h"
#include "cli/say.h"

#define FOLDER ".oxbow"

/* ---- decisions ---- */

bool oxi_files_fresh(const struct oxi_paths *in, const struct oxi_paths *out)
{
	int64_t oldest = INT64_MAX;
	for (size_t i = 0; i < out->n; i++) {
		if (!out->stamp[i].is)
			return false;
		oldest = out->stamp[i].time < oldest ? out->stamp[i].time : oldest;
	}
	for (size_t i = 0; i < in->n; i++) {
		if (in->stamp[i].time > oldest)
			return false;
	}
	return out->n > 0;
}

/* ---- paths ---- */

static struct oxi_stamp stamp_of(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return (struct oxi_stamp){ 0 };
	return (struct oxi_stamp){
		.is = true, .inode = st.st_ino, .size = (uint64_t)st.st_size,
		.time = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
	};
}

static bool has_changed(const struct oxi_stamp *before, const struct oxi_stamp *now)
{
	return now->is && (!before->is || now->inode != before->inode || now->size != before->size || now->time != before->time);
}

/* The folder of a path that ends in no slash, as it is called without links; what is not there yet is called as it is written. */
static void add_path(struct oxi_buffer *out, const char *folder, const char *path, bool make)
{
	struct oxi_buffer whole = { 0 };
	char real[PATH_MAX];
	if (*path != '/') {
		oxi_buffer_add_text(&whole, folder);
		oxi_buffer_add_char(&whole, '/');
	}
	oxi_buffer_add_text(&whole, path);
	while (!whole.failed && whole.len > 1 && whole.data[whole.len - 1] == '/')
		whole.len--;
	oxi_buffer_add_char(&whole, '\0');
	out->failed |= whole.failed;
	char *slash = whole.failed ? NULL : strrchr(whole.data, '/');
	if (slash && slash > whole.data) {
		*slash = '\0';
		if (make)
			oxi_folders_make(whole.data);           /* a failure is the job's to meet */
		bool is = realpath(whole.data, real) != NULL;
		*slash = '/';
		if (is)
			oxi_buffer_add_text(out, strcmp(real, "/") == 0 ? "" : real);
		oxi_buffer_add_text(out, is ? slash : whole.data);
	} else if (slash) {
		oxi_buffer_add_text(out, whole.data);
	}
	oxi_buffer_add_char(out, '\0');
	oxi_buffer_free(&whole);
}

static const char *next(const char *path)
{
	return path + strlen(path) + 1;
}

/* Expands the paths of a template, seen from folder. Returns: 0; OX_EINVAL: a place costs too much; OX_ENOMEM. */
static int expand(const struct oxi_job *j, const struct oxi_template *t, const char *folder, bool make, struct oxi_paths *ret)
{
	struct oxi_buffer words = { 0 };
	if (!t)
		return 0;
	size_t n = oxi_job_expand(j, t, 0, &words);
	int r = words.failed ? OX_ENOMEM : n == 0 && t->n ? OX_EINVAL : 0;
	ret->stamp = r == 0 ? calloc(n + 1, sizeof(*ret->stamp)) : NULL;
	const char *word = words.data;
	for (size_t i = 0; ret->stamp && i < n; i++, word = next(word))
		add_path(&ret->text, folder, word, make);
	oxi_buffer_free(&words);
	if (r == 0 && (!ret->stamp || ret->text.failed))
		return OX_ENOMEM;
	const char *path = ret->text.data;
	for (ret->n = 0; r == 0 && ret->n < n; path = next(path))
		ret->stamp[ret->n++] = stamp_of(path);
	return r;
}

/* The folder in which the job runs. */
static int folder_of(const struct oxi_job *j, struct oxi_buffer *ret)
{
	char here[PATH_MAX];
	struct oxi_buffer cwd = { 0 };
	const struct oxi_template *t = j->task->extra[OXI_CWD];
	int r = t && oxi_job_expand(j, t, 0, &cwd) == 0 ? OX_EINVAL : 0;
	if (r == 0 && (!t || *cwd.data != '/')) {
		oxi_buffer_add_text(ret, getcwd(here, sizeof(here)) ? here : "");
		if (t)
			oxi_buffer_add_char(ret, '/');
	}
	if (r == 0 && t)
		oxi_buffer_add_text(ret, cwd.data);
	oxi_buffer_add_char(ret, '\0');
	if (cwd.failed || ret->failed)
		r = OX_ENOMEM;
	oxi_buffer_free(&cwd);
	return r;
}

/* All that a job is told, and its files. Not which slot it is in, and what pools it has: that changes. */
static int hash(const struct oxi_job *j, struct oxi_declared *d)
{
	const struct oxi_task *t = j->task;
	const struct oxi_template *said[] = { &t->command, t->extra[OXI_CWD], t->extra[OXI_INPUT], t->env };
	const int what[] = { (int)t->kind, (int)t->input_kind };
	struct oxi_identity i = oxi_identity_of(NULL, &(ox_bytes){ what, sizeof(what) }, 1);
	if (t->job)
		i = oxi_identity_of(&i, &(ox_bytes){ t->job->name, strlen(t->job->name) }, 1);
	int r = 0;
	for (size_t k = 0; k < sizeof(said) / sizeof(said[0]) && r == 0; k++) {
		struct oxi_buffer words = { 0 };
		if (said[k])
			oxi_job_expand(j, said[k], 0, &words);
		i = oxi_identity_of(&i, &(ox_bytes){ words.data, words.len }, 1);
		r = words.failed ? OX_ENOMEM : 0;
		oxi_buffer_free(&words);
	}
	const ox_bytes paths[] = { { d->in.text.data, d->in.text.len }, { d->out.text.data, d->out.text.len } };
	d->command = oxi_identity_of(&i, paths, 2);
	return r;
}

/* ---- what is remembered ---- */

/* Says it once, and times alone decide from here on. Nothing is in the way of the jobs. */
static int forget(struct batch *b, int r, struct oxi_buffer *why)
{
	struct oxi_files *f = &b->files;
	if (r != OX_ECANCELED && r != -ENOTSUP && !f->told) {
		f->told = true;
		oxi_bar_clear(&b->bar);
		oxi_say(b->o->command, "%s/made.db, which remembers what made each file, cannot be used: %.*s; times alone decide",
		        FOLDER, why->len ? (int)why->len : (int)strlen(ox_strerror(r)), why->len ? why->data : ox_strerror(r));
	}
	why->len = 0;
	if (r != OX_ECANCELED) {
		oxi_made_close(f->made);
		f->made = NULL;
	}
	return r == OX_ECANCELED || r == OX_ENOMEM ? r : 0;
}

static int open_made(struct batch *b, struct oxi_buffer *why)
{
	struct oxi_files *f = &b->files;
	char folder[] = FOLDER;
	if (f->opened || f->ephemeral)
		return 0;
	f->opened = true;
	int r = oxi_folders_make(folder);
	if (r == 0)
		r = oxi_made_open(FOLDER "/made.db", &f->made, why);
	return r < 0 ? forget(b, r, why) : 0;
}

/* Is each of out what this command has left there? Returns: 1; 0; OX_ECANCELED, OX_ENOMEM. */
static int is_remembered(struct batch *b, const struct oxi_declared *d, struct oxi_buffer *why)
{
	struct oxi_files *f = &b->files;
	const char *path = d->out.text.data;
	for (size_t i = 0; i < d->out.n && f->made; i++, path = next(path)) {
		struct oxi_identity command;
		int64_t time;
		int r = oxi_made_find(f->made, path, &command, &time, why);
		if (r < 0)
			r = forget(b, r, why);
		else if (r == 1 && (time != d->out.stamp[i].time || memcmp(&command, &d->command, sizeof(command)) != 0))
			return 0;
		if (r < 0)
			return r;
	}
	return 1;
}

/* stamp: NULL: they are half made. */
static int remember(struct batch *b, const struct oxi_declared *d, const struct oxi_stamp *stamp, struct oxi_buffer *why)
{
	struct oxi_files *f = &b->files;
	const char *path = d->out.text.data;
	int r = 0;
	for (size_t i = 0; i < d->out.n && f->made && r == 0; i++, path = next(path)) {
		r = oxi_made_put(f->made, path, &d->command, stamp ? stamp[i].time : OXI_HALF_MADE, why);
		if (r < 0)
			r = forget(b, r, why);
	}
	return r;
}

/* ---- before a job ---- */

static void free_declared(struct oxi_declared *d)
{
	oxi_buffer_free(&d->in.text);
	oxi_buffer_free(&d->out.text);
	free(d->in.stamp);
	free(d->out.stamp);
	*d = (struct oxi_declared){ 0 };
}

static int fail(struct slot *s, const char *what, const char *path, const char *how)
{
	struct oxi_buffer text = { 0 };
	s->job->outcome = (struct oxi_outcome){ .status = OXI_FAILED, .exit = 126 };
	oxi_buffer_add_text(&text, path);
	oxi_buffer_add_text(&text, how);
	oxi_buffer_add_char(&text, '\0');
	int r = text.failed ? oxi_run_fail(s->b, OXI_EXIT_OUTPUT, "job", OX_ENOMEM) : oxi_slot_note(s, what, text.data);
	oxi_buffer_free(&text);
	return r;
}

/* Each out file is this job's alone. Returns: 0; 1: another one's; OX_ENOMEM. */
static int claim(struct oxi_files *f, const struct oxi_job *j, const struct oxi_paths *out, const char **ret_path)
{
	const char *path = out->text.data;
	for (size_t i = 0; i < out->n; i++, path = next(path)) {
		struct oxi_identity key = oxi_identity_of(NULL, &(ox_bytes){ path, strlen(path) }, 1);
		uint64_t by = oxi_keys_get(&f->claimed, key.byte);
		*ret_path = path;
		if (by && by != j->seq)
			return 1;
		if (!by && !oxi_keys_put(&f->claimed, key.byte, j->seq))
			return OX_ENOMEM;
	}
	return 0;
}

static const char *missing(const struct oxi_paths *p)
{
	const char *path = p->text.data;
	for (size_t i = 0; i < p->n; i++, path = next(path)) {
		if (!p->stamp[i].is)
			return path;
	}
	return NULL;
}

/* Returns: 1: it has to run; 0: it has its outcome; negative: what is to be said. */
static int look(struct slot *s, struct oxi_declared *d, struct oxi_buffer *why)
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	const char *path;
	int r = claim(&b->files, j, &d->out, &path);
	if (r < 0)
		return r;
	if (r > 0)
		return fail(s, "out", path, ": another job makes it too");
	if ((path = missing(&d->in)) != NULL)
		return fail(s, "in", path, " is not there");
	if (d->out.n == 0)
		return 1;
	r = hash(j, d);
	if (r == 0)
		r = open_made(b, why);
	if (r == 0 && oxi_files_fresh(&d->in, &d->out))
		r = is_remembered(b, d, why);
	if (r == 1) {
		j->outcome = (struct oxi_outcome){ .status = OXI_UP_TO_DATE };
		return 0;
	}
	if (r == 0)
		r = remember(b, d, NULL, why);
	return r < 0 ? r : 1;
}

static int declare(const struct oxi_job *j, struct oxi_declared *d)
{
	struct oxi_buffer folder = { 0 };
	int r = folder_of(j, &folder);
	if (r == 0)
		r = expand(j, j->task->files[OXI_FILES_IN], folder.data, false, &d->in);
	if (r == 0)
		r = expand(j, j->task->files[OXI_FILES_OUT], folder.data, true, &d->out);
	oxi_buffer_free(&folder);
	return r;
}

int oxi_files_begin(struct slot *s, struct oxi_declared *d)
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	struct oxi_buffer why = { 0 };
	if (!j->task->files[OXI_FILES_IN] && !j->task->files[OXI_FILES_OUT])
		return 1;
	j->ended.began = j->ended.ended = ox_now();
	int r = ox_lock_acquire(b->files.lock);
	if (r < 0)
		return r;
	r = declare(j, d);
	if (r == OX_EINVAL)
		r = fail(s, "in, out", "", "a place costs too much for this value");
	else if (r == 0)
		r = look(s, d, &why);
	ox_lock_release(b->files.lock);
	oxi_buffer_free(&why);
	if (r <= 0)
		free_declared(d);
	if (r == 0 && j->outcome.status == OXI_FAILED) {
		j->attempt++;
		j->given_up = true;             /* another try would meet the same */
	}
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_OUTPUT, "job", r) : r;
}

/* ---- after it ---- */

static void remove_touched(const struct oxi_declared *d, const struct oxi_stamp *now)
{
	const char *path = d->out.text.data;
	for (size_t i = 0; i < d->out.n; i++, path = next(path)) {
		if (has_changed(&d->out.stamp[i], &now[i]))
			unlink(path);           /* not a folder */
	}
}

static int look_after(struct slot *s, struct oxi_declared *d, struct oxi_stamp *now)
{
	struct batch *b = s->b;
	struct oxi_buffer why = { 0 };
	const char *path = d->out.text.data, *lacking = NULL;
	for (size_t i = 0; i < d->out.n; i++, path = next(path)) {
		now[i] = stamp_of(path);
		if (!now[i].is && !lacking)
			lacking = path;
	}
	int r = s->job->outcome.status == OXI_OK && lacking ? fail(s, "out", lacking, " was not made") : 0;
	if (s->job->outcome.status != OXI_OK) {
		remove_touched(d, now);
		return r;
	}
	r = ox_lock_acquire(b->files.lock);
	if (r < 0)
		return r;
	r = remember(b, d, now, &why);
	ox_lock_release(b->files.lock);
	oxi_buffer_free(&why);
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_OUTPUT, "job", r) : 0;
}

int oxi_files_end(struct slot *s, struct oxi_declared *d, int r)
{
	struct oxi_stamp *now = r >= 0 && d->out.n ? calloc(d->out.n, sizeof(*now)) : NULL;
	if (now)
		r = look_after(s, d, now);
	else if (r >= 0 && d->out.n)
		r = oxi_run_fail(s->b, OXI_EXIT_OUTPUT, "job", OX_ENOMEM);
	free(now);
	free_declared(d);
	return r;
}

void oxi_files_close(struct oxi_files *f)
{
	oxi_made_close(f->made);
	oxi_keys_free(&f->claimed);
	ox_lock_free(f->lock);
	*f = (struct oxi_files){ 0 };
}
