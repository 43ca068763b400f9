/* SPDX-License-Identifier: MIT */
/*
 * libxml2 compiles and evaluates. It looks for a function when a node first gets to it, which may be on the
 * millionth page, so functions are looked at here, by going through an expression that it has found to be one:
 * a name before a parenthesis is a function, if it is no node type and no operator.
 */
#include "cli/crawl/xpath.h"

#include <ctype.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\r\n"

struct oxi_xpath {
	xmlXPathCompExprPtr compiled;
};

/* ---- functions ---- */

static const struct {
	const char *name;
	size_t min, max;                /* arguments */
} FUNCTIONS[] = {
	{ "boolean", 1, 1 }, { "ceiling", 1, 1 }, { "concat", 2, SIZE_MAX }, { "contains", 2, 2 }, { "count", 1, 1 },
	{ "false", 0, 0 }, { "floor", 1, 1 }, { "id", 1, 1 }, { "lang", 1, 1 }, { "last", 0, 0 }, { "local-name", 0, 1 },
	{ "name", 0, 1 }, { "namespace-uri", 0, 1 }, { "normalize-space", 0, 1 }, { "not", 1, 1 }, { "number", 0, 1 },
	{ "position", 0, 0 }, { "round", 1, 1 }, { "starts-with", 2, 2 }, { "string", 0, 1 }, { "string-length", 0, 1 },
	{ "substring", 2, 3 }, { "substring-after", 2, 2 }, { "substring-before", 2, 2 }, { "sum", 1, 1 },
	{ "translate", 3, 3 }, { "true", 0, 0 },
};

static bool is_one_of(const char *name, size_t len, const char *const *words)
{
	for (; *words; words++) {
		if (strlen(*words) == len && memcmp(name, *words, len) == 0)
			return true;
	}
	return false;
}

/* Behind a quoted text, or one character. */
static const char *skip_one(const char *p)
{
	const char *close = *p == '"' || *p == '\'' ? strchr(p + 1, *p) : NULL;
	return close ? close + 1 : p + 1;
}

/* How many arguments there are behind an opening parenthesis. */
static size_t count_arguments(const char *p)
{
	p += strspn(p, BLANKS);
	if (*p == ')')
		return 0;
	size_t n = 1;
	for (int depth = 0; *p && (depth > 0 || *p != ')'); p = skip_one(p)) {
		depth += *p == '(' || *p == '[';
		depth -= *p == ')' || *p == ']';
		n += depth == 0 && *p == ',';
	}
	return n;
}

/* What is wrong with a function; NULL: nothing. */
static const char *check_function(const char *name, size_t len, const char *arguments)
{
	static const char *const others[] = { "comment", "text", "processing-instruction", "node", "and", "or", "div", "mod", NULL };
	if (is_one_of(name, len, others))
		return NULL;
	for (size_t i = 0; i < sizeof(FUNCTIONS) / sizeof(FUNCTIONS[0]); i++) {
		if (strlen(FUNCTIONS[i].name) != len || memcmp(name, FUNCTIONS[i].name, len) != 0)
			continue;
		size_t n = count_arguments(arguments);
		return n < FUNCTIONS[i].min ? "too few arguments" : n > FUNCTIONS[i].max ? "too many arguments" : NULL;
	}
	return "there is no such function";
}

static size_t name_len(const char *p)
{
	size_t n = 0;
	while (isalnum((unsigned char)p[n]) || (unsigned char)p[n] >= 0x80 || (p[n] && strchr("-._", p[n])) ||
	       (n > 0 && p[n] == ':' && p[n - 1] != ':' && p[n + 1] != ':'))
		n++;
	return n;
}

static const char *check_functions(const char *text, size_t *ret_at)
{
	for (const char *p = text; *p;) {
		size_t len = name_len(p);
		const char *behind = p + len + strspn(p + len, BLANKS);
		bool is_name = len > 0 && !isdigit((unsigned char)*p) && *p != '.' && *p != '-';
		const char *why = is_name && *behind == '(' ? check_function(p, len, behind + 1) : NULL;
		if (why) {
			*ret_at = (size_t)(p - text);
			return why;
		}
		p = is_name ? p + len : skip_one(p);
	}
	return NULL;
}

/* ---- compiling ---- */

static void be_silent(void *arg, xmlErrorPtr error)
{
	(void)arg;
	(void)error;
}

static xmlXPathContextPtr new_context(xmlDocPtr doc)
{
	xmlXPathContextPtr ctx = xmlXPathNewContext(doc);
	if (ctx) {
		ctx->error = be_silent;
		ctx->flags = XML_XPATH_CHECKNS | XML_XPATH_NOVAR;
	}
	return ctx;
}

static const char *reason(int code)
{
	switch (code - XML_XPATH_EXPRESSION_OK) {
	case XPATH_NUMBER_ERROR:
		return "this is no number";
	case XPATH_UNFINISHED_LITERAL_ERROR:
	case XPATH_START_LITERAL_ERROR:
		return "a quote is not closed";
	case XPATH_VARIABLE_REF_ERROR:
	case XPATH_UNDEF_VARIABLE_ERROR:
	case XPATH_FORBID_VARIABLE_ERROR:
		return "there are no variables";
	case XPATH_INVALID_PREDICATE_ERROR:
		return "a predicate is not complete";
	case XPATH_UNCLOSED_ERROR:
		return "a parenthesis is not closed";
	case XPATH_UNDEF_PREFIX_ERROR:
		return "there are no prefixes: names have no namespace";
	case XPATH_RECURSION_LIMIT_EXCEEDED:
		return "too much stands in one another";
	default:
		return "this is no XPath 1.0";
	}
}

int oxi_xpath_new(const char *text, struct oxi_xpath **ret, size_t *ret_at, const char **ret_why)
{
	struct oxi_xpath *x = calloc(1, sizeof(*x));
	xmlXPathContextPtr ctx = x ? new_context(NULL) : NULL;
	int r = ctx ? 0 : OX_ENOMEM;
	if (r == 0 && !(x->compiled = xmlXPathCtxtCompile(ctx, (const xmlChar *)text))) {
		r = ctx->lastError.code == XML_ERR_NO_MEMORY ? OX_ENOMEM : OX_EINVAL;
		*ret_at = ctx->lastError.int1 > 0 ? (size_t)ctx->lastError.int1 : 0;
		*ret_why = reason(ctx->lastError.code);
	} else if (r == 0 && (*ret_why = check_functions(text, ret_at))) {
		r = OX_EINVAL;
	}
	xmlXPathFreeContext(ctx);
	if (r < 0)
		oxi_xpath_free(x);
	else
		*ret = x;
	return r;
}

void oxi_xpath_free(struct oxi_xpath *x)
{
	if (x)
		xmlXPathFreeCompExpr(x->compiled);
	free(x);
}

/* ---- evaluating ---- */

/* Namespaces are left out: they are no nodes of a page, and have none of a node's parts. */
static int take_nodes(const xmlNodeSet *set, struct oxi_xpath_result *ret)
{
	size_t n = set && set->nodeNr > 0 ? (size_t)set->nodeNr : 0;
	ret->node = calloc(n + 1, sizeof(ret->node[0]));
	if (!ret->node)
		return OX_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (set->nodeTab[i]->type != XML_NAMESPACE_DECL)
			ret->node[ret->n++] = (const ox_page_node *)set->nodeTab[i];
	}
	return 0;
}

static int take_object(xmlXPathObjectPtr o, struct oxi_xpath_result *ret)
{
	*ret = (struct oxi_xpath_result){ 0 };
	switch (o->type) {
	case XPATH_BOOLEAN:
		ret->kind = OXI_XPATH_BOOLEAN;
		ret->number = o->boolval != 0;
		return 0;
	case XPATH_NUMBER:
		ret->kind = OXI_XPATH_NUMBER;
		ret->number = o->floatval;
		return 0;
	case XPATH_STRING:
		ret->kind = OXI_XPATH_STRING;
		ret->string = strdup(o->stringval ? (const char *)o->stringval : "");
		return ret->string ? 0 : OX_ENOMEM;
	default:
		ret->kind = OXI_XPATH_NODES;
		if (o->nodesetval)
			xmlXPathNodeSetSort(o->nodesetval);
		return take_nodes(o->nodesetval, ret);
	}
}

int oxi_xpath_run(const struct oxi_xpath *x, const struct oxi_tree *t, const ox_page_node *from, struct oxi_xpath_result *ret)
{
	xmlDocPtr doc = oxi_tree_document(t);
	xmlXPathContextPtr ctx = new_context(doc);
	if (!ctx)
		return OX_ENOMEM;
	ctx->node = from ? (xmlNodePtr)(uintptr_t)from : (xmlNodePtr)doc;
	xmlXPathObjectPtr o = xmlXPathCompiledEval(x->compiled, ctx);
	int r = o ? take_object(o, ret) : ctx->lastError.code == XML_ERR_NO_MEMORY ? OX_ENOMEM : OX_EINVAL;
	xmlXPathFreeObject(o);
	xmlXPathFreeContext(ctx);
	return r;
}

void oxi_xpath_result_free(struct oxi_xpath_result *f)
{
	free(f->node);
	free(f->string);
	*f = (struct oxi_xpath_result){ 0 };
}
