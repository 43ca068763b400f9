/* SPDX-License-Identifier: MIT */
#include "cli/bar.h"

#include <oxbow/run.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

size_t oxi_bar_columns(void)
{
	struct winsize w;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col - 1u : 79;
}

static void draw(struct oxi_bar *b, const char *line)
{
	char out[320];
	size_t width = b->terminal ? oxi_bar_columns() : 255;
	int n = snprintf(out, sizeof(out), b->terminal ? "\r%.*s\033[K" : "%.*s\n",
	                 (int)(width < 255 ? width : 255), line);
	ssize_t written = write(STDERR_FILENO, out, (size_t)n);
	b->drawn = b->terminal && written > 0;
}

int oxi_bar_run(struct oxi_bar *b, void (*text)(void *arg, char *line, size_t cap), void *arg)
{
	char line[256], before[256] = "";
	b->terminal = isatty(STDERR_FILENO);
	for (;;) {
		int r = ox_sleep(b->terminal ? OX_MS(100) : OX_SEC(1));
		if (r < 0)
			return r;
		text(arg, line, sizeof(line));
		if (b->drawn && strcmp(line, before) == 0)
			continue;
		draw(b, line);
		memcpy(before, line, sizeof(line));
	}
}

void oxi_bar_clear(struct oxi_bar *b)
{
	if (b->drawn && write(STDERR_FILENO, "\r\033[K", 4) > 0)
		b->drawn = false;
}
