/* SPDX-License-Identifier: MIT */
/* What became of each host, a line of JSON, and of the crawl, an object. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/crawl/crawl.h"
#include "cli/json.h"

static const char *gate_text(const struct oxi_gate *g)
{
	static const char *const names[] = { NULL, "none", "rules", NULL };
	return g->state == OXI_GATE_SHUT ? oxi_error_name(g->error) : names[g->state];
}

static void counts_json(struct oxi_json *j, const char *name, const uint64_t *n, unsigned from, unsigned to,
                        const char *(*name_of)(unsigned))
{
	oxi_json_begin(j, name, '{');
	for (unsigned i = from; i < to; i++) {
		if (n[i])
			oxi_json_int(j, name_of(i), (int64_t)n[i]);
	}
	oxi_json_end(j);
}

static const char *error_name(unsigned i)
{
	return oxi_error_name((enum oxi_error)i);
}

static const char *trap_name(unsigned i)
{
	return oxi_trap_name((enum oxi_trap)i);
}

static void host_json(const struct oxi_host *h, struct oxi_buffer *out)
{
	struct oxi_json j = { .out = out };
	oxi_json_begin(&j, NULL, '{');
	oxi_json_text(&j, "host", h->name);
	oxi_json_int(&j, "urls", (int64_t)h->urls);
	oxi_json_int(&j, "pages", (int64_t)h->pages);
	oxi_json_int(&j, "bytes", (int64_t)h->bytes);
	oxi_json_int(&j, "accepted", (int64_t)h->accepted);
	oxi_json_int(&j, "over_budget", (int64_t)h->over_budget);
	oxi_json_text(&j, "robots", gate_text(h->gate[1].state ? &h->gate[1] : &h->gate[0]));
	oxi_json_int(&j, "frozen", (int64_t)h->frozen);
	oxi_json_double(&j, "response_ms", (double)(h->response / 1000) / 1000);
	counts_json(&j, "errors", h->errors, OXI_ERROR_NONE + 1, OXI_ERROR_COUNT, error_name);
	counts_json(&j, "traps", h->traps, OXI_TRAP_NONE + 1, OXI_TRAP_COUNT, trap_name);
	oxi_json_end(&j);
	oxi_buffer_add_char(out, '\n');
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_file(const char *path, const struct oxi_buffer *text)
{
	int fd = text->failed ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = text->failed ? OX_ENOMEM : fd < 0 ? -errno : write_all(fd, text->data, text->len);
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

int oxi_report_write(const struct oxi_crawl *c, const char *path)
{
	struct oxi_buffer text = { 0 };
	for (size_t i = 0; i < OXI_HOST_BUCKETS; i++) {
		for (struct oxi_host *h = c->frontier.bucket[i]; h; h = h->next)
			host_json(h, &text);
	}
	int r = write_file(path, &text);
	oxi_buffer_free(&text);
	return r;
}

int oxi_report_stats(const struct oxi_crawl *c, ox_time took, int exit, const char *path)
{
	const struct oxi_crawl_tally *t = &c->tally;
	struct oxi_buffer text = { 0 };
	struct oxi_json j = { .out = &text };
	oxi_json_begin(&j, NULL, '{');
	oxi_json_int(&j, "urls", (int64_t)t->urls);
	oxi_json_int(&j, "answers", (int64_t)t->answers);
	oxi_json_int(&j, "pages", (int64_t)t->pages);
	oxi_json_int(&j, "waiting", (int64_t)c->frontier.waiting);
	oxi_json_int(&j, "over_budget", (int64_t)c->over_budget);
	oxi_json_int(&j, "hosts", (int64_t)c->frontier.hosts);
	counts_json(&j, "errors", t->errors, OXI_ERROR_NONE + 1, OXI_ERROR_COUNT, error_name);
	oxi_json_begin(&j, "bytes", '{');
	oxi_json_int(&j, "wire", (int64_t)t->wire_bytes);
	oxi_json_int(&j, "body", (int64_t)t->body_bytes);
	oxi_json_end(&j);
	oxi_json_begin(&j, "seconds", '{');
	oxi_json_double(&j, "wall", (double)took / 1e9);
	oxi_json_double(&j, "fetch", (double)t->fetch_time / 1e9);
	oxi_json_double(&j, "crunch", (double)t->crunch_time / 1e9);
	oxi_json_end(&j);
	oxi_json_int(&j, "workers_crashed", (int64_t)t->crashed);
	oxi_json_int(&j, "exit", exit);
	oxi_json_end(&j);
	oxi_buffer_add_char(&text, '\n');
	int r = text.failed || strcmp(path, "-") != 0 ? write_file(path, &text) : write_all(STDERR_FILENO, text.data, text.len);
	oxi_buffer_free(&text);
	return r;
}
