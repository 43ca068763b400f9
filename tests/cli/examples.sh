#!/bin/sh
# SPDX-License-Identifier: MIT
# The job files of examples/batch do what they say.
. "$(dirname "$0")/lib.sh"
examples=$here/../../examples/batch
nonce=n$$

# batch ARG...: as run, with a mark on all that it starts
batch() {
	OXBOW_NONCE=$nonce
	export OXBOW_NONCE
	run batch "$@"
	unset OXBOW_NONCE
}

# in_folder NAME: in a folder of its own
in_folder() {
	mkdir "$work/$1"
	cd "$work/$1" || exit 1
}

in_folder convert
mkdir latin1
printf 'caf\351 au lait\n' >latin1/a.txt
printf 'na\357ve  caf\351\n' >latin1/b.txt
batch "$examples/convert.yaml"
is 'convert: exit' "$code:$err" 0:
is 'convert: texts' "$(cat utf8/a.txt utf8/b.txt)" 'café au lait
naïve  café'
is 'convert: words' "$(tr '\n' ' ' <words.txt)" 'au café lait naïve '

in_folder release
mkdir src checks
echo 'int x;' >src/x.c
echo 'grep -q x src/x.c' >checks/source.sh
echo 'test -d src' >checks/folder.sh
cat >upload <<'EOF'
#!/bin/sh
echo "$OXBOW_ATTEMPT" >>tries
[ "$OXBOW_ATTEMPT" = 3 ] || exit ${CODE:-75}
sha256sum -c --quiet "$1" && ls "$@"
EOF
chmod +x upload
batch --run run "$examples/release.yaml"
is 'release: exit' $code 0
is 'release: uploaded, the third time' "$(echo $out):$(echo $(cat tries))" 'SHA256SUMS release.tar release.tar.gz:1 2 3'
rm tries
CODE=1 batch --ephemeral "$examples/release.yaml"
is 'release: an error that stays is not tried again' "$code:$(grep -v SHA "$work/out"):$(cat tries)" \
	'1:the archives are made, but cannot be uploaded:1'
echo false >checks/fails.sh
rm release.tar
batch --ephemeral "$examples/release.yaml"
is 'release: without checks' "$code:$out" '1:the checks do not pass: nothing was released'
holds 'release: without checks nothing is made' test ! -e release.tar

in_folder sweep
batch "$examples/sweep.yaml"
is 'sweep: exit' "$code:$err" 0:
is 'sweep: each combination' "$(wc -l <table.txt):$(sed -n 1p table.txt)" '18:2.8 100 0.6429'

if [ -x "$build/docserver" ]; then
	in_folder pages
	mkdir site
	echo 'one two three' >site/a.txt
	echo 'four' >site/b.txt
	serve site
	printf '%s\n' "$url/a.txt" "$url/b.txt" >urls.txt
	cp "$build/.libs/count.so" words.so
	batch "$examples/pages.yaml"
	is 'pages: exit' "$code:$err" 0:
	is 'pages: a line for each' "$(grep http "$work/out" | sort -n)" "1 words in 5 bytes: $url/b.txt
3 words in 14 bytes: $url/a.txt"
else
	echo 'SKIP: built without HTTP, so pages.yaml is not tried'
fi
holds 'no process is left' until_ 10 nobody_with "$nonce"
finish
