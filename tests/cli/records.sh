#!/bin/sh
# SPDX-License-Identifier: MIT
# What oxbow run writes down: the job log that GNU parallel reads, the tree of results, the events and their schema.
. "$(dirname "$0")/lib.sh"
schema=$here/../../cli/oxbow-events.schema.json

# ---- job log (38) ----

run run -k --joblog "$work/log" -c 'echo $1; exit $1' ::: 0 1 0
is 'joblog: exit' "$code:$(echo $out)" '1:0 1 0'
is 'joblog: header' "$(head -1 "$work/log")" "$(printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand')"
holds 'joblog: the nine columns, byte for byte' sh -c "! tail -n +2 '$work/log' |
	grep -vE '^[0-9]+	:	[0-9]{10}\.[0-9]{3}	[ 0-9]{6}\.[0-9]{3}	0	2	[01]	0	sh -c '\''echo \\\$1; exit \\\$1'\'' sh [01]\$'"
is 'joblog: one line a job' "$(wc -l <"$work/log")" 4
run run --joblog "+$work/log" true ::: x
is 'joblog: +FILE appends, with one header' "$(grep -c Seq "$work/log"):$(wc -l <"$work/log")" 1:5
run run --joblog "$work/log" -c 'kill -9 $$' ::: 1
is 'joblog: a signal' "$(tail -1 "$work/log" | cut -f7,8)" "$(printf '0\t9')"
run run --joblog "$work/log" nothing-such ::: 1
is 'joblog: no program' "$(tail -1 "$work/log" | cut -f7,8)" "$(printf '127\t0')"
run run --joblog "$work/log" printf '%s' ::: "$(printf 'a\nb')"
is 'joblog: a newline is a NUL byte, as GNU parallel has it' "$(tail -1 "$work/log" | cut -f9 | tr '\0' '@')" "printf %s 'a@b'"
# Case 15: bytes are raw there.
printf 'a\377b\0' | "$oxbow" run -0 --joblog "$work/log" --events "$work/events" printf '%s' >/dev/null
has 'case 15: raw in the job log' "$(tail -1 "$work/log" | od -An -tx1 | tr -d ' \n')" '*61ff62*'
has 'case 15: base64 in the events' "$(cat "$work/events")" '*"values":[[]{"$b64":"Yf9i"}[]]*'
# What was interrupted is not in it, so that it is done again.
run run -j2 --joblog "$work/log" --halt now,fail=1 -c 'test $1 = 2 && exit 1; sleep 50' ::: 1 2 3
is 'case 13: what was interrupted is not recorded as done' "$(tail -n +2 "$work/log" | cut -f1)" 2

if command -v parallel >/dev/null; then
	PARALLEL_HOME=$work/parallel
	export PARALLEL_HOME
	mkdir "$PARALLEL_HOME"
	"$oxbow" run --quiet --joblog "$work/log" -c 'exit $1' ::: 0 1 0 1
	parallel --will-cite --resume --joblog "$work/log" echo ran ::: 0 1 0 1 5 >"$work/out" 2>"$work/err" </dev/null
	is 'case 20: GNU parallel --resume reads it' "$?:$(cat "$work/out")" '0:ran 5'
	"$oxbow" run --quiet --joblog "$work/log" -c 'exit $1' ::: 0 1 0 1
	parallel --will-cite -j1 --resume-failed --joblog "$work/log" echo again ::: 0 1 0 1 >"$work/out" 2>"$work/err" </dev/null
	is 'case 20: GNU parallel --resume-failed reads it' "$?:$(echo $(cat "$work/out"))" '0:again 1 again 1'
	"$oxbow" run --quiet --joblog "$work/log" -c "echo \"\$1\" >>$work/rerun; exit 1" ::: "a 'quoted'  \$value"
	rm "$work/rerun"
	parallel --will-cite --retry-failed --joblog "$work/log" >/dev/null 2>"$work/err" </dev/null
	is 'case 20: GNU parallel --retry-failed runs the command that it says' "$(cat "$work/rerun")" "a 'quoted'  \$value"
	# And ours reads its log.
	parallel --will-cite -k -j1 --joblog "$work/log" 'echo {}; exit {}' ::: 0 1 2 0 >/dev/null 2>&1 </dev/null
	run run -k -j1 --resume-failed --joblog "$work/log" -c 'echo "again $1"; exit 0' ::: 0 1 2 0 5
	is 'case 20: the failed and the missing ones run' "$code:$(echo $out)" '0:again 1 again 2 again 5'
	run run --resume-failed --joblog "$work/log" -c 'echo again' ::: 0 1 2 0 5
	is 'case 20: then nothing is left' "$code:$out" '0:'
	is 'case 20: there is one header' "$(grep -c Seq "$work/log"):$(wc -l <"$work/log")" 1:8
	parallel --will-cite --resume-failed --joblog "$work/log" echo ran ::: 0 1 2 0 5 6 >"$work/out" 2>"$work/err" </dev/null
	is 'case 20: GNU parallel reads it back' "$?:$(cat "$work/out")" '0:ran 6'
	parallel --will-cite -j1 --timeout 1 --joblog "$work/log" sleep ::: 0 9 >/dev/null 2>&1 </dev/null
	run run --retry-failed --joblog "$work/log" -c 'echo again $1' ::: 0 9 0
	is 'case 20: a timeout of GNU parallel is a failure' "$code:$out" '0:again 9'
	parallel --will-cite -0 --joblog "$work/log" printf %s ::: "$(printf 'a\nb')" c >/dev/null 2>&1 </dev/null
	run run --resume --joblog "$work/log" echo ::: "$(printf 'a\nb')" c d
	is 'case 20: a newline in a command' "$code:$out" '0:d'
else
	echo 'SKIP: no GNU parallel, so that it reads our job log is not tested'
fi

# ---- going on from a job log (40) ----

run run --joblog "$work/log" -k -j1 -c 'echo $1; exit $1' ::: 0 1 2
run run --resume --joblog "$work/log" -k -c 'echo $1' ::: 0 1 2 3
is 'resume: what has ended does not run, and its failures count' "$code:$(echo $out):$err" '1:3:oxbow: run: 2 of 4 jobs failed (exit 1: 1, exit 2: 1)'
run run --retry-failed --joblog "$work/log" -k -j1 -c 'echo $1; exit $(($1 - 1))' ::: 0 1 2 3 4
is 'retry-failed: what has failed, and nothing else' "$code:$(echo $out)" '1:1 2'
run run --resume-failed --joblog "+$work/log" -k --dry-run echo ::: 0 1 2 3 4
is 'a dry run shows what would be run' "$code:$out" "0:echo 2
echo 4"
is 'the last line of a job has it, and lines are added' "$(cut -f1,7 "$work/log" | tr '\t\n' ': ')" 'Seq:Exitval 1:0 2:1 3:2 4:0 2:0 3:1 '
printf '4\t:\t1795343324.154\t     0.001\t0\t0\t0\t0\techo' >>"$work/log"
run run --resume-failed --joblog "$work/log" -k -j1 echo ::: 0 1 2 3 4
is 'a line without an end is none' "$code:$(echo $out)" '0:2 4'
holds 'and nothing is left of it' sh -c "! tail -n +2 '$work/log' | grep -vE '^[0-9]+	:	[^	]*	[^	]*	0	[0-9]+	[0-9]+	0	.'"
is 'but what was added' "$(tail -1 "$work/log" | cut -f1,9)" "$(printf '5\techo 4')"
rm "$work/log"
run run --resume --joblog "$work/log" echo ::: 1
is 'no log yet' "$code:$out:$(wc -l <"$work/log")" 0:1:2
echo 'dear diary' >"$work/diary"
run run --resume --joblog "$work/diary" echo ::: 1
is 'another file is left alone' "$code:$err:$(cat "$work/diary")" "3:oxbow: run: cannot resume from the job log: $work/diary:1: this is no job log: it does not begin with Seq:dear diary"
printf dear >"$work/diary"
run run --resume --joblog "$work/diary" echo ::: 1
is 'also one without a line' "$code:$(cat "$work/diary")" 3:dear
printf '1\t:\n' >>"$work/log"
run run --resume --joblog "$work/log" echo ::: 1
has 'a line that is none' "$code:$err" "3:*/log:3: this is no line of a job log"
mkdir "$work/folder"
run run --resume --joblog "$work/folder" echo ::: 1
has 'a folder' "$code:$err" '3:oxbow: run: cannot resume from the job log: Is a directory'
for how in --resume --resume-failed --retry-failed; do
	run run $how echo ::: 1
	has "$how alone" "$code:$err" '2:oxbow: run: --resume, *: give the folder of the run with --run, or the log that it has written with --joblog'
done
run run --resume --ephemeral --run "$work/x" echo ::: 1
is 'resume: an ephemeral run has no folder' "$code" 2
echo true >"$work/list"
run batch --resume --joblog "$work/log" "$work/list"
has 'a job file has no job log to go on from' "$code:$err" '2:oxbow: batch: --resume, *: give the folder of the run with --run'

# ---- results (37) ----

run run -k --results "$work/tree" -c 'echo out $1; echo err $1 >&2; exit $1' ::: 0 3
is 'results: output is shown as ever' "$code:$(echo $out)" '1:out 0 out 3'
is 'results: files' "$(cd "$work/tree" && find . -type f | sort | tr '\n' ' ')" \
	'./1/record.json ./1/stderr ./1/stdout ./2/record.json ./2/stderr ./2/stdout '
is 'results: content' "$(cat "$work/tree/1/stdout" "$work/tree/2/stderr")" "$(printf 'out 0\nerr 3')"
holds 'results: the record' python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
assert r["job"] == 2 and r["exit"] == 3 and r["status"] == "failed" and r["out"] == 6 and r["err"] == 6, r
assert r["argv"][-1] == "3" and r["wall"] >= 0 and r["maxrss"] > 100000 and r["user"] + r["sys"] >= 0, r
' "$work/tree/2/record.json"
run run --results "$work/by/{1}/{2}" -c 'echo $1$2' ::: a b ::: 1 2
is 'results: places in the path' "$(cat "$work/by/b/1/stdout")" b1
run run --results "$work/by/{}" true ::: ../../outside
has 'results: a value does not lead out of the tree' "$code:$err" '5:oxbow: run: cannot write the results: *'
holds 'results: nothing was written outside' test ! -e "$work/../outside" -a ! -e "$work/outside"

# A place whose regular expression costs too much leaves half a word, which is nowhere used.
costly=$(printf 'a%.0s' $(seq 60))b
run run --joblog "$work/costly" --cwd '/tmp{/^(a+)+$/x/}' echo {} ::: "$costly"
has 'a costly place of the folder fails the job' "$code:$err" '1:*its regular expression costs too much*'
is 'and its line in the job log has no command' "$(tail -1 "$work/costly" | cut -f7-9)" "$(printf '126\t0\t')"
run run --results "$work/costly-tree/{/^(a+)+$/x/}" echo {} ::: "$costly"
has 'a costly place of the results is said' "$code:$err" '5:oxbow: run: cannot write the results: *'
holds 'and nothing is written' test ! -e "$work/costly-tree"
run run --results "$work/lb" --lb -c 'echo a; head -c 200000 /dev/zero | tr "\0" x' ::: 1
is 'results: with --lb too, and big ones' "$(wc -c <"$work/lb/1/stdout"):$(wc -c <"$work/out")" 200002:200002
run run --results /proc/nothing true ::: 1
has 'results: where nothing can be written' "$code:$err" '5:oxbow: run: cannot write the results: *'
run run --joblog /nonexistent/log true ::: 1
has 'joblog: where nothing can be written' "$code:$err" '5:oxbow: run: cannot write the job log /nonexistent/log: No such file*'
"$oxbow" run --joblog /dev/full true ::: 1 2>"$work/err"
has 'joblog: a full disk' "$?:$(cat "$work/err")" '5:oxbow: run: cannot write the job log */dev/full: No space left*'

# A disk that is full half-way, if we may make one.
mkdir "$work/small"
if mount -t tmpfs -o size=64k none "$work/small" 2>/dev/null; then
	run run -j1 --results "$work/small/r" -c 'head -c 40000 /dev/zero' ::: 1 2 3 4
	has 'results: a disk that gets full' "$code:$err" '5:oxbow: run: cannot write the results: No space left*'
	rm -rf "$work/small/r"
	seq 100000 | "$oxbow" run -j2 --joblog "$work/small/log" true >/dev/null 2>"$work/err"
	has 'joblog: a disk that gets full' "$?:$(cat "$work/err")" '5:oxbow: run: cannot write the job log: No space left*'
	seq 100000 | "$oxbow" run -j2 --events "$work/small/events" true >/dev/null 2>"$work/err"
	has 'events: a disk that gets full' "$?:$(cat "$work/err")" '5:oxbow: run: cannot write the events: No space left*'
	umount "$work/small"
else
	echo 'SKIP: no tmpfs can be mounted here, so a disk that gets full is not tested'
fi

# ---- events (48) ----

run run -k --events "$work/events" --retries 2 --halt soon,fail=2 -c 'exit $1' ::: 0 1 2
"$oxbow" run --events fd:3 true ::: 1 3>"$work/events2"
is 'events: fd:N' "$(grep -c . "$work/events2")" 4
"$oxbow" run --events fd:3 -c 'ls -l /proc/self/fd >&2' ::: 1 3>"$work/events3" 2>"$work/err"
holds 'events: jobs do not inherit the descriptor' sh -c "! grep -q events3 '$work/err'"
run run --events fd:77 true ::: 1
has 'events: no such descriptor' "$code:$err" '5:oxbow: run: cannot write the events to fd:77: Bad file descriptor'
run run --events fd:x true ::: 1
has 'events: no number' "$code:$err" '5:oxbow: run: cannot write the events to fd:x: *'
{ "$oxbow" run -j1 --events fd:3 sleep ::: 0.3 0.3 3>&1 >/dev/null 2>"$work/err"; echo $? >"$work/code"; } | :
is 'events: nobody reads them' "$(cat "$work/code"):$(cat "$work/err")" '5:oxbow: run: cannot write the events: Broken pipe'
run run --events "$work/events4" --timeout 0.2 sleep ::: 20
printf 'b\377\0' | "$oxbow" run -0 --events "$work/events5" true
if python3 -c 'import jsonschema' 2>/dev/null; then
	holds 'events: every line is as the schema says' python3 -c '
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
check = jsonschema.Draft202012Validator(schema)
for file in sys.argv[2:]:
    for line in open(file):
        check.validate(json.loads(line))
' "$schema" "$work"/events*
else
	echo 'SKIP: no python3-jsonschema, so the schema is not tested'
fi
holds 'events: they are numbered, and tell the story' python3 -c '
import json, sys
events = [json.loads(line) for line in open(sys.argv[1])]
assert [e["n"] for e in events] == list(range(1, len(events) + 1))
assert events[0]["ev"] == "run" and events[0]["v"] == 1 and events[0]["jobs"] == 3 and events[0]["argv"][:2] == ["oxbow", "run"]
assert events[-1]["ev"] == "end" and events[-1]["exit"] == 4 and events[-1]["failed"] == 2, events[-1]
for job, status in (1, "ok"), (2, "failed"), (3, "failed"):
    own = [e for e in events if e.get("job") == job]
    assert own[0]["ev"] == "start" and own[0]["pid"] > 1 and own[-1]["ev"] == "finish" and own[-1]["status"] == status, own
assert [e["why"] for e in events if e["ev"] == "retry" and e["job"] == 2] == ["exit:1"]
assert [e["why"] for e in events if e["ev"] == "halt"] == ["fail=2"]
assert all(a["t"] <= b["t"] + 0.01 for a, b in zip(events, events[1:]))
' "$work/events"
is 'events: a timeout' "$(grep -c '"status":"timeout","exit":0,"signal":15' "$work/events4")" 1
# Case 39: what the processes of a job took.
run run --events "$work/events" -c 'head -c 300000000 /dev/zero | tail -c 1 | wc -c; i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done' ::: 1
holds 'case 39: CPU time and memory' python3 -c '
import json, sys
e = [e for e in map(json.loads, open(sys.argv[1])) if e["ev"] == "finish"][0]
assert 0 < e["user"] + e["sys"] < 1000 and 500000 < e["maxrss"] < 1 << 32, e
' "$work/events"
finish
