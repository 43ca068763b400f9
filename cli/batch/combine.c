/* SPDX-License-Identifier: MIT */
/*
 * An odometer. A wheel is a source, or several that are linked; the last one turns fastest. A wheel that is through begins
 * again and turns the wheel before it; when the first one is through, all are. The first wheel is thus gone through once
 * and may be a pipe that never ends; the others are read again at each turn (reader.c says from where).
 *
 * A shuffle asks for the i-th combination of a random order: its number is cut into a position for each wheel.
 */
#include "cli/batch/combine.h"

#include <stdlib.h>
#include <string.h>

#include "cli/batch/shuffle.h"

/* Behind the last source of the wheel that begins at first. */
static size_t wheel_end(const struct oxi_combine *c, size_t first)
{
	size_t end = first + 1;
	while (end < c->n && (c->recycle || c->source[end].linked))
		end++;
	return end;
}

static size_t wheel_before(const struct oxi_combine *c, size_t first)
{
	do
		first--;
	while (c->source[first].linked);
	return first;
}

int oxi_combine_keep(struct oxi_combine *c, bool all, struct oxi_buffer *why)
{
	for (size_t i = all || c->recycle ? 0 : wheel_end(c, 0); i < c->n; i++) {
		int r = oxi_source_keep(&c->source[i], why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One that is through begins again; when all have been through once, the wheel is. */
static int next_recycled(struct oxi_combine *c, struct oxi_buffer *why)
{
	bool through = true;
	for (size_t i = 0; i < c->n; i++) {
		int r = oxi_source_next(&c->source[i], why);
		if (r == 0) {
			c->ended[i] = true;
			oxi_source_rewind(&c->source[i]);
			r = oxi_source_next(&c->source[i], why);
		}
		if (r <= 0)
			return r;
		through &= c->ended[i];
	}
	return !through;
}

/* Turns a wheel by one. Returns 0 when it is through: its shortest source is. */
static int turn(struct oxi_combine *c, size_t first, struct oxi_buffer *why)
{
	if (c->recycle)
		return next_recycled(c, why);
	for (size_t i = first, end = wheel_end(c, first); i < end; i++) {
		int r = oxi_source_next(&c->source[i], why);
		if (r <= 0)
			return r;
	}
	return 1;
}

static void rewind_wheel(struct oxi_combine *c, size_t first)
{
	for (size_t i = first, end = wheel_end(c, first); i < end; i++)
		oxi_source_rewind(&c->source[i]);
}

static int next_in_order(struct oxi_combine *c, struct oxi_buffer *why)
{
	int r = 1;
	if (!c->begun) {
		c->begun = true;
		for (size_t first = 0; r == 1 && first < c->n; first = wheel_end(c, first))
			r = turn(c, first, why);
		return r;
	}
	size_t first = c->recycle ? 0 : wheel_before(c, c->n);
	while ((r = turn(c, first, why)) == 0 && first > 0) {
		rewind_wheel(c, first);
		r = turn(c, first, why);
		if (r <= 0)
			return r;
		first = wheel_before(c, first);
	}
	return r;
}

static uint64_t wheel_len(const struct oxi_combine *c, size_t first)
{
	uint64_t len = c->source[first].count;
	for (size_t i = first, end = wheel_end(c, first); i < end; i++) {
		uint64_t n = c->source[i].count;
		if (n == 0)
			return 0;
		if (c->recycle ? n > len : n < len)
			len = n;
	}
	return len;
}

static int next_shuffled(struct oxi_combine *c, struct oxi_buffer *why)
{
	if (c->at == c->total)
		return 0;
	uint64_t i = oxi_shuffle(c->at++, c->total, c->seed);
	for (size_t first = 0; first < c->n;) {
		size_t end = wheel_end(c, first);
		uint64_t len = wheel_len(c, first);
		for (size_t k = first; k < end; k++) {
			oxi_source_seek(&c->source[k], i % len % c->source[k].count);
			int r = oxi_source_next(&c->source[k], why);
			if (r <= 0)
				return r < 0 ? r : OX_EINVAL;   /* a file that has become shorter */
		}
		i /= len;
		first = end;
	}
	return 1;
}

int oxi_combine_next(struct oxi_combine *c, struct oxi_buffer *why)
{
	int r = c->over ? 0 : c->shuffled ? next_shuffled(c, why) : next_in_order(c, why);
	c->over = r == 0;
	return r;
}

int oxi_combine_shuffle(struct oxi_combine *c, uint64_t seed, struct oxi_buffer *why)
{
	for (size_t i = 0; i < c->n; i++) {
		int r = oxi_source_index(&c->source[i], why);
		if (r < 0)
			return r;
	}
	if (!oxi_combine_total(c, &c->total)) {
		oxi_buffer_add_text(why, "--shuf: there are too many combinations to be numbered");
		return OX_EINVAL;
	}
	c->shuffled = true;
	c->seed = seed;
	return 0;
}

void oxi_combine_rewind(struct oxi_combine *c)
{
	for (size_t i = 0; i < c->n; i++) {
		oxi_source_rewind(&c->source[i]);
		if (c->ended)
			c->ended[i] = false;
	}
	c->begun = c->over = false;
	c->at = 0;
}

bool oxi_combine_total(const struct oxi_combine *c, uint64_t *ret)
{
	uint64_t total = 1;
	for (size_t i = 0; i < c->n; i++) {
		if (c->source[i].kind == OXI_FILE && !c->source[i].indexed)
			return false;
	}
	for (size_t first = 0; first < c->n; first = wheel_end(c, first)) {
		if (__builtin_mul_overflow(total, wheel_len(c, first), &total))
			return false;
	}
	*ret = total;
	return true;
}
