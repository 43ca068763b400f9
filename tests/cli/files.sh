#!/bin/sh
# SPDX-License-Identifier: MIT
# Files that jobs declare (in: and out:, feature 14): what is up to date is not made again, what is half made is removed.
. "$(dirname "$0")/lib.sh"
"$oxbow" run --run "$work/probe" true ::: x 2>"$work/err" || {
	grep -q SQLite "$work/err" && { echo 'SKIP: built without SQLite'; exit 77; }
}
here=$work/here
mkdir "$here"
cd "$here" || exit 1
out_of() {
	echo $(sort "$here/ran" 2>/dev/null)
	rm -f "$here/ran"
}
# older FILE THAN: whatever the clock's grain is
older() {
	touch -r "$2" "$1"
	touch -d "$(stat -c %y "$2") - 2 seconds" "$1"
}

# ---- up to date, or not ----

cat >copy.yaml <<'EOF'
jobs:
  copy:
    each: [a, b]
    sh: 'echo {} >>ran; cat {}.in >made/deep/{}.out'
    in: "{}.in"
    out: "made/deep/{}.out"
EOF
echo 1 >a.in
echo 2 >b.in
run batch copy.yaml
is 'it runs, and its folder is made' "$code:$(out_of):$(cat made/deep/a.out)" '0:a b:1'
run batch copy.yaml
is 'up to date' "$code:$(out_of):$err" '0::oxbow: batch: 2 of 2 jobs up to date'
run batch --quiet copy.yaml
is 'up to date, quietly' "$code:$(out_of):$err" '0::'
echo 3 >a.in
touch -d "$(stat -c %y made/deep/a.out) + 2 seconds" a.in
run batch copy.yaml
is 'an in file is newer' "$code:$(out_of):$(cat made/deep/a.out):$err" '0:a:3:oxbow: batch: 1 of 2 jobs up to date'
older a.in made/deep/a.out
run batch copy.yaml
is 'an older one is not' "$code:$(out_of)" '0:'
rm made/deep/b.out
run batch copy.yaml
is 'an out file is gone' "$code:$(out_of)" '0:b'
sed 's/cat {}/cat <{}/' copy.yaml >other.yaml
run batch other.yaml
is 'another command' "$code:$(out_of)" '0:a b'
run batch other.yaml
is 'which is then the one that counts' "$code:$(out_of)" '0:'
sed 's/out: .*/&\n    env: {KIND: new}/' other.yaml >env.yaml
run batch env.yaml
is 'another variable' "$code:$(out_of)" '0:a b'
run batch --cwd "$here" env.yaml
is 'the folder is said too' "$code:$(out_of)" '0:a b'
run batch --cwd "$here" env.yaml
is 'and seen from there' "$code:$(out_of)" '0:'
echo broken >made/deep/a.out
touch -d "$(stat -c %y made/deep/b.out) + 3 seconds" made/deep/a.out
run batch --cwd "$here" env.yaml
is 'somebody else has written to an out file' "$code:$(out_of):$(cat made/deep/a.out)" '0:a:3'
run batch --dry-run env.yaml
is 'a dry run shows all, and looks at nothing' "$code:$(printf '%s\n' "$out" | wc -l)" 0:2
# Without a record times decide, as in make.
echo x >plain.in
echo x >plain.out
older plain.in plain.out
echo '{"sh": "echo plain >>ran", "in": "plain.in", "out": "plain.out"}' >plain.jsonl
run batch plain.jsonl
is 'a file of before: its time decides' "$code:$(out_of)" '0:'
run batch --ephemeral env.yaml
is '--ephemeral: times alone decide' "$code:$(out_of)" '0:'
older plain.out plain.in
run batch plain.jsonl
is 'a file of before that is older' "$code:$(out_of)" '0:plain'
run batch plain.jsonl
is 'which it stays as long as it is not touched' "$code:$(out_of)" '0:plain'
echo '{"sh": "echo no-in >>ran; : >no-in.out", "out": "no-in.out"}' >no-in.jsonl
run batch no-in.jsonl
run batch no-in.jsonl
is 'without in: it is enough that it is there' "$code:$(out_of)" '0:no-in'

# ---- what is not as it has to be ----

echo '{"sh": "echo no >>ran", "in": ["a.in", "nowhere/x"], "out": "y", "retries": 3}' >missing.jsonl
run batch missing.jsonl
is 'a missing in file' "$code:$(out_of):$err" "1::oxbow: batch: in: $here/nowhere/x is not there
oxbow: batch: 1 of 1 jobs failed (exit 126: 1)"
cat >twice.yaml <<'EOF'
jobs:
  one: {run: [touch, both], out: both}
  two: {run: [touch, both, ran], out: ./here/../both, after: one}
EOF
mkdir "$here/here"
run batch twice.yaml
is 'two jobs that make the same' "$code:$(out_of):$err" "1::oxbow: batch: out: $here/both: another job makes it too
oxbow: batch: 1 of 2 jobs failed (exit 126: 1)"
echo '{"run": ["true"], "out": "unmade"}' >unmade.jsonl
run batch unmade.jsonl
is 'a job that does not make what it declares' "$code:$err" "1:oxbow: batch: out: $here/unmade was not made
oxbow: batch: 1 of 1 jobs failed (exit 126: 1)"

# ---- half made ----

echo old >kept
older kept a.in
cat >half.yaml <<'EOF'
jobs:
  half:
    sh: 'echo half >half1; exit 1'
    in: a.in
    out: [half1, half2, kept]
EOF
run batch half.yaml
is 'what a job that failed has made is removed, and nothing else' "$code:$(ls half1 half2 kept 2>/dev/null):$(cat kept)" '1:kept:old'
sed 's/exit 1/echo new >kept; exit 1/' half.yaml >touched.yaml
run batch touched.yaml
is 'also what it has touched' "$code:$(ls kept 2>/dev/null)" '1:'
echo '{"sh": "echo half >slow; sleep 50", "out": "slow", "timeout": "200ms"}' >slow.jsonl
run batch slow.jsonl
is 'and after a timeout' "$code:$(ls slow 2>/dev/null)" '1:'
echo '{"sh": "[ -e tried ] && { ls again >>ran; echo whole >again; exit; }; : >tried; echo half >again; exit 1", "out": "again", "retries": 2}' >again.jsonl
run batch again.jsonl
is 'and before another try' "$code:$(out_of):$(cat again)" '0::whole'
nonce=f$$
echo '{"sh": "echo half >stopped; sleep 50", "out": "stopped"}' >stopped.jsonl
for how in TERM KILL; do
	rm -f stopped
	OXBOW_NONCE=$nonce "$oxbow" batch stopped.jsonl >/dev/null 2>&1 &
	runner=$!
	pids="$pids $runner"
	until_ 20 test -s stopped || fail "$how: the job has begun"
	kill -$how $runner
	wait $runner 2>/dev/null
	until_ 20 nobody_with "$nonce" || fail "$how: nothing is left"
	[ $how = KILL ] || is 'what was stopped is removed' "$(ls stopped 2>/dev/null)" ''
done
is 'kill -9 leaves it' "$(cat stopped)" half
echo '{"sh": "echo half >stopped; echo whole >stopped", "out": "stopped"}' >stopped.jsonl
run batch stopped.jsonl
is 'and it is known to be half made' "$code:$(cat stopped)" 0:whole
rm -f stopped
OXBOW_NONCE=$nonce "$oxbow" run --quiet true ::: x
echo '{"sh": "echo ran >>ran; echo half >first; [ -e go ] || sleep 50", "out": "first"}' >first.jsonl
OXBOW_NONCE=$nonce "$oxbow" batch first.jsonl >/dev/null 2>&1 &
runner=$!
pids="$pids $runner"
until_ 20 test -s first || fail 'the first run has begun'
kill -9 $runner
wait $runner 2>/dev/null
until_ 20 nobody_with "$nonce" || fail 'nothing is left of the first run'
: >go
out_of >/dev/null
run batch first.jsonl
is 'the same command after kill -9 of its first run' "$code:$(out_of)" 0:ran
run batch first.jsonl
is 'then it is up to date' "$code:$(out_of)" 0:

# ---- order ----

cat >order.yaml <<'EOF'
jobs:
  program: {sh: 'cat part1 part2 >program; echo program >>ran', in: [part1, part2], out: program}
  listed: {each: {lines: list}, sh: 'echo "listed $1" >>ran', in: list}
  parts: {sh: 'echo 1 >part1; echo 2 >part2; echo parts >>ran', out: [part1, part2]}
  list: {sh: 'echo x >list; echo y >>list', in: program, out: list}
  own: {sh: 'echo >>own', in: own, out: own}
EOF
: >own
run batch -j1 order.yaml
is 'who reads a file comes after who makes it' "$code:$(echo $(cat ran)):$(cat program | tr '\n' ' ')" '0:parts program listed x listed y:1 2 '
out_of >/dev/null
run batch -j1 order.yaml
is 'and runs if what it has is older' "$code:$(out_of)" '0:listed x listed y'
printf '%s\n' '{"sh": "echo 5 >five", "out": "five"}' '{"sh": "cat five", "in": "five"}' >order.jsonl
run batch order.jsonl
is 'in lines of JSON too' "$code:$out" 0:5
printf '%s\n' '{"sh": "exit 3", "out": "six"}' '{"sh": "cat six", "in": "six"}' >order.jsonl
run batch order.jsonl
is 'and it is skipped if that fails' "$code:$err" '1:oxbow: batch: 1 of 1 jobs failed (exit 3: 1), 1 skipped'
printf 'jobs:\n  a: {run: [a], in: x, out: y}\n  b: {run: [b], in: y, out: x}\n' >circle.yaml
run batch circle.yaml
has 'a circle of files' "$code:$err" '3:oxbow: batch: circle.yaml:2:3: a circle, in which each waits *: a (line 2) -> b (line 3) -> a (line 2)'
echo '{"id": "q", "sh": "echo q >q", "out": "q"}
{"sh": "cat q", "foreach": "q"}' >gone.jsonl
printf 'jobs:\n  q: {sh: "echo q >q", out: q}\n  r: {foreach: q, sh: "cat q >r", in: q, out: r}\n' >each.yaml
run batch each.yaml
run batch each.yaml
is 'what comes from a job that is up to date runs, and is up to date too' "$code:$err" '0:oxbow: batch: 2 of 2 jobs up to date'

# ---- what is remembered ----

printf '{"each": {"array": "1-200"}, "sh": "echo >m/%s{}", "out": "m/%s{}"}\n' A A >many1.jsonl
printf '{"each": {"array": "1-200"}, "sh": "echo >m/%s{}", "out": "m/%s{}"}\n' B B >many2.jsonl
"$oxbow" batch --quiet many1.jsonl &
first=$!
"$oxbow" batch --quiet many2.jsonl
is 'several runs at once: the second' $? 0
wait $first
is 'several runs at once: the first' $? 0
run batch many1.jsonl many2.jsonl
is 'and all is remembered' "$code:$err" '0:oxbow: batch: 400 of 400 jobs up to date'
rm -f .oxbow/made.db*
echo 'this is no database, but a text that is as long as the head of one, so that nothing is taken for it' >.oxbow/made.db
run batch many1.jsonl
has 'one that is broken is said, and times decide' "$code:$err" '0:oxbow: batch: .oxbow/made.db, *; times alone decide
oxbow: batch: 200 of 200 jobs up to date'
echo 7 >seven.in
echo '{"run": ["cp", "seven.in", "seven"], "in": "seven.in", "out": "seven"}' >seven.jsonl
run batch seven.jsonl
is 'jobs run as ever' "$code:$(cat seven)" 0:7
cd "$build" || exit 1
finish
