/* SPDX-License-Identifier: MIT */
/*
 * Templates: the words of a command with places (place.h) for a job's values. \{ is a brace and begins no place.
 */
#ifndef OXBOW_CLI_TEMPLATE_H
#define OXBOW_CLI_TEMPLATE_H

#include "cli/batch/place.h"

struct oxi_part;

struct oxi_template {
	struct oxi_part *parts;
	size_t n, cap;
	bool shell;                     /* the parts are the text of sh -c */
	bool placed, failed;            /* failed: for lack of memory */
	bool counts;                    /* {##} or {0#}: total is used */
	const struct oxi_names *names;
	/* set before the first job */
	bool context;                   /* a word around {} is repeated for each value, not {} inside it */
	uint64_t total;                 /* jobs */
	unsigned slots;
};

/*
 * Makes a template of words, which are borrowed, as are names. append: without a place, the values are further words.
 * Returns: 0; OX_EINVAL, and *why says what is wrong; OX_ENOMEM.
 */
int oxi_template_words(struct oxi_template *t, char *const *words, size_t n, bool append,
                       struct oxi_names *names, struct oxi_buffer *why);

/*
 * Makes a template that runs `sh -c text`: values are never spliced into the text but passed as "$1" and so
 * on, and a place becomes an expansion of such a parameter, quoted as its surroundings ask for.
 */
int oxi_template_shell(struct oxi_template *t, const char *text, struct oxi_names *names, struct oxi_buffer *why);

/*
 * Adds the job's words, each with a NUL behind it, to out. Returns their number, which is never 0 but when a regular
 * expression of a place costs too much for a value.
 */
size_t oxi_template_expand(const struct oxi_template *t, const struct oxi_values *v, struct oxi_buffer *out);

/*
 * What a job of these values costs of the system's limit on arguments; SIZE_MAX: no memory, or see above. *ret_text is
 * the length of the text of sh -c, which is one argument and grows with the number of values; 0 without one.
 */
size_t oxi_template_cost(const struct oxi_template *t, const ox_bytes *value, size_t n, size_t *ret_text);

void oxi_template_free(struct oxi_template *t);

#endif
