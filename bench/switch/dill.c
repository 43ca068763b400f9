/* SPDX-License-Identifier: MIT */
/* libdill yield() between the main coroutine and another. */
#include "bench.h"
#include <libdill.h>
static coroutine void worker(long n)
{
    for (long i = 0; i < n; i++)
        yield();
}
int main(int c, char **v)
{
    long n = c > 1 ? atol(v[1]) : 20000000;
    int b = bundle();
    uint64_t a = now_ns();
    bundle_go(b, worker(n / 2));
    for (long i = 0; i < n / 2; i++)
        yield();
    emit("yield", (double)(now_ns() - a) / (double)n, "ns");
    hclose(b);
}
