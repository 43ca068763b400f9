/* SPDX-License-Identifier: MIT */
/* The limit over shared memory: a request and an answer ring per worker,
   futex sleep after SPIN empty looks.  SPIN tput DEPTH N, or SPIN rtt N. */
#include "bench.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#define W 2
#define CAP 1024
#define LINE __attribute__((aligned(64)))
struct ring {
    LINE atomic_uint head; /* written by the producer */
    LINE atomic_uint tail; /* written by the consumer */
};
struct chan {
    struct ring q, a;
    LINE atomic_uint wsleep;
    LINE char req[CAP][64];
    LINE uint64_t ans[CAP];
};
static struct shared {
    LINE atomic_uint psleep;
    struct chan w[W];
} *m;
static int spin;
static void wait_on(atomic_uint *f)
{
    syscall(SYS_futex, f, FUTEX_WAIT, 1, 0, 0, 0);
}
static void wake(atomic_uint *f)
{
    if (atomic_load(f) && atomic_exchange(f, 0))
        syscall(SYS_futex, f, FUTEX_WAKE, 1, 0, 0, 0);
}
static int ready(struct ring *r)
{
    return atomic_load_explicit(&r->head, memory_order_acquire) !=
           atomic_load_explicit(&r->tail, memory_order_relaxed);
}
static void worker(struct chan *c)
{
    for (;;) {
        int i = 0;
        while (!ready(&c->q)) {
            if (i++ < spin) {
                __builtin_ia32_pause();
                continue;
            }
            atomic_store(&c->wsleep, 1);
            if (ready(&c->q)) {
                atomic_store(&c->wsleep, 0);
                break;
            }
            wait_on(&c->wsleep);
            i = 0;
        }
        unsigned h = atomic_load_explicit(&c->q.head, memory_order_acquire);
        unsigned t = atomic_load_explicit(&c->q.tail, memory_order_relaxed);
        for (; t != h; t++) {
            uint64_t x;
            memcpy(&x, c->req[t % CAP], 8);
            if (x == UINT64_MAX)
                _exit(0);
            c->ans[t % CAP] = x + 1;
        }
        atomic_store_explicit(&c->q.tail, t, memory_order_release);
        atomic_store(&c->a.head, t);
        wake(&m->psleep);
    }
}
static void put(struct chan *c, uint64_t x, unsigned i)
{
    unsigned h = atomic_load_explicit(&c->q.head, memory_order_relaxed) + i;
    memcpy(c->req[h % CAP], &x, 8);
}
static void publish(struct chan *c, unsigned n)
{
    if (n) {
        atomic_fetch_add(&c->q.head, n);
        wake(&c->wsleep);
    }
}
int main(int c, char **v)
{
    spin = c > 1 ? atoi(v[1]) : 0;
    int tput = c < 3 || !strcmp(v[2], "tput"), depth = tput && c > 3 ? atoi(v[3]) : 1;
    long n = c > 3 + tput ? atol(v[3 + tput]) : 100000, sent = 0, got = 0;
    pid_t p[W];
    m = mmap(0, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(m, 0, sizeof *m);
    for (int i = 0; i < W; i++)
        if (!(p[i] = fork()))
            worker(&m->w[i]);
    usleep(20000);
    uint64_t sum = 0, a = now_ns(), *t = malloc(sizeof *t * (size_t)n);
    int active = tput ? W : 1;
    for (int i = 0; i < active; i++) {
        unsigned k = 0;
        for (; (int)k < depth && sent < n; k++)
            put(&m->w[i], (uint64_t)sent++, k);
        t[0] = now_ns();
        publish(&m->w[i], k);
    }
    while (got < n) {
        int any = 0, i = 0;
        for (;;) {
            for (int j = 0; j < active; j++)
                any |= ready(&m->w[j].a);
            if (any)
                break;
            if (i++ < spin) {
                __builtin_ia32_pause();
                continue;
            }
            atomic_store(&m->psleep, 1);
            for (int j = 0; j < active; j++)
                any |= ready(&m->w[j].a);
            if (any) {
                atomic_store(&m->psleep, 0);
                break;
            }
            wait_on(&m->psleep);
            i = 0;
        }
        for (int j = 0; j < active; j++) {
            struct chan *w = &m->w[j];
            unsigned h = atomic_load_explicit(&w->a.head, memory_order_acquire);
            unsigned x = atomic_load_explicit(&w->a.tail, memory_order_relaxed), k = h - x;
            for (; x != h; x++)
                sum += w->ans[x % CAP];
            atomic_store_explicit(&w->a.tail, x, memory_order_release);
            if (!tput && k) {
                uint64_t nw = now_ns();
                t[got] = nw - t[got];
                if (got + 1 < n)
                    t[got + 1] = nw;
            }
            got += k;
            unsigned q = 0;
            for (; q < k && sent < n; q++)
                put(w, (uint64_t)sent++, q);
            publish(w, q);
        }
    }
    if (tput)
        emit("tput", (double)n / ((double)(now_ns() - a) / 1e9), "tasks/s");
    else
        emit("rtt", (double)percentile(t, (size_t)n, 0.5) / 1e3, "us");
    if (sum != (uint64_t)n * (uint64_t)(n + 1) / 2)
        return 1;
    for (int i = 0; i < W; i++) {
        put(&m->w[i], UINT64_MAX, 0);
        publish(&m->w[i], 1);
        waitpid(p[i], 0, 0);
    }
}
