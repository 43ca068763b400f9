# SPDX-License-Identifier: MIT
"""Shared driver of the peer benchmarks.

A workload's `run` script declares peers (a name and a command each); this
module runs them interleaved, several rounds, and prints the medians, one line
per metric:

    WORKLOAD PEER METRIC VALUE UNIT

A peer's command prints `METRIC VALUE UNIT` lines on its standard output; other
lines are ignored.  A line `skip REASON` drops the peer.

Environment: RUNS (default 3, 1 with QUICK=1), QUICK=1, ONLY=regex over peer
names, OXBOW_BENCH=command of the competitor, BENCH_TMP (default
/tmp/oxbow-bench), RETRY (default 2: extra tries of a run another process
disturbed), NOISE (default 0.15: that disturbance, in CPUs, or the share by which a fixed
mix of work ran slower than usual just before or after), WAIT (default 10:
seconds to wait before a run for other processes to stop).  Where a peer has
undisturbed runs, its median is of those alone.
"""
import os, re, resource, shlex, shutil, signal, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
TMP = os.environ.get('BENCH_TMP', '/tmp/oxbow-bench')
BIN = os.path.join(TMP, 'bin')
PY = '/usr/bin/python3'
QUICK = os.environ.get('QUICK', '') not in ('', '0')
RUNS = int(os.environ.get('RUNS', '1' if QUICK else '3'))
RETRY = int(os.environ.get('RETRY', '0' if QUICK else '2'))
NOISE = float(os.environ.get('NOISE', '0.15'))
WAIT = float(os.environ.get('WAIT', '2' if QUICK else '10'))
ONLY = os.environ.get('ONLY')
LINE = re.compile(r'^([A-Za-z0-9_.+-]+) ([0-9][0-9.eE+-]*) (\S+)$')
HZ = os.sysconf('SC_CLK_TCK')


def have(*programs):
    return all(shutil.which(p) or os.path.exists(p) for p in programs)


def busy():
    """CPU seconds the whole machine has spent working since it started."""
    f = [int(x) for x in open('/proc/stat').readline().split()[1:]]
    return (f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) / HZ


def calib():
    """The machine's speed now (smaller is faster), see calib.c."""
    try:
        return float(subprocess.run([BIN + '/calib'], stdout=subprocess.PIPE).stdout)
    except (OSError, ValueError):
        return 1.0


def spent(pids):
    """CPU seconds of processes of ours that outlive one run (a web server)."""
    t = 0.0
    for p in pids:
        f = open(f'/proc/{p}/stat').read().rsplit(') ', 1)[1].split()
        t += (int(f[11]) + int(f[12])) / HZ
    return t


def ours():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    s = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime + s.ru_utime + s.ru_stime


class Peer:
    def __init__(self, name, cmd, cpu, env, timeout, runs):
        self.name, self.cmd, self.cpu = name, [str(c) for c in cmd], cpu
        self.env, self.timeout, self.runs = env, timeout, runs
        self.values, self.dead = {}, None


class Workload:
    def __init__(self, name):
        self.name, self.peers, self.helpers, self.speeds = name, [], [], []
        self.patience = 5 * WAIT
        self.scratch = os.path.join(TMP, 'scratch', name)
        os.makedirs(self.scratch, exist_ok=True)
        os.makedirs(os.path.join(TMP, 'raw'), exist_ok=True)

    def peer(self, name, cmd, cpu=None, env=None, timeout=120, runs=None):
        """Adds a peer; cpu pins it; runs caps its rounds (for slow ones)."""
        if ONLY and not re.search(ONLY, name):
            return
        if not have(cmd[0]):
            print(f'# {self.name} {name} skipped: no {cmd[0]}', file=sys.stderr)
            return
        self.peers.append(Peer(name, cmd, cpu, env, timeout, runs))

    def oxbow(self, args, cpu=None, wrap=(), timeout=120):
        """Adds the competitor, if OXBOW_BENCH names one."""
        cmd = os.environ.get('OXBOW_BENCH')
        if cmd:
            self.peer('oxbow', [*wrap, *shlex.split(cmd), *args], cpu=cpu,
                      timeout=timeout)

    def once(self, p):
        env = {**os.environ, **(p.env or {}), 'BENCH_SCRATCH': self.scratch}
        pin = (lambda: os.sched_setaffinity(0, {p.cpu})) if p.cpu is not None else None
        speed = calib()
        b0, o0, t0 = busy(), ours() + spent(self.helpers), time.monotonic()
        proc = subprocess.Popen(p.cmd, stdin=subprocess.DEVNULL, cwd=self.scratch,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=env, preexec_fn=pin, start_new_session=True)
        try:
            out, err = proc.communicate(timeout=p.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)   # the group this run started
            proc.communicate()
            return None, f'no answer in {p.timeout} s', 0
        wall = time.monotonic() - t0
        foreign = max(0.0, (busy() - b0) - (ours() + spent(self.helpers) - o0)) / max(wall, 0.05)
        speed = max(speed, calib())
        self.speeds.append(speed)
        usual = statistics.median(self.speeds)
        foreign = max(foreign, speed / usual - 1)
        got = {}
        for line in out.decode(errors='replace').splitlines():
            if line.startswith('skip '):
                return None, line[5:], foreign
            m = LINE.match(line)
            if m:
                got[m[1]] = (float(m[2]), m[3])
        if proc.returncode or not got:
            tail = err.decode(errors='replace').strip().splitlines()[-3:]
            return None, f'exit {proc.returncode}: ' + ' | '.join(tail), foreign
        return got, None, foreign

    def settle(self):
        """Waits until the rest of the machine is quiet, at most WAIT seconds
        and 5 x WAIT in all."""
        start = time.monotonic()
        while time.monotonic() < start + min(WAIT, self.patience):
            b = busy() - spent(self.helpers)
            time.sleep(0.15)
            if busy() - spent(self.helpers) - b <= 0.15 * NOISE:
                break
        self.patience -= time.monotonic() - start

    def run(self):
        raw = open(os.path.join(TMP, 'raw', self.name + '.tsv'), 'w')
        self.speeds = [calib() for _ in range(5)]
        retries = RETRY * len(self.peers) // 2 + RETRY
        for r in range(RUNS):
            # A new order each round, so that no peer always follows the same one.
            order = self.peers[r % max(1, len(self.peers)):] + self.peers[:r % max(1, len(self.peers))]
            for p in order:
                if p.dead or (p.runs and r >= p.runs):
                    continue
                best = None
                for _ in range(1 + RETRY):
                    self.settle()
                    got, why, foreign = self.once(p)
                    if got is None:
                        break
                    if best is None or foreign < best[1]:
                        best = (got, foreign)
                    if foreign <= NOISE or not retries:
                        break
                    retries -= 1
                if best is None:
                    p.dead = None if p.values else why
                    print(f'# {self.name} {p.name} failed: {why}', file=sys.stderr)
                    continue
                for metric, (value, unit) in best[0].items():
                    p.values.setdefault((metric, unit), []).append((value, best[1]))
                    print(r, p.name, metric, value, unit, f'{best[1]:.2f}',
                          sep='\t', file=raw, flush=True)
        summary = open(os.path.join(TMP, 'raw', self.name + '.summary.tsv'), 'w')
        for p in self.peers:
            for (metric, unit), runs in p.values.items():
                v = [x for x, noise in runs if noise <= NOISE] or [x for x, _ in runs]
                med = statistics.median(v)
                print(self.name, p.name, metric, f'{med:.6g}', unit, flush=True)
                print(self.name, p.name, metric, f'{med:.6g}', unit, f'{min(v):.6g}',
                      f'{max(v):.6g}', len(v), sep='\t', file=summary, flush=True)
