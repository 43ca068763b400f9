#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Markdown tables from results.tsv: per workload a row a peer, each median with
its ratio to the best limit-* peer of that metric (how many times worse).
Several files (passes of the suite) are merged by the median of their medians;
MERGED=FILE also writes the merged table."""
import collections, os, statistics, sys
SMALLER = {'ns', 'us', 'ms', 's', 'B', 'MiB', 'us/req', 'ms/page', 'count'}
# In results.tsv but not worth a column.
HIDE = {'p50-64', 'p50-16384', 'client-cpu-64', 'client-cpu-16384', 'fetched', 'job'}
paths = sys.argv[1:] or ['results.tsv']
merged = collections.OrderedDict()
for path in paths:
    for line in open(path):
        w, p, m, med, unit, lo, hi, n = line.rstrip('\n').split('\t')
        merged.setdefault((w, p, m, unit), []).append((float(med), float(lo), float(hi), int(n)))
data = collections.OrderedDict()
for (w, p, m, unit), v in merged.items():
    meds = [x[0] for x in v]
    lo, hi = min(x[1] for x in v), max(x[2] for x in v)
    # Spread: between the passes' medians, or between the runs of a single pass.
    far = max(meds) - min(meds) if len(v) > 1 else hi - lo
    data.setdefault(w, []).append((p, m, statistics.median(meds), unit, lo, hi, sum(x[3] for x in v), far))
if os.environ.get('MERGED'):
    with open(os.environ['MERGED'], 'w') as f:
        for w, rows in data.items():
            for p, m, med, unit, lo, hi, n, far in rows:
                print(w, p, m, f'{med:.6g}', unit, f'{lo:.6g}', f'{hi:.6g}', n, sep='\t', file=f)

def num(v):
    if v >= 1e6:
        return f'{v / 1e6:.3g}M'
    if v >= 1e4:
        return f'{v / 1e3:.3g}k'
    return f'{v:.3g}' if v < 1000 else f'{v:.0f}'

for w, rows in data.items():
    metrics, peers, best, cell, spread = [], [], {}, {}, collections.defaultdict(float)
    for p, m, med, unit, lo, hi, n, far in rows:
        if m in HIDE:
            continue
        if (m, unit) not in metrics:
            metrics.append((m, unit))
        if p not in peers:
            peers.append(p)
        cell[p, m] = med
        if med:
            spread[p] = max(spread[p], far / med)
        if p.startswith('limit-') and med:
            b = best.get(m)
            better = min if unit in SMALLER else max
            best[m] = med if b is None else better(b, med)
    print(f'### {w}\n')
    print('| peer | ' + ' | '.join(f'{m} {u}' for m, u in metrics) + ' | spread |')
    print('| --- |' + ' ---: |' * (len(metrics) + 1))
    for p in peers:
        out = []
        for m, u in metrics:
            v = cell.get((p, m))
            if v is None:
                out.append('')
                continue
            s = num(v)
            if m in best and v and u not in ('count', 'pages', 'words', 'coroutines'):
                r = v / best[m] if u in SMALLER else best[m] / v
                s += f' ({r:.2g}×)' if r < 100 else f' ({r:.0f}×)'
            out.append(s)
        print(f'| {p} | ' + ' | '.join(out) + f' | {100 * spread[p]:.0f}% |')
    print()
