/* SPDX-License-Identifier: MIT */
/*
 * The time left is the larger of two guesses. By work: the jobs that are left, at the mean time of late, spread
 * over the slots; it is right when jobs are what takes the time, and knows at once when they get slower. By pace:
 * the jobs that are left at the pace so far; it is right when something else holds them back, a rate or the
 * reader of the output. Neither is shown before a job has ended, or with a precision that it does not have.
 */
#include "cli/batch/progress.h"

#include <stdio.h>
#include <string.h>

#define BAR_MAX 30

ox_time oxi_progress_left(const struct oxi_progress *p)
{
	uint64_t done = p->tally->done;
	if (!p->total || !done || done > p->total)
		return OX_NEVER;
	double left = (double)(p->total - done);
	double by_work = left * (double)p->mean / (p->slots ? p->slots : 1);
	double by_pace = done >= p->slots ? left * (double)p->elapsed / (double)done : 0;
	double t = by_work > by_pace ? by_work : by_pace;
	return t < (double)OX_SEC(365 * 86400LL) ? (ox_time)t : OX_NEVER;
}

void oxi_duration_text(ox_time t, char *text, size_t cap)
{
	long long s = (t + OX_MS(500)) / OX_SEC(1);
	if (s < 60)
		snprintf(text, cap, "%llds", s);
	else if (s < 3600)
		snprintf(text, cap, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, cap, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(text, cap, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

static void add(char *line, size_t cap, const char *text)
{
	size_t n = strlen(line);
	if (n + 1 < cap)
		snprintf(line + n, cap - n, "%s", text);
}

static void add_bar(const struct oxi_progress *p, size_t width, char *line, size_t cap)
{
	char bar[BAR_MAX + 4];
	size_t cells = width > 100 ? BAR_MAX : width > 70 ? 20 : width > 50 ? 10 : 0;
	size_t full = (size_t)((double)cells * (double)p->tally->done / (double)p->total);
	if (cells == 0)
		return;
	bar[0] = '[';
	memset(bar + 1, '#', full);
	memset(bar + 1 + full, '.', cells - full);
	memcpy(bar + 1 + cells, "] ", 3);
	add(line, cap, bar);
}

void oxi_progress_text(const struct oxi_progress *p, size_t width, char *line, size_t cap)
{
	char text[96];
	const struct oxi_tally *t = p->tally;
	*line = '\0';
	if (p->total && p->bar && t->done <= p->total)
		add_bar(p, width, line, cap);
	if (p->total)
		snprintf(text, sizeof(text), "%d%% %llu/%llu", (int)(100.0 * (double)t->done / (double)p->total),
		         (unsigned long long)t->done, (unsigned long long)p->total);
	else
		snprintf(text, sizeof(text), "%llu done", (unsigned long long)t->done);
	add(line, cap, text);
	ox_time left = oxi_progress_left(p);
	if (left != OX_NEVER) {
		add(line, cap, ", ");
		oxi_duration_text(left, text, sizeof(text));
		add(line, cap, text);
		add(line, cap, " left");
	}
	snprintf(text, sizeof(text), ", %u running", p->running);
	add(line, cap, text);
	if (t->failed) {
		snprintf(text, sizeof(text), ", %llu failed", (unsigned long long)t->failed);
		add(line, cap, text);
	}
	if (p->busy) {
		add(line, cap, ", waiting for ");
		add(line, cap, p->busy);
	}
	if (strlen(line) > width)
		line[width] = '\0';
}
