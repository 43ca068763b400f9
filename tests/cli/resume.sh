#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl --run: killed at any moment it goes on where it was, and the end is that of a crawl nobody disturbed.
. "$(dirname "$0")/lib.sh"
hostile
pages=3000
site=$url/site/7/$pages/0

# crawl DIR ARG...
crawl() {
	dir=$1
	shift
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words --run "$dir" "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# facts DIR WHAT: the URLs with results (each line is one, and whole), or those that the state says are done
facts() {
	python3 - "$1" "$2" <<'PY'
import json, sqlite3, sys
run, what = sys.argv[1:]
if what == 'results':
    urls = [json.loads(l)['url'] for l in open(run + '/pages.jsonl')]
elif what == 'values':
    urls = [json.dumps([r['url'], r['value'], r['depth'] >= 0, r['digest']]) for r in map(json.loads, open(run + '/pages.jsonl'))]
else:
    db = sqlite3.connect(run + '/crawl.db')
    urls = [u for u, in db.execute('select url from url where state = 1')]
print('\n'.join(sorted(urls)))
PY
}

crawl "$work/whole" "$site"
is 'undisturbed: exit' $code 0
is 'undisturbed: all pages' "$(facts "$work/whole" results | wc -l)" $pages
is 'undisturbed: nothing on standard output' "$(wc -c <"$work/out")" 0

resume=
for round in 1 2 3; do
	: >"$log"
	# shellcheck disable=SC2086 # words
	"$oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words --quiet --run "$work/killed" $resume "$site" >"$work/out" 2>"$work/err" &
	crawl=$!
	pids="$pids $crawl"
	# As many requests as the round and the clock say: nobody knows what the keeper is doing then.
	least=$((100 * round + $(date +%N | cut -c7-9 | sed "s/^0*//;s/^$/0/") % 200))
	until_ 60 sh -c "[ \$(wc -l <'$log') -ge $least ]" || fail "case 15: round $round gets going"
	kill -9 $crawl
	wait $crawl 2>/dev/null
	resume=--resume
	facts "$work/killed" done >"$work/done$round"
	is "case 15: round $round: nothing of what was done is asked for again" \
		"$( [ $round = 1 ] || awk '{ print $5 }' "$log" | sort | sed "s|^|$url|" | comm -12 - "$work/done$((round - 1))" | wc -l)" "$([ $round = 1 ] || echo 0)"
	holds "case 15: round $round gets on" test "$(wc -l <"$work/done$round")" -gt "$([ $round = 1 ] && echo 0 || wc -l <"$work/done$((round - 1))")"
done
: >"$log"
crawl "$work/killed" --resume
is 'case 15: exit' $code 0
has 'case 15: says that it goes on' "$err" '*goes on: * URLs are done, * wait*'
facts "$work/whole" values >"$work/a"
facts "$work/killed" values >"$work/b"
holds 'case 15: the results are those of an undisturbed crawl' cmp -s "$work/a" "$work/b"
is 'case 15: what was done is not asked for again' "$(awk '{ print $5 }' "$log" | sort | sed "s|^|$url|" | comm -12 - "$work/done3" | wc -l)" 0
: >"$log"
crawl "$work/killed" --resume
is 'a crawl that is done is done' "$code $(wc -l <"$log") $(facts "$work/killed" results | wc -l)" "0 0 $pages"

# ---- stopped politely, and results that somebody has touched ----
"$oxbow" crawl --allow-net 127.0.0.0/8 --quiet --delay 5s --run "$work/stopped" "$url/n/20" 2>"$work/err" &
crawl=$!
until_ 60 test -s "$work/stopped/pages.jsonl"
crawl "$work/stopped" "$url/n/20"
is 'two crawls of one folder' $code 75
has 'the second one says why' "$err" '*stopped is locked by process*'
kill -TERM $crawl
wait $crawl
is 'SIGTERM: exit' $? 143
crawl "$work/stopped" "$url/n/20"
is 'without --resume it is not gone on with' $code 2
cp "$work/stopped/pages.jsonl" "$work/kept"
printf '{"url":"half' >>"$work/stopped/pages.jsonl"
crawl "$work/stopped" --resume
is 'half a line is cut off' "$code $(facts "$work/stopped" results | wc -l)" '0 21'
: >"$work/stopped/pages.jsonl"
crawl "$work/stopped" --resume
is 'results that are gone are said to be' $code 5
crawl "$work/none" --resume
is 'nothing to go on with, and no URL' $code 2
crawl "$work/whole" --out -
is 'results in a pipe cannot be gone on with' $code 2

# ---- a budget, and more of it ----
crawl "$work/budget" --max-pages 50 "$site"
is 'a budget: exit' "$code $(facts "$work/budget" results | wc -l)" '4 50'

# ---- redirects are remembered ----
: >"$log"
crawl "$work/hops" "$url/hop/2"
crawl "$work/hops" --resume "$url/hop/0"
is 'where a redirect led is known' "$code $(grep -c ' /hop/0 ' "$log")" '0 1'

exec 9>&-
wait "$server"
finish
