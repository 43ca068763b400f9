/* SPDX-License-Identifier: MIT */
/*
 * The public stream of signals: a ring of events in order of arrival, handed to waiters in their order. A signal that
 * is in the ring already is only counted; a real-time signal has a place of its own, until KEPT_APART places
 * are taken. Then it is counted too, so that the ring, with a place more for every signal, is never full.
 */
#include <oxbow/signal.h>

#include "loop/select.h"
#include "loop/signal.h"
#include "loop/waits.h"

#define SIGNALS_MAGIC 0x736c616e67690001ull
#define KEPT_APART    256u
#define PLACES        (KEPT_APART + NSIG)

struct ox_signals {
	uint64_t magic;
	struct oxi_signals in;
	struct oxi_list waiters;        /* clauses */
	struct oxi_list beginning;      /* waits: in the first step of ox_signals_next() */
	unsigned head, len;
	ox_signal ring[PLACES];
};

static ox_signal *place(ox_signals *s, unsigned i)
{
	return &s->ring[(s->head + i) % PLACES];
}

/* The last one of a signal, NULL if it is not there. */
static ox_signal *find(ox_signals *s, int signo)
{
	for (unsigned i = s->len; i > 0; i--)
		if (place(s, i - 1)->signo == signo)
			return place(s, i - 1);
	return NULL;
}

static void keep(ox_signals *s, const ox_signal *event)
{
	bool apart = event->signo >= SIGRTMIN && s->len < KEPT_APART;
	ox_signal *same = apart ? NULL : find(s, event->signo);

	if (same)
		same->count++;
	else
		*place(s, s->len++) = *event;
}

static void give(struct oxi_clause *c, const ox_signal *event)
{
	if (c->ret)
		*(ox_signal *)c->ret = *event;
	oxi_clause_commit(c, event->signo);
}

static void arrived(struct oxi_signals *in, const ox_signal *event)
{
	ox_signals *s = OXI_CONTAINER(in, ox_signals, in);
	struct oxi_clause *c = oxi_clause_shift(&s->waiters);

	if (c)
		give(c, event);
	else
		keep(s, event);
}

int ox_signals_open(const int *signos, size_t n, ox_signals **ret)
{
	ox_signals *s;
	int r;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	s = oxi_alloc(sizeof(*s));
	if (s == NULL)
		return OX_ENOMEM;
	s->magic = SIGNALS_MAGIC;
	s->in.fn = arrived;
	oxi_list_init(&s->waiters);
	oxi_list_init(&s->beginning);
	r = oxi_signals_take(&s->in, signos, n);
	if (r < 0)
		oxi_free(s);
	else
		*ret = s;
	return r;
}

static bool next_attempt(struct oxi_clause *c, int *ret_result)
{
	ox_signals *s = c->object;

	if (s == NULL) {
		*ret_result = OX_ENOMEM;
		return true;
	}
	OXI_CHECK_OBJECT(s, SIGNALS_MAGIC);
	oxi_signals_look();             /* what came before this call is in order, and counted */
	if (s->len == 0)
		return false;
	*ret_result = place(s, 0)->signo;
	if (c->ret)
		*(ox_signal *)c->ret = *place(s, 0);
	s->head = (s->head + 1) % PLACES;
	s->len--;
	return true;
}

static int next_arm(struct oxi_clause *c)
{
	ox_signals *s = c->object;

	oxi_list_append(&s->waiters, &c->link);
	oxi_loop_hold(+1);              /* the test clock waits for what comes from outside */
	return 0;
}

static void next_disarm(struct oxi_clause *c)
{
	oxi_list_remove(&c->link);
	oxi_loop_hold(-1);
}

static const struct oxi_clause_ops next_ops = { "signal", next_attempt, next_arm, next_disarm };

int ox_signals_next(ox_signals *s, ox_signal *ret)
{
	int r = s ? oxi_checkpoint_at(&s->beginning) : OX_ENOMEM;

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &next_ops, .object = s, .ret = ret });
}

ox_clause ox_clause_signal(ox_signals *s, ox_signal *ret)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &next_ops, .object = s, .ret = ret });
}

void ox_signals_close(ox_signals *s)
{
	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, SIGNALS_MAGIC);
	s->magic = 0;
	oxi_signals_give_back(&s->in);
	oxi_clause_commit_all(&s->waiters, OX_ECLOSED);
	oxi_waits_end(&s->beginning, OX_ECLOSED);
	oxi_free(s);
}
