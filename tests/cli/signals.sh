#!/bin/sh
# SPDX-License-Identifier: MIT
# Stopping oxbow run: Ctrl-C once and twice (batch case 13), TERM, kill -9 of the runner, and no process left.
. "$(dirname "$0")/lib.sh"

# begin NAME TEXT VALUES...: starts a run of sh -c TEXT; each job makes a file started.VALUE first. $runner is its pid.
begin() {
	nonce=$$-$1
	text=$2
	shift 2
	rm -f "$work"/started.* "$work"/ended.*
	OXBOW_NONCE=$nonce W=$work "$oxbow" run -j2 -c ": >\$W/started.\$1; $text; : >\$W/ended.\$1" ::: "$@" >"$work/out" 2>"$work/err" &
	runner=$!
	pids="$pids $runner"
	until_ 20 test -e "$work/started.$1" -a -e "$work/started.$2" || fail "$nonce: two jobs start"
}

# Case 13: once: what runs finishes, nothing starts.
begin once 'until [ -e $W/go ]; do sleep 0.02; done; echo $1' 1 2 3 4
kill -INT "$runner"
until_ 20 test -s "$work/err"
: >"$work/go"
wait "$runner"
is 'case 13: INT once: exit' $? 130
is 'case 13: INT once: running jobs finish' "$(sort "$work/out" | tr '\n' ' ')" '1 2 '
is 'case 13: INT once: no new job' "$(ls "$work" | grep -c '^started')" 2
is 'case 13: INT once: one line' "$(cat "$work/err")" \
	'oxbow: run: interrupted: 2 running jobs may finish; Ctrl-C again to stop them'
rm "$work/go"
holds 'case 13: INT once: nobody left' until_ 1 nobody_with "$nonce"

# Case 13: twice: what runs is ended, its children too.
begin twice 'sleep 60 & sleep 60; true' 1 2 3 4
kill -INT "$runner"
until_ 20 test -s "$work/err"
before=$(date +%s%N)
kill -INT "$runner"
wait "$runner"
is 'case 13: INT twice: exit' $? 130
holds 'case 13: INT twice: soon' test $((($(date +%s%N) - before) / 1000000)) -lt 3000
is 'case 13: INT twice: no job ended by itself' "$(ls "$work" | grep -c '^ended')" 0
holds 'case 13: INT twice: nobody left' until_ 1 nobody_with "$nonce"

# TERM ends jobs at once, those that ignore it too.
begin term 'trap "" TERM; sleep 60' 1 2 3
kill -TERM "$runner"
wait "$runner"
is 'TERM: exit' $? 143
holds 'TERM: nobody left' until_ 1 nobody_with "$nonce"

# kill -9 of the runner: jobs, and what they left behind, are gone within a second.
begin kill9 'setsid sleep 61 & sleep 60 & wait' 1 2 3
kill -9 "$runner"
wait "$runner" 2>/dev/null
holds 'kill -9: nobody left after a second' until_ 1 nobody_with "$nonce"

# The same at random moments of a run with many short jobs.
seq 100000 >"$work/numbers"
for i in 1 2 3 4 5 6 7 8 9 10; do
	nonce=$$-random-$i
	OXBOW_NONCE=$nonce "$oxbow" run -a "$work/numbers" -j4 sh -c 'sleep 0.01 & echo {}' >/dev/null 2>&1 &
	runner=$!
	sleep "$(awk -v seed="$i$$" 'BEGIN { srand(seed); printf "0.%03d", rand() * 300 }')"
	kill -9 "$runner"
	wait "$runner" 2>/dev/null
	holds "kill -9 number $i: nobody left after a second" until_ 1 nobody_with "$nonce"
done

# A job that leaves a daemon behind does not leave it behind the run.
nonce=$$-daemon
OXBOW_NONCE=$nonce "$oxbow" run -c 'setsid sleep 60 >/dev/null 2>&1 &' ::: 1
is 'a daemon: exit' $? 0
holds 'a daemon ends with the run' until_ 1 nobody_with "$nonce"

# The process that starts the jobs is killed: said, not hung.
begin reaper 'exec sleep 60' 1 2 3
for pid in $(with_nonce "$nonce"); do
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != oxbow-reaper ] || kill -9 "$pid"
done
wait "$runner"
is 'no reaper: exit' $? 6
has 'no reaper: message' "$(cat "$work/err")" 'oxbow: run: the process that starts the jobs is gone*'
holds 'no reaper: jobs are gone' until_ 1 nobody_with "$nonce"

is 'temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
finish
