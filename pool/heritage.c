/* SPDX-License-Identifier: MIT */
/* Where things lie in the control pages, how a report is read, and whether a function is the same one in two processes. */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "pool/heritage.h"

static size_t whole_pages(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

size_t oxi_control_page(unsigned jobs)
{
	return whole_pages(sizeof(struct oxi_pool_page) + jobs * sizeof(struct oxi_job_entry));
}

size_t oxi_control_slot(void)
{
	return whole_pages(sizeof(struct oxi_slot));
}

struct oxi_pool_page *oxi_pool_page(const struct oxi_arena *a)
{
	return (struct oxi_pool_page *)a->base;
}

struct oxi_slot *oxi_pool_slot(const struct oxi_arena *a, unsigned slot)
{
	return (struct oxi_slot *)(a->base + oxi_control_page(oxi_pool_page(a)->jobs) + slot * oxi_control_slot());
}

static void copy_report(const struct oxi_report *level, struct oxi_said *ret)
{
	ret->done = atomic_load_explicit(&level->done, memory_order_relaxed);
	ret->total = atomic_load_explicit(&level->total, memory_order_relaxed);
	memcpy(ret->note, level->note, sizeof ret->note);
}

static const struct oxi_report *find_report(const struct oxi_report *level, uint64_t lease)
{
	for (unsigned i = 0; i < OXI_DEPTH; i++)
		if (atomic_load_explicit(&level[i].lease, memory_order_acquire) == lease)
			return &level[i];
	return NULL;
}

bool oxi_report_read(const struct oxi_report *level, uint64_t lease, struct oxi_said *ret)
{
	const struct oxi_report *r = lease != 0 ? find_report(level, lease) : NULL;

	for (unsigned tries = 0; r != NULL && tries < 100; tries++) {
		uint32_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);
		bool ours = atomic_load_explicit(&r->lease, memory_order_relaxed) == lease;

		copy_report(r, ret);
		atomic_thread_fence(memory_order_acquire);
		if (seq % 2 != 0 || atomic_load_explicit(&r->seq, memory_order_relaxed) != seq)
			continue;
		ret->note[sizeof ret->note - 1] = '\0';
		return ours;
	}
	return false;
}

uint64_t oxi_text_identity(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;       /* FNV-1a */

	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3u;
	return h;
}

uint64_t oxi_code_identity(const void *fn)
{
	Dl_info object;

	if (dladdr(fn, &object) == 0 || object.dli_fname == NULL)
		return 0;
	return oxi_text_identity(object.dli_fname) ^ (uintptr_t)object.dli_fbase;
}
