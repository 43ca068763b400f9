# SPDX-License-Identifier: MIT
"""N tasks parked, each awaiting its own future.  MODE N"""
import os, sys
mode, n = sys.argv[1], int(sys.argv[2])

def field(name):
    for l in open('/proc/self/status'):
        if l.startswith(name):
            return int(l.split()[1]) * 1024

def out(b):
    print('reached', n, 'coroutines')
    print('rss', f"{(field('VmRSS:') - b[0]) / n:.6g}", 'B')
    print('pagetables', f"{(field('VmPTE:') - b[1]) / n:.6g}", 'B')
    sys.stdout.flush()
    os._exit(0)

def start():
    return field('VmRSS:'), field('VmPTE:')

if mode == 'asyncio':
    import asyncio
    async def park(loop):
        await loop.create_future()
    async def main():
        loop = asyncio.get_running_loop()
        b = start()
        keep = [asyncio.create_task(park(loop)) for _ in range(n)]
        await asyncio.sleep(0.1)
        out(b)
    asyncio.run(main())
elif mode == 'trio':
    import trio
    async def main():
        b = start()
        async with trio.open_nursery() as s:
            for _ in range(n):
                s.start_soon(trio.sleep_forever)
            await trio.sleep(0.1)
            out(b)
    trio.run(main)
elif mode == 'gevent':
    import gevent, gevent.event
    def park():
        gevent.event.Event().wait()
    b = start()
    keep = [gevent.spawn(park) for _ in range(n)]
    gevent.sleep(0.1)
    out(b)
