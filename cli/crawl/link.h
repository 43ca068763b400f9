/* SPDX-License-Identifier: MIT */
/* Links: by what they are found, what they are for, and the grammars that stand inside of one attribute or header. */
#ifndef OXBOW_CLI_LINK_H
#define OXBOW_CLI_LINK_H

#include <oxbow/base.h>

/*
 * Name, text for people, and what it is for. PAGE: what it leads to may be a document of its own, and is followed.
 * REQUISITE: a page is shown with it; it is taken if that was asked for. BASE: no link, but what the others are
 * relative to. Runs keep the numbers: new ones go to the end.
 */
#define OXI_LINKS(X)                                                                                        \
	X(START, NULL, PAGE) X(BASE, "base", BASE) X(SITEMAP, "sitemap", PAGE) X(LISTED, "loc", PAGE)       \
	X(A, "a", PAGE) X(AREA, "area", PAGE) X(EMBED, "embed", PAGE) X(FRAME, "frame", PAGE)               \
	X(IFRAME, "iframe", PAGE) X(LINK, "link", PAGE) X(OBJECT, "object", PAGE)                           \
	X(REFRESH, "refresh", PAGE) X(HEADER, "header", PAGE) X(CRUNCH, "crunch", PAGE)                     \
	X(RESOURCE, "link", REQUISITE) X(HEADER_RESOURCE, "header", REQUISITE) X(AUDIO, "audio", REQUISITE) \
	X(BACKGROUND, "background", REQUISITE) X(CSS, "css", REQUISITE) X(IMG, "img", REQUISITE)            \
	X(IMPORT, "import", REQUISITE) X(INPUT, "input", REQUISITE) X(SCRIPT, "script", REQUISITE)          \
	X(SOURCE, "source", REQUISITE) X(SRCSET, "srcset", REQUISITE) X(TRACK, "track", REQUISITE)          \
	X(VIDEO, "video", REQUISITE)

enum oxi_link {
#define OXI_LINK_ENUM(name, text, use) OXI_LINK_##name,
	OXI_LINKS(OXI_LINK_ENUM)
#undef OXI_LINK_ENUM
	OXI_LINK_COUNT,
};

enum oxi_link_use { OXI_USE_PAGE, OXI_USE_REQUISITE, OXI_USE_BASE };

const char *oxi_link_name(enum oxi_link by);            /* NULL: a start */
enum oxi_link_use oxi_link_use(enum oxi_link by);

/* Gets a link, as it stands where it was found. unvouched: rel=nofollow or the like. */
typedef void oxi_link_fn(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len);

/*
 * What rel says about a link that by means as one to a page: that it is one, or the resource instead.
 * Returns: by, or resource; BASE: nothing is to be fetched at all (dns-prefetch).
 */
enum oxi_link oxi_link_by_rel(const char *rel, enum oxi_link by, enum oxi_link resource);
bool oxi_link_unvouched(const char *rel);               /* both take NULL */

/* The candidates of a srcset (HTML, "parse a srcset attribute"); whether their descriptors make sense is not looked at. */
void oxi_link_srcset(const char *text, oxi_link_fn *give, void *arg);

/* "5; url='x'", of <meta http-equiv=refresh> and of the header (HTML, "shared declarative refresh steps"). */
void oxi_link_refresh(const char *text, oxi_link_fn *give, void *arg);

/* One Link header: any number of links (RFC 8288). One without rel is none. */
void oxi_link_header(const char *text, oxi_link_fn *give, void *arg);

#endif
