/* SPDX-License-Identifier: MIT */
/*
 * A place in a template or a filter, and what stands there for a job.
 *
 *	{} {1} {-1} {name}      a value: all, the first, the last, of the column or JSON path that is called so
 *	{.} {/} {//} {/.}       edited: without its ending, its last part, its folder, last part without ending
 *	{%suf} {#pre}           without that end, that beginning
 *	{/regexp/text/flags}    with the first match replaced; flags g (all), i (case)
 *	{#} {0#} {##} {%} {0%}  the job's number, padded with zeros, how many jobs there are, its slot, padded
 *
 * An edit goes with a number or a name too: {2.} {name/.} {-1%.gz} {2/a/b/g}.
 */
#ifndef OXBOW_CLI_PLACE_H
#define OXBOW_CLI_PLACE_H

#include "cli/batch/names.h"
#include "cli/batch/regex.h"

enum oxi_place_kind { OXI_VALUE, OXI_FIELD, OXI_SEQ, OXI_SLOT, OXI_TOTAL, OXI_THREADS };
enum oxi_edit { OXI_AS_IS, OXI_NO_ENDING, OXI_LAST, OXI_FOLDER, OXI_LAST_NO_ENDING, OXI_SUFFIX, OXI_PREFIX, OXI_REGEX };

struct oxi_place {
	enum oxi_place_kind kind;
	enum oxi_edit edit;
	int index;                      /* of a value: from 1, from -1 backwards, 0: all; of a field: from 0 */
	bool padded;                    /* numbers: with zeros */
	ox_bytes text;                  /* suffix, prefix or replacement: borrowed */
	struct oxi_regex *regex;        /* owned */
};

/* What one job is made of. */
struct oxi_values {
	const ox_bytes *value;          /* n of them, no NUL inside; the last `fields` are those of JSON paths */
	size_t n;
	uint64_t seq;                   /* from 1, in the order of the input */
	unsigned slot;                  /* from 1 */
	size_t fields;
	uint64_t total;                 /* jobs; 0: not counted */
	unsigned slots;
	unsigned threads;               /* CPUs for this job */
};

/*
 * Reads the place at p, which is a brace. @shell: a $ stands before it, so it may be the shell's.
 * Returns: its length; 0: it is none, and stands for itself; OX_EINVAL: it looks like one and is wrong, *why says
 * how; OX_ENOMEM.
 */
ssize_t oxi_place_read(const char *p, bool shell, struct oxi_names *names, struct oxi_place *ret, struct oxi_buffer *why);

/*
 * Adds what stands there, of all values the k-th. Returns: 0; OX_ETOOBIG: the regular expression costs too much.
 */
int oxi_place_add(const struct oxi_place *p, const struct oxi_values *v, size_t k, struct oxi_buffer *out);

/* Does it stand for all values of a job? */
static inline bool oxi_place_all(const struct oxi_place *p)
{
	return p->kind == OXI_VALUE && p->index == 0;
}

void oxi_place_free(struct oxi_place *p);

#endif
