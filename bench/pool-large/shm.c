/* SPDX-License-Identifier: MIT */
/* Shared memory, two workers, a slot each.  MODE LABEL SIZE COUNT: "copy" copies
   the argument into the slot and the answer out of it; "zero" leaves both in
   the slot, as a caller can who builds the argument there. */
#include "bench.h"
#include "work.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#define W 2
int main(int c, char **v)
{
    if (c < 5)
        return 2;
    int copy = !strcmp(v[1], "copy"), k = atoi(v[4]), sv[W][2];
    size_t n = (size_t)atol(v[3]);
    uint8_t *slot[W], *src = malloc(n), *dst = malloc(n);
    pid_t p[W];
    memset(src, 1, n);
    memset(dst, 1, n);
    for (int i = 0; i < W; i++) {
        slot[i] = mmap(0, 2 * n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        memset(slot[i], 1, 2 * n);
        if (slot[i] == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, sv[i]))
            DIE("shm");
        if (!(p[i] = fork())) {
            char op;
            uint64_t t;
            while (read(sv[i][1], &op, 1) == 1 && op != 'q') {
                if (op == 'r') {
                    reverse(slot[i] + n, slot[i], n);
                    t = 0;
                } else {
                    t = add(slot[i], n);
                }
                if (write(sv[i][1], &t, 8) != 8)
                    break;
            }
            _exit(0);
        }
    }
    for (const char *op = "rs"; *op; op++)
        for (int warm = 1; warm >= 0; warm--) {
            int todo = warm ? W : k, sent = 0, done = 0;
            char m[64];
            uint64_t t = now_ns();
            for (int i = 0; i < W && sent < todo; i++, sent++) {
                if (copy)
                    memcpy(slot[i], src, n);
                if (write(sv[i][0], op, 1) != 1)
                    return 1;
            }
            while (done < todo) {
                struct pollfd f[W] = {{sv[0][0], POLLIN, 0}, {sv[1][0], POLLIN, 0}};
                poll(f, W, -1);
                for (int i = 0; i < W; i++) {
                    uint64_t r;
                    if (!(f[i].revents & POLLIN))
                        continue;
                    if (read(sv[i][0], &r, 8) != 8)
                        return 1;
                    done++;
                    if (copy && *op == 'r')
                        memcpy(dst, slot[i] + n, n);
                    if (sent < todo) {
                        if (copy)
                            memcpy(slot[i], src, n);
                        if (write(sv[i][0], op, 1) != 1)
                            return 1;
                        sent++;
                    }
                }
            }
            if (!warm) {
                snprintf(m, sizeof m, "%s-%s", *op == 'r' ? "rev" : "sum", v[2]);
                emit(m, (double)n * k / (double)(now_ns() - t), "GB/s");
            }
        }
    for (int i = 0; i < W; i++) {
        if (write(sv[i][0], "q", 1) != 1)
            return 1;
        waitpid(p[i], 0, 0);
    }
}
