/* SPDX-License-Identifier: MIT */
#include "cli/crawl/scope.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/regex.h"

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

static bool is_tls(const struct oxi_url *url)
{
	return strncmp(url->text, "https:", 6) == 0;
}

int oxi_scope_add(struct oxi_scope *s, const struct oxi_url *url)
{
	struct oxi_start *start = realloc(s->start, (s->n + 1) * sizeof(*start));
	if (!start)
		return OX_ENOMEM;
	s->start = start;
	start += s->n;
	*start = (struct oxi_start){ strdup(url->host), folder_of(url), door(url->port), url->port, is_tls(url) };
	s->n++;
	return start->host && start->folder ? 0 : OX_ENOMEM;
}

int oxi_scope_add_pattern(struct oxi_scope *s, bool excludes, const char *pattern, struct oxi_buffer *why)
{
	size_t *n = excludes ? &s->exclude_n : &s->include_n;
	if (*n == OXI_SCOPE_PATTERNS) {
		oxi_buffer_add_text(why, "64 patterns at most");
		return OX_EINVAL;
	}
	struct oxi_regex **to = excludes ? s->exclude : s->include;
	int r = oxi_regex_new((ox_bytes){ pattern, strlen(pattern) }, (ox_bytes){ "", 0 }, &to[*n], why);
	*n += r == 0;
	return r;
}

/* A pattern that costs too much does not match. */
static bool matches_one(struct oxi_regex *const *re, size_t n, const char *text)
{
	ox_bytes match;
	for (size_t i = 0; i < n; i++) {
		if (oxi_regex_find(re[i], (ox_bytes){ text, strlen(text) }, 0, &match) == 1)
			return true;
	}
	return false;
}

/* The domain that one owner has; a host that is none, or a public suffix, stands for itself. */
static const char *domain_of(const char *host)
{
	const char *domain = psl_registrable_domain(psl_builtin(), host);
	return domain ? domain : host;
}

static bool is_near(enum oxi_scope_kind kind, const struct oxi_start *start, const struct oxi_url *url)
{
	if (kind == OXI_SCOPE_DOMAIN)
		return strcmp(domain_of(start->host), domain_of(url->host)) == 0;
	if (strcmp(start->host, url->host) != 0 || start->port != door(url->port))
		return false;
	return kind == OXI_SCOPE_HOST || strncmp(url->text + url->path, start->folder, strlen(start->folder)) == 0;
}

bool oxi_scope_holds(const struct oxi_scope *s, const struct oxi_url *url)
{
	bool near = s->kind == OXI_SCOPE_ANY;
	for (size_t i = 0; i < s->n && !near; i++)
		near = is_near(s->kind, &s->start[i], url);
	if (!near || matches_one(s->exclude, s->exclude_n, url->text))
		return false;
	return s->include_n == 0 || matches_one(s->include, s->include_n, url->text);
}

bool oxi_scope_is_start(const struct oxi_scope *s, const struct oxi_url *url)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct oxi_start *start = &s->start[i];
		if (start->exact_port == url->port && start->tls == is_tls(url) && strcmp(start->host, url->host) == 0)
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
	for (size_t i = 0; i < s->include_n; i++)
		oxi_regex_free(s->include[i]);
	for (size_t i = 0; i < s->exclude_n; i++)
		oxi_regex_free(s->exclude[i]);
	free(s->start);
	*s = (struct oxi_scope){ 0 };
}
