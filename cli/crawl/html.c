/* SPDX-License-Identifier: MIT */
/*
 * libxml2's HTML parser is fed by the piece and calls us for elements and text (SAX): no tree is built, so a
 * page costs its text and links, not twenty times its size (tree.c has the tree, for who asks for it). It reads
 * any document, never opens a file or a connection (no DTD, no entities), and takes and gives UTF-8.
 *
 * A link is one to a page if what it leads to may be a document of its own: anchors, areas, frames, objects,
 * <link>, the address of a refresh. It is a requisite if a browser loads it to show this one: images, media,
 * scripts, style sheets and all that CSS names. Forms are not sent, and what only quotes an address (cite, ping)
 * is no link.
 *
 * Text is what stands between tags, but for scripts, styles and templates; elements that break a line put a
 * newline into it, so that words of two cells do not grow together.
 */
#include "cli/crawl/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <string.h>
#include <strings.h>

#include "cli/buffer.h"
#include "cli/crawl/css.h"
#include "cli/crawl/directive.h"

#define PIECE     OX_KIB(32)
#define STYLE_MAX OX_MIB(1)             /* bytes of one <style> that are looked at */

struct parse {
	const struct oxi_html_sink *sink;
	bool in_title, in_style;
	unsigned hidden;                /* depth of elements whose text nobody sees */
	struct oxi_buffer style;        /* of the element that is open, or was last */
};

/* An element's attribute with a link. */
static const struct {
	const char *element, *attribute;
	enum oxi_link by;
} LINKS[] = {
	{ "a", "href", OXI_LINK_A }, { "a", "xlink:href", OXI_LINK_A }, { "area", "href", OXI_LINK_AREA },
	{ "audio", "src", OXI_LINK_AUDIO }, { "base", "href", OXI_LINK_BASE }, { "body", "background", OXI_LINK_BACKGROUND },
	{ "embed", "src", OXI_LINK_EMBED }, { "frame", "src", OXI_LINK_FRAME }, { "iframe", "src", OXI_LINK_IFRAME },
	{ "image", "href", OXI_LINK_IMG }, { "image", "xlink:href", OXI_LINK_IMG }, { "img", "src", OXI_LINK_IMG },
	{ "input", "src", OXI_LINK_INPUT }, { "link", "href", OXI_LINK_LINK }, { "object", "data", OXI_LINK_OBJECT },
	{ "script", "src", OXI_LINK_SCRIPT }, { "source", "src", OXI_LINK_SOURCE }, { "table", "background", OXI_LINK_BACKGROUND },
	{ "td", "background", OXI_LINK_BACKGROUND }, { "th", "background", OXI_LINK_BACKGROUND }, { "track", "src", OXI_LINK_TRACK },
	{ "video", "poster", OXI_LINK_VIDEO }, { "video", "src", OXI_LINK_VIDEO },
};

/* And those with several, each with a size that it is for. */
static const struct {
	const char *element, *attribute;
} SRCSETS[] = {
	{ "img", "srcset" }, { "link", "imagesrcset" }, { "source", "srcset" },
};

static const char *const HIDDEN[] = { "noembed", "script", "style", "template" };

/* Elements inside a line; all others end one. */
static const char *const INLINE[] = {
	"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
	"label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
};

static bool is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}
#define IS_AMONG(name, names) is_among(name, names, sizeof(names) / sizeof(names[0]))

static const char *attribute(const xmlChar **attributes, const char *name)
{
	for (; attributes && attributes[0]; attributes += 2) {
		if (strcasecmp((const char *)attributes[0], name) == 0)
			return (const char *)attributes[1];
	}
	return NULL;
}

/* <meta name=robots content="noindex, nofollow">, or one that names us. */
static void robots(struct parse *p, const xmlChar **attributes)
{
	const char *name = attribute(attributes, "name"), *content = attribute(attributes, "content");
	if (name && content && (strcasecmp(name, "robots") == 0 || strcasecmp(name, OXI_AGENT) == 0))
		p->sink->robots(p->sink->arg, oxi_directives_of_meta(content));
}

/* <meta http-equiv=refresh content="5; url='x'"> */
static void refresh(struct parse *p, const xmlChar **attributes)
{
	const char *equiv = attribute(attributes, "http-equiv"), *content = attribute(attributes, "content");
	if (equiv && content && strcasecmp(equiv, "refresh") == 0)
		oxi_link_refresh(content, p->sink->link, p->sink->arg);
}

static void start_meta(struct parse *p, const xmlChar **attributes)
{
	refresh(p, attributes);
	robots(p, attributes);
}

static void break_line(struct parse *p, const char *name)
{
	if (!p->hidden && !IS_AMONG(name, INLINE))
		p->sink->text(p->sink->arg, "\n", 1);
}

static void find_links(struct parse *p, const char *name, const xmlChar **attributes)
{
	for (size_t i = 0; i < sizeof(LINKS) / sizeof(LINKS[0]); i++) {
		const char *url = strcmp(name, LINKS[i].element) == 0 ? attribute(attributes, LINKS[i].attribute) : NULL;
		if (!url)
			continue;
		const char *rel = attribute(attributes, "rel");
		enum oxi_link by = LINKS[i].by;
		if (by == OXI_LINK_LINK && (by = oxi_link_by_rel(rel, by, OXI_LINK_RESOURCE)) == OXI_LINK_BASE)
			continue;
		p->sink->link(p->sink->arg, by, oxi_link_unvouched(rel), url, strlen(url));
	}
}

/* What stands in values with a grammar of their own. */
static void find_requisites(struct parse *p, const char *name, const xmlChar **attributes)
{
	for (size_t i = 0; i < sizeof(SRCSETS) / sizeof(SRCSETS[0]); i++) {
		const char *set = strcmp(name, SRCSETS[i].element) == 0 ? attribute(attributes, SRCSETS[i].attribute) : NULL;
		if (set)
			oxi_link_srcset(set, p->sink->link, p->sink->arg);
	}
	const char *style = attribute(attributes, "style");
	if (style)
		oxi_css_links(style, strlen(style), p->sink->link, p->sink->arg);
}

static void start_element(void *arg, const xmlChar *name_, const xmlChar **attributes)
{
	struct parse *p = arg;
	const char *name = (const char *)name_;
	p->hidden += IS_AMONG(name, HIDDEN);
	p->in_title |= strcmp(name, "title") == 0;
	p->in_style |= p->sink->requisites && strcmp(name, "style") == 0;
	break_line(p, name);
	if (strcmp(name, "meta") == 0)
		start_meta(p, attributes);
	if (attributes)
		find_links(p, name, attributes);
	if (attributes && p->sink->requisites)
		find_requisites(p, name, attributes);
}

static void end_style(struct parse *p)
{
	if (p->style.len)
		oxi_css_links(p->style.data, p->style.len, p->sink->link, p->sink->arg);
	p->style.len = 0;
	p->in_style = false;
}

static void end_element(void *arg, const xmlChar *name_)
{
	struct parse *p = arg;
	const char *name = (const char *)name_;
	if (p->hidden && IS_AMONG(name, HIDDEN))
		p->hidden--;
	p->in_title &= strcmp(name, "title") != 0;
	if (p->in_style && strcmp(name, "style") == 0)
		end_style(p);
	break_line(p, name);
}

static void characters(void *arg, const xmlChar *text, int len)
{
	struct parse *p = arg;
	if (p->in_title && len > 0)
		p->sink->title(p->sink->arg, (const char *)text, (size_t)len);
	if (p->in_style && len > 0 && p->style.len + (size_t)len <= STYLE_MAX)
		oxi_buffer_add(&p->style, text, (size_t)len);
	if (!p->hidden && len > 0)
		p->sink->text(p->sink->arg, (const char *)text, (size_t)len);
}

static int push_all(htmlParserCtxtPtr ctx, const char *data, size_t len)
{
	for (size_t at = 0; at < len; at += PIECE) {
		size_t n = len - at < PIECE ? len - at : PIECE;
		htmlParseChunk(ctx, data + at, (int)n, 0);
		if (ctx->errNo == XML_ERR_NO_MEMORY)
			return OX_ENOMEM;
		if (ctx->disableSAX)            /* the parser has given up */
			return OX_ETOOBIG;
	}
	htmlParseChunk(ctx, NULL, 0, 1);
	return ctx->errNo == XML_ERR_NO_MEMORY ? OX_ENOMEM : 0;
}

int oxi_html_parse(const void *data, size_t len, const struct oxi_html_sink *sink)
{
	htmlSAXHandler sax = {
		.startElement = start_element,
		.endElement = end_element,
		.characters = characters,
		.ignorableWhitespace = characters,
	};
	struct parse p = { .sink = sink };
	htmlParserCtxtPtr ctx = htmlCreatePushParserCtxt(&sax, &p, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (!ctx)
		return OX_ENOMEM;
	htmlCtxtUseOptions(ctx, HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_IGNORE_ENC);
	int r = push_all(ctx, data, len);
	htmlFreeParserCtxt(ctx);
	r = p.style.failed ? OX_ENOMEM : r;
	oxi_buffer_free(&p.style);
	return r;
}

void oxi_html_prepare(void)
{
	xmlInitParser();
}
