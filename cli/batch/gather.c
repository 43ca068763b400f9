/* SPDX-License-Identifier: MIT */
#include "cli/batch/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/temp.h"

enum oxi_gather oxi_gather_parse(const char *text, ox_bytes *ret_name)
{
	const char *star = *text == '{' ? strstr(text, "[*].") : NULL;
	if (!star)
		return OXI_GATHER_NOTHING;
	*ret_name = (ox_bytes){ text + 1, (size_t)(star - text) - 1 };
	return strcmp(star, "[*].value}") == 0 ? OXI_GATHER_VALUES : strcmp(star, "[*].body}") == 0 ? OXI_GATHER_BODIES : OXI_GATHER_UNKNOWN;
}

void oxi_gather_add(struct oxi_task *t, const struct oxi_job *j)
{
	const struct oxi_buffer *what = t->gathered == OXI_GATHER_VALUES ? &j->product.value : &j->product.body;
	size_t from = t->list.len;
	if (what->len == 0)
		return;
	oxi_buffer_add(&t->list, what->data, what->len);
	if (t->list.failed)
		return;
	for (size_t i = from; i < t->list.len; i++) {   /* JSON may be written over several lines, and is one here */
		if (t->list.data[i] == '\n')
			t->list.data[i] = ' ';
	}
	struct oxi_identity line = oxi_identity_of(NULL, &(ox_bytes){ t->list.data + from, t->list.len - from }, 1);
	t->list_sum += oxi_identity_head(&line);
	oxi_buffer_add_char(&t->list, '\n');
}

int oxi_gather_open(struct oxi_task *t, const struct oxi_task *from)
{
	struct oxi_buffer why = { 0 };
	if (from->list.failed)
		return OX_ENOMEM;
	t->list_fd = memfd_create("oxbow-list", MFD_CLOEXEC);
	if (t->list_fd < 0)
		return -errno;
	int r = oxi_temp_write(t->list_fd, from->list.data, from->list.len, 0);
	t->list_path = NULL;
	if (r == 0 && asprintf(&t->list_path, "/proc/%d/fd/%d", (int)getpid(), t->list_fd) < 0)
		r = OX_ENOMEM;
	if (r == 0)
		r = oxi_task_extra(t, OXI_INPUT, t->list_path, &why);
	t->input_kind = OXI_STDIN_FILE;
	t->identity = oxi_identity_of(&t->identity, &(ox_bytes){ &from->list_sum, sizeof(from->list_sum) }, 1);
	oxi_buffer_free(&why);
	return r;
}
