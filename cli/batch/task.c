/* SPDX-License-Identifier: MIT */
#include "cli/batch/task.h"

#include <stdlib.h>
#include <unistd.h>

int oxi_task_extra(struct oxi_task *t, enum oxi_extra which, const char *text, struct oxi_buffer *why)
{
	char *word = (char *)text;
	t->extra[which] = calloc(1, sizeof(*t->extra[which]));
	return t->extra[which] ? oxi_template_words(t->extra[which], &word, 1, false, t->names, why) : OX_ENOMEM;
}

int oxi_task_complete(struct oxi_task *t)
{
	int r = t->in ? oxi_input_complete(t->in, &t->command) : 0;
	for (int i = 0; i < OXI_EXTRAS && t->in && r == 0; i++)
		r = t->extra[i] ? oxi_input_complete(t->in, t->extra[i]) : 0;
	return r;
}

int oxi_task_limit(struct oxi_task *t, const struct oxi_time_limit *limit)
{
	t->timeout = limit;
	if (limit->percent && !t->times)
		t->times = calloc(1, sizeof(*t->times));
	return limit->percent && !t->times ? OX_ENOMEM : 0;
}

void oxi_task_add_time(struct oxi_task *t, ox_time wall)
{
	if (t->times)
		oxi_median_add(t->times, wall);
}

ox_time oxi_task_limit_get(const struct oxi_task *t)
{
	return oxi_time_limit_get(t->timeout, t->times);
}

void oxi_task_free(struct oxi_task *t)
{
	oxi_template_free(&t->command);
	for (int i = 0; i < OXI_EXTRAS; i++) {
		if (t->extra[i])
			oxi_template_free(t->extra[i]);
		free(t->extra[i]);
	}
	if (t->env)
		oxi_template_free(t->env);
	free(t->env);
	oxi_needs_free(&t->needs);
	oxi_buffer_free(&t->list);
	if (t->list_path)
		close(t->list_fd);
	free(t->list_path);
	free(t->times);
	free(t->edge);
	free(t->sink);
	*t = (struct oxi_task){ 0 };
}
