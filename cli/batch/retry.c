/* SPDX-License-Identifier: MIT */
/*
 * The wait doubles with each attempt up to a bound, and any part of it may be waited ("full jitter"): jobs that
 * failed together because a server was overloaded must not come back together. The chance comes in from outside
 * as 64 bits, so that a test can say what is expected.
 */
#include "cli/batch/retry.h"

#include <string.h>

#include "cli/options.h"

#define MAX_WAIT OX_SEC(60)             /* unless another bound is given */

void oxi_retry_on_all(struct oxi_retry_on *ret)
{
	const uint64_t all = ~UINT64_C(0);
	*ret = (struct oxi_retry_on){ .exits = { all - 1, all, all, all }, .signals = { all, all }, .timeout = true };
}

static void set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static int set_number(const char *text, size_t len, uint64_t *bits, uint64_t max)
{
	char number[8];
	uint64_t n;
	if (len >= sizeof(number))
		return OX_EINVAL;
	memcpy(number, text, len);
	number[len] = '\0';
	if (oxi_value_count(number, 1, max, &n) < 0)
		return OX_EINVAL;
	set_bit(bits, n);
	return 0;
}

/* "" or ":1,75": which of the bits from 1 to max. */
static int set_numbers(const char *text, size_t len, uint64_t *bits, uint64_t max)
{
	for (uint64_t i = 1; len == 0 && i <= max; i++)
		set_bit(bits, i);
	if (len == 0)
		return 0;
	if (*text != ':')
		return OX_EINVAL;
	for (size_t at = 1; at <= len;) {
		const char *comma = memchr(text + at, ',', len - at);
		size_t n = comma ? (size_t)(comma - text) - at : len - at;
		if (set_number(text + at, n, bits, max) < 0)
			return OX_EINVAL;
		at += n + 1;
	}
	return 0;
}

int oxi_retry_on_parse(const char *text, struct oxi_retry_on *ret)
{
	struct oxi_retry_on on = { 0 };
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		int r = OX_EINVAL;
		if (len == 7 && strncmp(text, "timeout", len) == 0) {
			on.timeout = true;
			r = 0;
		} else if (strncmp(text, "exit", 4) == 0) {
			r = set_numbers(text + 4, len - 4, on.exits, 255);
		} else if (strncmp(text, "signal", 6) == 0) {
			r = set_numbers(text + 6, len - 6, on.signals, 64);
		}
		if (r < 0)
			return r;
		text += len;
	}
	*ret = on;
	return 0;
}

int oxi_backoff_parse(const char *text, struct oxi_backoff *ret)
{
	struct oxi_backoff b;
	char base[32];
	const char *dots = strstr(text, "..");
	size_t len = dots ? (size_t)(dots - text) : strlen(text);
	if (len >= sizeof(base))
		return OX_EINVAL;
	memcpy(base, text, len);
	base[len] = '\0';
	if (oxi_value_time(base, &b.base) < 0)
		return OX_EINVAL;
	b.max = b.base > MAX_WAIT ? b.base : MAX_WAIT;
	if (dots && (oxi_value_time(dots + 2, &b.max) < 0 || b.max < b.base))
		return OX_EINVAL;
	*ret = b;
	return 0;
}

bool oxi_retry_wanted(const struct oxi_retry *r, unsigned attempt, struct oxi_outcome o)
{
	if (r->tries != 0 && attempt >= r->tries)
		return false;
	switch (o.status) {
	case OXI_TIMEOUT:
		return r->on.timeout;
	case OXI_FAILED:
		return o.signal ? oxi_bit(r->on.signals, o.signal & 127) : oxi_bit(r->on.exits, o.exit & 255);
	default:
		return false;
	}
}

ox_time oxi_backoff_wait(struct oxi_backoff b, unsigned attempt, uint64_t random)
{
	ox_time most = b.base;
	for (unsigned i = 1; i < attempt && most < b.max; i++)
		most = most > b.max / 2 ? b.max : 2 * most;
	return (ox_time)(((unsigned __int128)(uint64_t)most * random) >> 64);
}
