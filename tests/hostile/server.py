#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# A web server that misbehaves on demand, for the crawler's tests: server.py LOG [CERT KEY[,MODE]]...
#
# It listens on a port of its choice, on all of 127/8, so that each of 127.0.0.x is another host; prints
# "http://127.0.0.1:PORT", with certificates a line with the address of each one's TLS side (MODE tls1.0: nothing newer is
# spoken there; h2: HTTP/2, see h2.py), and "full http://127.0.0.1:PORT" of a port at which nobody accepts connections;
# and ends when its standard input does. What it does stands in the path, or for robots.txt in the host's last number (see
# ROBOTS). Each request is a line in LOG: seconds, host, requests to that host under way, method and target, headers that
# tests ask for, and all=N requests under way; each endless answer that the client has cut off is a line with sent=BYTES.
import gzip, os, socket, ssl, struct, sys, threading, time, warnings, zlib
from email.utils import formatdate

sys.dont_write_bytecode = True
import h2

LOG, LOCK, OPEN, COUNT = open(sys.argv[1], 'a', buffering=1), threading.Condition(), {}, {}
SENT, ACCEPTED = {}, [0]
PORT = 0

# The robots.txt of a host, by the last number of its address: status, headers, body; a name of a misbehaviour; none: 404.
ROBOTS = {
    31: (200, '', 'User-agent: *\nDisallow: /x/page.html\nAllow: /x/\n\nuser-AGENT: oxbow\nDisallow: /x/page.html\nAllow: /x/\n'
         'Disallow: /same\nAllow: /same\n\nUser-agent: OXBOW\nDisallow: /Case\n'),
    32: (503, '', ''), 33: 'silent', 34: 'reset', 35: (429, 'Retry-After: 1\r\n', ''), 36: (403, '', ''),
    37: (302, 'Location: http://127.0.0.38:PORT/rules\r\n', ''), 39: 'second',
    40: (200, '', '\ufeffUser-agent: *\r\nDisallow\r\nDisallow: /' + 'q' * 20480 + '\rDisallow: /x\r' + '#' * 460000 +
         '\nDisallow: /y\n' + '#' * 140000 + '\nDisallow: /z\n'),
    41: (200, '', 'User-agent: *\nCrawl-delay: 0.5\n'), 42: (301, 'Location: /robots.txt\r\n', ''),
    43: (200, '', 'Sitemap: /sitemap.xml\nsitemap: /list.txt\n'), 44: (200, '', 'User-agent: *\nDisallow: /\n'),
}


def page(body, status=200, headers='', kind='text/html'):
    body = body if isinstance(body, bytes) else body.encode()
    kind = f'Content-Type: {kind}\r\n' if kind else ''
    return f'HTTP/1.1 {status} x\r\n{kind}{headers}Content-Length: {len(body)}\r\n\r\n'.encode() + body


def links(*names):
    return ' '.join(f'<a href="{n}">{n}</a>' for n in names)


def redirect(location, status=302, headers=b''):
    location = location if isinstance(location, bytes) else location.encode()
    return b'HTTP/1.1 %d x\r\nLocation: %s\r\n%sContent-Length: 0\r\n\r\n' % (status, location, headers)


def send(conn, data):
    """Of what may have no end: how much of it the kernel took is written down when the client ends it."""
    for i in range(0, len(data), 65536):
        conn.sendall(data[i:i + 65536])
        SENT[conn] = SENT.get(conn, 0) + len(data[i:i + 65536])


def chunked(conn, pieces, coding=''):
    coding = f'Content-Encoding: {coding}\r\n' if coding else ''
    conn.sendall(f'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{coding}Transfer-Encoding: chunked\r\n\r\n'.encode())
    for p in pieces:
        send(conn, b'%x\r\n%s\r\n' % (len(p), p))
    conn.sendall(b'0\r\n\r\n')


def zeros(size, coding):
    z = zlib.compressobj(9, zlib.DEFLATED, 31 if coding == 'gzip' else 15)
    for _ in range(size >> 20):
        data = z.compress(bytes(1 << 20))
        if data:
            yield data
    yield z.flush()


def zstd_zeros(size):
    """A frame (RFC 8878) of blocks that each say: 128 KiB of this byte."""
    yield b'\x28\xb5\x2f\xfd\x00\x38'
    for left in range(size >> 17, 0, -1):
        yield struct.pack('<I', (1 << 17) << 3 | 1 << 1 | (left == 1))[:3] + b'\0'


def site(seed, n, total):
    """Pages and links from a hash: page n of total has links to a few others, and all are reachable from 0."""
    out = [2 * n + 1, 2 * n + 2] + [zlib.crc32(b'%d %d %d' % (seed, n, i)) % total for i in range(3)]
    return links(*(f'/site/{seed}/{total}/{k}' for k in out if k < total)) + f' page {n} of {seed}'


CHARSETS = {
    'gb': ('text/html; charset=gb18030', '<p>\u4e2d\u6587</p><a href="/c/t?q=\u4e2d">x</a>'.encode('gb18030')),
    'cyr': ('text/html', '<meta charset=windows-1251><p>\u041f\u0440\u0438\u0432\u0435\u0442</p><a href="/c/\u041f?q=\u041f">x</a>'.encode('cp1251')),
    'utf16': ('text/html', '\ufeff<p>h\u00e9llo</p>'.encode('utf-16-le')),
    'wrong': ('text/html; charset=iso-8859-1', '\ufeff<p>\u4e2d</p>'.encode()),
    'none': ('text/html', '<p>caf\u00e9</p>'.encode()),
    'odd': ('text/html; charset=iso-8859-1000', b'<meta charset=ibm1047><p>odd</p>'),
    'latin': ('text/html', '<p>caf\u00e9</p>'.encode('latin-1')),
}


def kept(kind, number, target, headers):
    """A page that can be asked for only if it has changed: which it has once it is a line of the file "changed" beside LOG."""
    try:
        with open(os.path.join(os.path.dirname(sys.argv[1]), 'changed')) as f:
            version = 2 if target in f.read().split() else 1
    except OSError:
        version = 1
    body = links(f'/kept/{kind}/{number - 1}') if number else ''
    etag = ('W/' if kind == 'weak' else '') + f'"{version}-{number}"'
    date = formatdate(1700000000 + 1000 * version, usegmt=True)
    own = {'date': f'Last-Modified: {date}\r\n', 'none': ''}.get(kind, f'ETag: {etag}\r\n')
    if kind == 'both':
        own += f'Last-Modified: {date}\r\n'
    asked = headers.get('if-none-match'), headers.get('if-modified-since')
    if (asked[0] == etag if asked[0] else asked[1] == date and kind in ('date', 'both')):
        return f'HTTP/1.1 304 x\r\n{own}\r\n'.encode()
    return page(f'<title>{version}</title>{body} version {version} of {target}', headers=own)
# Links of every kind; what ends with .req belongs to the page, the rest are pages.
WAYS = {
    'index': page('<head><base href=/w/><link rel=next href=link><link rel=stylesheet href=style.css><link rel=icon href=icon.req>'
                  '<link rel=dns-prefetch href=//name.invalid/><meta http-equiv=refresh content="0; url=refresh"><style>p { a: url(style.req) }</style></head>'
                  '<body background=back.req><a href=a>x</a><map><area href=area></map><iframe src=iframe></iframe><object data=object></object>'
                  '<embed src=embed><form action=form><input type=image src=input.req></form><img src=img.req srcset="set1.req 1x, set2.req 2x">'
                  '<script src=script.req></script><video src=video.req poster=poster.req><source src=source.req><track src=track.req></video>'
                  '<audio src=audio.req></audio><p style="a:url(styleattr.req)"><img src="data:image/gif,x">',
                  headers='Link: <header>; title="a, <no>"; rel=next, <head.css>; rel=preload\r\nLink: <frame>; rel=up\r\n'),
    'style.css': page('@import "import.css"; p { a: url(one.req) }', kind='text/css'),
    'import.css': page('p { a: url("two.req") }', kind='text/css; charset=utf-8'),
}
TEXTS = {
    'html': page('<title>T &amp; t</title><h1>one</h1><h2 id=i>two</h2><h1>th<b>ree</b></h1><a name=x>y</a><a name=z>z</a>'),
    'xhtml': page('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>X</title></head><body><h1>one</h1></body></html>',
                  kind='application/xhtml+xml'),
    'latin': page('<h1>caf\u00e9</h1>'.encode('latin-1'), kind='text/html; charset=latin1'),
    'deep': page('<a href=behind>x</a>' + '<div>' * 2000),
    'order': page(links('/s/a', '/print/1', '/s/b', '/news/1')),
}


def answer(conn, host, method, target, headers):
    """The bytes to send; None: the connection was dealt with and is to be closed."""
    number = int(host.split(':')[0].rsplit('.', 1)[-1]) if host[:4] == '127.' else 0
    here = f'http://{host}'
    path, _, query = target.partition('?')
    part = path.strip('/').split('/')
    with LOCK:
        seen = COUNT[host + target] = COUNT.get(host + target, 0) + 1
    if path == '/robots.txt':
        how = ROBOTS.get(number, (404, '', ''))
        if how == 'second':
            how = (503, '', '') if seen == 1 else (200, '', 'User-agent: *\nDisallow: /x/\n')
        if isinstance(how, str):
            part = [how]
        else:
            return page(how[2], how[0], how[1].replace('PORT', str(PORT)), 'text/plain')
    kind = part[0]
    if kind == 'links':                                     # /links?a,b/c
        return page(links(*('/' + n for n in query.split(','))))
    if kind == 'n':                                         # /n/20: as many pages
        return page(links(*(f'/p/{i}' for i in range(int(part[1])))))
    if kind in ('w', 's') and len(part) > 1:
        return (WAYS if kind == 'w' else TEXTS).get(part[1]) or page('', kind='text/html' if '.' not in part[1] else 'image/x')
    if kind == 'header-nofollow':
        return page('', headers='Link: </p/x>; rel="next nofollow"\r\n')
    if kind == 'site':
        return page(site(int(part[1]), int(part[3]), int(part[2])))
    if kind == 'hosts':                                     # /hosts/FROM/TO/PATH
        return page(links(*(f'http://127.0.0.{i}:{PORT}/' + '/'.join(part[3:]) for i in range(int(part[1]), int(part[2]) + 1))))
    if kind == 'rules':
        return page('User-agent: *\nDisallow: /x/\n', kind='text/plain')
    if kind == 'status':                                    # /status/503/HEADER...
        return page('x', int(part[1]), ''.join(h.replace('_', ' ') + '\r\n' for h in part[2:]))
    if kind == 'later' and seen == 1:                       # once 429 with Retry-After in seconds or as a date
        after = part[1] if part[1].isdigit() else formatdate(time.time() + int(part[1][1:]), usegmt=True)
        return page('', 429, f'Retry-After: {after}\r\n')
    if kind == 'flaky' and seen <= int(part[1]):
        return page('', 502)
    if kind == 'kept':                                      # /kept/etag/3: links on to 2, 1, 0
        return kept(part[1], int(part[2]), target, headers)
    if kind == 'same':
        return page('the same at every address')
    if kind == 'chunks':                                    # /chunks/SIZE/WHAT: the same in pieces of any size
        body = b'the same in chunks of any size ' * 100
        return chunked(conn, (body[i:i + int(part[1])] for i in range(0, len(body), int(part[1])))) or b''
    if kind == 'packed':
        return page(gzip.compress(f'<title>packed</title>{target}'.encode() * 100, mtime=0), headers='Content-Encoding: gzip\r\n')
    if kind == 'a':
        return redirect('/b', 301)
    if kind == 'b':
        return redirect('/a')
    if kind == 'hop':                                       # a chain of N, then a page
        return redirect(f'/hop/{int(part[1]) - 1}') if int(part[1]) else page('end')
    if kind == 'self':
        return redirect(f'/self?{query}x')
    if kind == 'noloc':
        return b'HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n'
    if kind == 'to':                                        # /to/HEX: a redirect to any bytes
        return redirect(bytes.fromhex(part[1]))
    if kind == 'across':                                    # to another host
        return redirect(f'http://127.0.0.{part[1]}:{PORT}/p/across', headers=b'Set-Cookie: secret=1; Path=/\r\n')
    if kind == 'tera':
        conn.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000000000000\r\n\r\n')
        while True:
            send(conn, bytes(65536))
    if kind == 'endless':
        chunked(conn, iter(lambda: b'<p>' * 10000, None))
    if kind == 'bomb':                                      # /bomb/gzip: 10 GB of zeros; br from a file
        if part[1] in ('gzip', 'deflate'):
            chunked(conn, zeros(10 << 30, part[1]), part[1])
            return None
        if part[1] == 'zstd':
            body = b''.join(zstd_zeros(10 << 30))
        else:
            with open(os.path.join(os.path.dirname(sys.argv[1]), 'bomb.' + part[1]), 'rb') as f:
                body = f.read()
        return page(body, headers=f'Content-Encoding: {part[1]}\r\n')
    if kind == 'gather':                                    # /gather/3: answered when three are asked for at a time
        with LOCK:
            group = kind + part[1]
            COUNT[group] = mine = COUNT.get(group, 0) + 1
            LOCK.notify_all()
            met = LOCK.wait_for(lambda: COUNT[group] >= -(-mine // int(part[1])) * int(part[1]), 20)
        return page('x', 200 if met else 500)
    if kind == 'accepted':
        return page(str(ACCEPTED[0]))
    if kind == 'strip':                                     # sends a query away
        return redirect('/strip') if query else page('strip')
    if kind == 'strict':                                    # https only from now on, and a link that is not
        return page(f'<a href=http://{host}/p/secured>x</a>', headers='Strict-Transport-Security: max-age=1000; includeSubDomains\r\n')
    if kind == 'silent':
        return wait_end(conn)
    if kind == 'reset':
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        return None
    if kind in ('slowhead', 'slowbody'):
        rest = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n'
        if kind == 'slowbody':
            conn.sendall(rest)
            rest = b'x' * 100000
        for i in range(len(rest)):
            conn.sendall(rest[i:i + 1])
            time.sleep(0.3)
        return None
    if kind == 'broken':                                    # not HTTP
        conn.sendall({'garbage': b'hello\r\n\r\n', 'chunk': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
                      'short': b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort', 'empty': b'',
                      'heads': b'HTTP/1.1 200 OK\r\n' + b'X: ' + b'y' * 200000 + b'\r\n\r\n'}[part[1]])
        return None
    if kind == 'c' and len(part) > 1 and part[1] in CHARSETS:
        return page(CHARSETS[part[1]][1], kind=CHARSETS[part[1]][0])
    if kind == 'cal':                                       # traps
        return page(links(f'/cal?y={int(query[2:] or 0) + 1}') + query)
    if kind == 'deep':
        return page(links(path.rstrip('/') + '/a/', path.rstrip('/') + '/b/') + path)
    if kind == 'session':
        return page(links(f'/session/{time.time_ns()}/', '/p/home') + 'same')
    if kind == 'million':
        return page(''.join(f'<a href=/p/{i}>' for i in range(1000000)))
    if kind == 'next':                                      # the same body at every address
        return page(links(*(f'/next/{i}' for i in range(300))))
    if kind == 'meta':                                      # /meta/noindex,nofollow
        return page(f'<meta name=ROBOTS content="{part[1]}"><a href=/p/behind-{part[1].replace(",", "-")}>x</a>')
    if kind == 'tag':
        return page(f'<a href=/p/behind-tag-{part[2]}>x</a>', headers=f'X-Robots-Tag: {part[1].replace("_", " ")}\r\nX-Robots-Tag: all\r\n')
    if kind == 'rel':
        return page('<a rel="x nofollow" href=/p/unvouched>x</a><a rel=next href=/p/vouched>y</a>')
    if kind == 'sitemap.xml':
        return page(f'<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc> {here}/one.xml.gz '
                    f'</loc></sitemap></sitemapindex>', kind='application/xml')
    if kind == 'one.xml.gz':
        body = f'<urlset><url><loc>{here}/p/listed?a=1&amp;b=2</loc></url><url><loc><![CDATA[{here}/p/raw]]></loc></url></urlset>'
        return page(gzip.compress(body.encode()), kind='application/gzip')
    if kind == 'list.txt':
        return page(f'{here}/p/line\r\n# no\n{here}/p/last', kind='text/plain')
    if kind == 'cookie':
        return page(headers.get('cookie', 'none'), headers='Set-Cookie: c=1; Path=/\r\n')
    return page(f'<title>{target}</title> page {target}')


def wait_end(conn):
    while conn.recv(4096):
        pass


def serve(conn):
    data = b''
    try:
        while True:
            while b'\r\n\r\n' not in data:
                more = conn.recv(65536)
                if not more:
                    return
                data += more
            head, data = data.split(b'\r\n\r\n', 1)
            first, *lines = head.decode('latin-1').split('\r\n')
            headers = {k.lower(): v.strip() for k, _, v in (x.partition(':') for x in lines)}
            method, target, _ = first.split(' ')
            if target.startswith('http://'):                # to a proxy
                headers['proxied'] = 'yes'
                target = '/' + target.split('/', 3)[3]
            host = headers.get('host', '')
            with LOCK:
                OPEN[host] = OPEN.get(host, 0) + 1
                OPEN[None] = OPEN.get(None, 0) + 1
                said = ' '.join(f'{k}={headers[k].replace(" ", "_")}' for k in ('authorization', 'cookie', 'referer', 'user-agent',
                                'proxied', 'if-none-match', 'if-modified-since') if k in headers)
                LOG.write(f'{time.monotonic():.4f} {host} {OPEN[host]} {method} {target} {said} all={OPEN[None]}\n')
            try:
                out = answer(conn, host, method, target, headers)
            finally:                                        # before the client can know of it
                with LOCK:
                    OPEN[host] -= 1
                    OPEN[None] -= 1
            if out is None:
                return
            conn.sendall(out)
    except (OSError, ValueError):
        if conn in SENT:
            LOG.write(f'{time.monotonic():.4f} {host} - cut {target} sent={SENT[conn]}\n')
    finally:
        SENT.pop(conn, None)
        conn.close()


def serve_h2(conn):
    host = f'{conn.getsockname()[0]}:{PORT}'
    try:
        h2.serve(conn, send, lambda what: LOG.write(f'{time.monotonic():.4f} {host} - h2 {what}\n'))
    except (OSError, ValueError):
        pass
    finally:
        SENT.pop(conn, None)
        conn.close()


def listen(context):
    s = socket.create_server(('0.0.0.0', 0), backlog=1024, reuse_port=False)

    def wrapped(conn):
        if context:
            try:
                conn = context.wrap_socket(conn, server_side=True)
            except (OSError, ValueError):
                return
            if conn.selected_alpn_protocol() == 'h2':
                return serve_h2(conn)
        serve(conn)

    def loop():
        while True:
            conn, _ = s.accept()
            ACCEPTED[0] += 1
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=wrapped, args=(conn,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return s.getsockname()[1]


def tls(cert, key):
    key, _, mode = key.partition(',')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if mode == 'tls1.0':
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers('ALL:@SECLEVEL=0')
    if mode == 'h2':
        context.set_alpn_protocols(['h2'])
    context.load_cert_chain(cert, key)
    return context


def full():
    """A port whose queue of connections is full: Linux answers none that comes then."""
    s = socket.create_server(('127.0.0.1', 0), backlog=1)
    kept = [s]
    while len(kept) < 100:
        c = socket.socket()
        c.settimeout(0.3)
        kept.append(c)
        try:
            c.connect(s.getsockname())
        except TimeoutError:
            break
    return kept


PORT = listen(None)
print(f'http://127.0.0.1:{PORT}')
for i in range(2, len(sys.argv) - 1, 2):
    print(f'https://127.0.0.1:{listen(tls(sys.argv[i], sys.argv[i + 1]))}')
FULL = full()
print(f'full http://127.0.0.1:{FULL[0].getsockname()[1]}')
print('ready', flush=True)
sys.stdin.read()
