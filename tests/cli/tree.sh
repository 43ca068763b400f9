#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job's tree: the crawl finds what wget -r finds; and killed at any moment it leaves nothing behind.
. "$(dirname "$0")/lib.sh"
tree=/usr/share/doc/postgresql-doc-15/html
[ -e $tree/index.html ] || { echo 'SKIP: no postgresql-doc-15'; exit 77; }
serve $tree

"$oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words --top 3 --out "$work/pages" "$url/" 2>"$work/err"
is 'exit' $? 0
has 'summary' "$(cat "$work/err")" "pages: $(($(ls $tree/*.html | wc -l) + 1)) of*most frequent:*the*"     # the root, and each
if command -v wget >/dev/null; then
	sed -n 's/.*"final":"http:..[^/]*\([^"]*\)","status":200,.*"type":"text\/html".*/\1/p' "$work/pages" |
		sed 's/^\/$/\/index.html/' | sort -u >"$work/ours"
	mkdir "$work/wget"
	(cd "$work/wget" && wget -q -r -l inf -nH "$url/")
	(cd "$work/wget" && find . -name '*.html' | sed 's/^\.//' | sort) >"$work/theirs"
	is 'pages that only one of oxbow (<) and wget (>) finds' "$(diff "$work/ours" "$work/theirs")" ''
	holds 'there are pages' test "$(wc -l <"$work/theirs")" -gt 1000
fi

mkdir "$work/tmp"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	nonce=$$-tree-$i
	OXBOW_NONCE=$nonce TMPDIR=$work/tmp "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words "$url/" >/dev/null 2>&1 &
	crawl=$!
	sleep "$(awk -v seed="$i$$" 'BEGIN { srand(seed); printf "0.%03d", rand() * 500 }')"
	kill -9 $crawl 2>/dev/null
	wait $crawl 2>/dev/null
	holds "kill -9 number $i: nobody left after a second" until_ 1 nobody_with "$nonce"
done
is 'temporary files' "$(ls "$work/tmp")" ''
is 'shared-memory names' "$(ls /dev/shm | grep -i oxbow)" ''

# Stopped politely it writes what it has, and ends.
for signal in INT TERM; do
	nonce=$$-$signal
	: >"$work/out"          # or the lines of the last round would be taken for a first result
	OXBOW_NONCE=$nonce "$oxbow" crawl --allow-net 127.0.0.0/8 "$url/" >"$work/out" 2>"$work/err" &
	crawl=$!
	until_ 20 test -s "$work/out" || fail "$signal: a first result"
	kill -$signal $crawl
	wait $crawl
	is "$signal: exit" $? "$([ $signal = INT ] && echo 130 || echo 143)"
	has "$signal: message" "$(cat "$work/err")" 'oxbow: crawl: stopped: *'
	holds "$signal: whole lines" python3 -c 'import json, sys
for line in open(sys.argv[1]): json.loads(line)' "$work/out"
	holds "$signal: nobody left" until_ 2 nobody_with "$nonce"
done

# The script of the main job.
"$here/../examples/main-job.sh" "$build" "$work/results" 2>"$work/err"
is 'main-job.sh: exit' $? 0
holds 'main-job.sh: results' test "$(wc -l <"$work/results")" -gt 1000
has 'main-job.sh: summary' "$(cat "$work/err")" '*most frequent:*'
finish
