# SPDX-License-Identifier: MIT
"""The jobs of job.c through Python pools.  MODE N ITERATIONS"""
import hashlib, sys, time

def job(i, k):
    t = time.thread_time()
    hashlib.pbkdf2_hmac('sha256', b'password', i.to_bytes(8, 'little'), k)
    return time.thread_time() - t

def job1(a):
    return job(*a)

def main():
    mode, n, it = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    even = [(i, it) for i in range(n)]
    uneven = [(i, int(it * (0.1 + 1.8 * i / (n - 1)))) for i in range(n)]
    if mode.startswith('ppe') or mode == 'threads':
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        e = (ThreadPoolExecutor if mode == 'threads' else ProcessPoolExecutor)(2)
        if mode == 'ppe-map-25':
            run = lambda jobs: list(e.map(job1, jobs, chunksize=25))
        else:
            run = lambda jobs: [f.result() for f in [e.submit(job, *j) for j in jobs]]
        end = e.shutdown
    elif mode == 'pool-map':
        import multiprocessing
        p = multiprocessing.Pool(2)
        run, end = (lambda jobs: p.map(job1, jobs)), p.terminate
    elif mode == 'joblib':
        from joblib import Parallel, delayed
        run = lambda jobs: Parallel(n_jobs=2)(delayed(job1)(j) for j in jobs)
        end = lambda: None
    elif mode == 'pebble':
        from pebble import ProcessPool
        p = ProcessPool(2)
        run = lambda jobs: [f.result() for f in [p.schedule(job, args=j) for j in jobs]]
        def end():
            p.stop()
            p.join()
    run([(0, 100)] * 50)
    for name, jobs in ('speedup', even), ('speedup-uneven', uneven):
        t = time.perf_counter()
        cpu = sum(run(jobs))
        wall = time.perf_counter() - t
        if name == 'speedup':
            print('job', f'{cpu / n * 1e3:.6g}', 'ms')
        print(name, f'{cpu / wall:.6g}', 'x')
    end()

if __name__ == '__main__':
    main()
