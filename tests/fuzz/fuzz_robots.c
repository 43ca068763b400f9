/* SPDX-License-Identifier: MIT */
/*
 * robots.txt from any bytes: the first line of the input is a path, the rest the file. Every pattern lies inside the text,
 * the rule that decides is one of the file's and no longer one with the same verdict was passed over, and a file that is cut
 * anywhere is read too.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/robots.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at(const struct oxi_robots *r, const char *path)
{
	const struct oxi_robots_rule *rule;
	bool allowed = oxi_robots_allow(r, path, &rule);
	OXI_CHECK(rule ? rule >= r->rule && rule < r->rule + r->n && rule->allows == allowed : allowed);
	for (size_t i = 0; i < r->n; i++) {
		OXI_CHECK(r->rule[i].len > 0 && (size_t)r->rule[i].at + r->rule[i].len <= r->text.len);
		for (size_t k = 0; k < r->rule[i].len; k++)
			OXI_CHECK(r->text.data[r->rule[i].at + k] > ' ' && r->text.data[r->rule[i].at + k] < 0x7f);
	}
	OXI_CHECK(r->sitemaps.len == 0 || r->sitemaps.data[r->sitemaps.len - 1] == '\0');
	OXI_CHECK(r->delay >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *eol = len ? memchr(data, '\n', len) : NULL;
	size_t path_len = eol ? (size_t)(eol - data) : len, rest = len - path_len - (eol != NULL);
	char *path = malloc(path_len + 1);
	OXI_CHECK(path != NULL);
	memcpy(path, data, path_len);
	path[path_len] = '\0';
	for (size_t n = rest;; n /= 2) {
		char *copy = malloc(n + (n == 0));
		struct oxi_robots r;
		OXI_CHECK(copy != NULL);
		memcpy(copy, data + len - rest, n);
		OXI_CHECK(oxi_robots_read(copy, n, "oxbow", &r) == 0);
		look_at(&r, path);
		oxi_robots_free(&r);
		free(copy);
		if (n == 0)
			break;
	}
	free(path);
	return 0;
}
