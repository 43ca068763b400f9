/* SPDX-License-Identifier: MIT */
/* The limit with completion I/O: io_uring, one recv and one send per message,
   submitted in batches. */
#include "bench.h"
#include <arpa/inet.h>
#include <liburing.h>
#include <netinet/tcp.h>
#define MAXFD 4096
#define BUF 65536
static struct io_uring r;
static char *bufs[MAXFD];
static int len[MAXFD];
static struct io_uring_sqe *sqe(void)
{
    struct io_uring_sqe *s = io_uring_get_sqe(&r);
    while (!s) {
        io_uring_submit(&r);
        s = io_uring_get_sqe(&r);
    }
    return s;
}
static void post(int op, int fd, int off)
{
    struct io_uring_sqe *s = sqe();
    if (op == 0)
        io_uring_prep_multishot_accept(s, fd, 0, 0, 0);
    else if (op == 1)
        io_uring_prep_recv(s, fd, bufs[fd], BUF, 0);
    else
        io_uring_prep_send(s, fd, bufs[fd] + off, (size_t)(len[fd] - off), MSG_WAITALL);
    io_uring_sqe_set_data64(s, (uint64_t)op << 32 | (uint32_t)fd);
}
int main(int c, char **v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(c > 1 ? v[1] : "0")),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 512))
        DIE("listen");
    if (io_uring_queue_init_params(1024, &r, &p) < 0) {
        memset(&p, 0, sizeof p);
        if (io_uring_queue_init_params(1024, &r, &p) < 0)
            DIE("io_uring");
    }
    post(0, l, 0);
    for (;;) {
        struct io_uring_cqe *q;
        unsigned h, n = 0;
        if (io_uring_submit_and_wait(&r, 1) < 0)
            DIE("wait");
        io_uring_for_each_cqe(&r, h, q) {
            int op = (int)(q->user_data >> 32), fd = (int)(uint32_t)q->user_data, res = q->res;
            n++;
            if (op == 0) {
                if (res >= 0 && res < MAXFD) {
                    setsockopt(res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    if (!bufs[res])
                        bufs[res] = malloc(BUF);
                    post(1, res, 0);
                }
                if (!(q->flags & IORING_CQE_F_MORE))
                    post(0, l, 0);
            } else if (res <= 0) {
                close(fd);
            } else if (op == 1) {
                len[fd] = res;
                post(2, fd, 0);
            } else {
                post(1, fd, 0);
            }
        }
        io_uring_cq_advance(&r, n);
    }
}
