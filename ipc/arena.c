/* SPDX-License-Identifier: MIT */
/*
 * The mapping. A memfd and not MAP_ANONYMOUS, because a pool that is opened after the spawner was forked
 * sends its arena there; not shm_open, because names stay behind after kill -9 and /dev/shm may be 1 MB. It
 * is reserved whole and sparse, so a page costs memory when it is first written, and never before.
 *
 * Its size is sealed: a process that shrank it would raise SIGBUS in all others. Extents of 2 MiB begin at
 * multiples of 2 MiB in memory as well, where huge pages can serve them. The system's setting for shared memory is mostly
 * "never", and MADV_HUGEPAGE bound by it; MADV_COLLAPSE (Linux 6.1) is not. It makes a huge page of an extent that has a page
 * already, so whoever is about to write a large block has one put there first, and asks. The first touch of 16 MiB is 8 faults
 * then and not 4096, in the writer and once more in each reader; under a hypervisor that is a tenth of the time.
 *
 * The overflow is a zone of the same file, reserved from the start, and no file of its own that is made when it is
 * wanted and sent after the workers by SCM_RIGHTS: what is not touched costs nothing either way, and so every
 * process, also one forked later, has it at the same address; no descriptor is under way when somebody dies, or
 * finds none free; a job cannot close it; and a result there is the next job's input as it lies. Growing the file
 * instead (ftruncate) would have to leave its size unsealed. What is different about it is only that its pages are
 * asked for before they are written (oxi_arena_commit): a payload that the system has no room for takes
 * another way, where in its own zone the writer would get SIGBUS.
 */
#include "ipc/arena.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PREPARED OX_MIB(64)             /* at most: who reserves more may not mean to write all of it */

/* False: no such number. */
static bool round_up(size_t *n)
{
	bool fits = !__builtin_add_overflow(*n, OXI_EXTENT - 1, n);

	*n &= ~(OXI_EXTENT - 1);
	return fits;
}

static bool whole_size(size_t *control, size_t *zone, unsigned zones, size_t *overflow, size_t *ret)
{
	if (*control == 0 || *zone == 0 || !round_up(control) || !round_up(zone) || !round_up(overflow))
		return false;
	return !__builtin_mul_overflow(*zone, zones, ret) && !__builtin_add_overflow(*ret, *control, ret) &&
	       !__builtin_add_overflow(*ret, *overflow, ret) && *ret <= PTRDIFF_MAX - OXI_EXTENT;
}

/* A ftruncate over RLIMIT_FSIZE would not only fail, but raise SIGXFSZ. */
static int make_file(size_t size)
{
	struct rlimit limit;
	int fd, r;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size)
		return -EFBIG;
	fd = memfd_create("oxbow", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* An address for size bytes that is a multiple of an extent; the range there is reserved. NULL: none. */
static uint8_t *reserve(size_t size)
{
	size_t whole = size + OXI_EXTENT;
	uint8_t *p = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *base;
	size_t head;

	if (p == MAP_FAILED)
		return NULL;
	base = (uint8_t *)(((uintptr_t)p + OXI_EXTENT - 1) & ~(uintptr_t)(OXI_EXTENT - 1));
	head = (size_t)(base - p);
	if (head > 0)
		munmap(p, head);
	munmap(base + size, whole - head - size);
	return base;
}

static int map(struct oxi_arena *a, int prot, int flags)
{
	void *p = mmap(a->base, a->size, prot, MAP_SHARED | MAP_NORESERVE | flags, a->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	if (p != a->base) {             /* MAP_FIXED_NOREPLACE is but a hint before Linux 4.17, and to valgrind */
		munmap(p, a->size);
		return -EEXIST;
	}
	madvise(a->base, a->size, MADV_DONTDUMP);       /* a core dump of gigabytes helps nobody */
	return 0;
}

int oxi_arena_create(struct oxi_arena *a, size_t control_size, size_t zone_size, unsigned zones, size_t overflow_size)
{
	size_t size;
	int r;

	*a = (struct oxi_arena){ .fd = -1 };
	if (!whole_size(&control_size, &zone_size, zones, &overflow_size, &size))
		return -EOVERFLOW;
	r = make_file(size);
	if (r < 0)
		return r;
	*a = (struct oxi_arena){
		.fd = r, .base = reserve(size), .size = size, .control_size = control_size, .zone_size = zone_size,
		.zones = zones, .overflow_size = overflow_size,
	};
	r = a->base != NULL ? map(a, PROT_READ | PROT_WRITE, MAP_FIXED) : -ENOMEM;
	if (r < 0)
		oxi_arena_destroy(a);
	return r;
}

int oxi_arena_attach(struct oxi_arena *a)
{
	struct stat st;

	if (fstat(a->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < a->size)
		return -EINVAL;
	return map(a, PROT_READ, MAP_FIXED_NOREPLACE);
}

static int protect(struct oxi_arena *a, size_t offset, size_t len, int prot)
{
	if (offset > a->size || len > a->size - offset)
		return -EINVAL;
	return mprotect(a->base + offset, len, prot) == 0 ? 0 : -errno;
}

int oxi_arena_allow(struct oxi_arena *a, size_t offset, size_t len)
{
	return protect(a, offset, len, PROT_READ | PROT_WRITE);
}

int oxi_arena_forbid(struct oxi_arena *a, size_t offset, size_t len)
{
	return protect(a, offset, len, PROT_READ);
}

/* A kernel that does not say answers that there are. */
static bool has_pages(uint8_t *extent)
{
	unsigned char there;

	return mincore(extent, 1, &there) < 0 || (there & 1) != 0;
}

/* The extents from at on, up to end, that have no page. They get one each: there is nothing to make huge of none. */
static size_t begin_extents(uint8_t *at, const uint8_t *end)
{
	uint8_t *p = at;

	while (p < end && !has_pages(p) && madvise(p, 1, MADV_POPULATE_WRITE) == 0)
		p += OXI_EXTENT;
	return (size_t)(p - at);
}

void oxi_arena_prepare(struct oxi_arena *a, size_t offset, size_t cap, size_t len)
{
	uint8_t *at = a->base + (offset & ~(OXI_EXTENT - 1)), *end = a->base + offset + (len < PREPARED ? len : PREPARED);

	if (cap < OXI_EXTENT / 2)
		return;
	while (at < end) {
		size_t cold = begin_extents(at, end);
		if (cold > 0 && madvise(at, cold, MADV_COLLAPSE) < 0)
			return;
		at += cold > 0 ? cold : OXI_EXTENT;
	}
}

int oxi_arena_commit(struct oxi_arena *a, size_t offset, size_t len)
{
	int r;

	if (offset > a->size || len > a->size - offset)
		return -EINVAL;
	oxi_arena_prepare(a, offset, len, len);
	do
		r = madvise(a->base + offset, len, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
	while (r == -EINTR);
	return r == -EINVAL ? 0 : r;
}

void oxi_arena_destroy(struct oxi_arena *a)
{
	if (a->base != NULL)
		munmap(a->base, a->size);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct oxi_arena){ .fd = -1 };
}

bool oxi_arena_contains(const struct oxi_arena *a, uint64_t place, uint64_t length)
{
	uint64_t in;

	if (place < a->control_size || place >= a->size)
		return false;
	if (place >= oxi_arena_zone(a, a->zones))
		return length <= a->size - place;
	in = (place - a->control_size) % a->zone_size;
	return length <= a->zone_size - in;
}
