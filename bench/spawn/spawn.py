# SPDX-License-Identifier: MIT
"""100 tasks at a time, each yielding once, then joined.  MODE N"""
import sys, time
mode, n = sys.argv[1], int(sys.argv[2])
done = 0

def out(t):
    print('spawn', f'{done / (time.perf_counter() - t):.6g}', '1/s')

if mode in ('asyncio', 'uvloop'):
    import asyncio
    async def one():
        global done
        await asyncio.sleep(0)
        done += 1
    async def main():
        t = time.perf_counter()
        for _ in range(n // 100):
            await asyncio.gather(*[asyncio.create_task(one()) for _ in range(100)])
        out(t)
    if mode == 'uvloop':
        import uvloop
        uvloop.install()
    asyncio.run(main())
elif mode == 'trio':
    import trio
    async def one():
        global done
        await trio.sleep(0)
        done += 1
    async def main():
        t = time.perf_counter()
        for _ in range(n // 100):
            async with trio.open_nursery() as s:
                for _ in range(100):
                    s.start_soon(one)
        out(t)
    trio.run(main)
elif mode == 'gevent':
    import gevent
    def one():
        global done
        gevent.sleep(0)
        done += 1
    t = time.perf_counter()
    for _ in range(n // 100):
        gevent.joinall([gevent.spawn(one) for _ in range(100)])
    out(t)
