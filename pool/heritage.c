/* SPDX-License-Identifier: MIT */
/* Where things lie in the control pages, and whether a function is the same one in two processes. */
#include <dlfcn.h>
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

uint64_t oxi_code_identity(const void *fn)
{
	Dl_info object;
	uint64_t h = 0xcbf29ce484222325u;       /* FNV-1a */

	if (dladdr(fn, &object) == 0 || object.dli_fname == NULL)
		return 0;
	for (const char *c = object.dli_fname; *c != '\0'; c++)
		h = (h ^ (uint8_t)*c) * 0x100000001b3u;
	return h ^ (uintptr_t)object.dli_fbase;
}
