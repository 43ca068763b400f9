/* SPDX-License-Identifier: MIT */
/*
 * N uncontended pairs of acquire and release; N items from one coroutine to another through a queue of 64, by
 * a plain get and by a select of two queues; N items hand to hand (capacity 0).
 */
#include "bench/oxbow.h"

static long n;

struct flow {
	ox_queue *q[2];
	long alternate;                 /* 1: between the two */
};

static int produce(void *arg)
{
	struct flow *f = arg;
	int r = 0;

	for (long i = 0; r == 0 && i < n; i++)
		r = ox_queue_put(f->q[i & f->alternate], f);
	return r;
}

static int consume(struct flow *f)
{
	void *item;
	int r = 0;

	for (long i = 0; r == 0 && i < n; i++)
		if (f->alternate == 0)
			r = ox_queue_get(f->q[0], &item);
		else if (OX_SELECT(&r, OX_GET(f->q[0], &item), OX_GET(f->q[1], &item)) < 0)
			return OX_ECANCELED;
	return r;
}

static int flow(const char *name, size_t capacity, long alternate)
{
	OX_AUTO_QUEUE *a = ox_queue_new(capacity), *b = ox_queue_new(capacity);
	struct flow f = { { a, b }, alternate };
	OX_AUTO_GROUP *g = ox_group_open();
	uint64_t start = now_ns();

	ox_spawn(g, produce, &f);
	int r = consume(&f);
	if (r == 0)
		r = ox_group_join(g);
	if (r == 0)
		emit(name, (double)(now_ns() - start) / (double)n, "ns");
	return r;
}

static int lock(void)
{
	OX_AUTO_LOCK *l = ox_lock_new();
	uint64_t start = now_ns();
	int r = 0;

	for (long i = 0; r == 0 && i < n; i++) {
		r = ox_lock_acquire(l);
		if (r == 0)
			r = ox_lock_release(l);
	}
	if (r == 0)
		emit("lock-pair", (double)(now_ns() - start) / (double)n, "ns");
	return r;
}

static int main_co(void *arg)
{
	int r = lock();

	(void)arg;
	if (r == 0)
		r = flow("queue-item", 64, 0);
	if (r == 0)
		r = flow("rendezvous-item", 0, 0);
	if (r == 0)
		r = flow("select-item", 64, 1);
	return r;
}

int bench_sync(char **args)
{
	n = number(args, 0);
	return run(main_co, NULL);
}
