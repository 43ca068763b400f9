/* SPDX-License-Identifier: MIT */
/* The log hook. A message is formatted in the frame of who logs, so that it needs no memory, and cut at its end. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <oxbow/log.h>

#include "loop/loop.h"

static ox_log_fn *hook;
static void *hook_arg;

void ox_log_set(ox_log_fn *fn, void *arg)
{
	hook = fn;
	hook_arg = arg;
}

void ox_log_stderr(void *arg, ox_log_level level, const char *text)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };

	(void)arg;
	dprintf(2, "oxbow: %s: %s\n", level <= OX_LOG_DEBUG ? names[level] : "", text);
}

bool oxi_log_heard(void)
{
	return hook != NULL;
}

int oxi_log_fd(void)
{
	return hook == ox_log_stderr ? STDERR_FILENO : -1;
}

void oxi_log(ox_log_level level, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (hook == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	hook(hook_arg, level, text);
}
