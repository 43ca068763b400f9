#!/bin/sh
# SPDX-License-Identifier: MIT
# What comes and goes when oxbow crawl runs: starts from a pipe, the rate, addresses that hosts share, bodies in memory,
# hosts that crawls share, queries that count as one, events, figures, the sandbox of workers.
. "$(dirname "$0")/lib.sh"
hostile

# crawl ARG...: results in $work/out, messages in $err, exit code in $code; the log begins anew
crawl() {
	: >"$log"
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --retry-delay 100ms "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# asked PATH: how often the server was asked for it, by whatever name
asked() {
	awk -v path="$1" '$5 == path { n++ } END { print n + 0 }' "$log"
}

# gap SKIP: the least time between two requests to the server, in ms, but for the first SKIP
gap() {
	sort -n "$log" | awk -v skip="$1" 'NR > skip { if (last && ($1 - last) * 1000 < gap) gap = ($1 - last) * 1000; last = $1 }
		BEGIN { gap = 1e9 } END { printf "%d\n", gap + 0.5 }'
}

# at_once: how many requests were under way at most
at_once() {
	sed 's/.* all=//' "$log" | sort -n | tail -1
}

# ---- starts from a file or a pipe ----
printf '# sites\n\n  %s/p/1 \r\nftp://127.0.0.1/\n%s/p/2\nno url\n%s/p/1#again\n%s/p/3' "$url" "$url" "$url" "$url" >"$work/sites"
crawl --fast --quiet -i "$work/sites" "$url/p/word"
is '-i: each start once, with those of the command line' "$(asked /p/1) $(asked /p/2) $(asked /p/3) $(asked /p/word)" '1 1 1 1'
is '-i: lines that are no URL are said' "$err" "oxbow: crawl: $work/sites:4: this is no http or https URL
oxbow: crawl: $work/sites:6: this is no http or https URL"
is '-i: and known by the exit code' "$code" 3
crawl --fast --quiet -i "$work/none"
has '-i: no such file' "$code:$err" '3:oxbow: crawl: */none: No such file*'
crawl --fast --quiet -i "$work"
has '-i: what cannot be read' "$code:$err" '3:oxbow: crawl: */work: Is a directory'
crawl --fast --quiet -i /dev/null
is '-i: nothing' "$code:$err:$(wc -c <"$work/out")" '0::0'
mkfifo "$work/pipe"
: >"$log"
timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --quiet -i - <"$work/pipe" >"$work/out" 2>"$work/err" &
crawl=$!
pids="$pids $crawl"
exec 8>"$work/pipe"
echo "$url/p/first" >&8
holds '-i -: a line is taken when it comes' until_ 60 grep -q ' /p/first ' "$log"
echo "$url/links?p/second" >&8
holds '-i -: and the next, whose links are in its scope' until_ 60 grep -q ' /p/second ' "$log"
exec 8>&-
wait $crawl
is '-i -: its end is the end' "$? $(wc -l <"$work/out")" '0 3'
"$oxbow" crawl --allow-net 127.0.0.0/8 --fast --quiet --max-time 300ms -i - <"$work/pipe" >"$work/out" 2>"$work/err" &
crawl=$!
pids="$pids $crawl"
exec 8>"$work/pipe"
wait $crawl
is '-i -: a budget does not wait for the writer' $? 4
exec 8>&-
for i in $(seq 2000); do echo "http://127.0.$((i / 250)).$((i % 250 + 1)):$port/p/x"; done >"$work/sites"
crawl --fast --quiet --robots off -i "$work/sites" --run "$work/many"
is '-i: many hosts' "$code $(wc -l <"$work/many/pages.jsonl") $(asked /p/x)" '0 2000 2000'
: >"$log"
crawl --fast --quiet --robots off -i "$work/sites" --run "$work/many" --resume
is '-i: given again, nothing is new' "$code $(wc -l <"$work/many/pages.jsonl") $(asked /p/x)" '0 2000 0'

# ---- the rate ----
crawl --fast --rate 20/s --connections 64 "$url/n/20" "http://127.0.0.2:$port/n/20"
took=$(awk 'NR == 1 { first = $1 } { last = $1 } END { printf "%d", (last - first) * 1000 }' "$log")
is '--rate: all are asked for' "$code $(wc -l <"$log")" '0 44'
holds "--rate: no faster than that ($took ms)" test "$took" -ge 1900
crawl --rate nine "$url/"
has '--rate: no rate' "$code:$err" '2:oxbow: crawl: --rate nine: give 50/s*'

# ---- hosts of one address ----
# Names below localhost are this machine, by RFC 6761 and without asking anybody.
set --
for name in a b c d; do set -- "$@" "http://$name.localhost:$port/n/3"; done
crawl --allow-net ::1 --delay 150ms --connections 16 "$@"
is 'an address: all hosts are asked' "$(wc -l <"$work/out") $(grep -c '"error":null' "$work/out")" '16 16'
holds "an address: its hosts are asked in turn ($(gap 4))" test "$(gap 4)" -ge 110
is 'an address: one request at a time' "$(tail -n +5 "$log" | sed 's/.* all=//' | sort -n | tail -1)" 1
crawl --allow-net ::1 --fast --robots off --connections 16 http://a.localhost:$port/gather/2 http://b.localhost:$port/gather/2
is 'an address: with --fast that does not count' "$(grep -c '"status":200' "$work/out")" 2

# ---- bodies in memory ----
crawl --fast --robots off --max-body 1MiB --mem 3MiB --connections 16 "$url/links?gather/3/1,gather/3/2,gather/3/3,gather/3/4,gather/3/5,gather/3/6"
is '--mem: as many as there is room for' "$(grep -c '"status":200' "$work/out") $(at_once)" '7 3'
crawl --fast --robots off --max-body 2MiB --mem 1MiB "$url/n/20"
is '--mem: one request can always be made' "$(grep -c '"status":200' "$work/out") $(at_once)" '21 1'
crawl --mem 0 "$url/"
is '--mem: no size' "$code" 2

# ---- queries ----
crawl --fast --drop-query 'utm_*' --drop-query sid "$url/links?p/a?utm_source=1,p/a?utm_source=2&utm_medium=x,p/a,p/a?sid=7,p/a?id=1&sid=7,p/a?utm_x=1&id=1,p/a?side=1"
is '--drop-query: one spelling of each is fetched, as it is' "$(grep -c ' /p/a' "$log") $(asked '/p/a?utm_source=1') $(asked '/p/a?id=1&sid=7') $(asked '/p/a?side=1')" '3 1 1 1'
crawl --fast "$url/links?p/b?x=1&y=2,p/b?y=2&x=1"
is 'without --sort-query two orders are two URLs' "$(grep -c ' /p/b' "$log")" 2
crawl --fast --sort-query "$url/links?p/b?x=1&y=2,p/b?y=2&x=1,p/b?x=1&y=3"
is '--sort-query' "$(grep -c ' /p/b' "$log")" 2
crawl --fast --drop-query 'utm_*' "$url/strip?utm_x=1"
is '--drop-query: a redirect to what counts as the same is followed' "$(grep -c '"final":"'"$url"'/strip","status":200' "$work/out") $(asked /strip)" '1 1'
crawl --fast --quiet --drop-query 'utm_*' --run "$work/dropped" "$url/p/c?utm_a=1"
crawl --fast --quiet --drop-query 'utm_*' --run "$work/dropped" --resume "$url/p/c?utm_b=2"
is '--drop-query: what a run knows is known by the same rules' "$code $(wc -l <"$log")" '0 0'

# ---- hosts that crawls share ----
db=$work/hosts.db
: >"$log"
for i in 1 2 3; do
	timeout 120 "$oxbow" crawl --quiet --allow-net 127.0.0.0/8 --delay 300ms --hosts-db "$db" "$url/links?p/$i.1,p/$i.2,p/$i.3" >"$work/out$i" 2>"$work/err$i" &
	pids="$pids $!"
	eval "crawl$i=$!"
done
for i in 1 2 3; do
	eval "wait \$crawl$i"
	is "--hosts-db: crawl $i of three at the same time" "$? $(grep -c '"error":null' "$work/out$i"):$(cat "$work/err$i")" '0 4:'
done
holds "--hosts-db: together they keep one pace ($(gap 0))" test "$(gap 0)" -ge 220
last=$(tail -1 "$log" | cut -d' ' -f1)
crawl --delay 300ms --hosts-db "$db" "$url/p/later" "http://127.0.0.44:$port/p/x"
is '--hosts-db: robots.txt is known' "$(awk -v host="127.0.0.1:$port" '$2 == host && $5 == "/robots.txt"' "$log" | wc -l)" 0
holds '--hosts-db: the delay holds from one crawl to the next' awk -v last="$last" -v host="127.0.0.1:$port" '$2 == host { exit $1 - last < 0.298 }' "$log"
crawl --delay 10ms --hosts-db "$db" "http://127.0.0.44:$port/p/y"
is '--hosts-db: rules that were fetched are obeyed' "$(wc -l <"$log") $(grep -c '"error":"robots"' "$work/out")" '0 1'
crawl --quiet --max-time 1900ms --delay 10ms --hosts-db "$db" "http://127.0.0.45:$port/later/2"
before=$(awk '$5 == "/later/2" { print $1; exit }' "$log")
: >"$log"
crawl --quiet --delay 10ms --hosts-db "$db" "http://127.0.0.45:$port/p/z"
is '--hosts-db: a silence that was asked for' "$(wc -l <"$log") $(grep -c '"error":null' "$work/out")" '1 1'
holds '--hosts-db: holds for others' awk -v before="$before" '{ exit $1 - before < 1.9 }' "$log"
crawl --hosts-db "$work/none/db" "$url/"
has '--hosts-db: what cannot be opened' "$code:$err" '5:oxbow: crawl: */none/db: *'
echo 'this is no database, but a text of some length' >"$work/text"
crawl --hosts-db "$work/text" "$url/"
has '--hosts-db: no database' "$code:$err" '5:oxbow: crawl: */text: *'

# ---- what is written down ----
crawl --fast --retries 1 --fail-on dns --fail-on http-4xx --stats "$work/stats" "$url/links?p/1,status/404"
is '--fail-on: an error of these' "$code" 1
is '--stats' "$(python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); print(s["urls"], s["pages"], s["errors"], s["hosts"], s["exit"])' "$work/stats")" \
	"3 2 {'http-4xx': 1} 1 1"
crawl --fast --fail-on http-5xx --stats - --quiet "$url/status/404"
has '--fail-on: no error of these, --stats on standard error' "$code:$err" '0:{"urls":1,*"errors":{"http-4xx":1},*"exit":0}'
crawl --fail-on misfortune "$url/"
has '--fail-on: no such error' "$code:$err" '2:oxbow: crawl: --fail-on misfortune: there is no such error*'
crawl --fast --stats "$work/none/x" "$url/p/1"
is '--stats: what cannot be written' "$code" 5
crawl --fast --retries 1 --events "$work/events1" "$url/links?p/1,flaky/1,status/404"
crawl --fast --max-bytes 1 --events "$work/events2" "$url/n/3"
: >"$log"
timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --quiet --events fd:3 "$url/silent" 3>"$work/events3" >"$work/out" 2>"$work/err" &
crawl=$!
pids="$pids $crawl"
until_ 60 grep -q ' /silent ' "$log" || fail 'it is asked for'
kill -TERM $crawl
wait $crawl
is '--events: a crawl that is stopped' $? 143
holds '--events: they tell the story' python3 - "$work" <<'PY'
import json, sys
def events(n):
    found = [json.loads(line) for line in open(f'{sys.argv[1]}/events{n}')]
    assert [e['n'] for e in found] == list(range(1, len(found) + 1)) and found[0]['ev'] == 'run' and found[-1]['ev'] == 'end'
    return found
one = events(1)
def of(path, ev):
    return [e for e in one if e['ev'] == ev and e['url'].endswith(path)]
assert [e['for'] for e in one if e['ev'] == 'fetch'][:2] == ['robots', 'page']
assert [e['attempt'] for e in of('/flaky/1', 'fetch')] == [1, 2] and of('/flaky/1', 'again')[0]['why'] == 'http-5xx'
assert of('/flaky/1', 'result')[0]['attempt'] == 2 and of('/status/404', 'result')[0]['error'] == 'http-4xx'
assert of('/p/1', 'result')[0]['http'] == 200 and one[-1]['ok'] == 3 and one[-1]['failed'] == 1
two, three = events(2), events(3)
assert [e['why'] for e in two if e['ev'] == 'halt'] == ['--max-bytes'] and two[-1]['exit'] == 4 and two[-1]['skipped'] > 0
assert three[-1]['exit'] == 143 and three[-1]['interrupted'] == 1
PY
if python3 -c 'import jsonschema' 2>/dev/null; then
	holds '--events: every line is as the schema says' python3 -c '
import json, jsonschema, sys
check = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for file in sys.argv[2:]:
    for line in open(file):
        check.validate(json.loads(line))
' "$here/../../cli/oxbow-events.schema.json" "$work"/events?
else
	echo 'SKIP: no python3-jsonschema, so the schema is not tested'
fi
crawl --fast --events /dev/full "$url/p/1"
has '--events: a full disk' "$code:$err" '5:*oxbow: crawl: cannot write the events: No space left*'
crawl --fast --events fd:77 "$url/p/1"
has '--events: no such descriptor' "$code:$err" '5:oxbow: crawl: cannot write the events to fd:77: Bad file descriptor'

# ---- the sandbox ----
crawl --fast --crunch "$build/.libs/trouble.so:trouble" "$url/p/socket"
has 'without a sandbox a crunch function opens a socket' "$(cat "$work/out")" '*"value":{"socket":true,*'
crawl --fast --sandbox --crunch "$build/.libs/trouble.so:trouble" "$url/p/socket" "$url/p/good"
if [ "$code" = 6 ]; then
	has 'a sandbox that is not there is said to be missing' "$err" '*cannot start the workers*'
	echo 'SKIP: built without a sandbox'
else
	has 'in a sandbox it does not' "$(grep /p/socket "$work/out")" '*"error":"crunch-failed","reason":"the sandbox does not allow socket()"*"value":null*'
	has 'others do' "$(grep /p/good "$work/out")" '*"error":null,*"value":{"text":*'
	crawl --fast --sandbox --crunch "$build/.libs/text.so:text" "$url/c/gb" "$url/c/cyr" "$url/c/utf16" "$url/c/none" "$url/c/latin" "$url/c/odd"
	is 'charsets are there in it' "$(grep -c '"error":null' "$work/out"):$(grep -o '"text":"[^"]*"' "$work/out" | sort | tr '\n' ' ')" \
		'8:"text":"/c/%D0%9F?q=%CFpage/c/%D0%9F?q=%CF" "text":"/c/t?q=%D6%D0page/c/t?q=%D6%D0" "text":"café" "text":"café" "text":"héllo" "text":"odd" "text":"Приветx" "text":"中文x" '
fi

exec 9>&-
wait "$server"
finish
