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

#define BATCH_MAX     256
#define UNWRITTEN_MAX OX_MIB(32)

void oxi_keeper_drop(void *change)
{
	oxi_change_free(change);
}

/* The queue is bounded in changes; exchanges have bodies, and are bounded in bytes too. */
static int wait_for_room(struct oxi_crawl *c)
{
	int r = 0;
	while (r == 0 && c->unwritten > UNWRITTEN_MAX) {
		ox_event_clear(c->written);
		r = ox_event_wait(c->written);
	}
	return r;
}

int oxi_keeper_give(struct oxi_crawl *c, struct oxi_change *change)
{
	bool failed = change->line.failed || change->urls.failed || change->hosts.failed;
	struct oxi_item *first = change->first;
	change->first = NULL;
	size_t size = oxi_exchange_size(change->exchange);
	int r = failed ? OX_ENOMEM : size ? wait_for_room(c) : 0;
	c->unwritten += size;
	if (r == 0)
		r = ox_queue_put(c->changes, change);
	if (r < 0) {
		c->unwritten -= size;
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

int oxi_keeper_archive(struct oxi_crawl *c, struct oxi_record *record)
{
	if (!record->exchange)
		return 0;
	struct oxi_change *change = calloc(1, sizeof(*change));
	if (!change)
		return OX_ENOMEM;
	change->exchange = record->exchange;
	record->exchange = NULL;
	return oxi_keeper_give(c, change);
}

/* ---- the coroutine ---- */

/* Its records, before its result. */
static int write_exchange(struct oxi_crawl *c, struct oxi_exchange *x)
{
	int r = x->body.len && x->payload[0] && x->revisit == OXI_REVISIT_NONE ? oxi_store_payload(c->store, x) : 0;
	if (r == 0 && x->origin_url.failed)
		r = OX_ENOMEM;
	if (r < 0)
		return r;
	r = oxi_warc_add(c->warc, x);
	return r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "cannot write the WARC", r) : 0;
}

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

struct batch {
	struct oxi_crawl *c;
	struct oxi_change *list;
};

/* First the files, then the rows that say how long these are. */
static int write_batch(void *arg)
{
	const struct batch *b = arg;
	struct oxi_crawl *c = b->c;
	int r = 0;
	for (struct oxi_change *x = b->list; r == 0 && x; x = x->next) {
		r = x->exchange ? write_exchange(c, x->exchange) : 0;
		if (r == 0)
			r = write_line(c, &x->line);
	}
	return r < 0 ? r : oxi_store_apply(c->store, b->list, c->results_len, oxi_warc_place(c->warc));
}

static int apply(struct oxi_crawl *c, struct oxi_change *list)
{
	struct batch b = { c, list };
	int r = oxi_store_transaction(c->store, write_batch, &b);
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
			c->unwritten -= oxi_exchange_size(list->exchange);
			oxi_change_free(list);
			list = next;
		}
		ox_event_set(c->changed);
		ox_event_set(c->written);
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

/* ---- the WARC ---- */

/* What its first records say about the crawl. */
static void describe_crawl(const struct oxi_crawl *c, struct oxi_buffer *out)
{
	static const char *const robots[] = { "obey", "meta", "ignore" };
	oxi_buffer_add_text(out, "software: oxbow/" OX_VERSION "\r\nformat: WARC File Format 1.1\r\n"
	                         "conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n");
	oxi_buffer_add_format(out, "robots: %s\r\nhttp-header-user-agent: %s\r\n", robots[c->o->obey], c->agent);
	if (c->o->contact)
		oxi_buffer_add_format(out, "operator: %s\r\n", c->o->contact);
	oxi_buffer_add_char(out, '\0');
}

/* A new file is in the state before it is there, so that none is left that nobody knows of. */
static int open_warc(struct oxi_crawl *c, const struct oxi_warc_place *was)
{
	if (!c->o->warc)
		return 0;
	struct oxi_warc_place at = was->number ? *was : oxi_warc_begin();
	int r = was->number ? 0 : oxi_store_apply(c->store, NULL, c->results_len, &at);
	if (r < 0) {
		fail_store(c, r);
		return OXI_EXIT_OUTPUT;
	}
	struct oxi_buffer about = { 0 };
	describe_crawl(c, &about);
	int code = OXI_EXIT_OUTPUT;
	if (about.failed)
		oxi_say("crawl", "%s", ox_strerror(OX_ENOMEM));
	else
		code = oxi_warc_open(c->o->warc, c->o->warc_size, &at, about.data, &c->warc);
	oxi_buffer_free(&about);
	return code;
}

/* ---- opening it all ---- */

static int check_resumed(struct oxi_crawl *c, const struct oxi_resumed *was)
{
	if (was->last_id && !c->o->resume) {
		oxi_say("crawl", "%s holds a crawl already: go on with --resume, begin it again with --cache, or give another folder",
		        c->o->run);
		return OXI_EXIT_USAGE;
	}
	if (!was->last_id && c->o->resume && c->o->n == 0 && !c->o->input) {
		oxi_say("crawl", "%s holds no crawl: give a URL to start with", c->o->run);
		return OXI_EXIT_USAGE;
	}
	if (was->archives && c->o->resume && !c->o->warc) {
		oxi_say("crawl", "the crawl in %s writes a WARC: give its folder with --warc", c->o->run);
		return OXI_EXIT_USAGE;
	}
	if (was->last_id && !c->o->quiet)
		oxi_say("crawl", "goes on: %llu URLs are done, %llu wait", (unsigned long long)was->done,
		        (unsigned long long)c->frontier.waiting);
	return 0;
}

static int resume(struct oxi_crawl *c)
{
	struct oxi_resumed was;
	int r = c->o->cache && !c->o->resume ? oxi_store_begin_again(c->store) : 0;
	if (r == 0)
		r = oxi_store_resume(c->store, &c->o->query, &c->frontier, &c->seen, &was, add_start, c);
	if (r < 0) {
		fail_store(c, r);
		return OXI_EXIT_OUTPUT;
	}
	int code = check_resumed(c, &was);
	if (code)
		return code;
	c->last_id = was.last_id;
	c->accepted = was.accepted;
	code = open_results(c, was.results_len);
	return code ? code : open_warc(c, &was.warc);
}

static int open_cache(struct oxi_crawl *c, char *error_text)
{
	struct oxi_buffer maker = { 0 };
	int r = oxi_cache_maker(&c->crunch, c->o->crunch, c->o->obey != OXI_OBEY_NONE, &maker);
	if (r == 0)
		r = oxi_cache_open(c->o->run, c->store->db, maker.data, error_text, &c->store->cache);
	oxi_buffer_free(&maker);
	return r;
}

int oxi_keeper_open(struct oxi_crawl *c)
{
	static const struct oxi_warc_place none = { 0 };
	char error_text[256] = "";
	int r = oxi_store_open(c->o->run, error_text, &c->store);
	if (r == 0 && c->o->cache)
		r = open_cache(c, error_text);
	if (r == OX_ECANCELED)
		return OXI_EXIT_INT;
	if (r < 0) {
		oxi_say("crawl", "cannot open the state: %s", *error_text ? error_text : ox_strerror(r));
		return OXI_EXIT_OUTPUT;
	}
	return c->o->run ? resume(c) : open_warc(c, &none);
}
