/* SPDX-License-Identifier: MIT */
/*
 * The public stream of signals: a ring of events in order of arrival, handed to waiters in their order. A signal that
 * is in the ring already is only counted; a real-time signal has a place of its own, until KEPT_APART places
 * are taken. Then it is counted too, so that the ring, with a place more for every signal, is never full.
 */
#include <oxbow/signal.h>

#include "loop/signal.h"

#define SIGNALS_MAGIC 0x736c616e67690001ull
#define KEPT_APART    256u
#define PLACES        (KEPT_APART + NSIG)

struct ox_signals {
	uint64_t magic;
	struct oxi_signals in;
	struct oxi_list waiters;
	unsigned head, len;
	ox_signal ring[PLACES];
};

struct waiter {
	struct oxi_wait wait;
	ox_signal event;
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

static void arrived(struct oxi_signals *in, const ox_signal *event)
{
	ox_signals *s = OXI_CONTAINER(in, ox_signals, in);
	struct oxi_list *e = oxi_list_shift(&s->waiters);

	if (e) {
		struct waiter *w = OXI_CONTAINER(OXI_CONTAINER(e, struct oxi_wait, link), struct waiter, wait);

		w->event = *event;
		oxi_wake(&w->wait, 0);
	} else {
		keep(s, event);
	}
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
	r = oxi_signals_take(&s->in, signos, n);
	if (r < 0)
		oxi_free(s);
	else
		*ret = s;
	return r;
}

static oxi_abort_answer leave(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

static int wait(ox_signals *s, ox_signal *ret)
{
	struct waiter w;
	int r;

	oxi_wait_init(&w.wait, "signal", s, leave);
	oxi_list_append(&s->waiters, &w.wait.link);
	oxi_loop_hold(+1);              /* the test clock waits for what comes from outside */
	r = oxi_park(&w.wait);
	oxi_loop_hold(-1);
	if (r == 0)
		*ret = w.event;
	return r;
}

int ox_signals_next(ox_signals *s, ox_signal *ret)
{
	ox_signal event;
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, SIGNALS_MAGIC);
	oxi_signals_look();             /* what came before this call is in order, and counted */
	if (s->len > 0) {
		event = *place(s, 0);
		s->head = (s->head + 1) % PLACES;
		s->len--;
	} else {
		r = wait(s, &event);
		if (r < 0)
			return r;
	}
	if (ret)
		*ret = event;
	return event.signo;
}

void ox_signals_close(ox_signals *s)
{
	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, SIGNALS_MAGIC);
	s->magic = 0;
	oxi_signals_give_back(&s->in);
	oxi_wake_all(&s->waiters, OX_ECLOSED);
	oxi_free(s);
}
