/* SPDX-License-Identifier: MIT */
/* Closed-loop TCP echo load: starts the server command given after "--" pinned
   to CPU 0 (PORT and SIZE are appended to it), drives it from CPU 1 over
   loopback with one message in flight per connection, then ends the server.
   loadgen [-c conns] [-d seconds] [-w warm-up] [-s size,size...] -- server ...
   Per size: requests/s, median and p99 latency, server CPU per request. */
#include "bench.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#define MAXC 1024
static struct conn { int fd; size_t in, out; uint64_t t; } k[MAXC];
static char *msg, buf[1 << 18];
#define HN 2000000
static uint32_t hist[HN]; /* 100 ns a bucket, to 0.2 s */

static void pin(int cpu)
{
    cpu_set_t s;
    CPU_ZERO(&s);
    CPU_SET(cpu, &s);
    sched_setaffinity(0, sizeof s, &s);
}

/* CPU nanoseconds of all threads of a process so far. */
static double cpu_ns(pid_t p)
{
    char path[300], line[128];
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", p);
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", p, e->d_name);
        FILE *f = fopen(path, "r");
        if (f && fgets(line, sizeof line, f))
            sum += atof(line);
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

static int push(struct conn *c, size_t size)
{
    while (c->out < size) {
        ssize_t r = write(c->fd, msg + c->out, size - c->out);
        if (r < 0)
            return errno == EAGAIN ? 0 : -1;
        c->out += (size_t)r;
    }
    return 0;
}

static int one(int conns, size_t size, double warm, double dur, int port, char **srv, int argc)
{
    char ps[16], ss[24], **av = calloc((size_t)argc + 3, sizeof *av);
    for (int i = 0; i < argc; i++)
        av[i] = srv[i];
    snprintf(ps, sizeof ps, "%d", port);
    snprintf(ss, sizeof ss, "%zu", size);
    av[argc] = ps;
    av[argc + 1] = ss;
    pid_t pid = fork();
    if (!pid) {
        pin(0);
        execvp(av[0], av);
        _exit(127);
    }
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int ep = epoll_create1(0), rc = 1, on = 1;
    msg = malloc(size);
    for (size_t i = 0; i < size; i++)
        msg[i] = (char)(i * 131 + 7);
    memset(hist, 0, sizeof hist);
    for (int i = 0; i < conns; i++) {
        int tries = 0;
        while (k[i].fd = socket(AF_INET, SOCK_STREAM, 0),
               connect(k[i].fd, (void *)&a, sizeof a)) {
            close(k[i].fd);
            if (waitpid(pid, 0, WNOHANG) || ++tries > 1000)
                goto out;
            usleep(10000);
        }
        setsockopt(k[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fcntl(k[i].fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (size > 4096)
            e.events |= EPOLLOUT | EPOLLET;
        epoll_ctl(ep, EPOLL_CTL_ADD, k[i].fd, &e);
    }
    for (int i = 0; i < conns; i++) {
        k[i].in = k[i].out = 0;
        k[i].t = now_ns();
        push(&k[i], size);
    }
    uint64_t t0 = now_ns(), from = t0 + (uint64_t)(warm * 1e9), to = from + (uint64_t)(dur * 1e9), nw = t0;
    uint64_t done = 0, check = 0;
    double cpu = 0, load = 0;
    int warmed = 0;
    while (nw < to) {
        struct epoll_event ev[256];
        int n = epoll_wait(ep, ev, 256, 1000);
        if (n == 0) {
            fprintf(stderr, "stalled\n");
            goto out;
        }
        if (!warmed && now_ns() >= from) {
            warmed = 1;
            from = now_ns();
            cpu = cpu_ns(pid);
            load = cpu_s();
        }
        for (int i = 0; i < n; i++) {
            struct conn *c = &k[ev[i].data.u32];
            for (;;) {
                ssize_t r = read(c->fd, buf, size - c->in < sizeof buf ? size - c->in : sizeof buf);
                if (r < 0 && errno == EAGAIN)
                    break;
                if (r <= 0) {
                    fprintf(stderr, "server closed a connection\n");
                    goto out;
                }
                if ((check++ & 255) == 0 && memcmp(buf, msg + c->in, (size_t)r)) {
                    fprintf(stderr, "wrong bytes\n");
                    goto out;
                }
                c->in += (size_t)r;
                if (c->in == size) {
                    nw = now_ns();
                    if (warmed) {
                        uint64_t b = (nw - c->t) / 100;
                        hist[b < HN ? b : HN - 1]++;
                        done++;
                    }
                    c->in = c->out = 0;
                    c->t = nw;
                    break;
                }
                if (size <= 4096)
                    break;
            }
            if (push(c, size))
                goto out;
        }
        if (n < 0)
            nw = now_ns();
    }
    double sec = (double)(now_ns() - from) / 1e9;
    char m[32];
    uint64_t acc = 0, p50 = 0, p99 = 0;
    for (int b = 0; b < HN; b++) {
        acc += hist[b];
        if (!p50 && acc * 2 >= done)
            p50 = (uint64_t)b;
        if (acc * 100 >= done * 99) {
            p99 = (uint64_t)b;
            break;
        }
    }
#define OUT(name, val, unit) (snprintf(m, sizeof m, name "-%zu", size), emit(m, val, unit))
    OUT("rps", (double)done / sec, "req/s");
    OUT("p50", (double)p50 / 10, "us");
    OUT("p99", (double)p99 / 10, "us");
    OUT("server-cpu", (cpu_ns(pid) - cpu) / 1e3 / (double)done, "us/req");
    OUT("client-cpu", (cpu_s() - load) * 1e6 / (double)done, "us/req");
    rc = 0;
out:
    for (int i = 0; i < conns; i++)
        close(k[i].fd);
    close(ep);
    kill(pid, SIGTERM);
    for (int i = 0; i < 100 && waitpid(pid, 0, WNOHANG) == 0; i++)
        usleep(10000);
    kill(pid, SIGKILL);
    waitpid(pid, 0, 0);
    free(msg);
    free(av);
    return rc;
}

int main(int c, char **v)
{
    int conns = 64, o, port = 21000 + getpid() % 8000;
    double warm = 0.3, dur = 2;
    char *sizes = "64";
    while ((o = getopt(c, v, "+c:d:w:s:")) != -1)
        switch (o) {
        case 'c': conns = atoi(optarg); break;
        case 'd': dur = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 's': sizes = optarg; break;
        default: return 2;
        }
    if (optind >= c || conns > MAXC)
        return 2;
    pin(1);
    signal(SIGPIPE, SIG_IGN);
    for (char *s = strtok(strdup(sizes), ","); s; s = strtok(0, ","))
        if (one(conns, (size_t)atol(s), warm, dur, port++, v + optind, c - optind))
            return 1;
}
