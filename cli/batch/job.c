/* SPDX-License-Identifier: MIT */
#include "cli/batch/job.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct oxi_job *oxi_job_new(uint64_t seq, const ox_bytes *value, size_t n, struct oxi_spill *spill)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += value[i].len;
	struct oxi_job *j = calloc(1, sizeof(*j) + n * sizeof(*value) + bytes);
	if (!j)
		return NULL;
	j->seq = seq;
	j->out.spill = j->err.spill = spill;
	j->n = n;
	char *p = (char *)(j->value + n);
	for (size_t i = 0; i < n; i++) {
		j->value[i] = (ox_bytes){ p, value[i].len };
		if (value[i].len)
			memcpy(p, value[i].data, value[i].len);
		p += value[i].len;
	}
	return j;
}

void oxi_job_free(void *job)
{
	struct oxi_job *j = job;
	if (!j)
		return;
	oxi_capture_free(&j->out);
	oxi_capture_free(&j->err);
	free(j);
}

size_t oxi_job_words(const struct oxi_job *j, const struct oxi_template *t, unsigned slot, struct oxi_buffer *out)
{
	out->len = 0;
	return oxi_template_expand(t, &(struct oxi_values){ .value = j->value, .n = j->n, .seq = j->seq, .slot = slot }, out);
}

int oxi_job_note(struct oxi_job *j, const char *word, const char *what)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_text(&b, "oxbow: run: ");
	oxi_buffer_add_text(&b, word);
	oxi_buffer_add_text(&b, ": ");
	oxi_buffer_add_text(&b, what);
	oxi_buffer_add_char(&b, '\n');
	int r = b.failed ? OX_ENOMEM : oxi_capture_add(&j->err, b.data, b.len);
	oxi_buffer_free(&b);
	return r;
}

int oxi_job_code(const struct oxi_job *j)
{
	if (j->ended.error)
		return j->ended.error == ENOENT ? 127 : 126;
	return WIFSIGNALED(j->ended.status) ? 128 + WTERMSIG(j->ended.status) : WEXITSTATUS(j->ended.status);
}

void oxi_tally_add(struct oxi_tally *t, const struct oxi_job *j)
{
	int code = oxi_job_code(j);
	t->done++;
	if (code == 0)
		return;
	t->failed++;
	if (!j->ended.error && WIFSIGNALED(j->ended.status))
		t->signals[WTERMSIG(j->ended.status) & 63]++;
	else
		t->exits[code]++;
}

static void add_kind(struct oxi_buffer *out, const char *kind, int value, uint64_t count, const char **comma)
{
	if (!count)
		return;
	oxi_buffer_add_format(out, "%s%s %d: %llu", *comma, kind, value, (unsigned long long)count);
	*comma = ", ";
}

void oxi_tally_text(const struct oxi_tally *t, struct oxi_buffer *out)
{
	const char *comma = "";
	oxi_buffer_add_format(out, "%llu of %llu jobs failed (", (unsigned long long)t->failed,
	                      (unsigned long long)t->done);
	for (int i = 0; i < 256; i++)
		add_kind(out, "exit", i, t->exits[i], &comma);
	for (int i = 0; i < 65; i++)
		add_kind(out, "signal", i, t->signals[i], &comma);
	oxi_buffer_add_char(out, ')');
	oxi_buffer_add_char(out, '\0');
}
