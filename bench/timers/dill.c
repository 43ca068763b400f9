/* SPDX-License-Identifier: MIT */
/* N libdill coroutines in msleep, on 16 KiB stacks of one mapping. */
#include "bench.h"
#include <libdill.h>
#include <sys/mman.h>
static uint64_t *late, base_ns;
static long n, fired;
static coroutine void one(int64_t at, uint64_t due)
{
    msleep(at);
    uint64_t nw = now_ns() - base_ns;
    late[fired++] = nw > due ? nw - due : 0;
}
/* Kept out of main: libdill's stack-pointer asm takes any register where it
   needs rax, and gcc 12 miscompiles it in a larger function. */
static __attribute__((noinline)) int start(int b, void *stk, int64_t at, uint64_t due)
{
    return bundle_go_mem(b, one(at, due), stk, 16384);
}
int main(int c, char **v)
{
    n = c > 1 ? atol(v[1]) : 100000;
    late = malloc(sizeof *late * (size_t)n);
    char *all = mmap(0, 16384ul * (size_t)n, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint32_t s = 42;
    int b = bundle();
    double cpu = cpu_s();
    long sw = switches();
    base_ns = now_ns();
    int64_t t0 = now();
    for (long i = 0; i < n; i++) {
        uint32_t us = rnd(&s) % 1000000;
        if (start(b, all + 16384ul * (size_t)i, t0 + us / 1000 + 1, us * 1000ull) < 0)
            DIE("go");
    }
    bundle_wait(b, -1);
    emit("cpu", (cpu_s() - cpu) * 1e3, "ms");
    emit("wakeups", (double)(switches() - sw), "count");
    emit("late-p99", (double)percentile(late, (size_t)fired, 0.99) / 1e6, "ms");
    return fired != n;
}
