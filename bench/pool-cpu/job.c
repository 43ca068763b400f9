/* SPDX-License-Identifier: MIT */
/* CPU-bound jobs: OpenSSL's PBKDF2-HMAC-SHA256, the same code that Python's
   hashlib runs.  MODE N ITERATIONS: "one" runs one job of ITERATIONS;
   "atomic" two forked workers taking the next job from a shared counter (the
   limit); "static" two workers, half the job list each; "zmq" two DEALER workers
   fed by a ROUTER, two jobs in flight each.
   Prints the speed-up: CPU time the jobs took, measured inside each, over the
   wall time of all; so it is independent of the machine's momentary speed.  Once
   for equal jobs and once for uneven ones (0.1 to 1.9 times, ascending). */
#include "bench.h"
#include <openssl/evp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <zmq.h>
static long n, iter;
static int uneven;
static atomic_long *shared; /* next job, CPU nanoseconds, jobs done */
static long cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}
static void job(long i)
{
    long from = cpu_now();
    unsigned char out[32];
    long k = uneven ? (long)((double)iter * (0.1 + 1.8 * (double)i / (double)(n - 1))) : iter;
    PKCS5_PBKDF2_HMAC("password", 8, (const unsigned char *)&i, 8, (int)k, EVP_sha256(), 32, out);
    atomic_fetch_add(&shared[8], cpu_now() - from);
    atomic_fetch_add(&shared[16], 1);
}
static void split(int dynamic)
{
    pid_t p[2];
    for (int w = 0; w < 2; w++)
        if (!(p[w] = fork())) {
            if (dynamic)
                for (long i; (i = atomic_fetch_add(&shared[0], 1)) < n;)
                    job(i);
            else
                for (long i = w * n / 2; i < (w + 1) * n / 2; i++)
                    job(i);
            _exit(0);
        }
    waitpid(p[0], 0, 0);
    waitpid(p[1], 0, 0);
}
static void pool(void)
{
    char addr[100], name;
    pid_t p[2];
    long i, sent = 0, done = 0;
    int gate[2];
    if (pipe(gate))
        DIE("pipe");
    snprintf(addr, sizeof addr, "ipc:///tmp/oxbow-bench-zmqc-%d", getpid());
    for (int w = 0; w < 2; w++)
        if (!(p[w] = fork())) {
            void *s = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
            name = (char)('0' + w);
            zmq_setsockopt(s, ZMQ_IDENTITY, &name, 1);
            /* Connecting before the bind would cost ZeroMQ's 100 ms retry. */
            if (read(gate[0], &name, 1) != 1)
                _exit(1);
            zmq_connect(s, addr);
            zmq_send(s, "", 0, 0);
            while (zmq_recv(s, &i, sizeof i, 0) == sizeof i) {
                job(i);
                zmq_send(s, &i, sizeof i, 0);
            }
            _exit(0);
        }
    void *c = zmq_ctx_new(), *s = zmq_socket(c, ZMQ_ROUTER);
    zmq_bind(s, addr);
    if (write(gate[1], "go", 2) != 2)
        DIE("gate");
    for (int w = 0; w < 2; w++) {
        zmq_recv(s, &name, 1, 0);
        zmq_recv(s, &i, sizeof i, 0);
        for (int k = 0; k < 2; k++, sent++) {
            zmq_send(s, &name, 1, ZMQ_SNDMORE);
            zmq_send(s, &sent, sizeof sent, 0);
        }
    }
    while (done < n) {
        zmq_recv(s, &name, 1, 0);
        zmq_recv(s, &i, sizeof i, 0);
        done++;
        if (sent < n) {
            zmq_send(s, &name, 1, ZMQ_SNDMORE);
            zmq_send(s, &sent, sizeof sent, 0);
            sent++;
        }
    }
    for (int w = 0; w < 2; w++) {
        name = (char)('0' + w);
        zmq_send(s, &name, 1, ZMQ_SNDMORE);
        zmq_send(s, "", 0, 0);
    }
    waitpid(p[0], 0, 0);
    waitpid(p[1], 0, 0);
    zmq_close(s);
    zmq_ctx_term(c);
    unlink(addr + 6);
}
int main(int c, char **v)
{
    if (c < 4)
        return 2;
    n = atol(v[2]);
    iter = atol(v[3]);
    shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!strcmp(v[1], "one")) {
        job(n);
        return 0;
    }
    for (uneven = 0; uneven < 2; uneven++) {
        for (int i = 0; i < 3; i++)
            atomic_store(&shared[8 * i], 0);
        uint64_t t = now_ns();
        if (!strcmp(v[1], "zmq"))
            pool();
        else
            split(!strcmp(v[1], "atomic"));
        double wall = (double)(now_ns() - t), cpu = (double)atomic_load(&shared[8]);
        if (atomic_load(&shared[16]) != n)
            return 1;
        if (!uneven)
            emit("job", cpu / 1e6 / (double)n, "ms");
        emit(uneven ? "speedup-uneven" : "speedup", cpu / wall, "x");
    }
}
