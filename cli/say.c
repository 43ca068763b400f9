/* SPDX-License-Identifier: MIT */
#include "cli/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool oxi_colour(int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(fd);
}

static const char *about;

void oxi_say_about(const char *what)
{
	about = what;
}

void oxi_say(const char *command, const char *format, ...)
{
	bool colour = oxi_colour(STDERR_FILENO);
	char line[1024];
	int n = snprintf(line, sizeof(line), "%soxbow: %s%s%s%.512s%s", colour ? "\033[1m" : "", command ? command : "",
	                 command ? ": " : "", colour ? "\033[0m" : "", about ? about : "", about ? ": " : "");
	va_list args;
	va_start(args, format);
	int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (m < 0)
		return;
	size_t len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return;                 /* nobody listens: there is nobody to tell */
}
