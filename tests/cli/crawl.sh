#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl from outside: results, plugins that crash, redirects, addresses that are refused, output that fails.
. "$(dirname "$0")/lib.sh"
net='--allow-net 127.0.0.0/8 --fast'

# crawl ARG...: results in $work/out, messages in $err, exit code in $code
crawl() {
	# shellcheck disable=SC2086 # words
	"$oxbow" crawl $net "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# field NAME URL-PATH: a field of the one record of that URL, as Python prints it
field() {
	python3 - "$work/out" "$url$2" "$1" <<'PY'
import json, sys
file, url, name = sys.argv[1:]
found = [r for r in map(json.loads, open(file)) if r['url'] == url]
value = found[0] if len(found) == 1 else {}
for part in name.split('.'):
    value = value.get(part) if isinstance(value, dict) else None
print(value)
PY
}

paths() {
	sed 's/^{"url":"[a-z]*:\/\/[^/]*\([^"]*\)".*/\1/' "$work/out" | sort | tr '\n' ' '
}

# ---- a small site ----
site=$work/site
mkdir -p "$site/d/e"
echo '<a href=d/>d</a> <a href="d/../d/#x">again</a> <a href=HTTP://LOCALHOST:1/>out</a> <a href=mailto:x@y>m</a>
<a href="/d/b.html?">q</a> <a href=/pic.png>p</a> <a href=/missing.html>m</a> one two two' >"$site/index.html"
echo '<base href=/d/e/><base href=/no/><a href=c.html>c</a> <a href=/d/b.html>b</a>' >"$site/d/index.html"
echo '<meta http-equiv=refresh content="0; url=/last.html"> caf&eacute; three' >"$site/d/e/c.html"
echo 'b' >"$site/d/b.html"
echo 'last <a href=/>home</a>' >"$site/last.html"
printf '<title> A  title\n of &quot;two&quot; lines </title> x' >"$site/t.html"
printf '\211PNG' >"$site/pic.png"
serve "$site"

crawl --crunch words "$url/"
is 'exit' $code 0
is 'each page once' "$(paths)" '/ /d/ /d/b.html /d/e/c.html /last.html /missing.html /pic.png '
is 'value of words' "$(field value /d/e/c.html)" "{'words': 2, 'distinct': 2}"
is 'depth' "$(field depth /last.html)" 3
is 'via' "$(field via /last.html)" "$url/d/e/c.html"
is 'status and error of a missing page' "$(field status /missing.html) $(field error /missing.html)" '404 http-4xx'
is 'what is no HTML is not crunched' "$(field value /pic.png) $(field bytes.body /pic.png)" 'None 4'
is 'digest' "$(field digest /d/b.html)" "$(sha256sum <"$site/d/b.html" | cut -d' ' -f1)"
is 'ip and version of HTTP' "$(field ip /d/b.html) $(field http /d/b.html)" '127.0.0.1 1.1'
has 'summary: pages' "$err" '*pages: 5 of 7 URLs*errors: 1 (http-4xx 1)*workers crashed: 0*'
has 'summary: words' "$err" '*most frequent:*2  two*'
crawl --quiet --crunch digest "$url/d/b.html"
is 'digest as a crunch function' "$(field value.sha256 /d/b.html)" "$(field digest /d/b.html)"
is '--quiet' "$err" ''
crawl --quiet --crunch title "$url/t.html"
is 'title' "$(field value.title /t.html)" 'A title of "two" lines'
crawl --quiet --depth 0 --crunch links "$url/d/"
is 'links' "$(field value /d/)" "{'links': 2, 'urls': ['c.html', '/d/b.html']}"
crawl --depth 1 "$url/"
is '--depth' "$(paths)" '/ /d/ /d/b.html /missing.html /pic.png '
crawl --max-pages 3 "$url/"
is '--max-pages' "$(wc -l <"$work/out")" 3
crawl --scope prefix "$url/d/"
is '--scope prefix' "$(paths)" '/d/ /d/b.html /d/e/c.html '
crawl --max-body 10 "$url/"
is '--max-body' "$(field error /)" too-large
is 'no answer at all: exit' $code 1
crawl --out "$work/file" "$url/d/b.html"
is '--out' "$(wc -l <"$work/file"):$(wc -c <"$work/out")" 1:0
before=$(date +%s%N)
"$oxbow" crawl --allow-net 127.0.0.1 --max-pages 3 --quiet "$url/" >"$work/out"
holds 'without --fast a host is asked once a second' test $((($(date +%s%N) - before) / 1000000)) -ge 2000

# ---- the address guard ----
net=--fast
for address in 127.0.0.1 10.0.0.1 169.254.169.254 '[::1]' '[::ffff:10.0.0.1]' 2130706433 0x7f.1 localhost 0.0.0.0; do
	url=http://$address:1
	crawl --quiet "$url/"
	is "$address is refused" "$(sed 's/.*"error":"\([^"]*\)".*/\1/' "$work/out"):$code" blocked-address:1
done
net='--allow-net 127.0.0.0/8 --fast'
url=http://127.0.0.1:1
crawl --quiet "$url/"
is 'a closed port' "$(field error /)" refused
url=http://name.invalid
crawl --quiet --timeout 20s "$url/"
is 'an unknown name' "$(field error /)" dns

# ---- plugins ----
site=$work/trouble
mkdir "$site"
for page in crash loop exit fail eat; do
	echo "<a href=behind-$page.html>x</a>" >"$site/$page.html"
	echo behind >"$site/behind-$page.html"
done
sed -i 's/behind-loop/behind-lo/; s/behind-crash/behind-cr/; s/behind-exit/behind-ex/; s/behind-fail/behind-fa/; s/behind-eat/behind-ea/' "$site"/*.html
mv "$site/behind-crash.html" "$site/behind-cr.html"
mv "$site/behind-loop.html" "$site/behind-lo.html"
mv "$site/behind-exit.html" "$site/behind-ex.html"
mv "$site/behind-fail.html" "$site/behind-fa.html"
mv "$site/behind-eat.html" "$site/behind-ea.html"
for i in 1 2 3 4 5 6 7 8 9; do echo "page $i" >"$site/good$i.html"; done
(cd "$site" && for f in good*.html crash.html loop.html exit.html fail.html eat.html; do echo "<a href=$f>x</a>"; done) >"$site/index.html"
serve "$site"
crawl -j2 --crunch-timeout 20s --crunch-memory 256MiB --crunch "$build/.libs/trouble.so:trouble" "$url/"
is 'case 16: exit' $code 0
is 'case 16: crash' "$(field error /crash.html) $(field value /crash.html)" 'crunch-signal 11 None'
is 'case 16: loop' "$(field error /loop.html)" crunch-timeout
is 'case 16: 4 GB' "$(field error /eat.html)" crunch-oom
is 'case 16: exit()' "$(field error /exit.html)" crunch-failed
is 'case 16: refusal' "$(field error /fail.html)" crunch-failed
is 'case 16: all others have results' "$(grep -c '"error":null.*"value":{"text"' "$work/out")" 15
is 'case 16: all pages are found' "$(wc -l <"$work/out")" 20
holds 'case 16: what a plugin prints is no result' sh -c "! grep -q 'plugin prints' '$work/out'"
has 'case 16: summary' "$err" '*errors: 5 (crunch-signal 1, crunch-timeout 1, crunch-oom 1, crunch-failed 2)*'
crawl -j1 --quiet --crunch-timeout 2s --crunch-memory 256MiB --crunch "$build/.libs/trouble.so:trouble" "$url/"
is 'case 16: one worker is enough: it is replaced each time' "$(grep -c '"error":"crunch-' "$work/out") $(grep -c '"error":null.*"value":{"text"' "$work/out")" '5 15'
crawl --quiet --crunch "$build/.libs/longest.so:longest" "$url/good1.html"
is 'the example plugin' "$(field value.longest /good1.html)" page

# ---- redirects, by nginx ----
nginx=$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null)
if [ -n "$nginx" ]; then
	mkdir "$work/nginx"
	cat >"$work/nginx/conf" <<CONF
daemon off; pid $work/nginx/pid; error_log stderr crit; worker_processes 1; events { }
http { access_log $work/nginx/log; client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
server { listen unix:$work/nginx/unused; listen 127.0.0.1:PORT; default_type text/html; absolute_redirect off;
location = / { return 200 '<a href=a>1</a><a href=self>2</a><a href=file>3</a><a href=ok>4</a><a href=out>5</a><a href=chain?1>6</a><a href=e5>7</a><a href=meta>8</a>'; }
location = /a { return 301 /b; } location = /b { return 302 /a; }
location = /self { return 302 /self?\$args.x; }
location = /file { return 302 file:///etc/passwd; }
location = /ok { return 303 target; } location = /target { return 200 'target'; }
location = /meta { return 308 target; }
location = /out { return 302 http://10.0.0.1/; }
location = /e5 { return 503; }
} }
CONF
	port=$((20000 + $$ % 20000))
	started=
	for try in 1 2 3 4 5; do
		sed "s/PORT/$port/" "$work/nginx/conf" >"$work/nginx/conf.$try"
		"$nginx" -p "$work/nginx" -c "$work/nginx/conf.$try" 2>"$work/nginx/err" &
		pid=$!
		if until_ 3 test -s "$work/nginx/pid"; then
			started=$pid
			pids="$pids $pid"
			break
		fi
		port=$((port + 1))
	done
	holds 'nginx starts' test -n "$started"
	url=http://127.0.0.1:$port
	crawl --quiet "$url/"
	is 'case 6: a redirect and back' "$(field error /a)" redirect-loop
	is 'case 6: a growing redirect' "$(field error /self)" redirect-loop
	is 'case 6: to a file' "$(field error /file)" redirect-scheme
	is 'case 6: out of scope it is not followed' "$(field status /out) $(field error /out) $(field final /out)" '302 None http://10.0.0.1/'
	is 'case 6: the final URL' "$(grep -c "\"final\":\"$url/target\"" "$work/out")" 2
	is 'case 6: is fetched once' "$(grep -c '/target ' "$work/nginx/log")" 1
	is 'a server that has failed' "$(field error /e5)" http-5xx
	kill "$started"
	wait "$started" 2>/dev/null
else
	echo 'SKIP redirects: no nginx'
fi

# ---- output that fails ----
serve "$work/site"
# shellcheck disable=SC2086
"$oxbow" crawl $net --out /dev/full "$url/" >"$work/out" 2>"$work/err"
is 'full disk: exit' $? 5
has 'full disk: message' "$(cat "$work/err")" 'oxbow: crawl: cannot write the results: No space left*'
{ "$oxbow" crawl $net "$url/"; echo $? >"$work/code"; } 2>"$work/err" | :
is 'reader gone: exit' "$(cat "$work/code")" 141
is 'reader gone: no message' "$(cat "$work/err")" ''

is 'temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
finish
