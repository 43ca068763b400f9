/* SPDX-License-Identifier: MIT */
/*
 * One coroutine owns the store and the output. Changes come to it in a short queue, so that a slow disk or
 * reader slows the fetching; it takes all that are there, writes their results, and then the transaction that
 * makes them true. An item comes into the frontier when the change that it is part of is in the queue: so
 * whatever is said about it later is written later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/say.h"
#include "cli/state/lock.h"

#define BATCH_MAX 256

void oxi_keeper_drop(void *change)
{
	oxi_change_free(change);
}

int oxi_keeper_give(struct oxi_crawl *c, struct oxi_change *change)
{
	bool failed = change->line.failed || change->urls.failed || change->hosts.failed;
	struct oxi_item *first = change->first;
	change->first = NULL;
	int r = failed ? OX_ENOMEM : ox_queue_put(c->changes, change);
	if (r < 0) {
		change->first = first;
		oxi_change_free(change);
		return r == OX_ECLOSED ? OX_ECANCELED : r;
	}
	struct oxi_item *item;
	bool new = first != NULL;
	while ((item = first)) {
		first = item->next;
		oxi_frontier_put(&c->frontier, item);
	}
	if (new)
		ox_event_set(c->changed);
	return 0;
}

/* ---- the coroutine ---- */

static int write_line(struct oxi_crawl *c, const struct oxi_buffer *line)
{
	if (line->len == 0)
		return 0;
	if (c->sink.fd == STDOUT_FILENO)
		oxi_bar_clear(&c->bar);
	int r = oxi_sink_write(&c->sink, line->data, line->len);
	if (r < 0)
		return oxi_crawl_fail(c, r == -EPIPE ? OXI_EXIT_PIPE : OXI_EXIT_OUTPUT, "cannot write the results", r);
	c->results_len += line->len;
	return 0;
}

static int fail_store(struct oxi_crawl *c, int r)
{
	if (r == OX_EDB && c->exit == 0) {
		oxi_bar_clear(&c->bar);
		oxi_say("crawl", "cannot write the state: %s", oxi_store_error(c->store));
		c->exit = OXI_EXIT_OUTPUT;
		return r;
	}
	return oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "cannot write the state", r);
}

static int apply(struct oxi_crawl *c, struct oxi_change *list)
{
	int r = 0;
	for (struct oxi_change *x = list; r == 0 && x; x = x->next)
		r = write_line(c, &x->line);
	if (r < 0)
		return r;
	r = oxi_store_apply(c->store, list, c->results_len);
	for (struct oxi_change *x = list; r == 0 && x; x = x->next) {
		if (x->load)
			r = oxi_store_load(c->store, &c->frontier, x->host);
	}
	return r < 0 ? fail_store(c, r) : 0;
}

/* The next change, and all that are there with it, up to one that loads. */
static int take_batch(struct oxi_crawl *c, struct oxi_change **ret)
{
	void *item;
	*ret = NULL;
	int r = ox_queue_get(c->changes, &item);
	struct oxi_change **end = ret;
	for (int n = 1; r == 0; n++) {
		*end = item;
		(*end)->next = NULL;
		if ((*end)->load || n == BATCH_MAX)
			break;
		end = &(*end)->next;
		r = ox_queue_try_get(c->changes, &item);
	}
	return *ret ? 0 : r;
}

int oxi_keeper_run(void *arg)
{
	struct oxi_crawl *c = arg;
	struct oxi_change *list;
	int r;
	while ((r = take_batch(c, &list)) == 0) {
		r = apply(c, list);
		while (list) {
			struct oxi_change *next = list->next;
			oxi_change_free(list);
			list = next;
		}
		ox_event_set(c->changed);
		if (r < 0)
			break;
	}
	if (r == OX_ECLOSED)
		return 0;
	ox_queue_shut(c->changes, oxi_keeper_drop);
	if (c->work)
		ox_group_cancel(c->work);
	return r;
}

/* ---- the folder of a run ---- */

int oxi_keeper_lock(struct oxi_crawl *c)
{
	c->lock = -1;
	if (!c->o->run)
		return 0;
	if (mkdir(c->o->run, 0777) < 0 && errno != EEXIST) {
		oxi_say("crawl", "%s: %s", c->o->run, strerror(errno));
		return OXI_EXIT_OUTPUT;
	}
	struct oxi_buffer why = { 0 };
	int r = oxi_lock_take(c->o->run, &c->lock, &why);
	if (r == OX_EBUSY)
		oxi_say("crawl", "%.*s", (int)why.len, why.len ? why.data : "");
	else if (r < 0)
		oxi_say("crawl", "%s: %s", c->o->run, ox_strerror(r));
	oxi_buffer_free(&why);
	return r == 0 ? 0 : r == OX_EBUSY ? OXI_EXIT_LOCKED : OXI_EXIT_OUTPUT;
}

static int add_start(void *arg, const char *text)
{
	struct oxi_crawl *c = arg;
	struct oxi_url url;
	return oxi_url_resolve(NULL, text, strlen(text), &url) ? 0 : oxi_starts_add(c, &url);
}

/* Cuts the results to what the store knows of. */
static int open_results(struct oxi_crawl *c, uint64_t len)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/pages.jsonl", c->o->run);
	const char *name = c->o->out ? c->o->out : path;
	struct stat st;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && (uint64_t)st.st_size >= len && ftruncate(fd, (off_t)len) < 0) ||
	    lseek(fd, 0, SEEK_END) < 0) {
		oxi_say("crawl", "%s: %s", name, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < len) {
		oxi_say("crawl", "%s is not the file with the results of %s so far", name, c->o->run);
	} else {
		c->sink = oxi_sink_of(fd);
		c->results_len = len;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	return OXI_EXIT_OUTPUT;
}

static int resume(struct oxi_crawl *c)
{
	struct oxi_resumed was;
	int r = oxi_store_resume(c->store, &c->o->query, &c->frontier, &c->seen, &was, add_start, c);
	if (r < 0) {
		fail_store(c, r);
		return OXI_EXIT_OUTPUT;
	}
	if (was.last_id && !c->o->resume) {
		oxi_say("crawl", "%s holds a crawl already: go on with --resume, or give another folder", c->o->run);
		return OXI_EXIT_USAGE;
	}
	if (!was.last_id && c->o->resume && c->o->n == 0 && !c->o->input) {
		oxi_say("crawl", "%s holds no crawl: give a URL to start with", c->o->run);
		return OXI_EXIT_USAGE;
	}
	c->last_id = was.last_id;
	c->accepted = was.accepted;
	if (was.last_id && !c->o->quiet)
		oxi_say("crawl", "goes on: %llu URLs are done, %llu wait", (unsigned long long)was.done,
		        (unsigned long long)c->frontier.waiting);
	return open_results(c, was.results_len);
}

int oxi_keeper_open(struct oxi_crawl *c)
{
	char error_text[256] = "";
	int r = oxi_store_open(c->o->run, error_text, &c->store);
	if (r == OX_ECANCELED)
		return OXI_EXIT_INT;
	if (r < 0) {
		oxi_say("crawl", "cannot open the state: %s", *error_text ? error_text : ox_strerror(r));
		return OXI_EXIT_OUTPUT;
	}
	return c->o->run ? resume(c) : 0;
}
