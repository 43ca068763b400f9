/* SPDX-License-Identifier: MIT */
/* N one-shot timers in a libevent loop. */
#include "bench.h"
#include <event2/event.h>
#include <event2/event_struct.h>
static uint64_t *late;
static long n, fired;
static uint64_t base_ns;
struct tm_ { struct event ev; uint64_t due; };
static void cb(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    late[fired++] = now_ns() - base_ns - ((struct tm_ *)arg)->due;
}
int main(int c, char **v)
{
    n = c > 1 ? atol(v[1]) : 100000;
    late = malloc(sizeof *late * (size_t)n);
    struct tm_ *t = malloc(sizeof *t * (size_t)n);
    struct event_base *b = event_base_new();
    uint32_t s = 42;
    double cpu = cpu_s();
    long sw = switches();
    base_ns = now_ns();
    for (long i = 0; i < n; i++) {
        uint32_t us = rnd(&s) % 1000000;
        uint64_t at = base_ns / 1000 + us, nw = now_ns() / 1000;
        uint64_t d = at > nw ? at - nw : 0;
        struct timeval tv = {(long)(d / 1000000), (long)(d % 1000000)};
        t[i].due = us * 1000ull;
        evtimer_assign(&t[i].ev, b, cb, &t[i]);
        evtimer_add(&t[i].ev, &tv);
    }
    event_base_dispatch(b);
    emit("cpu", (cpu_s() - cpu) * 1e3, "ms");
    emit("wakeups", (double)(switches() - sw), "count");
    for (long i = 0; i < fired; i++)
        if ((int64_t)late[i] < 0)
            late[i] = 0;
    emit("late-p99", (double)percentile(late, (size_t)fired, 0.99) / 1e6, "ms");
    return fired != n;
}
