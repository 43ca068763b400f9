#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job: serves a document tree on loopback by the example program docserver, crawls and crunches it by `oxbow crawl`, and prints the
# summary with the most frequent words. Arguments: the build folder, and the tree (default: the PostgreSQL manual of Debian's
# postgresql-doc-15). The results stay in the build folder as main-job.jsonl, a line a page.
set -eu
build=${1:-_build} tree=${2:-/usr/share/doc/postgresql-doc-15/html}
[ -e "$tree/index.html" ] || { echo "main-job: $tree/index.html is not there" >&2; exit 1; }
build=$(cd "$build" && pwd)

work=$(mktemp -d)
server=
stop() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT TERM

mkfifo "$work/url"
"$build/docserver" "$tree" >"$work/url" &
server=$!
read -r url <"$work/url" || { echo "main-job: the document server did not start" >&2; exit 1; }

echo "main-job: crawling $tree at $url" >&2
"$build/oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words --out "$build/main-job.jsonl" "$url/index.html"
echo "main-job: the results are in $build/main-job.jsonl" >&2
