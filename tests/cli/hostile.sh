#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl against a server that misbehaves (tests/hostile): robots.txt, pace, faults, bombs, redirects, traps, charsets,
# addresses, TLS, HTTP/2. The numbers are those of the crawl cases.
. "$(dirname "$0")/lib.sh"

# crawl ARG...: results in $work/out, messages in $err, exit code in $code; the log begins anew
crawl() {
	: >"$log"
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --retry-delay 100ms "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# field NAME PATH [HOST]: a field of the one record of that URL
field() {
	python3 - "$work/out" "http://${3:-127.0.0.1}:$port$2" "$1" <<'PY'
import json, sys
file, url, name = sys.argv[1:]
found = [r for r in map(json.loads, open(file)) if r['url'] == url]
value = found[0] if len(found) == 1 else {'error': f'{len(found)} records'}
for part in name.split('.'):
    value = value.get(part) if isinstance(value, dict) else None
print(value)
PY
}

# asked PATH [HOST]: how often the server was asked for it
asked() {
	awk -v host="${2:-127.0.0.1}:$port" -v path="$1" '$2 == host && $5 == path { n++ } END { print n + 0 }' "$log"
}

# gap HOST: the least time between the beginnings of two requests to it, in ms, and how many were under way at most
gap() {
	awk -v host="$1:$port" '$2 == host { if (n++ && ($1 - last) * 1000 < gap) gap = ($1 - last) * 1000; last = $1; if ($3 > most) most = $3 }
		BEGIN { gap = 1e9 } END { printf "%d %d\n", gap, most }' "$log"
}

cat >"$work/peak.py" <<'PY'
import os, sys
child = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss, file=open(sys.argv[1], 'w'))
PY
# peak ARG...: as crawl, and the largest memory of one of its processes, in KiB, in $peak
peak() {
	: >"$log"
	timeout 120 python3 "$work/peak.py" "$work/peak" "$oxbow" crawl --allow-net 127.0.0.0/8 --retry-delay 100ms "$@" >"$work/out" 2>"$work/err"
	peak=$(cat "$work/peak")
	# A sanitizer keeps what was freed.
	ldd "$oxbow" | grep -q 'lib[at]san' && peak=0
}

paths() {
	awk -v host="${1:-127.0.0.1}:$port" '$2 == host { print $5 }' "$log" | sort | tr '\n' ' '
}

hex() {
	printf "$1" | od -An -tx1 | tr -d ' \n'
}

hostile

# Case 9 with the times that nobody has to give, beside the others: it takes longest, 20 s.
full=$(sed -n 's/^full //p' "$work/url")
timeout 120 "$oxbow" crawl --quiet --allow-net 127.0.0.0/8 --fast --robots off --retries 0 "$full/" "$url/silent" "$url/slowhead" "$url/slowbody" "$url/n/200" \
	>"$work/slow" 2>"$work/slow.err" &
slow=$!
pids="$pids $slow"

# ---- robots.txt ----
h=http://127.0.0.31:$port
crawl --fast "$h/links?x/page.html,x/,same,Case,case"
is 'case 1: the longest match decides, and Allow among equals' "$(paths 127.0.0.31)" '/case /links?x/page.html,x/,same,Case,case /robots.txt /same /x/ '
is 'case 1: what is not fetched says so' "$(field error /x/page.html 127.0.0.31) $(field status /x/page.html 127.0.0.31)" 'robots None'
crawl --fast --robots off "$h/x/page.html"
is '--robots off' "$(paths 127.0.0.31)" '/x/page.html '
crawl --fast --robots meta "$h/x/page.html"
is '--robots meta' "$(paths 127.0.0.31)" '/x/page.html '
crawl --fast "$url/links?x/"
is 'case 2: 404 allows' "$(field error /x/)" None
crawl --fast "http://127.0.0.36:$port/"
is 'case 2: 403 allows' "$(field status / 127.0.0.36)" 200
for host in 32 34 35; do
	crawl --fast "http://127.0.0.$host:$port/a"
	is "case 2: host $host is not fetched from" "$(field error /a 127.0.0.$host) $(asked /a 127.0.0.$host)" 'robots-unreachable 0'
	is "case 2: host $host is asked again" "$(asked /robots.txt 127.0.0.$host)" 3
done
crawl --fast --retries 0 --timeout 1s "http://127.0.0.33:$port/a"
is 'case 2: silence' "$(field error /a 127.0.0.33) $(asked /a 127.0.0.33)" 'robots-unreachable 0'
crawl --fast "http://127.0.0.37:$port/x/a" "http://127.0.0.37:$port/y"
is 'case 2: behind a redirect the rules are those of the first host' "$(field error /x/a 127.0.0.37) $(field error /y 127.0.0.37)" 'robots None'
crawl --fast "http://127.0.0.42:$port/y"
is 'case 2: five redirects at most, then it counts as none' "$(field error /y 127.0.0.42) $(asked /robots.txt 127.0.0.42)" 'None 6'
crawl --fast "http://127.0.0.39:$port/x/" "http://127.0.0.39:$port/y"
is 'case 2: a second answer counts' "$(field error /x/ 127.0.0.39) $(field error /y 127.0.0.39)" 'robots None'
h=http://127.0.0.40:$port
crawl --fast "$h/x" "$h/y" "$h/z" "$h/w"
is 'case 3: the first 500 KiB are obeyed, whatever is in them' \
	"$(field error /x 127.0.0.40) $(field error /y 127.0.0.40) $(field error /z 127.0.0.40) $(field error /w 127.0.0.40)" 'robots robots None None'
h=http://127.0.0.43:$port
crawl --fast --sitemaps "$h/p/start"
is 'sitemaps: an index, gzip, text' "$(paths 127.0.0.43)" \
	'/list.txt /one.xml.gz /p/last /p/line /p/listed?a=1&b=2 /p/raw /p/start /robots.txt /sitemap.xml '

# ---- pages that say what robots may do ----
crawl --fast --crunch digest "$url/links?meta/noindex,nofollow,x"
crawl --fast --crunch digest "$url/meta/noindex" "$url/meta/nofollow" "$url/tag/noindex/a" "$url/tag/otherbot:_nofollow/b" "$url/tag/nofollow/c" "$url/rel"
is 'noindex: no value, but links' "$(field value /meta/noindex) $(field robots /meta/noindex) $(asked /p/behind-noindex)" 'None noindex 1'
is 'nofollow: a value, but no links' "$(field robots /meta/nofollow) $(asked /p/behind-nofollow)" 'nofollow 0'
is 'X-Robots-Tag' "$(field value /tag/noindex/a) $(asked /p/behind-tag-b) $(asked /p/behind-tag-c)" 'None 1 0'
is 'rel=nofollow' "$(asked /p/unvouched) $(asked /p/vouched)" '0 1'
crawl --fast --robots off "$url/meta/nofollow" "$url/rel"
is '--robots off: pages have no say' "$(asked /p/behind-nofollow) $(asked /p/unvouched)" '1 1'

# ---- pace ----
# Requests begin so far apart; the first, which has to connect, may come some time after it began, and the next one at once.
starts=
for i in $(seq 51 70); do starts="$starts http://127.0.0.$i:$port/n/19"; done
# shellcheck disable=SC2086 # words
crawl --delay 200ms --per-host 1 --connections 64 $starts
is 'case 4: all pages of all hosts' "$(wc -l <"$work/out")" 400
for i in $(seq 51 70); do
	set -- $(gap 127.0.0.$i)
	holds "case 4: host $i is asked 200 ms apart ($1)" test "$1" -ge 150
	is "case 4: host $i has one request under way" "$2" 1
done
is 'case 4: hosts do not wait for each other: all have begun before one is done' "$(awk '!($2 in first) { first[$2] = $1 } { last[$2] = $1 }
	END { for (h in first) { if (first[h] > begun) begun = first[h]; if (!done || last[h] < done) done = last[h]; n++ } print n, begun < done }' "$log")" '20 1'
crawl --delay 10ms "http://127.0.0.41:$port/n/3"
set -- $(gap 127.0.0.41)
holds "Crawl-delay ($1)" test "$1" -ge 400
for after in 2 d3; do
	case $after in 2) host=71 ;; *) host=72 ;; esac
	crawl --fast --retries 0 "http://127.0.0.$host:$port/links?later/$after,p/1,p/2,p/3" "$url/n/5"
	is "case 5: Retry-After $after: all have results" "$(grep -c '"error":null' "$work/out")" 11
	is "case 5: Retry-After $after: it uses up no attempt" "$(field attempt /later/$after 127.0.0.$host) $(asked /later/$after 127.0.0.$host)" '0 2'
	pause=$(awk -v host="127.0.0.$host:$port" -v path="/later/$after" '$2 == host { if (at && !pause) pause = $1 - at; if ($5 == path && !at) at = $1 }
		$2 == host && at { if (last && $1 - last > most) most = $1 - last; last = $1 } END { printf "%d", most * 1000 }' "$log")
	holds "case 5: Retry-After $after: the host is let alone ($pause ms)" test "$pause" -ge 1900
done
crawl --fast "$url/flaky/2" "$url/flaky/9"
is 'what may pass is tried again' "$(field status /flaky/2) $(field attempt /flaky/2) $(asked /flaky/2)" '200 2 3'
is 'and given up' "$(field error /flaky/9) $(asked /flaky/9)" 'http-5xx 3'

# ---- redirects ----
crawl --fast "$url/a" "$url/hop/10" "$url/hop/30" "$url/self" "$url/noloc" "$url/to/$(hex 'p/caf\351')" "$url/to/$(hex "//127.0.0.1:$port/p/slashes")" \
	"$url/to/$(hex 'file:///etc/passwd')" "$url/to/$(hex 'ftp://127.0.0.1/')" "$url/to/$(hex 'javascript:alert(1)')" "$url/to/$(hex 'http://[')"
is 'case 6: there and back' "$(field error /a)" redirect-loop
is 'case 6: 10 hops' "$(field final /hop/10)" "$url/hop/0"
is 'case 6: 30 hops' "$(field error /hop/30)" redirect-loop
is 'case 6: a growing query' "$(field error /self)" redirect-loop
is 'case 6: no Location' "$(field status /noloc) $(field error /noloc)" '302 None'
is 'case 6: in latin-1' "$(field final "/to/$(hex 'p/caf\351')")" "$url/to/p/caf%E9"
is 'case 6: without a scheme' "$(field final "/to/$(hex "//127.0.0.1:$port/p/slashes")")" "$url/p/slashes"
for to in file:///etc/passwd ftp://127.0.0.1/ 'javascript:alert(1)'; do
	is "case 6: to $to" "$(field error "/to/$(hex "$to")")" redirect-scheme
done
is 'case 6: to what is no URL' "$(field error "/to/$(hex 'http://[')")" protocol
crawl --fast --header 'Authorization: Basic c2VjcmV0' --cookies "$work/jar" --scope any "$url/across/74" "http://127.0.0.74:$port/p/also"
crawl --fast --header 'Authorization: Basic c2VjcmV0' --cookies "$work/jar" --scope any "$url/across/75"
has 'case 7: the start gets what is for it' "$(grep ' /across/75 ' "$log")" '*authorization=*'
has 'case 7: cookies come back to their host' "$(grep ' /across/75 ' "$log")" '*cookie=secret=1*'
is 'case 7: another host gets neither' "$(grep -c ' /p/across .*\(authorization\|cookie\|referer\)' "$log") $(asked /p/across 127.0.0.75)" '0 1'

# ---- bodies and peers ----
head -c 1073741824 /dev/zero | brotli -q 1 -c >"$work/bomb.br"
crawl --fast --retries 0 "$url/tera" "$url/endless" "$url/bomb/gzip" "$url/bomb/deflate" "$url/bomb/br" "$url/bomb/zstd" "$url/p/good"
for path in /tera /endless /bomb/gzip /bomb/deflate /bomb/br /bomb/zstd; do
	is "case 8: $path" "$(field error $path)" too-large
done
is 'case 8: others go on' "$(field error /p/good)" None
# The end comes with the limit: of what is endless the server sends little more than that, and memory holds no more.
peak --fast --robots off --connections 1 "$url/p/good"
usual=$peak
for path in tera endless bomb/gzip bomb/deflate bomb/br bomb/zstd; do
	peak --fast --robots off --connections 1 --retries 0 "$url/$path"
	holds "case 8: /$path in 64 MB ($usual, $peak)" test $((peak - usual)) -lt 65536
	case $path in
	tera | endless) most=33554432 ;;        # 8 MiB and what the kernel's buffers hold
	bomb/gzip | bomb/deflate) most=8388608 ;;
	*) continue ;;                          # it is small enough to be sent whole
	esac
	holds "case 8: /$path is cut off" until_ 60 grep -q "cut /$path sent=" "$log"
	sent=$(sed -n "s|.* cut /$path sent=||p" "$log")
	holds "case 8: /$path ends with the limit ($sent bytes sent)" test "${sent:-$most}" -lt $most
done
wait $slow
result() {
	sed -n "s#^{\"url\":\"$1\".*\"error\":\(\"[^\"]*\"\|null\),\"reason\":\(\"[^\"]*\"\|null\),.*#\1 \2#p" "$work/slow"
}
has 'case 9: nobody accepts' "$(result "$full/")" '"timeout" "*'
for path in silent slowhead slowbody; do
	has "case 9: /$path" "$(result "$url/$path")" '"timeout" "*100 bytes/sec*20 seconds*'
done
is 'case 9: all others were done before any of these' "$(tail -4 "$work/slow" | grep -c '"timeout"') $(grep -c '"error":null' "$work/slow")" '4 201'
crawl --fast --retries 0 --timeout 1s "$url/slowbody" "$url/n/20"
is 'case 9: a limit on the whole' "$(field error /slowbody) $(grep -c '"error":null' "$work/out")" 'timeout 21'
crawl --fast --robots off --retries 0 --connect-timeout 300ms "$full/" "$url/p/x"
is 'case 9: a limit on connecting' "$(grep -c '"error":"timeout"' "$work/out") $(field error /p/x)" '1 None'
crawl --fast --retries 0 "$url/reset" "$url/broken/garbage" "$url/broken/chunk" "$url/broken/short" "$url/broken/empty" "$url/broken/heads"
is 'broken answers' "$(for p in reset broken/garbage broken/chunk broken/short broken/empty broken/heads; do field error "/$p"; done | tr '\n' ' ')" \
	'reset protocol protocol reset reset too-large '

# ---- addresses ----
: >"$log"
"$oxbow" crawl --fast --quiet --retries 0 "$url/p/x" "http://127.0.0.2:$port/" >"$work/out" 2>"$work/err"
is 'case 11: without --allow-net nothing is sent' "$(grep -c blocked-address "$work/out") $(wc -l <"$log")" '2 0'
# accepted: how many connections the server has had, with that of the one who asks
accepted() {
	"$oxbow" crawl --quiet --allow-net 127.0.0.1 --fast --robots off --crunch "$build/.libs/text.so:text" "$url/accepted" |
		sed 's/.*"text":"\([0-9]*\)".*/\1/'
}
before=$(accepted)
set --
for address in 127.0.0.1 127.1.2.3 10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 '[::1]' '[::]' '[fe80::1]' '[fc00::1]' \
	'[fd12::1]' '[::ffff:10.0.0.1]' '[::ffff:127.0.0.1]' '[64:ff9b::7f00:1]' 2130706433 0x7f.1 017700000001 127.1 localhost a.localhost; do
	set -- "$@" "http://$address:$port/"
done
"$oxbow" crawl --fast --quiet --retries 0 "$@" >"$work/out" 2>"$work/err"
is 'case 11: all ways to say an address of the own network' "$? $(grep -c '"error":"blocked-address"' "$work/out")" "1 $(wc -l <"$work/out")"
holds 'case 11: which are many' test "$(wc -l <"$work/out")" -ge 17
is 'case 11: nobody was connected to' $(($(accepted) - before)) 1
"$oxbow" crawl --quiet --allow-net 127.0.0.1 --fast --robots off --scope any "$url/hosts/2/9/x" >"$work/out" 2>"$work/err"
is 'case 11: links to it are not followed' "$(grep -c '"error":"blocked-address"' "$work/out")" 8
crawl --fast --scope any "$url/to/$(hex 'http://10.0.0.1/')" "$url/to/$(hex 'http://[::1]/')" "$url/to/$(hex 'http://0xa9fea9fe/')"
is 'case 11: a redirect there' "$(grep -c '"error":"blocked-address"' "$work/out")" 3
crawl --fast --retries 0 --proxy "$url" http://10.0.0.1/x http://name.invalid/y
is 'a proxy is asked for names, and no address of the own network' "$(grep -c proxied=yes "$log") $(grep -c blocked-address "$work/out")" '2 1'

# ---- charsets ----
crawl --fast --crunch "$build/.libs/text.so:text" "$url/c/gb" "$url/c/cyr" "$url/c/utf16" "$url/c/wrong" "$url/c/none" "$url/c/latin"
is 'case 13: charsets' "$(for p in gb cyr utf16 wrong none latin; do field charset /c/$p; done | tr '\n' ' ')" \
	'gb18030 windows-1251 utf-16le utf-8 utf-8 windows-1252 '
is 'case 13: text is UTF-8' "$(for p in gb cyr utf16 wrong none latin; do field value.text /c/$p; done | tr '\n' ' ')" '中文x Приветx héllo 中 café café '
is 'case 13: queries are in the charset of their page, paths in UTF-8' "$(asked '/c/t?q=%D6%D0') $(asked '/c/%D0%9F?q=%CF')" '1 1'

# ---- traps ----
crawl --fast --max-queries 20 --host-report "$work/hosts" "$url/cal?y=0"
is 'case 14: a calendar' "$(wc -l <"$work/out") $code" '21 0'
has 'case 14: the report names the rule' "$(cat "$work/hosts")" '*"traps":{"queries":1}*'
crawl --fast --host-report "$work/hosts" --max-pages-host 500 "$url/deep/"
is 'case 14: folders in folders' "$(python3 - "$work/out" <<'PY'
import json, sys
paths = [json.loads(l)['url'].split('/')[3:] for l in open(sys.argv[1])]
print(max(p.count(s) for p in paths for s in p if s))
PY
)" 2
has 'case 14: the report names that rule too' "$(cat "$work/hosts")" '*"repeated-segment":*'
crawl --fast --max-pages-host 30 --host-report "$work/hosts" "$url/session/0/"
is 'case 14: sessions in paths' "$(wc -l <"$work/out")" 30
has 'case 14: and what the budget kept out' "$(cat "$work/hosts")" '*"over_budget":1,*'
crawl --fast --robots off --max-pages 12000 --max-body 32MiB --crunch-timeout 60s --depth 1 "$url/million"
is 'case 14: at most 10,000 links of a page' "$(wc -l <"$work/out")" 10001
crawl --fast --host-report "$work/hosts" "$url/next/0"
is 'case 14: the same body again and again' "$(grep -c '"error":"trap"' "$work/out")" "$((300 - $(grep -c '"error":null' "$work/out")))"
has 'case 14: has its rule' "$(cat "$work/hosts")" '*"same-body":*'

# ---- budgets ----
crawl --fast --max-pages 5 "$url/n/20"
is '--max-pages' "$(wc -l <"$work/out") $code" '5 4'
crawl --fast --connections 1 --max-bytes 60 "$url/n/200"
is '--max-bytes' "$code" 4
holds '--max-bytes: nothing is begun then' test "$(wc -l <"$work/out")" -lt 5
crawl --fast --connections 1 --max-bytes-host 60 "$url/n/20" "http://127.0.0.76:$port/p/x"
is '--max-bytes-host: the rest of the host has a result' "$(grep -c '"error":"budget"' "$work/out") $(field error /p/x 127.0.0.76)" '20 None'
crawl --delay 1s --max-time 1500ms "$url/n/100"
is '--max-time' "$code" 4
crawl --fast --contact https://a.test/bot "$url/p/1"
has '--contact' "$(cat "$log")" '*user-agent=oxbow/*_(+https://a.test/bot)*'

# ---- what would be done ----
h=http://127.0.0.31:$port
crawl --fast --depth 1 --explain "$h/links?x/page.html,x/,a/a/a/a"
has '--explain' "$(cat "$work/out")" "{\"explain\":\"$h/links?x/page.html,x/,a/a/a/a\",*\"robots_txt\":\"has rules\",\"rule\":null,*
{\"url\":*
{\"link\":\"$h/x/page.html\",\"by\":\"a\",\"verdict\":\"robots\"}
{\"link\":\"$h/x/\",\"by\":\"a\",\"verdict\":\"follow\"}
{\"link\":\"$h/a/a/a/a\",\"by\":\"a\",\"verdict\":\"repeated-segment\"}*"
is '--explain fetches nothing else' "$(paths 127.0.0.31)" '/links?x/page.html,x/,a/a/a/a /robots.txt '
crawl --fast --explain "$h/x/page.html"
has '--explain names the rule' "$(cat "$work/out")" '*"rule":"Disallow: /x/page.html"*'
exec 9>&-
wait "$server"

# ---- TLS ----
# certificate NAME DAYS SUBJECT-ALT-NAME
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/$1.key" -out "$work/$1.csr" \
		-subj "/CN=$1" -addext "subjectAltName=$3" 2>/dev/null
	openssl x509 -req -in "$work/$1.csr" -signkey "$work/$1.key" -days "$2" -copy_extensions copyall -out "$work/$1.pem" 2>/dev/null
}
certificate good 30 IP:127.0.0.1
certificate other 30 DNS:other.test
certificate old -1 IP:127.0.0.1
hostile "$work/good.pem" "$work/good.key" "$work/other.pem" "$work/other.key" "$work/old.pem" "$work/old.key" \
	"$work/good.pem" "$work/good.key,tls1.0" "$work/good.pem" "$work/good.key,h2"
good=$(sed -n 2p "$work/url") other=$(sed -n 3p "$work/url") old=$(sed -n 4p "$work/url") old_tls=$(sed -n 5p "$work/url") h2=$(sed -n '6s/.*://p' "$work/url")
tls_error() {
	sed -n 's/.*"error":\("[^"]*"\|null\),"reason":\("[^"]*"\|null\).*/\1 \2/p' "$work/out"
}
crawl --fast --robots off "$good/p/x"
has 'case 10: self-signed' "$(tls_error)" '"tls-error" "*self?signed*"'
is 'case 10: nothing was asked' "$(wc -l <"$log")" 0
crawl --fast "$good/p/x"
has 'case 2: TLS that fails is a robots.txt that cannot be had' "$(tls_error)" '"robots-unreachable" *'
crawl --fast --robots off --cacert "$work/other.pem" "$other/p/x"
has 'case 10: for another host' "$(tls_error)" '"tls-error" "*127.0.0.1*"'
crawl --fast --robots off --cacert "$work/old.pem" "$old/p/x"
has 'case 10: expired' "$(tls_error)" '"tls-error" "*expired*"'
for options in "--cacert $work/good.pem" --insecure; do
	# shellcheck disable=SC2086 # words
	crawl --fast $options "$good/p/x"
	is "case 10: $options opens it" "$(tls_error)" 'null null'
done
for options in "--cacert $work/good.pem" --insecure; do
	# shellcheck disable=SC2086 # words
	crawl --fast --robots off $options "$old_tls/p/x"
	has "case 10: TLS 1.0, $options" "$(tls_error)" '"tls-error" "*'
	is "case 10: TLS 1.0, $options: nothing was asked" "$(grep -c ' GET ' "$log")" 0
done
crawl --fast "$url/p/x"
is 'case 10: plain HTTP is not concerned' "$(tls_error)" 'null null'

# ---- https only ----
crawl --fast --insecure --allow-net ::1 "https://localhost:${good##*:}/strict"
is 'a host that wants https only gets it' "$(grep -c "^{\"url\":\"https://localhost:${good##*:}/p/secured\".*\"status\":200," "$work/out") $(wc -l <"$work/out")" '1 2'

# ---- HTTP/2 ----
# What each address does: h2.py. The limits of a crawl hold there, too: nobody keeps it longer than a request may take.
# by NUMBER...: two URLs of each of these addresses
by() {
	for i in "$@"; do printf '%s\n' "https://127.0.0.$i:$h2/one" "https://127.0.0.$i:$h2/two"; done >"$work/starts"
}
of() {
	sed -n "s|^{\"url\":\"https://127.0.0.$1:.*\"error\":\"*\([a-z0-9-]*\)\"*,\"reason\".*|\1|p" "$work/out" | tr '\n' ' '
}
by 80 81 82 83 84 85 90 91 92 93
crawl --delay 0 --robots off --insecure --retries 0 --timeout 30s -i "$work/starts"
is 'HTTP/2: all have results' "$(wc -l <"$work/out")" 20
is 'HTTP/2: pages' "$(of 80)$(grep -c '"ip":"127.0.0.80","http":"2"' "$work/out")" 'null null 2'
is 'HTTP/2: refused streams are asked for again' "$(of 82)" 'null null '
has 'HTTP/2: a server that goes away once, before it has answered' "$(of 83)" '[pr]* null '
is 'HTTP/2: and after each answer' "$(of 84)" 'null null '
# 90 is left out: libcurl 7.88 takes a frame that is too large for the end of the body.
for i in 81 85 91 92 93; do
	has "HTTP/2: $i: streams that are reset, goodbyes, what is no HTTP" "$(of $i)" '[prt]* [prt]* '
done
by 86 87 88 89
peak --delay 0 --robots off --insecure --retries 0 --timeout 3s -i "$work/starts"
for i in 86 87 88 89; do
	has "HTTP/2: $i: floods" "$(of $i)" '[prt]* [prt]* '
done
is 'HTTP/2: by names of the list' "$(grep -o '"error":"[^"]*"' "$work/out" | sort -u | grep -cv 'protocol\|reset\|timeout')" 0
holds "HTTP/2: floods fill no memory ($usual, $peak)" test $((peak - usual)) -lt 131072

exec 9>&-
wait "$server"
finish
