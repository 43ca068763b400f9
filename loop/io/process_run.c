/* SPDX-License-Identifier: MIT */
/*
 * Talking to a child to its end: one coroutine feeds its input, one reads each of its outputs. They must run at once:
 * a child that is not read from stops in its writing, and then reads no more.
 */
#include <string.h>

#include "loop/io/process.h"

#define CHUNK OX_KIB(64)

struct text {
	char *data;
	size_t len, cap;
};

struct result {
	ox_process_result result;       /* first: this is what the caller gets */
	struct text out, err;
};

struct reading {
	ox_stream *stream;
	struct text *text;
	size_t limit;
};

struct writing {
	ox_stream *stream;
	ox_bytes input;
};

/* Room for a read, and for the zero at the end. */
static bool make_room(struct text *t)
{
	size_t cap = t->cap ? t->cap * 2 : OX_KIB(4);
	char *data;

	if (t->cap - t->len > OX_KIB(1))
		return true;
	data = oxi_realloc(t->data, cap);
	if (data == NULL)
		return false;
	t->data = data;
	t->cap = cap;
	return true;
}

static int read_all(void *arg)
{
	struct reading *g = arg;
	struct text *t = g->text;

	while (make_room(t)) {
		size_t most = t->cap - t->len - 1;
		ssize_t n = ox_read(g->stream, t->data + t->len, most);

		if (n <= 0)
			return (int)n;
		t->len += (size_t)n;
		if (t->len > g->limit) {
			t->len = g->limit;
			return OX_ETOOBIG;
		}
	}
	return OX_ENOMEM;
}

static bool is_hang_up(int r)
{
	return r == -EPIPE || r == -ECONNRESET;
}

/* In parts, so that the stream's buffer does not become a copy of the whole. */
static int write_all(void *arg)
{
	struct writing *g = arg;
	const char *data = g->input.data;
	size_t done = 0;
	ssize_t r = 0;

	while (r >= 0 && done < g->input.len) {
		size_t n = g->input.len - done < CHUNK ? g->input.len - done : CHUNK;

		r = ox_write(g->stream, data + done, n);
		done += n;
	}
	if (r >= 0)
		r = ox_write_eof(g->stream);
	return r >= 0 || is_hang_up((int)r) ? 0 : (int)r;
}

static int talk(ox_process *p, ox_bytes input, struct result *res)
{
	struct writing in = { p->in, input };
	struct reading out = { p->out ? p->out : p->terminal, &res->out, p->max_output };
	struct reading err = { p->err, &res->err, p->max_output };
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.name = "communicate"));

	if (in.stream)
		ox_spawn(g, write_all, &in);
	if (out.stream)
		ox_spawn(g, read_all, &out);
	if (err.stream)
		ox_spawn(g, read_all, &err);
	return ox_group_join(g);
}

static void finish(struct text *t, ox_bytes *ret)
{
	if (t->data)
		t->data[t->len] = '\0';
	*ret = (ox_bytes){ t->data ? t->data : "", t->len };
}

int ox_process_communicate(ox_process *p, ox_bytes input, ox_process_result **ret)
{
	struct result *res;
	int r = p ? oxi_checkpoint() : OX_ENOMEM;

	if (r == 0 && input.len > 0 && p->in == NULL)
		r = OX_EINVAL;
	res = r == 0 ? oxi_alloc(sizeof(*res)) : NULL;
	if (r == 0)
		r = res ? talk(p, input, res) : OX_ENOMEM;
	if (r == 0)
		r = ox_process_wait(p, &res->result.status);
	if (r < 0)
		ox_process_stop(p, res ? &res->result.status : NULL);
	if (res == NULL)
		return r;
	finish(&res->out, &res->result.out);
	finish(&res->err, &res->result.err);
	*ret = &res->result;
	return r;
}

int ox_process_run(const char *const *argv, const ox_process_options *o, ox_process_result **ret)
{
	ox_process_options own;
	ox_process *p;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	ox_process_options_init(&own);
	if (o)
		own = *o;
	if (own.in == OX_STDIO_DEFAULT && own.input.len > 0)
		own.in = OX_STDIO_PIPE;
	if (own.out == OX_STDIO_DEFAULT && own.window == NULL)
		own.out = OX_STDIO_PIPE;
	if (own.err == OX_STDIO_DEFAULT && own.window == NULL)
		own.err = OX_STDIO_PIPE;
	r = ox_process_spawn(argv, &own, &p);
	if (r < 0)
		return r;
	r = ox_process_communicate(p, own.input, ret);
	ox_process_close(p);
	return r;
}

void ox_process_result_free(ox_process_result *result)
{
	struct result *res = (struct result *)result;

	if (res == NULL)
		return;
	oxi_free(res->out.data);
	oxi_free(res->err.data);
	oxi_free(res);
}
