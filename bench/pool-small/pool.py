# SPDX-License-Identifier: MIT
"""A trivial call, 64 B in, 8 B out, through two worker processes.
MODE tput N | MODE rtt N"""
import statistics, sys, time

def f(b):
    return b[:8]

def rtt(call, n):
    for _ in range(200):
        call(b'x' * 64)
    t = []
    for _ in range(n):
        a = time.perf_counter_ns()
        call(b'x' * 64)
        t.append(time.perf_counter_ns() - a)
    print('rtt', f'{statistics.median(t) / 1e3:.6g}', 'us')

def main():
    mode, what, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = [b'%064d' % i for i in range(n)]
    def tput(run, warm):
        warm()
        t = time.perf_counter()
        k = run()
        d = time.perf_counter() - t
        assert k == n, k
        print('tput', f'{n / d:.6g}', 'tasks/s')
    count = lambda it: sum(len(x) == 8 for x in it)
    if mode.startswith('ppe'):
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2) as e:
            warm = lambda: list(e.map(f, data[:200]))
            if what == 'rtt':
                rtt(lambda x: e.submit(f, x).result(), n)
            elif mode == 'ppe-submit':
                def run():
                    fs = [e.submit(f, x) for x in data]
                    return count(x.result() for x in fs)
                tput(run, warm)
            else:
                cs = int(mode.split('-')[-1])
                tput(lambda: count(e.map(f, data, chunksize=cs)), warm)
    elif mode.startswith('aio'):
        import asyncio
        from concurrent.futures import ProcessPoolExecutor
        async def go():
            loop = asyncio.get_running_loop()
            with ProcessPoolExecutor(2) as e:
                await asyncio.gather(*[loop.run_in_executor(e, f, x) for x in data[:200]])
                t = time.perf_counter()
                if what == 'rtt':
                    ts = []
                    for _ in range(n):
                        a = time.perf_counter_ns()
                        await loop.run_in_executor(e, f, data[0])
                        ts.append(time.perf_counter_ns() - a)
                    print('rtt', f'{statistics.median(ts) / 1e3:.6g}', 'us')
                else:
                    k = count(await asyncio.gather(*[loop.run_in_executor(e, f, x) for x in data]))
                    assert k == n
                    print('tput', f'{n / (time.perf_counter() - t):.6g}', 'tasks/s')
        asyncio.run(go())
    elif mode.startswith('pool'):
        import multiprocessing as mp
        with mp.Pool(2) as p:
            warm = lambda: p.map(f, data[:200])
            if what == 'rtt':
                rtt(lambda x: p.apply_async(f, (x,)).get(), n)
            elif mode == 'pool-apply_async':
                def run():
                    rs = [p.apply_async(f, (x,)) for x in data]
                    return count(r.get() for r in rs)
                tput(run, warm)
            else:
                tput(lambda: count(p.map(f, data)), warm)
    elif mode.startswith('joblib'):
        from joblib import Parallel, delayed
        with Parallel(n_jobs=2, backend='loky',
                      batch_size=1 if mode.endswith('-1') else 'auto') as p:
            if what == 'rtt':
                rtt(lambda x: p([delayed(f)(x)]), n)
            else:
                tput(lambda: count(p(delayed(f)(x) for x in data)),
                     lambda: p(delayed(f)(x) for x in data[:200]))
    elif mode == 'loky':
        from joblib.externals.loky import get_reusable_executor
        e = get_reusable_executor(max_workers=2)
        if what == 'rtt':
            rtt(lambda x: e.submit(f, x).result(), n)
        else:
            def run():
                fs = [e.submit(f, x) for x in data]
                return count(x.result() for x in fs)
            tput(run, lambda: list(e.map(f, data[:200])))
        e.shutdown()
    elif mode == 'pebble':
        from pebble import ProcessPool
        with ProcessPool(2) as p:
            if what == 'rtt':
                rtt(lambda x: p.schedule(f, args=[x]).result(), n)
            else:
                def run():
                    fs = [p.schedule(f, args=[x]) for x in data]
                    return count(x.result() for x in fs)
                tput(run, lambda: p.schedule(f, args=[data[0]]).result())
    elif mode == 'dask':
        import logging, dask
        from distributed import Client, LocalCluster
        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                          dashboard_address=None, silence_logs=logging.CRITICAL,
                          host='127.0.0.1') as cl, Client(cl) as e:
            if what == 'rtt':
                rtt(lambda x: e.submit(f, x, pure=False).result(), n)
            else:
                tput(lambda: count(e.gather(e.map(f, data, pure=False))),
                     lambda: e.gather(e.map(f, data[:100], pure=False)))

if __name__ == '__main__':
    main()
