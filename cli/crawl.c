/* SPDX-License-Identifier: MIT */
/* oxbow crawl: fetch pages, crunch them in workers, follow their links. This file turns words into options. */
#include <getopt.h>
#include <string.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/options.h"
#include "cli/say.h"

enum {
	OPT_SCOPE = OXI_LONG, OPT_DEPTH, OPT_MAX_PAGES, OPT_CONNECTIONS, OPT_ALLOW_NET, OPT_FAST, OPT_TIMEOUT,
	OPT_MAX_BODY, OPT_CRUNCH, OPT_QUIET, OPT_MAX_TIME, OPT_DELAY,
	OPT_ROBOTS, OPT_CONTACT, OPT_RUN, OPT_RESUME, OPT_SITEMAPS, OPT_EXPLAIN, OPT_SELECT, OPT_REQUISITES,
	OPT_MAX_PAGES_HOST = OXI_MORE, OPT_MAX_BYTES, OPT_CRUNCH_TIMEOUT, OPT_MAX_BYTES_HOST, OPT_MAX_QUERIES, OPT_RETRIES, OPT_RETRY_DELAY,
	OPT_CONNECT_TIMEOUT, OPT_USER_AGENT, OPT_HEADER, OPT_COOKIES, OPT_PROXY, OPT_HOST_REPORT, OPT_INCLUDE,
	OPT_EXCLUDE, OPT_BLOBS, OPT_CRUNCH_MEMORY, OPT_CACERT, OPT_INSECURE, OPT_BAR, OPT_TOP, OPT_PER_HOST,
	OPT_RATE, OPT_MEM, OPT_FAIL_ON, OPT_EVENTS, OPT_HOSTS_DB, OPT_DROP_QUERY, OPT_SORT_QUERY, OPT_SANDBOX, OPT_STATS,
	OPT_WARC, OPT_WARC_SIZE, OPT_CACHE,
};

static const struct oxi_option OPTIONS[] = {
	{ 'i', "input", "FILE", "start at the URLs in FILE too, one a line; -: standard input" },
	{ OPT_SCOPE, "scope", "KIND", "follow links to the same host, below the same prefix, to the same domain, or any (default: host)" },
	{ OPT_INCLUDE, "include", "RE...", "fetch only URLs that match" },
	{ OPT_EXCLUDE, "exclude", "RE...", "fetch no URL that matches" },
	{ OPT_DEPTH, "depth", "N", "follow links at most N steps away from a start" },
	{ OPT_REQUISITES, "requisites", NULL, "fetch what pages are shown with too: images, scripts, style sheets" },
	{ OPT_SITEMAPS, "sitemaps", NULL, "take the sitemaps that robots.txt names" },
	{ OPT_MAX_PAGES, "max-pages", "N", "fetch at most N URLs" },
	{ OPT_MAX_PAGES_HOST, "max-pages-host", "N", "fetch at most N URLs of a host" },
	{ OPT_MAX_BYTES, "max-bytes", "SIZE", "begin no request once the bodies sum up to SIZE" },
	{ OPT_MAX_BYTES_HOST, "max-bytes-host", "SIZE", "the same for each host" },
	{ OPT_MAX_TIME, "max-time", "TIME", "begin no request after TIME" },
	{ OPT_MAX_QUERIES, "max-queries", "N", "take at most N queries (?a=b) of one path (default: 1000)" },
	{ OPT_DELAY, "delay", "TIME", "begin requests to a host so far apart (default: 1s)" },
	{ OPT_PER_HOST, "per-host", "N", "have at most N requests to a host under way (default: 1)" },
	{ OPT_RATE, "rate", "N/UNIT", "begin at most N requests a s, m or h, to all hosts together" },
	{ OPT_HOSTS_DB, "hosts-db", "FILE", "share robots.txt and pace with all crawls that use FILE" },
	{ OPT_ROBOTS, "robots", "KIND", "obey robots.txt and pages: on, meta (pages only) or off (default: on)" },
	{ OPT_CONTACT, "contact", "URL", "tell servers whom to ask about this crawl" },
	{ OPT_USER_AGENT, "user-agent", "TEXT", "call yourself TEXT" },
	{ OPT_HEADER, "header", "LINE...", "send 'Name: value' to the hosts of the starts" },
	{ OPT_COOKIES, "cookies", "FILE", "keep cookies, in FILE" },
	{ OPT_PROXY, "proxy", "URL", "use this proxy: http, https, socks5h" },
	{ OPT_RETRIES, "retries", "N", "try again N times what may pass (default: 2)" },
	{ OPT_RETRY_DELAY, "retry-delay", "TIME", "wait so long before that, doubled each time (default: 1s)" },
	{ 'j', "workers", "N", "crunch in N worker processes, or N% of the CPUs (default: one a CPU)" },
	{ OPT_CONNECTIONS, "connections", "N", "fetch at most N URLs at a time (default: 16)" },
	{ OPT_ALLOW_NET, "allow-net", "CIDR...", "allow addresses that are not public, 127.0.0.0/8 say" },
	{ OPT_FAST, "fast", NULL, "no delay and no limit per host: for your own servers" },
	{ OPT_TIMEOUT, "timeout", "TIME", "give a request that long (default: 60s)" },
	{ OPT_CONNECT_TIMEOUT, "connect-timeout", "TIME", "give connecting that long (default: 10s)" },
	{ OPT_MAX_BODY, "max-body", "SIZE", "give up on larger bodies (default: 8MiB)" },
	{ OPT_MEM, "mem", "SIZE", "hold bodies of at most SIZE in all (default: --connections times --max-body)" },
	{ OPT_DROP_QUERY, "drop-query", "NAME...", "ignore that parameter when URLs are compared; * stands for any bytes" },
	{ OPT_SORT_QUERY, "sort-query", NULL, "ignore the order of parameters, too" },
	{ OPT_CRUNCH, "crunch", "FN", "run words, digest, links, title, or PLUGIN.so:FUNCTION over each page" },
	{ OPT_SELECT, "select", "LIST", "give what XPath finds in each page: 'title=//title,h=//h1|//h2'" },
	{ OPT_BLOBS, "blobs", "DIR", "keep the blobs that a plugin emits in DIR" },
	{ OPT_CRUNCH_TIMEOUT, "crunch-timeout", "TIME", "kill a crunch that takes longer (default: 10s)" },
	{ OPT_CRUNCH_MEMORY, "crunch-memory", "SIZE", "kill a worker that grows larger (default: 1GiB)" },
	{ OPT_SANDBOX, "sandbox", NULL, "let workers neither open files nor sockets nor start programs" },
	{ 'o', "out", "FILE", "write the results to FILE (default: standard output)" },
	{ OPT_RUN, "run", "DIR", "keep the state of the crawl, and its results, in DIR" },
	{ OPT_RESUME, "resume", NULL, "go on with the crawl in DIR" },
	{ OPT_CACHE, "cache", NULL, "begin the crawl in DIR again, and fetch what has changed" },
	{ OPT_WARC, "warc", "DIR", "write what was sent and received to DIR, as WARC" },
	{ OPT_WARC_SIZE, "warc-size", "SIZE", "begin a new WARC file after SIZE (default: 1GiB)" },
	{ OPT_EXPLAIN, "explain", NULL, "fetch the URL alone, and say what would be done with it and its links" },
	{ OPT_HOST_REPORT, "host-report", "FILE", "write a line of JSON about each host to FILE" },
	{ OPT_STATS, "stats", "FILE", "write the summary as JSON to FILE; -: standard error" },
	{ OPT_EVENTS, "events", "FILE", "write what happens to FILE as JSON lines; fd:N: to a descriptor" },
	{ OPT_FAIL_ON, "fail-on", "KIND...", "exit with 1 if a result has that error" },
	{ OPT_TOP, "top", "N", "show the N most frequent words in the summary (default: 10)" },
	{ OPT_QUIET, "quiet", NULL, "no progress line and no summary" },
	{ OPT_BAR, "bar", NULL, "show a progress line, on what is no terminal too" },
	{ OPT_CACERT, "cacert", "FILE", "trust the authorities in FILE (PEM) instead of the system's" },
	{ OPT_INSECURE, "insecure", NULL, "do not verify TLS certificates" },
	OXI_COMMON_OPTIONS,
	{ 0 },
};

static int bad_value(const char *option, const char *value, const char *what)
{
	oxi_say("crawl", "--%s %s: give %s", option, value, what);
	return OX_EINVAL;
}

static int take_scope(struct oxi_crawl_options *o, const char *value)
{
	static const char *const names[] = { "host", "prefix", "domain", "any" };
	for (int i = 0; i < 4; i++) {
		if (strcmp(value, names[i]) == 0) {
			o->scope = (enum oxi_scope_kind)i;
			return 0;
		}
	}
	return bad_value("scope", value, "host, prefix, domain or any");
}

static int take_net(struct oxi_crawl_options *o, const char *value)
{
	if (o->guard.n == OXI_ALLOWED_MAX)
		return bad_value("allow-net", value, "64 networks at most");
	if (oxi_cidr_parse(value, &o->guard.allowed[o->guard.n]) < 0)
		return bad_value("allow-net", value, "an address or network, 127.0.0.0/8 or fd00::/8 say");
	o->guard.n++;
	return 0;
}

static int take_count(const char *option, const char *value, uint64_t max, uint64_t *ret)
{
	return oxi_value_count(value, 0, max, ret) < 0 ? bad_value(option, value, "a number") : 0;
}

static int take_time(const char *option, const char *value, ox_time *ret)
{
	if (oxi_value_time(value, ret) < 0 || *ret == 0)
		return bad_value(option, value, "a time, 30s or 500ms say");
	return 0;
}

static int take_limit(const char *option, const char *value, uint64_t *ret)
{
	size_t n;
	if (oxi_value_size(value, &n) < 0 || n == 0)
		return bad_value(option, value, "a size, 100MiB say");
	*ret = n;
	return 0;
}

static int take_pause(const char *option, const char *value, ox_time *ret)
{
	return oxi_value_time(value, ret) < 0 ? bad_value(option, value, "a time, 1s or 500ms say, or 0") : 0;
}

static int take_small(const char *option, const char *value, uint64_t min, uint64_t max, unsigned *ret)
{
	uint64_t n;
	if (oxi_value_count(value, min, max, &n) < 0)
		return bad_value(option, value, min ? "a number from 1" : "a number");
	*ret = (unsigned)n;
	return 0;
}

static int take_obey(struct oxi_crawl_options *o, const char *value)
{
	static const char *const names[] = { "on", "meta", "off" };
	for (int i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			o->obey = (enum oxi_obey)i;
			return 0;
		}
	}
	return bad_value("robots", value, "on, meta or off");
}

static int take_header(struct oxi_crawl_options *o, const char *value)
{
	if (o->headers_n == OXI_HEADERS_MAX)
		return bad_value("header", value, "64 headers at most");
	size_t name = strcspn(value, ": \t\r\n");
	if (name == 0 || value[name] != ':' || strpbrk(value, "\r\n"))
		return bad_value("header", value, "'Name: value'");
	o->headers[o->headers_n++] = value;
	return 0;
}

static int take_pattern(const char *option, const char *value, const char **to, size_t *n)
{
	if (*n == OXI_SCOPE_PATTERNS)
		return bad_value(option, value, "64 patterns at most");
	to[(*n)++] = value;
	return 0;
}

/* What is polite, and what ends a crawl. 1: taken. */
static int take_manners(struct oxi_crawl_options *o, int id, const char *value)
{
	int r;
	switch (id) {
	case OPT_MAX_PAGES_HOST: r = take_count("max-pages-host", value, UINT64_MAX, &o->max_pages_host); break;
	case OPT_MAX_BYTES: r = take_limit("max-bytes", value, &o->max_bytes); break;
	case OPT_MAX_BYTES_HOST: r = take_limit("max-bytes-host", value, &o->max_bytes_host); break;
	case OPT_MAX_TIME: r = take_time("max-time", value, &o->max_time); break;
	case OPT_MAX_QUERIES: r = take_count("max-queries", value, UINT64_MAX, &o->max_queries); break;
	case OPT_DELAY: r = take_pause("delay", value, &o->delay); break;
	case OPT_PER_HOST: r = take_small("per-host", value, 1, 1000, &o->per_host); break;
	case OPT_ROBOTS: r = take_obey(o, value); break;
	case OPT_RETRIES: r = take_small("retries", value, 0, 100, &o->retries); break;
	case OPT_RETRY_DELAY: r = take_pause("retry-delay", value, &o->retry_delay); break;
	case OPT_CONNECT_TIMEOUT: r = take_time("connect-timeout", value, &o->connect_timeout); break;
	case OPT_HEADER: r = take_header(o, value); break;
	case OPT_INCLUDE: r = take_pattern("include", value, o->include, &o->include_n); break;
	case OPT_EXCLUDE: r = take_pattern("exclude", value, o->exclude, &o->exclude_n); break;
	default: return 0;
	}
	return r < 0 ? r : 1;
}

static int take_name(const char *option, const char *value, const char **to, size_t max, size_t *n)
{
	if (*n == max || !*value)
		return bad_value(option, value, *value ? "fewer of them" : "a name");
	to[(*n)++] = value;
	return 0;
}

/* What comes from and goes to elsewhere, and how much of it. 1: taken. */
static int take_traffic(struct oxi_crawl_options *o, int id, const char *value)
{
	int r = 0;
	switch (id) {
	case 'i': o->input = value; break;
	case OPT_RATE: r = oxi_rate_parse(value, &o->rate) < 0 ? bad_value("rate", value, "50/s, 10/m or 3/h say") : 0; break;
	case OPT_MEM: r = oxi_value_size(value, &o->mem) < 0 || !o->mem ? bad_value("mem", value, "a size, 100MiB say") : 0; break;
	case OPT_FAIL_ON: r = take_name("fail-on", value, o->fail_on, OXI_ERROR_COUNT, &o->fail_on_n); break;
	case OPT_DROP_QUERY: r = take_name("drop-query", value, o->query.drop, OXI_DROPS_MAX, &o->query.n); break;
	case OPT_SORT_QUERY: o->query.sort = true; break;
	case OPT_EVENTS: o->events = value; break;
	case OPT_HOSTS_DB: o->hosts_db = value; break;
	case OPT_STATS: o->stats = value; break;
	case OPT_SANDBOX: o->sandbox = true; break;
	default: return 0;
	}
	return r < 0 ? r : 1;
}

static int take(struct oxi_crawl_options *o, int id, const char *value)
{
	int taken = take_manners(o, id, value);
	if (taken == 0)
		taken = take_traffic(o, id, value);
	if (taken)
		return taken < 0 ? taken : 0;
	uint64_t n = 0;
	int r = 0;
	switch (id) {
	case OPT_SCOPE:
		return take_scope(o, value);
	case OPT_DEPTH:
		return take_count("depth", value, UINT32_MAX - 1, &o->depth);
	case OPT_MAX_PAGES:
		return take_count("max-pages", value, UINT64_MAX, &o->max_pages);
	case 'j':
		return oxi_value_jobs(value, &o->workers) < 0 ? bad_value("workers", value, "a number from 1, or N%") : 0;
	case OPT_CONNECTIONS:
		r = oxi_value_count(value, 1, 10000, &n) < 0 ? bad_value("connections", value, "a number from 1 to 10000") : 0;
		o->connections = (unsigned)n;
		return r;
	case OPT_ALLOW_NET:
		return take_net(o, value);
	case OPT_TIMEOUT:
		return take_time("timeout", value, &o->timeout);
	case OPT_CRUNCH_TIMEOUT:
		return take_time("crunch-timeout", value, &o->crunch_timeout);
	case OPT_MAX_BODY:
		r = oxi_value_size(value, &o->max_body);
		return r < 0 || !o->max_body || o->max_body > OX_GIB(1) ? bad_value("max-body", value, "a size to 1GiB, 8MiB say")
		                                                         : 0;
	case OPT_TOP:
		r = take_count("top", value, 1000000, &n);
		o->top = n;
		return r;
	case OPT_CRUNCH_MEMORY:
		r = oxi_value_size(value, &o->crunch_memory);
		return r < 0 || o->crunch_memory < OX_MIB(64) ? bad_value("crunch-memory", value, "a size from 64MiB") : 0;
	case OPT_EXPLAIN: o->explain = true; return 0;
	case OPT_REQUISITES: o->requisites = true; return 0;
	case OPT_CRUNCH: o->crunch = value; return 0;
	case OPT_SELECT: o->select = value; return 0;
	case OPT_BLOBS: o->blobs = value; return 0;
	case OPT_CACERT: o->ca_file = value; return 0;
	case OPT_CONTACT: o->contact = value; return 0;
	case OPT_USER_AGENT: o->user_agent = value; return 0;
	case OPT_PROXY: o->proxy = value; return 0;
	case OPT_COOKIES: o->cookies = value; return 0;
	case OPT_RUN: o->run = value; return 0;
	case OPT_RESUME: o->resume = true; return 0;
	case OPT_CACHE: o->cache = true; return 0;
	case OPT_WARC: o->warc = value; return 0;
	case OPT_WARC_SIZE: return take_limit("warc-size", value, &o->warc_size);
	case OPT_HOST_REPORT: o->host_report = value; return 0;
	case OPT_SITEMAPS: o->sitemaps = true; return 0;
	case 'o': o->out = value; return 0;
	case OPT_FAST: o->fast = true; return 0;
	case OPT_QUIET: o->quiet = true; return 0;
	case OPT_BAR: o->bar = true; return 0;
	default: o->insecure = true; return 0;          /* OPT_INSECURE: the table has no other */
	}
}

static int run(int argc, char **argv)
{
	struct oxi_crawl_options o = {
		.argv = argv,
		.depth = UINT64_MAX, .max_pages = UINT64_MAX, .connections = 16, .timeout = OX_SEC(60),
		.max_pages_host = UINT64_MAX, .max_bytes = UINT64_MAX, .max_bytes_host = UINT64_MAX, .max_queries = 1000,
		.max_time = OX_NEVER, .delay = OX_SEC(1), .per_host = 1, .retries = 2, .retry_delay = OX_SEC(1),
		.connect_timeout = OX_SEC(10), .crunch_timeout = OX_SEC(10), .crunch_memory = OX_GIB(1), .max_body = OX_MIB(8), .top = 10,
		.mem = SIZE_MAX,
		.warc_size = OX_GIB(1),
	};
	const char *value;
	int id;
	while ((id = oxi_options_next(&oxi_command_crawl, argc, argv, &value)) >= 0) {
		if (take(&o, id, value) < 0)
			return OXI_EXIT_USAGE;
	}
	if (id != OXI_OPTION_END)
		return id == OXI_OPTION_HELP ? OXI_EXIT_OK : OXI_EXIT_USAGE;
	o.urls = argv + optind;
	o.n = (size_t)(argc - optind);
	if (o.resume && !o.run) {
		oxi_say("crawl", "--resume: give the folder with --run");
		return OXI_EXIT_USAGE;
	}
	if (o.run && o.out && strcmp(o.out, "-") == 0) {
		oxi_say("crawl", "--run: what comes after a crash must know what was written before: give --out a file");
		return OXI_EXIT_USAGE;
	}
	if (o.cache && !o.run) {
		oxi_say("crawl", "--cache: give the folder that keeps it with --run");
		return OXI_EXIT_USAGE;
	}
	if (o.explain && (o.run || o.sitemaps || o.warc)) {
		oxi_say("crawl", "--explain looks at URLs alone: leave out --run, --sitemaps and --warc");
		return OXI_EXIT_USAGE;
	}
	if (o.select && o.crunch) {
		oxi_say("crawl", "--select is a crunch function of its own: leave out --crunch");
		return OXI_EXIT_USAGE;
	}
	if (o.n == 0 && !o.resume && !o.input) {
		oxi_say("crawl", "which URL? (see oxbow crawl --help)");
		return OXI_EXIT_USAGE;
	}
	return oxi_crawl_run(&o);
}

const struct oxi_command oxi_command_crawl = {
	.name = "crawl",
	.summary = "Fetches pages, crunches them in worker processes, follows their links",
	.usage = "[OPTION...] URL...",
	.options = OPTIONS,
	.notes =
		"Results are JSON lines, one a URL. Exit: 0 the crawl ended, 1 no URL could be fetched,\n"
		"2 usage, 3 the input of -i, 4 a budget ended it, 5 output or state, 6 workers, 75 the run is in use.\n",
	.run = run,
};
