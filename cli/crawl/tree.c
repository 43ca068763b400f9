/* SPDX-License-Identifier: MIT */
/*
 * libxml2's own tree, made by its own handlers; ours stand before these and count. A node costs some 120 bytes,
 * which is twenty times what it is in the page, so a tree is made for those only who ask for it, and a page that
 * would make too large or too deep a one is given up: half a tree would give half an answer.
 *
 * Nothing is loaded, and nothing expanded but HTML's own characters (&eacute;).
 */
#include "cli/crawl/tree.h"

#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

#define PIECE OX_KIB(64)

struct oxi_tree {
	htmlParserCtxtPtr ctx;
	htmlDocPtr doc;
	size_t nodes;
	bool too_large;
	startElementSAXFunc start;
	charactersSAXFunc text;
};

/* ---- parsing ---- */

static struct oxi_tree *tree_of(void *ctx)
{
	return ((htmlParserCtxtPtr)ctx)->_private;
}

/* Whether there is room for one more. */
static bool count(struct oxi_tree *t)
{
	t->too_large |= ++t->nodes > OXI_TREE_NODES || t->ctx->nodeNr >= OXI_TREE_DEPTH;
	if (t->too_large)
		xmlStopParser(t->ctx);
	return !t->too_large;
}

static void start_element(void *ctx, const xmlChar *name, const xmlChar **attributes)
{
	struct oxi_tree *t = tree_of(ctx);
	for (size_t i = 0; attributes && attributes[i]; i += 2)
		t->nodes++;
	if (count(t))
		t->start(ctx, name, attributes);
}

static void characters(void *ctx, const xmlChar *text, int len)
{
	struct oxi_tree *t = tree_of(ctx);
	if (count(t))
		t->text(ctx, text, len);
}

static int open_parser(struct oxi_tree *t)
{
	t->ctx = htmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (!t->ctx)
		return OX_ENOMEM;
	htmlCtxtUseOptions(t->ctx, HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_IGNORE_ENC);
	t->ctx->options |= XML_PARSE_HUGE;      /* the limits are ours */
	t->ctx->_private = t;
	t->start = t->ctx->sax->startElement;
	t->text = t->ctx->sax->characters;
	t->ctx->sax->startElement = start_element;
	t->ctx->sax->characters = characters;
	t->ctx->sax->ignorableWhitespace = characters;
	t->ctx->sax->comment = NULL;            /* neither has a place in the tree that is given */
	t->ctx->sax->processingInstruction = NULL;
	return 0;
}

static int push_all(struct oxi_tree *t, const char *html, size_t len)
{
	for (size_t at = 0; at < len && !t->ctx->disableSAX; at += PIECE) {
		size_t n = len - at < PIECE ? len - at : PIECE;
		htmlParseChunk(t->ctx, html + at, (int)n, 0);
	}
	if (!t->ctx->disableSAX)
		htmlParseChunk(t->ctx, NULL, 0, 1);
	if (t->ctx->errNo == XML_ERR_NO_MEMORY)
		return OX_ENOMEM;
	return t->too_large || t->ctx->disableSAX ? OX_ETOOBIG : 0;
}

int oxi_tree_parse(const char *html, size_t len, struct oxi_tree **ret)
{
	struct oxi_tree *t = calloc(1, sizeof(*t));
	int r = t ? open_parser(t) : OX_ENOMEM;
	if (r == 0) {
		r = push_all(t, html, len);
		t->doc = t->ctx->myDoc;
		htmlFreeParserCtxt(t->ctx);
		t->ctx = NULL;
	}
	if (r == 0 && !t->doc && !(t->doc = htmlNewDocNoDtD(NULL, NULL)))
		r = OX_ENOMEM;
	if (r < 0) {
		oxi_tree_free(t);
		return r;
	}
	xmlXPathOrderDocElems(t->doc);          /* or comparing places would cost a walk each */
	*ret = t;
	return 0;
}

void oxi_tree_free(struct oxi_tree *t)
{
	if (t && t->doc)
		xmlFreeDoc(t->doc);
	free(t);
}

void *oxi_tree_document(const struct oxi_tree *t)
{
	return t->doc;
}

/* ---- nodes ---- */

static const xmlNode *node_of(const ox_page_node *n)
{
	return (const xmlNode *)n;
}

/* The first of a row of siblings that is an element or text. */
static const ox_page_node *given(const xmlNode *n)
{
	while (n && n->type != XML_ELEMENT_NODE && n->type != XML_TEXT_NODE && n->type != XML_CDATA_SECTION_NODE)
		n = n->next;
	return (const ox_page_node *)n;
}

const ox_page_node *oxi_tree_root(const struct oxi_tree *t)
{
	return (const ox_page_node *)xmlDocGetRootElement(t->doc);
}

static bool is_element(const ox_page_node *n)
{
	return n && node_of(n)->type == XML_ELEMENT_NODE;
}

const ox_page_node *oxi_tree_node_child(const ox_page_node *n)
{
	return is_element(n) ? given(node_of(n)->children) : NULL;
}

const ox_page_node *oxi_tree_node_next(const ox_page_node *n)
{
	return n && node_of(n)->type != XML_ATTRIBUTE_NODE ? given(node_of(n)->next) : NULL;
}

const ox_page_node *oxi_tree_node_parent(const ox_page_node *n)
{
	const xmlNode *parent = n ? node_of(n)->parent : NULL;
	return parent && parent->type == XML_ELEMENT_NODE ? (const ox_page_node *)parent : NULL;
}

const char *oxi_tree_node_name(const ox_page_node *n)
{
	return is_element(n) || (n && node_of(n)->type == XML_ATTRIBUTE_NODE) ? (const char *)node_of(n)->name : NULL;
}

const char *oxi_tree_node_attribute(const ox_page_node *n, const char *name)
{
	for (const xmlAttr *a = is_element(n) ? node_of(n)->properties : NULL; a; a = a->next) {
		if (strcmp((const char *)a->name, name) == 0)
			return a->children && a->children->content ? (const char *)a->children->content : "";
	}
	return NULL;
}

int oxi_tree_node_text(const ox_page_node *n, struct oxi_buffer *out)
{
	xmlChar *text = n ? xmlNodeGetContent(node_of(n)) : NULL;
	if (n && !text)
		return OX_ENOMEM;
	if (text)
		oxi_buffer_add_text(out, (const char *)text);
	xmlFree(text);
	return out->failed ? OX_ENOMEM : 0;
}
