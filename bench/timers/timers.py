# SPDX-License-Identifier: MIT
"""N tasks in a random 0-1 s sleep.  MODE N"""
import random, resource, sys, time
mode, n = sys.argv[1], int(sys.argv[2])
random.seed(42)
late = []

def usage():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return (u.ru_utime + u.ru_stime) * 1e3, u.ru_nvcsw

def out(b):
    a = usage()
    assert len(late) == n
    late.sort()
    print('cpu', f'{a[0] - b[0]:.6g}', 'ms')
    print('wakeups', a[1] - b[1], 'count')
    print('late-p99', f'{max(0, late[n * 99 // 100]) * 1e3:.6g}', 'ms')

now = time.monotonic
if mode in ('asyncio', 'uvloop'):
    import asyncio
    async def one(d, base):
        await asyncio.sleep(max(0, base + d - now()))
        late.append(now() - base - d)
    async def main():
        b, base = usage(), now()
        await asyncio.gather(*[one(random.random(), base) for _ in range(n)])
        out(b)
    if mode == 'uvloop':
        import uvloop
        uvloop.install()
    asyncio.run(main())
elif mode == 'trio':
    import trio
    async def one(d, base):
        await trio.sleep(max(0, base + d - now()))
        late.append(now() - base - d)
    async def main():
        b, base = usage(), now()
        async with trio.open_nursery() as s:
            for _ in range(n):
                s.start_soon(one, random.random(), base)
        out(b)
    trio.run(main)
