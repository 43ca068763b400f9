#!/bin/sh
# SPDX-License-Identifier: MIT
# Options in variables and in the configuration file: what they may be, which one wins, and what is said about mistakes.
. "$(dirname "$0")/lib.sh"
file=$XDG_CONFIG_HOME/oxbow/config
mkdir -p "$XDG_CONFIG_HOME/oxbow"

# config LINE...: the file has these lines
config() {
	printf '%s\n' "$@" >"$file"
}

# given NAME "VALUE|WHERE" [ARG...]: run --print-config says so
given() {
	name=$1
	expected=$2
	shift 2
	is "$name with '$*'" "$("$oxbow" run "$@" --print-config 2>&1 | sed -n "s/^$name  *//p" | sed 's/   */|/')" "$expected"
}

# ---- sources ----

given jobs "5|command line" -j5
OXBOW_JOBS=4 given jobs "4|OXBOW_JOBS"
OXBOW_JOBS=4 given jobs "5|command line" --jobs 5
config '# what I like' '' ' jobs =  3 ' '[run]' 'keep-order = yes' 'results = out/{#}/x = y'
given jobs "3|$file:3"
OXBOW_JOBS=4 given jobs "4|OXBOW_JOBS"
OXBOW_JOBS=4 given jobs "5|command line" -j 5
given keep-order "yes|$file:5"
given results "'out/{#}/x = y'|$file:6"
has 'what was not given is the default' "$("$oxbow" run --print-config)" '*retries *default*'
is 'each option is told' "$("$oxbow" run --print-config | cut -d' ' -f1)" \
	"$("$oxbow" run --help=all | sed -n 's/^  *\(-.,\)* *--\([a-z-]*\).*/\2/p' | grep -v '^help$\|^print-config$')"
config 'jobs = 3' '[crawl]' 'depth = 2' '[run]' 'jobs = 6' '[worker]' 'slots = 1' '[run]' 'retries = 2'
given jobs "6|$file:5"
given retries "2|$file:9"
config 'slots = 7' 'jobs = 3'
given jobs "3|$file:2"
has 'options of other commands are theirs' "$("$oxbow" worker --print-config)" "*slots *7 *$file:1*"
printf 'jobs = 3\r\nretries = 4' >"$file"
given jobs "3|$file:1"
given retries "4|$file:2"

# ---- what they do ----

config '[run]' 'keep-order = yes' 'tag = <{}>' 'env = A=1' 'env = B=2'
run run -j2 -c 'echo $A$B$C $1' ::: 1 2 3
is 'the file is obeyed' "$code:$out" "0:$(printf '<1>\t12 1\n<2>\t12 2\n<3>\t12 3')"
OXBOW_ENV=C=3 OXBOW_TAG= run run -j2 --env B=4 -c 'echo $A$B$C $1' ::: 1 2 3
is 'variables take back and add' "$code:$out" "0:$(printf '143 1\n143 2\n143 3')"
OXBOW_KEEP_ORDER=0 OXBOW_TAG=yes OXBOW_UNGROUP=no run run -j1 echo ::: 1
is 'yes: without the argument' "$code:$out" "0:$(printf '1\t1')"
OXBOW_TAG=no OXBOW_KEEP_ORDER=off OXBOW_UNGROUP=TRUE run run -j1 echo ::: 1
is 'no takes back' "$code:$out" 0:1
rm "$file"
OXBOW_RUN=x OXBOW_JOB=y OXBOW_SEQ=z OXBOW_SLOT=1 OXBOW_ATTEMPT=1 OXBOW_POOL_gpu=1 run run echo ::: 1
is 'what a job is given is no option' "$code:$out" 0:1
run run -j1 -c "$oxbow run -c 'echo \$OXBOW_SEQ \$1' ::: \$1" ::: ab
is 'a run in a run' "$code:$out" "0:1 ab"
OXBOW_FROB=1 run run echo ::: 1
is 'other variables are nobody'"'"'s' "$code:$out" 0:1
XDG_CONFIG_HOME=relative HOME=$TMPDIR/home given jobs default
mkdir -p "$TMPDIR/home/.config/oxbow"
echo 'jobs = 9' >"$TMPDIR/home/.config/oxbow/config"
XDG_CONFIG_HOME=relative HOME=$TMPDIR/home given jobs "9|$TMPDIR/home/.config/oxbow/config:1"
is 'without a home there is no file' "$(env -u HOME -u XDG_CONFIG_HOME "$oxbow" run --print-config 2>&1 | sed -n 's/^jobs *//p')" default

# ---- mistakes ----

# wrong PATTERN LINE...: the file with these lines is an error of the command line
wrong() {
	pattern=$1
	shift
	config "$@"
	run run echo ::: 1
	has "config '$*'" "$code:$err" "2:oxbow: run: $file:$pattern"
	is "config '$*': nothing is run" "$out" ''
	holds "config '$*': one line" one_line "$err"
}
wrong "1: oxbow has no option 'joobs': did you mean jobs?" 'joobs = 3'
wrong "3: run has no option 'retires': did you mean retries?" '# x' '[run]' 'retires = 3'
wrong "2: run has no option 'depth'*" '[run]' 'depth = 3'
wrong "3: worker has no option 'slot': did you mean slots?" '' '[worker]' 'slot = 3'
wrong "1: oxbow has no option 'frobnicate'" 'frobnicate = 3'
wrong "1: there is no command 'rum': did you mean [[]run]?" '[rum]'
wrong "1: there is no command 'frobnicate'" '[frobnicate]'
wrong '1: a section is*' '[run'
wrong '1: give NAME = VALUE*' 'keep-order'
wrong "1: keep-order is yes or no, not 'maybe'" 'keep-order = maybe'
wrong "1: 'help' can only stand*" 'help = all'
wrong '2: -j 0: give a number*' '' 'jobs = 0'
wrong '1: --timeout soon: give a time*' 'timeout = soon'
printf 'jobs = 3\nretries = \0001\n' >"$file"
run run echo ::: 1
is 'a NUL byte' "$code:$err" "2:oxbow: run: $file:2: there is a NUL byte in this line"
holds 'help is there in spite of them' "$oxbow" run --help >"$work/out"
rm "$file"
mkdir "$file"
run run echo ::: 1
is 'a folder is no file' "$code:$err" "2:oxbow: run: cannot read $file: Is a directory"
rmdir "$file"
OXBOW_BACKOFF=x run run echo ::: 1
has 'a variable is named' "$code:$err" '2:oxbow: run: OXBOW_BACKOFF: --backoff x: give a time*'
OXBOW_QUIET=maybe run run echo ::: 1
is 'a flag is yes or no' "$code:$err" "2:oxbow: run: OXBOW_QUIET: quiet is yes or no, not 'maybe'"
OXBOW_BACKOFF=1s run run --retries x echo ::: 1
has 'the command line is not called a variable' "$code:$err" '2:oxbow: run: --retries x: give*'
OXBOW_BACKOFF=1s run run
has 'nor what is found later' "$code:$err" '2:oxbow: run: which command?*'
OXBOW_BACKOFF=x run run --backoff 1s echo ::: 1
is 'what is overridden is not looked at' "$code:$out" 0:1
finish
