/* SPDX-License-Identifier: MIT */
/* What a page asks of robots, by <meta name=robots> or X-Robots-Tag. */
#ifndef OXBOW_CLI_DIRECTIVE_H
#define OXBOW_CLI_DIRECTIVE_H

#define OXI_AGENT "oxbow"               /* what robots.txt and pages may call us */

enum {
	OXI_NOINDEX = 1,                /* nothing is to be made of its content */
	OXI_NOFOLLOW = 2,               /* its links are not to be followed */
};

/* Directives as <meta content> has them: "noindex, nofollow". */
unsigned oxi_directives_of_meta(const char *text);

/* And one X-Robots-Tag, where they may be for one robot: "otherbot: noindex, nofollow". */
unsigned oxi_directives_of_header(const char *text);

#endif
