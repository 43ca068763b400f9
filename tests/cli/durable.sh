#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs that leave a record: resumed after kill -9 they have done each job, the recorded ones once.
. "$(dirname "$0")/lib.sh"
"$oxbow" run --run "$work/probe" true ::: x 2>"$work/err" || {
	grep -q SQLite "$work/err" && { echo 'SKIP: built without SQLite'; exit 77; }
}

recorded() {
	python3 -c '
import sqlite3, sys
c = sqlite3.connect("file:" + sys.argv[1] + "/run.db?mode=ro", uri=True)
print(*[r[0] for r in c.execute(sys.argv[2])])' "$1" "$2"
}
counted() {
	[ "$(recorded "$1" 'select count(*) from job')" -ge "$2" ] 2>/dev/null
}

# Case 11: kill -9 half-way.
nonce=n$$
OXBOW_NONCE=$nonce "$oxbow" run -j2 --run "$work/T" --env "RAN=$work/ran" -c 'echo $1 >>"$RAN"; sleep 0.01; echo out $1' :::: - >"$work/first" 2>/dev/null <<EOF &
$(seq 200)
EOF
runner=$!
pids="$pids $runner"
until_ 60 counted "$work/T" 60 || fail 'case 11: 60 jobs are recorded'
kill -9 $runner
wait $runner 2>/dev/null
until_ 20 nobody_with "$nonce" || fail 'case 11: no process of the run is left'
before=$(recorded "$work/T" 'select count(*) from job')
seq 200 | "$oxbow" run -j2 --run "$work/T" --resume --env "RAN=$work/ran" -c 'echo $1 >>"$RAN"; sleep 0.01; echo out $1' >"$work/second" 2>"$work/err"
is 'case 11: resumed: exit' $? 0
is 'case 11: all have run' "$(sort -nu "$work/ran" | wc -l)" 200
holds "case 11: the $before recorded ones ran once" test "$(wc -l <"$work/ran")" -le $((200 + 200 - before))
again=$(sort -n "$work/ran" | uniq -d | wc -l)
holds "case 11: only what was not recorded ran twice ($again)" test "$again" -le 4
is 'case 11: every output was shown' "$(sort -u "$work/first" "$work/second" | grep -c '^out')" 200
run run --run "$work/T" --resume --env "RAN=$work/ran" -c 'echo $1 >>"$RAN"; sleep 0.01; echo out $1' ::: 1 2
is 'a third time: nothing is left to do' "$code:$out" '0:'
lines=$(wc -l <"$work/ran")
run run --run "$work/T" -c 'true' ::: 1
has 'a record is not overwritten' "$code:$err" "5:*holds a run already*"

# Case 12: what runs at the moment of the kill is gone within 2 seconds, and the lock with it.
OXBOW_NONCE=$nonce "$oxbow" run -j2 --run "$work/S" sleep ::: 60 60 2>/dev/null &
runner=$!
pids="$pids $runner"
sleeping() {
	[ "$(with_nonce "$nonce" | wc -l)" -ge 4 ]
}
until_ 20 sleeping || fail 'case 12: two jobs sleep'
run run --run "$work/S" --resume sleep ::: 60 60
has 'a run that is going on is not resumed' "$code:$err" "75:*$runner*"
kill -9 $runner
wait $runner 2>/dev/null
until_ 20 nobody_with "$nonce" || fail 'case 12: nothing is left'

# Identity: the list may change, and be in another order.
run run -k --run "$work/I" -c 'echo $1; test $1 != b' ::: a b c
is 'identity: first' "$code:$(echo $out)" '1:a b c'
run run -k --run "$work/I" --resume -c 'echo $1; test $1 != b' ::: c x b a y
is 'identity: only what is new' "$code:$(echo $out)" '1:x y'
run run -k --run "$work/I" --resume-failed -c 'echo $1; test $1 != b' ::: c x b a y z
is 'identity: and what has failed' "$code:$(echo $out)" '1:b z'
run run -k --run "$work/I" --retry-failed -c 'echo $1; test $1 != b' ::: new b a
is 'identity: what has failed, and nothing else' "$code:$(echo $out)" '1:b'
run run -k --run "$work/I" --resume -c 'echo "$1"; test $1 != b' ::: a
is 'identity: another command is another job' "$(echo $out)" 'a'
run run -k --run "$work/E" echo ::: same same
run run -k --run "$work/E" --resume echo ::: same same same
is 'identity: equal jobs are counted' "$out" same

# Case 13: what was interrupted is run again.
cat >"$work/job" <<'EOF'
#!/bin/sh
echo >"$BEGUN"
[ -e "$QUICK" ] || sleep 50
echo done
EOF
chmod +x "$work/job"
BEGUN=$work/begun QUICK=$work/quick "$oxbow" run --run "$work/D" "$work/job" ::: 1 >/dev/null 2>&1 &
runner=$!
pids="$pids $runner"
until_ 20 test -e "$work/begun" || fail 'case 13: the job has begun'
kill -TERM $runner
wait $runner
is 'case 13: TERM' $? 143
is 'case 13: it is recorded as interrupted' "$(recorded "$work/D" 'select status from job')" 3
: >"$work/quick"
BEGUN=$work/begun QUICK=$work/quick run run --run "$work/D" --resume "$work/job" ::: 1
is 'case 13: and runs again' "$code:$out" '0:done'

# oxbow resume: the command line that began it, again.
cd "$work" || exit 1
cat >again.yaml <<'EOF'
jobs:
  a: {each: {values: [1, 2, 3]}, sh: 'echo {} >>did; echo "{\"n\": {}}"; test ! -e "stop{}"'}
  b: {foreach: a, sh: 'echo b {a.exit} >>did; cat {a.body}'}
  c: {after: {a: any}, run: [cat], stdin: "{a[*].body}"}
EOF
: >stop2
run batch again.yaml
is 'batch: one fails' "$code:$(sort did | tr '\n' ' ')" '1:1 2 3 b 0 b 0 '
first=$(echo .oxbow/*)
run resume
is 'resume: nothing is left to do' "$code:$out:$(ls .oxbow | wc -l)" '1::1'
rm stop2
(cd / && "$oxbow" resume --failed "$work/$first") >out 2>err
is 'resume --failed: exit' $? 0
is 'only what failed, what is made from it, and whose input has changed' "$(sort did | tr '\n' ' ')" '1 2 2 3 b 0 b 0 b 0 '
is 'resume --failed: output' "$(grep -c '"n": 2' out):$(grep -c blobs out)" 2:3
: >did
run resume --only 'a[3]' --only 1
is 'resume --only: these, whatever became of them' "$code:$(sort did | tr '\n' ' '):$(sort "$work/out" | tr '\n' ' ')" '0:1 3 :{"n": 1} {"n": 3} '
run resume --only a
is 'resume --only: a whole task' "$(sort did | tr '\n' ' ')" '1 1 2 3 3 '
run resume --only a --failed
has 'resume --only --failed' "$code:$err" '2:*leave out --failed*'
run resume nothing-such
is 'resume: no such run' "$code" 3
cd "$build" || exit 1

# Output that is long lies in a file, and comes whole.
run run --run "$work/L" -c 'head -c 3000000 /dev/zero | tr "\0" x' ::: 1
is 'long output' "$code:$(wc -c <"$work/out"):$(ls "$work/L/blobs" | wc -l)" 0:3000000:1

# What cannot be recorded ends the run, and is said.
mkdir "$work/blocked"; : >"$work/blocked/file"
run run --run "$work/blocked/file/x" true ::: 1
has 'no folder' "$code:$err" '5:*blocked/file*'
for how in group job off; do
	run run --run "$work/how-$how" --durable=$how echo ::: 1 2 3
	is "--durable=$how" "$code:$(recorded "$work/how-$how" 'select count(*) from job where status = 0')" 0:3
done
run run --run "$work/quiet" --ephemeral true ::: 1
holds '--ephemeral leaves nothing' test ! -e "$work/quiet"

finish
