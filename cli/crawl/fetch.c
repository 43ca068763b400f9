/* SPDX-License-Identifier: MIT */
/*
 * Redirects are followed here, hop by hop, and not by libcurl, because each target is a URL like any other:
 * it must be in scope, it may be known already, and it is the last one that the page is known by. The address
 * of each hop is asked of the guard by the HTTP client, when it connects.
 */
#include <oxbow/http.h>
#include <stdio.h>
#include <string.h>

#include "cli/crawl/crawl.h"
#include "cli/crawl/page.h"

#define HOPS_MAX 10

struct trail {
	struct oxi_key hop[HOPS_MAX + 1];
	size_t n;
};

static bool is_on_trail(const struct trail *t, struct oxi_key key)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->hop[i].a == key.a && t->hop[i].b == key.b)
			return true;
	}
	return false;
}

static bool is_redirect(const ox_response *answer)
{
	int status = ox_response_status(answer);
	return (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) &&
	       ox_response_header(answer, "Location");
}

static void copy(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from ? from : "");
}

static void set_final(struct oxi_record *r, const char *url)
{
	r->final.len = 0;
	oxi_buffer_add(&r->final, url, strlen(url) + 1);
}

/* What every answer says about itself. */
static void describe(struct oxi_record *r, const ox_response *answer)
{
	r->status = ox_response_status(answer);
	r->body = ox_response_body(answer).len;
	copy(r->ip, sizeof(r->ip), ox_response_ip(answer));
	copy(r->http, sizeof(r->http), ox_response_version(answer));
	copy(r->type, sizeof(r->type), ox_response_header(answer, "Content-Type"));
	ox_response_times(answer, &r->times);
	r->error = r->status >= 500 ? OXI_ERROR_HTTP_5XX : r->status >= 400 ? OXI_ERROR_HTTP_4XX : OXI_ERROR_NONE;
	r->page = r->status >= 200 && r->status < 300 && oxi_page_is_html(r->type);
}

/*
 * Judges the target of a redirect.
 * Returns: 1: go there, *ret; 0: the redirect is the result; OX_ENOMEM.
 */
static int next_hop(struct oxi_crawl *c, struct trail *t, const ox_response *answer, struct oxi_record *r,
                    struct oxi_url *ret)
{
	const char *location = ox_response_header(answer, "Location");
	int bad = oxi_url_resolve(r->final.data, location, strlen(location), ret);
	if (bad) {
		r->error = bad == OXI_URL_SCHEME ? OXI_ERROR_REDIRECT_SCHEME : OXI_ERROR_PROTOCOL;
		return 0;
	}
	struct oxi_key key = oxi_key_of(ret->text, strlen(ret->text));
	if (is_on_trail(t, key) || t->n > HOPS_MAX) {
		r->error = OXI_ERROR_REDIRECT_LOOP;
		return 0;
	}
	set_final(r, ret->text);
	if (!oxi_scope_holds(&c->scope, ret))
		return 0;
	t->hop[t->n++] = key;
	return oxi_seen_add(&c->seen, key);
}

static int get(struct oxi_crawl *c, const char *url, ox_response **ret)
{
	const struct oxi_crawl_options *o = c->o;
	return ox_http_get(url, OX_HTTP_OPTIONS(.timeout = o->timeout, .max_body = o->max_body, .max_redirects = -1,
	                                        .ca_file = o->ca_file, .insecure = o->insecure,
	                                        .allow_address = oxi_guard_check, .allow_arg = (void *)&o->guard), ret);
}

int oxi_crawl_fetch(struct oxi_crawl *c, const char *url, struct oxi_record *record, ox_response **ret)
{
	struct trail trail = { .hop = { oxi_key_of(url, strlen(url)) }, .n = 1 };
	*ret = NULL;
	set_final(record, url);
	for (;;) {
		ox_response *answer = NULL;
		int r = record->final.failed ? OX_ENOMEM : get(c, record->final.data, &answer);
		if (r == OX_ECANCELED || r == OX_ENOMEM)
			return r;
		if (r < 0) {
			record->error = oxi_error_of_fetch(r);
			return 0;
		}
		describe(record, answer);
		if (!is_redirect(answer)) {
			*ret = answer;
			return 0;
		}
		struct oxi_url hop;
		r = next_hop(c, &trail, answer, record, &hop);
		ox_response_free(answer);
		if (r <= 0)
			return r;
	}
}
