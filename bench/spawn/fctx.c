/* SPDX-License-Identifier: MIT */
/* Create + run + reclaim a context, 100 alive at a time: the limit of a
   stackful library.  MODE N: "reuse" keeps 100 stacks, "mmap" maps and unmaps a
   guarded 64 KiB stack each time. */
#include "bench.h"
#include "fctx.h"
#include <sys/mman.h>
#define ALIVE 100
#define SZ 65536
static long done;
static void fn(transfer_t t)
{
    t = jump_fcontext(t.fctx, 0); /* alive, not yet run */
    done++;
    jump_fcontext(t.fctx, 0);
}
static char *stack_new(void)
{
    char *p = mmap(0, SZ + 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE))
        DIE("stack");
    return p;
}
int main(int c, char **v)
{
    int reuse = c < 2 || !strcmp(v[1], "reuse");
    long n = c > 2 ? atol(v[2]) : 1000000;
    char *st[ALIVE];
    fcontext_t k[ALIVE];
    if (reuse)
        for (int i = 0; i < ALIVE; i++)
            st[i] = stack_new();
    uint64_t a = now_ns();
    for (long r = 0; r < n / ALIVE; r++) {
        for (int i = 0; i < ALIVE; i++) {
            if (!reuse)
                st[i] = stack_new();
            k[i] = jump_fcontext(make_fcontext(st[i] + SZ + 4096, SZ, fn), 0).fctx;
        }
        for (int i = 0; i < ALIVE; i++) {
            jump_fcontext(k[i], 0);
            if (!reuse)
                munmap(st[i], SZ + 4096);
        }
    }
    if (done != n / ALIVE * ALIVE)
        return 1;
    emit("spawn", (double)done / ((double)(now_ns() - a) / 1e9), "1/s");
}
