/* SPDX-License-Identifier: MIT */
/*
 * A job over a lazy sequence: a group of jobs of which at most in_flight exist at a time. In the order of the
 * inputs, a ring holds the futures; in the order of their ends, the group itself gives them. An input is
 * asked for when there is a place for its job, so a slow consumer holds up the producer.
 */
#include <string.h>

#include "pool/parent.h"

#define MAP_MAGIC 0x6d61700000000001ull

struct ox_map {
	uint64_t magic;
	ox_pool *pool;
	ox_group *group;
	ox_map_options options;
	size_t in_flight;               /* jobs submitted and not handed out */
	int ended;                      /* 1: the sequence goes on; 0 or negative: how it ended */
	size_t head;                    /* of the ring */
	ox_future *handed;              /* ordered: freed by the next call */
	ox_future *ring[];              /* ordered: options.in_flight places */
};

void ox_map_options_init(ox_map_options *o)
{
	*o = (ox_map_options){ .size = sizeof *o };
}

ox_map *ox_map_open(ox_pool *p, const ox_map_options *o)
{
	ox_map_options mine = { 0 };

	if (p == NULL || o == NULL || oxi_forked())
		return NULL;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	memcpy(&mine, o, o->size < sizeof mine ? o->size : sizeof mine);
	if (mine.in_flight == 0)
		mine.in_flight = 4 * ((size_t)p->options.workers + (p->remote != NULL ? p->options.remote_workers : 0));
	if (mine.in_flight > (SIZE_MAX - sizeof(ox_map)) / sizeof(ox_future *))
		return NULL;
	ox_map *m = oxi_alloc(sizeof *m + (mine.unordered ? 0 : mine.in_flight * sizeof *m->ring));
	if (m == NULL)
		return NULL;
	m->group = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "map"));
	if (m->group == NULL) {
		oxi_free(m);
		return NULL;
	}
	m->magic = MAP_MAGIC;
	m->pool = p;
	m->options = mine;
	m->ended = 1;
	return m;
}

/* Submits until as many are in flight as may be, or the sequence has ended. */
static void fill(ox_map *m)
{
	ox_bytes in;

	while (m->ended == 1 && m->in_flight < m->options.in_flight) {
		m->ended = m->options.next(m->options.arg, &in);
		if (m->ended != 1)
			return;
		ox_future *f = ox_submit(m->group, m->pool, m->options.job, in.data, in.len);
		if (!m->options.unordered)
			m->ring[(m->head + m->in_flight) % m->options.in_flight] = f;
		else if (f->group == NULL)      /* not even a failed one could be made, so the group will not give it */
			m->ended = f->status;
		m->in_flight += m->ended == 1;
	}
}

static int next_in_order(ox_map *m, ox_future **ret)
{
	ox_future *f = m->ring[m->head];
	int r = ox_wait_any(&f, 1);

	if (r < 0)
		return r;
	m->head = (m->head + 1) % m->options.in_flight;
	m->handed = f;
	*ret = f;
	return 1;
}

int ox_map_next(ox_map *m, ox_future **ret)
{
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	if (m == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(m, MAP_MAGIC);
	if (m->handed != NULL)
		oxi_future_release(m->handed);
	m->handed = NULL;
	fill(m);
	if (m->in_flight == 0)
		return m->ended;
	r = m->options.unordered ? ox_group_next(m->group, ret) : next_in_order(m, ret);
	if (r == 1)
		m->in_flight--;
	return r;
}

void ox_map_close(ox_map *m)
{
	if (m == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(m, MAP_MAGIC);
	ox_group_close(m->group);
	m->magic = 0;
	oxi_free(m);
}
