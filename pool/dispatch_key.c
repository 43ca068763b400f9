/* SPDX-License-Identifier: MIT */
/*
 * Keys: of the jobs that have one key, so many at most are with workers at a time. A key exists while a job has it.
 *
 * A job waits its turn like any other, and only when it comes does its key matter: if all the key's places are held, the
 * job steps aside into the key's own queue and the turn is the next job's. When a place becomes free, the one whose
 * turn it is in that queue gets it and goes back to the head of the pool's queue, before all that came after it.
 *
 *	QUEUED --its turn, no place--> BLOCKED --a place--> QUEUED, holds it --> LEASED --> ended, or delayed: gives it back
 *	   '------its turn, a place-------------------------------------------------^
 *
 * So nothing is searched, each job steps aside once, and one without a key meets one test. A job that is sent back
 * to the queue keeps its place; one that waits for its retry does not. An abandoned job still runs: its place goes to the
 * worker's cell, and is free when that is.
 *
 * That none is blocked while a place is free holds at any time, but in a pool that refuses jobs: there all that is blocked ends.
 */
#include "pool/dispatch_state.h"

#include <stdlib.h>

static struct oxi_dkey *key_of(struct oxi_entry *e)
{
	return e != NULL ? OXI_CONTAINER(e, struct oxi_dkey, entry) : NULL;
}

static struct oxi_dkey *make(struct oxi_dispatch *d, uint64_t hash)
{
	struct oxi_dkey *key = calloc(1, sizeof(*key));

	if (key == NULL)
		return NULL;
	oxi_dqueue_init(&key->blocked);
	oxi_list_init(&key->link);
	if (oxi_table_add(&d->keys, &key->entry, hash) < 0) {
		free(key);
		return NULL;
	}
	return key;
}

/* Gives away the places that are free: to those whose turn it is, who go on waiting at the queue's head, in order. */
static void advance(struct oxi_dispatch *d, struct oxi_dkey *key)
{
	struct oxi_list free, *e;

	if (d->refuse < 0)
		return;
	oxi_list_init(&free);
	while (key->held < key->limit && key->blocked.count > 0) {
		struct oxi_djob *job = oxi_dqueue_next(d, &key->blocked);

		oxi_djob_dequeue(d, job);
		oxi_djob_hold(job);
		oxi_list_prepend(&free, &job->link);
	}
	while ((e = oxi_list_shift(&free)) != NULL)
		oxi_djob_enqueue(d, oxi_djob_of(e), OXI_FIRST, 0);
}

struct oxi_dkey *oxi_dispatch_key(struct oxi_dispatch *d, uint64_t hash, unsigned limit)
{
	struct oxi_dkey *key = key_of(oxi_table_find(&d->keys, hash));

	if (key == NULL)
		key = make(d, hash);
	if (key == NULL)
		return NULL;
	key->users++;
	key->limit = limit;
	advance(d, key);
	return key;
}

void oxi_dispatch_unkey(struct oxi_dispatch *d, struct oxi_dkey *key)
{
	if (--key->users > 0)
		return;
	oxi_table_remove(&d->keys, &key->entry);
	free(key);
}

void oxi_dkey_leave(struct oxi_dispatch *d, struct oxi_dkey *key)
{
	key->held--;
	advance(d, key);
	oxi_dispatch_unkey(d, key);
}

void oxi_djob_hold(struct oxi_djob *job)
{
	struct oxi_dextra *x = job->extra;

	if (x == NULL || x->key == NULL || x->holds)
		return;
	x->holds = true;
	x->key->held++;
}

void oxi_djob_let_go(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dextra *x = job->extra;

	if (x == NULL || !x->holds)
		return;
	x->holds = false;
	x->key->users++;                /* leaving takes one */
	oxi_dkey_leave(d, x->key);
}

void oxi_djob_drop_key(struct oxi_dispatch *d, struct oxi_djob *job)
{
	if (job->extra == NULL || job->extra->key == NULL)
		return;
	oxi_djob_let_go(d, job);
	oxi_dispatch_unkey(d, job->extra->key);
	job->extra->key = NULL;
}

struct oxi_dkey *oxi_djob_pass_on(struct oxi_djob *job)
{
	struct oxi_dextra *x = job->extra;

	if (x == NULL || !x->holds)
		return NULL;
	x->holds = false;
	x->key->users++;
	return x->key;
}

bool oxi_djob_step_aside(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dkey *key = job->extra != NULL ? job->extra->key : NULL;

	if (key == NULL || job->extra->holds || key->held < key->limit)
		return false;
	oxi_djob_dequeue(d, job);
	oxi_djob_block(d, job);
	return true;
}
