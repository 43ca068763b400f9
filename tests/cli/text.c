/* SPDX-License-Identifier: MIT */
/* A plugin that gives the text of a page, without its blanks. */
#include <stdlib.h>

#include <oxbow/crunch.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT ox_crunch_fn text;

int text(const ox_page *page, ox_page_reply *out)
{
	const char *p = page->text.data;
	char *dense = malloc(page->text.len + 1);
	size_t n = 0;
	if (!dense)
		return -1;
	for (size_t i = 0; i < page->text.len; i++) {
		if ((unsigned char)p[i] > ' ')
			dense[n++] = p[i];
	}
	ox_page_put_string(out, "text", dense, n);
	free(dense);
	return 0;
}
