/* SPDX-License-Identifier: MIT */
/*
 * A reply grows through three places. It starts in the outbox, where it needs no copy to be sent. Past 4 KiB
 * it moves into the worker's result zone: into the room that came with the job, if jobs of its kind have
 * lately been large, or into room asked of the parent, which costs a round trip; each time twice as much as
 * before. When something else must go through the outbox before it, it steps aside into memory of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "pool/worker.h"

static int fail(ox_reply *out, int error)
{
	if (out->error == 0)
		out->error = error;
	return out->error;
}

static void move_to(ox_reply *out, uint8_t *room, size_t cap)
{
	memcpy(room, out->data, out->len);
	out->data = room;
	out->cap = cap;
	out->in_arena = true;
}

/* Makes the room hold want bytes. */
static int grow(ox_reply *out, size_t want)
{
	size_t cap = 0;

	if (want <= out->cap)
		return 0;
	if (out->grant != NULL && want <= out->grant_cap) {
		move_to(out, out->grant, out->grant_cap);
		out->grant = NULL;
		return 0;
	}
	size_t ask = want > out->cap * 2 ? want : out->cap * 2 < out->max ? out->cap * 2 : out->max;
	uint8_t *room = oxi_worker_need(out->worker, out->lease, ask, &cap);
	if (room == NULL || cap < want)
		return fail(out, OX_ENOMEM);
	move_to(out, room, cap);
	return 0;
}

int oxi_reply_step_aside(ox_reply *out)
{
	if (!*out->worker->original)            /* in a child of the job's: the channel is its parent's */
		return OX_EFORKED;
	if (out->in_arena || out->aside != NULL)
		return 0;
	out->aside = malloc(OXI_INLINE);
	if (out->aside == NULL)
		return OX_ENOMEM;
	memcpy(out->aside, out->data, out->len);
	out->data = out->aside;
	return 0;
}

void *ox_reply_reserve(ox_reply *out, size_t len)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (out->error != 0)
		return NULL;
	if (!*out->worker->original) {          /* in a child of the job's: the outbox is its parent's */
		fail(out, OX_EFORKED);
		return NULL;
	}
	if (len > out->max - out->len) {
		fail(out, OX_ETOOBIG);
		return NULL;
	}
	if (grow(out, out->len + len) < 0)
		return NULL;
	uint8_t *at = out->data + out->len;
	out->len += len;
	return at;
}

int ox_reply_write(ox_reply *out, const void *data, size_t len)
{
	void *at = ox_reply_reserve(out, len);

	if (at == NULL)
		return out->error;
	if (len > 0)
		memcpy(at, data, len);
	return 0;
}

void ox_reply_truncate(ox_reply *out, size_t len)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	if (len < out->len)
		out->len = len;
}

size_t ox_reply_len(const ox_reply *out)
{
	OXI_CHECK_OBJECT(out, OXI_REPLY_MAGIC);
	return out->len;
}
