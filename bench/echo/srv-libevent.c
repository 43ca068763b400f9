/* SPDX-License-Identifier: MIT */
/* libevent bufferevents: input appended to output. */
#include "bench.h"
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
static struct event_base *b;
static void rd(struct bufferevent *e, void *x)
{
    (void)x;
    evbuffer_add_buffer(bufferevent_get_output(e), bufferevent_get_input(e));
}
static void evcb(struct bufferevent *e, short what, void *x)
{
    (void)x;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(e);
}
static void acc(evutil_socket_t l, short what, void *x)
{
    (void)what, (void)x;
    int fd, on = 1;
    while ((fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct bufferevent *e = bufferevent_socket_new(b, fd, BEV_OPT_CLOSE_ON_FREE);
        bufferevent_setcb(e, rd, 0, evcb, 0);
        bufferevent_enable(e, EV_READ | EV_WRITE);
    }
}
int main(int c, char **v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(c > 1 ? v[1] : "0")),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 512))
        DIE("listen");
    b = event_base_new();
    event_add(event_new(b, l, EV_READ | EV_PERSIST, acc, 0), 0);
    event_base_dispatch(b);
}
