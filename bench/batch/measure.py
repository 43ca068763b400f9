# SPDX-License-Identifier: MIT
"""One job runner over N jobs.  PEER KIND(true|echo|mem) J N
true: /bin/true ARG; echo: sh -c 'echo ARG', whose lines are counted; mem: the
peak RSS of the runner itself after up to 6 s of a 100k-job input."""
import os, shlex, subprocess, sys, time, signal
peer, kind, j, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
D = os.environ['BENCH_SCRATCH']
BIN = os.path.join(os.environ.get('BENCH_TMP', '/tmp/oxbow-bench'), 'bin')
shell = kind == 'echo'
args = [str(i) for i in range(1, n + 1)]
os.environ.update(SHELL='/bin/sh', PARALLEL_SHELL='/bin/sh', PARALLEL_HOME=D + '/parallel')
os.makedirs(D + '/parallel', exist_ok=True)
stdin, clean = '\n'.join(args) + '\n', None

def write(name, text):
    p = os.path.join(D, name)
    with open(p, 'w') as f:
        f.write(text)
    return p

if peer.startswith('limit-'):
    cmd = [BIN + '/batch-runner', peer[6:], j] + (['--shell', 'echo {}'] if shell else ['/bin/true'])
elif peer in ('parallel', 'parallel-u', 'parallel-k'):
    cmd = ['parallel', '--will-cite', '-j' + j] + ({'-u': ['-u'], '-k': ['-k']}.get(peer[8:], []))
    cmd += ['echo {}' if shell else '/bin/true {}']
elif peer == 'xargs':
    cmd = ['xargs', '-P' + j] + (['-I{}', 'sh', '-c', 'echo {}'] if shell else ['-n1', '/bin/true'])
elif peer == 'xjobs':
    cmd = ['xjobs', '-j', j, '-v', '0'] + ([] if shell else ['/bin/true'])
    if shell:
        stdin = ''.join(f'sh -c "echo {a}"\n' for a in args)
elif peer == 'moreutils':
    cmd = ['parallel.moreutils', '-j', j]
    cmd += ['--'] + ['echo ' + a for a in args] if shell else ['/bin/true', '--'] + args
    stdin = ''
elif peer == 'make':
    # The ";" makes make start a shell instead of running echo by itself.
    mk = write('jobs.mk', 'all: ' + ' '.join('j' + a for a in args) + '\nj%:\n\t@' +
               ('echo $*;' if shell else '/bin/true $*') + '\n')
    cmd, stdin = ['make', '-s', '-j' + j, '-f', mk], ''
elif peer == 'ninja':
    nj = write('build.ninja', 'rule r\n  command = ' + ('echo $a' if shell else '/bin/true $a') + '\n' +
               ''.join(f'build o{a}: r\n  a = {a}\n' for a in args) +
               'build all: phony ' + ' '.join('o' + a for a in args) + '\ndefault all\n')
    cmd, stdin = ['ninja', '--quiet', '-j' + j, '-C', D, '-f', nj], ''
elif peer == 'bash-wait-n':
    body = 'sh -c "echo $i"' if shell else '/bin/true $i'
    cmd = ['bash', '-c', f'k=0; while read -r i; do ((k++ >= {j})) && wait -n; {body} & done; wait']
elif peer == 'tsp':
    os.environ['TS_SOCKET'] = os.path.join(D, f'tsp-{os.getpid()}')
    os.environ['TMPDIR'] = D
    body = "sh -c 'echo '$i" if shell else '/bin/true $i'
    cmd = ['bash', '-c', f'tsp -S {j}; while read -r i; do tsp -n {body} >/dev/null; done; tsp -w; '
           'while tsp | grep -qE "queued|running"; do sleep 0.01; done']
    clean = ['tsp', '-K']
elif peer == 'snakemake':
    import shutil
    d = os.path.join(D, 'snake')
    shutil.rmtree(d, ignore_errors=True)
    os.makedirs(d)
    write('snake/Snakefile', f'rule all:\n    input: expand("o{{i}}", i=range(1, {n + 1}))\n'
          'rule r:\n    output: touch("o{i}")\n    shell: "' + ('echo {wildcards.i}' if shell else '/bin/true') + '"\n')
    cmd, stdin = ['snakemake', '-q', '-j' + j, '-d', d, '-s', d + '/Snakefile', '--nolock'], ''
elif peer == 'oxbow':
    cmd = shlex.split(os.environ['OXBOW_BENCH']) + ['batch', j] + (['--shell', 'echo {}'] if shell else ['/bin/true'])
else:
    sys.exit('unknown peer ' + peer)

inp = open(write('input', stdin))
if kind == 'mem':
    p = subprocess.Popen(cmd, stdin=inp, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    top, end = 0, time.time() + 6
    while time.time() < end and p.poll() is None:
        try:
            for l in open(f'/proc/{p.pid}/status'):
                if l.startswith('VmHWM'):
                    top = max(top, int(l.split()[1]))
        except OSError:
            break
        time.sleep(0.05)
    try:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait(2)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
    if p.poll() is None:
        os.killpg(p.pid, signal.SIGKILL)
    p.wait()
    print('rss-100k', f'{top / 1024:.6g}', 'MiB')
    sys.exit()
out = open(os.path.join(D, 'output'), 'w+')
t = time.perf_counter()
rc = subprocess.run(cmd, stdin=inp, stdout=out, stderr=subprocess.DEVNULL if peer in ('snakemake', 'xjobs') else None).returncode
d = time.perf_counter() - t
if clean:
    subprocess.run(clean)
out.seek(0)
if peer == 'tsp' or peer == 'snakemake':
    lines = n       # their jobs' output goes to files or to the log
else:
    lines = sum(1 for l in out if l.strip().isdigit())
if rc or (shell and lines != n):
    sys.exit(f'{peer} {kind}: exit {rc}, {lines} of {n} lines')
print(f'{kind}-j{j}', f'{n / d:.6g}', 'jobs/s')
