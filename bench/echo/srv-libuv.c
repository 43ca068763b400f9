/* SPDX-License-Identifier: MIT */
/* libuv streams, one write request per read. */
#include "bench.h"
#include <netinet/in.h>
#include <uv.h>
struct wr { uv_write_t r; char d[]; };
static void alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    (void)h;
    struct wr *w = malloc(sizeof *w + want);
    *b = uv_buf_init(w->d, (unsigned)want);
}
static void wrote(uv_write_t *r, int st)
{
    (void)st;
    free(r);
}
static void closed(uv_handle_t *h) { free(h); }
static void rd(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct wr *w = b->base ? (void *)(b->base - offsetof(struct wr, d)) : 0;
    if (n > 0) {
        uv_buf_t o = uv_buf_init(w->d, (unsigned)n);
        uv_write(&w->r, s, &o, 1, wrote);
        return;
    }
    free(w);
    if (n < 0)
        uv_close((uv_handle_t *)s, closed);
}
static void acc(uv_stream_t *l, int st)
{
    uv_tcp_t *t = malloc(sizeof *t);
    uv_tcp_init(l->loop, t);
    if (st || uv_accept(l, (uv_stream_t *)t))
        return;
    uv_tcp_nodelay(t, 1);
    uv_read_start((uv_stream_t *)t, alloc, rd);
}
int main(int c, char **v)
{
    struct sockaddr_in a;
    uv_tcp_t l;
    uv_tcp_init(uv_default_loop(), &l);
    uv_ip4_addr("127.0.0.1", atoi(c > 1 ? v[1] : "0"), &a);
    uv_tcp_bind(&l, (void *)&a, 0);
    if (uv_listen((uv_stream_t *)&l, 512, acc))
        DIE("listen");
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
