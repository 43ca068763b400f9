/* SPDX-License-Identifier: MIT */
/*
 * Templates: the words of a command with places for a job's values.
 *
 *	{}  the value         {.}  without its ending     {/}  its last part        {#}  the job's number, from 1
 *	{//} its folder       {/.} last part, no ending   {2} {2.} {2/} ...  of the second list         {%}  its slot, from 1
 *
 * Anything else in braces stands for itself. Several values under {} are joined by spaces, inside one word. A
 * template without a place for a value gets the values as further words.
 */
#ifndef OXBOW_CLI_TEMPLATE_H
#define OXBOW_CLI_TEMPLATE_H

#include <oxbow/base.h>

#include "cli/buffer.h"

/* What one job is made of. */
struct oxi_values {
	const ox_bytes *value;          /* n of them; no NUL inside */
	size_t n;
	uint64_t seq;                   /* from 1, in the order of the input */
	unsigned slot;                  /* from 1 */
};

struct oxi_part;

struct oxi_template {
	struct oxi_part *parts;
	size_t n, cap;
	struct oxi_buffer text;         /* of a shell template: what sh -c gets */
	bool shell, has_value, failed;
};

/*
 * Makes a template of words, which are borrowed. @lists: how many values each job has.
 * Returns: 0; OX_EINVAL with *ret_bad at a place like {3} that has no list; OX_ENOMEM.
 */
int oxi_template_words(struct oxi_template *t, char *const *words, size_t n, size_t lists, const char **ret_bad);

/*
 * Makes a template that runs `sh -c text`: values are never spliced into the text but passed as "$1" and so
 * on, and a place becomes an expansion of such a parameter, quoted as its surroundings ask for.
 */
int oxi_template_shell(struct oxi_template *t, const char *text, size_t lists, const char **ret_bad);

/* Adds the job's words, each with a NUL behind it, to out. Returns their number. */
size_t oxi_template_expand(const struct oxi_template *t, const struct oxi_values *v, struct oxi_buffer *out);

void oxi_template_free(struct oxi_template *t);

#endif
