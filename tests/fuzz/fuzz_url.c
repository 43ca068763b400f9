/* SPDX-License-Identifier: MIT */
/*
 * URLs from any bytes: the first line is a base, the rest a reference. What is made of them is http or https, in printable
 * ASCII, has its parts where it says, and is its own normal form: a crawl would take it twice otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/trap.h"
#include "cli/crawl/url.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at(const struct oxi_url *u)
{
	static struct oxi_url again;
	size_t n = strlen(u->text), host = strlen(u->host);
	OXI_CHECK(strncmp(u->text, "http://", 7) == 0 || strncmp(u->text, "https://", 8) == 0);
	OXI_CHECK(n <= OXI_URL_MAX && u->path < n && u->text[u->path] == '/');
	for (size_t i = 0; i < n; i++)
		OXI_CHECK(u->text[i] > ' ' && u->text[i] < 0x7f && u->text[i] != '#');
	OXI_CHECK(host > 0 && memmem(u->text, u->path, u->host, host) != NULL);
	OXI_CHECK(u->port > 0 && u->port < 65536);
	oxi_trap_of(u);
	OXI_CHECK(oxi_url_resolve(NULL, u->text, n, &again) == 0);
	OXI_CHECK(strcmp(again.text, u->text) == 0 && strcmp(again.host, u->host) == 0 && again.port == u->port && again.path == u->path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct oxi_url base, url;
	const uint8_t *eol = len ? memchr(data, '\n', len) : NULL;
	size_t base_len = eol ? (size_t)(eol - data) : len, rest = len - base_len - (eol != NULL);
	char *copy = malloc(len + 1);
	OXI_CHECK(copy != NULL);
	memcpy(copy, data, base_len);
	int r = oxi_url_resolve(NULL, copy, base_len, &base);
	OXI_CHECK(r == 0 || r == OXI_URL_BAD || r == OXI_URL_SCHEME);
	if (r == 0)
		look_at(&base);
	free(copy);
	copy = malloc(rest + (rest == 0));
	OXI_CHECK(copy != NULL);
	memcpy(copy, data + len - rest, rest);
	if (oxi_url_resolve(r == 0 ? base.text : "http://a.test/b/c?d", copy, rest, &url) == 0)
		look_at(&url);
	free(copy);
	return 0;
}
