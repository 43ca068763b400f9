/* SPDX-License-Identifier: MIT */
/*
 * A host's door: its robots.txt, and its pace.
 *
 * robots.txt is asked for before the first page, for http and https each, and again after a day (RFC 9309
 * section 2.4). 2xx gives rules; any other 4xx but 429 opens the door, as if there were none (2.3.1.3). What
 * says "not now" shuts it (2.3.1.4): 5xx, 429, no answer, an answer that ends early. Then it is asked again
 * after a pause that doubles, and when the attempts are used up the host's URLs have their result:
 * robots-unreachable, or what a request of theirs would have met just as well (dns, refused, blocked-address).
 * Redirects are followed here, five of them, wherever they lead (2.3.1.2).
 *
 *	UNKNOWN --2xx--> RULES, --4xx--> OPEN, --else--> UNKNOWN, at last SHUT;  all --when until has come--> UNKNOWN
 *
 * The pace: a request starts at least a delay after the one before began to be answered, and one at a time
 * unless asked otherwise. The
 * delay is the greatest of --delay, Crawl-delay (up to 30 s, or one line could hold a crawl for ever) and twice
 * what the host takes to answer, so that a server in trouble is asked less. 429 and 503 freeze the whole host.
 * All of that, but for the freezing, holds for the address too, once an answer has told it: the next request to it,
 * for whatever name, starts after the delay of the host that was asked last.
 *
 * With --hosts-db robots.txt and pace are shared with other crawls (hosts.h): a gate is looked up there before it is
 * asked for, and each request is claimed there before it is made.
 */
#include <oxbow/http.h>
#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/crawl/crawl.h"

#define ROBOTS_AGE      OX_SEC(86400)
#define ROBOTS_HOPS     5
#define CRAWL_DELAY_MAX OX_SEC(30)
#define SLOWNESS        2               /* times the response time */
#define FREEZE_MAX      OXI_HOSTS_WAIT_MAX
#define FREEZES_MAX     10              /* in a row, before they use up attempts */

const struct oxi_gate *oxi_gate_of(const struct oxi_host *h, const struct oxi_url *url)
{
	return &h->gate[strncmp(url->text, "https:", 6) == 0];
}

static struct oxi_gate *gate_of(struct oxi_host *h, const struct oxi_url *url)
{
	return (struct oxi_gate *)oxi_gate_of(h, url);
}

enum oxi_error oxi_gate_check(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url, bool *ret_unknown)
{
	struct oxi_gate *g = gate_of(h, url);
	*ret_unknown = false;
	if (c->o->obey != OXI_OBEY_ALL)
		return OXI_ERROR_NONE;
	if (g->state == OXI_GATE_UNKNOWN || g->until <= ox_now()) {
		*ret_unknown = true;
		return OXI_ERROR_NONE;
	}
	if (g->state == OXI_GATE_SHUT)
		return g->error;
	if (g->state == OXI_GATE_RULES && !oxi_robots_allow(&g->rules, url->text + url->path, NULL))
		return OXI_ERROR_ROBOTS;
	return OXI_ERROR_NONE;
}

static void not_before(ox_time *time, ox_time at)
{
	*time = at > *time ? at : *time;
}

/* ---- robots.txt ---- */

static bool is_success(int status)
{
	return status >= 200 && status < 300;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The answer behind all redirects. Returns: 0; as ox_http_get(); -ELOOP. */
static int get_robots(struct oxi_crawl *c, const struct oxi_url *url, ox_response **ret)
{
	struct oxi_url at, next;
	int r = oxi_url_resolve(url->text, "/robots.txt", strlen("/robots.txt"), &at) ? OX_EINVAL : 0;
	for (int hops = 0; r == 0; hops++) {
		struct oxi_record record = { 0 };
		ox_response *answer = NULL;
		ox_time wait;
		while (r == 0 && hops > 0 && (wait = oxi_throttle_take(&c->rate, ox_now())))
			r = ox_sleep(wait);
		/* One byte more than is read: a file of that size is cut, not refused. */
		if (r == 0)
			r = oxi_crawl_get(c, &at, OXI_ROBOTS_FETCHED, &record, &answer);
		int archived = oxi_keeper_archive(c, &record);
		oxi_record_free(&record);
		if (archived < 0) {
			ox_response_free(answer);
			return archived;
		}
		const char *location = r == 0 && is_redirect(ox_response_status(answer)) ? ox_response_header(answer, "Location") : NULL;
		if (r < 0 || !location) {
			*ret = answer;
			return r;
		}
		r = hops == ROBOTS_HOPS ? -ELOOP : oxi_url_resolve(at.text, location, strlen(location), &next) ? OX_EPROTO : 0;
		at = next;
		ox_response_free(answer);
	}
	return r;
}

static void settle(struct oxi_gate *g, int state, ox_time age)
{
	g->state = state;
	g->failures = 0;
	g->looked = false;
	g->until = ox_now() + ROBOTS_AGE - age;
}

/* What the URLs of a host are told whose robots.txt could not be had. */
static enum oxi_error error_behind(int r)
{
	enum oxi_error e = r < 0 ? oxi_error_of_fetch(r) : OXI_ERROR_NONE;
	return e == OXI_ERROR_DNS || e == OXI_ERROR_REFUSED || e == OXI_ERROR_BLOCKED ? e : OXI_ERROR_ROBOTS_UNREACHABLE;
}

static void fail_to_ask(struct oxi_crawl *c, struct oxi_host *h, struct oxi_gate *g, int r)
{
	g->state = OXI_GATE_UNKNOWN;
	g->error = error_behind(r);
	if (g->failures++ >= c->o->retries || g->error == OXI_ERROR_BLOCKED) {
		settle(g, OXI_GATE_SHUT, 0);
		return;
	}
	ox_time wait = c->o->retry_delay << (g->failures < 16 ? g->failures - 1 : 15);
	if (h->not_before < ox_now() + wait)
		h->not_before = ox_now() + wait;
}

static int take_robots(struct oxi_crawl *c, struct oxi_host *h, struct oxi_gate *g, int r, const ox_response *answer)
{
	int status = r == 0 ? ox_response_status(answer) : 0;
	oxi_robots_free(&g->rules);
	if (r == -ELOOP || (status >= 400 && status < 500 && status != 429) || (status >= 300 && status < 400)) {
		settle(g, OXI_GATE_OPEN, 0);    /* "unavailable": 2.3.1.2, 2.3.1.3 */
		return 0;
	}
	if (!is_success(status)) {
		fail_to_ask(c, h, g, r);
		if (status == 429 || status == 503)
			oxi_gate_freeze(c, h, ox_response_header(answer, "Retry-After"));
		return 0;
	}
	ox_bytes body = ox_response_body(answer);
	r = oxi_robots_read(body.data, body.len, OXI_AGENT, &g->rules);
	if (r == 0)
		settle(g, OXI_GATE_RULES, 0);
	return r;
}

/* Tells other crawls what was found, if it was. */
static int share_robots(struct oxi_crawl *c, const struct oxi_host *h, const struct oxi_gate *g, const ox_response *answer)
{
	ox_bytes body = g->state == OXI_GATE_RULES ? ox_response_body(answer) : (ox_bytes){ 0 };
	if (!c->hosts || (g->state != OXI_GATE_RULES && g->state != OXI_GATE_OPEN))
		return 0;
	body.len = body.len < OXI_ROBOTS_BYTES ? body.len : OXI_ROBOTS_BYTES;
	return oxi_crawl_hosts_said(c, oxi_hosts_put_robots(c->hosts, h->name, g == &h->gate[1], body));
}

/* Sitemaps that a robots.txt names are lists of links of a start's host. */
static int take_sitemaps(struct oxi_crawl *c, const struct oxi_gate *g, const struct oxi_url *url)
{
	if (!c->o->sitemaps || g->state != OXI_GATE_RULES || g->rules.sitemaps.len == 0)
		return 0;
	struct oxi_change *change = calloc(1, sizeof(*change));
	if (!change)
		return OX_ENOMEM;
	int r = 0;
	for (size_t at = 0; r == 0 && at < g->rules.sitemaps.len;) {
		const char *text = g->rules.sitemaps.data + at;
		struct oxi_url sitemap;
		if (oxi_url_resolve(url->text, text, strlen(text), &sitemap) == 0)
			r = oxi_crawl_take(c, change, &sitemap, 0, NULL, &(struct oxi_page_link){ .by = OXI_LINK_SITEMAP });
		at += strlen(text) + 1;
	}
	int given = oxi_keeper_give(c, change);
	return r < 0 ? r : given;
}

int oxi_gate_look(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url)
{
	struct oxi_gate *g = gate_of(h, url);
	struct oxi_buffer body = { 0 };
	ox_time age;
	int r = oxi_crawl_hosts_said(c, oxi_hosts_robots(c->hosts, h->name, g == &h->gate[1], &body, &age));
	g->looked = true;
	if (r > 0 && age < ROBOTS_AGE) {
		oxi_robots_free(&g->rules);
		r = body.len ? oxi_robots_read(body.data, body.len, OXI_AGENT, &g->rules) : 0;
		if (r == 0)
			settle(g, body.len ? OXI_GATE_RULES : OXI_GATE_OPEN, age);
		if (r == 0)
			r = take_sitemaps(c, g, url);
	}
	oxi_buffer_free(&body);
	return r < 0 ? r : 0;
}

int oxi_gate_ask(struct oxi_crawl *c, struct oxi_host *h, struct oxi_address *address, const struct oxi_url *url)
{
	OX_AUTO_RESPONSE *answer = NULL;
	struct oxi_gate *g = gate_of(h, url);
	ox_http_times times;
	int r = get_robots(c, url, &answer);
	h->asking = false;
	if (r == 0)
		ox_response_times(answer, &times);
	oxi_gate_end(c, h, address, r == 0 ? &times : NULL, r == 0 ? ox_response_ip(answer) : "");
	if (r == OX_ECANCELED || r == OX_ENOMEM)
		return r;
	r = take_robots(c, h, g, r, answer);
	if (g->rules.delay)             /* it holds from the request on that has told of it */
		not_before(&h->not_before, ox_now() + oxi_gate_delay(c, h));
	if (r == 0)
		r = share_robots(c, h, g, answer);
	return r < 0 ? r : take_sitemaps(c, g, url);
}

/* ---- pace ---- */

ox_time oxi_gate_delay(const struct oxi_crawl *c, const struct oxi_host *h)
{
	ox_time delay = c->o->delay;
	if (c->o->fast)
		return 0;
	for (int i = 0; i < 2; i++) {
		ox_time asked = h->gate[i].rules.delay < CRAWL_DELAY_MAX ? h->gate[i].rules.delay : CRAWL_DELAY_MAX;
		delay = asked > delay ? asked : delay;
	}
	ox_time slow = SLOWNESS * h->response < CRAWL_DELAY_MAX ? SLOWNESS * h->response : CRAWL_DELAY_MAX;
	return slow > delay ? slow : delay;
}

struct oxi_address *oxi_gate_begin(struct oxi_crawl *c, struct oxi_host *h)
{
	ox_time at = ox_now() + oxi_gate_delay(c, h);
	h->running++;
	not_before(&h->not_before, at);
	if (h->address) {
		h->address->running++;
		not_before(&h->address->not_before, at);
	}
	return h->address;
}

/* Behind a proxy all hosts have one address, and it is not theirs. */
static bool addresses_count(const struct oxi_crawl *c)
{
	static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
	bool proxy = c->o->proxy && *c->o->proxy;
	for (size_t i = 0; !c->o->proxy && i < sizeof(proxies) / sizeof(proxies[0]); i++)
		proxy |= getenv(proxies[i]) != NULL;
	return !proxy && !c->o->fast;
}

/* The host has begun to answer by then, so it has seen the request: requests come to it no nearer to each other. */
void oxi_gate_end(struct oxi_crawl *c, struct oxi_host *h, struct oxi_address *asked, const ox_http_times *answer, const char *ip)
{
	h->running--;
	if (asked)
		asked->running--;
	if (answer) {
		h->response = h->response ? (3 * h->response + answer->first_byte) / 4 : answer->first_byte;
		ox_time at = ox_now() - (answer->total - answer->first_byte) + oxi_gate_delay(c, h);
		struct oxi_address *a = *ip && addresses_count(c) ? oxi_frontier_address(&c->frontier, ip) : NULL;
		if (a)                  /* without memory for it the last one stays */
			h->address = a;
		if (h->address)
			not_before(&h->address->not_before, at);
		not_before(&h->not_before, at);
	}
	oxi_frontier_update(&c->frontier, h);
	if (asked != h->address)
		oxi_address_update(&c->frontier, asked);
}

int oxi_gate_claim(struct oxi_crawl *c, struct oxi_host *h)
{
	ox_time wait = 0;
	if (!c->hosts || c->o->fast)
		return 1;
	int r = oxi_crawl_hosts_said(c, oxi_hosts_claim(c->hosts, h->name, oxi_gate_delay(c, h), &wait));
	if (wait)
		not_before(&h->not_before, ox_now() + wait);
	return r < 0 ? r : wait == 0;
}

int oxi_gate_tell(struct oxi_crawl *c, struct oxi_host *h)
{
	ox_time wait = h->not_before - ox_now();
	return c->hosts && wait > 0 ? oxi_crawl_hosts_said(c, oxi_hosts_hold(c->hosts, h->name, wait)) : 0;
}

/* A date in one of the three forms of RFC 9110 section 5.6.7. 0: none. */
static time_t date_of(const char *value)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y" };
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		if (strptime(value, forms[i], &tm))
			return timegm(&tm);
	}
	return 0;
}

/* Seconds or a date (RFC 9110 section 10.2.3). 0: neither. */
static ox_time retry_after(const char *value)
{
	if (*value >= '0' && *value <= '9') {
		unsigned long seconds = strtoul(value, NULL, 10);
		return OX_SEC(seconds < 100000 ? (ox_time)seconds : 100000);
	}
	time_t at = date_of(value), now = time(NULL);
	return at > now ? OX_SEC(at - now < 100000 ? at - now : 100000) : 0;
}

bool oxi_gate_freeze(struct oxi_crawl *c, struct oxi_host *h, const char *after)
{
	ox_time wait = after ? retry_after(after) : 0;
	bool said = wait > 0;
	h->freezes++;
	h->frozen++;
	if (!said)
		wait = c->o->retry_delay << (h->freezes < 16 ? h->freezes - 1 : 15);
	not_before(&h->not_before, ox_now() + (wait < FREEZE_MAX ? wait : FREEZE_MAX));
	return said && h->freezes <= FREEZES_MAX;
}
