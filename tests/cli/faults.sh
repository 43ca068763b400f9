#!/bin/sh
# SPDX-License-Identifier: MIT
# Faults of oxbow run: signals of each kind, jobs that will not end or leave others behind, the runner killed, no descriptors.
. "$(dirname "$0")/lib.sh"

# begin NAME OPTIONS TEXT VALUES...: a run of sh -c TEXT; each job makes a file started.VALUE first. $runner is its pid.
begin() {
	nonce=$$-$1
	options=$2
	text=$3
	shift 3
	rm -f "$work"/started.* "$work"/ended.*
	# shellcheck disable=SC2086 # the options are words
	OXBOW_NONCE=$nonce W=$work "$oxbow" run -j2 $options -c ": >\$W/started.\$1; $text; : >\$W/ended.\$1" ::: "$@" >"$work/out" 2>"$work/err" &
	runner=$!
	pids="$pids $runner"
	until_ 20 test -e "$work/started.$1" -a -e "$work/started.$2" || fail "$nonce: two jobs start"
}

# 55: HUP drains.
begin hup '' 'until [ -e $W/go ]; do sleep 0.02; done; echo $1' 1 2 3 4
kill -HUP "$runner"
until_ 20 test -s "$work/err"
: >"$work/go"
wait "$runner"
is 'HUP: exit' $? 129
is 'HUP: running jobs finish, no new one starts' "$(sort "$work/out" | tr '\n' ' '):$(ls "$work" | grep -c '^started')" '1 2 :2'
is 'HUP: message' "$(cat "$work/err")" 'oxbow: run: hangup: 2 running jobs may finish'
rm "$work/go"
(trap '' HUP; exec "$oxbow" run -c ": >$work/nohup; until [ -e $work/go ]; do sleep 0.02; done" ::: 1) 2>"$work/err" &
runner=$!
pids="$pids $runner"
until_ 20 test -e "$work/nohup"
kill -HUP $runner
: >"$work/go"
wait $runner
is 'HUP that is ignored stays so' "$?:$(cat "$work/err")" 0:
rm "$work/go"

# INT three times kills, whatever the term-seq is.
begin int3 '--term-seq TERM,600000,KILL --joblog '"$work/log" 'trap "" TERM INT; while :; do sleep 0.05; done' 1 2 3
kill -INT "$runner"
until_ 20 test -s "$work/err"
kill -INT "$runner"
until_ 20 grep -q 'to kill them' "$work/err" || fail 'INT twice: message'
kill -INT "$runner"
wait "$runner"
is 'case 13: INT three times: exit' $? 130
holds 'case 13: INT three times: nobody left' nobody_with "$nonce"
is 'case 13: none is recorded as done' "$(wc -l <"$work/log")" 1

# QUIT kills at once.
begin quit '--term-seq TERM,600000,KILL' 'trap "" TERM QUIT; while :; do sleep 0.05; done' 1 2 3
kill -QUIT "$runner"
wait "$runner"
is 'QUIT: exit' $? 131
holds 'QUIT: nobody left' nobody_with "$nonce"

# TERM goes through the term-seq.
begin term '--term-seq INT,600000,KILL' 'trap "exit 5" INT; while :; do sleep 0.05; done' 1 2 3
kill -TERM "$runner"
wait "$runner"
is 'TERM: the term-seq is followed: exit' $? 143
has 'TERM: what was stopped' "$(cat "$work/err")" '*2 jobs were stopped, 1 were not run'
holds 'TERM: nobody left' nobody_with "$nonce"

# Drained while nothing more comes on standard input: it does not wait for that.
mkfifo "$work/fifo"
sleep 600 >"$work/fifo" &
writer=$!
pids="$pids $writer"
"$oxbow" run echo <"$work/fifo" >"$work/out" 2>"$work/err" &
runner=$!
pids="$pids $runner"
until_ 20 sh -c "kill -INT $runner; sleep 0.2; test -s '$work/err'" 2>/dev/null
wait $runner
is 'INT while the input is silent: exit' $? 130
kill $writer

# 28: TSTP stops everything and the clocks, CONT goes on.
begin tstp '--timeout 8' 'until [ -e $W/go ]; do sleep 0.02; done' 1 2
# Stopped, or it has ended just before that.
stopped() { ! grep -q '^State:.*[RSD] ' "/proc/$1/status" 2>/dev/null; }
kill -TSTP "$runner"
holds 'TSTP: the runner stops' until_ 20 stopped "$runner"
for pid in $(with_nonce "$nonce"); do
	case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
	sh*) holds 'TSTP: a job stops' until_ 20 stopped "$pid" ;;
	esac
done
sleep 9         # longer than the limit: what is tested is that this time does not count
kill -CONT "$runner"
: >"$work/go"
wait "$runner"
is 'CONT: the time in between did not count' "$?:$(cat "$work/err")" 0:
rm "$work/go"

# kill -9 at any moment, while jobs are retried, ended, recorded.
seq 100000 >"$work/numbers"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	nonce=$$-random-$i
	OXBOW_NONCE=$nonce "$oxbow" run -a "$work/numbers" -j4 --retries 3 --backoff 1ms..10ms --timeout 0.05 --joblog "$work/log" \
		--results "$work/tree" --events "$work/events" sh -c 'setsid sleep 30 & sleep 0.0$(({} % 9)) & exit $(({} % 3))' >/dev/null 2>&1 &
	runner=$!
	sleep "$(awk -v seed="$i$$" 'BEGIN { srand(seed); printf "0.%03d", rand() * 500 }')"
	kill -9 "$runner"
	wait "$runner" 2>/dev/null
	holds "kill -9 number $i: nobody left after two seconds" until_ 2 nobody_with "$nonce"
	holds "kill -9 number $i: whole lines of the job log" sh -c "! tail -n +2 '$work/log' | grep -vqE '^[0-9]+	:	'"
done

# A job that leaves a daemon with its output open is over all the same, and the daemon ends with the run.
nonce=$$-daemon
OXBOW_NONCE=$nonce timeout 60 "$oxbow" run -j1 -c 'setsid sh -c "echo \$\$; sleep 600" & sleep 0.2; echo $1' ::: 1 2 3 >"$work/out"
is 'a daemon that holds the output: exit' $? 0
is 'a daemon that holds the output: nothing of it is lost' "$(wc -l <"$work/out")" 6
holds 'a daemon that holds the output: gone at the end' until_ 1 nobody_with "$nonce"
# But a child in the job's group belongs to it.
run run -c '(sleep 0.3; echo late) & echo early' ::: 1
is 'output of what stays in the group is waited for' "$(echo $out)" 'early late'

# No descriptors: a clear word, and nothing left.
nonce=$$-fds
(ulimit -n 40 && OXBOW_NONCE=$nonce exec timeout 60 "$oxbow" run -j30 sleep ::: $(seq -s ' ' 2 2 120)) >/dev/null 2>"$work/err"
is 'no descriptors: exit' $? 6
has 'no descriptors: message' "$(cat "$work/err")" 'oxbow: run: cannot make a pipe (fewer jobs at a time may help): Too many open files'
holds 'no descriptors: nobody left' until_ 1 nobody_with "$nonce"

# Output that is huge, through --lb and through the spill file.
"$oxbow" run --lb head -c 100000000 ::: /dev/zero | wc -c >"$work/out"
is 'huge output without a newline, --lb' "$(cat "$work/out")" 100000000
holds 'closed output is a halt' sh -c "{ timeout 60 '$oxbow' run --lb yes ::: a b; echo \$? >'$work/code'; } 2>'$work/err' | head -1 >/dev/null"
is 'closed output is a halt: exit' "$(cat "$work/code"):$(cat "$work/err")" 141:
is 'temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
finish
