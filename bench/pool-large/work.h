/* SPDX-License-Identifier: MIT */
/* The two jobs: reverse the bytes (large answer), add up the words (8 B). */
#include <stdint.h>
#include <stddef.h>
static void reverse(uint8_t *restrict d, const uint8_t *restrict s, size_t n)
{
    const uint64_t *a = (const uint64_t *)(const void *)s;
    uint64_t *b = (uint64_t *)(void *)d;
    size_t w = n / 8;
    for (size_t i = 0; i < w; i++)
        b[w - 1 - i] = __builtin_bswap64(a[i]);
}
static uint64_t add(const uint8_t *s, size_t n)
{
    const uint64_t *a = (const uint64_t *)(const void *)s;
    uint64_t t = 0;
    for (size_t i = 0; i < n / 8; i++)
        t += a[i];
    return t;
}
