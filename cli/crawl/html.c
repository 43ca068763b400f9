/* SPDX-License-Identifier: MIT */
/*
 * The only file that knows libxml2. Its HTML parser is fed by the piece and calls us for elements and text
 * (SAX): no tree is built, so a page costs its text and links, not twenty times its size. It reads any
 * document, never opens a file or a connection (no DTD, no entities), and takes and gives UTF-8.
 *
 * Links are what wget -r follows as far as it can be a page: anchors, areas, frames, objects, <link> but for
 * style sheets and icons, and the address of a refresh. Text is what stands between tags, but for scripts,
 * styles and templates; elements that break a line put a newline into it, so that words of two cells do not
 * grow together.
 */
#include "cli/crawl/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <string.h>
#include <strings.h>

#include "cli/crawl/directive.h"

#define PIECE OX_KIB(32)

struct parse {
	const struct oxi_html_sink *sink;
	bool in_title;
	unsigned hidden;                /* depth of elements whose text nobody sees */
};

/* An element's attribute with a link. */
static const struct {
	const char *element, *attribute;
	enum oxi_link kind;
} LINKS[] = {
	{ "a", "href", OXI_LINK_PAGE }, { "area", "href", OXI_LINK_PAGE }, { "base", "href", OXI_LINK_BASE },
	{ "embed", "src", OXI_LINK_PAGE }, { "frame", "src", OXI_LINK_PAGE }, { "iframe", "src", OXI_LINK_PAGE },
	{ "link", "href", OXI_LINK_PAGE }, { "object", "data", OXI_LINK_PAGE },
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

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	for (const char *p = text; *p; p += strcspn(p, " \t\n\f\r")) {
		p += strspn(p, " \t\n\f\r");
		if (strncasecmp(p, word, len) == 0 && strcspn(p, " \t\n\f\r") == len)
			return true;
	}
	return false;
}

/* The author does not vouch for it. */
static bool is_unvouched(const char *rel)
{
	return rel && (has_word(rel, "nofollow") || has_word(rel, "ugc") || has_word(rel, "sponsored"));
}

/* <link rel=...>: what a browser loads for the page itself is no page. */
static bool is_resource(const char *rel)
{
	static const char *const words[] = { "stylesheet", "icon", "apple-touch-icon", "mask-icon", "preload", "manifest",
	                                     "modulepreload", "preconnect", "dns-prefetch" };
	for (size_t i = 0; rel && i < sizeof(words) / sizeof(words[0]); i++) {
		if (has_word(rel, words[i]))
			return true;
	}
	return false;
}

static void give_link(struct parse *p, enum oxi_link kind, const char *url, size_t len)
{
	p->sink->link(p->sink->arg, kind, url, len);
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
	if (!equiv || !content || strcasecmp(equiv, "refresh") != 0)
		return;
	const char *url = content + strspn(content, " \t\n\f\r0123456789.");
	url += strspn(url, " \t\n\f\r;,");
	if (strncasecmp(url, "url", 3) != 0)
		return;
	url += 3;
	url += strspn(url, " \t\n\f\r");
	if (*url++ != '=')
		return;
	url += strspn(url, " \t\n\f\r");
	char quote = *url == '"' || *url == '\'' ? *url++ : '\0';
	size_t len = quote ? strcspn(url, (char[]){ quote, '\0' }) : strlen(url);
	if (len)
		give_link(p, OXI_LINK_PAGE, url, len);
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

static void start_element(void *arg, const xmlChar *name_, const xmlChar **attributes)
{
	struct parse *p = arg;
	const char *name = (const char *)name_;
	p->hidden += IS_AMONG(name, HIDDEN);
	p->in_title |= strcmp(name, "title") == 0;
	break_line(p, name);
	if (strcmp(name, "meta") == 0)
		start_meta(p, attributes);
	for (size_t i = 0; i < sizeof(LINKS) / sizeof(LINKS[0]); i++) {
		if (strcmp(name, LINKS[i].element) != 0)
			continue;
		const char *url = attribute(attributes, LINKS[i].attribute);
		const char *rel = attribute(attributes, "rel");
		if (url && !(strcmp(name, "link") == 0 && is_resource(rel)))
			give_link(p, is_unvouched(rel) ? OXI_LINK_UNVOUCHED : LINKS[i].kind, url, strlen(url));
	}
}

static void end_element(void *arg, const xmlChar *name_)
{
	struct parse *p = arg;
	const char *name = (const char *)name_;
	if (p->hidden && IS_AMONG(name, HIDDEN))
		p->hidden--;
	p->in_title &= strcmp(name, "title") != 0;
	break_line(p, name);
}

static void characters(void *arg, const xmlChar *text, int len)
{
	struct parse *p = arg;
	if (p->in_title && len > 0)
		p->sink->title(p->sink->arg, (const char *)text, (size_t)len);
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
	return r;
}

void oxi_html_prepare(void)
{
	xmlInitParser();
}
