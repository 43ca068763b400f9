/* SPDX-License-Identifier: MIT */
/* The text of OX_CHAOS, and the dice. */
#include <stdlib.h>
#include <string.h>

#include "pool/heritage.h"

static const struct {
	const char *name;
	uint16_t rate;
} kinds[] = {
#define OXI_CHAOS_KIND_(what, name, rate, text) { #name, rate },
	OXI_CHAOS(OXI_CHAOS_KIND_)
#undef OXI_CHAOS_KIND_
};

/* Digits at *at, up to max; *at behind them. */
static bool number(const char **at, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		unsigned digit = (unsigned)(**at - '0');
		if (n > (max - digit) / 10)
			return false;
		n = 10 * n + digit;
	}
	*ret = n;
	return true;
}

static bool named_rate(const char **at, struct oxi_chaos *c)
{
	size_t len = strcspn(*at, "=");
	uint64_t rate;

	for (unsigned i = 0; i < OXI_CHAOS_KINDS; i++) {
		if (strlen(kinds[i].name) != len || strncmp(kinds[i].name, *at, len) != 0 || (*at)[len] != '=')
			continue;
		*at += len + 1;
		if (!number(at, 1000, &rate))
			return false;
		c->rate[i] = (uint16_t)rate;
		return true;
	}
	return false;
}

int oxi_chaos_parse(const char *text, struct oxi_chaos *ret)
{
	struct oxi_chaos c = { .on = true };

	if (!number(&text, UINT64_MAX, &c.seed))
		return OX_EINVAL;
	for (unsigned i = 0; i < OXI_CHAOS_KINDS && *text == '\0'; i++)
		c.rate[i] = kinds[i].rate;
	if (*text != '\0' && *text != ':')
		return OX_EINVAL;
	while (*text != '\0') {
		text++;                 /* the colon, or a comma */
		if (!named_rate(&text, &c) || (*text != '\0' && *text != ','))
			return OX_EINVAL;
	}
	*ret = c;
	return 0;
}

static uint64_t dice(const struct oxi_chaos *c, unsigned what, uint64_t who, uint64_t n)
{
	return oxi_mix(oxi_mix(oxi_mix(oxi_mix(c->seed + 0x9e3779b97f4a7c15u) ^ what) ^ who) + n * 0x9e3779b97f4a7c15u);
}

bool oxi_chaos_hits(const struct oxi_chaos *c, enum oxi_chaos_what what, uint64_t who, uint64_t n)
{
	return c->on && dice(c, what, who, n) % 1000 < c->rate[what];
}

uint64_t oxi_chaos_number(const struct oxi_chaos *c, uint64_t who, uint64_t n, uint64_t limit)
{
	return dice(c, OXI_CHAOS_KINDS, who, n) % limit;
}
