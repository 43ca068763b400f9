/* SPDX-License-Identifier: MIT */
/*
 * Becomes `oxbow run` in the words of the other runners: J CMD... appends each line of standard input to CMD, J --shell TEXT puts it
 * in place of {} in a line for sh. The command is $OXBOW, or oxbow on the path.
 */
#include "bench/oxbow.h"

/* TEXT with "$1" in place of each {}. */
static char *as_parameter(const char *text)
{
	char *to = malloc(4 * strlen(text) + 1), *start = to;

	if (!to)
		return NULL;
	for (; *text; text++)
		if (text[0] == '{' && text[1] == '}') {
			to = stpcpy(to, "\"$1\"");
			text++;
		} else {
			*to++ = *text;
		}
	*to = '\0';
	return start;
}

int bench_batch(char **args)
{
	char *oxbow = getenv("OXBOW") ? getenv("OXBOW") : "oxbow";
	char *words[64] = { oxbow, "run", "--quiet", "-j", args[0] };
	size_t n = 5;

	if (strcmp(args[1], "--shell") == 0 && args[2]) {
		words[n++] = "-c";
		words[n++] = as_parameter(args[2]);
	} else {
		for (char **word = args + 1; *word && n < 62; word++)
			words[n++] = *word;
	}
	execvp(oxbow, words);
	DIE(oxbow);
}
