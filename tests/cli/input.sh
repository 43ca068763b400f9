#!/bin/sh
# SPDX-License-Identifier: MIT
# Where oxbow run's values come from and what stands in its commands, from outside: batch cases 1, 2, 3, 14 and 15, and
# features 1-10, 13, 44 and 56 of its specification.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
printf '1\n2\n' >numbers

# ok WHAT EXPECTED ARG...: output lines are joined by blanks.
ok() {
	what=$1
	expected=$2
	shift 2
	run run -k "$@"
	is "$what" "$code:$(echo $out)$err" "0:$expected"
}

# bad CODE PATTERN ARG...: one line says it, and no job has run.
bad() {
	expected=$1
	pattern=$2
	shift 2
	run run "$@"
	is "$*: exit" "$code" "$expected"
	has "$*: message" "$err" "oxbow: run: $pattern"
	holds "$*: one line" one_line "$err"
	is "$*: no output" "$out" ''
}

# piped TEXT ARG...: standard input is a pipe with that text (as printf has it).
piped() {
	text=$1
	shift
	# shellcheck disable=SC2059 # that is what it is for
	printf "$text" | "$oxbow" run -k "$@" >out 2>err
	code=$?
	out=$(cat out)
	err=$(cat err)
}

# Features 1-3, case 1: lists.
ok 'lists' 'a x a y b x b y' echo ::: a b ::: x y
ok 'linked' 'a 1 b 2' echo ::: a b c ::::+ numbers
ok '--link' 'a x b y a z' --link echo ::: a b ::: x y z
ok 'files' '1 a 1 b 2 a 2 b' -a numbers echo ::: a b
piped '1\n2\n' echo ::: a b :::: -
is 'a pipe as second list' "$(echo $out)" 'a 1 a 2 b 1 b 2'
piped 'x\n' -a - echo
is '-a -' "$out" x
"$oxbow" run -k -j1 head -1 :::: numbers - <numbers >out 2>&1
is 'a file on standard input' $? 1
{ read -r first; "$oxbow" run -k echo "$first"; } <numbers >out
is 'standard input from where a shell has left it' "$(cat out)" '1 2'
bad 3 '/nonexistent: No such file*' echo :::: /nonexistent
bad 3 '.: cannot be read: Is a directory' echo :::: .
bad 3 'standard input can be read as one list only' echo :::: - -
bad 2 "which file?*" echo ::::
bad 2 "':::::' is not known; values follow*" echo ::::: a
bad 2 "':::x' is not known*" echo :::x a

# Feature 5 and 56, case 15: bytes.
piped 'a\377b\0c d\0' -0 printf '%s\n'
is 'case 15: bytes' "$(od -An -tx1 <out | tr -d ' \n')" 61ff620a6320640a
piped 'a::b' -d :: echo
is '-d' "$(echo $out)" 'a b'
bad 2 '-d \\q: there is no \\q*' -d '\q' echo
bad 2 '-0 or -d, not both' -0 -d x echo
piped 'x\0y\n' echo
is 'a NUL in a line: exit' $code 3
is 'a NUL in a line' "$err" 'oxbow: run: stdin:1: holds a NUL byte, which no argument can (-0 reads values that end with one)'
head -c 200000 /dev/zero | tr '\0' x >long
bad 3 'long:1: has 200000 bytes, and the system passes at most 131071 in an argument' echo :::: long
head -c 3000000 /dev/zero | tr '\0' x >long
bad 3 'long:1: longer than 2 MiB*' echo :::: long

# Case 14: no input, no job.
ok 'case 14: empty stdin' '' echo
ok 'case 14: empty list' '' echo :::
ok 'case 14: empty file in a product' '' echo ::: a :::: /dev/null

# Feature 6: columns.
ok '--colsep' 'b-a d-c' --colsep , echo '{2}-{1}' ::: a,b c,d
bad 2 '--colsep: the regular expression is wrong at its character 2:*' --colsep '(' echo ::: a
printf 'name,n\r\n"x, ""y""\nz",1\r\nw,2' >csv
ok '--csv --header' '1:x, "y" z. 2:w.' --csv --header echo '{n}:{name}.' :::: csv
printf 'a,b\n"c,d\n' >csv
bad 3 'csv:2:1: this quote is never closed' --csv --header echo '{a}' :::: csv
printf 'a,b\nc\n' >csv
bad 3 'csv:2: has 1 columns, and the first row has 2' --csv --header echo '{a}' :::: csv
bad 2 "{aa} is not known: did you mean {a}? known are {} *{1}...{2} {a} {b}; *" --csv --header echo '{aa}' :::: csv
bad 2 '--colsep xx: with --csv, give one character' --csv --colsep xx echo

# Feature 7: JSON.
printf '{"user":{"name":"a b"},"tags":["x","y"],"n":1e3}\n{"user":{"name":"\\u00e9"},"tags":[],"n":null}\n' >rows
ok '--jsonl' '[a b] 1000 [é]' --jsonl echo '[{user.name}]' '{n}' :::: rows
bad 3 'rows:2: {tags.1} is not there: *an array of 0' --jsonl --filter '{n} == 0' echo '{tags.1}' :::: rows
printf '{"a":1}\n{"a":\n' >rows
bad 3 "rows:2:*" --jsonl --filter '{a} > 1' echo :::: rows
bad 2 '--jsonl: each row has its names in it*' --jsonl --header echo
bad 2 '--csv or --jsonl, not both' --jsonl --csv echo

# Features 8 and 9, cases 2 and 3: places.
ok 'case 2' 'sub.dir/foo foo.jpg sub.dir foo sub.dir/bar bar sub.dir bar' echo '{.} {/} {//} {/.}' ::: sub.dir/foo.jpg sub.dir/bar
ok 'padded' '01 02 03 04 05 06 07 08 09 10' echo '{0#}' ::: 1 2 3 4 5 6 7 8 9 10
piped 'a\nb\n' echo '{#}/{##}'
is '{##} of a pipe' "$(echo $out)" '1/2 2/2'
ok 'edits' 'b.tar foo-1' echo '{%.gz}' ::: b.tar.gz foo-1
ok 'regexp' '2026/11/30' echo '{/(\d+)-(\d+)-(\d+)/$3\/$2\/$1/}' ::: 30-11-2026
run run echo '{/(a+)+b/x/}' ::: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b' ok
is 'a regexp that costs too much: exit' $code 1
is 'a regexp that costs too much: the others run' "$out" ok
has 'a regexp that costs too much: message' "$err" '*its regular expression costs too much*'
ok 'a literal brace' '{} {print} v' echo '\{}' '\{print}' '{}' ::: v
ok 'other braces' '{a,b} {print $1} ${x} v' echo '{a,b}' '{print $1}' '${x}' '{}' ::: v
bad 2 '{print} is not known: known are*\\{ is a brace' awk '{print}' ::: f
bad 2 "'{2}': there is no such value, there is 1" echo '{2}' ::: a
name="My brother's 12\" *** record  (costs \$\$\$).jpg"
: >"$name"
ok 'case 3: a word' "$(echo $name)" ls {} ::: "$name"
run run -c 'ls {} "$(ls "{}")" "`ls {}`" "$1"' ::: "$name"
is 'case 3: sh -c' "$(echo "$out" | sort -u)" "$name"
run run -c "echo $((1 + 1)) \$(({} * 2)) \"\${#}\" '{}' \\{}" ::: 21
is 'sh -c: arithmetic and the shell'"'"'s own braces' "$out" '2 42 3 21 {}'
for value in '$(touch injected)' '`touch injected`' "'; touch injected; '" '"; touch injected; "' '
touch injected
'; do
	run run -c 'echo {} "{}" '"'{}'"' $(echo {}) "$1" >/dev/null' ::: "$value"
	is 'case 3: a value is no text' "$code:$err" 0:
done
holds 'case 3: a value is never run' test ! -e injected

# Feature 10: many values a job.
ok '-n' 'pa bq pcq' -n2 echo 'p{}q' ::: a b c
ok '-N' 'a-b paq pbq c- pcq' -N2 echo '{1}-{2}' 'p{}q' ::: a b c
ok '-X' 'paq pbq pcq pdq peq' -j2 -X echo 'p{}q' ::: a b c d e
bad 2 '-n x: give a number*' -n x echo
lines=$(seq 300000 | "$oxbow" run -j1 -m -c 'echo $#' | awk '{ n += $1; most = $1 > most ? $1 : most } END { print n, (NR > 1), (most > 5000) }')
is '-m: every value, in few commands that the system takes' "$lines" '300000 1 1'
lines=$(head -c 30000000 /dev/zero | tr '\0' x | fold -w 10000 | { cat; echo; } | "$oxbow" run -j2 -X sh -c 'for a; do echo ${#a}; done' sh | sort | uniq -c | tr -s ' ')
is '-X: long values' "$lines" ' 3000 10000'

# Feature 13: arrays.
ok '--array' '1 3 5 10' --array 1-5:2,10 echo
bad 2 "--array 1-x: wrong at 'x'*" --array 1-x echo
slots=$("$oxbow" run -j8 --array=1-40%2 echo '{%}' | sort -u | tr '\n' ' ')
has '--array %N bounds the slots' '1 2 ' "$slots*"

# Which jobs, and in what order.
ok '--filter' '1 2 1 3 2 3' --filter '{1} < {2}' echo ::: 1 2 3 ::: 1 2 3
bad 2 '--filter: at character 5: here the expression should end*' --filter '{1} x' echo ::: 1
bad 3 "value 1 of a list: --filter: 'a' is no number" --filter '{1} + 1' echo ::: a
run run -k --shuf=5 echo ::: 1 2 3 4 5 6 7 8
first=$out
is '--shuf: each once' "$(echo "$out" | sort | tr -d '\n')" 12345678
run run -k --shuf=5 echo ::: 1 2 3 4 5 6 7 8
is '--shuf=SEED: the same again' "$out" "$first"
seq 1000 | "$oxbow" run -k -j1 --shuf --dry-run echo >out
is '--shuf of a pipe: each once' "$(sort -u out | wc -l)" 1000
holds '--shuf: another order' test "$(head -50 out | sort -t ' ' -nk2 | md5sum)" != "$(head -50 out | md5sum)"
bad 2 '--shuf=x: the seed is a number' --shuf=x echo

# Feature 44: a dry run can be pasted, into any shell.
printf "a\0it's \$x \`y\`\0\377\033[1m\tz\n\0\0\303\251\0" >nul
"$oxbow" run -k -0 printf '<%s>\n' :::: nul >expected
"$oxbow" run -0 --dry-run printf '<%s>\n' :::: nul >lines
"$oxbow" run -0 --dry-run -c 'printf "<%s>\n" {}' :::: nul >shell-lines
for shell in sh bash dash; do
	command -v $shell >/dev/null || continue
	$shell lines >out
	holds "a dry run pasted into $shell" cmp out expected
	$shell shell-lines >out
	holds "a dry run of sh -c pasted into $shell" cmp out expected
done
holds 'a dry run is printable' test -z "$(LC_ALL=C tr -d '\n -~\303\251' <lines)"

# A stream: the first job runs while the input is still being written, and memory stays flat.
mkfifo pipe
"$oxbow" run -j1 echo <pipe >out &
runner=$!
pids="$pids $runner"
exec 3>pipe
echo first >&3
holds 'the first job does not wait for the second' until_ 20 grep -q first out
exec 3>&-
wait $runner
is 'and the end is the end' $? 0
# peak N KIB ARG...: N lines, and the most memory that they may take.
peak() {
	most=0
	seq "$1" >lines
	bound=$2
	shift 2
	"$oxbow" run -j2 --dry-run "$@" <lines >/dev/null &
	runner=$!
	pids="$pids $runner"
	while ! gone $runner; do
		rss=$(awk '/VmHWM/ { print $2 }' /proc/$runner/status 2>/dev/null)
		most=${rss:-$most}
		sleep 0.05
	done
	wait $runner
	is "many lines, $*: exit" $? 0
	holds "many lines, $*: memory ($most KiB)" test "$most" -lt "$bound"
}
if ldd "$build/.libs/oxbow" | grep -q 'lib[at]san'; then
	echo 'SKIP: memory is not measured under a sanitizer'
else
	peak 1000000 32768 echo
	peak 200000 32768 --colsep=x --filter='{1} > 0' echo '{##}'
	peak 1000000 65536 -m echo
fi
finish
