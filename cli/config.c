/* SPDX-License-Identifier: MIT */
/*
 * Every long option has two more forms. As a variable it is called OXBOW_ and its name in capitals, with _ for -. In the
 * file its name is what stands before the first =; lines from [run] on are for that command, those before the first such
 * line for all commands that have the option.
 *
 * Sources are taken from the weakest to the strongest: file, environment, command line. Within the first two a later value
 * replaces an earlier one, also that of another source; options that add up (arg "K=V...") are added to. The command line
 * keeps all that stands on it, for its order may mean something.
 *
 * Not taken from the environment is what a job finds there, OXBOW_RUN for instance: an oxbow that runs as a job of
 * another would take it for its own --run.
 */
#include "cli/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/batch/child.h"
#include "cli/buffer.h"
#include "cli/options.h"
#include "cli/quote.h"
#include "cli/say.h"

#define BLANKS " \t\r\n"

/* ---- what is given ---- */

static bool adds_up(const struct oxi_option *o)
{
	return o->arg && strstr(o->arg, "...");
}

/* Removes what was said of an option so far; what the command line says, it does not take back itself. */
static void forget(struct oxi_givens *g, const struct oxi_option *o, bool by_line)
{
	size_t kept = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (g->v[i].option != o || (by_line && !g->v[i].where))
			g->v[kept++] = g->v[i];
		else
			free((char *)g->v[i].where);
	}
	g->n = kept;
}

void oxi_givens_add(struct oxi_givens *g, struct oxi_given one)
{
	if (!adds_up(one.option))
		forget(g, one.option, !one.where);
	if (g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 16;
		struct oxi_given *v = realloc(g->v, cap * sizeof(*v));
		if (!v) {
			g->failed = true;
			free((char *)one.where);
			return;
		}
		g->v = v;
		g->cap = cap;
	}
	g->v[g->n++] = one;
}

/* ---- both sources ---- */

/* A place that things are read from, for messages and for what is found there. */
struct place {
	const struct oxi_command *c;
	const char *name;               /* of the variable, or the file */
	unsigned line;                  /* 0: a variable */
	struct oxi_givens *ret;
};

/* Ends with a NUL. */
static void write_where(const struct place *p, struct oxi_buffer *b)
{
	oxi_buffer_add_text(b, p->name);
	if (p->line)
		oxi_buffer_add_format(b, ":%u", p->line);
	oxi_buffer_add_char(b, '\0');
}

__attribute__((format(printf, 2, 3))) static int wrong(const struct place *p, const char *format, ...)
{
	struct oxi_buffer where = { 0 };
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_where(p, &where);
	oxi_say_about(where.failed ? p->name : where.data);
	oxi_say(p->c->name, "%s", text);
	oxi_say_about(NULL);
	oxi_buffer_free(&where);
	return OX_EINVAL;
}

static bool can_be_set(const struct oxi_option *o)
{
	return o->id != 'h' && o->id != OXI_PRINT_CONFIG;
}

static int yes_or_no(const char *text)
{
	static const char *const words[] = { "no", "yes", "0", "1", "false", "true", "off", "on" };
	for (int i = 0; i < 8; i++) {
		if (strcasecmp(text, words[i]) == 0)
			return i % 2;
	}
	return *text ? OX_EINVAL : 0;
}

/* Nothing, as a value, takes the option back. What is kept of a place and the value is one block, which begins with the place. */
static int take_value(const struct place *p, const struct oxi_option *o, const char *value)
{
	bool optional = o->arg && *o->arg == '[';
	bool no = !*value || (optional && strcmp(value, "no") == 0);
	if (!o->arg) {
		int yes = yes_or_no(value);
		if (yes < 0)
			return wrong(p, "%s is yes or no, not '%s'", o->name, value);
		no = !yes;
	}
	if (no) {
		forget(p->ret, o, false);
		return 0;
	}
	struct oxi_buffer b = { 0 };
	write_where(p, &b);
	size_t at = b.len;
	oxi_buffer_add(&b, value, strlen(value) + 1);
	p->ret->failed |= b.failed;
	if (b.failed) {
		oxi_buffer_free(&b);
		return 0;
	}
	bool plain = !o->arg || (optional && strcmp(value, "yes") == 0);
	oxi_givens_add(p->ret, (struct oxi_given){ o, plain ? NULL : b.data + at, b.data });
	return 0;
}

/* ---- the environment ---- */

static void variable_of(const struct oxi_option *o, char *name, size_t cap)
{
	size_t n = (size_t)snprintf(name, cap, "OXBOW_%s", o->name);
	for (size_t i = 0; i < n && i < cap; i++)
		name[i] = name[i] == '-' ? '_' : name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 'a' + 'A') : name[i];
}

static int read_environment(const struct oxi_command *c, struct oxi_givens *ret)
{
	for (const struct oxi_option *o = c->options; o->name; o++) {
		char name[64];
		variable_of(o, name, sizeof(name));
		const char *value = can_be_set(o) && !oxi_child_env_is_own(name) ? getenv(name) : NULL;
		if (value && take_value(&(struct place){ .c = c, .name = name, .ret = ret }, o, value) < 0)
			return OX_EINVAL;
	}
	return 0;
}

/* ---- the file ---- */

static const struct oxi_option *find(const struct oxi_command *c, const char *name)
{
	for (const struct oxi_option *o = c->options; o->name; o++) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

static const char *nearest(const struct oxi_command *c, const char *name)
{
	size_t n = 0;
	while (c->options[n].name)
		n++;
	return oxi_nearest(name, &c->options->name, sizeof(*c->options), n);
}

/* Of what section the option is: NULL is that of all commands. *ret NULL: of another command. */
static int find_option(const struct place *p, const struct oxi_command *section, const char *name, const struct oxi_option **ret)
{
	const char *near = NULL;
	bool known = false;
	for (const struct oxi_command *const *c = oxi_commands; *c; c++) {
		if (section && section != *c)
			continue;
		const struct oxi_option *o = find(*c, name);
		if (o && !can_be_set(o))
			return wrong(p, "'%s' can only stand on the command line", name);
		known |= o != NULL;
		if (!near || *c == p->c)
			near = nearest(*c, name) ? nearest(*c, name) : near;
	}
	*ret = known && (!section || section == p->c) ? find(p->c, name) : NULL;
	if (known)
		return 0;
	const char *whose = section ? section->name : "oxbow";
	return near ? wrong(p, "%s has no option '%s': did you mean %s?", whose, name, near) :
	              wrong(p, "%s has no option '%s'", whose, name);
}

static int take_section(const struct place *p, char *line, const struct oxi_command **ret)
{
	size_t len = strlen(line);
	if (line[len - 1] != ']')
		return wrong(p, "a section is [COMMAND], alone on its line");
	line[len - 1] = '\0';
	*ret = oxi_command_find(line + 1);
	if (*ret)
		return 0;
	const char *near = oxi_command_nearest(line + 1, NULL);
	return near ? wrong(p, "there is no command '%s': did you mean [%s]?", line + 1, near) :
	              wrong(p, "there is no command '%s'", line + 1);
}

static char *trim(char *text)
{
	text += strspn(text, BLANKS);
	size_t len = strlen(text);
	while (len && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int take_setting(const struct place *p, const struct oxi_command *section, char *line)
{
	const struct oxi_option *o;
	char *equals = strchr(line, '=');
	if (!equals)
		return wrong(p, "give NAME = VALUE, or [COMMAND]");
	*equals = '\0';
	if (find_option(p, section, trim(line), &o) < 0)
		return OX_EINVAL;
	if (!o)
		return 0;
	return take_value(p, o, trim(equals + 1));
}

static int take_lines(struct place *p, FILE *f)
{
	const struct oxi_command *section = NULL;
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;
	int r = 0;
	while (r == 0 && (errno = 0, len = getline(&text, &cap, f)) >= 0) {
		p->line++;
		if (strlen(text) != (size_t)len) {
			r = wrong(p, "there is a NUL byte in this line");
			continue;
		}
		char *line = trim(text);
		if (*line == '[')
			r = take_section(p, line, &section);
		else if (*line && *line != '#')
			r = take_setting(p, section, line);
	}
	if (r == 0 && !feof(f)) {
		oxi_say(p->c->name, "cannot read %s: %s", p->name, strerror(errno));
		r = OX_EINVAL;
	}
	free(text);
	return r;
}

/* Where the file would be; "" for a user without a folder. NULL: no memory. */
static char *find_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char *path;
	int n;
	if (config && *config == '/')           /* others are to be ignored, says the XDG Base Directory Specification */
		n = asprintf(&path, "%s/oxbow/config", config);
	else
		n = home && *home ? asprintf(&path, "%s/.config/oxbow/config", home) : asprintf(&path, "%s", "");
	return n < 0 ? NULL : path;
}

/* A file in a folder that may not be looked into is none of this user's. */
static bool is_missing(char *path, int error)
{
	char *slash = strrchr(path, '/');
	*slash = '\0';
	bool closed = error == EACCES && access(path, X_OK) < 0;
	*slash = '/';
	return closed || error == ENOENT || error == ENOTDIR;
}

static int read_file(const struct oxi_command *c, char *path, struct oxi_givens *ret)
{
	FILE *f = fopen(path, "re");
	if (f) {
		int r = take_lines(&(struct place){ .c = c, .name = path, .ret = ret }, f);
		fclose(f);
		return r;
	}
	int e = errno;
	if (is_missing(path, e))
		return 0;
	oxi_say(c->name, "cannot read %s: %s", path, strerror(e));
	return OX_EINVAL;
}

int oxi_config_read(const struct oxi_command *c, struct oxi_givens *ret)
{
	char *path = find_path();
	ret->failed |= !path;
	int r = path && *path ? read_file(c, path, ret) : 0;
	free(path);
	return r < 0 ? r : read_environment(c, ret);
}

/* ---- what it has come to ---- */

static void print_one(const struct oxi_option *o, const struct oxi_given *g, FILE *to)
{
	struct oxi_buffer value = { 0 };
	if (g && g->value)
		oxi_buffer_add_quoted(&value, g->value, strlen(g->value));
	else if (g)
		oxi_buffer_add_text(&value, "yes");
	oxi_buffer_add_char(&value, '\0');
	if (!value.failed)
		fprintf(to, "%-18s %-24s %s\n", o->name, value.data, !g ? "default" : g->where ? g->where : "command line");
	oxi_buffer_free(&value);
}

void oxi_config_print(const struct oxi_command *c, const struct oxi_givens *g, FILE *to)
{
	for (const struct oxi_option *o = c->options; o->name; o++) {
		const struct oxi_given *last = NULL;
		for (size_t i = 0; i < g->n; i++) {
			if (g->v[i].option != o)
				continue;
			last = &g->v[i];
			if (adds_up(o))
				print_one(o, last, to);
		}
		if (can_be_set(o) && !(last && adds_up(o)))
			print_one(o, last, to);
	}
}
