/* SPDX-License-Identifier: MIT */
/* The function alone, in this process.  LABEL SIZE COUNT */
#include "bench.h"
#include "work.h"
int main(int c, char **v)
{
    if (c < 4)
        return 2;
    size_t n = (size_t)atol(v[2]);
    int k = atoi(v[3]);
    uint8_t *a = malloc(n), *b = malloc(n);
    memset(a, 1, n);
    memset(b, 1, n);
    char m[64];
    volatile uint64_t keep = 0;
    uint64_t t = now_ns();
    for (int i = 0; i < k; i++) {
        a[i] = (uint8_t)i;
        reverse(b, a, n);
        keep += b[n - 1];
    }
    snprintf(m, sizeof m, "rev-%s", v[1]);
    emit(m, (double)n * k / (double)(now_ns() - t), "GB/s");
    t = now_ns();
    for (int i = 0; i < k; i++) {
        a[i] = (uint8_t)(i + 1);
        keep += add(a, n);
    }
    snprintf(m, sizeof m, "sum-%s", v[1]);
    emit(m, (double)n * k / (double)(now_ns() - t), "GB/s");
}
