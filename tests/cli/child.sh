#!/bin/sh
# SPDX-License-Identifier: MIT
# What the processes of jobs are given beyond their words: a mask, a class of I/O, CPUs, GNU parallel's variables.
. "$(dirname "$0")/lib.sh"

run run --umask 027 -c "umask; : >$work/made" ::: 1
is '--umask' "$out:$(stat -c %a "$work/made")" 0027:640
is 'its own mask stays as it was' "$(umask 077; "$oxbow" run --umask 0 --joblog "$work/log" -c umask ::: 1; stat -c %a "$work/log")" "$(printf '0000\n600')"

if command -v ionice >/dev/null; then
	run run --ionice idle -c 'ionice -p $$' ::: 1
	is '--ionice idle' "$out" idle
	run run --ionice best-effort:7 -c 'ionice -p $$' ::: 1
	is '--ionice best-effort:7' "$out" 'best-effort: prio 7'
	run run --ionice 2 -c 'ionice -p $$' ::: 1
	is '--ionice 2' "$out" 'best-effort: prio 4'
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		is 'a class that is not permitted fails the job' \
			"$(setpriv --reuid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$oxbow" run --ionice realtime true ::: 1 2>&1 | head -1)" \
			'oxbow: run: true: cannot set its limits: Operation not permitted'
	fi
else
	echo 'SKIP: ionice is not installed'
fi

# Two jobs that run at the same time have different CPUs, which are all there are; a third slot shares.
cpus='sed -n "s/^Cpus_allowed_list:[[:space:]]*//p" /proc/self/status'
all=$(sh -c "$cpus")
run run -j1 --pin -c "$cpus" ::: 1
is '--pin: one slot has all CPUs' "$out" "$all"
if [ "$(nproc)" -ge 2 ]; then
	for i in 1 2; do
		run run -j2 --pin -c "touch $work/here\$1; until [ -e $work/here1 -a -e $work/here2 ]; do sleep 0.02; done; $cpus" ::: 1 2
		is '--pin: exit' $code 0
		first=$(echo "$out" | head -1)
		second=$(echo "$out" | tail -1)
		holds '--pin: they differ' test "$first" != "$second"
		rm -f "$work/here1" "$work/here2"
	done
	[ "$(nproc)" != 2 ] || is '--pin: they have all' "$(echo "$out" | sort | tr '\n' ,)" "$(echo "$all" | tr -- - ,),"
	run run --pin -j2 -c 'nproc' ::: 1
	is '--pin: half of them' "$out" $(($(nproc) / 2))
	run run -j2 --pin -j1 -c "$cpus" ::: 1
	is '--pin: shares are those of the last -j' "$out" "$all"
else
	echo 'SKIP: there is one CPU, so --pin has nothing to share out'
fi

export PARALLEL_SEQ=outer
run run -j1 --gnu-env -c 'echo $PARALLEL_SEQ:$PARALLEL_JOBSLOT $OXBOW_SEQ:$OXBOW_SLOT' ::: 1 2
is '--gnu-env' "$out" "$(printf '1:1 1:1\n2:1 2:1')"
run run -j1 --gnu-env --clean-env -c 'env' ::: 1
has '--gnu-env --clean-env' "$out" '*PARALLEL_SEQ=1*'
run run -j1 -c 'echo $PARALLEL_SEQ:$PARALLEL_JOBSLOT' ::: 1
is 'without --gnu-env they are inherited as others' "$out" outer:
finish
