/* SPDX-License-Identifier: MIT */
/*
 * What jobs left in their workers (worker_state.c): told to the log once for each kind of state and of job, and a worker
 * that is spoiled by it is replaced. It has begun none of the jobs that it still had, so they go elsewhere free of charge.
 */
#include <stdio.h>

#include "pool/parent.h"

static const struct {
	unsigned kind;
	const char *text;
} names[] = {
	{ OX_STATE_CWD, "the working directory" }, { OX_STATE_UMASK, "the umask" }, { OX_STATE_MASK, "the signal mask" },
	{ OX_STATE_SIGNALS, "signal handlers" }, { OX_STATE_TIMERS, "a running timer" }, { OX_STATE_LOCALE, "the locale" },
	{ OX_STATE_FPU, "the FPU's rounding or exceptions" }, { OX_STATE_NICE, "the nice value" },
	{ OX_STATE_THREADS, "a running thread" }, { OX_STATE_CHILDREN, "a running process" },
	{ OX_STATE_FILES, "another set of open descriptors" },
};

static void list_names(unsigned kinds, char *buf, size_t cap)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof names / sizeof *names && len < cap; i++)
		if ((kinds & names[i].kind) != 0)
			len += (size_t)snprintf(buf + len, cap - len, "%s%s", len > 0 ? ", " : "", names[i].text);
}

static void tell(const ox_pool *p, struct oxi_kind *k, unsigned kinds, bool mixed, const char *consequence)
{
	char text[512];
	unsigned news = kinds & ~k->told;

	if (news == 0)
		return;
	k->told |= news;
	list_names(news, text, sizeof text);
	oxi_log(OX_LOG_WARNING, "pool %s: job %s%s changed or left %s: %s", oxi_pool_name(p),
	        k->copy.name, mixed ? ", or one that ran shortly before it," : "", text, consequence);
}

void oxi_residue_tell(ox_pool *p, struct oxi_seat *s, const struct oxi_record *r)
{
	struct oxi_kind *k = &p->kinds[r->index];
	bool mixed = (r->flags & OXI_RECORD_MIXED) != 0, spoiled = (r->flags & OXI_RECORD_SPOILED) != 0;

	tell(p, k, (unsigned)r->time, mixed, "put back");
	tell(p, k, (unsigned)r->job, mixed, spoiled ? "its worker is replaced" : "it goes on until the pool closes");
	if (!spoiled)
		return;
	p->spoiled++;
	oxi_dispatch_spoiled(p->dispatch, s->slot, s->generation, oxi_pool_now());
}
