/* SPDX-License-Identifier: MIT */
/* N one-shot timers in a libuv loop. */
#include "bench.h"
#include <uv.h>
static uint64_t *late, base_ns;
static long n, fired;
static void cb(uv_timer_t *t)
{
    uint64_t nw = now_ns() - base_ns, due = (uint64_t)(uintptr_t)t->data;
    late[fired++] = nw > due ? nw - due : 0;
}
int main(int c, char **v)
{
    n = c > 1 ? atol(v[1]) : 100000;
    late = malloc(sizeof *late * (size_t)n);
    uv_timer_t *t = malloc(sizeof *t * (size_t)n);
    uv_loop_t *l = uv_default_loop();
    uint32_t s = 42;
    double cpu = cpu_s();
    long sw = switches();
    base_ns = now_ns();
    for (long i = 0; i < n; i++) {
        uint32_t us = rnd(&s) % 1000000;
        uint64_t el;
        uv_timer_init(l, &t[i]);
        t[i].data = (void *)(uintptr_t)(us * 1000ull);
        uv_update_time(l);
        el = (now_ns() - base_ns) / 1000000;
        uv_timer_start(&t[i], cb, us / 1000 + 1 > el ? us / 1000 + 1 - el : 0, 0);
    }
    uv_run(l, UV_RUN_DEFAULT);
    emit("cpu", (cpu_s() - cpu) * 1e3, "ms");
    emit("wakeups", (double)(switches() - sw), "count");
    emit("late-p99", (double)percentile(late, (size_t)fired, 0.99) / 1e6, "ms");
    return fired != n;
}
