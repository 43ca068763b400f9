/* SPDX-License-Identifier: MIT */
/* libevent plain events: read and write the socket in the callback. */
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
static struct event_base *b;
static char buf[65536];
static void rd(evutil_socket_t fd, short what, void *x)
{
    (void)what;
    ssize_t r = read(fd, buf, sizeof buf), w, off = 0;
    if (r <= 0) {
        if (r < 0 && errno == EAGAIN)
            return;
        event_free(*(struct event **)x);
        free(x);
        close(fd);
        return;
    }
    while (off < r && ((w = write(fd, buf + off, (size_t)(r - off))) > 0 || errno == EAGAIN))
        off += w > 0 ? w : 0;
}
static void acc(evutil_socket_t l, short what, void *x)
{
    (void)what, (void)x;
    int fd, on = 1;
    while ((fd = accept4(l, 0, 0, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct event **e = malloc(sizeof *e);
        *e = event_new(b, fd, EV_READ | EV_PERSIST, rd, e);
        event_add(*e, 0);
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
