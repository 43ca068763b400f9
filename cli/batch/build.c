/* SPDX-License-Identifier: MIT */
/*
 * An entry stays as it was read: templates and inputs borrow its text. It becomes a task in two steps, for entries may name
 * others that come later in the file: `add` makes the task, `link` finds whom it names, looks for circles, and makes the
 * templates. Rows that come from a file which an earlier job may make (the entry has `after`) are opened only when that job
 * is over; and the templates with them, for a header row says what their places may be called. So are those of tasks further
 * down the same row. Everything else that can be wrong is found before anything runs.
 */
#include "cli/batch/build.h"

#include <stdlib.h>
#include <string.h>

#include "cli/batch/gather.h"
#include "cli/batch/rows.h"
#include "cli/batch/settings.h"
#include "cli/mix.h"
#include "cli/options.h"

struct oxi_built {
	struct oxi_task task;           /* first: a task is found by its address */
	struct oxi_entry entry;
	struct oxi_build *build;
	const struct oxi_jobfile *file; /* that it stands in */
	struct oxi_names names;         /* without rows */
	struct oxi_rows *rows;          /* NULL: none, or not yet */
	char *body;                     /* the text of a call's argument when none was given; NULL */
	struct oxi_task *gathers;       /* whose list its jobs read; NULL: nobody's */
	bool linked, awaits;            /* awaits: a file that another one makes */
};

static struct oxi_built *built_of(const struct oxi_task *t)
{
	return (struct oxi_built *)t;
}

const struct oxi_entry *oxi_build_entry(const struct oxi_task *t)
{
	return &built_of(t)->entry;
}

/* ---- names ---- */

static size_t place_of(const struct oxi_build *b, const char *name, size_t len)
{
	uint64_t h = len;
	for (size_t i = 0; i < len; i++)
		h = oxi_mix(h + (unsigned char)name[i]);
	for (;; h++) {
		size_t i = h & (b->table - 1);
		const struct oxi_text *t = b->by_name[i] ? &b->built[b->by_name[i] - 1]->entry.name : NULL;
		if (!t || (t->len == len && memcmp(t->data, name, len) == 0))
			return i;
	}
}

static int grow_table(struct oxi_build *b)
{
	size_t size = b->table ? 2 * b->table : 64;
	uint32_t *old = b->by_name, *grown = calloc(size, sizeof(*grown));
	if (!grown)
		return OX_ENOMEM;
	size_t n = b->table;
	b->by_name = grown;
	b->table = size;
	for (size_t i = 0; i < n; i++) {
		if (old[i]) {
			const struct oxi_text *t = &b->built[old[i] - 1]->entry.name;
			b->by_name[place_of(b, t->data, t->len)] = old[i];
		}
	}
	free(old);
	return 0;
}

static int take_name(struct oxi_build *b, uint32_t number, struct oxi_buffer *why)
{
	const struct oxi_text *name = &b->built[number]->entry.name;
	if (!name->data)
		return 0;
	int r = 2 * (b->names + 1) > b->table ? grow_table(b) : 0;
	if (r < 0)
		return r;
	uint32_t *place = &b->by_name[place_of(b, name->data, name->len)];
	if (*place)
		return oxi_jobfile_fault(b->file, name->spot, why, "there is a job '%.100s' already, in line %u", name->data,
		                         b->built[*place - 1]->entry.name.spot.line);
	*place = number + 1;
	b->names++;
	return 0;
}

static int find(const struct oxi_build *b, const struct oxi_text *name, const char *what, struct oxi_task **ret,
                struct oxi_buffer *why)
{
	uint32_t found = b->table ? b->by_name[place_of(b, name->data, name->len)] : 0;
	if (found) {
		*ret = &b->built[found - 1]->task;
		return 0;
	}
	const char *near = NULL;
	size_t n = b->n < 1000 ? b->n : 0;
	const char **names = n ? calloc(n, sizeof(*names)) : NULL;
	for (size_t i = 0; names && i < n; i++)
		names[i] = b->built[i]->entry.name.data ? b->built[i]->entry.name.data : "";
	if (names)
		near = oxi_nearest(name->data, names, sizeof(*names), n);
	int r = oxi_jobfile_fault(b->file, name->spot, why, near ? "%s '%.100s': there is no such job; did you mean %.100s?" :
	                          b->file && oxi_jobfile_is_stream(b->file) ? "%s '%.100s': there is no such job above it" :
	                          "%s '%.100s': there is no such job", what, name->data, near);
	free(names);
	return r;
}

/* ---- the first step ---- */

static int take_job(struct oxi_build *b, struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_entry *e = &t->entry;
	struct oxi_buffer what = { 0 };
	if (e->kind != OXI_CALL)
		return 0;
	int r = oxi_plugins_find(b->plugins, e->word[0].data, e->word[1].data, b->plugins_closed, &t->task.job, &what);
	if (r == OX_EINVAL)
		oxi_jobfile_fault(b->file, e->word[memmem(what.data, what.len, "has no job", 10) ? 1 : 0].spot, why, "%.*s",
		                  (int)what.len, what.data);
	oxi_buffer_free(&what);
	return r;
}

static int take_limits(struct oxi_build *b, struct oxi_built *t)
{
	oxi_entry_take_retry(&t->entry, &b->o->retry);
	t->task.retry = &t->entry.retry;
	return oxi_task_limit(&t->task, t->entry.timeout_given ? &t->entry.timeout : &b->o->timeout);
}

static int keep(struct oxi_build *b, struct oxi_built *t)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 16;
		struct oxi_built **grown = realloc(b->built, cap * sizeof(struct oxi_built *));
		if (!grown)
			return OX_ENOMEM;
		b->built = grown;
		b->cap = cap;
	}
	int r = oxi_plan_add(b->plan, &t->task);
	if (r == 0)
		b->built[b->n++] = t;
	return r;
}

/* What an entry needs, or the command line says for all. Most need nothing but their turn. */
static int take_needs(struct oxi_build *b, struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_entry *e = &t->entry;
	struct oxi_resources *all = &b->plan->resources;
	struct oxi_buffer what = { 0 };
	int r = e->needs || b->o->need ? 0 : 1;
	if (r == 0 && all->n == 0)
		r = oxi_settings_resources(b->o, all, &what);
	if (r == 0 && e->needs == 0)
		r = oxi_needs_add_text(&t->task.needs, all, b->o->need, &what);
	for (size_t i = 0; i < e->needs && r == 0; i++)
		r = oxi_needs_add(&t->task.needs, all, e->need[i].name.data, e->need[i].amount, &what);
	if (r == OX_EINVAL)
		oxi_jobfile_fault(b->file, e->needs ? e->need[0].name.spot : e->spot, why, "need: %.*s", (int)what.len, what.data);
	oxi_buffer_free(&what);
	t->task.threads = oxi_needs_threads(&t->task.needs, b->o->jobs);
	return r < 0 ? r : 0;
}

/* ---- files ---- */

/* A file that an entry declares, if its path is known here: it has no places, nor has the folder that it is seen from. */
static bool file_key(const struct oxi_build *b, const struct oxi_entry *e, const struct oxi_text *path, struct oxi_identity *ret)
{
	const char *cwd = e->cwd.data ? e->cwd.data : b->o->cwd ? b->o->cwd : "";
	if (*path->data == '/')
		cwd = "";
	if (strchr(path->data, '{') || strchr(cwd, '{'))
		return false;
	*ret = oxi_identity_of(NULL, (const ox_bytes[]){ { cwd, strlen(cwd) }, { path->data, path->len } }, 2);
	return true;
}

static int take_files(struct oxi_build *b, struct oxi_built *t)
{
	const struct oxi_entry *e = &t->entry;
	struct oxi_identity key;
	for (size_t i = 0; i < e->outs; i++) {
		if (file_key(b, e, &e->out[i], &key) && !oxi_keys_get(&b->makers, key.byte) &&
		    !oxi_keys_put(&b->makers, key.byte, t->task.number + 1))
			return OX_ENOMEM;
	}
	return 0;
}

/* Who reads what another entry makes comes after it, if nothing else is said of the two. */
static int await_files(struct oxi_build *b, struct oxi_built *t)
{
	const struct oxi_entry *e = &t->entry;
	struct oxi_identity key;
	int r = 0;
	for (size_t i = 0; i < e->ins && r == 0; i++) {
		uint64_t number = file_key(b, e, &e->in[i], &key) ? oxi_keys_get(&b->makers, key.byte) : 0;
		struct oxi_task *maker = number ? &b->built[number - 1]->task : NULL;
		if (!maker || maker == &t->task || maker == t->task.source)
			continue;
		if (maker->edges && maker->edge[maker->edges - 1].to == &t->task)
			continue;
		t->awaits = true;
		r = oxi_plan_after(maker, &t->task, OXI_AFTER_OK);
	}
	return r;
}

int oxi_build_add(struct oxi_build *b, struct oxi_entry *e, struct oxi_buffer *why)
{
	struct oxi_built *t = calloc(1, sizeof(*t));
	if (!t) {
		oxi_entry_free(e);
		return OX_ENOMEM;
	}
	t->entry = *e;
	t->build = b;
	t->file = b->file;
	t->task.name = e->name.data;
	t->task.kind = e->kind;
	t->task.priority = e->priority;
	t->task.nice = e->nice;
	t->task.max = e->fetch_max;
	t->task.input_kind = e->input_kind;
	t->task.names = &t->names;
	int r = take_limits(b, t);
	if (r == 0)
		r = keep(b, t);
	if (r < 0) {
		oxi_task_free(&t->task);
		oxi_entry_free(&t->entry);
		free(t);
		return r;
	}
	r = take_name(b, t->task.number, why);
	if (r == 0)
		r = take_files(b, t);
	if (r == 0)
		r = take_needs(b, t, why);
	return r < 0 ? r : take_job(b, t, why);
}

/* ---- templates ---- */

/* A list is there when the tasks before this one are over. */
static int make_input(struct oxi_built *t, struct oxi_buffer *why)
{
	return t->entry.input.data && !t->gathers ? oxi_task_extra(&t->task, OXI_INPUT, t->entry.input.data, why) : 0;
}

static int open_list(struct oxi_task *task, struct oxi_buffer *why)
{
	struct oxi_built *t = built_of(task);
	int r = oxi_gather_open(task, t->gathers);
	if (r < 0 && r != OX_ENOMEM)
		oxi_jobfile_fault(t->file, t->entry.input.spot, why, "stdin: no file can be made: %s", ox_strerror(r));
	return r;
}

static int make_extra(struct oxi_built *t, enum oxi_extra which, const struct oxi_text *text, const char *otherwise,
                      struct oxi_buffer *why)
{
	const char *word = text->data ? text->data : otherwise;
	return word ? oxi_task_extra(&t->task, which, word, why) : 0;
}

/* A template of n words of their own. */
static int make_words(const struct oxi_text *text, size_t n, struct oxi_names *names, struct oxi_template *ret,
                      struct oxi_buffer *why)
{
	char **words = calloc(n + 1, sizeof(*words));
	if (!words)
		return OX_ENOMEM;
	for (size_t i = 0; i < n; i++)
		words[i] = text[i].data;
	int r = oxi_template_words(ret, words, n, false, names, why);
	free(words);
	return r;
}

static int make_env(struct oxi_built *t, struct oxi_buffer *why)
{
	if (t->entry.envs == 0)
		return 0;
	t->task.envs = t->entry.envs;
	t->task.env = calloc(1, sizeof(*t->task.env));
	return t->task.env ? make_words(t->entry.env, t->entry.envs, t->task.names, t->task.env, why) : OX_ENOMEM;
}

static int make_files(struct oxi_built *t, enum oxi_files_kind kind, const struct oxi_text *text, size_t n,
                      struct oxi_buffer *why)
{
	if (n == 0)
		return 0;
	t->task.files[kind] = calloc(1, sizeof(*t->task.files[kind]));
	return t->task.files[kind] ? make_words(text, n, t->task.names, t->task.files[kind], why) : OX_ENOMEM;
}

/* What a call gets that does not say it: what its source has given, the values, or nothing. */
static int make_argument(struct oxi_built *t, struct oxi_buffer *why)
{
	struct oxi_buffer text = { 0 };
	if (t->entry.words > 2)
		return make_words(&t->entry.word[2], 1, t->task.names, &t->task.command, why);
	t->task.reads_file = t->task.source != NULL;
	if (t->task.source)
		oxi_buffer_add_format(&text, "{%s.body}", t->task.source->name);
	else
		oxi_buffer_add_text(&text, t->task.in ? "{}" : "");
	oxi_buffer_add_char(&text, '\0');
	t->body = text.data;
	return text.failed ? OX_ENOMEM : make_words(&(struct oxi_text){ .data = t->body }, 1, t->task.names, &t->task.command, why);
}

static int make_command(struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_entry *e = &t->entry;
	if (e->kind == OXI_SHELL)
		return oxi_template_shell(&t->task.command, e->word[0].data, t->task.names, why);
	return e->kind == OXI_CALL ? make_argument(t, why) : make_words(e->word, e->words, t->task.names, &t->task.command, why);
}

static int make_templates(struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_batch_options *o = t->build->o;
	const struct oxi_text none = { 0 };
	int r = make_command(t, why);
	if (r == 0)
		r = make_extra(t, OXI_CWD, &t->entry.cwd, o->cwd, why);
	if (r == 0)
		r = make_input(t, why);
	if (r == 0)
		r = make_extra(t, OXI_TAG, &none, o->tag, why);
	if (r == 0)
		r = make_extra(t, OXI_RESULTS, &none, o->dry_run ? NULL : o->results, why);
	if (r == 0)
		r = make_files(t, OXI_FILES_IN, t->entry.in, t->entry.ins, why);
	if (r == 0)
		r = make_files(t, OXI_FILES_OUT, t->entry.out, t->entry.outs, why);
	return r < 0 ? r : make_env(t, why);
}

/* Of a task whose jobs are made from another one's: its columns, and paths into the row. */
static int inherit_names(struct oxi_built *t)
{
	struct oxi_names *up = t->task.source->names;
	int r = 0;
	for (size_t i = 0; i < up->n && r == 0; i++)
		r = oxi_names_add(&t->names, up->name[i], strlen(up->name[i]));
	t->names.values = up->values;
	t->names.open = true;
	up->whole |= up->open;
	return r;
}

static bool has_member(const char *path)
{
	static const char *const members[] = { "status", "exit", "job", "body", "url", "value" };
	size_t len = strcspn(path, ".");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strlen(members[i]) == len && strncmp(path, members[i], len) == 0)
			return path[len] == '\0' || strcmp(members[i], "value") == 0;
	}
	return false;
}

/* Each path has to lead into what a task above has given; into a row of JSON it may lead anywhere. */
static int check_path(struct oxi_built *t, const char *path, struct oxi_buffer *why)
{
	bool json = false;
	for (struct oxi_task *up = t->task.source; up; up = up->source) {
		size_t len = strlen(up->name);
		json |= !up->source && up->names->open;
		if (strncmp(path, up->name, len) != 0 || path[len] != '.')
			continue;
		if (has_member(path + len + 1)) {
			up->body |= strcmp(path + len + 1, "body") == 0;
			return 0;
		}
		oxi_buffer_add_format(why, "{%.200s}: '%s' has status, exit, job, body, url and value", path, up->name);
		return OX_EINVAL;
	}
	if (json)
		return 0;
	oxi_buffer_add_format(why, "{%.200s} is not known: there are {%s.body} {%s.value} {%s.status} {%s.exit} {%s.url}", path,
	                      t->task.source->name, t->task.source->name, t->task.source->name, t->task.source->name,
	                      t->task.source->name);
	for (size_t i = 0; i < t->names.n && i < 12; i++)
		oxi_buffer_add_format(why, " {%.100s}", t->names.name[i]);
	return OX_EINVAL;
}

static int check_paths(struct oxi_built *t, struct oxi_buffer *why)
{
	int r = 0;
	for (size_t i = 0; i < t->names.paths && r == 0; i++)
		r = check_path(t, t->names.path[i], why);
	return r;
}

static int open_rows(struct oxi_built *t, struct oxi_buffer *why)
{
	t->rows = calloc(1, sizeof(*t->rows));
	if (!t->rows)
		return OX_ENOMEM;
	t->task.in = &t->rows->input;
	t->task.names = &t->rows->input.names;
	return oxi_rows_open(t->rows, &t->entry, t->build->o->jobs, why);
}

static struct oxi_identity add_texts(struct oxi_identity i, const struct oxi_text *text, size_t n)
{
	for (size_t k = 0; k < n; k++)
		i = oxi_identity_of(&i, &(ox_bytes){ text[k].data, text[k].len }, 1);
	return i;
}

/* Entries that say the same are told apart by their names. */
static void identify(struct oxi_built *t)
{
	const struct oxi_entry *e = &t->entry;
	const uint64_t kind = (uint64_t)e->kind;
	struct oxi_identity i = oxi_identity_of(NULL, &(ox_bytes){ &kind, sizeof(kind) }, 1);
	i = add_texts(i, &e->name, 1);
	i = add_texts(i, e->word, e->words);
	i = add_texts(i, &e->cwd, 1);
	i = add_texts(i, &e->input, 1);
	i = add_texts(i, e->env, e->envs);
	if (e->ins || e->outs)
		i = oxi_identity_of(&i, &(ox_bytes){ &e->ins, sizeof(e->ins) }, 1);
	i = add_texts(i, e->in, e->ins);
	t->task.identity = add_texts(i, e->out, e->outs);
}

static int make(struct oxi_built *t, struct oxi_buffer *why)
{
	identify(t);
	int r = t->entry.axes ? open_rows(t, why) : t->task.source ? inherit_names(t) : 0;
	if (r == 0 && t->task.sinks && t->task.names->open)
		t->task.names->whole = true;
	if (r == 0)
		r = make_templates(t, why);
	if (r == 0 && t->task.source)
		r = check_paths(t, why);
	return r == 0 && t->rows ? oxi_rows_begin(t->rows, &t->task, why) : r;
}

/* Makes what is left to make; faults are at the entry's place. */
static int make_at_place(struct oxi_task *task, struct oxi_buffer *why)
{
	struct oxi_built *t = built_of(task);
	struct oxi_buffer what = { 0 };
	int r = make(t, &what);
	if (r < 0 && r != OX_ENOMEM && r != OX_ECANCELED) {
		const struct oxi_entry *e = &t->entry;
		struct oxi_spot spot = e->words && e->word[0].spot.line ? e->word[0].spot : e->spot;
		oxi_jobfile_fault(t->file, spot, why, "%.*s", what.len ? (int)what.len : 20,
		                  what.len ? what.data : "it cannot be made   ");
	}
	oxi_buffer_free(&what);
	return r;
}

static int make_late(struct oxi_task *task, struct oxi_buffer *why)
{
	int r = make_at_place(task, why);
	return r == 0 && built_of(task)->gathers ? open_list(task, why) : r;
}

/* ---- the second step ---- */

/* A list is of a task that it comes after, so that it is whole. */
static int link_list(struct oxi_build *b, struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_text *input = &t->entry.input;
	ox_bytes name;
	enum oxi_gather what = input->data && t->entry.input_kind == OXI_STDIN_FILE ? oxi_gather_parse(input->data, &name) : OXI_GATHER_NOTHING;
	if (what == OXI_GATHER_NOTHING)
		return 0;
	if (what == OXI_GATHER_UNKNOWN)
		return oxi_jobfile_fault(b->file, input->spot, why, "stdin: %.200s: a list is {%.*s[*].value} or {%.*s[*].body}", input->data,
		                         (int)name.len, (const char *)name.data, (int)name.len, (const char *)name.data);
	for (size_t i = 0; i < t->entry.afters; i++) {
		const struct oxi_text *after = &t->entry.after[i].name;
		if (after->len != name.len || memcmp(after->data, name.data, name.len) != 0)
			continue;
		int r = find(b, after, "stdin", &t->gathers, why);
		if (r < 0)
			return r;
		t->gathers->gathered = what;
		t->gathers->body |= what == OXI_GATHER_BODIES;
		return 0;
	}
	return oxi_jobfile_fault(b->file, input->spot, why, "stdin: %.200s: the list is whole only when '%.*s' is over: add it to after",
	                         input->data, (int)name.len, (const char *)name.data);
}

static int link_one(struct oxi_build *b, struct oxi_built *t, struct oxi_buffer *why)
{
	const struct oxi_entry *e = &t->entry;
	b->file = t->file;
	struct oxi_task *other;
	int r = 0;
	for (size_t i = 0; i < e->afters && r == 0; i++) {
		r = find(b, &e->after[i].name, "after", &other, why);
		if (r == 0)
			r = oxi_plan_after(other, &t->task, e->after[i].when);
	}
	if (r == 0)
		r = link_list(b, t, why);
	if (r == 0 && e->foreach.data && oxi_jobfile_is_stream(b->file))
		r = oxi_jobfile_fault(b->file, e->foreach.spot, why, "foreach: jobs come as they are written here, and some of "
		                      "'%.100s' may be over; give them as a file", e->foreach.data);
	else if (r == 0 && e->foreach.data) {
		r = find(b, &e->foreach, "foreach", &other, why);
		if (r == 0)
			r = oxi_plan_source(other, &t->task);
	}
	return r < 0 ? r : await_files(b, t);
}

static int look_for_circle(struct oxi_build *b, struct oxi_buffer *why)
{
	struct oxi_task **circle;
	ssize_t n = oxi_plan_circle(b->plan, &circle);
	if (n <= 0)
		return (int)n;
	const struct oxi_entry *first = &built_of(circle[0])->entry;
	oxi_jobfile_error(built_of(circle[0])->file, first->name.spot.line ? first->name.spot : first->spot, why);
	oxi_buffer_add_text(why, "a circle, in which each waits for the one before it: ");
	for (ssize_t i = 0; i <= n && i < 20; i++) {
		const struct oxi_entry *e = &built_of(circle[i % n])->entry;
		oxi_buffer_add_format(why, "%s%.100s (line %u)", i ? " -> " : "", e->name.data, e->name.spot.line);
	}
	free(circle);
	return OX_EINVAL;
}

/* What it needs may not be there yet. */
static bool is_late(const struct oxi_built *t)
{
	const struct oxi_task *source = t->task.source;
	return (t->entry.axes && (t->entry.afters || t->awaits)) || (source && source->prepare);
}

/* The sources above come first: what their places are called goes down the row. */
static int prepare(struct oxi_built *t, struct oxi_buffer *why)
{
	int r = 0;
	if (t->linked)
		return 0;
	t->linked = true;
	if (t->task.source)
		r = prepare(built_of(t->task.source), why);
	if (r == 0 && is_late(t))
		t->task.prepare = make_late;
	else if (r == 0) {
		r = make_at_place(&t->task, why);
		t->task.prepare = t->gathers ? open_list : NULL;
	}
	return r;
}

int oxi_build_link(struct oxi_build *b, size_t from, struct oxi_buffer *why)
{
	int r = 0;
	for (size_t i = from; i < b->n && r == 0; i++)
		r = link_one(b, b->built[i], why);
	if (r == 0 && (from == 0 || b->n - from > 1))
		r = look_for_circle(b, why);
	for (size_t i = from; i < b->n && r == 0; i++)
		r = prepare(b->built[i], why);
	for (size_t i = from; i < b->n && r == 0; i++)
		r = oxi_plan_release(b->plan, &b->built[i]->task);
	return r;
}

void oxi_build_free(struct oxi_build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct oxi_built *t = b->built[i];
		if (t->rows)
			oxi_rows_close(t->rows);
		free(t->rows);
		free(t->body);
		oxi_names_free(&t->names);
		oxi_entry_free(&t->entry);
		free(t);
	}
	free(b->built);
	free(b->by_name);
	oxi_keys_free(&b->makers);
	*b = (struct oxi_build){ 0 };
}
