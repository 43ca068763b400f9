#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow set from outside: finding the run, what it answers, and runs that nobody runs. The runner is test_control, by its socket.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
mkdir -p .oxbow/7f3a01 .oxbow/7f3b02 .oxbow/7f3 .oxbow/norun elsewhere
for run in .oxbow/7f3a01 .oxbow/7f3b02 elsewhere; do
	: >"$run/lock"
done

# served FOLDER: somebody runs it; until two pauses
served() {
	"$build/test_control" "$1" >"$work/serving" &
	runner=$!
	pids="$pids $runner"
	until_ 20 test -s "$work/serving" || { fail 'the runner serves'; exit 1; }
}
served "$work/.oxbow/7f3a01"
run set 7f3a jobs=8 priority=-3 cancel=thumb[3] status
is 'commands, by the beginning of the id' "$code:$out$err" '0:{"jobs":8,"priority":-3,"paused":0,"cancelled":"thumb[3]"}'
run set 7f3a01 jobs=101 jobs=5
is 'a refusal' "$code:$out:$err" '1::oxbow: set: jobs=101: there can be no more than 100'
run set ./.oxbow/7f3a01 jobs=6 status
is 'by its folder; nothing behind a refusal was sent' "$code:$out" '0:{"jobs":6,"priority":-3,"paused":0,"cancelled":"thumb[3]"}'
run set 7f3a jobs=7 frob
has 'all commands are looked at first' "$code:$err" "2:oxbow: set: 'frob' is not known: give jobs=N*"
run set 7f3a jobs=0
has 'a wrong value' "$code:$err" '2:oxbow: set: jobs=0: give a number*'
run set 7f3a "cancel=a
pause"
is 'a newline is no part of a command' "$code:$err" '2:oxbow: set: a command is one line of at most 4096 bytes'
run set 7f3a status
has 'so nothing was sent' "$out" '{"jobs":6,*"paused":0,*'
"$oxbow" set 7f3a status >/dev/full 2>"$work/err"
is 'an answer to a full disk' $? 5
kill -STOP "$runner"
"$oxbow" set 7f3a pause 2>"$work/err" &
asker=$!
pids="$pids $asker"
until_ 20 sh -c "ls -l /proc/$asker/fd | grep -q socket" || fail 'oxbow set connects'
kill -CONT "$runner"
wait $asker
is 'it waits for a runner that is stopped for a while' "$?:$(cat "$work/err")" '0:'
run set 7f3a pause
is 'the last pause: exit' "$code" 0
wait "$runner"
is 'the runner ended well' $? 0
run set 7f3a status
is 'a run that has ended' "$code:$out:$err" '3::oxbow: set: .oxbow/7f3a01 is not alive: nobody runs it at the moment'

served "$work/elsewhere"
kill -9 "$runner"
wait "$runner" 2>/dev/null
holds 'a killed runner leaves its socket' test -S elsewhere/socket
run set elsewhere status
is 'a run whose runner was killed' "$code:$err" '3:oxbow: set: elsewhere is not alive: nobody runs it at the moment'

run set 7f3 status
has 'two runs begin so' "$code:$err" "3:oxbow: set: '7f3' could be 7f3[ab]0[12] or 7f3[ab]0[12]"
: >.oxbow/7f3/lock
run set 7f3 status
is 'a whole id is no beginning' "$code:$err" '3:oxbow: set: .oxbow/7f3 is not alive: nobody runs it at the moment'
for name in 9 norun '' . .. /nonexistent; do
	run set "$name" status
	is "no run '$name'" "$code:$err" "3:oxbow: set: '$name' is no run: neither the folder of one nor the beginning of an id in ./.oxbow"
done
run set
is 'no run' "$code:$err" '2:oxbow: set: which run? (see oxbow set --help)'
run set 7f3a
is 'no command' "$code:$err" '2:oxbow: set: what of it? (see oxbow set --help)'
finish
