# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the lint tests share: they stand in the source folder, and any finding is a fault. $top_srcdir, $top_builddir and the compilers
# come from AM_TESTS_ENVIRONMENT; run by hand from the source folder, the build is expected in _build.
set -eu
: "${top_srcdir:=$PWD}" "${top_builddir:=$PWD/_build}" "${CC:=gcc}" "${CXX:=g++}"
cd "$top_srcdir"
faults=0

# none "What must not be" "$findings": reports the findings, a line each.
none() {
	[ -n "$2" ] || return 0
	printf '%s:\n%s\n\n' "$1" "$2"
	faults=$((faults + 1))
}

# needs PROGRAM...: skips the test where one is missing.
needs() {
	for program; do
		command -v "${program%% *}" >/dev/null && continue
		echo "SKIP: $program is not installed"
		exit 77
	done
}

finish() {
	[ $faults = 0 ]
}

# Every file of ours that is text.
sources() {
	find .ci bench build/aarch64 build/debian-packages build/count-tests build/libtool-quick bootstrap cli configure.ac examples include ipc liboxbow*.map LICENSE loop \
		Makefile.am man NEWS.md oxbow*.pc.in pool README.md tests -type f 2>/dev/null |
		grep -vE '\.(o|lo|la|a|log|trs|pyc|so)$|/\.(deps|libs|dirstamp)|/corpus/|__pycache__' | LC_ALL=C sort
}
