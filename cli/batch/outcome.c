/* SPDX-License-Identifier: MIT */
#include "cli/batch/outcome.h"

#include "cli/buffer.h"

const char *oxi_status_name(enum oxi_status status)
{
	static const char *const names[] = { "ok", "failed", "timeout", "interrupted", "skipped", "up-to-date" };
	return names[status];
}

int oxi_outcome_code(struct oxi_outcome o)
{
	return o.signal ? 128 + o.signal : o.exit;
}

void oxi_tally_add(struct oxi_tally *t, struct oxi_outcome o)
{
	if (o.status == OXI_INTERRUPTED) {
		t->interrupted++;
		return;
	}
	t->done++;
	t->skipped += o.status == OXI_SKIPPED;
	t->fresh += o.status == OXI_UP_TO_DATE;
	if (o.status != OXI_FAILED && o.status != OXI_TIMEOUT)
		return;
	t->failed++;
	if (o.status == OXI_TIMEOUT)
		t->timeouts++;
	else if (o.signal)
		t->signals[o.signal & 63]++;
	else
		t->exits[o.exit & 255]++;
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
	if (!t->failed) {
		oxi_buffer_add_format(out, "%llu of %llu jobs up to date", (unsigned long long)t->fresh, (unsigned long long)t->done);
		oxi_buffer_add_char(out, '\0');
		return;
	}
	oxi_buffer_add_format(out, "%llu of %llu jobs failed (", (unsigned long long)t->failed,
	                      (unsigned long long)(t->done - t->skipped));
	for (int i = 0; i < 256; i++)
		add_kind(out, "exit", i, t->exits[i], &comma);
	for (int i = 0; i < 65; i++)
		add_kind(out, "signal", i, t->signals[i], &comma);
	if (t->timeouts)
		oxi_buffer_add_format(out, "%stimeout: %llu", comma, (unsigned long long)t->timeouts);
	oxi_buffer_add_char(out, ')');
	if (t->skipped)
		oxi_buffer_add_format(out, ", %llu skipped", (unsigned long long)t->skipped);
	if (t->fresh)
		oxi_buffer_add_format(out, ", %llu up to date", (unsigned long long)t->fresh);
	oxi_buffer_add_char(out, '\0');
}
