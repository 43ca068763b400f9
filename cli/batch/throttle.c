/* SPDX-License-Identifier: MIT */
/*
 * The rate is a token bucket: it fills at the rate, holds what one second brings but at least one token, and a
 * start takes one. So a run may catch up a second's worth after a pause and never more, and "10/m" is one every
 * six seconds, not ten at once.
 *
 * The machine is asked once a second: its own figures are averages over ten seconds and more. As starts in one
 * second do not see each other's effect, these limits are best used with --delay.
 */
#include "cli/batch/throttle.h"

#include <errno.h>
#include <oxbow/pool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

#define LOOK_EVERY OX_SEC(1)

static const char *const PSI_NAMES[OXI_PSIS] = { "cpu", "io", "memory" };

/* A decimal fraction above 0, without sign, exponent or locale. *ret_rest points behind it. */
static int fraction(const char *text, double *ret, const char **ret_rest)
{
	double n = 0, unit = 1;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 15)
		return OX_EINVAL;
	for (; digits; digits--)
		n = 10 * n + (*text++ - '0');
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++)
			n += (*text - '0') * (unit /= 10);
	}
	if (n <= 0)
		return OX_EINVAL;
	*ret = n;
	*ret_rest = text;
	return 0;
}

int oxi_rate_parse(const char *text, double *ret)
{
	double n;
	if (fraction(text, &n, &text) < 0)
		return OX_EINVAL;
	if (*text == '\0' || strcmp(text, "/s") == 0)
		*ret = n;
	else if (strcmp(text, "/m") == 0)
		*ret = n / 60;
	else if (strcmp(text, "/h") == 0)
		*ret = n / 3600;
	else
		return OX_EINVAL;
	return 0;
}

int oxi_load_parse(const char *text, double *ret)
{
	double n;
	if (fraction(text, &n, &text) < 0)
		return OX_EINVAL;
	if (strcmp(text, "%") == 0)
		n = n * ox_cpu_count() / 100;
	else if (*text)
		return OX_EINVAL;
	*ret = n;
	return 0;
}

/* Percent of the last ten seconds. Negative: -errno. */
static double pressure(enum oxi_psi what)
{
	char path[32];
	double avg10;
	snprintf(path, sizeof(path), "/proc/pressure/%s", PSI_NAMES[what]);
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "some avg10=%lf", &avg10) != 1)
		avg10 = -EOPNOTSUPP;
	fclose(f);
	return avg10;
}

int oxi_psi_parse(const char *text, double psi[OXI_PSIS])
{
	for (;;) {
		int what = 0;
		size_t len = strcspn(text, "<");
		while (what < OXI_PSIS && (strlen(PSI_NAMES[what]) != len || strncmp(text, PSI_NAMES[what], len) != 0))
			what++;
		double most;
		if (what == OXI_PSIS || text[len] != '<' || fraction(text + len + 1, &most, &text) < 0 || most > 100)
			return OX_EINVAL;
		double now = pressure((enum oxi_psi)what);
		if (now < 0)
			return (int)now;
		psi[what] = most;
		text += *text == '%';
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return OX_EINVAL;
	}
}

bool oxi_throttle_any(const struct oxi_throttle_options *o)
{
	return o->rate > 0 || o->delay || o->load > 0 || o->memfree || o->psi[0] > 0 || o->psi[1] > 0 || o->psi[2] > 0;
}

static void fill(struct oxi_throttle *t, ox_time now)
{
	double most = t->o.rate > 1 ? t->o.rate : 1;
	t->tokens = t->filled ? t->tokens + (double)(now - t->filled) / 1e9 * t->o.rate : 1;
	t->tokens = t->tokens < most ? t->tokens : most;
	t->filled = now;
}

ox_time oxi_throttle_take(struct oxi_throttle *t, ox_time now)
{
	ox_time wait = t->next > now ? t->next - now : 0;
	if (t->o.rate > 0) {
		fill(t, now);
		ox_time until = t->tokens < 1 ? (ox_time)((1 - t->tokens) / t->o.rate * 1e9) + 1 : 0;
		wait = until > wait ? until : wait;
	}
	if (wait)
		return wait;
	t->tokens -= t->o.rate > 0;
	t->next = now + t->o.delay;
	return 0;
}

/* Bytes that can be had without swapping; SIZE_MAX if the kernel does not tell. */
static size_t available(void)
{
	char line[128];
	unsigned long long kib;
	size_t ret = SIZE_MAX;
	FILE *f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			ret = (size_t)kib << 10;
	}
	if (f)
		fclose(f);
	return ret;
}

static const char *look(const struct oxi_throttle_options *o)
{
	double load;
	if (o->load > 0 && getloadavg(&load, 1) == 1 && load > o->load)
		return "load";
	if (o->memfree && available() < o->memfree)
		return "memory";
	for (int i = 0; i < OXI_PSIS; i++) {
		if (o->psi[i] > 0 && pressure((enum oxi_psi)i) >= o->psi[i])
			return "pressure";
	}
	return NULL;
}

const char *oxi_throttle_busy(struct oxi_throttle *t, ox_time now)
{
	if (t->looked == 0 || now - t->looked >= LOOK_EVERY) {
		t->looked = now;
		t->busy = look(&t->o);
	}
	return t->busy;
}
