#!/bin/sh
# SPDX-License-Identifier: MIT
# What GNU parallel can do too, oxbow run does with the same bytes: both get the same words, and must write the same.
. "$(dirname "$0")/lib.sh"
parallel --version 2>/dev/null | grep -q '^GNU parallel' || { echo 'SKIP: GNU parallel is not installed'; exit 77; }
PARALLEL_HOME=$TMPDIR
export PARALLEL_HOME
: >"$TMPDIR/will-cite"

printf 'a1\na2\n' >"$work/f1"
printf 'b1\nb2\nb3\n' >"$work/f2"
printf 'k v.x\n1 2\n3 4.y\n' >"$work/named"
printf 'x, y ,z\n1,2\n\n,,3,\n' >"$work/table"
printf 'a\0b c\0' >"$work/nul"
printf 'a,b\n,c' >"$work/commas"
cd "$work" || exit 1

# same [WORD... --] ARG...: words that are spelt in another way here go first.
same() {
	theirs=
	case " $* " in
	*' -- '*)
		while [ "$1" != -- ]; do
			theirs="$theirs $1"
			shift
		done
		shift
		;;
	esac
	# shellcheck disable=SC2086 # the words of ours that are spelt in another way
	parallel -k --plus $theirs "$@" >"$work/theirs" 2>"$work/err" </dev/null
	expected=$?
	ours=$(echo "$theirs" | sed 's/--header :/--header/')
	# shellcheck disable=SC2086
	"$oxbow" run -k $ours "$@" >"$work/ours" 2>"$work/err" </dev/null
	is "$*: exit" $? "$expected"
	checked=$((checked + 1))
	cmp -s "$work/theirs" "$work/ours" || { fail "$theirs $*"; diff "$work/theirs" "$work/ours"; }
}

# Lists.
same echo '{1}{2}' ::: A B ::: 1 2 3
same echo ::: A B :::+ 1 2 3
same echo ::: A B C :::+ 1 2 ::: x y
same --link echo '{1}{2}{3}' ::: a b ::: c d e ::: f
same --link echo :::: f1 f2 ::: 1
same -a f1 -a f2 echo
same -a f1 echo '{2}-{1}' :::: f2
same echo :::: f1 ::::+ f2
same echo ::: a b c ::::+ f1
same -0 echo :::: nul
same -d ',b\n,' echo '[{}]' :::: commas
same echo '{}' :::: /dev/null

# Places.
paths='a.b/c /x /x/y.z. .p a/.p a/b/ a/b.c/ / // a//b x.tar.gz a. .. . a///b/// //x sub.dir/foo.jpg'
# shellcheck disable=SC2086
same echo '{}' '{.}' '{/}' '{//}' '{/.}' '{1.}' '{1/}' '{1//}' '{1/.}' 'x{.}y{/}z' '{%.gz}' '{#a/}' '{#}' '{0#}' '{##}' '{{}}' '{ }' ::: $paths
same echo '{.}-{/}-{//}-{/.}' ::: ''
same echo '{.}' '{/}' ::: 'a b.c' "it's.x" 'x  y/z "q".$HOME'
same echo '{-1}' '{-2}' '{01}' '{2//}' 'a{}b{}c' '{1}x{2}' ::: 1 a/b.c ::: d/e.f
same echo x '{#}' ::: a b

# Columns.
same --colsep , echo '[{1}][{2}][{3}][{4}]' :::: table
same --colsep ' +' echo '[{1}][{2}]' ::: 'a   b' ' x  y '
same -C '\t' echo '{2}' ::: 'a	b'
same --colsep '|' echo '[{1}][{2}]' ::: 'a|b' 'abc'
same --colsep 'x*' echo '[{1}][{2}][{3}]' ::: 'axxb' 'xa' 'ax'
same --header : -- --colsep ' ' echo '{k}+{v.x}' '{v.x.}' '{2}' :::: named
same --header : -- echo '{x}+{y}' '{x/}' ::: x 1 a/2 ::: y 3
if perl -MText::CSV -e 1 2>/dev/null; then
	printf 'a,"b ""c"" d, e"\n"x\ny",\n' >"$work/csv"
	same --csv echo '[{1}][{2}]' :::: csv
	printf 'name;n\n"a;b";1\n' >"$work/csv"
	same --header : --csv --colsep ';' -- echo '{name}={n}' :::: csv
else
	echo 'SKIP: Text::CSV is not installed, so --csv is not compared'
fi

# Several values a job.
same -n2 echo 'p{}q' ::: a b c
same -n2 echo '{1}-{2}' ::: a b c
same -N2 echo '{1}-{2}' 'p{}q' ::: a b c
same -N3 echo '{}+{1}+{2.}+{3}' ::: 1 2.x 3 4
same -n3 echo ::: a b ::: 1 2
same -N2 --colsep , echo '{1}-{2}-{3}-{4}' ::: a,b c,d e,f
same -n0 echo x ::: 1 2 3
same -j2 -X echo 'p{}q' ::: a b c d e
same -j2 -m echo 'p{}q' ::: a b c d e
same -j2 -X echo 'p{.}q{/}' 'x{}' ::: d/a.x d/b.y c d e
same -j2 -X -n4 echo ::: 1 2 3 4 5 6 7 8
same -X --header : -- echo 'p{}q' ::: h 1 2 3

# The pairs of lines of examples/batch/gnu-parallel.md.
mkdir "$work/sheet" "$TMPDIR/bin"
cd "$work/sheet" || exit 1
ln -s "$oxbow" "$TMPDIR/bin/oxbow"
printf 'ann\nbob\ncarl and co\n' >names.txt
printf 'name,size\n"a, b",1\nc,2\n' >table.csv
printf 'echo one\necho "two  words"\nexit 0\necho $((1 + 2))\n' >commands
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on && NF' "$here/../../examples/batch/gnu-parallel.md" >"$work/lines"
pairs=0
while IFS= read -r theirs && IFS= read -r ours; do
	PATH=$TMPDIR/bin:$PATH sh -c "$theirs" >"$work/theirs" 2>"$work/err" </dev/null
	expected=$?
	PATH=$TMPDIR/bin:$PATH sh -c "$ours" >"$work/ours" 2>"$work/err" </dev/null
	is "$ours: exit, as of $theirs" $? "$expected"
	checked=$((checked + 1))
	cmp -s "$work/theirs" "$work/ours" || { fail "$ours"; diff "$work/theirs" "$work/ours"; }
	has "a line of parallel's, then one of ours" "$theirs / $ours" '*parallel* / *oxbow*'
	pairs=$((pairs + 1))
done <"$work/lines"
holds "the sheet has pairs of lines ($pairs)" test "$pairs" -gt 30
finish
