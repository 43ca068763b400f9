/* SPDX-License-Identifier: MIT */
/*
 * Knowing that one is a forked child, for the price of a load: a page that is wiped in the child, by the
 * kernel (MADV_WIPEONFORK, Linux 4.14: also where a raw clone makes the child) and by fork()'s own handler
 * (also where the kernel is an emulator that forgets the advice). A pid would cost a system call at each entry.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "loop/state.h"

_Atomic(char *) oxi_alive;

static void wipe(void)
{
	*atomic_load_explicit(&oxi_alive, memory_order_relaxed) = 0;
}

static void mark(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	madvise(page, 4096, MADV_WIPEONFORK);
	*page = 1;
	atomic_store_explicit(&oxi_alive, page, memory_order_release);
	pthread_atfork(NULL, NULL, wipe);
}

bool oxi_forked(void)
{
	return oxi_is_forked();
}

void oxi_fork_mark(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, mark);
}
