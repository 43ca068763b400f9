/* SPDX-License-Identifier: MIT */
/*
 * iconv does the work; this says which name it is given. The labels are those of the WHATWG Encoding standard
 * where they mean something else than they say (a page in "latin1" is one in windows-1252), and what iconv
 * knows otherwise, but for encodings in which plain ASCII is not what it looks like: a page in UTF-7 could
 * hide its tags from everybody else who reads it.
 */
#include "cli/crawl/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/utf8.h"

#define PRESCAN 1024

static const struct {
	const char *label, *name;
} LABELS[] = {
	{ "ansi_x3.4-1968", "windows-1252" }, { "ascii", "windows-1252" }, { "big5", "big5-hkscs" },
	{ "cp1251", "windows-1251" }, { "cp1252", "windows-1252" }, { "euc-kr", "cp949" }, { "gb2312", "gb18030" },
	{ "gb_2312-80", "gb18030" }, { "gbk", "gb18030" }, { "iso-8859-1", "windows-1252" },
	{ "iso-8859-11", "windows-874" }, { "iso-8859-9", "windows-1254" }, { "iso8859-1", "windows-1252" },
	{ "iso_8859-1", "windows-1252" }, { "korean", "cp949" }, { "ks_c_5601-1987", "cp949" }, { "l1", "windows-1252" },
	{ "latin1", "windows-1252" }, { "latin5", "windows-1254" }, { "ms_kanji", "cp932" }, { "shift-jis", "cp932" },
	{ "shift_jis", "cp932" }, { "sjis", "cp932" }, { "tis-620", "windows-874" }, { "unicode", "utf-16le" },
	{ "us-ascii", "windows-1252" }, { "utf-16", "utf-16le" }, { "utf8", "utf-8" }, { "windows-31j", "cp932" },
	{ "windows-949", "cp949" }, { "x-cp1251", "windows-1251" }, { "x-cp1252", "windows-1252" }, { "x-gbk", "gb18030" },
	{ "x-sjis", "cp932" },
};

/* The charsets of the WHATWG Encoding standard that iconv has. */
static const char *const WEB[] = {
	"big5-hkscs", "cp932", "cp949", "euc-jp", "gb18030", "ibm866", "iso-2022-jp", "iso-8859-10", "iso-8859-13",
	"iso-8859-14", "iso-8859-15", "iso-8859-16", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6",
	"iso-8859-7", "iso-8859-8", "koi8-r", "koi8-u", "macintosh", "utf-16be", "utf-16le", "utf-8", "windows-1250",
	"windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257",
	"windows-1258", "windows-874",
};

static bool loaded[sizeof(WEB) / sizeof(WEB[0])], none_else;

static bool can_be_had(const char *name)
{
	for (size_t i = 0; none_else && i < sizeof(WEB) / sizeof(WEB[0]); i++) {
		if (loaded[i] && strcmp(WEB[i], name) == 0)
			return true;
	}
	return !none_else;
}

static bool is_refused(const char *name)
{
	static const char *const parts[] = { "utf-7", "utf7", "csunicode", "ucs", "utf-32", "utf32", "ebcdic", "hz", "iso-2022-kr",
	                                     "iso-2022-cn", "cp037", "ibm" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strstr(name, parts[i]))
			return true;
	}
	return false;
}

/* Takes a label, if it is one of a charset. */
static bool take_label(const char *p, size_t len, char ret[OXI_CHARSET_MAX])
{
	char name[OXI_CHARSET_MAX];
	if (len == 0 || len >= sizeof(name))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)p[i]) && !strchr("-_.:", p[i]))
			return false;
		name[i] = (char)tolower((unsigned char)p[i]);
	}
	name[len] = '\0';
	const char *found = name;
	for (size_t i = 0; i < sizeof(LABELS) / sizeof(LABELS[0]); i++) {
		if (strcmp(LABELS[i].label, name) == 0)
			found = LABELS[i].name;
	}
	if (is_refused(found) || !can_be_had(found))
		return false;
	iconv_t known = iconv_open("UTF-8", found);
	if (known == (iconv_t)-1)
		return false;
	iconv_close(known);
	memmove(ret, found, strlen(found) + 1);
	return true;
}

/* The value behind "charset" and "=", in quotes or not. */
static bool take_assignment(const char *p, const char *end, char ret[OXI_CHARSET_MAX])
{
	static const char key[] = "charset";
	const char *found;
	while ((found = memmem(p, (size_t)(end - p), "=", 1))) {
		const char *before = found;
		while (before > p && isspace((unsigned char)before[-1]))
			before--;
		bool is_it = (size_t)(before - p) >= strlen(key) && strncasecmp(before - strlen(key), key, strlen(key)) == 0;
		p = found + 1;
		if (!is_it)
			continue;
		while (p < end && (isspace((unsigned char)*p) || *p == '"' || *p == '\''))
			p++;
		size_t len = 0;
		while (p + len < end && !isspace((unsigned char)p[len]) && !strchr("\"';>/", p[len]))
			len++;
		if (take_label(p, len, ret))
			return true;
	}
	return false;
}

static bool prescan(const char *p, size_t len, char ret[OXI_CHARSET_MAX])
{
	const char *end = p + (len < PRESCAN ? len : PRESCAN);
	while ((p = memchr(p, '<', (size_t)(end - p)))) {
		const char *close = NULL;
		if (end - p > 4 && memcmp(p, "<!--", 4) == 0) {
			close = memmem(p, (size_t)(end - p), "-->", 3);
		} else {
			close = memchr(p, '>', (size_t)(end - p));
			if (close && close - p > 6 && strncasecmp(p + 1, "meta", 4) == 0 && take_assignment(p, close, ret)) {
				if (strncmp(ret, "utf-16", 6) == 0)     /* it was read as ASCII */
					strcpy(ret, "utf-8");
				return true;
			}
		}
		if (!close)
			return false;
		p = close;
	}
	return false;
}

static bool is_utf8(const char *p, size_t len)
{
	for (size_t i = 0, n = 1; i < len; i += n) {
		n = (unsigned char)p[i] < 0x80 ? 1 : oxi_utf8_len(p + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

void oxi_charset_find(const void *data, size_t len, const char *type, char ret[OXI_CHARSET_MAX], size_t *ret_skip)
{
	const unsigned char *p = data;
	*ret_skip = 0;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
		*ret_skip = 3;
		strcpy(ret, "utf-8");
	} else if (len >= 2 && (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0)) {
		*ret_skip = 2;
		strcpy(ret, p[0] == 0xff ? "utf-16le" : "utf-16be");
	} else if (!take_assignment(type, type + strlen(type), ret) && !prescan(data, len, ret)) {
		strcpy(ret, is_utf8(data, len) ? "utf-8" : "windows-1252");
	}
}

/* ---- there and back ---- */

/* Not by iconv: glibc's UTF-8 goes up to 31 bits, which is none to anybody else. */
static void add_utf8(const char *p, size_t len, struct oxi_buffer *out)
{
	size_t good = 0;                /* bytes that are not added yet */
	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = (unsigned char)p[i] < 0x80 ? 1 : oxi_utf8_len(p + i, len - i);
		good += n;
		if (n == 0) {
			oxi_buffer_add(out, p + i - good, good);
			oxi_buffer_add(out, "\xef\xbf\xbd", 3);
			good = 0;
		}
	}
	oxi_buffer_add(out, p + len - good, good);
}

int oxi_charset_decode(const char *charset, const void *data, size_t len, struct oxi_buffer *out)
{
	if (strcmp(charset, "utf-8") == 0) {
		add_utf8(data, len, out);
		return out->failed ? OX_ENOMEM : 0;
	}
	iconv_t cd = iconv_open("UTF-8", charset);
	if (cd == (iconv_t)-1)
		return OX_ENOMEM;
	char *in = (char *)(uintptr_t)data;
	while (len > 0) {
		size_t cap = 2 * len + 16, room = cap;
		char *to = oxi_buffer_room(out, cap);
		if (!to)
			break;
		size_t r = iconv(cd, &in, &len, &to, &room);
		out->len += cap - room;
		if (r == (size_t)-1 && errno != E2BIG) {
			size_t width = strncmp(charset, "utf-16", 6) == 0 && len > 1 ? 2 : 1;
			oxi_buffer_add(out, "\xef\xbf\xbd", 3);
			in += width;
			len -= width;
		}
	}
	iconv_close(cd);
	return out->failed ? OX_ENOMEM : 0;
}

static void add_percent(struct oxi_buffer *out, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] < 0x80)
			oxi_buffer_add_char(out, (char)p[i]);
		else
			oxi_buffer_add_format(out, "%%%02X", p[i]);
	}
}

static uint32_t code_point(const unsigned char *p, size_t len)
{
	uint32_t c = len == 4 ? p[0] & 7 : len == 3 ? p[0] & 15 : p[0] & 31;
	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 63);
	return c;
}

int oxi_charset_encode_query(const char *charset, const char *link, size_t len, struct oxi_buffer *out)
{
	const char *query = memchr(link, '?', len);
	bool is_unicode = strncmp(charset, "utf-", 4) == 0;
	size_t plain = query && !is_unicode ? (size_t)(query - link) : len;
	oxi_buffer_add(out, link, plain);
	iconv_t cd = plain < len ? iconv_open(charset, "UTF-8") : (iconv_t)-1;
	for (size_t i = plain; i < len && cd != (iconv_t)-1;) {
		const unsigned char *p = (const unsigned char *)link + i;
		size_t n = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
		n = n < len - i ? n : len - i;
		char *in = (char *)(uintptr_t)p, bytes[16], *to = bytes;
		size_t left = n, room = sizeof(bytes);
		if (iconv(cd, &in, &left, &to, &room) != (size_t)-1)
			add_percent(out, (unsigned char *)bytes, sizeof(bytes) - room);
		else                    /* as a form's text that its charset cannot say */
			oxi_buffer_add_format(out, "%%26%%23%u%%3B", code_point(p, n));
		i += n;
	}
	if (cd != (iconv_t)-1)
		iconv_close(cd);
	return out->failed ? OX_ENOMEM : 0;
}

void oxi_charset_prepare(void)
{
	/* Never closed: with its last user the C library would forget a charset again. */
	for (size_t i = 0; i < sizeof(WEB) / sizeof(WEB[0]); i++)
		loaded[i] = iconv_open("UTF-8", WEB[i]) != (iconv_t)-1 && iconv_open(WEB[i], "UTF-8") != (iconv_t)-1;
	none_else = true;
}
