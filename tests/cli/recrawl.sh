#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl --cache: a crawl begins again, and what has not changed is neither sent nor parsed anew, but is there as if it were.
. "$(dirname "$0")/lib.sh"
hostile
starts="$url/kept/etag/3 $url/kept/date/3 $url/kept/both/3 $url/kept/weak/3 $url/kept/none/3"

# crawl ARG...: messages in $err, exit code in $code; the log begins anew
crawl() {
	: >"$log"
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --robots off --run "$work/run" "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# facts: what the results say of each page, whatever was fetched for it
facts() {
	python3 - "$work/run/pages.jsonl" <<'PY'
import json, sys
for r in sorted(map(json.loads, open(sys.argv[1])), key=lambda r: r['url']):
    print([r[k] for k in ('url', 'final', 'status', 'error', 'type', 'charset', 'digest', 'depth', 'via', 'robots', 'value')], r['bytes']['body'])
PY
}

# unchanged: how many pages are said to be unchanged, changed, and neither
unchanged() {
	python3 - "$work/run/pages.jsonl" <<'PY'
import json, sys
all = [json.loads(l)['unchanged'] for l in open(sys.argv[1])]
print(all.count(True), all.count(False), all.count(None))
PY
}

# conditional: how many requests had a condition
conditional() {
	grep -c 'if-none-match\|if-modified-since' "$log"
}

# ---- nothing has changed ----
# shellcheck disable=SC2086 # words
crawl --cache --crunch words --warc "$work/w" $starts
is 'the first crawl: exit' $code 0
is 'the first crawl: nothing is known' "$(conditional) $(unchanged)" '0 0 0 20'
facts >"$work/first"
# shellcheck disable=SC2086
crawl --crunch words $starts
is 'without --cache a crawl is not begun again' $code 2
# shellcheck disable=SC2086
crawl --cache --crunch words --warc "$work/w" $starts
is 'again: exit' $code 0
facts >"$work/second"
holds 'again: the results are the same' cmp -s "$work/first" "$work/second"
is 'again: 16 pages are asked for under a condition, 4 have none' "$(conditional) $(wc -l <"$log")" '16 20'
is 'again: all are unchanged' "$(unchanged)" '20 0 0'
has 'again: the summary says so, and counts their words' "$err" '*unchanged since the last crawl: 20*
*most frequent:*20  version*'
is 'ETag and Last-Modified are both sent back' "$(grep -c 'kept/both/.*if-none-match=.*if-modified-since=' "$log")" 4
python3 "$here/warc.py" "$work/w" >"$work/records"
is 'WARC: no fault' $? 0
is 'WARC: revisits' "$(grep -c 'revisit 304 - server-not-modified' "$work/records") $(grep -c 'revisit 200 length identical-payload-digest .*/none/' "$work/records")" '16 4'

# ---- something has ----
echo /kept/etag/2 /kept/date/1 /kept/none/0 >"$work/changed"
# shellcheck disable=SC2086
crawl --cache --crunch words $starts
is 'three pages have changed' "$(unchanged) $(wc -l <"$work/run/pages.jsonl")" '17 3 0 20'
is 'and are fetched' "$(awk '/if-/ { print $5 }' "$log" | wc -l)" 16
# shellcheck disable=SC2086
crawl --cache --crunch words $starts
is 'what they are now is known then' "$(unchanged) $(conditional)" '20 0 0 16'

# ---- what was made of pages otherwise ----
# shellcheck disable=SC2086
crawl --cache --crunch title $starts
is 'another crunch function: all is fetched' "$(conditional) $(grep -c '"title":"[12]"' "$work/run/pages.jsonl") $(unchanged)" '0 20 20 0 0'
cp "$build/.libs/text.so" "$work/text.so"
for round in 1 2; do
	# shellcheck disable=SC2086
	crawl --cache --crunch "$work/text.so:text" $starts
done
is 'the same plugin' "$(conditional) $(grep -c '"value":{"text":"' "$work/run/pages.jsonl")" '16 20'
touch -d '2001-01-01' "$work/text.so"
# shellcheck disable=SC2086
crawl --cache --crunch "$work/text.so:text" $starts
is 'a plugin of another day' "$(conditional)" 0

# ---- what is gone is forgotten, and what was not modified is not a budget's ----
crawl --cache "$url/kept/etag/3"
crawl --cache --max-bytes 100 "$url/kept/etag/3"
is 'bodies that were not sent do not count' "$code $(unchanged)" '0 4 0 0'
is 'two crawls later a page is not known any more' \
	"$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("select count(*) from cache").fetchone()[0])' "$work/run/crawl.db")" 4

# ---- killed in the middle ----
crawl --cache --crunch words "$url/kept/etag/1500"
facts >"$work/first"
: >"$log"
"$oxbow" crawl --allow-net 127.0.0.0/8 --fast --robots off --quiet --run "$work/run" --cache --crunch words "$url/kept/etag/1500" 2>"$work/err" &
crawl=$!
pids="$pids $crawl"
until_ 60 sh -c "[ \$(wc -l <'$log') -ge 300 ]" || fail 'the crawl gets going'
kill -9 $crawl
wait $crawl 2>/dev/null
crawl --cache --resume --crunch words
is 'resumed: exit' $code 0
facts >"$work/second"
holds 'resumed: the results are the same' cmp -s "$work/first" "$work/second"
is 'resumed: all are unchanged' "$(unchanged)" '1501 0 0'
holds 'resumed: what was done is done' test "$(wc -l <"$log")" -lt 1501
is 'resumed: the rest is asked for under a condition' "$(conditional)" "$(wc -l <"$log")"

# ---- a state that somebody has touched, and one from before ----
python3 - "$work/run/crawl.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("update cache set reply = x'00ff' where url like '%/kept/etag/1500'")
db.commit()
PY
crawl --cache --crunch words "$url/kept/etag/1500"
is 'a damaged reply is not believed' "$code $(grep -c '"error":"crunch-failed","reason":"what is known of the page is damaged"' "$work/run/pages.jsonl")" '0 1'
rm -r "$work/run"
crawl --crunch words "$url/kept/etag/3"
python3 - "$work/run/crawl.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("drop table payload")
db.execute("delete from meta where name like 'warc%'")
db.commit()
PY
crawl --cache --crunch words "$url/kept/etag/3"
is 'a folder from before --cache' "$code $(conditional)" '0 0'
crawl --cache --crunch words "$url/kept/etag/3"
is 'knows its pages from then on' "$code $(conditional)" '0 4'

exec 9>&-
wait "$server"
finish
