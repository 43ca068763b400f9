/* SPDX-License-Identifier: MIT */
/* libdill bundles of ALIVE (default 100) coroutines, each parked until all
   exist, then waited for.  libdill keeps 64 stacks; more are unmapped.  (go() runs the new coroutine at once and yield() lets it end, so
   without the channel only two or three would be alive at a time.) */
#include "bench.h"
#include <libdill.h>
static long done;
static coroutine void one(int ch)
{
    chrecv(ch, 0, 0, -1);
    done++;
}
int main(int c, char **v)
{
    long n = c > 1 ? atol(v[1]) : 1000000;
    int alive = c > 2 ? atoi(v[2]) : 100;
    uint64_t a = now_ns();
    for (long r = 0; r < n / alive; r++) {
        int b = bundle(), ch[2];
        if (b < 0 || chmake(ch))
            DIE("bundle");
        for (int i = 0; i < alive; i++)
            if (bundle_go(b, one(ch[1])) < 0)
                DIE("bundle_go");
        chdone(ch[0]);
        bundle_wait(b, -1);
        hclose(b);
        hclose(ch[0]);
        hclose(ch[1]);
    }
    if (done != n / alive * alive)
        return 1;
    emit("spawn", (double)done / ((double)(now_ns() - a) / 1e9), "1/s");
}
