/* SPDX-License-Identifier: MIT */
/* libdill: a coroutine per connection; its sockets want exact lengths, so it
   is told the message size. */
#include "bench.h"
#include <libdill.h>
static size_t size;
static coroutine void conn(int s)
{
    char *b = malloc(size);
    while (!brecv(s, b, size, -1) && !bsend(s, b, size, -1))
        ;
    free(b);
    tcp_close(s, now());
}
static __attribute__((noinline)) void start(int b, int s)
{
    bundle_go(b, conn(s));
}
int main(int c, char **v)
{
    struct ipaddr a;
    if (c < 3 || ipaddr_local(&a, "127.0.0.1", atoi(v[1]), 0))
        return 1;
    size = (size_t)atol(v[2]);
    int l = tcp_listen(&a, 512), b = bundle();
    if (l < 0)
        DIE("listen");
    for (;;) {
        int s = tcp_accept(l, 0, -1);
        if (s >= 0)
            start(b, s);
    }
}
