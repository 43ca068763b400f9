/* SPDX-License-Identifier: MIT */
/* The limit of a job runner: MODE(spawn|vfork|capture) J.  Reads one argument a
   line and runs CMD ARG (or, after "--shell", sh -c with {} replaced), J at a
   time.  "capture" also reads each job's output through a pipe and prints it in
   input order, as GNU parallel -k does. */
#include "bench.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
static char *cmd[64], *tmpl;
static int ncmd, cap, vf;
static pid_t start(char *arg, int fd, const posix_spawn_file_actions_t *fa)
{
    char line[4096], *av[68];
    if (tmpl) {
        char *h = strstr(tmpl, "{}");
        snprintf(line, sizeof line, "%.*s%s%s", h ? (int)(h - tmpl) : (int)strlen(tmpl), tmpl,
                 h ? arg : "", h ? h + 2 : "");
        av[0] = "/bin/sh", av[1] = "-c", av[2] = line, av[3] = 0;
    } else {
        memcpy(av, cmd, sizeof *av * (size_t)ncmd);
        av[ncmd] = arg, av[ncmd + 1] = 0;
    }
    pid_t p;
    if (vf) {
        p = vfork();
        if (!p) {
            execv(av[0], av);
            _exit(127);
        }
        return p;
    }
    (void)fd;
    return posix_spawn(&p, av[0], fa, 0, av, environ) ? -1 : p;
}
struct slot { pid_t p; int fd, have; char *out; size_t n; long seq; };
int main(int c, char **v)
{
    if (c < 4)
        return 2;
    vf = !strcmp(v[1], "vfork");
    cap = !strcmp(v[1], "capture");
    int j = atoi(v[2]), live = 0, eof = 0;
    if (!strcmp(v[3], "--shell"))
        tmpl = v[4];
    else
        for (int i = 3; i < c && ncmd < 63; i++)
            cmd[ncmd++] = v[i];
    char *line = 0;
    size_t z = 0;
    ssize_t r;
    if (!cap) {
        for (;;) {
            while (live < j && !eof) {
                if ((r = getline(&line, &z, stdin)) <= 0) {
                    eof = 1;
                    break;
                }
                line[strcspn(line, "\n")] = 0;
                if (start(line, -1, 0) > 0)
                    live++;
            }
            if (!live)
                return 0;
            wait(0);
            live--;
        }
    }
    struct slot *s = calloc((size_t)j, sizeof *s);
    struct pollfd *f = calloc((size_t)j, sizeof *f);
    /* Finished jobs waiting for an earlier one: a ring of answers by number. */
    struct done { char *out; size_t n; int ok; } *ring = calloc(65536, sizeof *ring);
    long seq = 0, next = 0;
    for (;;) {
        for (int i = 0; i < j && !eof; i++) {
            if (s[i].p || seq - next >= 65536)
                continue;
            if ((r = getline(&line, &z, stdin)) <= 0) {
                eof = 1;
                break;
            }
            line[strcspn(line, "\n")] = 0;
            int pp[2];
            posix_spawn_file_actions_t fa;
            if (pipe2(pp, O_CLOEXEC))
                DIE("pipe");
            posix_spawn_file_actions_init(&fa);
            posix_spawn_file_actions_adddup2(&fa, pp[1], 1);
            s[i].p = start(line, pp[1], &fa);
            posix_spawn_file_actions_destroy(&fa);
            close(pp[1]);
            s[i].fd = pp[0];
            s[i].seq = seq++;
            s[i].out = 0, s[i].n = 0;
            live++;
        }
        if (!live)
            return 0;
        for (int i = 0; i < j; i++)
            f[i] = (struct pollfd){s[i].p ? s[i].fd : -1, POLLIN, 0};
        poll(f, (nfds_t)j, -1);
        for (int i = 0; i < j; i++) {
            char b[65536];
            if (!f[i].revents)
                continue;
            r = read(s[i].fd, b, sizeof b);
            if (r > 0) {
                s[i].out = realloc(s[i].out, s[i].n + (size_t)r);
                memcpy(s[i].out + s[i].n, b, (size_t)r);
                s[i].n += (size_t)r;
                continue;
            }
            close(s[i].fd);
            waitpid(s[i].p, 0, 0);
            ring[s[i].seq % 65536] = (struct done){s[i].out, s[i].n, 1};
            s[i].p = 0;
            live--;
            for (struct done *d; (d = &ring[next % 65536])->ok; next++) {
                if (d->n && fwrite(d->out, 1, d->n, stdout) != d->n)
                    return 1;
                free(d->out);
                d->ok = 0;
            }
        }
    }
}
