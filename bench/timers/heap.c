/* SPDX-License-Identifier: MIT */
/* The limit: a 4-ary heap and clock_nanosleep, 1 ms wake-ups. */
#include "bench.h"
static uint64_t *h, *late;
static long n, len, fired;
static void push(uint64_t k)
{
    long i = len++;
    for (; i && h[(i - 1) / 4] > k; i = (i - 1) / 4)
        h[i] = h[(i - 1) / 4];
    h[i] = k;
}
static void pop(void)
{
    uint64_t k = h[--len];
    long i = 0, c;
    while ((c = 4 * i + 1) < len) {
        for (long j = c + 1; j < c + 4 && j < len; j++)
            if (h[j] < h[c])
                c = j;
        if (h[c] >= k)
            break;
        h[i] = h[c];
        i = c;
    }
    h[i] = k;
}
int main(int c, char **v)
{
    n = c > 1 ? atol(v[1]) : 100000;
    h = malloc(sizeof *h * (size_t)n);
    late = malloc(sizeof *h * (size_t)n);
    uint32_t s = 42;
    double cpu = cpu_s();
    long sw = switches();
    uint64_t base = now_ns();
    for (long i = 0; i < n; i++)
        push(rnd(&s) % 1000000 * 1000ull);
    while (len) {
        uint64_t nw = now_ns() - base;
        while (len && h[0] <= nw) {
            late[fired++] = nw - h[0];
            pop();
        }
        if (!len)
            break;
        uint64_t w = base + (h[0] + 999999) / 1000000 * 1000000;
        struct timespec t = {(time_t)(w / 1000000000), (long)(w % 1000000000)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, 0);
    }
    emit("cpu", (cpu_s() - cpu) * 1e3, "ms");
    emit("wakeups", (double)(switches() - sw), "count");
    emit("late-p99", (double)percentile(late, (size_t)fired, 0.99) / 1e6, "ms");
    return fired != n;
}
