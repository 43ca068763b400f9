/* SPDX-License-Identifier: MIT */
/* Sitemaps from any bytes, packed or not, and cut anywhere: no more links than the protocol has, none too long for a URL. */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/sitemap.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void take_link(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len)
{
	size_t *n = arg;
	OXI_CHECK((by == OXI_LINK_LISTED || by == OXI_LINK_SITEMAP) && !unvouched);
	OXI_CHECK(len > 0 && len <= 4096 && (unsigned char)url[len - 1] > ' ');
	OXI_CHECK(++*n <= OXI_SITEMAP_URLS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (size_t n = len;; n /= 2) {
		size_t links = 0;
		struct oxi_html_sink sink = { .link = take_link, .arg = &links };
		char *copy = malloc(n + (n == 0));
		OXI_CHECK(copy != NULL);
		memcpy(copy, data, n);
		int r = oxi_sitemap_read(copy, n, &sink);
		OXI_CHECK(r == 0 || r == OX_ETOOBIG || r == OX_EPROTO);
		free(copy);
		if (n == 0)
			return 0;
	}
}
