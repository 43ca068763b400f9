/* SPDX-License-Identifier: MIT */
/*
 * The crawl, from start to end.
 *
 *	frontier --item--> dispatcher --visit--> host: fetch --answer--> worker: parse, crunch --links, value--> change
 *	    ^ (alarms, fair over hosts)           gate.c, fetch.c         follow.c, page.c                          |
 *	    +--------- new items, once their change is in the queue ---------- keeper: results, store <-------------+
 *
 * The dispatcher begins what may be begun, and sleeps until something has changed or an alarm is due: a visit
 * ended, items came, a host may be asked again. It ends the crawl when nothing is under way and nothing waits,
 * or, after a budget, when nothing is under way.
 *
 * Memory: a body lives from its fetch to the end of its crunch inside one visit, and there are at most
 * `connections` of these. The keeper's queue is short, so a slow output slows the fetching.
 *
 *	group watch: keeper, signals, the reader of our output, the progress line
 *	  group work: visits                        (fail-fast: who fails has said why by oxi_crawl_fail())
 */
#include "cli/crawl/crawl.h"

#include <errno.h>
#include <fcntl.h>
#include <oxbow/http.h>
#include <oxbow/run.h>
#include <oxbow/scope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/crawl/look.h"
#include "cli/say.h"

#define CHANGES_MAX 64

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

int oxi_crawl_hosts_said(struct oxi_crawl *c, int r)
{
	if (r == OX_EDB && c->exit == 0) {
		c->exit = OXI_EXIT_OUTPUT;
		oxi_bar_clear(&c->bar);
		oxi_say("crawl", "%s: %s", c->o->hosts_db, oxi_hosts_error(c->hosts));
	}
	return r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->hosts_db, r) : r;
}

int oxi_crawl_events_said(struct oxi_crawl *c, int r)
{
	return r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "cannot write the events", r) : r;
}

/* Ends the fetching at once, from outside of the visits. */
static void cancel_visits(struct oxi_crawl *c)
{
	if (c->work)
		ox_group_cancel(c->work);
}

/* ---- the dispatcher ---- */

/* Nothing more is begun; what is under way ends. */
static int stop(struct oxi_crawl *c, const char *why)
{
	if (c->stopping)
		return 0;
	c->stopping = c->full = true;
	if (!c->o->quiet) {
		oxi_bar_clear(&c->bar);
		oxi_say("crawl", "%s is reached: %llu URLs wait", why, (unsigned long long)c->frontier.waiting);
	}
	return oxi_crawl_events_said(c, oxi_events_halt(&c->events, "soon", why));
}

static ox_time ends_at(const struct oxi_crawl *c)
{
	return c->o->max_time == OX_NEVER ? OX_NEVER : c->tally.began + c->o->max_time;
}

static int look_at_budgets(struct oxi_crawl *c)
{
	const char *why = c->tally.body_bytes >= c->o->max_bytes ? "--max-bytes" : ox_now() >= ends_at(c) ? "--max-time" : NULL;
	return why ? stop(c, why) : 0;
}

/* Hosts whose items only the store has. */
static int feed(struct oxi_crawl *c)
{
	struct oxi_host *h;
	while ((h = oxi_frontier_hungry(&c->frontier))) {
		struct oxi_change *change = calloc(1, sizeof(*change));
		if (!change)
			return oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", OX_ENOMEM);
		change->host = h;
		change->load = true;
		int r = oxi_keeper_give(c, change);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether something may be begun, if there is something. */
static bool may_begin(const struct oxi_crawl *c)
{
	return !c->stopping && !c->no_room && c->running < c->o->connections;
}

static int wait_for_change(struct oxi_crawl *c)
{
	ox_time now = ox_now();
	ox_time at = !may_begin(c) ? OX_NEVER : c->rate_at > now ? c->rate_at : oxi_frontier_wake_at(&c->frontier);
	at = !c->stopping && ends_at(c) < at ? ends_at(c) : at;
	ox_scope s;
	ox_scope_enter(&s, at == OX_NEVER ? OX_NEVER : at > now ? at - now : 1);
	int r = ox_scope_leave(&s, ox_event_wait(c->changed));
	return r == OX_ETIMEDOUT ? 0 : r;
}

static int dispatch(struct oxi_crawl *c)
{
	int r = 0;
	while (r >= 0) {
		ox_event_clear(c->changed);
		r = look_at_budgets(c);
		if (r >= 0)
			r = c->stopping ? 0 : feed(c);
		if (r >= 0)
			r = may_begin(c) ? oxi_crawl_begin_next(c) : 0;
		if (r != 0)
			continue;
		bool nothing_waits = !c->feeding && c->frontier.waiting == 0 && ox_queue_len(c->changes) == 0 && !c->frontier.hungry;
		if (c->running == 0 && (c->stopping || nothing_waits))
			return 0;
		r = wait_for_change(c);
	}
	return r;
}

/* ---- those that look on ---- */

static int hear_signals(void *arg)
{
	struct oxi_crawl *c = arg;
	int signal = ox_signals_next(c->signals, NULL);
	if (signal < 0)
		return signal;
	c->exit = signal == SIGTERM ? OXI_EXIT_TERM : OXI_EXIT_INT;
	c->dropped = c->running;
	oxi_bar_clear(&c->bar);
	oxi_say("crawl", "stopped: %u pages in work are dropped, %llu URLs were not fetched%s", c->running,
	        (unsigned long long)c->frontier.waiting, c->o->run ? "; --resume goes on" : "");
	cancel_visits(c);
	return 0;
}

static int watch_reader(void *arg)
{
	struct oxi_crawl *c = arg;
	int r = oxi_sink_wait_closed(&c->sink);
	if (r == -EPIPE) {
		c->exit = OXI_EXIT_PIPE;
		cancel_visits(c);
	}
	return r;
}

static void bar_text(void *arg, char *line, size_t cap)
{
	struct oxi_crawl *c = arg;
	double seconds = (double)(ox_now() - c->tally.began) / 1e9;
	snprintf(line, cap, "%llu pages, %.1f MB, %llu errors, %u in work, %llu waiting at %zu hosts, %.0f pages/s",
	         (unsigned long long)c->tally.pages, (double)c->tally.body_bytes / 1e6,
	         (unsigned long long)(c->tally.urls - c->tally.errors[OXI_ERROR_NONE]), c->running,
	         (unsigned long long)c->frontier.waiting, c->frontier.hosts, (double)c->tally.pages / (seconds > 0 ? seconds : 1));
}

static int draw_bar(void *arg)
{
	struct oxi_crawl *c = arg;
	return oxi_bar_run(&c->bar, bar_text, c);
}

/* ---- the whole ---- */

static int take_starts(struct oxi_crawl *c, const struct oxi_url *starts)
{
	struct oxi_change *change = calloc(1, sizeof(*change));
	int r = change ? 0 : OX_ENOMEM;
	for (size_t i = 0; r >= 0 && i < c->o->n; i++)
		r = oxi_starts_add(c, &starts[i]);
	for (size_t i = 0; r >= 0 && i < c->o->n; i++)
		r = oxi_crawl_take(c, change, &starts[i], 0, NULL, &(struct oxi_page_link){ .by = OXI_LINK_START });
	if (r < 0 && change)
		oxi_change_free(change);
	return r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", r) : oxi_keeper_give(c, change);
}

static int run_visits(struct oxi_crawl *c, const struct oxi_url *starts)
{
	c->work = ox_group_open_with(OX_GROUP_OPTIONS(.name = "visits", .reap = true));
	int r = c->work ? take_starts(c, starts) : OX_ENOMEM;
	if (r >= 0)
		r = dispatch(c);
	if (r >= 0)
		r = ox_group_join(c->work);
	else
		ox_group_cancel(c->work);
	ox_group_close(c->work);
	c->work = NULL;
	return r;
}

static int run_groups(struct oxi_crawl *c, const struct oxi_url *starts)
{
	OX_AUTO_GROUP *watch = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "watch"));
	ox_future *keeper = ox_spawn(watch, oxi_keeper_run, c);
	ox_spawn(watch, hear_signals, c);
	ox_spawn(watch, watch_reader, c);
	if (c->feeding)
		ox_spawn(watch, oxi_starts_feed, c);
	if (c->o->bar || (!c->o->quiet && isatty(STDERR_FILENO)))
		ox_spawn(watch, draw_bar, c);
	int r = run_visits(c, starts);
	ox_queue_shut(c->changes, NULL);
	int kept = ox_await(keeper);
	return r < 0 ? r : kept;
}

static int save_cookies(struct oxi_crawl *c)
{
	int r = c->cookies ? ox_cookies_save(c->cookies, c->o->cookies) : 0;
	return r < 0 ? oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->cookies, r) : 0;
}

static int exit_code(const struct oxi_crawl *c)
{
	if (c->exit)
		return c->exit;
	for (enum oxi_error e = OXI_ERROR_NONE + 1; e < OXI_ERROR_COUNT; e++) {
		if (c->fail_on[e] && c->tally.errors[e])
			return OXI_EXIT_FAILED;
	}
	if (c->bad_input)
		return OXI_EXIT_INPUT;
	if (c->full || c->over_budget)
		return OXI_EXIT_HALTED;
	return c->tally.answers || c->tally.urls == 0 ? OXI_EXIT_OK : OXI_EXIT_FAILED;
}

/* What is shared with others: a database of hosts, and whoever reads the events. */
static int open_shared(struct oxi_crawl *c)
{
	char error_text[256] = "", id[17];
	uint64_t chance = 0;
	int r = c->o->hosts_db ? oxi_hosts_open(c->o->hosts_db, error_text, &c->hosts) : 0;
	if (r < 0 && r != OX_ECANCELED && c->exit == 0) {
		oxi_say("crawl", "%s: %s", c->o->hosts_db, *error_text ? error_text : ox_strerror(r));
		c->exit = OXI_EXIT_OUTPUT;
	}
	if (r < 0 || !c->o->events)
		return r;
	if (getrandom(&chance, sizeof(chance), 0) < 0)
		return oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "cannot begin the events", -errno);
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)chance);
	r = oxi_events_begin(&c->events, c->events_fd);
	return oxi_crawl_events_said(c, r < 0 ? r : oxi_events_run(&c->events, id, c->o->argv, 0));
}

static void end_events(struct oxi_crawl *c)
{
	struct oxi_tally t = {
		.done = c->tally.urls, .failed = c->tally.urls - c->tally.errors[OXI_ERROR_NONE], .interrupted = c->dropped,
	};
	oxi_crawl_events_said(c, oxi_events_end(&c->events, &t, c->frontier.waiting, exit_code(c)));
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
	c->changes = ox_queue_new(CHANGES_MAX);
	c->changed = ox_event_new();
	c->written = ox_event_new();
	int r = c->changes && c->changed && c->written ? OX_SIGNALS_OPEN(&c->signals, SIGINT, SIGTERM) : OX_ENOMEM;
	if (r == 0)
		c->exit = oxi_keeper_open(c);
	if (r == 0 && c->exit == 0)
		r = open_shared(c);
	if (r == 0 && c->exit == 0) {
		r = run_groups(c, run->starts);
		save_cookies(c);
	}
	if (r < 0)
		oxi_crawl_fail(c, OXI_EXIT_WORKERS, "the crawl ended early", r);
	end_events(c);
	if (c->changes)
		ox_queue_shut(c->changes, oxi_keeper_drop);
	ox_queue_free(c->changes);
	ox_event_free(c->changed);
	ox_event_free(c->written);
	oxi_bar_clear(&c->bar);
	r = oxi_warc_close(c->warc);
	if (r < 0)
		oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->warc, r);
	oxi_store_close(c->store);
	oxi_hosts_close(c->hosts);
	oxi_events_close(&c->events);
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

static int add_patterns(struct oxi_crawl *c, bool excludes, const char *const *patterns, size_t n)
{
	struct oxi_buffer why = { 0 };
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = oxi_scope_add_pattern(&c->scope, excludes, patterns[i], &why);
		if (r < 0)
			oxi_say("crawl", "--%s %s: %.*s", excludes ? "exclude" : "include", patterns[i], (int)why.len,
			        why.len ? why.data : "");
	}
	oxi_buffer_free(&why);
	return r < 0 ? OXI_EXIT_USAGE : 0;
}

static int read_rules(struct oxi_crawl *c)
{
	for (size_t i = 0; i < c->o->fail_on_n; i++) {
		enum oxi_error e = OXI_ERROR_NONE + 1;
		while (e < OXI_ERROR_COUNT && strcmp(oxi_error_name(e), c->o->fail_on[i]) != 0)
			e++;
		if (e == OXI_ERROR_COUNT) {
			oxi_say("crawl", "--fail-on %s: there is no such error (see man oxbow-crawl, Results)", c->o->fail_on[i]);
			return OXI_EXIT_USAGE;
		}
		c->fail_on[e] = true;
	}
	int code = add_patterns(c, false, c->o->include, c->o->include_n);
	return code ? code : add_patterns(c, true, c->o->exclude, c->o->exclude_n);
}

/* What a plugin prints must not get among the results; what the parsers read from files has to be there before a sandbox. */
static int init_worker(void *arg)
{
	const struct oxi_crawl *c = arg;
	if (c->o->sandbox)
		oxi_page_prepare();
	return dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ? -errno : 0;
}

/* Before anything is opened or written: a plugin that is not there, or an expression that is none, changes nothing. */
static int find_crunch(struct oxi_crawl *c)
{
	const struct oxi_crawl_options *o = c->o;
	if ((o->crunch && oxi_crunch_find(o->crunch, &c->crunch) < 0) || (o->select && oxi_crunch_select(o->select, &c->crunch) < 0))
		return OXI_EXIT_USAGE;
	const char *parent = o->blobs ? o->blobs : o->run;
	if (parent && asprintf(&c->blobs, o->blobs ? "%s" : "%s/blobs", parent) < 0) {
		c->blobs = NULL;
		oxi_say("crawl", "%s", ox_strerror(OX_ENOMEM));
		return OXI_EXIT_OUTPUT;
	}
	c->crunch.blobs = parent != NULL;
	c->crunch.references |= o->requisites || o->explain;
	return 0;
}

/* The plugin is loaded already, so that the workers have it. */
static int open_workers(struct oxi_crawl *c)
{
	const struct oxi_crawl_options *o = c->o;
	oxi_page_setup(&c->crunch, o->crunch_timeout);
	size_t bodies = 2 * (size_t)o->connections * (o->max_body + OX_MIB(1));
	int r = ox_pool_open(OX_POOL_OPTIONS(.jobs = OX_JOBS(&oxi_page_job, &oxi_page_links_job), .workers = o->workers,
	                                     .worker_init = init_worker, .worker_arg = c, .name = "crawl", .max_rss = o->crunch_memory,
	                                     .sandbox = o->sandbox ? OX_SANDBOX_COMPUTE : OX_SANDBOX_NONE,
	                                     .arena_bytes = bodies > OX_GIB(4) ? bodies : 0), &c->pool);
	if (r < 0)
		oxi_say("crawl", "cannot start the workers: %s", ox_strerror(r));
	return r < 0 ? OXI_EXIT_WORKERS : 0;
}

static int open_output(struct oxi_crawl *c)
{
	c->sink = oxi_sink_of(STDOUT_FILENO);
	if (c->o->run)
		return 0;               /* the keeper opens it, once it knows how much of it counts */
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
	r = c->o->host_report && c->exit != OXI_EXIT_USAGE ? oxi_report_write(c, c->o->host_report) : 0;
	if (r < 0)
		oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->host_report, r);
	if (c->exit != OXI_EXIT_USAGE)
		summarise(c, ox_now() - began);
	r = c->o->stats && c->exit != OXI_EXIT_USAGE ? oxi_report_stats(c, ox_now() - began, exit_code(c), c->o->stats) : 0;
	if (r < 0)
		oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->o->stats, r);
	return exit_code(c);
}

/* The name that servers see, with somebody to write to. */
static int name_agent(struct oxi_crawl *c)
{
	const struct oxi_crawl_options *o = c->o;
	int n = o->user_agent ? snprintf(c->agent, sizeof(c->agent), "%s", o->user_agent)
	      : o->contact    ? snprintf(c->agent, sizeof(c->agent), OXI_AGENT "/" OX_VERSION " (+%s)", o->contact)
	                      : snprintf(c->agent, sizeof(c->agent), OXI_AGENT "/" OX_VERSION);
	for (const char *p = c->agent; *p; p++) {
		if ((unsigned char)*p < ' ')
			n = -1;
	}
	if (n > 0 && (size_t)n < sizeof(c->agent))
		return 0;
	oxi_say("crawl", "--contact and --user-agent: give one line of less than 200 characters");
	return OXI_EXIT_USAGE;
}

static int open_cookies(struct oxi_crawl *c)
{
	if (!c->o->cookies)
		return 0;
	c->cookies = ox_cookies_new();
	int r = c->cookies ? ox_cookies_load(c->cookies, c->o->cookies) : OX_ENOMEM;
	if (r == 0 || r == -ENOENT)
		return 0;
	oxi_say("crawl", "%s: %s", c->o->cookies, ox_strerror(r));
	return OXI_EXIT_OUTPUT;
}

static int open_events(struct oxi_crawl *c)
{
	c->events_fd = c->o->events ? oxi_events_open(c->o->events) : 0;
	if (c->events_fd >= 0)
		return 0;
	oxi_say("crawl", "cannot write the events to %s: %s", c->o->events, ox_strerror(c->events_fd));
	return OXI_EXIT_OUTPUT;
}

static int run_locked(struct oxi_crawl *c, const struct oxi_url *starts)
{
	int code = open_output(c);
	if (code == 0)
		code = open_events(c);
	if (code == 0)
		code = open_cookies(c);
	if (code == 0)
		code = open_workers(c);
	return code == 0 ? run_opened(c, starts) : code;
}

int oxi_crawl_run(const struct oxi_crawl_options *o)
{
	struct oxi_crawl *c = calloc(1, sizeof(*c));
	struct oxi_url *starts = calloc(o->n + 1, sizeof(*starts));
	int code = OXI_EXIT_OUTPUT;
	if (!c || !starts || oxi_frontier_init(&c->frontier, o->fast ? o->connections : o->per_host) < 0) {
		oxi_say("crawl", "%s", ox_strerror(OX_ENOMEM));
	} else {
		c->o = o;
		c->scope.kind = o->scope;
		c->rate.o.rate = o->rate;
		c->input = -1;
		code = read_rules(c);
		if (code == 0)
			code = oxi_starts_read(c, starts);
		if (code == 0)
			code = name_agent(c);
		if (code == 0)
			code = find_crunch(c);
		if (code == 0)
			code = oxi_keeper_lock(c);
		if (code == 0)
			code = run_locked(c, starts);
		if (o->run && c->lock >= 0)
			close(c->lock);
		oxi_scope_free(&c->scope);
		oxi_seen_free(&c->seen);
		oxi_queries_free(&c->queries);
		oxi_frontier_free(&c->frontier);
		oxi_words_free(&c->tally.words);
		ox_cookies_free(c->cookies);
		free(c->blobs);
	}
	free(starts);
	free(c);
	return code;
}
