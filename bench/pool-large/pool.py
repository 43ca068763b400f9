# SPDX-License-Identifier: MIT
"""Large payloads through two worker processes.  MODE (LABEL SIZE COUNT)..."""
import sys, time

def rev_b(b):
    return b[::-1]

def sum_b(b):
    return b.find(b'\0')     # one pass of memchr; sum() of bytes is far slower

def rev_n(a):
    return a[::-1].copy()

def sum_n(a):
    import numpy
    return int(a.view(numpy.uint64).sum())

def attach(name):
    from multiprocessing import resource_tracker, shared_memory
    global cache
    c = globals().setdefault('cache', {})
    if name not in c:
        c[name] = shared_memory.SharedMemory(name)
        resource_tracker.unregister(c[name]._name, 'shared_memory')
    return c[name]

def rev_s(i, o, n):
    import numpy
    a = numpy.frombuffer(attach(i).buf, numpy.uint8, n)
    b = numpy.frombuffer(attach(o).buf, numpy.uint8, n)
    b[:] = a[::-1]

def sum_s(i, o, n):
    import numpy
    return int(numpy.frombuffer(attach(i).buf, numpy.uint64, n // 8).sum())

def timed(label, n, k, warm, run):
    warm()
    t = time.perf_counter()
    run()
    print(label, f'{n * k / (time.perf_counter() - t) / 1e9:.6g}', 'GB/s', flush=True)

def window(submit, k):
    """k jobs, two in flight, each answer dropped once read."""
    from collections import deque
    q = deque()
    for _ in range(k):
        if len(q) == 2:
            q.popleft()()
        q.append(submit())
    while q:
        q.popleft()()

def main():
    mode, cases = sys.argv[1], sys.argv[2:]
    ex = None
    if mode.startswith('ppe'):
        from concurrent.futures import ProcessPoolExecutor
        ex = ProcessPoolExecutor(2)
        list(ex.map(abs, range(8)))
        submit = lambda f, *a: ex.submit(f, *a).result
    elif mode == 'pool':
        import multiprocessing
        ex = multiprocessing.Pool(2)
        submit = lambda f, *a: ex.apply_async(f, a).get
    for i in range(0, len(cases), 3):
        label, n, k = cases[i], int(cases[i + 1]), int(cases[i + 2])
        if mode in ('ppe-bytes', 'pool'):
            b = b'\1' * n
            for m, f in ('rev', rev_b), ('sum', sum_b):
                timed(f'{m}-{label}', n, k, lambda: window(lambda: submit(f, b), 2),
                      lambda: window(lambda: submit(f, b), k))
        elif mode == 'ppe-shm':
            import numpy
            from multiprocessing.shared_memory import SharedMemory
            S = [(SharedMemory(create=True, size=n), SharedMemory(create=True, size=n)) for _ in range(2)]
            src = numpy.ones(n, numpy.uint8)
            dst = numpy.ones(n, numpy.uint8)
            from collections import deque
            def run(f, k, back):
                q = deque()
                for j in range(k + 2):
                    s = S[j % 2]
                    if j >= 2:
                        q.popleft()()
                        if back:
                            dst[:] = numpy.frombuffer(s[1].buf, numpy.uint8, n)
                    if j < k:
                        numpy.frombuffer(s[0].buf, numpy.uint8, n)[:] = src
                        q.append(submit(f, s[0].name, s[1].name, n))
            timed(f'rev-{label}', n, k, lambda: run(rev_s, 2, True), lambda: run(rev_s, k, True))
            timed(f'sum-{label}', n, k, lambda: run(sum_s, 2, False), lambda: run(sum_s, k, False))
            for a, b in S:
                for x in a, b:
                    x.unlink()
        elif mode == 'joblib-memmap':
            import numpy
            from joblib import Parallel, delayed
            a = numpy.ones(n, numpy.uint8)
            with Parallel(n_jobs=2, batch_size=1, max_nbytes=1 << 19) as p:
                for m, f in ('rev', rev_n), ('sum', sum_n):
                    # A fresh array each time: joblib would else map one file once.
                    timed(f'{m}-{label}', n, k,
                          lambda: p(delayed(f)(a.copy()) for _ in range(2)),
                          lambda: [p(delayed(f)(a.copy()) for _ in range(2)) for _ in range(k // 2)])
        elif mode == 'local-bytes':
            b = b'\1' * n
            timed(f'rev-{label}', n, k, lambda: rev_b(b), lambda: [rev_b(b) and 0 for _ in range(k)])
            timed(f'sum-{label}', n, k, lambda: sum_b(b), lambda: [sum_b(b) for _ in range(k)])
        elif mode == 'local-numpy':
            import numpy
            a = numpy.ones(n, numpy.uint8)
            timed(f'rev-{label}', n, k, lambda: rev_n(a), lambda: [rev_n(a) is None for _ in range(k)])
            timed(f'sum-{label}', n, k, lambda: sum_n(a), lambda: [sum_n(a) for _ in range(k)])
    if mode.startswith('ppe'):
        ex.shutdown()
    elif mode == 'pool':
        ex.terminate()
    sys.stdout.flush()
    if mode == 'ppe-shm':
        import os
        os._exit(0)     # views still point into the blocks; nothing else to clean up

if __name__ == '__main__':
    main()
