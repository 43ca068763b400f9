#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl from outside, as far as it is about what stands in pages: links from everywhere, requisites, --select, values, blobs and
# links of plugins.
. "$(dirname "$0")/lib.sh"
hostile

# crawl ARG...: results in $work/out, messages in $err, exit code in $code; the log begins anew
crawl() {
	: >"$log"
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --robots off "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# field NAME PATH: a field of the one record of that URL
field() {
	python3 - "$work/out" "$url$2" "$1" <<'PY'
import json, sys
file, url, name = sys.argv[1:]
found = [r for r in map(json.loads, open(file)) if r.get('url') == url]
value = found[0] if len(found) == 1 else {'error': f'{len(found)} records'}
for part in name.split('.'):
    value = value.get(part) if isinstance(value, dict) else None
print(json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value)
PY
}

paths() {
	awk '{ print $5 }' "$log" | sort | tr '\n' ' '
}

# ---- links ----
pages='/w/a /w/area /w/embed /w/frame /w/header /w/iframe /w/index /w/link /w/object /w/refresh '
crawl "$url/w/index"
is 'what may be a page is followed' "$(paths)" "$pages"
is 'a result says by what its link was found' "$(for p in a area embed frame header iframe link object refresh; do field by /w/$p; done | tr '\n' ' ')" \
	'a area embed header header iframe link object refresh '
is 'a start was found by nothing' "$(field by /w/index)" None
if command -v wget >/dev/null; then
	awk '{ print $5 }' "$log" | sort -u >"$work/ours"
	: >"$log"
	(cd "$TMPDIR/spill" && wget -q -r -l inf -nH -e robots=off "$url/w/index"; rm -rf w)
	is 'every page that wget -r gets' "$(awk '$5 !~ /[.]/ { print $5 }' "$log" | sort -u | comm -23 - "$work/ours")" ''
	holds 'wget gets pages' test "$(wc -l <"$log")" -gt 10
fi
crawl --requisites "$url/w/index"
is '--requisites' "$(paths)" "$(echo "$pages /w/audio.req /w/back.req /w/head.css /w/icon.req /w/img.req /w/import.css /w/input.req /w/one.req /w/poster.req \
	/w/script.req /w/set1.req /w/set2.req /w/source.req /w/style.css /w/style.req /w/styleattr.req /w/track.req /w/two.req /w/video.req" |
	tr -s ' \t' '\n' | sort | tr '\n' ' ')"
is 'a style sheet imports another' "$(field by /w/import.css) $(field via /w/import.css)" "import $url/w/style.css"
is 'which names what it needs' "$(field by /w/two.req) $(field via /w/two.req) $(field depth /w/two.req)" "css $url/w/import.css 3"
crawl --requisites --depth 0 "$url/w/index"
is '--depth: a page has what it is shown with, two steps far' "$(asked() { grep -c " $1 " "$log"; }
	asked /w/a; asked /w/img.req; asked /w/import.css; asked /w/two.req)" '0
1
1
0'
crawl --explain "$url/w/index"
has '--explain tells requisites' "$(cat "$work/out")" "*{\"link\":\"$url/w/img.req\",\"by\":\"img\",\"verdict\":\"requisite\"}*"
crawl --robots meta "$url/header-nofollow"
is 'a header that does not vouch for its link' "$(paths)" '/header-nofollow '

# ---- --select ----
crawl --select 'title=//title,h=//h1|//h2,n=count(//a),has=boolean(//h1)' "$url/s/html" "$url/s/xhtml" "$url/s/deep" "$url/s/latin"
is '--select' "$(field value /s/html)" '{"title": ["T & t"], "h": ["one", "two", "three"], "n": 2, "has": true}'
is '--select in XHTML' "$(field value /s/xhtml)" '{"title": ["X"], "h": ["one"], "n": 0, "has": true}'
is '--select in UTF-8' "$(field value.h /s/latin)" '["café"]'
is '--select: a page without a tree' "$(field error /s/deep) $(field reason /s/deep) $(field value /s/deep)" \
	'parse-limit the page is too large or too deep for a tree None'
is '--select: links are taken nevertheless' "$(field status /s/behind)" 200
crawl --select 'n=//h1[count("x")]' "$url/s/html"
is '--select: a wrong type' "$(field error /s/html) $(field reason /s/html)" 'crunch-failed --select n: something has a wrong type'
crawl --select 'a=//b,c=//d[' "$url/s/html"
is '--select: what is no XPath' "$code:$err:$(paths)" '2:oxbow: crawl: --select a=//b,c=//d[: column 13: this is no XPath 1.0:'
crawl --select 'a=//b' --crunch words "$url/s/html"
has '--select and --crunch' "$code:$err" '2:*leave out --crunch*'

# ---- plugins ----
plugin=$build/.libs/headings.so:headings
crawl --crunch "$plugin" --blobs "$work/blobs" "$url/s/html" "$url/s/xhtml"
is 'a plugin sees a tree' "$(field value.headings /s/html)" \
	'[{"level": 1, "text": "one"}, {"level": 2, "text": "two", "id": "i"}, {"level": 1, "text": "three"}]'
blob=$(python3 -c "import json; print([r for r in map(json.loads, open('$work/out')) if r['url'].endswith('/s/html')][0]['blobs'][0]['sha256'])")
is 'a blob is a file' "$(sha256sum <"$work/blobs/$blob" | cut -d' ' -f1):$(field blobs /s/html)" \
	"$blob:[{\"name\": \"text\", \"sha256\": \"$blob\", \"bytes\": $(wc -c <"$work/blobs/$blob")}]"
is 'and nothing else is left' "$(ls -A "$work/blobs" | grep -c '^\.')" 0
crawl --crunch "$plugin" --connections 1 --blobs "$work/blobs" "$url/s/order"
is 'links first, others then, and some not at all' "$(awk '{ print $5 }' "$log" | tr '\n' ' ')" '/s/order /news/1 /s/a /s/b '
crawl --crunch "$plugin" "$url/s/html"
is 'blobs without a folder' "$(field error /s/html) $(field reason /s/html)" 'crunch-failed blobs have no folder: give --blobs or --run'
crawl --crunch "$plugin" --run "$work/run" "$url/s/html"
is 'blobs of a run' "$(ls "$work/run/blobs")" "$blob"
: >"$work/file"
crawl --crunch "$plugin" --blobs "$work/file" "$url/s/html"
has 'blobs that cannot be written' "$code:$err" "5:*$work/file*"
crawl --resume --run "$work/run"
is 'what it was found by is known after a resume' "$code" 0

exec 9>&-
wait "$server"
finish
