/* SPDX-License-Identifier: MIT */
/*
 * Pages from any bytes: the first line is a Content-Type, the rest a body. It becomes UTF-8 whatever it was, its events are
 * such of the parser, and its tree, if it has one, has a way back from each node.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/charset.h"
#include "cli/crawl/html.h"
#include "cli/crawl/tree.h"
#include "cli/utf8.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *charset;

static void check_utf8(const char *p, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = oxi_utf8_len(p + i, len - i);
		OXI_CHECK(n > 0);
	}
}

static void take_link(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len)
{
	struct oxi_buffer out = { 0 };
	(void)arg;
	(void)unvouched;
	OXI_CHECK(by > OXI_LINK_START && by < OXI_LINK_COUNT && (url || !len));
	OXI_CHECK(oxi_charset_encode_query(charset, url, len, &out) == 0);
	oxi_buffer_free(&out);
}

static void take_text(void *arg, const char *text, size_t len)
{
	size_t *sum = arg;
	OXI_CHECK(len > 0 && text);
	*sum += len;
}

static void take_robots(void *arg, unsigned directives)
{
	(void)arg;
	OXI_CHECK(directives < 4);
}

/* Goes over a tree without recursion. */
static void walk(const ox_page_node *root)
{
	const ox_page_node *n = root;
	struct oxi_buffer text = { 0 };
	OXI_CHECK(oxi_tree_node_text(root, &text) == 0);
	oxi_buffer_free(&text);
	while (n) {
		const ox_page_node *next = oxi_tree_node_child(n);
		OXI_CHECK(!next || oxi_tree_node_parent(next) == n);
		oxi_tree_node_attribute(n, "href");
		while (!next && n && n != root) {
			next = oxi_tree_node_next(n);
			n = oxi_tree_node_parent(n);
		}
		if (!next)
			return;
		n = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *eol = len ? memchr(data, '\n', len) : NULL;
	size_t type_len = eol ? (size_t)(eol - data) : 0, n = len - type_len - (eol != NULL), skip, sum = 0;
	char name[OXI_CHARSET_MAX], *type = malloc(type_len + 1), *body = malloc(n + (n == 0));
	OXI_CHECK(type && body);
	memcpy(type, data, type_len);
	type[type_len] = '\0';
	memcpy(body, data + len - n, n);
	oxi_charset_find(body, n, type, name, &skip);
	OXI_CHECK(memchr(name, '\0', sizeof(name)) && name[0] && skip <= n);
	charset = name;
	struct oxi_buffer html = { 0 };
	OXI_CHECK(oxi_charset_decode(name, body + skip, n - skip, &html) == 0);
	check_utf8(html.data, html.len);
	struct oxi_html_sink sink = { take_link, take_text, take_text, take_robots, true, &sum };
	int r = oxi_html_parse(html.data, html.len, &sink);
	OXI_CHECK(r == 0 || r == OX_ETOOBIG);
	struct oxi_tree *t;
	r = oxi_tree_parse(html.data, html.len, &t);
	OXI_CHECK(r == 0 || r == OX_ETOOBIG);
	if (r == 0) {
		walk(oxi_tree_root(t));
		oxi_tree_free(t);
	}
	oxi_buffer_free(&html);
	free(type);
	free(body);
	return 0;
}
