/* SPDX-License-Identifier: MIT */
/*
 * Posts: calls from other threads. A stack that any thread pushes to without a lock and the loop takes whole,
 * reversed into the order of posting. The push that finds the stack empty wakes the loop by an eventfd; the
 * others need no system call.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/state.h"

static struct oxi_post ended;           /* at the head: nothing is taken any more */

static void call_all(struct oxi_post *newest)
{
	struct oxi_post *p, *oldest = NULL;

	while ((p = newest)) {
		newest = p->next;
		p->next = oldest;
		oldest = p;
	}
	while ((p = oldest)) {
		void (*fn)(void *) = p->fn;
		void *arg = p->arg;

		oldest = p->next;
		oxi_free(p);
		fn(arg);
	}
}

static void woken(void *arg, int fd, unsigned events)
{
	struct ox_loop *l = arg;
	uint64_t n;

	(void)events;
	if (read(fd, &n, sizeof(n)) < 0)
		return;
	call_all(atomic_exchange_explicit(&l->posts, NULL, memory_order_acquire));
}

int oxi_posts_open(struct ox_loop *l)
{
	int r;

	l->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->post_fd < 0)
		return -errno;
	l->post_watch = oxi_watch_new(l->post_fd, woken, l);
	r = l->post_watch ? oxi_watch_set(l->post_watch, OX_READABLE) : OX_ENOMEM;
	return r;
}

/* The write fails only where the counter is full, and then the loop is being woken. */
void oxi_posts_kick(struct ox_loop *l)
{
	uint64_t one = 1;
	ssize_t n = write(l->post_fd, &one, sizeof(one));

	(void)n;
}

void oxi_posts_close(struct ox_loop *l)
{
	call_all(atomic_exchange_explicit(&l->posts, &ended, memory_order_acquire));
	oxi_watch_free(l->post_watch);
	if (l->post_fd > 0)
		close(l->post_fd);
}

int ox_post(ox_loop *l, void (*fn)(void *arg), void *arg)
{
	struct oxi_post *p, *head;

	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(l, OXI_LOOP_MAGIC);
	p = oxi_alloc(sizeof(*p));
	if (p == NULL)
		return OX_ENOMEM;
	p->fn = fn;
	p->arg = arg;
	head = atomic_load_explicit(&l->posts, memory_order_relaxed);
	do {
		if (head == &ended) {
			oxi_free(p);
			return OX_ECLOSED;
		}
		p->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&l->posts, &head, p, memory_order_release,
	                                                memory_order_relaxed));
	if (head == NULL)
		oxi_posts_kick(l);
	return 0;
}
