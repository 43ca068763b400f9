/* SPDX-License-Identifier: MIT */
#include "pool/greet.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

bool oxi_greet_name(const char *name)
{
	struct oxi_lines l;
	struct oxi_line line;
	char text[OXI_JOB_NAME + 8];

	if (strlen(name) >= OXI_JOB_NAME || strchr(name, '\n') != NULL)
		return false;
	int n = snprintf(text, sizeof text, "job %s", name);
	oxi_lines_init(&l, text, (size_t)n);
	return oxi_lines_next(&l, &line) == 1 && strcmp(line.value, name) == 0;
}

/* What is longer is cut: these texts are for people. */
static bool take_text(const struct oxi_line *l, const char *key, char *to, size_t cap)
{
	size_t len = strnlen(l->value, cap - 1);

	if (!oxi_line_is(l, key))
		return false;
	memcpy(to, l->value, len);
	to[len] = '\0';
	return true;
}

/* *bad: the line is of this key, but no such number. */
static bool take_number(const struct oxi_line *l, const char *key, uint64_t max, uint64_t *to, bool *bad)
{
	if (!oxi_line_is(l, key))
		return false;
	*bad |= !oxi_number(l->value, max, to);
	return true;
}

int oxi_hello_read(const void *text, size_t len, struct oxi_hello *ret, void (*on_job)(void *arg, const char *name), void *arg)
{
	struct oxi_lines lines;
	struct oxi_line l;
	bool bad = false;
	int r;

	*ret = (struct oxi_hello){ .slots = 0 };
	oxi_lines_init(&lines, text, len);
	while (!bad && (r = oxi_lines_next(&lines, &l)) == 1) {
		if (oxi_line_is(&l, "job"))
			on_job(arg, l.value);
		else if (!take_text(&l, "library", ret->library, sizeof ret->library) &&
		         !take_text(&l, "host", ret->host, sizeof ret->host) &&
		         !take_number(&l, "pid", INT32_MAX, &ret->pid, &bad))
			take_number(&l, "slots", UINT16_MAX, &ret->slots, &bad);
	}
	return bad || r < 0 || ret->slots == 0 || ret->host[0] == '\0' ? OX_EPROTO : 0;
}

static int take_slot(const struct oxi_line *l, const struct oxi_welcome_ops *ops, void *arg)
{
	uint64_t slot;

	return oxi_number(l->value, UINT16_MAX, &slot) ? ops->on_slot(arg, (unsigned)slot) : OX_EPROTO;
}

static int take_job(const struct oxi_line *l, const struct oxi_welcome_ops *ops, void *arg)
{
	const char *name;
	uint64_t max;

	return oxi_number_before(l->value, SIZE_MAX, &max, &name) ? ops->on_job(arg, name, max) : OX_EPROTO;
}

int oxi_welcome_read(const void *text, size_t len, struct oxi_welcome *ret, const struct oxi_welcome_ops *ops, void *arg)
{
	struct oxi_lines lines;
	struct oxi_line l;
	bool bad = false;
	int r, more;

	*ret = (struct oxi_welcome){ .capture = 0 };
	oxi_lines_init(&lines, text, len);
	for (r = 0; r == 0 && (more = oxi_lines_next(&lines, &l)) == 1; r = bad ? OX_EPROTO : r) {
		if (oxi_line_is(&l, "slot"))
			r = take_slot(&l, ops, arg);
		else if (oxi_line_is(&l, "job"))
			r = take_job(&l, ops, arg);
		else if (!take_number(&l, "capture", SIZE_MAX, &ret->capture, &bad))
			take_number(&l, "max-rss", SIZE_MAX, &ret->max_rss, &bad);
	}
	return r < 0 ? r : more;
}

/* ---- stories ---- */

void oxi_story_say(struct oxi_text *t, const ox_crash *c, const char *host)
{
	oxi_text_add(t, "host %s\npid %d\nsignal %d\nexit %d\n", host, (int)c->pid, c->signal, c->exit_code);
	oxi_text_add(t, "address %" PRIuPTR "\nuser %" PRId64 "\nsystem %" PRId64 "\n", (uintptr_t)c->address, c->user_time,
	             c->system_time);
	oxi_text_add(t, "rss %zu\nlimit %zu\n", c->max_rss, c->memory_limit);
	for (size_t i = 0; i < c->backtrace_len; i++)
		oxi_text_add(t, "frame %" PRIuPTR "\n", (uintptr_t)c->backtrace[i]);
}

int oxi_story_hear(const void *text, size_t len, struct oxi_story *ret)
{
	uint64_t pid = 0, signo = 0, code = 0, address = 0, user = 0, system = 0, rss = 0, limit = 0, frame;
	struct oxi_lines lines;
	struct oxi_line l;
	bool bad = false;
	int r;

	*ret = (struct oxi_story){ .crashed = true };
	oxi_lines_init(&lines, text, len);
	while ((r = oxi_lines_next(&lines, &l)) == 1 && !bad) {
		if (take_number(&l, "frame", UINTPTR_MAX, &frame, &bad)) {
			if (!bad && ret->crash.backtrace_len < OXI_FRAMES)
				ret->frames[ret->crash.backtrace_len++] = (void *)(uintptr_t)frame;
		} else if (!take_text(&l, "host", ret->host, sizeof ret->host) &&
		           !take_number(&l, "pid", INT32_MAX, &pid, &bad) && !take_number(&l, "signal", NSIG, &signo, &bad) &&
		           !take_number(&l, "exit", 255, &code, &bad) && !take_number(&l, "address", UINTPTR_MAX, &address, &bad) &&
		           !take_number(&l, "user", INT64_MAX, &user, &bad) && !take_number(&l, "system", INT64_MAX, &system, &bad) &&
		           !take_number(&l, "rss", SIZE_MAX, &rss, &bad)) {
			take_number(&l, "limit", SIZE_MAX, &limit, &bad);
		}
	}
	ox_crash *c = &ret->crash;
	c->pid = (pid_t)pid;
	c->signal = (int)signo;
	c->exit_code = (int)code;
	c->address = (const void *)(uintptr_t)address;
	c->user_time = (ox_time)user;
	c->system_time = (ox_time)system;
	c->max_rss = (size_t)rss;
	c->memory_limit = (size_t)limit;
	return bad || r < 0 ? OX_EPROTO : 0;
}
