/* SPDX-License-Identifier: MIT */
#include "cli/batch/job.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct oxi_job *oxi_job_new(struct oxi_task *task, uint64_t seq, const ox_bytes *value, size_t n, struct oxi_spill *spill)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += value[i].len;
	struct oxi_job *j = calloc(1, sizeof(*j) + n * sizeof(*value) + bytes);
	if (!j)
		return NULL;
	j->task = task;
	j->seq = seq;
	j->out.spill = j->err.spill = spill;
	j->outcome.status = OXI_INTERRUPTED;
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
	oxi_buffer_free(&j->tag);
	oxi_buffer_free(&j->name);
	oxi_buffer_free(&j->words);
	oxi_buffer_free(&j->product.value);
	oxi_buffer_free(&j->product.body);
	oxi_buffer_free(&j->product.url);
	oxi_jsonl_free(j->row);
	free(j->fault);
	free(j);
}

void oxi_job_again(struct oxi_job *j)
{
	oxi_capture_free(&j->out);
	oxi_capture_free(&j->err);
	j->received[0] = j->received[1] = 0;
	j->words.len = j->tag.len = j->product.value.len = j->product.body.len = j->product.url.len = 0;
	j->outcome = (struct oxi_outcome){ .status = OXI_INTERRUPTED };
}

size_t oxi_job_expand(const struct oxi_job *j, const struct oxi_template *t, unsigned slot, struct oxi_buffer *out)
{
	return oxi_template_expand(t, &(struct oxi_values){ .value = j->value, .n = j->n, .seq = j->seq, .slot = slot + 1,
	                                                    .threads = j->task->threads }, out);
}

void oxi_job_note(struct oxi_buffer *out, const char *command, const char *word, const char *what)
{
	oxi_buffer_add_text(out, "oxbow: ");
	oxi_buffer_add_text(out, command);
	oxi_buffer_add_text(out, ": ");
	oxi_buffer_add_text(out, word);
	oxi_buffer_add_text(out, ": ");
	oxi_buffer_add_text(out, what);
	oxi_buffer_add_char(out, '\n');
}

struct oxi_outcome oxi_job_outcome(const struct oxi_report *ended)
{
	if (ended->error) {
		bool missing = ended->error == ENOENT && ended->stage == OXI_AT_EXEC;
		return (struct oxi_outcome){ .status = OXI_FAILED, .exit = missing ? 127 : 126 };
	}
	if (WIFSIGNALED(ended->status))
		return (struct oxi_outcome){ .status = OXI_FAILED, .signal = WTERMSIG(ended->status) };
	int code = WEXITSTATUS(ended->status);
	return (struct oxi_outcome){ .status = code ? OXI_FAILED : OXI_OK, .exit = code };
}
