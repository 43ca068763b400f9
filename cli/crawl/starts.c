/* SPDX-License-Identifier: MIT */
/*
 * Where the crawl begins: words of the command line, lines of -i, and what a run that is gone on with began with. Each
 * start is part of the scope from then on, so that links which were found earlier are judged by the starts of then.
 *
 * The input is read while the crawl goes on, never ahead of it: its lines go the way of links, through the keeper's
 * short queue, and those that memory is too small for wait in the store. Of a start only keys stay in memory (scope.h,
 * seen.h). A line that is no URL has no result, for there is no URL to report on: it is said, the crawl goes on, and in
 * the end its exit code says that there was one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/reader.h"
#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/say.h"

/* ---- one start ---- */

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0 || strcmp(host, "localhost") == 0;
}

/* Who runs a server should be able to ask whoever crawls it. */
static void ask_for_contact(struct oxi_crawl *c, const struct oxi_url *url)
{
	if (c->contact_asked || c->o->contact || c->o->user_agent || c->o->quiet || is_loopback(url->host))
		return;
	c->contact_asked = true;
	oxi_bar_clear(&c->bar);
	oxi_say("crawl", "servers are not told whom to ask about this crawl: give --contact URL");
}

int oxi_starts_add(struct oxi_crawl *c, const struct oxi_url *url)
{
	ask_for_contact(c, url);
	return oxi_scope_add(&c->scope, url);
}

/* ---- words ---- */

static int open_input(struct oxi_crawl *c)
{
	const char *name = c->o->input;
	c->input = !name ? -1 : strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	c->feeding = name != NULL;
	if (!name || c->input >= 0)
		return 0;
	oxi_say("crawl", "%s: %s", name, strerror(errno));
	return OXI_EXIT_INPUT;
}

int oxi_starts_read(struct oxi_crawl *c, struct oxi_url *words)
{
	for (size_t i = 0; i < c->o->n; i++) {
		const char *text = c->o->urls[i];
		if (oxi_url_resolve(NULL, text, strlen(text), &words[i]) < 0) {
			oxi_say("crawl", "'%s' is no http or https URL", text);
			return OXI_EXIT_USAGE;
		}
	}
	return open_input(c);
}

/* ---- lines ---- */

struct feed {
	struct oxi_crawl *c;
	struct oxi_reader reader;
	struct oxi_change *change;      /* what the lines that were read at one time give */
	uint64_t line;
	struct oxi_url url;
};

static int take_line(struct feed *f, const char *line, size_t len)
{
	struct oxi_crawl *c = f->c;
	f->line++;
	for (; len > 0 && (unsigned char)line[len - 1] <= ' '; len--)
		;
	for (; len > 0 && (unsigned char)*line <= ' '; line++, len--)
		;
	if (len == 0 || *line == '#')
		return 0;
	if (oxi_url_resolve(NULL, line, len, &f->url) < 0) {
		c->bad_input = true;
		oxi_bar_clear(&c->bar);
		oxi_say("crawl", "%s:%llu: this is no http or https URL", c->o->input, (unsigned long long)f->line);
		return 0;
	}
	int r = oxi_starts_add(c, &f->url);
	return r < 0 ? r : oxi_crawl_take(c, f->change, &f->url, 0, NULL, &(struct oxi_page_link){ .by = OXI_LINK_START });
}

/* All lines that are held; at the end of the input the rest is one, too. */
static int take_lines(struct feed *f)
{
	struct oxi_reader *r = &f->reader;
	int code = 0;
	while (code == 0 && oxi_reader_len(r) > 0) {
		const char *line = oxi_reader_data(r), *end = memchr(line, '\n', oxi_reader_len(r));
		if (!end && !r->eof)
			break;
		size_t len = end ? (size_t)(end - line) : oxi_reader_len(r);
		code = take_line(f, line, len);
		r->from += len + (end != NULL);
	}
	return code;
}

static int feed_some(struct feed *f)
{
	int r = oxi_reader_more(&f->reader);
	if (r < 0)
		return oxi_crawl_fail(f->c, OXI_EXIT_INPUT, f->c->o->input, r);
	f->change = calloc(1, sizeof(*f->change));
	r = f->change ? take_lines(f) : OX_ENOMEM;
	if (r == 0 && f->change->first)
		return oxi_keeper_give(f->c, f->change);
	if (f->change)
		oxi_change_free(f->change);
	return r < 0 ? oxi_crawl_fail(f->c, OXI_EXIT_OUTPUT, "crawl", r) : 0;
}

int oxi_starts_feed(void *arg)
{
	struct oxi_crawl *c = arg;
	struct feed *f = calloc(1, sizeof(*f));
	int r = f ? 0 : oxi_crawl_fail(c, OXI_EXIT_OUTPUT, "crawl", OX_ENOMEM);
	if (f) {
		f->c = c;
		oxi_reader_init(&f->reader, c->input);
		while (r == 0 && !f->reader.eof)
			r = feed_some(f);
		oxi_reader_close(&f->reader);
	}
	free(f);
	if (r < 0 && c->work)
		ox_group_cancel(c->work);
	c->feeding = false;
	ox_event_set(c->changed);
	return r;
}
