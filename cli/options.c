/* SPDX-License-Identifier: MIT */
/*
 * One static table a command, and everything else made from it: getopt_long's two tables, --help, the nearest
 * known name in an error. getopt_long is called with "+", so that options stop at the first word that is none
 * and `oxbow run grep -c x` needs no "--"; its own messages are off, because ours say which command and what
 * to do.
 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <oxbow/pool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/say.h"

#define OPTIONS_MAX 64
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

int oxi_options_next(const struct oxi_command *c, int argc, char **argv, const char **ret_value)
{
	struct option longs[OPTIONS_MAX + 1] = { 0 };
	char shorts[2 * OPTIONS_MAX + 3] = "+:";
	size_t n = table_len(c->options), s = 2;
	for (size_t i = 0; i < n && i < OPTIONS_MAX; i++) {
		const struct oxi_option *o = &c->options[i];
		longs[i] = (struct option){ o->name, o->arg ? required_argument : no_argument, NULL, o->id };
		if (o->id < OXI_LONG) {
			shorts[s++] = (char)o->id;
			if (o->arg)
				shorts[s++] = ':';
		}
	}
	opterr = 0;
	int id = getopt_long(argc, argv, shorts, longs, NULL);
	if (id == '?' || id == ':')
		return refuse(c, id, argv);
	if (id == 'h') {
		oxi_options_help(c, stdout);
		return OXI_OPTION_HELP;
	}
	*ret_value = optarg;
	return id;
}

void oxi_options_help(const struct oxi_command *c, FILE *to)
{
	fprintf(to, "usage: oxbow %s %s\n%s.\n\n", c->name, c->usage, c->summary);
	for (const struct oxi_option *o = c->options; o->name; o++) {
		char left[64];
		snprintf(left, sizeof(left), "%c%c%c --%s%s%s", o->id < OXI_LONG ? '-' : ' ',
		         o->id < OXI_LONG ? o->id : ' ', o->id < OXI_LONG ? ',' : ' ', o->name, o->arg ? "=" : "",
		         o->arg ? o->arg : "");
		fprintf(to, "  %-28s %s\n", left, o->help);
	}
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
	uint64_t n;
	if (with_unit(text, units, OX_SEC(365 * 86400LL), &n) < 0)
		return OX_EINVAL;
	*ret = (ox_time)n;
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
	const char *rest;
	if (number(text, &n, &rest) < 0 || n == 0 || n > 100000)
		return OX_EINVAL;
	if (strcmp(rest, "%") == 0)
		n = n * ox_cpu_count() / 100 ? n * ox_cpu_count() / 100 : 1;
	else if (*rest)
		return OX_EINVAL;
	*ret = (unsigned)n;
	return 0;
}
