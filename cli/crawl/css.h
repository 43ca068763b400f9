/* SPDX-License-Identifier: MIT */
/* Links in style sheets, style elements and style attributes. */
#ifndef OXBOW_CLI_CSS_H
#define OXBOW_CLI_CSS_H

#include "cli/crawl/link.h"

/* Gives what url() and @import name, escapes undone; @namespace names what is no address. text: UTF-8. */
void oxi_css_links(const char *text, size_t len, oxi_link_fn *give, void *arg);

#endif
