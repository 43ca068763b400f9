/* SPDX-License-Identifier: MIT */
/*
 * Payloads in chunks, the worker's side: parent_chunks.c draws who says what. They lie in mappings of this
 * process, an input read-only as it is in the arena. The job waits meanwhile; other messages that come are
 * queued.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/private/check.h"
#include "pool/chunks.h"
#include "pool/worker.h"

#define UNASKED 1u                      /* chunks of a result, as the parent knows */

static void send_record(struct oxi_worker *w, enum oxi_message type, const struct oxi_record *r)
{
	uint8_t body[OXI_WIRE_RECORD];

	oxi_record_encode(body, r);
	oxi_worker_send(w, &(struct oxi_header){ .type = (uint8_t)type, .count = 1, .length = sizeof body }, body);
}

/* The record of the next message of that type which is about this lease. The message is to be freed. */
static struct oxi_mail *await(struct oxi_worker *w, enum oxi_message type, uint64_t lease, struct oxi_record *ret,
                              const void **ret_bytes)
{
	for (;;) {
		struct oxi_mail *m = oxi_worker_await(w, 1u << type);
		if (oxi_body_record(m->body, (size_t)m->header.length, m->header.count, 0, ret, ret_bytes) == 0 &&
		    ret->lease == lease)
			return m;
		free(m);
	}
}

/* ---- inputs ---- */

/* Fills the memory of an input. 0; the parent's reason not to send it. */
static int receive(struct oxi_worker *w, struct oxi_receiving *in)
{
	struct oxi_record r;
	const void *bytes;
	int got = 0;

	while (got == 0) {
		if (oxi_receiving_take(in, &r))
			send_record(w, OXI_TAKE, &r);
		struct oxi_mail *m = await(w, OXI_CHUNK, in->lease, &r, &bytes);
		got = oxi_receiving_put(in, &r, bytes);
		OXI_CHECK(got != OX_EPROTO);    /* our parent wrote it */
		free(m);
	}
	return got < 0 ? got : 0;
}

int oxi_worker_fetch(struct oxi_worker *w, const struct oxi_record *job, const void **ret_in)
{
	struct oxi_receiving in;
	int r = oxi_receiving_init(&in, job->lease, job->length, w->page->max_input, 0);

	if (r < 0)
		return r;
	in.data = mmap(NULL, (size_t)in.total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (in.data == MAP_FAILED)
		return OX_ENOMEM;
	r = receive(w, &in);
	if (r == 0 && mprotect(in.data, (size_t)in.total, PROT_READ) < 0)
		r = -errno;
	if (r < 0)
		munmap(in.data, (size_t)in.total);
	else
		*ret_in = in.data;
	return r;
}

void oxi_worker_discard(const void *in, size_t len)
{
	munmap((void *)in, len);
}

/* ---- results ---- */

static void send_chunk(struct oxi_worker *w, const struct oxi_record *chunk, const void *bytes)
{
	struct oxi_header h = { .type = OXI_CHUNK, .count = 1 };
	size_t size = OXI_WIRE_RECORD + oxi_align16((size_t)chunk->length);
	uint8_t *data = malloc(size);
	struct oxi_body body;

	if (data == NULL)
		_exit(OXI_EXIT_PARENT);         /* as without memory for a message that comes: this job's crash */
	oxi_body_init(&body, data, size, 1);
	OXI_CHECK(oxi_body_put(&body, chunk, bytes) == 0);
	h.length = body.len;
	oxi_worker_send(w, &h, data);
	free(data);
}

int oxi_worker_deliver(struct oxi_worker *w, uint64_t lease, const uint8_t *data, size_t len)
{
	struct oxi_sending out;
	struct oxi_record r;
	const void *bytes;

	if (!oxi_channel_intact(w->channel))
		_exit(OXI_EXIT_CLOSED);
	oxi_sending_init(&out, lease, data, len, UNASKED);
	for (;;) {
		while (oxi_sending_next(&out, &r, &bytes))
			send_chunk(w, &r, bytes);
		free(await(w, OXI_TAKE, lease, &r, &bytes));
		if (r.status == 0 && r.length == 0)
			return 0;               /* it is whole */
		int status = oxi_sending_credit(&out, &r);
		OXI_CHECK(status != OX_EPROTO);
		if (status < 0)
			return status;
	}
}
