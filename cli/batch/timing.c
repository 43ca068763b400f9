/* SPDX-License-Identifier: MIT */
/*
 * The median of a million jobs' times cannot be kept exactly without keeping them. It is kept as a histogram with
 * buckets that are 1/32 of a power of two wide, so that it is right within 3 % whatever the times are: a limit of
 * N % of it needs no more.
 */
#include "cli/batch/timing.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/options.h"

static unsigned bucket_of(uint64_t t)
{
	unsigned octave = t < OXI_MEDIAN_STEPS ? 0 : 63 - (unsigned)__builtin_clzll(t);
	return octave == 0 ? (unsigned)t
	                   : octave * OXI_MEDIAN_STEPS + (unsigned)((t >> (octave - 5)) & (OXI_MEDIAN_STEPS - 1));
}

static ox_time middle_of(unsigned bucket)
{
	unsigned octave = bucket / OXI_MEDIAN_STEPS;
	uint64_t step = bucket % OXI_MEDIAN_STEPS;
	if (octave == 0)
		return (ox_time)step;
	uint64_t low = (OXI_MEDIAN_STEPS + step) << (octave - 5);
	return (ox_time)(low + ((1ULL << (octave - 5)) >> 1));
}

void oxi_median_add(struct oxi_median *m, ox_time t)
{
	m->n++;
	m->bucket[bucket_of(t > 0 ? (uint64_t)t : 0)]++;
}

ox_time oxi_median_get(const struct oxi_median *m)
{
	uint64_t before = 0;
	for (unsigned i = 0; i < OXI_MEDIAN_BUCKETS && m->n; i++) {
		before += m->bucket[i];
		if (2 * before >= m->n)
			return middle_of(i);
	}
	return 0;
}

int oxi_time_limit_parse(const char *text, struct oxi_time_limit *ret)
{
	struct oxi_time_limit l = { 0 };
	size_t len = strlen(text);
	char number[24];
	if (len > 0 && text[len - 1] == '%') {
		if (len > sizeof(number))
			return OX_EINVAL;
		memcpy(number, text, len - 1);
		number[len - 1] = '\0';
		if (oxi_value_count(number, 1, 1000000, &l.percent) < 0)
			return OX_EINVAL;
	} else if (oxi_value_time(text, &l.fixed) < 0 || l.fixed == 0) {
		return OX_EINVAL;
	}
	*ret = l;
	return 0;
}

ox_time oxi_time_limit_get(const struct oxi_time_limit *l, const struct oxi_median *m)
{
	if (!l->percent)
		return l->fixed ? l->fixed : OX_NEVER;
	if (m->n < OXI_LIMIT_SAMPLES)
		return OX_NEVER;
	double most = (double)oxi_median_get(m) * (double)l->percent / 100;
	return most < (double)OX_SEC(365 * 86400LL) ? (ox_time)most + 1 : OX_NEVER;
}

static int signal_number(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {
		{ "HUP", SIGHUP }, { "INT", SIGINT }, { "QUIT", SIGQUIT }, { "ABRT", SIGABRT }, { "KILL", SIGKILL },
		{ "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ALRM", SIGALRM }, { "TERM", SIGTERM },
		{ "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP },
	};
	uint64_t n;
	if (oxi_value_count(name, 1, 64, &n) == 0)
		return (int)n;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(name, names[i].name) == 0)
			return names[i].number;
	}
	return 0;
}

int oxi_term_seq_parse(const char *text, struct oxi_term_seq *ret)
{
	struct oxi_term_seq seq = { 0 };
	char copy[256], *save = NULL;
	if (strlen(text) >= sizeof(copy) || strstr(text, ",,") || !*text || text[strlen(text) - 1] == ',')
		return OX_EINVAL;
	strcpy(copy, text);
	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		struct oxi_term_step *step = &seq.step[seq.n];
		uint64_t ms = 0;
		if (seq.n == OXI_TERM_STEPS || !(step->signal = signal_number(word)))
			return OX_EINVAL;
		word = strtok_r(NULL, ",", &save);
		if (word && oxi_value_count(word, 0, 86400000, &ms) < 0)
			return OX_EINVAL;
		step->wait = OX_MS((ox_time)ms);
		seq.n++;
	}
	*ret = seq;
	return seq.n ? 0 : OX_EINVAL;
}
