/* SPDX-License-Identifier: MIT */
#include "cli/batch/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define NEAR_MAX  64
#define SHOWN_MAX 12                    /* names in a message */

static int append(char ***list, size_t *n, const char *text, size_t len)
{
	char **grown = realloc(*list, (*n + 1) * sizeof(*grown));
	if (grown)
		*list = grown;
	char *copy = grown ? strndup(text, len) : NULL;
	if (!copy)
		return OX_ENOMEM;
	grown[(*n)++] = copy;
	return 0;
}

static size_t find(char *const *list, size_t n, const char *text, size_t len)
{
	size_t i = 0;
	while (i < n && (strlen(list[i]) != len || memcmp(list[i], text, len) != 0))
		i++;
	return i;
}

int oxi_names_add(struct oxi_names *n, const char *name, size_t len)
{
	return find(n->name, n->n, name, len) < n->n ? -EEXIST : append(&n->name, &n->n, name, len);
}

int oxi_names_path(struct oxi_names *n, const char *path, size_t len)
{
	size_t i = find(n->path, n->paths, path, len);
	if (i < n->paths)
		return (int)i;
	int r = append(&n->path, &n->paths, path, len);
	return r < 0 ? r : (int)i;
}

void oxi_names_explain(const struct oxi_names *n, const char *wrong, size_t len, struct oxi_buffer *why)
{
	char word[NEAR_MAX] = "";
	if (len < sizeof(word))
		memcpy(word, wrong, len);
	const char *near = n->n ? oxi_nearest(word, (const char *const *)n->name, sizeof(*n->name), n->n) : NULL;
	if (near)
		oxi_buffer_add_format(why, "did you mean {%.100s}? ", near);
	oxi_buffer_add_text(why, "known are {} {.} {/} {//} {/.} {#} {##} {0#} {%} {0%} {threads} {%suffix} {#prefix} {/regexp/text/}");
	if (n->values != OXI_ANY && n->values > 0)
		oxi_buffer_add_format(why, n->values > 1 ? " {1}...{%zu}" : " {%zu}", n->values);
	for (size_t i = 0; i < n->n && i < SHOWN_MAX; i++)
		oxi_buffer_add_format(why, " {%.100s}", n->name[i]);
	oxi_buffer_add_text(why, n->n > SHOWN_MAX ? " ..." : "");
	oxi_buffer_add_text(why, "; \\{ is a brace");
}

static void free_list(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void oxi_names_free(struct oxi_names *n)
{
	free_list(n->name, n->n);
	free_list(n->path, n->paths);
	*n = (struct oxi_names){ 0 };
}
