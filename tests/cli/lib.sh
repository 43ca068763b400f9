# SPDX-License-Identifier: MIT
# What the end-to-end tests of the command share. They run in the build folder; a test says each thing that is not as
# it should be and goes on; finish gives the verdict. Everything is waited for, with a deadline, and nothing is slept for.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$PWD
# libtool's script before it would take longer than most of what is tested.
oxbow=$build/.libs/oxbow
LD_LIBRARY_PATH=$build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
failed=0
checked=0
pids=
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/oxbow-test-XXXXXX")
export TMPDIR
work=$TMPDIR/work
spill=$TMPDIR/spill
mkdir "$work" "$spill"
unset NO_COLOR TERM
for variable in $(env | sed -n 's/^\(OXBOW_[A-Za-z0-9_]*\)=.*/\1/p'); do
	unset "$variable"
done
XDG_CONFIG_HOME=$TMPDIR/config
export XDG_CONFIG_HOME
LC_ALL=C.UTF-8
export LC_ALL

clean_up() {
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
	done
	rm -rf "$TMPDIR"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

fail() {
	failed=$((failed + 1))
	printf 'FAIL: %s\n' "$1"
}

# is WHAT GOT EXPECTED
is() {
	checked=$((checked + 1))
	[ "$2" = "$3" ] || { fail "$1"; printf '  got:      %s\n  expected: %s\n' "$2" "$3"; }
}

# has WHAT TEXT PATTERN (a case pattern)
has() {
	checked=$((checked + 1))
	# shellcheck disable=SC2254 # it is a pattern
	case $2 in
	$3) ;;
	*) fail "$1"; printf '  got:     %s\n  pattern: %s\n' "$2" "$3" ;;
	esac
}

# holds WHAT COMMAND...: the command succeeds
holds() {
	what=$1
	shift
	checked=$((checked + 1))
	"$@" || fail "$what"
}

# until_ SECONDS COMMAND...: waits until the command succeeds
until_() {
	deadline=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# run ARG...: output in $out, messages in $err, exit code in $code
run() {
	"$oxbow" "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
	out=$(cat "$work/out")
	err=$(cat "$work/err")
}

one_line() {
	[ "$(printf '%s\n' "$1" | wc -l)" = 1 ]
}

# hostile [CERT KEY]...: the server that misbehaves (tests/hostile), until descriptor 9 is closed; $url and $port are its address,
# $server its pid, $log is what it was asked, and $work/url has the addresses of its TLS side in further lines
hostile() {
	log=$work/log
	[ -p "$work/life" ] || mkfifo "$work/life"
	: >"$work/url"
	: >"$log"
	python3 "$here/../hostile/server.py" "$log" "$@" <"$work/life" >"$work/url" &
	server=$!
	pids="$pids $server"
	exec 9>"$work/life"
	until_ 20 grep -q ready "$work/url" || { fail 'the server starts'; exit 1; }
	port=$(sed -n '1s/.*://p' "$work/url")
	url=http://127.0.0.1:$port
}

# serve FOLDER: an HTTP server; $url is its address, $server its pid
serve() {
	: >"$work/url"
	"$build/docserver" "$1" 127.0.0.1:0 >"$work/url" &
	server=$!
	pids="$pids $server"
	until_ 20 test -s "$work/url" || { fail 'docserver starts'; exit 1; }
	url=$(cat "$work/url")
}

# Processes that have a nonce in their environment, which every child inherits.
with_nonce() {
	grep -lsa "OXBOW_NONCE=$1" /proc/[0-9]*/environ | cut -d/ -f3
}

nobody_with() {
	[ -z "$(with_nonce "$1")" ]
}

finish() {
	printf '%s checks, %s failed\n' "$checked" "$failed"
	[ "$failed" = 0 ]
	exit
}
