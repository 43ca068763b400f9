#!/bin/sh
# SPDX-License-Identifier: MIT
# The commands that look at durable runs: ls, status, log, why. make_run records the runs.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

run ls
is 'ls: no runs are no fault' "$code:$out:$err" '0::'
run status
has 'status: no runs' "$code:$err" '3:oxbow: status: there is no run in ./.oxbow*'

"$build/make_run" sample .oxbow/7f3a12 || exit 1
"$build/make_run" dead .oxbow/7f3b || exit 1
"$build/make_run" sample elsewhere || exit 1
mkfifo fifo
"$build/make_run" live .oxbow/live1 <fifo >started &
pids="$pids $!"
live=$!
exec 9>fifo
until_ 20 grep -q 'goes on' started || fail 'the live run starts'

# ---- ls ----

run ls
is 'ls: exit' "$code:$err" 0:
has 'ls: a head' "$(echo "$out" | head -1)" 'RUN *STATE *OK *FAILED *BEGAN *COMMAND'
has 'ls: the newest first, running' "$(echo "$out" | sed -n 2p)" 'live1 *running *4 *3 *20??-*oxbow batch -j4 echo'
has 'ls: killed' "$(echo "$out" | sed -n 3p)" '7f3b *interrupted *4 *3 *'
has 'ls: ended' "$(echo "$out" | sed -n 4p)" '7f3a12 *ended *4 *3 *'
is 'ls: no more' "$(echo "$out" | wc -l)" 4
run ls --json
holds 'ls --json' python3 -c '
import json, sys
runs = [json.loads(line) for line in open(sys.argv[1])]
assert [r["state"] for r in runs] == ["running", "interrupted", "ended"], runs
assert all(r["ok"] == 4 and r["failed"] == 2 and r["timeout"] == 1 and r["skipped"] == 1 for r in runs)
assert runs[2]["exit"] == 1 and runs[2]["ended"] > runs[2]["began"] and "ended" not in runs[0]
assert runs[0]["argv"] == ["oxbow", "batch", "-j4", "echo"]
' "$work/out"
run ls x
has 'ls: takes no word' "$code:$err" "2:oxbow: ls: 'x': *"
mkdir .oxbow/broken && touch .oxbow/broken/lock && yes nonsense | head -c 20000 >.oxbow/broken/run.db
run ls
has 'ls: one that cannot be read' "$code:$err" '3:oxbow: ls: cannot open .oxbow/broken/run.db: *'
is 'ls: the others are listed' "$(echo "$out" | wc -l)" 4
rm -r .oxbow/broken

# ---- status ----

run status
has 'status: the newest' "$code:$out" "0:run       7f3a, running by process $live on *"
run status elsewhere
has 'status: a folder' "$code:$out" '0:run *ended with exit 1*folder *elsewhere*'
run status 7f3a
has 'status: the beginning of an id' "$out" '*folder *.oxbow/7f3a12*'
run status 7f3
has 'status: of two' "$code:$err" "3:oxbow: status: '7f3' could be * or *"
run status nope
has 'status: none such' "$code:$err" "3:oxbow: status: there is no run 'nope', *"
run status 7f3b
has 'status: counts' "$out" '*jobs *4 ok, 2 failed, 1 timeout, 1 skipped, 1 left of 9 (88.9% done)*'
has 'status: tasks' "$out" '*1 *1 *0 *0  words*'
has 'status: a failure' "$out" '*4  exit 3 *0.700 s  *words?2??: work *a b*'
run status 7f3b -n1
has 'status: so many failures' "$out" '*failed, the last 1 of 3:*'
is 'status: not more' "$(echo "$out" | sed '1,/^failed/d' | wc -l)" 1
run status 7f3b --json
holds 'status --json' python3 -c '
import json, sys
s = json.load(open(sys.argv[1]))
assert s["state"] == "interrupted" and s["jobs"] == 9 and s["left"] == 1 and s["ok"] == 4 and s["rate"] > 0, s
assert [t["name"] for t in s["tasks"]] == ["pages", "words", "th\"umb<1>", "total", "late"]
assert s["tasks"][1]["failed"] == 1 and s["tasks"][0]["kind"] == "fetch" and s["tasks"][3]["left"] == 1
assert [f["job"] for f in s["failures"]] == [4, 7, 6] and s["failures"][0]["exit"] == 3 and s["failures"][1]["status"] == "timeout"
assert s["failures"][0]["argv"] == ["work", "words[2]", "a b"]
' "$work/out"
run status a b
has 'status: one at a time' "$code:$err" '2:oxbow: status: one run at a time'
run status --failures=x
has 'status: no number' "$code:$err" '2:oxbow: status: --failures*'
"$oxbow" status 7f3b >/dev/full 2>err
has 'status: a full disk' "$?:$(cat err)" '5:oxbow: cannot write to standard output: No space left*'

# ---- log ----

run log 7f3a 1
is 'log: by number' "$code:$out:$err" '0:page one:'
run log 7f3a 'pages[2]'
is 'log: by name, from a file' "$code:$(wc -c <"$work/out")" 0:29999
run log 7f3a 5
is 'log: bytes as they are, and standard error apart' "$(od -An -tx1 "$work/out" | tr -d ' '):$err" 'ff0a:warned'
run log --stderr 7f3a 7
is 'log: standard error alone' "$out:$err" 'too slow:'
run log 7f3a 5 --stdout
is 'log: standard output alone' "$err" ''
run log 7f3a 77
is 'log: none such' "$code:$err" "3:oxbow: log: no job '77' is on record"
run log 7f3b -f total
is 'log -f: of a run that is over' "$code:$err" "3:oxbow: log: no job 'total' is on record"
run log live1 total
is 'log: not yet' "$code:$err" "3:oxbow: log: no end of a job 'total' is on record yet (-f waits for it)"
run log
has 'log: which job' "$code:$err" '2:oxbow: log: which job?*'
rm .oxbow/7f3a12/blobs/*
run log 7f3a 2
has 'log: a file that is gone' "$code:$err" '3:oxbow: log: *blobs/1-2.out: No such file*'

# ---- why ----

run why 7f3b 4
has 'why: failed' "$code:$out" "0:job 4 'words?2?': exit 3*work *it failed*attempt 1: exit 3 after 200 ms*attempt 2: exit 3 after 700 ms*"
has 'why: its standard error, safe for a terminal' "$out" '*| <script>*\\377\\033*'
has 'why: what it comes after' "$out" '*it comes after:*pages (ok): as it must, 2 ok*'
run why 7f3b late
has 'why: skipped' "$out" '*it was skipped: *reason: words failed*words (ok): not as it must, 1 ok, 1 failed*'
run why 7f3b total
has 'why: not on record' "$code:$out" '0:total: it will be skipped*words (any): as it must*'
run why 7f3b 7
has 'why: time' "$out" '*it was ended: it had had its time*too slow*'
run why 7f3b 1
has 'why: succeeded' "$out" '*it succeeded*'
run why 7f3b 'words[7]'
has 'why: one of a task' "$code" 0
run why 7f3b nothing
is 'why: none such' "$code:$err" "3:oxbow: why: no job 'nothing' is on record"

# ---- what is not Oxbow's, or of tomorrow ----

if command -v sqlite3 >/dev/null; then
	cp -r elsewhere newer
	sqlite3 newer/run.db 'pragma user_version = 9'
	run status newer
	has 'a newer schema is refused' "$code:$err" '3:oxbow: status: newer/run.db was recorded by a newer Oxbow (schema 9, *'
	sqlite3 newer/run.db 'pragma application_id = 1'
	run report newer
	is 'another database is refused' "$code:$err" '3:oxbow: report: newer/run.db is not the database of a run'
else
	echo 'SKIP: no sqlite3, so a newer schema is not tested here'
fi

# ---- a run that ends meanwhile ----

"$oxbow" log live1 total -f >followed 9>&- &
follower=$!
pids="$pids $follower"
exec 9>&-
wait $follower
is 'log -f: waits for the end' "$?:$(cat followed)" '0:the sum'
wait $live
run status live1
has 'status: ended since' "$out" '*ended with exit 1*0 left of 9 (100.0% done)*'
# Nothing of that was written: looking leaves a run as it was.
before=$(cksum elsewhere/run.db)
run status elsewhere; run why elsewhere 4; run report elsewhere
is 'looking changes nothing' "$(cksum elsewhere/run.db)" "$before"
finish
