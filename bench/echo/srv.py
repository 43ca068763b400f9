# SPDX-License-Identifier: MIT
"""Python echo servers.  MODE PORT SIZE; "-proto" uses callbacks, not streams."""
import sys
mode, port = sys.argv[1], int(sys.argv[2])
if mode == 'gevent':
    from gevent.server import StreamServer
    def h(s, addr):
        while True:
            d = s.recv(65536)
            if not d:
                return
            s.sendall(d)
    StreamServer(('127.0.0.1', port), h, backlog=512).serve_forever()
elif mode == 'trio':
    import trio
    async def h(s):
        async for d in s:
            await s.send_all(d)
    trio.run(lambda: trio.serve_tcp(h, port, host='127.0.0.1'))
else:
    import asyncio
    async def h(r, w):
        try:
            while d := await r.read(65536):
                w.write(d)
                await w.drain()
        except ConnectionError:
            pass
        w.close()
    class P(asyncio.Protocol):
        def connection_made(self, t):
            self.t = t
        def data_received(self, d):
            self.t.write(d)
    async def main():
        if mode.endswith('-proto'):
            s = await asyncio.get_running_loop().create_server(P, '127.0.0.1', port, backlog=512)
        else:
            s = await asyncio.start_server(h, '127.0.0.1', port, backlog=512)
        await s.serve_forever()
    if mode.startswith('uvloop'):
        import uvloop
        uvloop.install()
    asyncio.run(main())
