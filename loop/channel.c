/* SPDX-License-Identifier: MIT */
/*
 * Channels: a queue, and how many ends each side still has. A clause that waits at an end stands in the
 * queue's list like any other and names the end as its object: so closing an end finds those who wait at it.
 */
#include <oxbow/channel.h>

#include "loop/waits.h"
#include "loop/queue.h"

#define SENDER_MAGIC   0x7265646e65730001ull
#define RECEIVER_MAGIC 0x7669656365720001ull

struct channel {
	ox_queue *queue;
	void (*drop)(void *item);
	size_t senders, receivers;
};

struct ox_sender {
	uint64_t magic;
	struct channel *of;
	struct oxi_list beginning;      /* waits: in the first step of a put */
};

struct ox_receiver {
	uint64_t magic;
	struct channel *of;
	struct oxi_list beginning;      /* of a get */
};

/* ---- ends ---- */

static ox_sender *new_sender(struct channel *c)
{
	ox_sender *s = oxi_alloc(sizeof(*s));

	if (s) {
		s->magic = SENDER_MAGIC;
		s->of = c;
		oxi_list_init(&s->beginning);
		c->senders++;
	}
	return s;
}

static ox_receiver *new_receiver(struct channel *c)
{
	ox_receiver *r = oxi_alloc(sizeof(*r));

	if (r) {
		r->magic = RECEIVER_MAGIC;
		r->of = c;
		oxi_list_init(&r->beginning);
		c->receivers++;
	}
	return r;
}

int ox_channel_new(size_t capacity, void (*drop)(void *item), ox_sender **ret_sender, ox_receiver **ret_receiver)
{
	struct channel *c = oxi_alloc(sizeof(*c));
	ox_queue *queue = ox_queue_new(capacity);
	ox_sender *s = c && queue ? new_sender(c) : NULL;
	ox_receiver *r = s ? new_receiver(c) : NULL;

	if (r == NULL) {
		oxi_free(s);
		ox_queue_free(queue);
		oxi_free(c);
		return OX_ENOMEM;
	}
	c->queue = queue;
	c->drop = drop;
	*ret_sender = s;
	*ret_receiver = r;
	return 0;
}

ox_sender *ox_sender_clone(ox_sender *s)
{
	if (s == NULL)
		return NULL;
	OXI_CHECK_OBJECT(s, SENDER_MAGIC);
	return new_sender(s->of);
}

ox_receiver *ox_receiver_clone(ox_receiver *r)
{
	if (r == NULL)
		return NULL;
	OXI_CHECK_OBJECT(r, RECEIVER_MAGIC);
	return new_receiver(r->of);
}

/* ---- closing ---- */

static struct oxi_clause *waiting_at(struct oxi_list *clauses, const void *end)
{
	OXI_LIST_EACH(e, clauses) {
		struct oxi_clause *c = OXI_CONTAINER(e, struct oxi_clause, link);

		if (c->object == end)
			return c;
	}
	return NULL;
}

/* A select may wait at one end twice: each commit may take out more than one. */
static void send_home(struct oxi_list *clauses, const void *end)
{
	struct oxi_clause *c;

	while ((c = waiting_at(clauses, end)))
		oxi_clause_commit(c, OX_ECLOSED);
}

static void free_if_unused(struct channel *c)
{
	if (c->senders > 0 || c->receivers > 0)
		return;
	ox_queue_free(c->queue);
	oxi_free(c);
}

void ox_sender_close(ox_sender *s)
{
	struct channel *c;

	if (s == NULL)
		return;
	OXI_CHECK_OBJECT(s, SENDER_MAGIC);
	c = s->of;
	oxi_waits_end(&s->beginning, OX_ECLOSED);
	send_home(&c->queue->putters, s);
	if (--c->senders == 0)
		ox_queue_shut(c->queue, NULL);
	s->magic = 0;
	oxi_free(s);
	free_if_unused(c);
}

void ox_receiver_close(ox_receiver *r)
{
	struct channel *c;

	if (r == NULL)
		return;
	OXI_CHECK_OBJECT(r, RECEIVER_MAGIC);
	c = r->of;
	oxi_waits_end(&r->beginning, OX_ECLOSED);
	send_home(&c->queue->getters, r);
	if (--c->receivers == 0) {
		oxi_clause_commit_all(&c->queue->putters, -EPIPE);
		ox_queue_shut(c->queue, c->drop);
	}
	r->magic = 0;
	oxi_free(r);
	free_if_unused(c);
}

/* ---- sending and receiving ---- */

static bool send_attempt(struct oxi_clause *c, int *ret_result)
{
	ox_sender *s = c->object;

	*ret_result = OX_ENOMEM;
	if (s == NULL)
		return true;
	OXI_CHECK_OBJECT(s, SENDER_MAGIC);
	*ret_result = s->of->receivers > 0 ? ox_queue_try_put(s->of->queue, c->item) : -EPIPE;
	return *ret_result != OX_EBUSY;
}

static int send_arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_sender *)c->object)->of->queue->putters, &c->link);
	return 0;
}

static bool receive_attempt(struct oxi_clause *c, int *ret_result)
{
	ox_receiver *r = c->object;

	*ret_result = OX_ENOMEM;
	if (r == NULL)
		return true;
	OXI_CHECK_OBJECT(r, RECEIVER_MAGIC);
	*ret_result = ox_queue_try_get(r->of->queue, c->ret);
	return *ret_result != OX_EBUSY;
}

static int receive_arm(struct oxi_clause *c)
{
	oxi_list_append(&((ox_receiver *)c->object)->of->queue->getters, &c->link);
	return 0;
}

static const struct oxi_clause_ops send_ops = { .kind = "channel put", .attempt = send_attempt, .arm = send_arm };
static const struct oxi_clause_ops receive_ops = { .kind = "channel get", .attempt = receive_attempt, .arm = receive_arm };

ox_clause ox_clause_send(ox_sender *s, void *item)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &send_ops, .object = s, .item = item });
}

ox_clause ox_clause_receive(ox_receiver *r, void **ret_item)
{
	return oxi_clause_public(&(struct oxi_clause){ .ops = &receive_ops, .object = r, .ret = ret_item });
}

int ox_sender_put(ox_sender *s, void *item)
{
	int r = s ? oxi_checkpoint_at(&s->beginning) : OX_ENOMEM;

	return r < 0 ? r : oxi_clause_run(&(struct oxi_clause){ .ops = &send_ops, .object = s, .item = item });
}

int ox_receiver_get(ox_receiver *r, void **ret_item)
{
	int error = r ? oxi_checkpoint_at(&r->beginning) : OX_ENOMEM;

	return error < 0 ? error : oxi_clause_run(&(struct oxi_clause){ .ops = &receive_ops, .object = r, .ret = ret_item });
}
