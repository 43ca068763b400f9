/* SPDX-License-Identifier: MIT */
/* The limit over kernel streams: two forked workers, one socketpair (or pipe
   pair) each, requests and answers coalesced into one write when several are
   due.  KIND(sock|pipe) tput DEPTH N, or KIND rtt N. */
#include "bench.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#define W 2
static int in[W], out[W];
static void full(int fd, const void *b, size_t n)
{
    for (size_t o = 0; o < n;) {
        ssize_t r = write(fd, (const char *)b + o, n - o);
        if (r <= 0)
            _exit(1);
        o += (size_t)r;
    }
}
static void worker(int rfd, int wfd)
{
    char b[65536];
    uint64_t o[1024];
    size_t have = 0;
    for (;;) {
        ssize_t r = read(rfd, b + have, sizeof b - have);
        if (r <= 0)
            _exit(0);
        have += (size_t)r;
        size_t n = have / 64;
        for (size_t i = 0; i < n; i++) {
            uint64_t a;
            memcpy(&a, b + 64 * i, 8);
            o[i] = a + 1;
        }
        memmove(b, b + 64 * n, have -= 64 * n);
        if (n)
            full(wfd, o, n * 8);
    }
}
int main(int c, char **v)
{
    int pipes = c > 1 && !strcmp(v[1], "pipe"), tput = c < 3 || !strcmp(v[2], "tput");
    int depth = tput && c > 3 ? atoi(v[3]) : 1;
    long n = c > 3 + tput ? atol(v[3 + tput]) : 100000;
    pid_t p[W];
    for (int i = 0; i < W; i++) {
        int a[2], b[2];
        if (pipes ? pipe(a) || pipe(b) : socketpair(AF_UNIX, SOCK_STREAM, 0, a))
            DIE("pipe");
        if (!(p[i] = fork())) {
            if (pipes) {
                close(a[1]), close(b[0]);
                for (int j = 0; j < i; j++)
                    close(in[j]), close(out[j]);
                worker(a[0], b[1]);
            }
            close(a[0]);
            for (int j = 0; j < i; j++)
                close(in[j]);
            worker(a[1], a[1]);
        }
        out[i] = pipes ? a[1] : a[0];
        in[i] = pipes ? b[0] : a[0];
        if (pipes)
            close(a[0]), close(b[1]);
        else
            close(a[1]);
    }
    static char req[1024 * 64];
    uint64_t ans[1024], sum = 0;
    if (tput) {
        long sent = 0, got = 0;
        size_t part[W] = {0};
        char stash[W][8];
        uint64_t a = now_ns();
        for (int i = 0; i < W; i++) {
            int m = 0;
            for (; m < depth && sent < n; m++, sent++)
                memcpy(req + 64 * m, &sent, 8);
            full(out[i], req, (size_t)m * 64);
        }
        while (got < n) {
            struct pollfd f[W] = {{in[0], POLLIN, 0}, {in[1], POLLIN, 0}};
            poll(f, W, -1);
            for (int i = 0; i < W; i++) {
                if (!(f[i].revents & POLLIN))
                    continue;
                memcpy(ans, stash[i], part[i]);
                ssize_t r = read(in[i], (char *)ans + part[i], sizeof ans - part[i]);
                if (r <= 0)
                    return 1;
                size_t tot = part[i] + (size_t)r, k = tot / 8, m = 0;
                part[i] = tot % 8;
                memcpy(stash[i], (char *)ans + k * 8, part[i]);
                for (size_t j = 0; j < k; j++)
                    sum += ans[j];
                got += (long)k;
                for (; m < k && sent < n; m++, sent++)
                    memcpy(req + 64 * m, &sent, 8);
                if (m)
                    full(out[i], req, m * 64);
            }
        }
        emit("tput", (double)n / ((double)(now_ns() - a) / 1e9), "tasks/s");
        if (sum != (uint64_t)n * (uint64_t)(n + 1) / 2)
            return 1;
    } else {
        uint64_t *t = malloc(sizeof *t * (size_t)n);
        for (long i = 0; i < n; i++) {
            uint64_t a = now_ns();
            full(out[0], req, 64);
            if (read(in[0], ans, 8) != 8)
                return 1;
            t[i] = now_ns() - a;
        }
        emit("rtt", (double)percentile(t, (size_t)n, 0.5) / 1e3, "us");
    }
    for (int i = 0; i < W; i++) {
        close(in[i]);
        if (pipes)
            close(out[i]);
    }
    for (int i = 0; i < W; i++)
        waitpid(p[i], 0, 0);
}
