#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow set on a run that is going on, and what its jobs need at the same time.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
"$oxbow" run --run "$work/probe" true ::: x 2>"$work/err" || {
	grep -q SQLite "$work/err" && { echo 'SKIP: built without SQLite'; exit 77; }
}

# What runs now: its values, in order.
now() {
	ls "$work/live" | tr '\n' ' '
}
runs() {
	[ "$(now)" = "$1" ]
}
cat >job <<'EOF'
#!/bin/sh
: >"live/$1"
trap 'rm -f "live/$1"; exit 9' TERM
while [ ! -e "end/$1" ]; do sleep 0.05; done
rm "live/$1"
EOF
chmod +x job
mkdir live end
"$oxbow" run -j1 --run R --term-seq TERM,5000,KILL,25 ./job ::: 1 2 3 4 5 6 7 >out 2>err &
runner=$!
pids="$pids $runner"
until_ 20 runs '1 ' || fail 'one job runs'
run set R jobs=2
until_ 20 runs '1 2 ' || fail 'jobs=2: two run'
has 'status' "$("$oxbow" set R status)" '{"id":*"jobs":2,"paused":false,"total":7,"done":0,"failed":0,*"running":[[]{"job":1,*{"job":2,*'
run set R pause cancel=3
is 'several at once' "$code:$err" '0:'
: >end/1
until_ 20 runs '2 ' || fail 'pause: what runs goes on'
run set R cancel=2
until_ 20 runs '' || fail 'cancel=2: it ends'
run set R resume
until_ 20 runs '4 5 ' || fail 'resume: two run, and 3 does not'
run set R jobs=1
: >end/4
until_ 20 runs '5 ' || fail 'jobs=1: one goes on'
run set R jobs=1000
has 'too many' "$code:$err" '1:*jobs=1000: there can be no more than*'
: >end/5; : >end/6; : >end/7
wait $runner
is 'exit' $? 1
has 'what was cancelled has failed, or was not begun' "$(cat err)" '*1 of 6 jobs failed (exit 9: 1), 1 skipped*'
run set R status
has 'the run has ended' "$code:$err" '3:*is not alive*'
holds 'its socket is gone' test ! -e R/socket

# Needs.
cat >use <<'EOF'
#!/bin/sh
echo "$1 $(cat /proc/sys/kernel/random/uuid) ${OXBOW_POOL_gpu-}" >>used
mkdir "taken/${OXBOW_POOL_gpu-x}" || echo "twice: ${OXBOW_POOL_gpu-}" >>twice
sleep 0.05
rmdir "taken/${OXBOW_POOL_gpu-x}"
EOF
chmod +x use
mkdir taken
run run -j8 --pool gpu=a,b --need gpu=1 ./use ::: 1 2 3 4 5 6 7 8
is 'a pool with names: exit' "$code:$err" '0:'
is 'its tokens are given' "$(cut -d' ' -f3 used | sort -u | tr '\n' ' ')" 'a b '
holds 'to one job at a time' test ! -e twice
run run -j8 --pool db:1 --need db=1 ./use ::: 1 2 3 4
is 'a pool of one' "$code:$(cat twice 2>/dev/null)" '0:'
run run -j2 --need cpu=2 ./use ::: 1 2 3 4
is 'cpu=2 of -j2: one at a time' "$code:$(cat twice 2>/dev/null)" '0:'
run run -j2 --need cpu=3 true ::: 1
has 'what can never be' "$code:$err" '3:*cpu*'
run run --need gpu=1 true ::: 1
has 'no such pool' "$code:$err" '3:*gpu*'

cat >jobs.yaml <<'EOF'
limits: {pools: {disk: 1}}
jobs:
  a: {each: {values: [1, 2, 3]}, need: {disk: 1}, run: [./use, "{}"]}
  b: {need: {disk: 1}, run: [./use, b]}
EOF
rm -f used
run batch --ephemeral -j4 jobs.yaml
is 'a job file: pools and needs' "$code:$err:$(cat twice 2>/dev/null):$(wc -l <used)" '0:::4'
printf 'limits: {pools: {disk: 1}}\njobs:\n  a: {need: {disk: 2}, run: [true]}\n' >jobs.yaml
run batch jobs.yaml
has 'a job file: what can never be has a place' "$code:$err" '3:*jobs.yaml:3:*disk*'

# oxbow log -f of a job that runs: what it writes comes as it comes, once, and that of the next attempt, too.
cat >slow <<'EOF'
#!/bin/sh
echo "attempt $OXBOW_ATTEMPT"
echo oops >&2
head -c 200000 /dev/zero | tr '\0' x
until [ -e "go$OXBOW_ATTEMPT" ]; do sleep 0.05; done
[ "$OXBOW_ATTEMPT" = 2 ] || exit 1
printf '\377end\n'
EOF
chmod +x slow
"$oxbow" run --run S --retries 2 ./slow ::: 1 >slow.out 2>slow.err &
runner=$!
pids="$pids $runner"
until_ 20 test -e S/run.db || fail 'log -f: the run begins'
"$oxbow" log S 1 -f >followed 2>complaints &
follower=$!
pids="$pids $follower"
said() {
	[ "$(wc -c <followed)" = "$1" ]
}
until_ 20 said 200010 || fail "log -f: what is written is there: $(wc -c <followed)"
: >go1
until_ 20 said 400020 || fail "log -f: and that of the next attempt: $(wc -c <followed)"
: >go2
wait $runner
is 'log -f: the run' $? 0
wait $follower
is 'log -f: ends with the job' "$?:$(wc -c <followed)" '0:400025'
is 'log -f: byte for byte' "$(tail -c 200015 followed | cmp - slow.out && echo same)" same
is 'log -f: standard error' "$(tr '\n' ' ' <complaints)" 'oops oops '

finish
