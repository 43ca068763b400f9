/* SPDX-License-Identifier: MIT */
/*
 * --explain: the URL is fetched as in any crawl, with robots.txt before it, and its links are judged and not
 * taken. So what is said is what would be done, by the code that would do it.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/crawl.h"
#include "cli/json.h"

static const char *robots_text(const struct oxi_crawl *c, const struct oxi_gate *g)
{
	if (c->o->obey != OXI_OBEY_ALL)
		return "not asked for";
	switch (g->state) {
	case OXI_GATE_OPEN:
		return "there is none";
	case OXI_GATE_RULES:
		return "has rules";
	case OXI_GATE_SHUT:
		return oxi_error_name(g->error);
	default:
		return "not known";
	}
}

static void rule_json(struct oxi_json *j, const struct oxi_gate *g, const struct oxi_url *url)
{
	const struct oxi_robots_rule *rule = NULL;
	struct oxi_buffer text = { 0 };
	if (g->state == OXI_GATE_RULES)
		oxi_robots_allow(&g->rules, url->text + url->path, &rule);
	if (rule) {
		oxi_buffer_add_text(&text, rule->allows ? "Allow: " : "Disallow: ");
		oxi_buffer_add(&text, g->rules.text.data + rule->at, rule->len);
		oxi_json_string(j, "rule", text.data, text.len);
	} else {
		oxi_json_null(j, "rule");
	}
	oxi_buffer_free(&text);
}

void oxi_explain_item(struct oxi_crawl *c, const struct oxi_item *item, struct oxi_buffer *out)
{
	struct oxi_url *url = malloc(sizeof(*url));
	const char *target = oxi_item_target(item);
	out->failed |= !url;
	if (url && oxi_url_resolve(NULL, target, strlen(target), url) == 0) {
		const struct oxi_gate *g = oxi_gate_of(item->host, url);
		struct oxi_json j = { .out = out };
		oxi_json_begin(&j, NULL, '{');
		oxi_json_text(&j, "explain", item->url);
		oxi_json_text(&j, "host", item->host->name);
		oxi_json_text(&j, "user_agent", c->agent);
		oxi_json_text(&j, "robots_txt", robots_text(c, g));
		rule_json(&j, g, url);
		oxi_json_double(&j, "delay_s", (double)oxi_gate_delay(c, item->host) / 1e9);
		oxi_json_text(&j, "trap", oxi_trap_name(oxi_trap_of(url)));
		oxi_json_end(&j);
		oxi_buffer_add_char(out, '\n');
	}
	free(url);
}

int oxi_explain_link(struct oxi_crawl *c, const struct oxi_url *url, enum oxi_link by, unsigned depth, struct oxi_buffer *out)
{
	struct oxi_host *h = oxi_frontier_host(&c->frontier, url);
	if (!h)
		return OX_ENOMEM;
	bool unknown;
	const char *verdict = "follow";
	enum oxi_trap trap = oxi_trap_of(url);
	if (!oxi_scope_holds(&c->scope, url))
		verdict = "out of scope";
	else if (oxi_link_use(by) == OXI_USE_REQUISITE && !c->o->requisites)
		verdict = "requisite";
	else if (!oxi_crawl_reaches(c, by, depth))
		verdict = "too deep";
	else if (oxi_seen_has(&c->seen, oxi_crawl_key(c, url->text)))
		verdict = "known";
	else if (trap != OXI_TRAP_NONE)
		verdict = oxi_trap_name(trap);
	else if (oxi_guard_check_host(&c->o->guard, url->host) < 0)
		verdict = "blocked-address";
	else if (oxi_gate_check(c, h, url, &unknown) != OXI_ERROR_NONE)
		verdict = oxi_error_name(oxi_gate_check(c, h, url, &unknown));
	struct oxi_json j = { .out = out };
	oxi_json_begin(&j, NULL, '{');
	oxi_json_text(&j, "link", url->text);
	oxi_json_text(&j, "by", oxi_link_name(by));
	oxi_json_text(&j, "verdict", verdict);
	oxi_json_end(&j);
	oxi_buffer_add_char(out, '\n');
	return out->failed ? OX_ENOMEM : 0;
}
