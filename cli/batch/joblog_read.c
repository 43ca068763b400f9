/* SPDX-License-Identifier: MIT */
/*
 * A log is read from its beginning, and the last line of a job has it: a job that was tried again has several. Its jobs are
 * known by their numbers, which is all that such a log has: what is resumed has to have the same input in the same order.
 *
 * A line is whole or is none. The newlines of a command are NUL bytes in it, so that each line is one record; one without
 * an end is what a runner was about to write when it was killed. A line in the middle that is none means that the file is
 * something else, to which nothing should be added.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/joblog.h"

/* A number with a tab behind it. */
static bool read_number(const char **p, long long *ret)
{
	char *end;
	errno = 0;
	*ret = strtoll(*p, &end, 10);
	if (errno || end == *p || *end != '\t' || **p == ' ' || **p == '+')
		return false;
	*p = end + 1;
	return true;
}

/* Any text with a tab behind it. */
static bool skip(const char **p)
{
	const char *tab = strchr(*p, '\t');
	*p = tab ? tab + 1 : NULL;
	return tab != NULL;
}

/* Seq Host Starttime JobRuntime Send Receive Exitval Signal Command; NUL behind it. */
static bool read_line(const char *p, struct oxi_logged_job *ret)
{
	long long seq, exit, signal;
	bool ok = read_number(&p, &seq);
	for (int i = 0; i < 5 && ok; i++)
		ok = skip(&p);
	ok = ok && read_number(&p, &exit) && read_number(&p, &signal);
	if (!ok || seq < 1 || exit < -1 || exit > 255 || signal < 0 || signal > 127)
		return false;
	ret->seq = (uint64_t)seq;
	ret->exit = (int)exit;
	ret->signal = (int)signal;
	return true;
}

static int add(struct oxi_logged *l, struct oxi_logged_job job)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct oxi_logged_job *grown = realloc(l->job, cap * sizeof(*grown));
		if (!grown)
			return OX_ENOMEM;
		l->job = grown;
		l->cap = cap;
	}
	l->job[l->n++] = job;
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct oxi_logged_job *x = a, *y = b;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* Of lines with the same number the last one stays. */
static void sort(struct oxi_logged *l)
{
	size_t n = 0;
	if (l->n)
		qsort(l->job, l->n, sizeof(*l->job), by_seq);
	for (size_t i = 0; i < l->n; i++) {
		n -= n && l->job[n - 1].seq == l->job[i].seq;
		l->job[n++] = l->job[i];
	}
	l->n = n;
}

static int refuse(const char *path, uint64_t line, const char *what, struct oxi_buffer *why)
{
	oxi_buffer_add_text(why, path);
	oxi_buffer_add_format(why, ":%llu: %s", (unsigned long long)line, what);
	return OX_EINVAL;
}

static int read_all(FILE *f, const char *path, struct oxi_logged *l, off_t *end, struct oxi_buffer *why)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	uint64_t n = 0;
	int r = 0;
	while (r == 0 && (len = getline(&line, &cap, f)) > 0 && line[len - 1] == '\n') {
		struct oxi_logged_job job = { .line = ++n };
		*end += len;
		if (n == 1)
			r = strncmp(line, "Seq\t", 4) == 0 ? 0 : refuse(path, n, "this is no job log: it does not begin with Seq", why);
		else if (!read_line(line, &job))
			r = refuse(path, n, "this is no line of a job log", why);
		else
			r = add(l, job);
	}
	if (r == 0 && n == 0 && len > 0)
		r = refuse(path, 1, "this is no job log", why);         /* whatever it is, it is not ours to cut */
	if (r == 0 && ferror(f))
		r = -errno;
	free(line);
	return r;
}

int oxi_logged_read(const char *path, struct oxi_logged *ret, off_t *ret_end, struct oxi_buffer *why)
{
	struct oxi_logged l = { 0 };
	FILE *f = fopen(path, "re");
	*ret_end = 0;
	int r = f ? read_all(f, path, &l, ret_end, why) : errno == ENOENT ? 0 : -errno;
	if (f)
		fclose(f);
	sort(&l);
	if (r == 0)
		*ret = l;
	else
		oxi_logged_free(&l);
	return r;
}

bool oxi_logged_find(const struct oxi_logged *l, uint64_t seq, struct oxi_outcome *ret)
{
	size_t from = 0, to = l->n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (l->job[middle].seq < seq)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == l->n || l->job[from].seq != seq)
		return false;
	const struct oxi_logged_job *j = &l->job[from];
	*ret = (struct oxi_outcome){
		.status = j->exit < 0 ? OXI_TIMEOUT : j->exit || j->signal ? OXI_FAILED : OXI_OK,
		.exit = j->exit < 0 ? 0 : j->exit, .signal = j->signal,
	};
	return true;
}

void oxi_logged_free(struct oxi_logged *l)
{
	free(l->job);
	*l = (struct oxi_logged){ 0 };
}
