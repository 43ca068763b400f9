/* SPDX-License-Identifier: MIT */
/*
 * The crawl. A lane is a queue of URLs with a number of coroutines that serve it: one a host, with a pause
 * after each page, in a polite crawl; one lane with as many coroutines as connections in a fast one. A
 * coroutine takes a URL, fetches it, has it crunched, takes its links, hands its record to the writer, and
 * ends when its lane is empty; a URL put into a lane starts one if fewer than the lane's limit run. So the
 * crawl ends when the group of lanes has ended, and nothing needs to know when "all is done".
 *
 * Memory: a body lives from its fetch to the end of its crunch inside one coroutine, and at most
 * `connections` coroutines hold a place to do that in. The writer's queue is short, so a slow output slows
 * the fetching.
 *
 *	group watch: writer, signals, the reader of our output, the progress line
 *	  group work: lanes                         (fail-fast: who fails has said why by oxi_crawl_fail())
 */
#include "cli/crawl/crawl.h"

#include <errno.h>
#include <fcntl.h>
#include <oxbow/http.h>
#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/crawl/page.h"
#include "cli/say.h"

#define POLITE_DELAY OX_SEC(1)
#define LINES_MAX    64

int oxi_crawl_fail(struct oxi_crawl *c, int code, const char *what, int r)
{
	if (c->exit == 0 && r != OX_ECANCELED) {
		c->exit = code;
		oxi_bar_clear(&c->bar);
		if (code != OXI_EXIT_PIPE)
			oxi_say("crawl", "%s: %s", what, ox_strerror(r));
	}
	return r;
}

/* Ends the fetching at once, from outside of the lanes. */
static void cancel_lanes(struct oxi_crawl *c)
{
	if (c->work)
		ox_group_cancel(c->work);
}

/* ---- one page ---- */

/* Hands the record to the writer. */
static int give_record(struct oxi_crawl *c, const struct oxi_record *record)
{
	oxi_crawl_tally_add(&c->tally, record);
	struct oxi_buffer *line = calloc(1, sizeof(*line));
	if (!line)
		return OX_ENOMEM;
	oxi_record_json(record, line);
	int r = line->failed ? OX_ENOMEM : ox_queue_put(c->lines, line);
	if (r < 0) {
		oxi_buffer_free(line);
		free(line);
	}
	return r;
}

static int visit_held(struct oxi_crawl *c, const struct oxi_item *item, struct oxi_record *record)
{
	OX_AUTO_RESPONSE *answer = NULL;
	int r = oxi_crawl_fetch(c, item->url, record, &answer);
	if (r < 0 || !answer || record->status < 200 || record->status > 299)
		return r;
	r = oxi_crawl_crunch(c, answer, record);
	return r < 0 && r != OX_ENOMEM ? oxi_crawl_fail(c, OXI_EXIT_WORKERS, "workers", r) : r;
}

static int visit(struct oxi_crawl *c, const struct oxi_item *item)
{
	struct oxi_record record = {
		.url = item->url, .depth = item->depth, .via = item->via ? item->via->url : NULL,
	};
	c->running++;
	int r = visit_held(c, item, &record);
	c->running--;
	if (r >= 0)
		r = give_record(c, &record);
	oxi_record_free(&record);
	return r == OX_ENOMEM ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, item->url, r) : r;
}

/* ---- lanes ---- */

struct lane_task {
	struct oxi_crawl *c;
	struct oxi_lane *lane;
};

/* Visits an item while it holds one of the connections. */
static int visit_connected(struct oxi_crawl *c, const struct oxi_item *item)
{
	void *place;
	int r = ox_queue_get(c->connections, &place);
	if (r < 0)
		return r;
	r = visit(c, item);
	ox_queue_try_put(c->connections, place);
	return r;
}

static int serve_lane(void *arg)
{
	struct lane_task t = *(struct lane_task *)arg;
	free(arg);
	struct oxi_item *item;
	int r = 0;
	while (r >= 0 && (item = oxi_frontier_take(&t.c->frontier, t.lane))) {
		r = t.c->o->fast ? 0 : ox_sleep_until(t.lane->not_before);
		if (r >= 0)
			r = visit_connected(t.c, item);
		t.lane->not_before = ox_now() + POLITE_DELAY;
		oxi_item_free(item);
	}
	t.lane->running--;
	return r;
}

static int start_lane(struct oxi_crawl *c, struct oxi_lane *l)
{
	if (l->running >= (c->o->fast ? c->o->connections : 1))
		return 0;
	struct lane_task *t = malloc(sizeof(*t));
	if (!t)
		return OX_ENOMEM;
	*t = (struct lane_task){ c, l };
	l->running++;
	ox_spawn(c->work, serve_lane, t);
	return 0;
}

int oxi_crawl_take(struct oxi_crawl *c, const struct oxi_url *url, unsigned depth, struct oxi_origin *via)
{
	if (c->accepted >= c->o->max_pages || !oxi_scope_holds(&c->scope, url))
		return 0;
	int r = oxi_seen_add(&c->seen, oxi_key_of(url->text, strlen(url->text)));
	if (r <= 0)
		return r;
	c->accepted++;
	struct oxi_lane *l = oxi_frontier_lane(&c->frontier, c->o->fast ? "" : url->host);
	if (!l)
		return OX_ENOMEM;
	r = oxi_frontier_put(&c->frontier, l, url->text, depth, via);
	return r < 0 ? r : start_lane(c, l);
}

/* ---- those that look on ---- */

static void drop_line(void *item)
{
	struct oxi_buffer *line = item;
	oxi_buffer_free(line);
	free(line);
}

static int write_lines(void *arg)
{
	struct oxi_crawl *c = arg;
	void *item;
	int r;
	while ((r = ox_queue_get(c->lines, &item)) == 0) {
		struct oxi_buffer *line = item;
		if (c->sink.fd == STDOUT_FILENO)
			oxi_bar_clear(&c->bar);
		r = oxi_sink_write(&c->sink, line->data, line->len);
		drop_line(line);
		if (r < 0)
			break;
	}
	if (r == OX_ECLOSED)
		return 0;
	oxi_crawl_fail(c, r == -EPIPE ? OXI_EXIT_PIPE : OXI_EXIT_OUTPUT, "cannot write the results", r);
	ox_queue_shut(c->lines, drop_line);
	cancel_lanes(c);
	return r;
}

static int hear_signals(void *arg)
{
	struct oxi_crawl *c = arg;
	int signal = ox_signals_next(c->signals, NULL);
	if (signal < 0)
		return signal;
	c->exit = signal == SIGTERM ? OXI_EXIT_TERM : OXI_EXIT_INT;
	oxi_bar_clear(&c->bar);
	oxi_say("crawl", "stopped: %u pages in work are dropped, %zu URLs were not fetched", c->running,
	        c->frontier.waiting);
	cancel_lanes(c);
	return 0;
}

static int watch_reader(void *arg)
{
	struct oxi_crawl *c = arg;
	int r = oxi_sink_wait_closed(&c->sink);
	if (r == -EPIPE) {
		c->exit = OXI_EXIT_PIPE;
		cancel_lanes(c);
	}
	return r;
}

static void bar_text(void *arg, char *line, size_t cap)
{
	struct oxi_crawl *c = arg;
	double seconds = (double)(ox_now() - c->tally.began) / 1e9;
	snprintf(line, cap, "%llu pages, %.1f MB, %llu errors, %u in work, %zu waiting, %.0f pages/s",
	         (unsigned long long)c->tally.pages, (double)c->tally.body_bytes / 1e6,
	         (unsigned long long)(c->tally.urls - c->tally.errors[OXI_ERROR_NONE]), c->running,
	         c->frontier.waiting, (double)c->tally.pages / (seconds > 0 ? seconds : 1));
}

static int draw_bar(void *arg)
{
	struct oxi_crawl *c = arg;
	return oxi_bar_run(&c->bar, bar_text, c);
}

/* ---- the whole ---- */

static int run_lanes(struct oxi_crawl *c, const struct oxi_url *starts)
{
	c->work = ox_group_open_with(OX_GROUP_OPTIONS(.name = "lanes", .reap = true));
	int r = c->work ? 0 : OX_ENOMEM;
	for (size_t i = 0; r >= 0 && i < c->o->n; i++)
		r = oxi_crawl_take(c, &starts[i], 0, NULL);
	r = r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", r) : ox_group_join(c->work);
	ox_group_close(c->work);
	c->work = NULL;
	return r;
}

static int run_groups(struct oxi_crawl *c, const struct oxi_url *starts)
{
	OX_AUTO_GROUP *watch = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "watch"));
	ox_future *writer = ox_spawn(watch, write_lines, c);
	ox_spawn(watch, hear_signals, c);
	ox_spawn(watch, watch_reader, c);
	if (c->o->bar || (!c->o->quiet && isatty(STDERR_FILENO)))
		ox_spawn(watch, draw_bar, c);
	int r = run_lanes(c, starts);
	ox_queue_shut(c->lines, NULL);
	int written = ox_await(writer);
	return r < 0 ? r : written;
}

static bool open_queues(struct oxi_crawl *c)
{
	c->lines = ox_queue_new(LINES_MAX);
	c->connections = ox_queue_new(c->o->connections);
	for (unsigned i = 0; c->connections && i < c->o->connections; i++) {
		if (ox_queue_try_put(c->connections, c) < 0)
			return false;
	}
	return c->lines && c->connections;
}

static void drop_nothing(void *item)
{
	(void)item;
}

static void close_queues(struct oxi_crawl *c)
{
	if (c->lines)
		ox_queue_shut(c->lines, drop_line);
	if (c->connections)
		ox_queue_shut(c->connections, drop_nothing);
	ox_queue_free(c->lines);
	ox_queue_free(c->connections);
}

struct run {
	struct oxi_crawl *c;
	const struct oxi_url *starts;
};

static int crawl_main(void *arg)
{
	struct run *run = arg;
	struct oxi_crawl *c = run->c;
	c->tally.began = ox_now();
	int r = OX_SIGNALS_OPEN(&c->signals, SIGINT, SIGTERM);
	if (r == 0)
		r = open_queues(c) ? run_groups(c, run->starts) : OX_ENOMEM;
	if (r < 0)
		oxi_crawl_fail(c, OXI_EXIT_WORKERS, "the crawl ended early", r);
	close_queues(c);
	oxi_bar_clear(&c->bar);
	ox_pool_close(c->pool);
	ox_signals_close(c->signals);
	return 0;
}

static void summarise(const struct oxi_crawl *c, ox_time took)
{
	if (c->o->quiet || c->exit == OXI_EXIT_PIPE)
		return;
	struct oxi_buffer text = { 0 };
	oxi_crawl_tally_text(&c->tally, took, c->o->top, &text);
	if (!text.failed && write(STDERR_FILENO, text.data, text.len) < 0)
		errno = 0;              /* nobody listens */
	oxi_buffer_free(&text);
}

/* ---- before the loop ---- */

static int read_starts(struct oxi_crawl *c, struct oxi_url *starts)
{
	c->scope.kind = c->o->scope;
	for (size_t i = 0; i < c->o->n; i++) {
		const char *text = c->o->urls[i];
		if (oxi_url_resolve(NULL, text, strlen(text), &starts[i]) < 0) {
			oxi_say("crawl", "'%s' is no http or https URL", text);
			return OXI_EXIT_USAGE;
		}
		if (oxi_scope_add(&c->scope, &starts[i]) < 0) {
			oxi_say("crawl", "%s", ox_strerror(OX_ENOMEM));
			return OXI_EXIT_OUTPUT;
		}
	}
	return 0;
}

/* What a plugin prints must not get among the results. */
static int init_worker(void *arg)
{
	(void)arg;
	return dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? -errno : 0;
}

/* The plugin is loaded first, so that the workers have it. */
static int open_workers(struct oxi_crawl *c)
{
	const struct oxi_crawl_options *o = c->o;
	if (o->crunch && oxi_crunch_find(o->crunch, &c->crunch) < 0)
		return OXI_EXIT_USAGE;
	oxi_page_setup(&c->crunch, o->crunch_timeout);
	size_t bodies = 2 * o->connections * (o->max_body + OX_MIB(1));
	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&oxi_page_job, &oxi_page_links_job), .workers = o->workers,
	                                     .worker_init = init_worker, .name = "crawl",
	                                     .arena_bytes = bodies > OX_GIB(4) ? bodies : 0), &c->pool);
	if (r < 0)
		oxi_say("crawl", "cannot start the workers: %s", ox_strerror(r));
	return r < 0 ? OXI_EXIT_WORKERS : 0;
}

static int open_output(struct oxi_crawl *c)
{
	c->sink = oxi_sink_of(STDOUT_FILENO);
	if (!c->o->out || strcmp(c->o->out, "-") == 0)
		return 0;
	int fd = open(c->o->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		oxi_say("crawl", "%s: %s", c->o->out, strerror(errno));
		return OXI_EXIT_OUTPUT;
	}
	c->sink = oxi_sink_of(fd);
	return 0;
}

static int close_output(struct oxi_crawl *c)
{
	if (c->sink.fd <= STDERR_FILENO || close(c->sink.fd) == 0)
		return 0;
	return oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->out, -errno);
}

static int run_opened(struct oxi_crawl *c, const struct oxi_url *starts)
{
	ox_time began = ox_now();
	struct run run = { c, starts };
	int r = ox_run(crawl_main, &run, NULL);
	if (r < 0) {
		oxi_crawl_fail(c, OXI_EXIT_WORKERS, "cannot run the crawl", r);
		ox_pool_close(c->pool);
	}
	close_output(c);
	summarise(c, ox_now() - began);
	return c->exit ? c->exit : c->tally.answers ? OXI_EXIT_OK : OXI_EXIT_FAILED;
}

int oxi_crawl_run(const struct oxi_crawl_options *o)
{
	struct oxi_crawl *c = calloc(1, sizeof(*c));
	struct oxi_url *starts = calloc(o->n, sizeof(*starts));
	int code = OXI_EXIT_OUTPUT;
	if (!c || !starts) {
		oxi_say("crawl", "%s", ox_strerror(OX_ENOMEM));
	} else {
		c->o = o;
		code = read_starts(c, starts);
		if (code == 0)
			code = open_output(c);
		if (code == 0)
			code = open_workers(c);
		if (code == 0)
			code = run_opened(c, starts);
		oxi_scope_free(&c->scope);
		oxi_seen_free(&c->seen);
		oxi_frontier_free(&c->frontier);
		oxi_words_free(&c->tally.words);
	}
	free(starts);
	free(c);
	return code;
}
