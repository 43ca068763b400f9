#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line: one table of options is --help is the manual; and bad input gets one clear line and the right code.
. "$(dirname "$0")/lib.sh"
man=$here/../../man

# The options that something names, each form on a line: the help, which prints the table that is parsed from, and what is made beside it.
of_help() {
	"$oxbow" "$1" --help=all | sed -n 's/^  *\(-.\),* *--\([a-z-]*\).*/\1 --\2/p; s/^  *--\([a-z-]*\).*/--\1/p'
}
of_man() {
	sed -n 's/^\.It Fl \(.\) .*, Fl Fl \([a-z-]*\).*/-\1 --\2/p; s/^\.It Fl \(.\) , Fl Fl \([a-z-]*\).*/-\1 --\2/p
		s/^\.It Fl Fl \([a-z-]*\).*/--\1/p' "$man/oxbow-$1.1"
}
of_bash() {
	"$oxbow" completion bash | sed -n "/^	$1)/,/;;/s/^		names='\(.*\) '/\1/p"
}
of_zsh() {
	"$oxbow" completion zsh | sed -n "/^	($1)/,/;;/s/^			'\(([^)]*)\|\*\|\)\(-[-a-zA-Z0-9]*[a-zA-Z0-9]\).*/\2/p"
}
of_fish() {
	"$oxbow" completion fish | sed -n "s/^complete -c oxbow -n '__oxbow_options $1' -l \([^ ]*\)\( -s \([^ ]\)\)*.*/--\1 -\3/p" | sed 's/ -$//'
}
named_by() {
	"of_$1" "$2" | tr ' ' '\n' | grep . | sort
}
commands=$("$oxbow" --help | sed -n '/^$/,/^$/s/^  \([a-z]*\)  .*/\1/p')
has 'oxbow --help names run' "$commands" '*run*'
for command in $commands; do
	table=$(named_by help "$command")
	for who in man bash zsh fish; do
		is "$command: help and $who have the same options" "$(named_by $who "$command")" "$table"
	done
	has "$command: there are options" "$table" '*--help*--print-config*'
	is "oxbow help $command" "$("$oxbow" help "$command")" "$("$oxbow" "$command" --help)"
	holds "$command: help fits a screen" test "$("$oxbow" "$command" --help | wc -l)" -lt 40
done
run --version
has 'oxbow --version' "$code:$out" '0:oxbow [0-9]*'
run help
is 'oxbow help' "$code:$out" "0:$("$oxbow" --help)"

# bad CODE PATTERN ARG...: one line on standard error, nothing on standard output.
bad() {
	expected=$1
	pattern=$2
	shift 2
	run "$@"
	is "oxbow $*: exit" "$code" "$expected"
	has "oxbow $*: message" "$err" "oxbow: $pattern"
	holds "oxbow $*: one line" one_line "$err"
	is "oxbow $*: no output" "$out" ''
}
bad 2 'which command?*'
bad 2 "unknown command 'rnu'*" rnu
bad 2 "unknown command 'ruin': did you mean run?" ruin
bad 2 "unknown command 'frobnicate' (see oxbow --help)" frobnicate
bad 2 "unknown option '--frob'*" --frob
bad 2 "run: unknown option '--joob': did you mean --jobs?" run --joob 2 true ::: 1
bad 2 "run: unknown option '-Z' (see oxbow run --help)" run -Z true
bad 2 "run: unknown option '--frobnicate' (see oxbow run --help)" run --frobnicate
bad 2 "run: option '-j' needs an argument" run -j
bad 2 "run: option '--quiet' takes no argument" run --quiet=1 true
named() { tr ' [' '\n\n' | grep -o -- '^--[a-z][a-z-]*' | grep -v -- '--help' | sort -u; }
is 'run --help names what --help=all explains' "$("$oxbow" run --help | named)" "$("$oxbow" run --help=all | named)"
is 'oxbow help run all' "$("$oxbow" help run all)" "$("$oxbow" run --help=all)"
bad 2 'run: --help=some: there is --help=all' run --help=some
bad 2 'run: -j 0: give a number*' run -j0 true
bad 2 'run: -j x: give a number*' run -j x true
bad 2 'run: which command?*' run
bad 2 'run: which command?*' run ::: 1
bad 2 "run: '{2}': there is no such value, there is 1" run echo '{2}' ::: 1
bad 2 "run: ':::::' is not known*" run echo :::::
bad 2 'run: -u passes*' run -u -k echo ::: 1
bad 2 'run: -u passes*' run -u --results x echo ::: 1
bad 2 'run: --lb shows*' run --lb -k echo ::: 1
bad 2 'run: --retries x: give a number*' run --retries x true ::: 1
bad 2 'run: --backoff 2s..1s: give a time*' run --backoff 2s..1s true ::: 1
bad 2 'run: --retry-on exit:x: give a list*' run --retry-on exit:x true ::: 1
bad 2 'run: --timeout 0: give a time*' run --timeout 0 true ::: 1
bad 2 'run: --term-seq FROB: give signals*' run --term-seq FROB true ::: 1
bad 2 'run: --halt later,fail=1: give never*' run --halt later,fail=1 true ::: 1
bad 2 'run: --exit some: give any*' run --exit some true ::: 1
bad 2 'run: --rate 5/d: give a rate*' run --rate 5/d true ::: 1
bad 2 'run: --load x: give a load*' run --load x true ::: 1
bad 2 'run: --memfree x: give a size*' run --memfree x true ::: 1
bad 2 'run: --psi disk<5: give limits*' run --psi 'disk<5' true ::: 1
bad 2 'run: --nice x: give a number*' run --nice x true ::: 1
bad 2 'run: --limit frob=1: give limits*' run --limit frob=1 true ::: 1
bad 2 'run: --env x: give NAME=VALUE' run --env x true ::: 1
bad 2 'run: --umask 8: give an octal*' run --umask 8 true ::: 1
bad 2 'run: --umask 01000: give an octal*' run --umask 01000 true ::: 1
bad 2 'run: --umask 000000022: give an octal*' run --umask 000000022 true ::: 1
for class in '' none 0 4 idle:3 3:1 best-effort: best-effort:8 realtime:x idlest; do
	bad 2 "run: --ionice $class: give idle*" run --ionice "$class" true ::: 1
done
bad 2 'run: --color red: give auto*' run --color=red true ::: 1
bad 2 'run: --joblog : it must not be empty' run --joblog '' true ::: 1
bad 2 "run: '{3}': there is no such value, there is 1" run --tag='{3}' true ::: 1
bad 3 'run: /nonexistent: No such file*' run -a /nonexistent echo
bad 2 'worker: which pool?*' worker
bad 2 'worker: which jobs?*' worker --join x
bad 2 "worker: 'x' is too much*" worker --join x --plugin y x
bad 2 'worker: --slots 0: give a number*' worker -j0
bad 2 'worker: --until 0: give a time*' worker --until 0
bad 2 'completion: which shell?*' completion
bad 2 "completion: 'tcsh' is not known*" completion tcsh
bad 2 'completion: which shell?*' completion bash zsh
bad 3 'worker: cannot load the plugin: *missing.so*' worker --join x --plugin ./missing.so
"$oxbow" --help >/dev/full 2>"$work/err"
is '--help to a full disk: exit' $? 5
run run -j1 grep -c x "$here/lib.sh" :::
is 'options after the command are the command'"'"'s' $code 0

case $commands in
*crawl*)
	bad 2 'crawl: which URL?*' crawl
	bad 2 "crawl: 'nonsense' is no http or https URL" crawl nonsense
	bad 2 "crawl: 'ftp://a.test/' is no http or https URL" crawl ftp://a.test/
	bad 2 'crawl: --scope country: give host, prefix, domain or any' crawl --scope country http://a.test/
	bad 2 'crawl: --depth -1: give a number' crawl --depth=-1 http://a.test/
	bad 2 'crawl: --allow-net 1.2.3: give*' crawl --allow-net 1.2.3 http://a.test/
	bad 2 'crawl: --timeout 0: give a time*' crawl --timeout 0 http://a.test/
	bad 2 'crawl: --max-body 8QiB: give a size*' crawl --max-body 8QiB http://a.test/
	bad 2 'crawl: --crunch frob: give words*' crawl --crunch frob http://a.test/
	bad 2 'crawl: cannot load the plugin: *missing.so*' crawl --crunch ./missing.so:fn http://a.test/
	bad 2 "crawl: plugin * has no function 'nothing'" crawl --crunch "$build/.libs/trouble.so:nothing" http://a.test/
	bad 5 'crawl: /nonexistent/x: No such file*' crawl --out /nonexistent/x http://a.test/
	"$build/docserver" /nonexistent >"$work/out" 2>"$work/err"
	holds 'docserver: a missing folder is an error' test $? -ne 0
	mkdir "$work/site"
	serve "$work/site"
	"$build/docserver" "$work/site" "${url#http://}" >"$work/out" 2>"$work/err"
	holds 'docserver: a port in use is an error' test $? -ne 0
	holds 'docserver: a port in use: one line' one_line "$(cat "$work/err")"
	;;
esac

# Colour: on a terminal only, and not with NO_COLOR.
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	plain=$(printf '\033')
	has 'colour on a terminal' "$(TERM=xterm script -qec "$oxbow rum" /dev/null </dev/null)" "*$plain*"
	has 'no colour with NO_COLOR' "x$(NO_COLOR=1 TERM=xterm script -qec "$oxbow rum" /dev/null </dev/null | tr -d '\033')x" \
		"x$(NO_COLOR=1 TERM=xterm script -qec "$oxbow rum" /dev/null </dev/null)x"
else
	echo 'SKIP: no terminal can be made here, so colour is not tested'
fi
finish
