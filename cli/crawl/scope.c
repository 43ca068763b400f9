/* SPDX-License-Identifier: MIT */
/*
 * There may be as many starts as URLs, so they are not kept: each leaves the key of what belongs with it in a set, and
 * a link is looked up there; with folders, once for each folder of its path. A key takes longer to make than all else
 * that is done for most links, and most lead to the host that the last one led to: what was found for that is kept.
 */
#include "cli/crawl/scope.h"

#include <libpsl.h>
#include <stdio.h>
#include <string.h>

#include "cli/batch/regex.h"

/* 443 and 80 are the two doors of one house. */
static unsigned door(unsigned port)
{
	return port == 443 ? 80 : port;
}

static bool is_tls(const struct oxi_url *url)
{
	return strncmp(url->text, "https:", 6) == 0;
}

/* The domain that one owner has; a host that is none, or a public suffix, stands for itself. */
static const char *domain_of(const char *host)
{
	const char *domain = psl_registrable_domain(psl_builtin(), host);
	return domain ? domain : host;
}

static struct oxi_key door_key(const struct oxi_url *url)
{
	char text[sizeof(url->host) + 16];
	int n = snprintf(text, sizeof(text), "%d %u %s", is_tls(url), url->port, url->host);
	return oxi_key_of(text, (size_t)n);
}

/* What a URL is near to; with folders, the first len bytes of its path. */
static struct oxi_key near_key(enum oxi_scope_kind kind, const struct oxi_url *url, size_t len)
{
	char text[sizeof(url->host) + 16 + OXI_URL_MAX];
	const char *path = url->text + url->path;
	int n = kind == OXI_SCOPE_DOMAIN
	      ? snprintf(text, sizeof(text), "%s", domain_of(url->host))
	      : snprintf(text, sizeof(text), "%s %u %.*s", url->host, door(url->port), kind == OXI_SCOPE_PREFIX ? (int)len : 0, path);
	return oxi_key_of(text, (size_t)n);
}

/* The length of the folder that the first len bytes of a path lie in, slash included. */
static size_t folder_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len;
}

int oxi_scope_add(struct oxi_scope *s, const struct oxi_url *url)
{
	const char *path = url->text + url->path;
	s->last[0] = '\0';
	int r = oxi_seen_add(&s->doors, door_key(url));
	if (r >= 0)
		r = oxi_seen_add(&s->near, near_key(s->kind, url, folder_len(path, strcspn(path, "?"))));
	return r < 0 ? r : 0;
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

static bool is_below(const struct oxi_scope *s, const struct oxi_url *url)
{
	const char *path = url->text + url->path;
	for (size_t len = strcspn(path, "?"); (len = folder_len(path, len)) > 0; len--) {
		if (oxi_seen_has(&s->near, near_key(s->kind, url, len)))
			return true;
	}
	return false;
}

static bool is_near(struct oxi_scope *s, const struct oxi_url *url)
{
	if (s->kind == OXI_SCOPE_PREFIX || s->kind == OXI_SCOPE_ANY)
		return s->kind == OXI_SCOPE_ANY || is_below(s, url);
	if (s->last_door != door(url->port) || strcmp(s->last, url->host) != 0) {
		s->last_near = oxi_seen_has(&s->near, near_key(s->kind, url, 0));
		s->last_door = door(url->port);
		strcpy(s->last, url->host);
	}
	return s->last_near;
}

bool oxi_scope_holds(struct oxi_scope *s, const struct oxi_url *url)
{
	if (!is_near(s, url) || matches_one(s->exclude, s->exclude_n, url->text))
		return false;
	return s->include_n == 0 || matches_one(s->include, s->include_n, url->text);
}

bool oxi_scope_is_start(const struct oxi_scope *s, const struct oxi_url *url)
{
	return oxi_seen_has(&s->doors, door_key(url));
}

void oxi_scope_free(struct oxi_scope *s)
{
	for (size_t i = 0; i < s->include_n; i++)
		oxi_regex_free(s->include[i]);
	for (size_t i = 0; i < s->exclude_n; i++)
		oxi_regex_free(s->exclude[i]);
	oxi_seen_free(&s->near);
	oxi_seen_free(&s->doors);
	*s = (struct oxi_scope){ 0 };
}
