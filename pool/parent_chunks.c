/* SPDX-License-Identifier: MIT */
/*
 * Payloads in chunks, the parent's side, between it and a local worker. They are what is left when arena and
 * overflow are full, or the system gives no pages for them: slower by some copies through ZeroMQ, and bound
 * by private memory only.
 *
 *	input                                           result
 *	JOBS with CHUNKS, length -->                    NEED -->           <-- GRANT with CHUNKS: no room
 *	     the job has been claimed, and counts as running, before anything is sent
 *	<-- TAKE 4                                      CHUNK --> the length is checked, memory made
 *	CHUNK CHUNK CHUNK CHUNK -->                     <-- TAKE 3 or 4
 *	<-- TAKE 2 ...                                  CHUNK ... -->  <-- TAKE 0: it is whole
 *	                                                RESULTS with CHUNKS -->
 *
 * An input is sent when the worker asks, not with the job: a batch of them would fill its memory, and one that
 * is taken back would have been sent in vain. A result is published when the parent has all of it, so what is
 * found in the outbox of a dead worker is never a promise. One job runs in a worker at a time: so a seat has one
 * payload each way. A job that has been abandoned has no input any more; whoever asks for it is told so.
 *
 * A worker that breaks the rules of the exchange is killed: its memory is not what it should be.
 */
#include "pool/chunks.h"
#include "pool/parent.h"

struct oxi_transfer {
	struct oxi_sending input;       /* lease 0: none */
	struct oxi_receiving result;    /* the same; its data is of oxi_alloc() */
};

#define UNASKED 1u                      /* chunks of a result */

static struct oxi_transfer *transfer_of(struct oxi_seat *s)
{
	if (s->transfer == NULL)
		s->transfer = oxi_alloc(sizeof *s->transfer);
	return s->transfer;
}

static int send(ox_pool *p, struct oxi_seat *s, enum oxi_message type, const struct oxi_record *r, const void *bytes)
{
	struct oxi_header h = {
		.type = (uint8_t)type, .epoch = oxi_pool_page(&p->arena)->epoch, .generation = s->generation, .count = 1,
	};
	size_t size = OXI_WIRE_RECORD + (bytes != NULL ? oxi_align16((size_t)r->length) : 0);
	void *data = oxi_channel_body(p->channel, size);
	struct oxi_body body;

	if (data == NULL)
		return OX_ENOMEM;
	oxi_body_init(&body, data, size, 1);
	OXI_CHECK(oxi_body_put(&body, r, bytes) == 0);
	h.length = body.len;
	return oxi_channel_send_body(p->channel, &s->peer, &h, body.len);
}

/* The worker waits for an answer: without one it would wait for ever. */
static void answer(ox_pool *p, struct oxi_seat *s, enum oxi_message type, const struct oxi_record *r)
{
	if (send(p, s, type, r, NULL) < 0)
		oxi_seat_kill(s);
}

static void refuse(ox_pool *p, struct oxi_seat *s, enum oxi_message type, uint64_t lease, int why)
{
	struct oxi_record r = oxi_chunk_refusal(lease, why);

	answer(p, s, type, &r);
}

static void run_wild(ox_pool *p, struct oxi_seat *s)
{
	p->rejected++;
	oxi_seat_kill(s);
}

static const struct ox_result *job_of(ox_pool *p, const struct oxi_seat *s, uint64_t lease)
{
	const struct oxi_djob *d = oxi_dispatch_look(p->dispatch, s->slot, lease);

	return d != NULL ? OXI_CONTAINER((struct oxi_djob *)d, struct ox_result, dispatch) : NULL;
}

/* ---- inputs ---- */

void oxi_chunks_take(ox_pool *p, struct oxi_seat *s, const struct oxi_record *take)
{
	struct oxi_transfer *t = transfer_of(s);
	const struct ox_result *j = take->lease != 0 ? job_of(p, s, take->lease) : NULL;
	struct oxi_record chunk;
	const void *bytes;
	int r = t == NULL ? OX_ENOMEM : j == NULL ? OX_ECANCELED : 0;

	if (r == 0 && (j->input == NULL || j->input_len == 0)) {
		run_wild(p, s);
		return;
	}
	if (r == 0 && t->input.lease != take->lease)
		oxi_sending_init(&t->input, take->lease, j->input, j->input_len, 0);
	if (r == 0 && oxi_sending_credit(&t->input, take) == OX_EPROTO) {
		run_wild(p, s);
		return;
	}
	while (r == 0 && oxi_sending_next(&t->input, &chunk, &bytes))
		r = send(p, s, OXI_CHUNK, &chunk, bytes);
	if (r < 0)
		refuse(p, s, OXI_CHUNK, take->lease, r);
}

/* ---- results ---- */

static void drop_result(struct oxi_transfer *t)
{
	oxi_free(t->result.data);
	t->result = (struct oxi_receiving){ .lease = 0 };
}

/* The first chunk: what it announces is checked, and its memory made. */
static int begin_result(ox_pool *p, struct oxi_transfer *t, const struct ox_result *j, const struct oxi_record *chunk)
{
	drop_result(t);
	int r = oxi_receiving_init(&t->result, chunk->lease, oxi_chunk_total(chunk), oxi_pool_max_result(p, j->dispatch.index),
	                           UNASKED);
	if (r == 0 && (t->result.data = oxi_alloc((size_t)t->result.total)) == NULL)
		r = OX_ENOMEM;
	if (r < 0)
		t->result.lease = 0;
	return r;
}

void oxi_chunks_put(ox_pool *p, struct oxi_seat *s, const struct oxi_record *chunk, const void *bytes)
{
	struct oxi_transfer *t = transfer_of(s);
	const struct ox_result *j = chunk->lease != 0 ? job_of(p, s, chunk->lease) : NULL;
	int r = t == NULL ? OX_ENOMEM : j == NULL ? OX_ECANCELED : 0;
	struct oxi_record take;

	if (r == 0 && t->result.lease != chunk->lease)
		r = begin_result(p, t, j, chunk);
	if (r < 0) {
		refuse(p, s, OXI_TAKE, chunk->lease, r);
		return;
	}
	r = oxi_receiving_put(&t->result, chunk, bytes);
	if (r < 0)
		run_wild(p, s);
	else if (r == 1)
		answer(p, s, OXI_TAKE, &(struct oxi_record){ .lease = chunk->lease, .flags = OXI_RECORD_CHUNKS });
	else if (oxi_receiving_take(&t->result, &take))
		answer(p, s, OXI_TAKE, &take);
}

uint8_t *oxi_chunks_result(struct oxi_seat *s, uint64_t lease, size_t len)
{
	struct oxi_transfer *t = s->transfer;

	if (t == NULL || lease == 0 || t->result.lease != lease || t->result.got != len || t->result.total != len)
		return NULL;
	uint8_t *data = t->result.data;
	t->result = (struct oxi_receiving){ .lease = 0 };
	return data;
}

void oxi_chunks_forget(struct oxi_seat *s)
{
	if (s->transfer == NULL)
		return;
	drop_result(s->transfer);
	s->transfer->input.lease = 0;
}
