#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow replay: a saved input again in its program, in another one, in a plugin, under gdb and in a worker.
. "$(dirname "$0")/lib.sh"
prog=$build/replayed
so=$build/.libs/poison.so
# A crash is to be the job's, not a sanitizer's report.
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_segv=0"
export ASAN_OPTIONS

# saved JOB INPUT [FIELD...]: a file as the pool saves it
saved() {
	printf 'oxbow-input 1\njob: %s\nlength: %s\n' "$1" "${#2}"
	input=$2
	shift 2
	for field; do
		printf '%s\n' "$field"
	done
	printf '\n%s' "$input"
}

# The program crashes its workers with an input, which is saved.
mkdir "$work/q"
(cd "$work" && "$prog" q bad 'an argument with 100% of
everything' >"$work/out")
is 'the program ends well' $? 0
file=$(echo "$work"/q/*.oxin)
holds 'one input is saved' test -f "$file"
is 'by its owner alone' "$(stat -c %a "$file")" 600
is 'with nothing else beside it' "$(find "$work/q" | wc -l)" 2
has 'the log names it' "$(cat "$work/out")" "*oxbow replay q/poison_job-*"
has 'its text' "$(sed '/^$/,$d' "$file")" '*job: poison_job*signal: 11*directory: *argument: an argument with 100%25 of%0Aeverything*'

# It is run in the program that it names, with its arguments and in its folder.
cd /
run replay "$file"
is 'replay: ends as the job does' "$code" 139
has 'replay: the same arguments' "$out" 'started with q, bad, an argument with 100% of
everything*'
holds 'replay: nothing after the job' test "${out#*opened}" = "$out"
run replay --worker "$file"
is 'replay --worker: 128 and the signal' "$code" 139
has 'replay --worker: says so' "$err" '*ended by signal 11*'
sed 's/^length: 3/length: 4/' "$file" | sed '$s/bad/good/' >"$work/good"
run replay "$work/good"
is 'replay: a job that returns' "$code" 0
has 'replay: how it went' "$err" '*poison_job returned 4, with 0 bytes'
run replay -p "$prog" "$work/good"
is 'replay -p' "$code" 0
if command -v gdb >/dev/null; then
	echo run | "$oxbow" replay --gdb "$file" >"$work/out" 2>&1
	has 'replay --gdb: stops at the crash' "$(cat "$work/out")" '*SIGSEGV*poison*'
	echo run | "$oxbow" replay --gdb --plugin "$so" "$file" >"$work/out" 2>&1
	has 'replay --gdb --plugin: too' "$(cat "$work/out")" '*SIGSEGV*poison*'
else
	echo 'SKIP: gdb is not installed'
fi

# Or in a plugin that has the job.
run replay --plugin "$so" "$work/good"
is 'replay --plugin' "$code" 0
run replay --plugin "$so" "$file"
is 'replay --plugin: a crash' "$code" 139
run replay --worker --plugin "$so" "$file"
is 'replay --plugin --worker' "$code" 139

# bad CODE PATTERN ARG...
bad() {
	expected=$1
	pattern=$2
	shift 2
	run "$@"
	is "oxbow $*: exit" "$code" "$expected"
	has "oxbow $*: message" "$err" "oxbow: replay: $pattern"
}
bad 2 'which file?*' replay
bad 2 'one file at a time' replay a b
bad 2 'give --program or --plugin*' replay --program x --plugin y z
bad 3 '/nonexistent: No such file*' replay /nonexistent
bad 3 '*: this is no saved input' replay "$here/replay.sh"
bad 3 'cannot load /nonexistent: No such file*' replay --plugin /nonexistent "$work/good"
bad 3 'cannot load *: *' replay --plugin "$here/replay.sh" "$work/good"
saved other_job x >"$work/other"
bad 3 "*has no job 'other_job'" replay --plugin "$so" "$work/other"
bad 3 '*does not say how its program was called*' replay "$work/other"
saved poison_job good 'program: /nonexistent' 'argument: x' >"$work/lost"
bad 3 'cannot run /nonexistent: No such file*' replay "$work/lost"
finish
