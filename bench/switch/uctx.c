/* SPDX-License-Identifier: MIT */
/* swapcontext: two signal-mask system calls a switch pair. */
#include "bench.h"
#include <ucontext.h>
static ucontext_t m, k;
static void fn(void)
{
    for (;;)
        swapcontext(&k, &m);
}
int main(int c, char **v)
{
    long n = c > 1 ? atol(v[1]) : 4000000;
    getcontext(&k);
    k.uc_stack.ss_sp = malloc(65536);
    k.uc_stack.ss_size = 65536;
    makecontext(&k, fn, 0);
    uint64_t a = now_ns();
    for (long i = 0; i < n / 2; i++)
        swapcontext(&m, &k);
    emit("switch", (double)(now_ns() - a) / (double)n, "ns");
}
