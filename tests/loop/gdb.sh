#!/bin/sh
# SPDX-License-Identifier: MIT
# loop/oxbow-gdb.py lists and backtraces parked coroutines: in a live process, and in a core file.
: "${top_srcdir:=$PWD}" "${top_builddir:=$PWD/_build}"
set -u
script=$top_srcdir/loop/oxbow-gdb.py
program=$top_builddir/parked
passed=0 failed=0 skipped=0

skip() {
	echo "SKIP: $1"
	skipped=$((skipped + 1))
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ] || exit 1
	[ $passed != 0 ] || exit 77
	exit 0
}

command -v gdb >/dev/null || { skip "there is no gdb"; finish; }
gdb -nx -batch -ex 'python import gdb.unwinder' 2>&1 | grep -q . && { skip "gdb is built without Python"; finish; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# gdb_on ARGUMENTS...: the script's commands; what they say goes to $work/said.
gdb_on() {
	timeout 120 gdb -nx -batch -iex 'set debuginfod enabled off' "$@" -ex "source $script" \
		-ex 'oxbow tasks' -ex 'oxbow bt all' -ex 'echo --frame--\n' -ex 'oxbow frame 2' -ex 'bt 12' \
		-ex 'frame function wait_in_depth' -ex 'info locals' -ex 'oxbow frame' -ex 'oxbow bt 99' \
		>"$work/said" 2>&1 </dev/null
}

# says NAME PATTERN...: each is a line of what gdb said.
says() {
	name=$1
	shift
	for pattern in "$@"; do
		grep -qE -- "$pattern" "$work/said" && continue
		echo "FAIL: $name: no line like: $pattern"
		cat "$work/said"
		failed=$((failed + 1))
		return
	done
	passed=$((passed + 1))
}

look() {
	says "$1: the tree" '^the loop of thread [0-9]+: 3 tasks' '^#1 main: running' '^  group "gdb": 2 pending' \
		'^    #2 getter: parked [0-9.]+ s: queue get 0x[0-9a-f]+; spawned at .*parked.c:' '^    #3 sleeper: parked .*: sleep'
	says "$1: a backtrace of every task" ' in ox_queue_get' ' in wait_in_depth' ' in getter' ' in ox_sleep_until' \
		' in sleeper' ' in all_are_parked' ' in main_co' ' in run at'
	says "$1: a frame's locals" '^#[0-9]+ .*wait_in_depth \(' '^here = '
	says "$1: a task that is not there" 'there is no task 99'
	[ "$(sed -n '/--frame--/q;p' "$work/said" | grep -c 'in wait_in_depth')" = 3 ] ||
		{ echo "FAIL: $1: not three frames of the recursion"; failed=$((failed + 1)); }
}

# Live: the program waits while its input is open.
mkfifo "$work/in" "$work/out"
"$program" <"$work/in" >"$work/out" &
pid=$!
exec 3>"$work/in" 4<"$work/out"
read -r _ <&4
gdb_on -p "$pid"
if grep -qiE 'ptrace: Operation not permitted|Could not attach' "$work/said"; then
	skip "a process may not be traced here"
else
	look "live"
fi
exec 3>&-
wait "$pid" || { echo "FAIL: the program did not end well"; failed=$((failed + 1)); }

# A core file, the kernel's: gdb's own generate-core-file stops reading a mapping at the first guard of a stack.
mkdir "$work/dump"
case $(cat /proc/sys/kernel/core_pattern) in
\|*|*/*) skip "core files go elsewhere: $(cat /proc/sys/kernel/core_pattern)" ;;
*)
	(cd "$work/dump" && ulimit -c unlimited && exec "$program" abort) 2>/dev/null
	core=$(find "$work/dump" -type f)
	if [ -s "$core" ]; then
		gdb_on "$program" "$core"
		look "core"
	else
		skip "no core file was written"
	fi
	;;
esac
finish
