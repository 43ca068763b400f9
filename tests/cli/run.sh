#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow run from outside: the batch cases of its specification that need no state.
. "$(dirname "$0")/lib.sh"

# Case 1: lists are a product, :::+ goes in step.
run run -j2 -k echo '{1}{2}' ::: A B ::: 1 2 3
is 'case 1: product of lists' "$(echo $out)" 'A1 A2 A3 B1 B2 B3'
run run -j2 -k echo '{1}{2}' ::: A B :::+ 1 2 3
is 'case 1: linked lists' "$(echo $out)" 'A1 B2'

# Case 2: the places.
run run echo '{.} {/} {//} {/.} {#}' ::: sub.dir/foo.jpg
is 'case 2: places' "$out" 'sub.dir/foo foo.jpg sub.dir foo 1'

# Case 3: names that no shell quoting survives.
name="My brother's 12\" *** record  (costs \$\$\$).jpg"
: >"$work/$name"
run run ls {} ::: "$work/$name"
is 'case 3: a hard name as a word' "$out" "$work/$name"
run run -c 'ls {}' ::: "$work/$name"
is 'case 3: a hard name in sh -c' "$out" "$work/$name"
out=$(printf '%s\n' "$work/$name" | "$oxbow" run -c "ls \"\$1\"")
is 'case 3: a hard name on stdin' "$out" "$work/$name"
run run -c 'echo {}' ::: '$(touch '"$work"'/injected)' '; touch '"$work"'/injected'
holds 'case 3: a value is never run' test ! -e "$work/injected"

# Case 4: output of a job is whole, and stays on its own stream.
cat >"$work/mix" <<'MIX'
x=$(head -c 100000 /dev/zero | tr '\0' "$1"); y=$(head -c 100000 /dev/zero | tr '\0' "$2")
i=0
while [ $i -lt 10 ]; do printf %s "$x"; printf %s "$y" >&2; i=$((i + 1)); done
echo; echo >&2
MIX
seq 30 | "$oxbow" run -j8 -c "sh $work/mix a b # {}" >"$work/out" 2>"$work/err"
is 'case 4: stdout lines' "$(tr -s ab <"$work/out" | sort | uniq -c | tr -s ' ')" ' 30 a'
is 'case 4: stderr lines' "$(tr -s ab <"$work/err" | sort | uniq -c | tr -s ' ')" ' 30 b'
is 'case 4: every byte' "$(wc -c <"$work/out")" $((30 * 1000001))

# Case 5: -k orders the output and costs no time: all three run at once, for each waits until the others have begun.
mkdir "$work/begun"
run run -j3 -k -c "touch $work/begun/{}; while [ \$(ls $work/begun | wc -l) -lt 3 ]; do sleep 0.05; done; sleep {}; echo {}" ::: 0.9 0.3 0.6
is 'case 5: order' "$(echo $out)" '0.9 0.3 0.6'
is 'case 5: all at once' "$(ls "$work/begun" | wc -l)" 3

# Case 6: much output, little memory, no file left.
"$oxbow" run -j2 -k head -c 150000000 ::: /dev/zero /dev/zero /dev/zero >"$work/big" &
runner=$!
pids="$pids $runner"
peak=0
while ! gone $runner; do
	rss=$(awk '/VmHWM/ { print $2 }' /proc/$runner/status 2>/dev/null)
	peak=${rss:-$peak}
	sleep 0.02
done
wait $runner
is 'case 6: exit' $? 0
is 'case 6: every byte' "$(wc -c <"$work/big")" 450000000
rm -f "$work/big"
holds "case 6: memory ($peak KiB)" test "$peak" -lt 65536
is 'case 6: temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
TMPDIR=/nonexistent "$oxbow" run head -c 1000000 ::: /dev/zero >/dev/null 2>"$work/err"
is 'case 6: nowhere to spill: exit' $? 5
has 'case 6: nowhere to spill: message' "$(head -1 "$work/err")" 'oxbow: run: cannot keep*'

# Memory for many lines stays flat: the input is a stream.
seq 1000000 | W=$work "$oxbow" run -j1 -c 'echo >>"$W/ran"; exit 1' 2>/dev/null &
flat=$!
pids="$pids $flat"
under_way() {
	[ "$(cat "$work/ran" 2>/dev/null | wc -l)" -gt 200 ]
}
until_ 60 under_way || fail 'a million lines: 200 jobs'
rss=$(awk '/VmRSS/ { print $2 }' /proc/$flat/status)
holds "a million lines are not held ($rss KiB)" test "${rss:-99999999}" -lt 32768
kill -TERM $flat
wait $flat
is 'TERM: exit' $? 143

# A job's share of the CPUs.
run run -j100% echo {threads} ::: x
is 'threads: one each' "$out" 1
run run -j1 -c 'echo {threads} $1' ::: x
is 'threads: all are for one' "$out" "$(nproc) x"
run run -j4 --need cpu=3 echo {threads} ::: x
is 'threads: as many as it needs' "$out" 3
printf 'threads\n7\n' | "$oxbow" run --csv --header echo {threads} >"$work/out"
is 'threads: a column comes first' "$(cat "$work/out")" 7

# Case 7: exit codes.
run run -j2 sh -c 'exit {}' ::: 0 1 2
is 'case 7: exit' $code 1
is 'case 7: message' "$err" 'oxbow: run: 2 of 3 jobs failed (exit 1: 1, exit 2: 1)'
run run true ::: 1 2 3
is 'all succeed: exit' $code 0
is 'all succeed: no message' "$err" ''
run run -c 'kill -KILL $$' ::: 1
is 'signals are told apart' "$err" 'oxbow: run: 1 of 1 jobs failed (signal 9: 1)'
run run --quiet false ::: 1
is '--quiet: exit' $code 1
is '--quiet: no message' "$err" ''

# Case 14: no input, no job.
run run echo
is 'case 14: empty stdin' "$code:$out$err" 0:
run run echo :::
is 'case 14: empty list' "$code:$out$err" 0:

# Case 15: bytes pass.
printf 'a\377b\0c d\0' | "$oxbow" run -k -0 printf '%s\n' >"$work/out"
is 'case 15: bytes' "$(od -An -tx1 <"$work/out" | tr -d ' \n')" 61ff620a6320640a
printf 'x\0y\n' | "$oxbow" run echo 2>"$work/err" >/dev/null
is 'a NUL in a line: exit' $? 3
has 'a NUL in a line: message' "$(cat "$work/err")" 'oxbow: run: stdin:1: holds a NUL byte*'

# Case 19: what cannot be run.
: >"$work/not-executable"
run run -k {} x ::: no-such-command "$work/not-executable" echo
is 'case 19: exit' $code 1
is 'case 19: the batch goes on' "$out" x
has 'case 19: messages' "$err" "*no-such-command: not found*not-executable: Permission denied*(exit 126: 1, exit 127: 1)"
"$oxbow" run true "$(head -c 100000 /dev/zero | tr '\0' x)" "$(head -c 100000 /dev/zero | tr '\0' x)" ::: 1
is 'words of 200 kB are passed' $? 0

# Case 16: a reader that goes ends the run, its jobs too.
nonce=$$-pipe
before=$(date +%s%N)
{ OXBOW_NONCE=$nonce "$oxbow" run -j2 -c 'echo {}; exec sleep 60' ::: 1 2 3; echo $? >"$work/code"; } 2>"$work/err" | :
took=$((($(date +%s%N) - before) / 1000000))
is 'case 16: exit' "$(cat "$work/code")" 141
is 'case 16: no message' "$(cat "$work/err")" ''
holds "case 16: soon ($took ms)" test "$took" -lt 3000
holds 'case 16: jobs are gone' until_ 1 nobody_with "$nonce"
yes | head -100000 | { "$oxbow" run echo; echo $? >"$work/code"; } 2>"$work/err" | head -1 >"$work/out"
is 'case 16: many jobs: exit' "$(cat "$work/code")" 141
is 'case 16: many jobs: no message' "$(cat "$work/err")" ''

# Output that cannot be written.
"$oxbow" run echo ::: 1 >/dev/full 2>"$work/err"
is 'full disk: exit' $? 5
has 'full disk: message' "$(cat "$work/err")" 'oxbow: run: cannot write the output: No space left*'
"$oxbow" run echo ::: 1 >&- 2>"$work/err"
is 'closed output: exit' $? 5

# Other options.
run run --tag -k echo x ::: a 'b c'
is '--tag' "$out" "$(printf 'a\tx a\nb c\tx b c')"
run run --dry-run echo "it's" {} ::: a 'b c'
is '--dry-run' "$out" "echo 'it'\\''s' a
echo 'it'\\''s' 'b c'"
run run -v echo ::: 'b c'
is '-v' "$err:$out" "echo 'b c':b c"
run run -u -c 'echo {}; echo {} >&2' ::: 1
is '-u' "$out:$err" 1:1
printf '1\n2\n' >"$work/values"
run run -k -a "$work/values" echo v
is '-a' "$(echo $out)" 'v 1 v 2'
run run -j50% echo ::: 1
is '-j N%' "$code:$out" 0:1
slots=$(seq 40 | "$oxbow" run -j4 -c 'echo {%}' | sort -u | tr '\n' ' ')
has 'slots are numbered from 1' " 1 2 3 4 " "*$slots*"
run run --bar true ::: 1
is '--bar keeps to stderr' "$code:$out" 0:

finish
