# SPDX-License-Identifier: MIT
"""Times one crawler.  PEER URL CONNECTIONS LIST PAGES WORDS; 0 pages: no check."""
import os, re, resource, shlex, shutil, subprocess, sys, time
peer, url, conns, listing, want, words = sys.argv[1:7]
HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(os.environ.get('BENCH_TMP', '/tmp/oxbow-bench'), 'bin')
D = os.environ['BENCH_SCRATCH']
PY = '/usr/bin/python3'
base = url.rsplit('/', 1)[0]
files = os.path.join('/dev/shm', f'oxbow-bench-crawl-{os.getpid()}')
count = None
if peer in ('aiohttp', 'aiohttp-ppe', 'uvloop-ppe', 'scrapy'):
    cmd = [PY, HERE + '/crawl.py', peer, url, conns, '2']
elif peer == 'go':
    cmd = [BIN + '/crawl-crawler', url, conns]
elif peer in ('wget', 'wget2'):
    os.makedirs(files)
    cmd = [peer, '-q', '-r', '-l', 'inf', '-nH', '--follow-tags=a', '-A', 'html', '-P', files, '--no-parent']
    cmd += (['--max-threads=' + conns, '--no-robots'] if peer == 'wget2' else ['-e', 'robots=off']) + [url]
    count = lambda out: sum(f.endswith('.html') for _, _, fs in os.walk(files) for f in fs)
elif peer == 'limit-wrk':
    lua = os.path.join(D, 'list.lua')
    # In init, not before: wrk has set the Host header by then.
    open(lua, 'w').write('local p, i = {}, 0\nfunction init(args)\n  for l in io.lines(' + repr(listing) +
                         ') do p[#p + 1] = wrk.format("GET", l) end\nend\n'
                         'function request() i = i % #p + 1 return p[i] end\n')
    cmd = ['wrk', '-t1', '-c' + conns, '-d2s', '-s', lua, base]
elif peer == 'limit-curl':
    cfg = os.path.join(D, 'list.curl')
    with open(cfg, 'w') as f:
        for l in open(listing):
            f.write(f'url = "{base}{l.strip()}"\noutput = "/dev/null"\n')
    cmd = ['curl', '-s', '--parallel', '--parallel-max', conns, '-K', cfg]
    count = lambda out: int(want)
elif peer == 'oxbow':
    cmd = shlex.split(os.environ['OXBOW_BENCH']) + ['crawl', url, conns, '2']
t = time.perf_counter()
p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
wall = time.perf_counter() - t
u = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = u.ru_utime + u.ru_stime
if peer == 'limit-wrk':
    if 'Non-2xx' in p.stdout:
        sys.exit(p.stdout)
    print('pages', re.search(r'Requests/sec:\s+([\d.]+)', p.stdout)[1], 'pages/s')
    n = int(re.search(r'(\d+) requests in', p.stdout)[1])
else:
    got = dict(re.findall(r'^(pages|words) (\d+)', p.stdout, re.M))
    n = count(p.stdout) if count else int(got.get('pages', 0))
    shutil.rmtree(files, ignore_errors=True)
    if 'words' in got and (got['pages'] != want or got['words'] != words) and want != '0':
        sys.exit(f'{peer}: {got}, want {want} pages and {words} words')
    if n < int(want) * 0.98:
        sys.exit(f'{peer}: {n} of {want} pages')
    print('pages', f'{n / wall:.6g}', 'pages/s')
    print('fetched', n, 'pages')
print('cpu', f'{cpu / n * 1e3:.6g}', 'ms/page')
