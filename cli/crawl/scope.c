/* SPDX-License-Identifier: MIT */
#include "cli/crawl/scope.h"

#include <stdlib.h>
#include <string.h>

/* 443 and 80 are the two doors of one house. */
static unsigned door(unsigned port)
{
	return port == 443 ? 80 : port;
}

static char *folder_of(const struct oxi_url *url)
{
	const char *path = url->text + url->path;
	size_t len = strcspn(path, "?");
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len ? strndup(path, len) : strdup("/");
}

int oxi_scope_add(struct oxi_scope *s, const struct oxi_url *url)
{
	struct oxi_start *start = realloc(s->start, (s->n + 1) * sizeof(*start));
	if (!start)
		return OX_ENOMEM;
	s->start = start;
	start += s->n;
	*start = (struct oxi_start){ strdup(url->host), folder_of(url), door(url->port) };
	s->n++;
	return start->host && start->folder ? 0 : OX_ENOMEM;
}

bool oxi_scope_holds(const struct oxi_scope *s, const struct oxi_url *url)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct oxi_start *start = &s->start[i];
		if (strcmp(start->host, url->host) != 0 || start->port != door(url->port))
			continue;
		if (s->kind == OXI_SCOPE_HOST || strncmp(url->text + url->path, start->folder, strlen(start->folder)) == 0)
			return true;
	}
	return false;
}

void oxi_scope_free(struct oxi_scope *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->start[i].host);
		free(s->start[i].folder);
	}
	free(s->start);
	*s = (struct oxi_scope){ 0 };
}
