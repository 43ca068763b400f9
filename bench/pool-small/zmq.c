/* SPDX-License-Identifier: MIT */
/* The limit over ZeroMQ ipc://: a ROUTER and two forked DEALER workers, 64 B
   calls, 8 B answers.  tput DEPTH N [BATCH]: DEPTH messages in flight per
   worker, BATCH calls in a message.  rtt N: one call in flight. */
#include "bench.h"
#include <sys/wait.h>
#include <zmq.h>
#define W 2
static char addr[200];
static void worker(int id)
{
    void *ctx = zmq_ctx_new(), *s = zmq_socket(ctx, ZMQ_DEALER);
    char name = (char)('0' + id), in[64 * 1024];
    uint64_t out[1024];
    zmq_setsockopt(s, ZMQ_IDENTITY, &name, 1);
    zmq_connect(s, addr);
    zmq_send(s, "", 0, 0);
    for (;;) {
        int n = zmq_recv(s, in, sizeof in, 0);
        if (n <= 0)
            break;
        for (int i = 0; i < n / 64; i++) {
            uint64_t a;
            memcpy(&a, in + 64 * i, 8);
            out[i] = a + 1;
        }
        zmq_send(s, out, (size_t)(n / 64) * 8, 0);
    }
    int l = 0;
    zmq_setsockopt(s, ZMQ_LINGER, &l, sizeof l);
    _exit(0);
}
static void *s;
static void put(int id, long from, int calls)
{
    static char b[64 * 1024];
    char name = (char)('0' + id);
    for (int i = 0; i < calls; i++) {
        uint64_t x = (uint64_t)(from + i);
        memcpy(b + 64 * i, &x, 8);
    }
    zmq_send(s, &name, 1, ZMQ_SNDMORE);
    zmq_send(s, b, (size_t)calls * 64, 0);
}
static int get(uint64_t *sum, int *calls)
{
    char name;
    uint64_t out[1024];
    zmq_recv(s, &name, 1, 0);
    int n = zmq_recv(s, out, sizeof out, 0);
    *calls = n / 8;
    for (int i = 0; i < n / 8; i++)
        *sum += out[i];
    return name - '0';
}
int main(int c, char **v)
{
    int tput = c < 2 || !strcmp(v[1], "tput"), depth = tput && c > 2 ? atoi(v[2]) : 1;
    long n = c > 2 + tput ? atol(v[2 + tput]) : 100000;
    int batch = tput && c > 4 ? atoi(v[4]) : 1, k;
    pid_t p[W];
    snprintf(addr, sizeof addr, "ipc:///tmp/oxbow-bench-zmq-%d", getpid());
    for (int i = 0; i < W; i++)
        if (!(p[i] = fork()))
            worker(i);
    void *ctx = zmq_ctx_new();
    s = zmq_socket(ctx, ZMQ_ROUTER);
    int hwm = 0, l = 0;
    zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(s, ZMQ_LINGER, &l, sizeof l);
    if (zmq_bind(s, addr))
        DIE("bind");
    uint64_t sum = 0;
    for (int i = 0; i < W; i++)
        get(&sum, &k);
    if (tput) {
        long sent = 0, got = 0;
        uint64_t a = now_ns();
        for (int d = 0; d < depth; d++)
            for (int i = 0; i < W && sent < n; i++) {
                int m = n - sent < batch ? (int)(n - sent) : batch;
                put(i, sent, m);
                sent += m;
            }
        while (got < n) {
            int w = get(&sum, &k);
            got += k;
            if (sent < n) {
                int m = n - sent < batch ? (int)(n - sent) : batch;
                put(w, sent, m);
                sent += m;
            }
        }
        emit("tput", (double)n / ((double)(now_ns() - a) / 1e9), "tasks/s");
        if (sum != (uint64_t)n * (uint64_t)(n + 1) / 2)
            return 1;
    } else {
        uint64_t *t = malloc(sizeof *t * (size_t)n);
        for (long i = 0; i < n; i++) {
            uint64_t a = now_ns();
            put(0, i, 1);
            get(&sum, &k);
            t[i] = now_ns() - a;
        }
        emit("rtt", (double)percentile(t, (size_t)n, 0.5) / 1e3, "us");
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
