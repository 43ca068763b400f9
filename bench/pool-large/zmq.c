/* SPDX-License-Identifier: MIT */
/* ZeroMQ ipc:// ROUTER/DEALER, one message in flight per worker, sent from the
   caller's buffer without a user-space copy.  LABEL SIZE COUNT */
#include "bench.h"
#include "work.h"
#include <sys/wait.h>
#include <zmq.h>
#define W 2
static char addr[200];
static void worker(int id)
{
    void *ctx = zmq_ctx_new(), *s = zmq_socket(ctx, ZMQ_DEALER);
    char name = (char)('0' + id);
    zmq_setsockopt(s, ZMQ_IDENTITY, &name, 1);
    zmq_connect(s, addr);
    zmq_send(s, "", 0, 0);
    for (;;) {
        zmq_msg_t op, in, out;
        zmq_msg_init(&op);
        zmq_msg_init(&in);
        if (zmq_msg_recv(&op, s, 0) < 1)
            _exit(0);
        char what = *(char *)zmq_msg_data(&op);
        if (zmq_msg_recv(&in, s, 0) < 0)
            _exit(1);
        size_t n = zmq_msg_size(&in);
        if (what == 'r') {
            zmq_msg_init_size(&out, n);
            reverse(zmq_msg_data(&out), zmq_msg_data(&in), n);
        } else {
            uint64_t t = add(zmq_msg_data(&in), n);
            zmq_msg_init_size(&out, 8);
            memcpy(zmq_msg_data(&out), &t, 8);
        }
        zmq_msg_close(&in);
        zmq_msg_close(&op);
        zmq_msg_send(&out, s, 0);
    }
}
static void keep(void *d, void *h)
{
    (void)d, (void)h;
}
static void *s;
static int get(size_t *n)
{
    char name;
    zmq_msg_t m;
    zmq_recv(s, &name, 1, 0);
    zmq_msg_init(&m);
    zmq_msg_recv(&m, s, 0);
    *n = zmq_msg_size(&m);
    zmq_msg_close(&m);
    return name - '0';
}
static void put(int w, char op, void *b, size_t n)
{
    char name = (char)('0' + w);
    zmq_msg_t m;
    zmq_send(s, &name, 1, ZMQ_SNDMORE);
    zmq_send(s, &op, 1, ZMQ_SNDMORE);
    zmq_msg_init_data(&m, b, n, keep, 0);
    zmq_msg_send(&m, s, 0);
}
int main(int c, char **v)
{
    if (c < 4)
        return 2;
    size_t n = (size_t)atol(v[2]), got;
    int k = atoi(v[3]);
    pid_t p[W];
    snprintf(addr, sizeof addr, "ipc:///tmp/oxbow-bench-zmql-%d", getpid());
    for (int i = 0; i < W; i++)
        if (!(p[i] = fork()))
            worker(i);
    void *ctx = zmq_ctx_new();
    s = zmq_socket(ctx, ZMQ_ROUTER);
    int l = 0;
    zmq_setsockopt(s, ZMQ_LINGER, &l, sizeof l);
    if (zmq_bind(s, addr))
        DIE("bind");
    for (int i = 0; i < W; i++)
        get(&got);
    uint8_t *b = malloc(n);
    memset(b, 1, n);
    for (const char *op = "rs"; *op; op++) {
        char m[64];
        for (int warm = 1; warm >= 0; warm--) {
            int todo = warm ? W : k, sent = 0, done = 0;
            uint64_t t = now_ns();
            for (int i = 0; i < W && sent < todo; i++, sent++)
                put(i, *op, b, n);
            while (done < todo) {
                int w = get(&got);
                if (got != (*op == 'r' ? n : 8))
                    return 1;
                done++;
                if (sent < todo) {
                    put(w, *op, b, n);
                    sent++;
                }
            }
            if (!warm) {
                snprintf(m, sizeof m, "%s-%s", *op == 'r' ? "rev" : "sum", v[1]);
                emit(m, (double)n * k / (double)(now_ns() - t), "GB/s");
            }
        }
    }
    for (int i = 0; i < W; i++) {
        char name = (char)('0' + i);
        zmq_send(s, &name, 1, ZMQ_SNDMORE);
        zmq_send(s, "", 0, 0);
    }
    for (int i = 0; i < W; i++)
        waitpid(p[i], 0, 0);
    unlink(addr + 6);
}
