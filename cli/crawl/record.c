/* SPDX-License-Identifier: MIT */
#include "cli/crawl/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/directive.h"
#include "cli/json.h"

const char *oxi_error_name(enum oxi_error e)
{
	static const char *const names[] = {
		NULL,
#define OXI_ERROR_NAME(name, text) text,
		OXI_ERRORS(OXI_ERROR_NAME)
#undef OXI_ERROR_NAME
	};
	return e < OXI_ERROR_COUNT ? names[e] : NULL;
}

enum oxi_error oxi_error_of_fetch(int code)
{
	switch (code) {
	case OX_EDNS:
		return OXI_ERROR_DNS;
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return OXI_ERROR_REFUSED;
	case -ECONNRESET:
	case -EPIPE:
	case OX_EINCOMPLETE:
		return OXI_ERROR_RESET;
	case OX_ETIMEDOUT:
		return OXI_ERROR_TIMEOUT;
	case OX_ETLS:
		return OXI_ERROR_TLS;
	case OX_ETOOBIG:
		return OXI_ERROR_TOO_LARGE;
	case -ELOOP:
		return OXI_ERROR_REDIRECT_LOOP;
	case -EACCES:
		return OXI_ERROR_BLOCKED;
	default:
		return OXI_ERROR_PROTOCOL;
	}
}

static double ms(ox_time t)
{
	return (double)(t / 1000) / 1000;
}

static void times_json(struct oxi_json *j, const ox_http_times *t)
{
	oxi_json_begin(j, "ms", '{');
	oxi_json_double(j, "dns", ms(t->dns));
	oxi_json_double(j, "connect", ms(t->connect));
	oxi_json_double(j, "tls", ms(t->tls));
	oxi_json_double(j, "first", ms(t->first_byte));
	oxi_json_double(j, "total", ms(t->total));
	oxi_json_end(j);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void error_json(struct oxi_json *j, const struct oxi_record *r)
{
	char text[64];
	snprintf(text, sizeof(text), "crunch-signal %d", r->signal);
	oxi_json_text(j, "error", r->error == OXI_ERROR_CRUNCH_SIGNAL ? text : oxi_error_name(r->error));
}

static void json_or_null(struct oxi_json *j, const char *name, const struct oxi_buffer *json)
{
	if (json->len)
		oxi_json_raw(j, name, json->data, json->len);
	else
		oxi_json_null(j, name);
}

void oxi_record_json(const struct oxi_record *r, struct oxi_buffer *out)
{
	struct oxi_json j = { .out = out };
	oxi_json_begin(&j, NULL, '{');
	oxi_json_text(&j, "url", r->url);
	oxi_json_text(&j, "final", r->final.data);
	if (r->status)
		oxi_json_int(&j, "status", r->status);
	else
		oxi_json_null(&j, "status");
	error_json(&j, r);
	oxi_json_text(&j, "reason", r->error ? or_null(r->reason) : NULL);
	oxi_json_text(&j, "ip", or_null(r->ip));
	oxi_json_text(&j, "http", or_null(r->http));
	times_json(&j, &r->times);
	oxi_json_begin(&j, "bytes", '{');
	oxi_json_int(&j, "wire", (int64_t)r->times.wire_bytes);
	oxi_json_int(&j, "body", (int64_t)r->body);
	oxi_json_end(&j);
	oxi_json_text(&j, "type", or_null(r->type));
	oxi_json_text(&j, "charset", or_null(r->charset));
	oxi_json_text(&j, "digest", or_null(r->digest));
	if (r->cached)
		oxi_json_bool(&j, "unchanged", r->unchanged);
	else
		oxi_json_null(&j, "unchanged");
	oxi_json_int(&j, "depth", r->depth);
	oxi_json_text(&j, "via", r->via);
	oxi_json_text(&j, "by", r->by);
	oxi_json_int(&j, "attempt", r->attempt);
	static const char *const asked[] = { NULL, "noindex", "nofollow", "noindex, nofollow" };
	oxi_json_text(&j, "robots", asked[r->directives & 3]);
	json_or_null(&j, "value", &r->value);
	json_or_null(&j, "blobs", &r->blobs);
	oxi_json_end(&j);
	oxi_buffer_add_char(out, '\n');
}

void oxi_record_free(struct oxi_record *r)
{
	oxi_buffer_free(&r->final);
	oxi_buffer_free(&r->value);
	oxi_cached_free(r->cached);
	oxi_exchange_free(r->exchange);
	oxi_buffer_free(&r->blobs);
}

void oxi_crawl_tally_add(struct oxi_crawl_tally *t, const struct oxi_record *r)
{
	t->urls++;
	t->answers += r->status != 0;
	t->pages += r->page;
	t->errors[r->error]++;
	t->wire_bytes += r->times.wire_bytes;
	t->unchanged += r->unchanged;
	t->body_bytes += r->not_modified ? 0 : r->body;
	t->fetch_time += r->times.total;
	t->crunch_time += r->crunch_time;
	t->crashed += r->error >= OXI_ERROR_CRUNCH_SIGNAL && r->error <= OXI_ERROR_CRUNCH_OOM;
}

static void errors_text(const struct oxi_crawl_tally *t, struct oxi_buffer *out)
{
	uint64_t all = t->urls - t->errors[OXI_ERROR_NONE];
	oxi_buffer_add_format(out, "errors: %llu", (unsigned long long)all);
	const char *before = " (";
	for (enum oxi_error e = OXI_ERROR_NONE + 1; e < OXI_ERROR_COUNT; e++) {
		if (!t->errors[e])
			continue;
		oxi_buffer_add_format(out, "%s%s %llu", before, oxi_error_name(e), (unsigned long long)t->errors[e]);
		before = ", ";
	}
	oxi_buffer_add_text(out, all ? ")\n" : "\n");
}

static void words_text(const struct oxi_words *w, size_t top, struct oxi_buffer *out)
{
	struct oxi_word *word;
	size_t n = oxi_words_top(w, top, &word);
	oxi_buffer_add_format(out, "words: %llu, distinct: %zu%s\n", (unsigned long long)w->total, w->n,
	                      n ? ", most frequent:" : "");
	for (size_t i = 0; i < n; i++) {
		oxi_buffer_add_format(out, "%10llu  ", (unsigned long long)word[i].count);
		oxi_buffer_add(out, oxi_word_text(w, &word[i]), word[i].len);
		oxi_buffer_add_char(out, '\n');
	}
	free(word);
}

void oxi_crawl_tally_text(const struct oxi_crawl_tally *t, ox_time took, size_t top, struct oxi_buffer *out)
{
	double seconds = took > 0 ? (double)took / 1e9 : 1e-9;
	oxi_buffer_add_format(out, "pages: %llu of %llu URLs, %.1f MB (%.1f MB on the wire), %.2f s, %.0f pages/s\n",
	                      (unsigned long long)t->pages, (unsigned long long)t->urls, (double)t->body_bytes / 1e6,
	                      (double)t->wire_bytes / 1e6, seconds, (double)t->pages / seconds);
	if (t->unchanged)
		oxi_buffer_add_format(out, "unchanged since the last crawl: %llu\n", (unsigned long long)t->unchanged);
	errors_text(t, out);
	oxi_buffer_add_format(out, "time: %.2f s in fetch, %.2f s in crunch, summed over pages; workers crashed: %llu\n",
	                      (double)t->fetch_time / 1e9, (double)t->crunch_time / 1e9,
	                      (unsigned long long)t->crashed);
	if (t->words.n)
		words_text(&t->words, top, out);
}
