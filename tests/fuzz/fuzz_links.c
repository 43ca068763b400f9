/* SPDX-License-Identifier: MIT */
/*
 * What has a grammar inside of one value: the first byte chooses Link, Refresh, srcset, CSS, X-Robots-Tag and <meta robots>, or
 * --select's list. What is given lies inside of what was read.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/css.h"
#include "cli/crawl/directive.h"
#include "cli/crawl/select.h"
#include "cli/crawl/url.h"
#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct text {
	const char *p, *end;            /* p NULL: what is given is a copy */
};

static void take_link(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len)
{
	const struct text *t = arg;
	OXI_CHECK(oxi_link_use(by) != OXI_USE_BASE && oxi_link_name(by));
	OXI_CHECK(!unvouched || by == OXI_LINK_HEADER || by == OXI_LINK_HEADER_RESOURCE);
	if (t->p)
		OXI_CHECK(url >= t->p && len <= (size_t)(t->end - url));
	else
		OXI_CHECK(len > 0 && len <= OXI_URL_MAX);
}

static void read_css(const uint8_t *data, size_t len)
{
	struct text none = { NULL, NULL };
	char *copy = malloc(len + (len == 0));
	OXI_CHECK(copy != NULL);
	memcpy(copy, data, len);
	oxi_css_links(copy, len, take_link, &none);
	free(copy);
}

static void read_select(const char *text)
{
	struct oxi_select *s = NULL;
	struct oxi_buffer why = { 0 };
	int r = oxi_select_new(text, &s, &why);
	OXI_CHECK(r == 0 ? s != NULL : r == OX_EINVAL && why.len > 0);
	oxi_select_free(s);
	oxi_buffer_free(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	char *text = malloc(len);
	OXI_CHECK(text != NULL);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	struct text t = { text, text + strlen(text) };
	switch (data[0]) {
	case 'l':
		oxi_link_header(text, take_link, &t);
		break;
	case 'r':
		oxi_link_refresh(text, take_link, &t);
		break;
	case 's':
		oxi_link_srcset(text, take_link, &t);
		break;
	case 'x':
		read_select(text);
		break;
	case 'd':
		OXI_CHECK(oxi_directives_of_header(text) < 4 && oxi_directives_of_meta(text) < 4);
		break;
	default:
		read_css(data + 1, len - 1);
	}
	free(text);
	return 0;
}
