/* SPDX-License-Identifier: MIT */
/* oxbow crawl: fetch pages, crunch them in workers, follow their links. This file turns words into options. */
#include <getopt.h>
#include <string.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/options.h"
#include "cli/say.h"

enum {
	OPT_SCOPE = OXI_LONG, OPT_DEPTH, OPT_MAX_PAGES, OPT_CONNECTIONS, OPT_ALLOW_NET, OPT_FAST, OPT_TIMEOUT, OPT_MAX_BODY,
	OPT_CRUNCH, OPT_CRUNCH_TIMEOUT, OPT_TOP, OPT_QUIET, OPT_BAR, OPT_CACERT, OPT_INSECURE,
};

static const struct oxi_option OPTIONS[] = {
	{ OPT_SCOPE, "scope", "KIND", "follow links to the same host, or below the same prefix (default: host)" },
	{ OPT_DEPTH, "depth", "N", "follow links at most N steps away from a start" },
	{ OPT_MAX_PAGES, "max-pages", "N", "fetch at most N URLs" },
	{ 'j', "workers", "N", "crunch in N worker processes, or N% of the CPUs (default: one a CPU)" },
	{ OPT_CONNECTIONS, "connections", "N", "fetch at most N URLs at a time (default: 16)" },
	{ OPT_ALLOW_NET, "allow-net", "CIDR...", "allow addresses that are not public, 127.0.0.0/8 say" },
	{ OPT_FAST, "fast", NULL, "no delay and no limit per host: for your own servers" },
	{ OPT_TIMEOUT, "timeout", "TIME", "give a request that long (default: 60s)" },
	{ OPT_MAX_BODY, "max-body", "SIZE", "give up on larger bodies (default: 8MiB)" },
	{ OPT_CRUNCH, "crunch", "FN", "run words, digest, or PLUGIN.so:FUNCTION over each page" },
	{ OPT_CRUNCH_TIMEOUT, "crunch-timeout", "TIME", "kill a crunch that takes longer (default: 10s)" },
	{ 'o', "out", "FILE", "write the results to FILE (default: standard output)" },
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
	if (strcmp(value, "host") == 0)
		o->scope = OXI_SCOPE_HOST;
	else if (strcmp(value, "prefix") == 0)
		o->scope = OXI_SCOPE_PREFIX;
	else
		return bad_value("scope", value, "host or prefix");
	return 0;
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

static int take(struct oxi_crawl_options *o, int id, const char *value)
{
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
	case OPT_CRUNCH: o->crunch = value; return 0;
	case OPT_CACERT: o->ca_file = value; return 0;
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
		.depth = UINT64_MAX, .max_pages = UINT64_MAX, .connections = 16, .timeout = OX_SEC(60),
		.crunch_timeout = OX_SEC(10), .max_body = OX_MIB(8), .top = 10,
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
	if (o.n == 0) {
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
		"Results are JSON lines, one a URL. This version does not read robots.txt: keep to sites\n"
		"that want to be crawled. Exit: 0 the crawl ended, 1 no URL could be fetched, 2 usage,\n"
		"5 output, 6 workers.\n",
	.run = run,
};
