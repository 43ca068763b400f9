/* SPDX-License-Identifier: MIT */
/*
 * Neither form is ever held as a whole. Lists are the command's own words, and their product is an odometer:
 * one position a list, the last one turning fastest, where linked lists (:::+) turn with the list before them
 * and the shortest of them ends the turn. Lines are read into a buffer that keeps what has not been given
 * yet.
 */
#include "cli/batch/input.h"

#include <oxbow/run.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/sink.h"

#define READ_SIZE OX_KIB(64)

static bool is_separator(const char *word)
{
	return strcmp(word, ":::") == 0 || strcmp(word, ":::+") == 0;
}

int oxi_input_lists(struct oxi_input *in, char **words, size_t n)
{
	*in = (struct oxi_input){ .fd = -1 };
	for (size_t i = 0; i < n; i++)
		in->lists += is_separator(words[i]);
	in->list = calloc(in->lists + 1, sizeof(*in->list));
	in->at = calloc(in->lists + 1, sizeof(*in->at));
	in->value = calloc(in->lists + 1, sizeof(*in->value));
	if (!in->list || !in->at || !in->value)
		return OX_ENOMEM;
	struct oxi_list_arg *l = in->list - 1;
	for (size_t i = 0; i < n; i++) {
		if (!is_separator(words[i])) {
			l->n++;
			continue;
		}
		l++;
		l->value = words + i + 1;
		l->linked = words[i][3] == '+' && l > in->list;
	}
	for (size_t i = 0; i < in->lists; i++)
		in->ended |= in->list[i].n == 0;
	return 0;
}

/* Turns the odometer by one. The wheel that ends at list i starts at the list before it that is not linked. */
static void turn(struct oxi_input *in)
{
	for (size_t i = in->lists; i-- > 0;) {
		size_t first = i;
		while (in->list[first].linked)
			first--;
		bool full = false;
		for (size_t j = first; j <= i; j++)
			full |= ++in->at[j] == in->list[j].n;
		if (!full)
			return;
		for (size_t j = first; j <= i; j++)
			in->at[j] = 0;
		i = first;
	}
	in->ended = true;
}

static int next_of_lists(struct oxi_input *in)
{
	if (in->ended)
		return 0;
	for (size_t i = 0; i < in->lists; i++) {
		const char *value = in->list[i].value[in->at[i]];
		in->value[i] = (ox_bytes){ value, strlen(value) };
	}
	turn(in);
	return 1;
}

uint64_t oxi_input_total(const struct oxi_input *in)
{
	uint64_t total = in->fd < 0;
	for (size_t i = 0; total && i < in->lists;) {
		size_t shortest = in->list[i].n;
		for (i++; i < in->lists && in->list[i].linked; i++)
			shortest = in->list[i].n < shortest ? in->list[i].n : shortest;
		if (__builtin_mul_overflow(total, shortest, &total))
			return 0;
	}
	return total;
}

int oxi_input_lines(struct oxi_input *in, int fd, char separator)
{
	*in = (struct oxi_input){ .fd = fd, .separator = separator, .lists = 1, .waits = oxi_waits(fd) };
	in->value = calloc(1, sizeof(*in->value));
	return in->value ? 0 : OX_ENOMEM;
}

/* Reads more behind what is held. */
static int read_more(struct oxi_input *in)
{
	if (in->held.len - in->from > OXI_LINE_MAX)
		return OX_ETOOBIG;
	if (in->from > 0) {
		in->held.len -= in->from;
		memmove(in->held.data, in->held.data + in->from, in->held.len);
		in->from = 0;
	}
	char *room = oxi_buffer_room(&in->held, READ_SIZE);
	if (!room)
		return OX_ENOMEM;
	int r = in->waits ? ox_wait_fd(in->fd, OX_READABLE) : 0;
	if (r < 0)
		return r;
	ssize_t n = read(in->fd, room, READ_SIZE);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	in->held.len += (size_t)n;
	in->eof = n == 0;
	return 0;
}

static int next_line(struct oxi_input *in)
{
	size_t searched = 0;
	for (;;) {
		const char *line = in->held.data + in->from;
		size_t len = in->held.len - in->from;
		const char *end = len > searched ? memchr(line + searched, in->separator, len - searched) : NULL;
		if (!end && in->eof && len == 0)
			return 0;
		if (end || in->eof) {
			in->line++;
			in->value[0] = (ox_bytes){ line, end ? (size_t)(end - line) : len };
			in->from += in->value[0].len + (end != NULL);
			return memchr(line, '\0', in->value[0].len) ? OX_EINVAL : 1;
		}
		searched = len;
		int r = read_more(in);
		if (r < 0)
			return r;
	}
}

int oxi_input_next(struct oxi_input *in)
{
	return in->fd < 0 ? next_of_lists(in) : next_line(in);
}

void oxi_input_close(struct oxi_input *in)
{
	free(in->list);
	free(in->at);
	free(in->value);
	oxi_buffer_free(&in->held);
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	*in = (struct oxi_input){ .fd = -1 };
}
