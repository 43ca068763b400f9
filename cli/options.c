/* SPDX-License-Identifier: MIT */
/*
 * One static table a command, and everything else made from it: getopt_long's two tables, --help, the nearest
 * known name in an error. getopt_long is called with "+", so that options stop at the first word that is none
 * and `oxbow run grep -c x` needs no "--", unless the command says that they may stand anywhere; its own messages
 * are off, because ours say which command and what to do.
 *
 * The whole command line is taken first. What stands in the configuration (config.c) is then handed out before it, so
 * that a command sees one row of options and takes the last word of each.
 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <oxbow/pool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/config.h"
#include "cli/say.h"

#define OPTIONS_MAX 128
#define NEAR_MAX    32                  /* longer words have no near names */

static size_t table_len(const struct oxi_option *o)
{
	size_t n = 0;
	while (o[n].name)
		n++;
	return n;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[NEAR_MAX + 1];
	if (la > NEAR_MAX || lb > NEAR_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j];
			row[j] = smaller(smaller(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

const char *oxi_nearest(const char *word, const char *const *names, size_t stride, size_t n)
{
	const char *best = NULL;
	size_t best_distance = strlen(word) < 4 ? 2 : 3;
	for (size_t i = 0; i < n; i++) {
		const char *name = *(const char *const *)((const char *)names + i * stride);
		size_t d = distance(word, name);
		if (d < best_distance) {
			best = name;
			best_distance = d;
		}
	}
	return best;
}

/* Says what is wrong with the word that getopt_long refused. */
static int refuse(const struct oxi_command *c, int what, char **argv)
{
	const char *word = argv[optind - 1];
	if (what == ':') {
		oxi_say(c->name, "option '%s' needs an argument", word);
		return OXI_OPTION_BAD;
	}
	if (strncmp(word, "--", 2) != 0 || (optopt && optopt < OXI_LONG && !strchr(word, '='))) {
		oxi_say(c->name, "unknown option '-%c' (see oxbow %s --help)", optopt, c->name);
		return OXI_OPTION_BAD;
	}
	if (optopt) {
		oxi_say(c->name, "option '%.*s' takes no argument", (int)strcspn(word, "="), word);
		return OXI_OPTION_BAD;
	}
	char name[NEAR_MAX + 1] = "";
	size_t len = strcspn(word + 2, "=");
	if (len <= NEAR_MAX)
		memcpy(name, word + 2, len);
	const char *near = oxi_nearest(name, &c->options->name, sizeof(*c->options), table_len(c->options));
	if (near)
		oxi_say(c->name, "unknown option '--%.*s': did you mean --%s?", (int)len, word + 2, near);
	else
		oxi_say(c->name, "unknown option '--%.*s' (see oxbow %s --help)", (int)len, word + 2, c->name);
	return OXI_OPTION_BAD;
}

static int print_help(const struct oxi_command *c, const char *which)
{
	if (which && strcmp(which, "all") != 0) {
		oxi_say(c->name, "--help=%s: there is --help=all", which);
		return OXI_OPTION_BAD;
	}
	oxi_options_help(c, which != NULL, stdout);
	return OXI_OPTION_HELP;
}

static const struct oxi_option *option_of(const struct oxi_command *c, int id)
{
	const struct oxi_option *o = c->options;
	while (o->id != id)
		o++;
	return o;
}

/* The command line's options. Returns OXI_OPTION_END, or what ends the command. */
static int take_line(const struct oxi_command *c, int argc, char **argv, struct oxi_givens *line, bool *print)
{
	struct option longs[OPTIONS_MAX + 1] = { 0 };
	char letters[3 * OPTIONS_MAX + 3] = "+:", *shorts = letters + c->anywhere;
	size_t n = table_len(c->options), s = 2;
	for (size_t i = 0; i < n && i < OPTIONS_MAX; i++) {
		const struct oxi_option *o = &c->options[i];
		int has_arg = !o->arg ? no_argument : *o->arg == '[' ? optional_argument : required_argument;
		longs[i] = (struct option){ o->name, has_arg, NULL, o->id };
		if (o->id < OXI_LONG) {
			letters[s++] = (char)o->id;
			for (int k = 0; k < has_arg; k++)       /* ":": an argument, "::": perhaps one */
				letters[s++] = ':';
		}
	}
	opterr = 0;
	int id;
	while ((id = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (id == '?' || id == ':')
			return refuse(c, id, argv);
		if (id == 'h')
			return print_help(c, optarg);
		if (id == OXI_PRINT_CONFIG)
			*print = true;
		else
			oxi_givens_add(line, (struct oxi_given){ option_of(c, id), optarg, NULL });
	}
	return OXI_OPTION_END;
}

/* Everything that is given: the configuration, then the command line. As above. */
static int take_all(const struct oxi_command *c, int argc, char **argv, struct oxi_givens *all)
{
	struct oxi_givens line = { 0 };
	bool print = false;
	int r = take_line(c, argc, argv, &line, &print);
	if (r == OXI_OPTION_END && oxi_config_read(c, all) < 0)
		r = OXI_OPTION_BAD;
	for (size_t i = 0; i < line.n && r == OXI_OPTION_END; i++)
		oxi_givens_add(all, line.v[i]);
	if (r == OXI_OPTION_END && (line.failed || all->failed)) {
		oxi_say(c->name, "%s", ox_strerror(OX_ENOMEM));
		r = OXI_OPTION_BAD;
	}
	free(line.v);
	if (r != OXI_OPTION_END || !print)
		return r;
	oxi_config_print(c, all, stdout);
	return OXI_OPTION_HELP;
}

int oxi_options_next(const struct oxi_command *c, int argc, char **argv, const char **ret_value)
{
	static struct oxi_givens all;   /* for as long as the process: values point into it */
	static size_t next;
	static bool taken;
	if (!taken) {
		taken = true;
		int r = take_all(c, argc, argv, &all);
		if (r != OXI_OPTION_END)
			return r;
	}
	if (next == all.n) {
		oxi_say_about(NULL);
		return OXI_OPTION_END;
	}
	const struct oxi_given *g = &all.v[next++];
	oxi_say_about(g->where);
	*ret_value = g->value;
	return g->option->id;
}

/* An option as help shows it: "-j, --jobs=N", "    --tag[=T]". */
static void option_text(const struct oxi_option *o, char *text, size_t cap)
{
	const char *arg = o->arg ? o->arg : "";
	bool brackets = *arg == '[';
	snprintf(text, cap, "--%s%s%s", o->name, brackets ? "[=" : o->arg ? "=" : "", brackets ? arg + 1 : arg);
}

static void print_rest(const struct oxi_command *c, FILE *to)
{
	size_t column = 0;
	for (const struct oxi_option *o = c->options; o->name; o++) {
		if (o->id < OXI_MORE)
			continue;
		size_t len = strlen(o->name) + 3;
		bool wrap = column == 0 || column + len > 100;
		fprintf(to, "%s--%s", column == 0 ? "\nmore, explained by --help=all:\n   " : wrap ? "\n   " : " ", o->name);
		column = wrap ? 2 + len : column + len;
	}
	if (column)
		fputc('\n', to);
}

void oxi_options_help(const struct oxi_command *c, bool all, FILE *to)
{
	fprintf(to, "usage: oxbow %s %s\n%s.\n\n", c->name, c->usage, c->summary);
	for (const struct oxi_option *o = c->options; o->name; o++) {
		char text[64], left[80];
		if (o->id >= OXI_MORE && !all)
			continue;
		option_text(o, text, sizeof(text));
		snprintf(left, sizeof(left), "%c%c%c %s", o->id < OXI_LONG ? '-' : ' ', o->id < OXI_LONG ? o->id : ' ',
		         o->id < OXI_LONG ? ',' : ' ', text);
		fprintf(to, "  %-28s %s\n", left, o->help);
	}
	if (!all)
		print_rest(c, to);
	if (c->notes)
		fprintf(to, "\n%s", c->notes);
	fprintf(to, "\nManual: man oxbow-%s\n", c->name);
}

/* A decimal number at the head of text; *ret_rest points behind it. */
static int number(const char *text, uint64_t *ret, const char **ret_rest)
{
	if (*text < '0' || *text > '9')
		return OX_EINVAL;
	char *end;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_rest = end;
	return errno ? OX_EINVAL : 0;
}

int oxi_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	const char *rest;
	if (number(text, &n, &rest) < 0 || *rest || n < min || n > max)
		return OX_EINVAL;
	*ret = n;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A number and one of the units, which end with an entry without a name. */
static int with_unit(const char *text, const struct unit *units, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	const char *rest;
	if (number(text, &n, &rest) < 0)
		return OX_EINVAL;
	for (const struct unit *u = units; u->name; u++) {
		if (strcasecmp(rest, u->name) != 0)
			continue;
		if (n > max / u->factor)
			return OX_EINVAL;
		*ret = n * u->factor;
		return 0;
	}
	return OX_EINVAL;
}

int oxi_value_time(const char *text, ox_time *ret)
{
	static const struct unit units[] = {
		{ "", OX_SEC(1) }, { "ms", OX_MS(1) }, { "s", OX_SEC(1) },
		{ "m", OX_SEC(60) }, { "h", OX_SEC(3600) }, { 0 },
	};
	const uint64_t max = OX_SEC(365 * 86400LL);
	size_t whole = strspn(text, "0123456789"), part = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	char plain[32];
	uint64_t n, fraction = 0;
	if (text[whole] != '.') {
		if (with_unit(text, units, max, &n) < 0)
			return OX_EINVAL;
		*ret = (ox_time)n;
		return 0;
	}
	/* "1.5s" is 15 s divided by ten. */
	const char *unit = text + whole + 1 + part;
	if (part == 0 || part > 6 || whole == 0 || whole > 9 || strlen(unit) > 2)
		return OX_EINVAL;
	snprintf(plain, sizeof(plain), "%.*s%.*s%s", (int)whole, text, (int)part, text + whole + 1, unit);
	if (with_unit(plain, units, UINT64_MAX, &fraction) < 0)
		return OX_EINVAL;
	for (; part; part--)
		fraction /= 10;
	if (fraction > max)
		return OX_EINVAL;
	*ret = (ox_time)fraction;
	return 0;
}

int oxi_value_size(const char *text, size_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 }, { "B", 1 }, { "K", 1u << 10 }, { "KiB", 1u << 10 }, { "kB", 1000 }, { "M", 1u << 20 },
		{ "MiB", 1u << 20 }, { "MB", 1000000 }, { "G", 1u << 30 }, { "GiB", 1u << 30 },
		{ "GB", 1000000000 }, { 0 },
	};
	uint64_t n;
	if (with_unit(text, units, SIZE_MAX / 2, &n) < 0)
		return OX_EINVAL;
	*ret = n;
	return 0;
}

int oxi_value_jobs(const char *text, unsigned *ret)
{
	uint64_t n;
	const char *rest, *digits = text + (*text == '+' || *text == '-');
	int64_t cpus = ox_cpu_count();
	if (number(digits, &n, &rest) < 0 || n == 0 || n > 100000)
		return OX_EINVAL;
	int64_t jobs = (int64_t)n;
	if (digits == text && strcmp(rest, "%") == 0)
		jobs = jobs * cpus / 100;
	else if (*rest)
		return OX_EINVAL;
	else if (digits > text)
		jobs = *text == '+' ? cpus + jobs : cpus - jobs;
	*ret = jobs > 1 ? (unsigned)jobs : 1;
	return 0;
}
