/* SPDX-License-Identifier: MIT */
/* The limit with readiness I/O: epoll, one read and one write per event. */
#include "bench.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
static char buf[65536];
int main(int c, char **v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(c > 1 ? v[1] : "0")),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1, ep = epoll_create1(0);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 512))
        DIE("listen");
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, ev[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
    for (;;) {
        int n = epoll_wait(ep, ev, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = ev[i].data.fd;
            if (fd == l) {
                fd = accept4(l, 0, 0, SOCK_NONBLOCK);
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                e = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
                continue;
            }
            ssize_t r = read(fd, buf, sizeof buf), w, off = 0;
            if (r <= 0) {
                if (r == 0 || errno != EAGAIN)
                    close(fd);
                continue;
            }
            /* The peer reads all the time, so a full socket buffer drains. */
            while (off < r && ((w = write(fd, buf + off, (size_t)(r - off))) > 0 || errno == EAGAIN))
                off += w > 0 ? w : 0;
        }
    }
}
