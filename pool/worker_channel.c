/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of the channel. It takes most of the time of a start, two threads and a dozen descriptors, and a worker
 * whose jobs and results are short and who asks for nothing never needs it. So it opens when there is something to send, or
 * when the parent says in the slot that something is to come; and before limits or a sandbox are in force under which it
 * could not. The parent connects when the slot says that this end listens, and knows us by the secret that HELLO repeats.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pool/worker.h"

static void say_hello(struct oxi_worker *w)
{
	uint8_t data[OXI_WIRE_RECORD + OXI_SECRET];
	struct oxi_record r = { .index = (uint16_t)w->heritage->slot, .length = OXI_SECRET };
	struct oxi_body body;

	oxi_body_init(&body, data, sizeof data, 1);
	oxi_body_put(&body, &r, w->heritage->secret);
	oxi_worker_send(w, &(struct oxi_header){ .type = OXI_HELLO, .count = 1, .length = body.len }, data);
}

/* Perhaps in a job, so what it adds to the process is told from what the job has left. */
void oxi_worker_open_channel(struct oxi_worker *w)
{
	const struct oxi_heritage *h = w->heritage;
	struct oxi_census before = oxi_state_count();

	pid_t parent = w->page->pid_namespace ? 0 : w->page->parent;    /* it has no pid here */

	if (oxi_channel_new_worker(h->channel, h->floor, parent, &w->channel) < 0)
		_exit(OXI_EXIT_PARENT);
	atomic_store_explicit(&w->slot->listening, 1, memory_order_release);
	oxi_worker_ring(w);
	if (oxi_channel_await_parent(w->channel) < 0)
		_exit(OXI_EXIT_PARENT);
	oxi_state_add_own(&before);
	say_hello(w);
}

void oxi_worker_send(struct oxi_worker *w, struct oxi_header *h, const void *body)
{
	if (w->channel == NULL)
		oxi_worker_open_channel(w);
	h->epoch = w->page->epoch;
	h->generation = w->heritage->generation;
	if (oxi_channel_send(w->channel, NULL, h, body) < 0)
		_exit(OXI_EXIT_PARENT);
	w->spoke = h->type != OXI_RESULTS;
}

struct oxi_mail *oxi_mail_new(size_t len)
{
	size_t head = oxi_align16(sizeof(struct oxi_mail));
	struct oxi_mail *m = malloc(head + len);

	if (m != NULL)
		m->body = (uint8_t *)m + head;
	return m;
}

bool oxi_worker_receive(struct oxi_worker *w, int timeout_ms)
{
	struct oxi_received m;
	int r;

	while ((r = oxi_channel_stirred(w->channel) ? oxi_channel_receive(w->channel, &m) : 0) != 1 || m.header.epoch != w->page->epoch) {
		if (r == 0)
			r = oxi_channel_wait(w->channel, -1, timeout_ms);
		if (r < 0)
			_exit(OXI_EXIT_PARENT);
		if (r == 0)
			return false;
	}
	struct oxi_mail *mail = oxi_mail_new(m.len);
	if (mail == NULL)
		_exit(OXI_EXIT_PARENT);
	mail->header = m.header;
	if (m.len > 0)
		memcpy(mail->body, m.body, m.len);
	oxi_list_append(&w->mail, &mail->link);
	return true;
}

struct oxi_mail *oxi_worker_await(struct oxi_worker *w, unsigned types)
{
	for (;;) {
		oxi_worker_receive(w, -1);
		struct oxi_mail *last = OXI_CONTAINER(w->mail.prev, struct oxi_mail, link);
		if ((types >> last->header.type & 1) == 0)
			continue;
		oxi_list_remove(&last->link);
		w->spoke = false;       /* an answer: what was said before has been heard */
		return last;
	}
}
