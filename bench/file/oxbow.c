/* SPDX-License-Identifier: MIT */
/* N reads of 4 KiB from a file in the page cache, at random offsets, through ox_file_pread; and the bare pread(2) for its limit. */
#include "bench/oxbow.h"
#include <oxbow/file.h>
#include <unistd.h>

#define BLOCK  4096
#define BLOCKS 256

static long n;
static char buf[BLOCK];

static int64_t place(long i)
{
	return (int64_t)((uint64_t)i * 2654435761u % BLOCKS) * BLOCK;
}

static int read_all(ox_file *f)
{
	uint64_t start = now_ns();

	for (long i = 0; i < n; i++) {
		ssize_t r = ox_file_pread(f, buf, BLOCK, place(i));
		if (r != BLOCK)
			return r < 0 ? (int)r : OX_EINCOMPLETE;
	}
	emit("read", (double)(now_ns() - start) / (double)n / 1e3, "us");
	start = now_ns();
	for (long i = 0; i < n; i++)
		if (pread(ox_file_fd(f), buf, BLOCK, place(i)) != BLOCK)
			return OX_EINCOMPLETE;
	emit("pread", (double)(now_ns() - start) / (double)n / 1e3, "us");
	return 0;
}

static int main_co(void *arg)
{
	char path[] = "/tmp/oxbow-bench-file-XXXXXX";
	OX_AUTO_FILE *f = NULL;
	int fd = mkstemp(path), r;

	(void)arg;
	if (fd < 0)
		return -errno;
	unlink(path);
	for (int i = 0; i < BLOCKS; i++)
		if (write(fd, buf, BLOCK) != BLOCK)
			return -errno;
	r = ox_file_adopt(fd, &f);
	return r < 0 ? r : read_all(f);
}

int bench_file(char **args)
{
	n = number(args, 0);
	return run(main_co, NULL);
}
