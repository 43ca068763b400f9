/* SPDX-License-Identifier: MIT */
/*
 * A percentage is one of all jobs of the run, as in GNU parallel, which reads its whole input first to know how
 * many that are. We do not: a percentage is looked at once the end of the input was seen, and again at each end
 * of a job after it.
 */
#include "cli/batch/halt.h"

#include <stdio.h>
#include <string.h>

#include "cli/options.h"

static const char *const WHYS[] = { "fail", "success", "done" };

static int parse_number(const char *text, struct oxi_halt *h)
{
	char number[24];
	size_t len = strlen(text);
	h->percent = len > 0 && text[len - 1] == '%';
	len -= h->percent;
	if (len >= sizeof(number))
		return OX_EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	return oxi_value_count(number, 0, h->percent ? 100 : UINT64_MAX, &h->n);
}

static int parse_long(const char *text, struct oxi_halt *ret)
{
	struct oxi_halt h = { 0 };
	if (strcmp(text, "never") == 0) {
		*ret = h;
		return 0;
	}
	if (strncmp(text, "now,", 4) == 0)
		h.when = OXI_HALT_NOW;
	else if (strncmp(text, "soon,", 5) == 0)
		h.when = OXI_HALT_SOON;
	else
		return OX_EINVAL;
	text = strchr(text, ',') + 1;
	for (size_t i = 0; i < sizeof(WHYS) / sizeof(WHYS[0]); i++) {
		size_t len = strlen(WHYS[i]);
		if (strncmp(text, WHYS[i], len) != 0 || text[len] != '=')
			continue;
		h.why = (enum oxi_halt_why)i;
		if (parse_number(text + len + 1, &h) < 0)
			return OX_EINVAL;
		*ret = h;
		return 0;
	}
	return OX_EINVAL;
}

int oxi_halt_parse(const char *text, struct oxi_halt *ret)
{
	static const char *const shorts[][2] = {
		{ "0", "never" }, { "1", "soon,fail=1" }, { "2", "now,fail=1" },
		{ "-1", "soon,success=1" }, { "-2", "now,success=1" },
	};
	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++) {
		if (strcmp(text, shorts[i][0]) == 0)
			return parse_long(shorts[i][1], ret);
	}
	struct oxi_halt h = { .when = OXI_HALT_SOON };
	if (parse_number(text, &h) == 0 && h.percent) {
		*ret = h;
		return 0;
	}
	return parse_long(text, ret);
}

bool oxi_halt_due(const struct oxi_halt *h, const struct oxi_tally *t, uint64_t total)
{
	uint64_t count = h->why == OXI_HALT_FAIL ? t->failed : h->why == OXI_HALT_DONE ? t->done : t->done - t->failed;
	if (h->when == OXI_HALT_NEVER || count == 0)
		return false;
	if (!h->percent)
		return count >= h->n;
	return total && (double)count * 100 >= (double)h->n * (double)total;
}

void oxi_halt_text(const struct oxi_halt *h, char *text, size_t cap)
{
	snprintf(text, cap, "%s=%llu%s", WHYS[h->why], (unsigned long long)h->n, h->percent ? "%" : "");
}
