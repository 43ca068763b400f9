/* SPDX-License-Identifier: MIT */
/*
 * A plugin of oxbow crawl: the headings of each page as an outline, its text as a blob, and pages of news before others.
 *
 *	cc -shared -fPIC -o headings.so headings.c $(pkg-config --cflags oxbow)
 *	oxbow crawl --crunch ./headings.so:headings --blobs texts --out pages.jsonl URL
 */
#include <string.h>

#include <oxbow/crunch.h>

OX_API ox_crunch_fn headings;

static void put_heading(ox_page_reply *out, const ox_page_node *node)
{
	ox_bytes text = ox_page_node_text(out, node);
	const char *id = ox_page_node_attribute(out, node, "id");

	ox_page_begin_object(out, NULL);
	ox_page_put_int(out, "level", ox_page_node_name(out, node)[1] - '0');
	ox_page_put_string(out, "text", text.data, text.len);
	if (id)
		ox_page_put_string(out, "id", id, strlen(id));
	ox_page_end(out);
}

static int contains(ox_bytes text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++) {
		if (memcmp((const char *)text.data + i, word, len) == 0)
			return 1;
	}
	return 0;
}

int headings(const ox_page *page, ox_page_reply *out)
{
	const ox_page_node *const *node;
	size_t n = ox_page_select(out, NULL, "//h1|//h2|//h3", &node);

	ox_page_begin_array(out, "headings");
	for (size_t i = 0; i < n; i++)
		put_heading(out, node[i]);
	ox_page_end(out);

	for (size_t i = 0; i < page->references_n; i++) {
		ox_bytes url = page->references[i].url;
		if (contains(url, "/news/"))
			ox_page_order_link(out, i, OX_PAGE_FIRST);
		else if (contains(url, "/print/"))
			ox_page_order_link(out, i, OX_PAGE_DROP);
	}
	ox_page_emit_blob(out, "text", page->text.data, page->text.len);
	return 0;
}
