# SPDX-License-Identifier: MIT
# HTTP/2 (RFC 9113) as far as a server needs it that breaks off, refuses and floods; server.py runs it. What a connection
# does, the last number of its address says; whatever is asked for, the answer is the same page: headers are not decoded.
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
END_STREAM = ACK = 1
END_HEADERS = 4
INTERNAL_ERROR, REFUSED_STREAM = 2, 7
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
OK = b'\x88\x0f\x10\x09text/html'                           # HPACK: ":status: 200", "content-type: text/html"

HOW = {80: 'plain', 81: 'reset', 82: 'refuse-twice', 83: 'away-once', 84: 'away-after-one', 85: 'away', 86: 'pings', 87: 'settings',
       88: 'empty-data', 89: 'continuations', 90: 'oversized', 91: 'garbage', 92: 'push', 93: 'cut'}
seen = {}                                                   # connections and requests, by what is done to them


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


def page(stream):
    return frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, END_STREAM, stream, b'<title>two</title> a page of HTTP/2')


def away(last):
    return frame(GOAWAY, 0, 0, struct.pack('>II', last, 0))


def flood(conn, piece, send):
    while True:
        send(conn, piece * 100)


class Connection:
    def __init__(self, conn, how, send):
        self.conn, self.how, self.send, self.data, self.asked = conn, how, send, b'', 0
        self.nth = seen[how] = seen.get(how, 0) + 1

    def read(self, n):
        while len(self.data) < n:
            more = self.conn.recv(65536)
            if not more:
                raise OSError('the client has gone')
            self.data += more
        out, self.data = self.data[:n], self.data[n:]
        return out

    def request(self, stream):
        """Returns whether the connection goes on."""
        send, conn, how = self.send, self.conn, self.how
        self.asked += 1
        if how == 'reset':
            send(conn, frame(RST_STREAM, 0, stream, struct.pack('>I', INTERNAL_ERROR)))
        elif how == 'refuse-twice' and seen.setdefault('refused', 0) < 2:
            seen['refused'] += 1
            send(conn, frame(RST_STREAM, 0, stream, struct.pack('>I', REFUSED_STREAM)))
        elif how == 'away' or (how == 'away-once' and self.nth == 1):
            send(conn, away(0))
            return False
        elif how == 'away-after-one':
            send(conn, page(stream) + away(stream))
        elif how == 'pings':
            flood(conn, frame(PING, 0, 0, b'12345678'), send)
        elif how == 'settings':
            flood(conn, frame(SETTINGS, 0, 0, struct.pack('>HI', 3, 100)), send)
        elif how == 'empty-data':
            send(conn, frame(HEADERS, END_HEADERS, stream, OK))
            flood(conn, frame(DATA, 0, stream), send)
        elif how == 'continuations':
            send(conn, frame(HEADERS, 0, stream, OK))
            flood(conn, frame(CONTINUATION, 0, stream, b'\x00\x01x\x01y'), send)
        elif how == 'oversized':
            send(conn, frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, 0, stream, bytes(1 << 20)))
        elif how == 'cut':
            send(conn, frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, 0, stream, b'half a page'))
            return False
        elif how == 'push':
            send(conn, frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack('>I', 2) + b'\x82\x84\x86'))
        else:
            send(conn, page(stream))
        return True


def serve(conn, send, log):
    """send(conn, data) sends and counts, log(what) writes a line."""
    c = Connection(conn, HOW.get(int(conn.getsockname()[0].rsplit('.', 1)[-1]), 'plain'), send)
    if c.how == 'garbage':
        send(conn, b'this is no frame of HTTP/2 at all\r\n' * 100)
    if c.read(len(PREFACE)) != PREFACE:
        return
    send(conn, frame(SETTINGS, 0, 0))
    while True:
        head = c.read(9)
        size, kind, flags = int.from_bytes(head[:3], 'big'), head[3], head[4]
        stream = int.from_bytes(head[5:], 'big') & 0x7fffffff
        payload = c.read(size)
        if kind == SETTINGS and not flags & ACK:
            send(conn, frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            send(conn, frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            log(f'h2-{c.how}/{stream}')
            if not c.request(stream):
                return
