/* SPDX-License-Identifier: MIT */
/*
 * Errors that nobody can receive any more are told to the log hook, with the task's name and where it was
 * spawned.
 *
 * An error is a negative status other than OX_ECANCELED. It is heard when somebody asks the future (its
 * status, an await, a gather; being given out by ox_group_next() counts) or, in a fail-fast group, asks the
 * group: join gives the first failure, ox_group_error() any. What is unheard when its future is released is
 * reported:
 *
 *	group       the first failure                        the others
 *	fail-fast   unless joined or asked, at the close     unless the group was asked, at the close
 *	collect     at the close                             at the close
 *	reaping     as above if fail-fast, else at its end   at its end
 *
 * A body that is cancelled because a task of its group failed, and returns OX_ECANCELED without a join, is
 * what this finds: the error would be gone. Futures of no group (ox_call) are in the hand of who made them.
 */
#include "loop/state.h"

static void report(const char *kind, const char *name, const char *site, int status)
{
	oxi_log(OX_LOG_WARNING, "%s%s%s%s%s failed and nobody asked: %s", kind, name ? " " : "", name ? name : "",
	        site ? ", spawned at " : "", site ? site : "", ox_strerror(status));
}

void oxi_unheard_future(const ox_future *f)
{
	struct ox_group *g = f->group;
	const struct oxi_task *t = oxi_future_is_task(f) ? OXI_CONTAINER(f, const struct oxi_task, future) : NULL;
	const char *name = t ? t->name : f->ops->name ? f->ops->name(f) : NULL;
	const char *site = t ? t->site : NULL;

	if (g == NULL || g->errors_asked)
		return;
	if (g->first_failed != f) {
		report(f->ops->kind, name, site, f->status);
		return;
	}
	g->unheard_kind = f->ops->kind;         /* a join may come yet */
	g->unheard_name = name;
	g->unheard_site = site;
}

void oxi_unheard_group(const struct ox_group *g)
{
	if (g->unheard_kind && !g->joined && !g->errors_asked)
		report(g->unheard_kind, g->unheard_name, g->unheard_site, g->first_error);
}
