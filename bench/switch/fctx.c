/* SPDX-License-Identifier: MIT */
/* Symmetric jumps between main and one context: ns per jump. */
#include "bench.h"
#include "fctx.h"
static void fn(transfer_t t)
{
    for (;;)
        t = jump_fcontext(t.fctx, 0);
}
int main(int c, char **v)
{
    long n = c > 1 ? atol(v[1]) : 50000000;
    size_t sz = 65536;
    char *s = malloc(sz);
    transfer_t t = {make_fcontext(s + sz, sz, fn), 0};
    for (long i = 0; i < 100000; i++)
        t = jump_fcontext(t.fctx, 0);
    uint64_t a = now_ns();
    for (long i = 0; i < n / 2; i++)
        t = jump_fcontext(t.fctx, 0);
    emit("switch", (double)(now_ns() - a) / (double)n, "ns");
}
