#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job: serve a real tree of documents on loopback, crawl it, count its words in worker processes.
#
#	tests/examples/main-job.sh [BUILD-FOLDER [RESULTS [DOCUMENTS]]]
#
# Results, a line of JSON for each page, go to RESULTS (default: nowhere); the summary goes to standard error.
set -eu
build=${1:-.}
results=${2:-/dev/null}
documents=${3:-/usr/share/doc/postgresql-doc-15/html}

[ -e "$documents/index.html" ] || { echo "main-job: $documents: no documents there (Debian: postgresql-doc-15)" >&2; exit 1; }
pipe=$(mktemp -u)
mkfifo "$pipe"
"$build/docserver" "$documents" 127.0.0.1:0 >"$pipe" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -f "$pipe"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
url=
read -r url <"$pipe" || true
[ -n "$url" ] || { echo 'main-job: the document server did not start' >&2; exit 1; }
echo "main-job: oxbow crawl --allow-net 127.0.0.0/8 --fast --crunch words $url/" >&2
"$build/oxbow" crawl --allow-net 127.0.0.0/8 --fast --crunch words --out "$results" "$url/"
