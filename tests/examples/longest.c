/* SPDX-License-Identifier: MIT */
/*
 * A crunch function: the longest word of a page, and how much of the page is text.
 *
 *	cc -shared -fPIC -o longest.so longest.c
 *	oxbow crawl --crunch ./longest.so:longest URL
 */
#include <ctype.h>
#include <string.h>

#include <oxbow/crunch.h>

__attribute__((visibility("default"))) ox_crunch_fn longest;

static size_t word_len(const char *p, const char *end)
{
	size_t n = 0;

	while (p + n < end && isalpha((unsigned char)p[n]))
		n++;
	return n;
}

int longest(const ox_page *page, ox_page_reply *out)
{
	const char *p = page->text.data, *end = p + page->text.len, *best = p;
	size_t best_len = 0;

	while (p < end) {
		size_t n = word_len(p, end);

		if (n > best_len) {
			best = p;
			best_len = n;
		}
		p += n + 1;
	}
	ox_page_put_string(out, "longest", best, best_len);
	if (page->body.len > 0)
		ox_page_put_double(out, "text", (double)page->text.len / (double)page->body.len);
	return 0;
}
