/* SPDX-License-Identifier: MIT */
/*
 * Normal form, by libcurl's own parser, so that what is compared is what is fetched: scheme and host in lower
 * case, international names as they go into DNS (xn--), numbers that stand for an IPv4 address as one, no
 * default port, no dot segments, no fragment, a path of at least "/", spaces and bytes above ASCII
 * percent-encoded, percent-encodings in upper case. Before that, what browsers forgive: blanks around, tabs
 * and newlines inside, backslashes for slashes (WHATWG URL, "basic URL parser").
 *
 * Percent-encoded unreserved characters stay as they are: some servers tell %7E from ~, and taking one page
 * twice is better than taking it not at all.
 */
#include "cli/crawl/url.h"

#include <ctype.h>
#include <curl/curl.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

/* Copies what a browser would read. Returns the length; 0: nothing, or too long. */
static size_t forgive(const char *p, size_t len, char *out)
{
	size_t n = 0;
	bool query = false;
	while (len && (unsigned char)*p <= ' ')
		p++, len--;
	while (len && (unsigned char)p[len - 1] <= ' ')
		len--;
	for (size_t i = 0; i < len && p[i] != '#'; i++) {
		if (p[i] == '\t' || p[i] == '\n' || p[i] == '\r')
			continue;
		if (p[i] == '\0' || n == OXI_URL_MAX)
			return 0;
		query |= p[i] == '?';
		out[n++] = p[i] == '\\' && !query ? '/' : p[i];
	}
	out[n] = '\0';
	return n ? n : len > 0;         /* "#part" alone is the base itself */
}

/* Segments that are dots, percent-encoded in part: they are dots all the same. */
static void undo_encoded_dots(char *p)
{
	char *out = p;
	while (*p) {
		size_t len = strcspn(p, "/?"), n = 0, dots = 0;
		for (; n < len && dots < 3; dots++) {
			if (p[n] != '.' && strncasecmp(p + n, "%2e", 3) != 0)
				break;
			n += p[n] == '.' ? 1 : 3;
		}
		bool is_dots = n == len && (dots == 1 || dots == 2);
		memmove(out, is_dots ? ".." : p, is_dots ? dots : len);
		out += is_dots ? dots : len;
		p += len;
		if (*p == '?') {
			memmove(out, p, strlen(p) + 1);
			return;
		}
		if (*p)
			*out++ = *p++;
	}
	*out = '\0';
}

/* The scheme of a reference, if it has one: letters and what may follow them, up to a colon. */
static bool has_other_scheme(const char *text)
{
	size_t n = 0;
	while (isalnum((unsigned char)text[n]) || (n && strchr("+-.", text[n]) && text[n]))
		n++;
	if (n == 0 || text[n] != ':' || !isalpha((unsigned char)text[0]))
		return false;
	return !(n == 4 && strncasecmp(text, "http", 4) == 0) && !(n == 5 && strncasecmp(text, "https", 5) == 0);
}

static void upper_case_percents(char *p)
{
	for (; (p = strchr(p, '%')); p++) {
		if (isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			p[1] = (char)toupper((unsigned char)p[1]);
			p[2] = (char)toupper((unsigned char)p[2]);
		}
	}
}

static void lower_case(char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (char)tolower((unsigned char)p[i]);
}

/* Copies a part out of the handle. False: it is not there or does not fit. */
static bool get_part(CURLU *u, CURLUPart part, unsigned flags, char *out, size_t cap)
{
	char *text = NULL;
	if (curl_url_get(u, part, &text, flags))
		return false;
	size_t len = strlen(text);
	bool fits = len < cap;
	if (fits)
		memcpy(out, text, len + 1);
	curl_free(text);
	return fits;
}

/* libcurl would take a name to be in the locale's encoding; here it is UTF-8, as pages are when links are found. */
static bool set_ascii_host(CURLU *u)
{
	char *host = NULL;
	uint8_t *ascii = NULL;
	if (curl_url_get(u, CURLUPART_HOST, &host, 0))
		return false;
	bool done = true;
	for (const char *p = host; *p; p++) {
		if (!((unsigned char)*p & 0x80))
			continue;
		done = idn2_lookup_u8((uint8_t *)host, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK &&
		       curl_url_set(u, CURLUPART_HOST, (char *)ascii, 0) == CURLUE_OK;
		idn2_free(ascii);
		break;
	}
	curl_free(host);
	return done;
}

/* All but a user's name and password comes encoded; such as are not are refused. */
static bool is_printable(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

static int take(CURLU *u, struct oxi_url *ret)
{
	char scheme[16], port[8];
	curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (!get_part(u, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)))
		return OXI_URL_BAD;
	if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		return OXI_URL_SCHEME;
	if (!set_ascii_host(u) || !get_part(u, CURLUPART_HOST, 0, ret->host, sizeof(ret->host)) ||
	    !get_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof(port)) ||
	    !get_part(u, CURLUPART_URL, CURLU_NO_DEFAULT_PORT, ret->text, sizeof(ret->text)))
		return OXI_URL_BAD;
	lower_case(ret->host, strlen(ret->host));
	ret->port = (unsigned)atoi(port);
	char *authority = strstr(ret->text, "://");
	if (!authority || !ret->host[0] || ret->port == 0 || !is_printable(ret->text))
		return OXI_URL_BAD;
	authority += 3;
	size_t len = strcspn(authority, "/?");
	char *user_end = memrchr(authority, '@', len);
	char *host = user_end ? user_end + 1 : authority;
	size_t host_len = len - (size_t)(host - authority);
	if (strcspn(host, "%<>^`{|}\"'\\") < host_len)
		return OXI_URL_BAD;     /* no name has these, and zones of IPv6 mean something on one machine only */
	lower_case(host, host_len);
	ret->path = (size_t)(authority - ret->text) + len;
	upper_case_percents(ret->text + ret->path);
	return 0;
}

int oxi_url_resolve(const char *base, const char *reference, size_t len, struct oxi_url *ret)
{
	char text[OXI_URL_MAX + 1];
	if (!forgive(reference, len, text))
		return OXI_URL_BAD;
	undo_encoded_dots(text);
	if (has_other_scheme(text))
		return OXI_URL_SCHEME;
	CURLU *u = curl_url();
	if (!u)
		return OXI_URL_BAD;
	int r = OXI_URL_BAD;
	if ((!base || curl_url_set(u, CURLUPART_URL, base, CURLU_URLENCODE) == CURLUE_OK) &&
	    (!*text || curl_url_set(u, CURLUPART_URL, text, CURLU_URLENCODE) == CURLUE_OK))
		r = take(u, ret);
	/* A host that was percent-encoded is a number only now: 3%2e391. */
	if (r == 0 && strchr(text, '%') && curl_url_set(u, CURLUPART_URL, ret->text, CURLU_URLENCODE) == CURLUE_OK)
		r = take(u, ret);
	curl_url_cleanup(u);
	return r;
}
