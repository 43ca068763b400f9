#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Reads WARC files and finds fault with them: warc.py DIR [RESULTS]
#
# Each record is a line of what is printed: type, status of HTTP, WARC-Truncated or -, profile or -, target. What is wrong is
# said on standard error, and is the exit status. With the results of the crawl (JSON lines), each page with a digest has to be
# there once, by its final URL, with that body.
import base64, glob, gzip, hashlib, json, os, re, sys, zlib

FAULTS = []
PROFILES = 'http://netpreserve.org/warc/1.1/revisit/'


def fault(record, what):
    FAULTS.append(what)
    print(f'{record.get("file")} at {record.get("at")}: {what}', file=sys.stderr)


def fields(text):
    return {k.lower(): v.strip() for k, _, v in (line.partition(':') for line in text.split('\r\n')[1:] if line)}


def members(path):
    """The gzip members of a file: offset and content."""
    data = open(path, 'rb').read()
    at = 0
    while at < len(data):
        z, content, end = zlib.decompressobj(31), b'', at
        try:
            while not z.eof and end < len(data):
                content += z.decompress(data[end:end + 65536])
                end += 65536
        except zlib.error as e:
            return fault({'file': path, 'at': at}, f'no gzip member: {e}')
        if not z.eof:
            return fault({'file': path, 'at': at}, 'the member does not end')
        yield at, content
        at = min(end, len(data)) - len(z.unused_data)


def sha1(data):
    return 'sha1:' + base64.b32encode(hashlib.sha1(data).digest()).decode()


def unchunk(body):
    out = b''
    while body:
        size, _, body = body.partition(b'\r\n')
        n = int(size.split(b';')[0], 16)
        if n == 0:
            return out
        out += body[:n]
        body = body[n + 2:]
    raise ValueError('the chunks do not end')


def read(path):
    for at, content in members(path):
        head, _, rest = content.partition(b'\r\n\r\n')
        record = {'file': os.path.basename(path), 'at': at, **fields(head.decode())}
        if not head.startswith(b'WARC/1.1\r\n'):
            fault(record, 'no WARC 1.1')
        length = int(record['content-length'])
        record['block'] = rest[:length]
        if rest[length:] != b'\r\n\r\n':
            fault(record, 'Content-Length is wrong')
        if record['warc-block-digest'] != sha1(record['block']):
            fault(record, 'WARC-Block-Digest is wrong')
        if not re.fullmatch(r'<urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}>', record['warc-record-id']):
            fault(record, 'WARC-Record-ID is wrong')
        if not re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z', record['warc-date']):
            fault(record, 'WARC-Date is wrong')
        yield record


def look_at_http(record):
    """A response or revisit."""
    head, end, body = record['block'].partition(b'\r\n\r\n')
    text = head.decode('latin-1')
    if not re.match(r'HTTP/1\.[01] \d\d\d', text) or not end:
        fault(record, 'no head of HTTP')
        return
    record['status'] = int(text[9:12])
    record['http'] = fields(text)
    if record['warc-type'] == 'revisit':
        if body or not record['warc-profile'].startswith(PROFILES):
            fault(record, 'no revisit')
        return
    if record.get('warc-truncated'):
        if 'warc-payload-digest' in record:
            fault(record, 'the digest of a payload that is not there')
        return
    payload = unchunk(body) if record['http'].get('transfer-encoding') == 'chunked' else body
    if record['warc-payload-digest'] != sha1(payload):
        fault(record, 'WARC-Payload-Digest is wrong')
    if 'content-length' in record['http'] and int(record['http']['content-length']) != len(body):
        fault(record, 'the body is not as long as HTTP says')
    record['payload'] = gzip.decompress(payload) if record['http'].get('content-encoding') == 'gzip' else payload


def look_at_revisit(record, by_date):
    origin = by_date.get((record['warc-refers-to-target-uri'], record['warc-refers-to-date']))
    if not origin:
        fault(record, 'a revisit of nothing')
    elif record['warc-profile'] == PROFILES + 'identical-payload-digest':
        if record['warc-payload-digest'] != origin['warc-payload-digest'] or record.get('warc-truncated') != 'length':
            fault(record, 'a revisit of something else')
        record['payload'] = origin.get('payload')
    elif record['warc-profile'] != PROFILES + 'server-not-modified' or record['status'] != 304:
        fault(record, 'an unknown profile')


def look_at_all(records):
    ids, by_date, last = {}, {}, None
    for r in records:
        kind = r['warc-type']
        if r['warc-record-id'] in ids:
            fault(r, 'a record that is there twice')
        ids[r['warc-record-id']] = r
        if (r['at'] == 0) != (kind == 'warcinfo'):
            fault(r, 'a warcinfo begins each file, and is nowhere else')
        if kind == 'warcinfo':
            if r['warc-filename'] != r['file'] or b'format: WARC File Format 1.1\r\n' not in r['block']:
                fault(r, 'warcinfo is wrong')
        elif kind in ('response', 'revisit'):
            last = r
            look_at_http(r)
            if r['content-type'] != 'application/http;msgtype=response' or not r.get('warc-ip-address'):
                fault(r, 'a response without type or address')
            if kind == 'revisit':
                look_at_revisit(r, by_date)
            by_date[r['warc-target-uri'], r['warc-date']] = r
        elif kind in ('request', 'metadata'):
            if r['warc-concurrent-to'] != last['warc-record-id'] or r['warc-target-uri'] != last['warc-target-uri']:
                fault(r, 'it belongs to nothing')
            if kind == 'request' and not re.match(rb'GET /\S* HTTP/1\.1\r\nHost: .*\r\n\r\n\Z', r['block'], re.S):
                fault(r, 'no request')
            if kind == 'metadata' and b'depth: ' not in r['block']:
                fault(r, 'no metadata')
        else:
            fault(r, 'an unknown type')


def compare(records, results):
    for result in map(json.loads, open(results)):
        found = [r for r in records if r['warc-type'] in ('response', 'revisit') and r['warc-target-uri'] == result['final'] and
                 r.get('status') == (304 if result['unchanged'] else result['status'])]
        if result['digest'] and len(found) != 1:
            fault({}, f'{result["final"]} is there {len(found)} times')
        elif result['digest'] and not result['unchanged'] and hashlib.sha256(found[0].get('payload') or b'').hexdigest() != result['digest']:
            fault(found[0], 'another body than that of the result')


def main():
    records = [r for path in sorted(glob.glob(sys.argv[1] + '/*')) for r in read(path)]
    look_at_all(records)
    if len(sys.argv) > 2:
        compare(records, sys.argv[2])
    for r in records:
        print(r['warc-type'], r.get('status', '-'), r.get('warc-truncated', '-'), r.get('warc-profile', '-').rsplit('/', 1)[-1],
              r.get('warc-target-uri', '-'))
    sys.exit(bool(FAULTS))


main()
