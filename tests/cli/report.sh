#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow report: the page in a browser, the trace, the table and the graph.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
"$build/make_run" sample run || exit 1
"$build/make_run" many many 20000 >/dev/null || exit 1

# ---- the page ----

run report run -o page.html
is 'html: exit' "$code:$out:$err" '0::'
holds 'html: nothing is left beside it' test ! -e page.html.new
run report run
is 'html: the same on standard output' "$(cksum <"$work/out")" "$(cksum <page.html)"
holds 'html: it loads nothing, and has no script' sh -c '! grep -qiE "<(script|link|img|iframe|object|embed)|url\(|@import|(src|href)=" page.html'
holds 'html: it is UTF-8' iconv -f UTF-8 -t UTF-8 page.html -o copy.html
holds 'html: text of jobs is escaped' grep -q '&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62; &#38; &#34;quoted&#34;' page.html
run report many -o many.html
is 'html: many jobs' "$code:$err" 0:
holds 'html: and it stays small' test "$(wc -c <many.html)" -lt 2000000

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || browser=
# dom PAGE: what a browser makes of it
dom() {
	timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --user-data-dir="$work/profile" \
		--dump-dom "file://$work/$1" 2>"$work/browser" >"$1.dom"
}
if [ -z "$browser" ]; then
	echo 'SKIP: no chromium, so that a browser shows the page is not tested'
elif ! dom page.html || [ ! -s page.html.dom ]; then
	echo "SKIP: chromium does not run here: $(tail -1 "$work/browser")"
else
	holds 'the page in Chromium' python3 -c '
import html.parser, sys
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.at, self.parts, self.heads, self.counts = None, {}, [], {}
    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "h2":
            self.at = a["id"]
            self.heads.append(a["id"])
        key = self.at, tag, a.get("class")
        self.counts[key] = self.counts.get(key, 0) + 1
        assert tag != "script", "a script"
    def handle_data(self, data):
        self.parts[self.at] = self.parts.get(self.at, "") + data
p = Page()
p.feed(open(sys.argv[1], encoding="utf-8").read())
text = p.parts
assert p.heads == ["timeline", "durations", "failures", "slowest", "path", "tasks"], p.heads
assert "Run 7f3a" in text[None] and "oxbow batch -j4 echo" in text[None] and "ended with exit 1" in text[None], text[None]
# 7 jobs and one attempt, in two slots.
assert p.counts["timeline", "rect", "lane"] == 2 and p.counts["timeline", "rect", "ok"] == 4 and p.counts["timeline", "rect", "bad"] == 4, p.counts
assert "slot 2" in text["timeline"] and "words[2]" in text["timeline"]
assert "7 jobs" in text["durations"] and p.counts["durations", "rect", "ok"] >= 5
assert "3 jobs failed" in text["failures"] and "too slow" in text["failures"] and "signal 9" in text["failures"]
assert "<script>alert(\x27x\x27)</script> & \"quoted\" \ufffd\ufffd[31m" in text["failures"], text["failures"]
slow = text["slowest"]
assert slow.index("th\"umb<1>[3]") < slow.index("pages[2]") < slow.index("words[2]"), slow
path = text["path"]
assert path.index("pages[2]") < path.index("words[2]") and "umb" not in path, path
assert "words (any)" in text["tasks"]
' page.html.dom
	dom many.html
	holds 'many jobs in Chromium' python3 -c '
import sys
text = open(sys.argv[1], encoding="utf-8").read()
assert "20000 jobs" in text and "the first 100 of" not in text and text.count("<details") == 20, text[-500:]
assert text.count("<rect class=\"ok\"") > 4 and text.count("slot 4") >= 1
' many.html.dom
fi

# ---- the trace ----

run report run --trace
holds 'trace: events, as the Trace Event Format has them' python3 -c '
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
jobs = [e for e in events if e["ph"] == "X"]
assert len(jobs) == 8 and all(e["pid"] == 1 and e["tid"] in (1, 2) and e["ts"] >= 0 and e["dur"] > 0 for e in jobs), jobs
names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
assert names[1] == "slot 1" and names[2] == "slot 2", names
slow = [e for e in jobs if e["args"]["job"] == 7][0]
assert slow["dur"] == 3000000 and slow["ts"] == 2000000 and slow["args"]["status"] == "timeout" and slow["args"]["argv"][2] == "a b", slow
assert slow["cat"] == "th\"umb<1>"
assert sorted(e["args"]["attempt"] for e in jobs if e["args"]["job"] == 4) == [1, 2]
' "$work/out"

# ---- the table ----

run report run --csv
holds 'csv: RFC 4180' python3 -c '
import csv, sys
data = open(sys.argv[1], "rb").read()
assert data.count(b"\r\n") == 9 and data.endswith(b"\r\n")
rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8", errors="surrogateescape")))
assert len(rows) == 8 and rows[3]["name"] == "words[2]" and rows[3]["exit"] == "3" and rows[3]["attempt"] == "2" and rows[3]["status"] == "failed"
assert rows[5]["task"] == "th\"umb<1>" and rows[5]["signal"] == "9" and float(rows[6]["wall"]) == 3 and rows[7]["status"] == "skipped"
assert rows[6]["command"].startswith("work \x27th\"umb<1>[3]\x27"), rows[6]
' "$work/out"
is 'csv: many' "$("$oxbow" report many --csv | wc -l)" 20001

# ---- the graph ----

run report run --graph=dot
has 'dot: tasks' "$out" '*t1 ?label="pages\\n2 ok"*t3 ?label="th\\"umb<1>\\n*'
has 'dot: edges' "$out" '*t1 -> t2;*t2 -> t4 ?label="any"*t3 -> t4;*'
if command -v dot >/dev/null; then
	holds 'dot: Graphviz reads it' sh -c 'dot -Tsvg <"$1" >graph.svg && grep -q umb graph.svg' sh "$work/out"
else
	echo 'SKIP: no Graphviz, so that it reads the graph is not tested'
fi
run report run --graph=mermaid
has 'mermaid: tasks' "$out" 'flowchart LR*t1?"pages<br>2 ok"?:::ok*t3?"th#34;umb#60;1#62;<br>*'
has 'mermaid: edges' "$out" '*t1 --> t2*t2 -. any .-> t4*t3 --> t4*'

# ---- what is wrong ----

run report run --graph=ascii
has 'graph: no such form' "$code:$err" "2:oxbow: report: --graph 'ascii': *"
run report run -o /nonexistent/page.html
has 'a file that cannot be written' "$code:$err" '5:oxbow: report: cannot write /nonexistent/page.html: No such file*'
"$oxbow" report run >/dev/full 2>err
has 'a full disk' "$?:$(cat err)" '5:oxbow: cannot write to standard output: No space left*'
"$oxbow" report many --csv 2>err | head -1 >first
has 'nobody reads on' "$(cat err):$(cat first)" ':job,*'
run report a b
has 'one at a time' "$code:$err" '2:oxbow: report: one run at a time'
finish
