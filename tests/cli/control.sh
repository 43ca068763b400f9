#!/bin/sh
# SPDX-License-Identifier: MIT
# How oxbow run controls its jobs: retries, limits of time, halts, starts, what a job is given, and how its output is shown.
. "$(dirname "$0")/lib.sh"

# ---- retries ----

# Case 10: fails twice, succeeds: three attempts, each knows its number, one result is shown.
run run --retries 3 --backoff 100ms -c "echo \$OXBOW_ATTEMPT >>$work/attempts; echo try \$OXBOW_ATTEMPT; test \$OXBOW_ATTEMPT = 3" ::: x
is 'case 10: exit' $code 0
is 'case 10: attempts' "$(echo $(cat "$work/attempts"))" '1 2 3'
is 'case 10: one result' "$out$err" 'try 3'
run run --retries 2 -c "echo x >>$work/tries; exit 1" ::: 1
is 'case 10: tries are used up' "$code:$(wc -l <"$work/tries"):$err" '1:2:oxbow: run: 1 of 1 jobs failed (exit 1: 1)'
run run --retries 0 -c "echo x >>$work/endless; test \$(wc -l <$work/endless) = 7" ::: 1
is 'case 10: --retries 0 goes on until it succeeds' "$code:$(wc -l <"$work/endless")" 0:7
run run --retries 5 --retry-on 'exit:75 signal:9' -c 'echo x >>$2; exit $1' ::: 1 75 :::+ "$work/r1" "$work/r75"
is 'case 18: --retry-on' "$code:$(wc -l <"$work/r1"):$(wc -l <"$work/r75")" 1:1:5
run run --retries 2 --retry-on timeout --timeout 0.2 -c "echo x >>$work/late; exec sleep 20" ::: 1
is 'case 18: --retry-on timeout' "$code:$(wc -l <"$work/late")" 1:2
seq 300 | "$oxbow" run -j8 --retries 4 --backoff 1ms..5ms -c 'test $OXBOW_ATTEMPT -gt $(($1 % 4))' 2>"$work/err"
is 'many retries: exit' "$?:$(cat "$work/err")" 0:
run run -j1 --retries 2 --backoff 30s --halt soon,done=1 -c 'test $1 = 2' ::: 1 2
is 'a job that waits for its retry does not keep a halted run' "$code" 4

# ---- limits of time ----

# Case 9: TERM first, the whole group.
nonce=$$-case9
before=$(date +%s%N)
OXBOW_NONCE=$nonce timeout 60 "$oxbow" run --timeout 0.3 -c 'sleep 50 & sleep 50' ::: 1 2>"$work/err"
is 'case 9: exit' $? 1
holds 'case 9: soon' test $((($(date +%s%N) - before) / 1000000)) -lt 15000
is 'case 9: message' "$(cat "$work/err")" 'oxbow: run: 1 of 1 jobs failed (timeout: 1)'
holds 'case 9: nobody left' nobody_with "$nonce"
# A job that ignores TERM: three of them, then KILL.
run run --timeout 0.5 --joblog "$work/log" -c "trap 'echo got' TERM; while :; do sleep 0.01; done" ::: 1
is 'case 9: TERM is ignored: exit' $code 1
is 'case 9: TERM is ignored: killed by KILL' "$(tail -1 "$work/log" | cut -f7,8)" "$(printf '%s\t9' -1)"
has 'case 9: TERM came before' "$out" 'got*'
run run --timeout 0.3 --term-seq INT,30000,KILL --joblog "$work/log" -c "exec sleep 20" ::: 1
is '--term-seq: the first signal was enough' "$(tail -1 "$work/log" | cut -f8)" 2
# What left the group goes too.
nonce=$$-escaped
OXBOW_NONCE=$nonce W=$work timeout 60 "$oxbow" run -j1 --timeout 1 -c 'test $1 = 2 && exec touch $W/second
	setsid sh -c "setsid sleep 71 & : >\$W/away; sleep 72" & until [ -e $W/away ]; do sleep 0.01; done; sleep 73' ::: 1 2 2>"$work/err" &
runner=$!
pids="$pids $runner"
until_ 20 test -e "$work/second" || fail 'escaped: the second job starts'
wait $runner
is 'case 9: what left the group is found: exit' $? 1
holds 'case 9: what left the group is gone' nobody_with "$nonce"
# A share of the median: the slow one is ended, once three have shown what is usual.
run run -j1 --timeout 1000% -c 'test $1 = 5 && exec sleep 50; sleep 0.05' ::: 1 2 3 4 5
is 'case 19: N% of the median' "$code:$err" '1:oxbow: run: 1 of 5 jobs failed (timeout: 1)'
run run --deadline 0.4 -j1 sleep ::: 0 50 50
is '--deadline: exit' $code 4
has '--deadline: message' "$err" 'oxbow: run: halting (deadline)*1 jobs were stopped, 1 were not run'

# ---- halt ----

nonce=$$-halt
OXBOW_NONCE=$nonce timeout 60 "$oxbow" run -j2 --halt now,fail=1 --exit=job -c 'test $1 = 2 && exit 42; sleep 50' ::: 1 2 3 4 2>"$work/err"
is 'case 7: --halt now,fail=1 --exit=job' $? 42
holds 'case 7: running jobs are gone' nobody_with "$nonce"
run run -j2 --halt now,fail=1 -c 'test $1 = 2 && exit 42; sleep 50' ::: 1 2 3 4
is 'case 7: --halt now,fail=1' $code 4
run run --exit=count -c 'exit $1' ::: 0 1 2
is 'case 7: --exit=count' $code 2
seq 120 | "$oxbow" run --quiet --exit=count false
is 'case 7: --exit=count: 101 are more than 100' $? 101
# Case 8: of a hundred jobs the odd ones fail: none starts after the second failure.
seq 100 >"$work/hundred"
run run -j1 -a "$work/hundred" --halt soon,fail=2 --events "$work/events" -c "echo \$1 >>$work/ran; exit \$((\$1 % 2))"
is 'case 8: exit' $code 4
is 'case 8: no job starts after the second failure' "$(echo $(cat "$work/ran"))" '1 2 3'
has 'case 8: they are skipped' "$(tail -1 "$work/events")" '*"ok":1,"failed":2,"interrupted":0,"skipped":*"exit":4}'
run run -j2 --halt soon,fail=1 -c "test \$1 = 1 && exit 1; until [ -s $work/err ]; do sleep 0.02; done; echo finished" ::: 1 2 3
is 'case 8: soon: who runs may finish' "$code:$out" 4:finished
run run -j1 --halt soon,success=2 -c 'echo $1' ::: 1 2 3 4
is 'case 20: success' "$code:$(echo $out)" '4:1 2'
run run -j1 --halt soon,done=50% -c 'echo $1' ::: 1 2 3 4
is 'case 20: done=N%' "$code:$(echo $out)" '4:1 2'
run run -j1 --halt never false ::: 1 2 3
is 'case 20: never' "$code:$err" '1:oxbow: run: 3 of 3 jobs failed (exit 1: 3)'

# ---- starts ----

run run -j4 --delay 0.15 -c 'date +%s%N' ::: 1 2 3 4
is '--delay: exit' $code 0
holds '--delay: no two starts within it' sh -c 'sort -n | awk "NR > 1 && \$1 - last < 100e6 { bad = 1 } { last = \$1 } END { exit bad }"' <"$work/out"
before=$(date +%s%N)
run run -j8 --rate 5/s true ::: 1 2 3 4 5
holds '--rate: four tokens take 0.8 s' test $((($(date +%s%N) - before) / 1000000)) -ge 790
run run -j2 --load 100000 --memfree 1M true ::: 1 2
is '--load and --memfree that are met' "$code:$err" 0:
if [ -r /proc/pressure/cpu ]; then
	run run --psi 'cpu<100,io<100,memory<100' true ::: 1
	is '--psi that is met' "$code:$err" 0:
else
	run run --psi 'cpu<60' true ::: 1
	has '--psi where there is none' "$code:$err" '2:oxbow: run: --psi*'
fi

# 25: SIGUSR1 gives a slot more, SIGUSR2 takes one.
W=$work timeout 60 "$oxbow" run -j1 -c ': >$W/slot.$1; until [ -e $W/slots ]; do sleep 0.02; done; echo $OXBOW_SLOT' ::: 1 2 3 4 \
	>"$work/out" 2>"$work/err" &
timeout=$!
pids="$pids $timeout"
until_ 20 test -e "$work/slot.1" || fail 'USR1: the first job starts'
runner=$(cat /proc/$timeout/task/$timeout/children)
kill -USR1 $runner
holds 'case 25: USR1: a second job starts' until_ 20 test -e "$work/slot.2"
holds 'case 25: USR1: and no third' test ! -e "$work/slot.3"
kill -USR2 $runner
until_ 20 grep -q '1 job at' "$work/err" || fail 'USR2: it says so'
: >"$work/slots"
wait $timeout
is 'case 25: exit' $? 0
is 'case 25: messages' "$(cat "$work/err")" "$(printf 'oxbow: run: 2 jobs at a time\noxbow: run: 1 job at a time')"
is 'case 25: all jobs ran' "$(wc -l <"$work/out")" 4

# ---- what a job is given ----

mkdir "$work/d1" "$work/d2"
printf in1 >"$work/d1/f"
run run -k --cwd "$work/{}" -c 'pwd' ::: d1 d2 none
is '--cwd' "$out" "$(printf '%s\n%s' "$work/d1" "$work/d2")"
has '--cwd that is not there' "$code:$err" '1:*cannot change to its folder: No such file*(exit 126: 1)'
run run --stdin "$work/{}/f" -c cat ::: d1
is '--stdin FILE' "$code:$out" 0:in1
run run --stdin "$work/{}/f" -c cat ::: d2
has '--stdin FILE that is not there' "$code:$err" '1:*cannot open its input: No such file*'
run run --stdin '=hello {}' -c cat ::: you
is '--stdin =TEXT' "$out" 'hello you'
run run -c 'wc -c' ::: 1
is 'no input by default' "$out" 0
run run --env A=1 --env 'B=x y' -c 'echo $A $B $OXBOW_SEQ $OXBOW_JOB $OXBOW_SLOT $OXBOW_ATTEMPT' ::: v
is '--env and our own' "$out" '1 x y 1 1 1 1'
SECRET=1 "$oxbow" run --clean-env --env K=v -c env ::: 1 >"$work/out"
is '--clean-env' "$(grep -c SECRET "$work/out"):$(grep '^K=' "$work/out"):$(grep -c '^PATH=' "$work/out")" 0:K=v:1
run run --limit nofile=50,core=0 --nice 3 -c 'ulimit -n; ulimit -c; nice' ::: 1
is '--limit, --nice' "$(echo $out)" "50 0 $(($(nice) + 3))"

# ---- output ----

# Case 34: lines as they come, and whole.
W=$work timeout 60 "$oxbow" run --lb -j2 -c 'printf half; echo " line $1"; until [ -e $W/lines ]; do sleep 0.02; done; printf end' ::: 1 2 >"$work/out" &
pids="$pids $!"
two_lines() { [ "$(wc -l <"$work/out")" = 2 ]; }
holds 'case 34: --lb: lines are shown before the job ends' until_ 20 two_lines
: >"$work/lines"
wait $!
is 'case 34: --lb: lines are whole' "$(head -2 "$work/out" | sort)" "$(printf 'half line 1\nhalf line 2')"
is 'case 34: --lb: what has no newline is shown too' "$(tail -n +3 "$work/out")" endend
run run --lb nothing-such ::: 1
has 'case 34: --lb: our own messages are shown' "$err" 'oxbow: run: nothing-such: not found*'
run run -k --tag='{#}-{/}' echo x ::: a/b c
is 'case 35: --tag=T' "$out" "$(printf '1-b\tx a/b\n2-c\tx c')"
esc=$(printf '\033')
run run -k --color=always --tag echo ::: a b
is 'case 35: colours of tags' "$out" "$(printf '%s[32ma%s[0m\ta\n%s[33mb%s[0m\tb' "$esc" "$esc" "$esc" "$esc")"
run run -k --color=always printf 'x\ny' ::: a
is 'case 35: colours of lines' "$out" "$(printf '%s[32mx%s[0m\n%s[32my%s[0m' "$esc" "$esc" "$esc" "$esc")"
run run --color --tag echo ::: a
is 'case 35: no colour where there is no terminal' "$out" "$(printf 'a\ta')"
# Case 33: with -k a job that was never begun holds up nothing.
run run -k -j2 --halt now,fail=1 -c 'test $1 = 1 && sleep 50; echo $1; exit 1' ::: 1 2 3
is 'case 33: -k and a halt' "$code:$out" 4:2

# Case 45: the progress line is for terminals.
run run --bar --eta sleep ::: 0.3
is 'case 45: no bar where there is no terminal' "$code:$out$err" 0:
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	has 'case 45: a bar on a terminal' "$(script -qec "stty cols 60; $oxbow run --bar sleep ::: 0.4 0.1" /dev/null </dev/null | tr '\r' '\n')" '*1/2*1 running*'
else
	echo 'SKIP: no terminal can be made here, so the bar is not tested'
fi
is 'temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
finish
