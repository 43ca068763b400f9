/* SPDX-License-Identifier: MIT */
/*
 * The keys of an entry. Defaults are taken first, by the same table, and what the entry itself says then takes their place,
 * but for the environment, which is the union of both.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/array.h"
#include "cli/batch/jobfile_part.h"
#include "cli/options.h"

#define NAME_MAX_LEN 255

/* ---- values ---- */

static int count(const char *text, uint64_t max, unsigned *ret)
{
	uint64_t n;
	if (oxi_value_count(text, 0, max, &n) < 0)
		return OX_EINVAL;
	*ret = (unsigned)n;
	return 0;
}

/* A number from -max to max. */
static int whole(const char *text, unsigned max, int *ret)
{
	unsigned n;
	bool less = *text == '-';
	if (count(text + less, max, &n) < 0)
		return OX_EINVAL;
	*ret = less ? -(int)n : (int)n;
	return 0;
}

int oxi_need_parse(const char *name, const char *text, uint64_t *ret)
{
	size_t size;
	if (strcmp(name, "mem") == 0) {
		if (oxi_value_size(text, &size) < 0)
			return OX_EINVAL;
		*ret = size;
		return 0;
	}
	if (strcmp(name, "cpu") != 0)
		return oxi_value_count(text, 0, UINT32_MAX, ret);
	char digits[16] = "";
	size_t before = strcspn(text, "."), part = text[before] ? strlen(text + before + 1) : 0;
	if (before == 0 || before > 6 || part > 3 || (text[before] && part == 0))
		return OX_EINVAL;
	memcpy(digits, text, before);
	memcpy(digits + before, text + before + (part > 0), part);
	memset(digits + before + part, '0', 3 - part);
	return oxi_value_count(digits, 0, UINT32_MAX, ret);
}

bool oxi_entry_name_ok(const char *text, size_t len)
{
	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 127 || strchr("[]{}", text[i]))
			return false;
	}
	return true;
}

static int take_name(struct oxi_taker *t, const struct oxi_node *value, struct oxi_text *ret)
{
	int r = oxi_take_text(t, value, 0, ret);
	return r == 0 && !oxi_entry_name_ok(ret->data, ret->len) ? oxi_taker_refuse(t, value) : r;
}

/* A list of one. */
static int take_one(struct oxi_taker *t, const struct oxi_node *value, oxi_take_fn *take, struct oxi_text **ret, size_t *ret_n)
{
	struct oxi_text *one = oxi_arena_take(t->memory, sizeof(*one));
	int r = one ? take(t, value, 0, one) : OX_ENOMEM;
	if (r < 0)
		return r;
	*ret = one;
	*ret_n = 1;
	return 0;
}

/* One text, or a list of them. */
static int take_some(struct oxi_taker *t, const struct oxi_node *value, oxi_take_fn *take, struct oxi_text **ret, size_t *ret_n)
{
	return value->kind == OXI_NODE_LIST ? oxi_take_list(t, value, take, ret, ret_n) : take_one(t, value, take, ret, ret_n);
}

/* ---- what it does ---- */

static int take_id(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return take_name(t, value, &e->name);
}

static int take_run(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	e->kind = OXI_RUN;
	int r = oxi_take_list(t, value, oxi_take_word, &e->word, &e->words);
	return r == 0 && (e->words == 0 || e->word[0].len == 0) ? oxi_taker_refuse(t, value->n ? value->first : value) : r;
}

static int take_sh(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	e->kind = OXI_SHELL;
	int r = take_one(t, value, oxi_take_word, &e->word, &e->words);
	return r == 0 && e->word[0].len == 0 ? oxi_taker_refuse(t, value) : r;
}

static int take_plugin(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return oxi_take_text(t, value, 0, &e->word[0]);
}

static int take_fn(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return oxi_take_text(t, value, 0, &e->word[1]);
}

static int take_arg(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	e->words = 3;
	return oxi_take_word(t, value, 0, &e->word[2]);
}

static int take_call(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	static const struct oxi_member rows[] = {
		{ "plugin", take_plugin, "a path", OXI_M_NEEDED },
		{ "fn", take_fn, "the name of a function", OXI_M_NEEDED },
		{ "arg", take_arg, "text", 0 },
	};
	static const struct oxi_members call = { "a call", rows, 3 };
	struct oxi_entry *e = to;
	e->kind = OXI_CALL;
	e->words = 2;
	e->word = oxi_arena_take(t->memory, 3 * sizeof(*e->word));
	return e->word ? oxi_take_map(t, &call, 0, value, e) : OX_ENOMEM;
}

static int take_url(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return oxi_take_text(t, value, 0, e->word);
}

static int take_max(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	int r = oxi_value_size(oxi_node_word(value), &e->fetch_max);
	return r == 0 && e->fetch_max == 0 ? oxi_taker_refuse(t, value) : r;
}

static int take_fetch(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	static const struct oxi_member rows[] = {
		{ "url", take_url, "a URL", OXI_M_NEEDED },
		{ "max", take_max, "a size above 0, 8MiB", 0 },
	};
	static const struct oxi_members fetch = { "a fetch", rows, 2 };
	struct oxi_entry *e = to;
	e->kind = OXI_FETCH;
	e->words = 1;
	e->word = oxi_arena_take(t->memory, sizeof(*e->word));
	return e->word ? oxi_take_map(t, &fetch, 0, value, e) : OX_ENOMEM;
}

/* ---- how often ---- */

static int take_values(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_axis *a = to;
	a->kind = OXI_AXIS_VALUES;
	return oxi_take_list(t, value, oxi_take_word, &a->value, &a->n);
}

static int take_source(struct oxi_taker *t, const struct oxi_node *value, struct oxi_axis *a, enum oxi_axis_kind kind)
{
	a->kind = kind;
	int r = take_one(t, value, oxi_take_text, &a->value, &a->n);
	if (r == 0 && t->f->reader.fd == 0 && strcmp(a->value->data, "-") == 0)
		return oxi_taker_fault(t, value->spot, "standard input is the job file itself");
	return r;
}

static int take_glob(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_axis *a = to;
	a->kind = OXI_AXIS_GLOB;
	return take_one(t, value, oxi_take_text, &a->value, &a->n);
}

static int take_lines(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	return take_source(t, value, to, OXI_AXIS_LINES);
}

static int take_csv(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	return take_source(t, value, to, OXI_AXIS_CSV);
}

static int take_jsonl(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	return take_source(t, value, to, OXI_AXIS_JSONL);
}

static int take_array(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_axis *a = to;
	struct oxi_array array;
	const char *bad;
	a->kind = OXI_AXIS_ARRAY;
	int r = oxi_array_parse(oxi_node_word(value), &array, &bad);
	if (r == OX_EINVAL && value->kind == OXI_NODE_TEXT && *bad)
		return oxi_taker_fault(t, value->spot, "array: '%.100s' is wrong at '%.100s' (like 1-100:2,200%%8)", value->text, bad);
	if (r < 0)
		return r;
	oxi_array_free(&array);
	return take_one(t, value, oxi_take_text, &a->value, &a->n);
}

static int take_axis(struct oxi_taker *t, const struct oxi_node *value, struct oxi_axis *a)
{
	static const struct oxi_member rows[] = {
		{ "values", take_values, "a list of values", OXI_M_ONE },
		{ "glob", take_glob, "a pattern of paths", OXI_M_ONE },
		{ "lines", take_lines, "a path", OXI_M_ONE },
		{ "csv", take_csv, "a path", OXI_M_ONE },
		{ "jsonl", take_jsonl, "a path", OXI_M_ONE },
		{ "array", take_array, "ranges of numbers, 1-100:2,200", OXI_M_ONE },
	};
	static const struct oxi_members axis = { "a set of values", rows, 6 };
	return value->kind == OXI_NODE_LIST ? take_values(t, value, a) : oxi_take_map(t, &axis, 0, value, a);
}

static int take_each(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	e->axes = 1;
	e->axis = oxi_arena_take(t->memory, sizeof(*e->axis));
	return e->axis ? take_axis(t, value, e->axis) : OX_ENOMEM;
}

static int take_matrix(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	if (value->kind != OXI_NODE_MAP || value->n == 0)
		return oxi_taker_refuse(t, value);
	e->axis = oxi_arena_take(t->memory, value->n * sizeof(*e->axis));
	if (!e->axis)
		return OX_ENOMEM;
	for (const struct oxi_node *key = value->first; key; key = key->next->next) {
		struct oxi_axis *a = &e->axis[e->axes++];
		int r = take_name(t, key, &a->name);
		if (r == 0)
			r = take_axis(t, key->next, a);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_foreach(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return take_name(t, value, &e->foreach);
}

/* ---- when ---- */

static int take_condition(struct oxi_taker *t, const struct oxi_node *value, enum oxi_condition *ret)
{
	static const char *const names[] = { "ok", "any", "fail" };
	for (int i = 0; i < 3; i++) {
		if (strcmp(oxi_node_word(value), names[i]) == 0) {
			*ret = (enum oxi_condition)i;
			return 0;
		}
	}
	return oxi_taker_refuse(t, value);
}

static int take_after(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	bool map = value->kind == OXI_NODE_MAP, some = map || value->kind == OXI_NODE_LIST;
	const struct oxi_node *name = some ? value->first : value;
	e->after = oxi_arena_take(t->memory, (some ? value->n + (value->n == 0) : 1) * sizeof(*e->after));
	if (!e->after)
		return OX_ENOMEM;
	for (e->afters = 0; name; name = some ? name->next : NULL) {
		struct oxi_after *a = &e->after[e->afters++];
		int r = take_name(t, name, &a->name);
		if (r == 0 && map) {
			name = name->next;
			r = take_condition(t, name, &a->when);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_in(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return take_some(t, value, oxi_take_text, &e->in, &e->ins);
}

static int take_out(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return take_some(t, value, oxi_take_text, &e->out, &e->outs);
}

static int take_need(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	if (value->kind != OXI_NODE_MAP)
		return oxi_taker_refuse(t, value);
	e->need = oxi_arena_take(t->memory, (value->n + (value->n == 0)) * sizeof(*e->need));
	if (!e->need)
		return OX_ENOMEM;
	e->needs = 0;
	for (const struct oxi_node *key = value->first; key; key = key->next->next) {
		struct oxi_need *need = &e->need[e->needs++];
		int r = take_name(t, key, &need->name);
		if (r == 0 && oxi_need_parse(need->name.data, oxi_node_word(key->next), &need->amount) < 0)
			r = oxi_taker_refuse(t, key->next);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- how ---- */

static struct oxi_text *variable(struct oxi_entry *e, const struct oxi_node *name)
{
	size_t i = 0;
	while (i < e->envs && (strncmp(e->env[i].data, name->text, name->n) != 0 || e->env[i].data[name->n] != '='))
		i++;
	e->envs += i == e->envs;
	return &e->env[i];
}

static int take_env(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	if (value->kind != OXI_NODE_MAP)
		return oxi_taker_refuse(t, value);
	struct oxi_text *env = oxi_arena_take(t->memory, (e->envs + value->n + 1) * sizeof(*env));
	if (!env)
		return OX_ENOMEM;
	if (e->envs)
		memcpy(env, e->env, e->envs * sizeof(*env));
	e->env = env;
	for (const struct oxi_node *key = value->first; key; key = key->next->next) {
		struct oxi_text text;
		if (key->n == 0 || memchr(key->text, '=', key->n))
			return oxi_taker_refuse(t, key);
		int r = oxi_take_word(t, key->next, key->n + 1, &text);
		if (r < 0)
			return r;
		memcpy(text.data, key->text, key->n);
		text.data[key->n] = '=';
		*variable(e, key) = text;
	}
	return 0;
}

static int take_cwd(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	return oxi_take_text(t, value, 0, &e->cwd);
}

static int take_stdin(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	struct oxi_text text;
	int r = oxi_take_text(t, value, 0, &text);
	if (r < 0)
		return r;
	bool none = strcmp(text.data, "none") == 0, is_text = text.data[0] == '=';
	e->input_kind = none ? OXI_STDIN_NULL : is_text ? OXI_STDIN_TEXT : OXI_STDIN_FILE;
	e->input = none ? (struct oxi_text){ 0 } : (struct oxi_text){ text.data + is_text, text.len - is_text, text.spot };
	return 0;
}

static int take_retries(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	(void)t;
	e->retry_given = true;
	return count(oxi_node_word(value), UINT32_MAX, &e->retry.tries);
}

static int take_backoff(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	(void)t;
	e->retry_given = true;
	return oxi_backoff_parse(oxi_node_word(value), &e->retry.backoff);
}

static int take_retry_on(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	e->retry_given = true;
	return *oxi_node_word(value) ? oxi_retry_on_parse(value->text, &e->retry.on) : oxi_taker_refuse(t, value);
}

static int take_timeout(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	(void)t;
	e->timeout_given = true;
	return oxi_time_limit_parse(oxi_node_word(value), &e->timeout);
}

static int take_priority(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	(void)t;
	return whole(oxi_node_word(value), INT32_MAX, &e->priority);
}

static int take_nice(struct oxi_taker *t, const struct oxi_node *value, void *to)
{
	struct oxi_entry *e = to;
	(void)t;
	return whole(oxi_node_word(value), 39, &e->nice);
}

/* ---- the table ---- */

#define NAME_FORM "a name: 1 to 255 bytes without control characters and []{}"
#define ENTRY_FORM "the name of an entry"

static const struct oxi_member ROWS[] = {
	{ "id", take_id, NAME_FORM, OXI_M_OWN | OXI_M_LINE },
	{ "run", take_run, "a list of words, [cp, a, b] (text for a shell is sh)", OXI_M_OWN | OXI_M_ONE },
	{ "sh", take_sh, "text for a shell (a list of words is run)", OXI_M_OWN | OXI_M_ONE },
	{ "call", take_call, "a map, {plugin: ./words.so, fn: count}", OXI_M_OWN | OXI_M_ONE },
	{ "fetch", take_fetch, "a map, {url: \"https://...\"}", OXI_M_OWN | OXI_M_ONE },
	{ "each", take_each, "a list of values, or a map like {glob: \"*.png\"}", OXI_M_OWN | OXI_M_CHOICE },
	{ "matrix", take_matrix, "a map of names to values, {size: [64, 128], img: {glob: \"*.png\"}}", OXI_M_OWN | OXI_M_CHOICE },
	{ "foreach", take_foreach, ENTRY_FORM, OXI_M_OWN | OXI_M_CHOICE },
	{ "after", take_after, ENTRY_FORM ", a list of names, or a map of them to ok, any or fail", OXI_M_OWN },
	{ "in", take_in, "a path or a list of paths", OXI_M_OWN },
	{ "out", take_out, "a path or a list of paths", OXI_M_OWN },
	{ "need", take_need, "a map of amounts, {cpu: 2, mem: 1G, gpu: 1}", 0 },
	{ "env", take_env, "a map of variables, {NAME: value}", OXI_M_PROCESS },
	{ "cwd", take_cwd, "a path", OXI_M_PROCESS },
	{ "stdin", take_stdin, "none, a path, or =TEXT", OXI_M_PROCESS },
	{ "retries", take_retries, "a number of tries, from 0", 0 },
	{ "backoff", take_backoff, "a time or two, 1s..60s", 0 },
	{ "retry-on", take_retry_on, "a list as in 'exit:1,75 signal timeout'", 0 },
	{ "timeout", take_timeout, "a time, 30s, or a share of the median, 200%", 0 },
	{ "priority", take_priority, "a whole number", 0 },
	{ "nice", take_nice, "a number from -39 to 39", OXI_M_PROCESS },
};
#define ROWS_LEN (sizeof(ROWS) / sizeof(ROWS[0]))

static const struct oxi_members ENTRY = { "an entry", ROWS, ROWS_LEN };
static const struct oxi_members DEFAULTS = { "defaults", ROWS, ROWS_LEN };

/* What concerns processes is nothing that an entry without one may ask for. */
static int check_process(struct oxi_taker *t, const struct oxi_node *map, const struct oxi_entry *e)
{
	for (const struct oxi_node *key = map->first; key; key = key->next->next) {
		for (size_t i = 0; i < ROWS_LEN; i++) {
			if ((ROWS[i].is & OXI_M_PROCESS) && oxi_node_is(key, ROWS[i].name, strlen(ROWS[i].name)))
				return oxi_taker_fault(t, key->spot, "'%s' is for run and sh, and a %s has no process of its own", ROWS[i].name,
				                       e->kind == OXI_CALL ? "call" : "fetch");
		}
	}
	return 0;
}

int oxi_take_entry(struct oxi_taker *t, const struct oxi_node *map, bool own, struct oxi_entry *e)
{
	unsigned without = (own ? 0 : OXI_M_OWN) | (t->f->format == OXI_JOBFILE_YAML ? OXI_M_LINE : 0);
	int r = oxi_take_map(t, own ? &ENTRY : &DEFAULTS, without, map, e);
	return r == 0 && own && (e->kind == OXI_CALL || e->kind == OXI_FETCH) ? check_process(t, map, e) : r;
}
