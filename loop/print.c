/* SPDX-License-Identifier: MIT */
/* Text without memory; see print.h. Async-signal-safe. */
#include "loop/print.h"

#include <unistd.h>

void oxi_print_flush(struct oxi_print *p)
{
	size_t done = 0;

	if (p->fd < 0)
		return;
	while (done < p->len && p->error == 0) {
		ssize_t n = write(p->fd, p->buf + done, p->len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			p->error = -errno;
	}
	p->len = 0;
}

static void put(struct oxi_print *p, char c)
{
	if (p->len == sizeof(p->buf) - 1)
		oxi_print_flush(p);
	if (p->len == sizeof(p->buf) - 1)
		return;
	p->buf[p->len++] = c;
	p->buf[p->len] = '\0';
}

void oxi_print(struct oxi_print *p, const char *text)
{
	while (*text)
		put(p, *text++);
}

static void digits(struct oxi_print *p, uint64_t n, unsigned base, unsigned least)
{
	char text[24];
	unsigned len = 0;

	do {
		text[len++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n > 0 || len < least);
	while (len > 0)
		put(p, text[--len]);
}

void oxi_print_number(struct oxi_print *p, uint64_t n)
{
	digits(p, n, 10, 1);
}

void oxi_print_hex(struct oxi_print *p, uint64_t n)
{
	oxi_print(p, "0x");
	digits(p, n, 16, 1);
}

void oxi_print_seconds(struct oxi_print *p, ox_time d)
{
	uint64_t ms = d > 0 ? (uint64_t)d / 1000000u : 0;

	digits(p, ms / 1000, 10, 1);
	put(p, '.');
	digits(p, ms % 1000, 10, 3);
	oxi_print(p, " s");
}

void oxi_print_indent(struct oxi_print *p, unsigned columns)
{
	while (columns-- > 0)
		put(p, ' ');
}
