/* SPDX-License-Identifier: MIT */
/*
 * The language is what a condition on columns needs and no more:
 *
 *	or     := and { "||" and }                 and   := not { "&&" not }           not := "!" not | compare
 *	compare:= sum [ (== != < <= > >= eq ne lt le gt ge) sum ]  |  sum (=~ !~) /regexp/flags
 *	sum    := product { (+ -) product }        product := sign { (* / %) sign }    sign := "-" sign | atom
 *	atom   := 12.5 | 'text' | "text" | {place} | ( or )
 *
 * == and its kin compare as numbers if both sides are numbers, else as bytes; eq and its kin compare as bytes.
 * Empty text and 0 are false. To compute with what is no number is an error of the input, not 0.
 *
 * It is compiled to a tree in one array, where a node's left side is an index. Text of places is made in one buffer that
 * is reused, and a value holds its offset there, for the buffer moves.
 */
#include "cli/batch/filter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 50                    /* of parentheses */
#define NODES_MAX 200                   /* a chain of operators is as deep as it is long, and a coroutine's stack is small */

enum op {
	OP_NUMBER, OP_TEXT, OP_PLACE, OP_OR, OP_AND, OP_NOT, OP_MINUS, OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD,
	OP_EQ, OP_NE, OP_LE, OP_LT, OP_GE, OP_GT, OP_TEXT_EQ, OP_TEXT_NE, OP_TEXT_LE, OP_TEXT_LT, OP_TEXT_GE, OP_TEXT_GT,
	OP_MATCH, OP_NO_MATCH,
};

struct node {
	enum op op;
	size_t left, right;
	double number;
	ox_bytes text;
	struct oxi_place place;
	struct oxi_regex *regex;
};

struct oxi_filter {
	const char *text, *p;
	struct node *node;
	size_t n, root;
	unsigned depth;
	struct oxi_names *names;
	struct oxi_buffer *why;
	struct oxi_buffer scratch;
};

/* ---- compiling ---- */

static int compile_or(struct oxi_filter *f, size_t *ret);

static int wrong(struct oxi_filter *f, const char *what)
{
	oxi_buffer_add_format(f->why, "--filter: at character %zu: %s", (size_t)(f->p - f->text) + 1, what);
	return OX_EINVAL;
}

static int add_node(struct oxi_filter *f, struct node node, size_t *ret)
{
	if (!f->node)
		f->node = calloc(NODES_MAX, sizeof(*f->node));
	if (!f->node || f->n == NODES_MAX) {
		oxi_place_free(&node.place);
		oxi_regex_free(node.regex);
		return f->node ? wrong(f, "too long an expression") : OX_ENOMEM;
	}
	*ret = f->n;
	f->node[f->n++] = node;
	return 0;
}

static void skip_blanks(struct oxi_filter *f)
{
	f->p += strspn(f->p, " \t\n");
}

struct operator {
	const char *text;
	enum op op;
};

/* Takes one of the operators, which end with one without text. */
static bool take(struct oxi_filter *f, const struct operator *ops, enum op *ret)
{
	skip_blanks(f);
	for (; ops->text; ops++) {
		size_t len = strlen(ops->text);
		if (strncmp(f->p, ops->text, len) == 0) {
			f->p += len;
			*ret = ops->op;
			return true;
		}
	}
	return false;
}

static int compile_text(struct oxi_filter *f, size_t *ret)
{
	const char *end = strchr(f->p + 1, *f->p);
	if (!end)
		return wrong(f, "this quote is never closed");
	struct node node = { .op = OP_TEXT, .text = { f->p + 1, (size_t)(end - f->p) - 1 } };
	f->p = end + 1;
	return add_node(f, node, ret);
}

static int compile_place(struct oxi_filter *f, size_t *ret)
{
	struct node node = { .op = OP_PLACE };
	struct oxi_buffer what = { 0 };
	ssize_t len = oxi_place_read(f->p, false, f->names, &node.place, &what);
	if (len < 0 && what.len) {
		wrong(f, "");
		oxi_buffer_add(f->why, what.data, what.len);
	}
	oxi_buffer_free(&what);
	if (len < 0)
		return (int)len;
	if (len == 0)
		return wrong(f, "this is no placeholder");
	if (node.place.kind != OXI_VALUE && node.place.kind != OXI_FIELD) {
		oxi_place_free(&node.place);
		return wrong(f, "a job has no number before it is known whether there is one");
	}
	f->p += len;
	return add_node(f, node, ret);
}

static int compile_atom(struct oxi_filter *f, size_t *ret)
{
	skip_blanks(f);
	if (*f->p == '(') {
		f->p++;
		int r = compile_or(f, ret);
		skip_blanks(f);
		if (r == 0 && *f->p != ')')
			return wrong(f, "a closing parenthesis is missing");
		f->p += r == 0;
		return r;
	}
	if (*f->p == '\'' || *f->p == '"')
		return compile_text(f, ret);
	if (*f->p == '{')
		return compile_place(f, ret);
	size_t len = strspn(f->p, "0123456789.");
	char *end;
	struct node node = { .op = OP_NUMBER, .number = len ? strtod(f->p, &end) : 0 };
	if (!len || end == f->p)
		return wrong(f, *f->p ? "here a number, a 'text', a {placeholder} or a parenthesis is due" : "something is missing at the end");
	f->p = end;
	return add_node(f, node, ret);
}

static int compile_sign(struct oxi_filter *f, size_t *ret)
{
	skip_blanks(f);
	if (*f->p != '-')
		return compile_atom(f, ret);
	if (++f->depth > DEPTH_MAX)
		return wrong(f, "nested too deep");
	f->p++;
	struct node node = { .op = OP_MINUS };
	int r = compile_sign(f, &node.left);
	f->depth--;
	return r < 0 ? r : add_node(f, node, ret);
}

static int compile_chain(struct oxi_filter *f, const struct operator *ops, int (*side)(struct oxi_filter *f, size_t *ret),
                         size_t *ret)
{
	int r = side(f, ret);
	struct node node = { 0 };
	while (r == 0 && take(f, ops, &node.op)) {
		node.left = *ret;
		r = side(f, &node.right);
		if (r == 0)
			r = add_node(f, node, ret);
	}
	return r;
}

static int compile_product(struct oxi_filter *f, size_t *ret)
{
	static const struct operator ops[] = { { "*", OP_MUL }, { "/", OP_DIV }, { "%", OP_MOD }, { 0 } };
	return compile_chain(f, ops, compile_sign, ret);
}

static int compile_sum(struct oxi_filter *f, size_t *ret)
{
	static const struct operator ops[] = { { "+", OP_ADD }, { "-", OP_SUB }, { 0 } };
	return compile_chain(f, ops, compile_product, ret);
}

/* "/regexp/flags" */
static int compile_regex(struct oxi_filter *f, struct node node, size_t *ret)
{
	skip_blanks(f);
	const char *p = f->p, *end = p + 1;
	while (*p == '/' && *end && *end != '/')
		end += *end == '\\' && end[1] ? 2 : 1;
	if (*p != '/' || *end != '/')
		return wrong(f, "here a /regular expression/ is due");
	size_t flags = strspn(end + 1, "abcdefghijklmnopqrstuvwxyz");
	struct oxi_buffer what = { 0 };
	int r = oxi_regex_new((ox_bytes){ p + 1, (size_t)(end - p) - 1 }, (ox_bytes){ end + 1, flags }, &node.regex, &what);
	if (what.len) {
		wrong(f, "");
		oxi_buffer_add(f->why, what.data, what.len);
	}
	oxi_buffer_free(&what);
	f->p = end + 1 + flags;
	return r < 0 ? r : add_node(f, node, ret);
}

static int compile_compare(struct oxi_filter *f, size_t *ret)
{
	static const struct operator ops[] = {
		{ "==", OP_EQ }, { "!=", OP_NE }, { "<=", OP_LE }, { "<", OP_LT }, { ">=", OP_GE }, { ">", OP_GT },
		{ "eq", OP_TEXT_EQ }, { "ne", OP_TEXT_NE }, { "le", OP_TEXT_LE }, { "lt", OP_TEXT_LT },
		{ "ge", OP_TEXT_GE }, { "gt", OP_TEXT_GT }, { "=~", OP_MATCH }, { "!~", OP_NO_MATCH }, { 0 },
	};
	struct node node = { 0 };
	int r = compile_sum(f, ret);
	if (r < 0 || !take(f, ops, &node.op))
		return r;
	node.left = *ret;
	if (node.op == OP_MATCH || node.op == OP_NO_MATCH)
		return compile_regex(f, node, ret);
	r = compile_sum(f, &node.right);
	return r < 0 ? r : add_node(f, node, ret);
}

static int compile_not(struct oxi_filter *f, size_t *ret)
{
	skip_blanks(f);
	if (*f->p != '!')
		return compile_compare(f, ret);
	if (++f->depth > DEPTH_MAX)
		return wrong(f, "nested too deep");
	f->p++;
	struct node node = { .op = OP_NOT };
	int r = compile_not(f, &node.left);
	f->depth--;
	return r < 0 ? r : add_node(f, node, ret);
}

static int compile_and(struct oxi_filter *f, size_t *ret)
{
	static const struct operator ops[] = { { "&&", OP_AND }, { 0 } };
	return compile_chain(f, ops, compile_not, ret);
}

static int compile_or(struct oxi_filter *f, size_t *ret)
{
	static const struct operator ops[] = { { "||", OP_OR }, { 0 } };
	if (++f->depth > DEPTH_MAX)
		return wrong(f, "nested too deep");
	int r = compile_chain(f, ops, compile_and, ret);
	f->depth--;
	return r;
}

int oxi_filter_new(const char *text, struct oxi_names *names, struct oxi_filter **ret, struct oxi_buffer *why)
{
	struct oxi_filter *f = calloc(1, sizeof(*f));
	if (!f)
		return OX_ENOMEM;
	f->text = f->p = text;
	f->names = names;
	f->why = why;
	int r = compile_or(f, &f->root);
	skip_blanks(f);
	if (r == 0 && *f->p)
		r = wrong(f, "here the expression should end, or an operator stand");
	if (r < 0)
		oxi_filter_free(f);
	else
		*ret = f;
	return r;
}

void oxi_filter_free(struct oxi_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		oxi_place_free(&f->node[i].place);
		oxi_regex_free(f->node[i].regex);
	}
	free(f->node);
	oxi_buffer_free(&f->scratch);
	free(f);
}

/* ---- computing ---- */

struct value {
	bool is_number;
	double number;
	size_t at, len;                 /* of text, in scratch */
};

static int compute(struct oxi_filter *f, size_t i, const struct oxi_values *v, struct value *ret);

static bool read_number(const char *p, size_t len, double *ret)
{
	char text[64], *end;
	if (len == 0 || len >= sizeof(text) || memchr(p, '\0', len))
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	if (strspn(text, "0123456789.+-eE") < len)
		return false;
	*ret = strtod(text, &end);
	return *end == '\0' && isfinite(*ret);
}

static const char *text_of(const struct oxi_filter *f, const struct value *v)
{
	return f->scratch.data ? f->scratch.data + v->at : "";
}

static bool as_number(const struct oxi_filter *f, const struct value *v, double *ret)
{
	if (!v->is_number)
		return read_number(text_of(f, v), v->len, ret);
	*ret = v->number;
	return true;
}

/* A number that is to be compared as text. */
static void as_text(struct oxi_filter *f, struct value *v)
{
	if (!v->is_number)
		return;
	size_t at = f->scratch.len;
	oxi_buffer_add_format(&f->scratch, "%.15g", v->number);
	*v = (struct value){ .at = at, .len = f->scratch.len - at };
}

static bool truth(const struct oxi_filter *f, const struct value *v)
{
	double n;
	return as_number(f, v, &n) ? n != 0 : v->len > 0;
}

static int compute_text(struct oxi_filter *f, const struct node *node, const struct oxi_values *v, struct value *ret)
{
	size_t at = f->scratch.len, values = v->n - v->fields;
	int r = 0;
	if (node->op == OP_TEXT)
		oxi_buffer_add(&f->scratch, node->text.data, node->text.len);
	else {
		size_t times = oxi_place_all(&node->place) ? values : 1;
		for (size_t k = 0; k < times && r == 0; k++) {
			if (k)
				oxi_buffer_add_char(&f->scratch, ' ');
			r = oxi_place_add(&node->place, v, k, &f->scratch);
		}
	}
	*ret = (struct value){ .at = at, .len = f->scratch.len - at };
	if (r < 0) {
		oxi_buffer_add_text(f->why, "--filter: a regular expression costs too much for this value");
		return OX_EINVAL;
	}
	return f->scratch.failed ? OX_ENOMEM : 0;
}

static int compute_number(struct oxi_filter *f, const struct node *node, const struct oxi_values *v, struct value *ret)
{
	struct value side[2] = { 0 };
	double n[2] = { 0 };
	for (size_t i = 0; i < (node->op == OP_MINUS ? 1 : 2); i++) {
		int r = compute(f, i ? node->right : node->left, v, &side[i]);
		if (r < 0)
			return r;
		if (!as_number(f, &side[i], &n[i])) {
			int len = side[i].len < 100 ? (int)side[i].len : 100;
			oxi_buffer_add_format(f->why, "--filter: '%.*s' is no number", len, text_of(f, &side[i]));
			return OX_EINVAL;
		}
	}
	if ((node->op == OP_DIV || node->op == OP_MOD) && n[1] == 0) {
		oxi_buffer_add_text(f->why, "--filter: division by zero");
		return OX_EINVAL;
	}
	double d = node->op == OP_MINUS ? -n[0] : node->op == OP_ADD ? n[0] + n[1] : node->op == OP_SUB ? n[0] - n[1] :
	           node->op == OP_MUL ? n[0] * n[1] : node->op == OP_DIV ? n[0] / n[1] : fmod(n[0], n[1]);
	*ret = (struct value){ .is_number = true, .number = d };
	return 0;
}

static int compare(struct oxi_filter *f, struct value *a, struct value *b, bool text)
{
	double x, y;
	if (!text && as_number(f, a, &x) && as_number(f, b, &y))
		return x < y ? -1 : x > y;
	as_text(f, a);
	as_text(f, b);
	int c = memcmp(text_of(f, a), text_of(f, b), a->len < b->len ? a->len : b->len);
	return c ? c : a->len < b->len ? -1 : a->len > b->len;
}

static int compute_compare(struct oxi_filter *f, const struct node *node, const struct oxi_values *v, struct value *ret)
{
	struct value a, b;
	int r = compute(f, node->left, v, &a);
	if (r == 0)
		r = compute(f, node->right, v, &b);
	if (r < 0)
		return r;
	bool text = node->op >= OP_TEXT_EQ;
	int c = compare(f, &a, &b, text);
	static const bool holds[6][3] = {               /* less, equal, more */
		{ false, true, false }, { true, false, true }, { true, true, false }, { true, false, false },
		{ false, true, true }, { false, false, true },
	};
	*ret = (struct value){ .is_number = true, .number = holds[node->op - (text ? OP_TEXT_EQ : OP_EQ)][1 + (c > 0) - (c < 0)] };
	return f->scratch.failed ? OX_ENOMEM : 0;
}

static int compute_match(struct oxi_filter *f, const struct node *node, const struct oxi_values *v, struct value *ret)
{
	struct value a;
	ox_bytes match;
	int r = compute(f, node->left, v, &a);
	if (r < 0)
		return r;
	as_text(f, &a);
	r = oxi_regex_find(node->regex, (ox_bytes){ text_of(f, &a), a.len }, 0, &match);
	if (r < 0) {
		oxi_buffer_add_text(f->why, "--filter: a regular expression costs too much for this value");
		return OX_EINVAL;
	}
	*ret = (struct value){ .is_number = true, .number = (r > 0) == (node->op == OP_MATCH) };
	return 0;
}

static int compute_logic(struct oxi_filter *f, const struct node *node, const struct oxi_values *v, struct value *ret)
{
	struct value a;
	int r = compute(f, node->left, v, &a);
	if (r < 0)
		return r;
	bool result = truth(f, &a);
	if (node->op == OP_NOT)
		result = !result;
	else if (result == (node->op == OP_AND)) {
		r = compute(f, node->right, v, &a);
		result = r == 0 && truth(f, &a);
	}
	*ret = (struct value){ .is_number = true, .number = result };
	return r;
}

static int compute(struct oxi_filter *f, size_t i, const struct oxi_values *v, struct value *ret)
{
	const struct node *node = &f->node[i];
	switch (node->op) {
	case OP_NUMBER:
		*ret = (struct value){ .is_number = true, .number = node->number };
		return 0;
	case OP_TEXT:
	case OP_PLACE:
		return compute_text(f, node, v, ret);
	case OP_OR:
	case OP_AND:
	case OP_NOT:
		return compute_logic(f, node, v, ret);
	case OP_MATCH:
	case OP_NO_MATCH:
		return compute_match(f, node, v, ret);
	default:
		return node->op <= OP_MOD ? compute_number(f, node, v, ret) : compute_compare(f, node, v, ret);
	}
}

int oxi_filter_passes(struct oxi_filter *f, const struct oxi_values *v, struct oxi_buffer *why)
{
	struct value result;
	f->why = why;
	f->scratch.len = 0;
	int r = compute(f, f->root, v, &result);
	return r < 0 ? r : truth(f, &result);
}
