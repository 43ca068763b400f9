/* SPDX-License-Identifier: MIT */
/* The crunch alone, in C, one process: ROOT LIST WORDS.  The files come from the
   page cache; the answer is checked against the Python crawl's word count. */
#include "bench.h"
#include <openssl/evp.h>
#define SLOTS 65536
struct slot { const char *s; uint32_t n, gen; };
static struct slot tab[SLOTS];
static char lower[256];
int main(int c, char **v)
{
    if (c < 4)
        return 2;
    char line[1024], path[2048], *b = malloc(1 << 24);
    FILE *l = fopen(v[2], "r");
    if (!l)
        DIE(v[2]);
    for (int i = 0; i < 256; i++)
        lower[i] = (char)((i >= '0' && i <= '9') || (i >= 'a' && i <= 'z') || i == '_' ? i
                          : i >= 'A' && i <= 'Z' ? i + 32 : 0);
    uint64_t t = now_ns();
    long pages = 0, words = 0, distinct = 0, links = 0;
    uint32_t gen = 0;
    unsigned char md[32];
    while (fgets(line, sizeof line, l)) {
        line[strcspn(line, "\n")] = 0;
        snprintf(path, sizeof path, "%s%s%s", v[1], line, line[strlen(line) - 1] == '/' ? "index.html" : "");
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        size_t n = fread(b, 1, 1 << 24, f), o = 0;
        fclose(f);
        EVP_Digest(b, n, md, 0, EVP_sha256(), 0);
        for (char *p = b, *e = b + n; (p = memmem(p, (size_t)(e - p), "href=\"", 6)); p += 6)
            links++;
        for (size_t i = 0; i < n;) {
            char *e;
            if (b[i] == '<' && (e = memchr(b + i, '>', n - i)))
                i = (size_t)(e - b) + 1;
            else
                b[o++] = b[i++];
        }
        gen++;
        for (size_t i = 0; i < o;) {
            while (i < o && !lower[(unsigned char)b[i]])
                i++;
            size_t s = i;
            uint32_t h = 2166136261u;
            for (; i < o && lower[(unsigned char)b[i]]; i++) {
                b[i] = lower[(unsigned char)b[i]];
                h = (h ^ (unsigned char)b[i]) * 16777619u;
            }
            if (i == s)
                continue;
            words++;
            for (h &= SLOTS - 1;; h = (h + 1) & (SLOTS - 1)) {
                if (tab[h].gen != gen) {
                    tab[h] = (struct slot){b + s, (uint32_t)(i - s), gen};
                    distinct++;
                    break;
                }
                if (tab[h].n == i - s && !memcmp(tab[h].s, b + s, i - s))
                    break;
            }
        }
        pages++;
    }
    double ms = (double)(now_ns() - t) / 1e6;
    if (words != atol(v[3])) {
        fprintf(stderr, "%ld words, want %s\n", words, v[3]);
        return 1;
    }
    emit("crunch", ms / (double)pages, "ms/page");
    emit("pages", (double)pages / ms * 1e3, "pages/s");
    fprintf(stderr, "%ld pages %ld links %ld distinct\n", pages, links, distinct);
}
