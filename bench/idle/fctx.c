/* SPDX-License-Identifier: MIT */
/* N parked contexts: what a stack costs when its coroutine is parked.
   MODE N: "arena16k" carves unguarded 16 KiB stacks from one mapping;
   "guard64k" maps each 64 KiB stack with its own guard page. */
#include "bench.h"
#include "fctx.h"
#include <sys/mman.h>
static void fn(transfer_t t)
{
    volatile char frame[256]; /* a little live state */
    frame[0] = 1;
    jump_fcontext(t.fctx, 0);
    (void)frame[0];
}
int main(int c, char **v)
{
    int arena = c < 2 || !strcmp(v[1], "arena16k");
    long n = c > 2 ? atol(v[2]) : 100000, i;
    size_t sz = arena ? 16384 : 65536;
    int fl = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    double rss = status_bytes("VmRSS:"), pte = status_bytes("VmPTE:");
    char *all = 0;
    if (arena && (all = mmap(0, sz * (size_t)n, PROT_READ | PROT_WRITE, fl, -1, 0)) == MAP_FAILED)
        DIE("mmap");
    for (i = 0; i < n; i++) {
        char *s = all ? all + sz * (size_t)i : mmap(0, sz, PROT_READ | PROT_WRITE, fl, -1, 0);
        if (s == MAP_FAILED || (!all && mprotect(s, 4096, PROT_NONE)))
            break;
        jump_fcontext(make_fcontext(s + sz, sz - 4096, fn), 0);
    }
    emit("reached", (double)i, "coroutines");
    emit("rss", (status_bytes("VmRSS:") - rss) / (double)i, "B");
    emit("pagetables", (status_bytes("VmPTE:") - pte) / (double)i, "B");
}
