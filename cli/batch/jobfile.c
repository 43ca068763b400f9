/* SPDX-License-Identifier: MIT */
/*
 * The first line that is neither empty nor a comment says what a file is:
 *
 *	{                               lines of JSON
 *	jobs: (limits: defaults: oxbow:), --- or %YAML        YAML
 *	anything else                   a list of commands, each one for sh -c
 *
 * But a line that begins with a word and a colon, as YAML does, is no command that anybody has; it is refused, so that a
 * slip in the first key of a job file does not hand all its lines to a shell.
 *
 * YAML is read whole, because its aliases may repeat any part and its defaults may stand at the end. The others are read as
 * streams: an entry is given as soon as its line is there, and a pipe may be kept open for more. A first JSON object with
 * the key "oxbow" is the head, and has the limits and defaults.
 */
#include "cli/batch/jobfile.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/jobfile_part.h"
#include "cli/batch/source.h"
#include "cli/options.h"

#define YAML_MAX OX_MIB(512)

static const char *const KEYS[] = { "oxbow", "limits", "defaults", "jobs" };
#define KEYS_LEN (sizeof(KEYS) / sizeof(KEYS[0]))

void oxi_jobfile_error(const struct oxi_jobfile *f, struct oxi_spot spot, struct oxi_buffer *why)
{
	oxi_buffer_add_format(why, "%.400s:", f->name);
	if (spot.line)
		oxi_buffer_add_format(why, "%u:", spot.line);
	if (spot.line && spot.column)
		oxi_buffer_add_format(why, "%u:", spot.column);
	oxi_buffer_add_char(why, ' ');
}

/* ---- lines ---- */

static int read_more(struct oxi_jobfile *f, struct oxi_buffer *why)
{
	int r = oxi_reader_more(&f->reader);
	if (r == OX_ETOOBIG)
		oxi_jobfile_fault(f, (struct oxi_spot){ f->line, 0 }, why, "longer than %d MiB", (int)(OXI_LINE_MAX >> 20));
	else if (r < 0 && r != OX_ENOMEM && r != OX_ECANCELED)
		oxi_buffer_add_format(why, "%.400s: cannot be read: %s", f->name, ox_strerror(r));
	return r;
}

/* The line that begins `from` bytes behind what was taken last, without its newline, in *ret. Returns 1, 0 at the end, an error. */
static int peek_line(struct oxi_jobfile *f, size_t from, ox_bytes *ret, struct oxi_buffer *why)
{
	for (size_t searched = from;;) {
		const char *p = oxi_reader_data(&f->reader);
		size_t len = oxi_reader_len(&f->reader);
		const char *end = len > searched ? memchr(p + searched, '\n', len - searched) : NULL;
		if (!end && f->reader.eof && len <= from)
			return 0;
		if (end || f->reader.eof) {
			*ret = (ox_bytes){ p + from, (end ? (size_t)(end - p) : len) - from };
			return 1;
		}
		searched = len > from ? len : from;
		int r = read_more(f, why);
		if (r < 0)
			return r;
	}
}

/* Where in the line its text begins; its length: it is empty or a comment. */
static size_t text_at(ox_bytes line)
{
	const char *p = line.data;
	size_t i = 0;
	while (i < line.len && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r'))
		i++;
	return i < line.len && p[i] == '#' ? line.len : i;
}

/* The next line that says something, as peek_line; it begins at *ret_at, from 0. It is taken. */
static int next_line(struct oxi_jobfile *f, ox_bytes *ret, size_t *ret_at, struct oxi_buffer *why)
{
	for (;;) {
		int r = peek_line(f, 0, ret, why);
		if (r <= 0)
			return r;
		f->reader.from += ret->len;
		f->reader.from += oxi_reader_len(&f->reader) > 0;
		f->line++;
		*ret_at = text_at(*ret);
		if (*ret_at < ret->len)
			return 1;
	}
}

/* ---- entries ---- */

/* About what an entry of these nodes takes, so that it is one piece as a rule. */
static size_t size_of(const struct oxi_node *n)
{
	if (n->kind == OXI_NODE_NONE || n->kind == OXI_NODE_TEXT)
		return sizeof(struct oxi_text) + n->n + 1;
	size_t size = sizeof(uint64_t);
	for (const struct oxi_node *child = n->first; child; child = child->next)
		size += size_of(child);
	return size;
}

/* The same of an entry, whose keys it does not keep. */
static size_t size_of_entry(const struct oxi_node *map)
{
	size_t size = 0;
	for (const struct oxi_node *key = map->kind == OXI_NODE_MAP ? map->first : NULL; key; key = key->next->next)
		size += size_of(key->next);
	return size;
}

static int take(struct oxi_jobfile *f, const struct oxi_node *name, const struct oxi_node *value, struct oxi_entry *e,
                struct oxi_buffer *why)
{
	struct oxi_arena memory = { 0 };
	struct oxi_taker t = { .f = f, .memory = &memory, .why = why };
	size_t size = size_of_entry(value) + (name ? size_of(name) : 0) + (f->defaults ? size_of_entry(f->defaults) : 0);
	*e = (struct oxi_entry){ .spot = name ? name->spot : value->spot, .retry.tries = 1 };
	oxi_retry_on_all(&e->retry.on);
	int r = oxi_arena_reserve(&memory, size);
	if (r == 0 && name) {
		r = oxi_take_text(&t, name, 0, &e->name);
		if (r == OX_EINVAL || (r == 0 && !oxi_entry_name_ok(e->name.data, e->name.len)))
			r = oxi_jobfile_fault(f, name->spot, why, "'%.100s' is no name: 1 to 255 bytes without control characters and []{}",
			                      name->text);
	}
	if (r == 0 && f->defaults)
		r = oxi_take_entry(&t, f->defaults, false, e);
	if (r == 0)
		r = oxi_take_entry(&t, value, true, e);
	if (r == OX_EINVAL && t.bad)
		oxi_jobfile_fault(f, value->spot, why, "an entry is a map, {run: [cp, a, b]}");
	e->memory = memory.chunk;
	if (r < 0)
		oxi_entry_free(e);
	return r < 0 ? r : 1;
}

static int next_of_yaml(struct oxi_jobfile *f, struct oxi_entry *e, struct oxi_buffer *why)
{
	const struct oxi_node *name = f->job;
	if (!name) {
		f->defaults = NULL;
		oxi_arena_free(&f->tree);
		return 0;
	}
	f->job = name->next->next;
	return take(f, name, name->next, e, why);
}

static int next_of_json(struct oxi_jobfile *f, struct oxi_entry *e, struct oxi_buffer *why)
{
	ox_bytes line;
	size_t at;
	struct oxi_node *map;
	int r = next_line(f, &line, &at, why);
	if (r <= 0)
		return r;
	oxi_arena_clear(&f->tree);
	r = oxi_jobfile_json(f, line, f->line - 1, &f->tree, &map, why);
	return r < 0 ? r : take(f, NULL, map, e, why);
}

static int next_of_list(struct oxi_jobfile *f, struct oxi_entry *e, struct oxi_buffer *why)
{
	ox_bytes line;
	size_t at;
	struct oxi_arena memory = { 0 };
	int r = next_line(f, &line, &at, why);
	if (r <= 0)
		return r;
	struct oxi_spot spot = { f->line - 1, (uint32_t)at + 1 };
	const char *nul = memchr(line.data, '\0', line.len);
	if (nul) {
		spot.column = 1;
		for (const char *p = line.data; p < nul; p++)
			spot.column += (*p & 0xc0) != 0x80;
		return oxi_jobfile_fault(f, spot, why, "a NUL byte, which no command can hold");
	}
	if (line.len > OXI_ARG_MAX)
		return oxi_jobfile_fault(f, spot, why, "has %zu bytes, and the system passes at most %zu in an argument", line.len,
		                         OXI_ARG_MAX);
	*e = (struct oxi_entry){ .spot = spot, .kind = OXI_SHELL, .words = 1, .retry.tries = 1 };
	oxi_retry_on_all(&e->retry.on);
	r = oxi_arena_reserve(&memory, sizeof(*e->word) + line.len + 1);
	if (r < 0)
		return r;
	e->memory = memory.chunk;
	e->word = oxi_arena_take(&memory, sizeof(*e->word));
	*e->word = (struct oxi_text){ oxi_arena_text(&memory, line.len), line.len, spot };
	memcpy(e->word->data, line.data, line.len);
	return 1;
}

int oxi_jobfile_next(struct oxi_jobfile *f, struct oxi_entry *ret, struct oxi_buffer *why)
{
	return f->format == OXI_JOBFILE_YAML    ? next_of_yaml(f, ret, why)
	       : f->format == OXI_JOBFILE_JSONL ? next_of_json(f, ret, why)
	                                        : next_of_list(f, ret, why);
}

void oxi_entry_free(struct oxi_entry *e)
{
	oxi_chunk_free(e->memory);
	*e = (struct oxi_entry){ 0 };
}

/* ---- opening ---- */

static bool begins(const char *p, size_t len, const char *with)
{
	size_t n = strlen(with);
	return len >= n && memcmp(p, with, n) == 0 && (len == n || p[n] == ' ' || p[n] == '\t' || p[n] == '\r');
}

/* The word that a text begins with, perhaps in quotes, if a colon follows as behind a key of YAML. */
static ox_bytes key_of(const char *p, size_t len)
{
	size_t quoted = len > 0 && (*p == '"' || *p == '\''), n = quoted;
	while (n < len && ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || p[n] == '_' || p[n] == '-'))
		n++;
	ox_bytes key = { p + quoted, n - quoted };
	if (quoted && (n == len || p[n++] != *p))
		return (ox_bytes){ 0 };
	return begins(p + n, len - n, ":") ? key : (ox_bytes){ 0 };
}

static int tell(struct oxi_jobfile *f, ox_bytes line, uint32_t number, struct oxi_buffer *why)
{
	size_t at = text_at(line), len = line.len - at;
	const char *p = (const char *)line.data + at;
	ox_bytes key = key_of(p, len);
	char word[32] = "";
	f->format = *p == '{'                                           ? OXI_JOBFILE_JSONL
	            : begins(p, len, "---") || begins(p, len, "%YAML") ? OXI_JOBFILE_YAML
	                                                                : OXI_JOBFILE_LIST;
	if (key.len == 0)
		return 0;
	memcpy(word, key.data, key.len < sizeof(word) ? key.len : sizeof(word) - 1);
	for (size_t i = 0; i < KEYS_LEN; i++) {
		if (strcmp(word, KEYS[i]) == 0)
			f->format = OXI_JOBFILE_YAML;
	}
	if (f->format == OXI_JOBFILE_YAML)
		return 0;
	const char *near = oxi_nearest(word, KEYS, sizeof(*KEYS), KEYS_LEN);
	struct oxi_spot spot = { number, (uint32_t)at + 1 };
	if (near)
		return oxi_jobfile_fault(f, spot, why, "unknown key '%s' of a job file: did you mean '%s'?", word, near);
	return oxi_jobfile_fault(f, spot, why, "unknown key '%s' of a job file: there are oxbow limits defaults jobs", word);
}

/* Looks at the first line that says something, and takes nothing. */
static int detect(struct oxi_jobfile *f, struct oxi_buffer *why)
{
	ox_bytes line;
	uint32_t number = 1;
	for (size_t from = 0;; from += line.len + 1, number++) {
		int r = peek_line(f, from, &line, why);
		if (r <= 0)
			return r;
		if (text_at(line) < line.len)
			return tell(f, line, number, why);
	}
}

/* UTF-8 may have a mark at its beginning; what is none is not waited for. */
static int skip_mark(struct oxi_jobfile *f, struct oxi_buffer *why)
{
	static const char mark[] = { '\xef', '\xbb', '\xbf' };
	for (;;) {
		size_t len = oxi_reader_len(&f->reader), n = len < sizeof(mark) ? len : sizeof(mark);
		if (n > 0 && memcmp(oxi_reader_data(&f->reader), mark, n) != 0)
			return 0;
		if (n == sizeof(mark))
			f->reader.from += n;
		if (n == sizeof(mark) || f->reader.eof)
			return 0;
		int r = read_more(f, why);
		if (r < 0)
			return r;
	}
}

static int read_all(struct oxi_jobfile *f, struct oxi_buffer *all, struct oxi_buffer *why)
{
	for (;;) {
		size_t len = oxi_reader_len(&f->reader);
		oxi_buffer_add(all, oxi_reader_data(&f->reader), len);
		f->reader.from += len;
		if (all->failed)
			return OX_ENOMEM;
		if (all->len > YAML_MAX)
			return oxi_jobfile_fault(f, (struct oxi_spot){ 0 }, why, "YAML of more than %d MiB: lines of JSON are read as a stream",
			                         (int)(YAML_MAX >> 20));
		if (f->reader.eof)
			return 0;
		int r = read_more(f, why);
		if (r < 0)
			return r;
	}
}

static int open_yaml(struct oxi_jobfile *f, struct oxi_buffer *why)
{
	struct oxi_buffer text = { 0 };
	struct oxi_node *map = NULL;
	const struct oxi_node *jobs = NULL;
	int r = read_all(f, &text, why);
	if (r == 0)
		r = oxi_jobfile_yaml(f, (ox_bytes){ text.data, text.len }, &f->tree, &map, why);
	oxi_buffer_free(&text);
	if (r == 0 && map && map->kind != OXI_NODE_NONE)
		r = oxi_take_head(f, map, &jobs, why);
	f->job = jobs ? jobs->first : NULL;
	return r;
}

/* The first object, if it is the head. Else nothing is taken. */
static int open_json(struct oxi_jobfile *f, struct oxi_buffer *why)
{
	const struct oxi_node *jobs;
	struct oxi_node *map;
	ox_bytes line;
	size_t at, from = f->reader.from;
	uint32_t number = f->line;
	int r = next_line(f, &line, &at, why);
	if (r <= 0)
		return r;
	r = oxi_jobfile_json(f, line, f->line - 1, &f->head, &map, why);
	if (r < 0)
		return r;
	for (const struct oxi_node *key = map->first; key; key = key->next->next) {
		if (oxi_node_is(key, "oxbow", 5))
			return oxi_take_head(f, map, &jobs, why);
	}
	/* detect() has the whole line in what is held, so it has not moved. */
	f->reader.from = from;
	f->line = number;
	oxi_arena_clear(&f->head);
	return 0;
}

int oxi_jobfile_open(struct oxi_jobfile *f, const char *path, struct oxi_buffer *why)
{
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	*f = (struct oxi_jobfile){ .name = standard ? "stdin" : path, .line = 1, .reader = { .fd = -1, .spool = -1 } };
	if (fd < 0) {
		int r = -errno;
		oxi_buffer_add_format(why, "%.400s: %s", path, ox_strerror(r));
		return r;
	}
	oxi_reader_init(&f->reader, fd);
	int r = skip_mark(f, why);
	if (r == 0)
		r = detect(f, why);
	if (r < 0 || f->format == OXI_JOBFILE_LIST)
		return r;
	return f->format == OXI_JOBFILE_YAML ? open_yaml(f, why) : open_json(f, why);
}

void oxi_jobfile_close(struct oxi_jobfile *f)
{
	oxi_reader_close(&f->reader);
	oxi_arena_free(&f->head);
	oxi_arena_free(&f->tree);
}
