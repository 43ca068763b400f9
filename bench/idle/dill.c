/* SPDX-License-Identifier: MIT */
/* N parked libdill coroutines.  MODE N: "default" stacks (256 KiB + guard),
   "mem16k" = bundle_go_mem over one mapping of 16 KiB stacks. */
#include "bench.h"
#include <libdill.h>
#include <sys/mman.h>
static coroutine void park(void)
{
    msleep(-1);
}
int main(int c, char **v)
{
    int mem = c > 1 && !strcmp(v[1], "mem16k");
    long n = c > 2 ? atol(v[2]) : 100000, i;
    int b = bundle();
    char *all = 0;
    if (mem)
        all = mmap(0, 16384ul * (size_t)n, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    double rss = status_bytes("VmRSS:"), pte = status_bytes("VmPTE:");
    for (i = 0; i < n; i++)
        if ((mem ? bundle_go_mem(b, park(), all + 16384ul * (size_t)i, 16384)
                 : bundle_go(b, park())) < 0)
            break;
    emit("reached", (double)i, "coroutines");
    emit("rss", (status_bytes("VmRSS:") - rss) / (double)i, "B");
    emit("pagetables", (status_bytes("VmPTE:") - pte) / (double)i, "B");
    _exit(0);
}
