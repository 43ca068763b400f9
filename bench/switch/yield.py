# SPDX-License-Identifier: MIT
"""Two tasks that only yield: ns per yield.  MODE N"""
import sys, time
mode, n = sys.argv[1], int(sys.argv[2])

def out(metric, t):
    print(metric, f'{(time.perf_counter_ns() - t) / n:.6g}', 'ns')

if mode in ('asyncio', 'uvloop'):
    import asyncio
    async def w():
        for _ in range(n // 2):
            await asyncio.sleep(0)
    async def main():
        t = time.perf_counter_ns()
        await asyncio.gather(w(), w())
        out('yield', t)
    if mode == 'uvloop':
        import uvloop
        uvloop.install()
    asyncio.run(main())
elif mode == 'trio':
    import trio
    async def w():
        for _ in range(n // 2):
            await trio.sleep(0)
    async def main():
        t = time.perf_counter_ns()
        async with trio.open_nursery() as s:
            s.start_soon(w)
            s.start_soon(w)
        out('yield', t)
    trio.run(main)
elif mode == 'gevent':
    import gevent
    def w():
        for _ in range(n // 2):
            gevent.sleep(0)
    t = time.perf_counter_ns()
    gevent.joinall([gevent.spawn(w), gevent.spawn(w)])
    out('yield', t)
elif mode == 'greenlet':
    from greenlet import greenlet, getcurrent
    m = getcurrent()
    def w():
        while True:
            m.switch()
    g = greenlet(w)
    t = time.perf_counter_ns()
    for _ in range(n // 2):
        g.switch()
    out('switch', t)
