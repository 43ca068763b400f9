# SPDX-License-Identifier: MIT
"""Crawl and crunch in Python.  MODE URL CONNECTIONS WORKERS [LIST]

Rules for every peer that crunches: start at URL; follow each href="..." without
its fragment or query that stays on the host and ends in ".html" or "/"; a page
is an answer 200.  Crunch: SHA-256 of the body; the body without <...>, split
into words of [A-Za-z0-9_], lower-cased and counted per page.  Prints the totals,
and with LIST writes every page's path there."""
import hashlib, re, sys
from collections import Counter
from urllib.parse import urljoin, urlsplit

HREF = re.compile(rb'href="([^"#?]+)')
TAG = re.compile(rb'<[^>]*>')
WORD = re.compile(rb'\w+')

def crunch(body):
    links = [x.decode('latin-1') for x in set(HREF.findall(body))]
    hashlib.sha256(body).digest()
    freq = Counter(WORD.findall(TAG.sub(b'', body).lower()))
    return links, sum(freq.values()), len(freq)

def follow(host, url, links, seen):
    for l in links:
        u = urljoin(url, l)
        p = urlsplit(u)
        if p.netloc == host and p.scheme == 'http' and p.path.endswith(('.html', '/')) and u not in seen:
            seen.add(u)
            yield u

def report(pages, words, distinct, size):
    print('pages', pages, 'pages')
    print('words', words, 'words')
    print('distinct', distinct, 'words')
    print('bytes', size, 'bytes')

def aio(mode, start, conns, workers, listing):
    import aiohttp, asyncio
    from concurrent.futures import ProcessPoolExecutor
    host, tot, seen, paths = urlsplit(start).netloc, [0, 0, 0, 0], {start}, []
    async def main():
        loop = asyncio.get_running_loop()
        pool = ProcessPoolExecutor(workers) if 'ppe' in mode else None
        queue = asyncio.Queue()
        queue.put_nowait(start)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=conns)) as s:
            async def finish(url, body):
                links, w, d = await loop.run_in_executor(pool, crunch, body) if pool else crunch(body)
                for i, x in enumerate((1, w, d, len(body))):
                    tot[i] += x
                paths.append(urlsplit(url).path)
                for u in follow(host, url, links, seen):
                    queue.put_nowait(u)
                queue.task_done()
            async def worker():
                while True:
                    url = await queue.get()
                    async with s.get(url) as r:
                        body = await r.read()
                    if r.status == 200 and pool:
                        # The connection does not wait for the crunch.
                        asyncio.create_task(finish(url, body))
                    elif r.status == 200:
                        await finish(url, body)
                    else:
                        queue.task_done()
            ws = [asyncio.create_task(worker()) for _ in range(conns)]
            await queue.join()
            for w in ws:
                w.cancel()
        if pool:
            pool.shutdown()
    if mode.startswith('uvloop'):
        import uvloop
        uvloop.install()
    asyncio.run(main())
    report(*tot)
    if listing:
        open(listing, 'w').write('\n'.join(sorted(paths)) + '\n')

def scrapy_(start, conns):
    import logging, scrapy
    from scrapy.crawler import CrawlerProcess
    from scrapy.linkextractors import LinkExtractor
    logging.disable(logging.CRITICAL)
    host, tot = urlsplit(start).netloc, [0, 0, 0, 0]
    class S(scrapy.Spider):
        name = 's'
        start_urls = [start]
        seen = {start}
        def parse(self, r):
            links, w, d = crunch(r.body)
            for i, x in enumerate((1, w, d, len(r.body))):
                tot[i] += x
            for u in follow(host, r.url, links, self.seen):
                yield scrapy.Request(u)
    p = CrawlerProcess({'CONCURRENT_REQUESTS': conns, 'CONCURRENT_REQUESTS_PER_DOMAIN': conns,
                        'LOG_ENABLED': False, 'TELNETCONSOLE_ENABLED': False, 'RETRY_ENABLED': False,
                        'COOKIES_ENABLED': False, 'REQUEST_FINGERPRINTER_IMPLEMENTATION': '2.7'})
    p.crawl(S)
    p.start()
    report(*tot)

if __name__ == '__main__':
    mode, start, conns, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if mode == 'scrapy':
        scrapy_(start, conns)
    else:
        aio(mode, start, conns, workers, sys.argv[5] if len(sys.argv) > 5 else None)
