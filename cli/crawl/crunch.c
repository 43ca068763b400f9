/* SPDX-License-Identifier: MIT */
/* The built-in functions obey the ABI that plugins do. */
#include "cli/crawl/crunch.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/digest.h"
#include "cli/crawl/select.h"
#include "cli/crawl/words.h"
#include "cli/say.h"

void oxi_crunched_free(struct oxi_crunched *to)
{
	oxi_buffer_free(&to->value);
	oxi_buffer_free(&to->blobs);
}

int oxi_crunch_call(const struct oxi_crunch *c, const ox_page *page, const struct oxi_reply_links *links, struct oxi_crunched *to)
{
	struct oxi_reply r;
	oxi_reply_begin(&r, page, links, c->blobs, to);
	int code = oxi_reply_end(&r, c->fn(page, &r.base));
	if (code < 0)
		oxi_crunched_free(to);
	return code < 0 ? code : 0;
}

/* ---- the built-in functions ---- */

static struct oxi_words page_words;

static int words(const ox_page *page, ox_page_reply *out)
{
	oxi_words_free(&page_words);
	oxi_words_add_text(&page_words, page->text.data, page->text.len);
	ox_page_put_int(out, "words", (int64_t)page_words.total);
	ox_page_put_int(out, "distinct", (int64_t)page_words.n);
	return page_words.failed ? OX_ENOMEM : 0;
}

const struct oxi_words *oxi_crunch_words(void)
{
	return &page_words;
}

static int digest(const ox_page *page, ox_page_reply *out)
{
	char hex[65];
	oxi_digest_hex(page->body.data, page->body.len, hex);
	ox_page_put_string(out, "sha256", hex, 64);
	return 0;
}

static int title(const ox_page *page, ox_page_reply *out)
{
	const char *p = page->title.data;
	char *line = malloc(page->title.len + 1);
	size_t n = 0;
	if (!line)
		return OX_ENOMEM;
	for (size_t i = 0; i < page->title.len; i++) {
		bool blank = (unsigned char)p[i] <= ' ';
		if (!blank || (n > 0 && line[n - 1] != ' '))
			line[n++] = blank ? ' ' : p[i];
	}
	n -= n > 0 && line[n - 1] == ' ';
	ox_page_put_string(out, "title", line, n);
	free(line);
	return 0;
}

/* As many as a value has room for, and how many there are. */
static int links(const ox_page *page, ox_page_reply *out)
{
	size_t bytes = 0;
	ox_page_put_int(out, "links", (int64_t)page->links_n);
	ox_page_begin_array(out, "urls");
	for (size_t i = 0; i < page->links_n && (bytes += page->links[i].len + 8) < OXI_VALUE_MAX / 2; i++)
		ox_page_put_string(out, NULL, page->links[i].data, page->links[i].len);
	ox_page_end(out);
	return 0;
}

/* ---- --select ---- */

static struct oxi_select *selected;

static int run_select(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	return oxi_select_run(selected, out);
}

int oxi_crunch_select(const char *text, struct oxi_crunch *ret)
{
	struct oxi_buffer why = { 0 };
	int r = oxi_select_new(text, &selected, &why);
	if (r < 0 && why.len)
		oxi_say("crawl", "--select %s: %.*s", text, (int)why.len, why.data);
	else if (r < 0)
		oxi_say("crawl", "--select: %s", ox_strerror(r));
	oxi_buffer_free(&why);
	*ret = (struct oxi_crunch){ .fn = run_select };
	return r < 0 ? OX_EINVAL : 0;
}

/* ---- plugins ---- */

static int load(const char *name, const char *symbol, struct oxi_crunch *ret)
{
	char path[4096];
	size_t len = (size_t)(symbol - name) - 1;
	/* dlopen searches for a name without a slash among the system's libraries: a plugin is a file. */
	int n = snprintf(path, sizeof(path), "%s%.*s", memchr(name, '/', len) ? "" : "./", (int)len, name);
	if ((size_t)n >= sizeof(path)) {
		oxi_say("crawl", "--crunch: the plugin's path is too long");
		return OX_EINVAL;
	}
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		oxi_say("crawl", "cannot load the plugin: %s", dlerror());
		return OX_EINVAL;
	}
	void *fn = dlsym(library, symbol);
	if (!fn) {
		oxi_say("crawl", "plugin %s has no function '%s'", path, symbol);
		dlclose(library);
		return OX_EINVAL;
	}
	memcpy(&ret->fn, &fn, sizeof(fn));
	ret->references = true;
	return 0;
}

int oxi_crunch_find(const char *name, struct oxi_crunch *ret)
{
	*ret = (struct oxi_crunch){ 0 };
	const char *colon = strrchr(name, ':');
	if (strcmp(name, "words") == 0)
		*ret = (struct oxi_crunch){ .fn = words, .words = true };
	else if (strcmp(name, "digest") == 0)
		ret->fn = digest;
	else if (strcmp(name, "links") == 0)
		ret->fn = links;
	else if (strcmp(name, "title") == 0)
		ret->fn = title;
	else if (colon && colon > name && colon[1])
		return load(name, colon + 1, ret);
	else {
		oxi_say("crawl", "--crunch %s: give words, digest, links, title, or PLUGIN.so:FUNCTION", name);
		return OX_EINVAL;
	}
	return 0;
}
