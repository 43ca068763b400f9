/* SPDX-License-Identifier: MIT */
#include "cli/crawl/directive.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_word(const char *p, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(p, word, len) == 0;
}

static unsigned directive(const char *p, size_t len)
{
	if (is_word(p, len, "none"))
		return OXI_NOINDEX | OXI_NOFOLLOW;
	return is_word(p, len, "noindex") ? OXI_NOINDEX : is_word(p, len, "nofollow") ? OXI_NOFOLLOW : 0;
}

/* Directives that have a value behind a colon, which is no robot's name then. */
static bool has_value(const char *p, size_t len)
{
	static const char *const names[] = { "unavailable_after", "max-snippet", "max-image-preview", "max-video-preview" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_word(p, len, names[i]))
			return true;
	}
	return false;
}

static unsigned read_list(const char *p, bool with_agents)
{
	static const char blanks[] = " \t\n\f\r";
	unsigned found = 0;
	bool for_us = true;
	while (*p) {
		p += strspn(p, " \t\n\f\r,");
		size_t len = strcspn(p, ",");
		size_t name = strcspn(p, " \t\n\f\r,:");
		const char *colon = p + name + strspn(p + name, blanks);
		if (with_agents && *colon == ':' && !has_value(p, name)) {
			for_us = is_word(p, name, OXI_AGENT) || is_word(p, name, "*");
			p = colon + 1;
			continue;
		}
		if (for_us)
			found |= directive(p, name);
		p += len;
	}
	return found;
}

unsigned oxi_directives_of_meta(const char *text)
{
	return read_list(text, false);
}

unsigned oxi_directives_of_header(const char *text)
{
	return read_list(text, true);
}
