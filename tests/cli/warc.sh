#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow crawl --warc: every record is what the standard says, and what the server sent; killed at any moment, no page is missing
# from the files, none is there twice, and no member is there in half.
. "$(dirname "$0")/lib.sh"
hostile

# crawl ARG...: results in $work/out, messages in $err, exit code in $code
crawl() {
	timeout 120 "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --retry-delay 50ms "$@" >"$work/out" 2>"$work/err"
	code=$?
	err=$(cat "$work/err")
}

# reads WHAT DIR [RESULTS]: the files have no fault; their records in $work/records
reads() {
	what=$1
	shift
	holds "$what" python3 "$here/warc.py" "$@" >"$work/records"
}

# records PATTERN: how many there are
records() {
	grep -c -- "$1" "$work/records"
}

# ---- what is in it ----
crawl --warc "$work/w" --contact https://a.test/bot --header 'X-Own: yes' --retries 1 --timeout 2s --max-body 128KiB \
	"$url/links?p/1,p/2,same/1,same/2,chunks/10/a,chunks/700/b,packed,hop/2,status/404,flaky/1,c/gb,tera,slowbody,broken/short,broken/chunk,silent"
is 'exit' $code 0
reads 'a reader of WARC finds no fault' "$work/w" "$work/out"
is 'one file' "$(ls "$work/w" | grep -c '^oxbow-[0-9]\{14\}-[0-9]*-00001\.warc\.gz$')" 1
holds 'zcat reads it' sh -c "zcat '$work/w/'* >'$work/plain'"
has 'warcinfo says who it was' "$(head -c 1000 "$work/plain" | tr -d '\r')" "WARC/1.1
WARC-Type: warcinfo
*
software: oxbow/*
robots: obey
http-header-user-agent: oxbow/* (+https://a.test/bot)
operator: https://a.test/bot*"
is 'robots.txt' "$(records 'response 404 - - .*/robots.txt$')" 1
is 'pages' "$(records 'response 200 - - .*/p/[12]$')" 2
is 'the same payload once more is a revisit' "$(records 'response 200 - - .*/same/')/$(records 'revisit 200 length identical-payload-digest .*/same/')" 1/1
is 'in other chunks too' "$(records 'response 200 - - .*/chunks/')/$(records 'revisit 200 length identical-payload-digest .*/chunks/')" 1/1
is 'redirects on the way' "$(records 'response 302 - - .*/hop/[12]$')/$(records 'response 200 - - .*/hop/0$')" 2/1
is 'attempts that failed' "$(records 'response 502 - - .*/flaky/1$')/$(records 'response 200 - - .*/flaky/1$')" 1/1
is 'a body that was too large' "$(records 'response 200 length - .*/tera$')" 1
is 'one that took too long, at each attempt' "$(records 'response 200 time - .*/slowbody$')" 2
is 'one that ended early, at each attempt' "$(records 'response 200 disconnect - .*/broken/short$')" 2
is 'one that was broken' "$(records 'response 200 unspecified - .*/broken/chunk$')" 1
is 'no answer, no record' "$(records /silent)" 0
is 'each response has its request and metadata' "$(records '^request ') $(records '^metadata ')" \
	"$(records '^re[sv][pi][os]') $(records '^re[sv][pi][os]')"
has 'the request as it was sent' "$(tr -d '\r\0' <"$work/plain")" '*WARC-Type: request*GET /p/1 HTTP/1.1
Host: 127.0.0.1:*
User-Agent: oxbow/*
X-Own: yes
*'
has 'metadata' "$(grep -A20 -a 'WARC-Type: metadata' "$work/plain" | tr -d '\r')" "*via: $url/links?*
depth: 1
fetchTimeMs: *"
crawl --warc "$work/chunks" "$url/chunks/10/x"
has 'the answer as it came: chunks' "$(zcat "$work/chunks"/* | tr -d '\r')" '*Transfer-Encoding: chunked

a
the same i
a
n chunks *'

# ---- HTTP/2, by nginx ----
nginx=$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null)
if [ -n "$nginx" ]; then
	mkdir "$work/nginx"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/nginx/key" -out "$work/nginx/pem" -days 30 \
		-subj /CN=h2 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
	started=
	port=$((20000 + $$ % 20000))
	for try in 1 2 3 4 5; do
		cat >"$work/nginx/conf" <<CONF
daemon off; pid $work/nginx/pid; error_log stderr crit; worker_processes 1; events { }
http { access_log off; client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s; gzip on; gzip_min_length 1;
server { listen 127.0.0.1:$port ssl http2; ssl_certificate $work/nginx/pem; ssl_certificate_key $work/nginx/key; default_type text/html;
location / { return 200 'by HTTP/2 by HTTP/2'; } } }
CONF
		"$nginx" -p "$work/nginx" -c "$work/nginx/conf" 2>"$work/nginx/err" &
		pid=$!
		if until_ 3 test -s "$work/nginx/pid"; then
			started=$pid
			pids="$pids $pid"
			break
		fi
		port=$((port + 1))
	done
	holds 'nginx starts' test -n "$started"
	crawl --warc "$work/h2" --robots off --cacert "$work/nginx/pem" "https://127.0.0.1:$port/"
	reads 'HTTP/2 has no fault' "$work/h2" "$work/out"
	is 'HTTP/2 it was' "$(grep -c '"http":"2"' "$work/out") $(zcat "$work/h2"/* | grep -ac '^WARC-Protocol: h2')" '1 1'
	is 'it has the form of HTTP/1.1' "$(zcat "$work/h2"/* | grep -ac '^GET / HTTP/1.1\|^HTTP/1.1 200')" 2
	kill "$started"
	wait "$started" 2>/dev/null
else
	echo 'SKIP HTTP/2: no nginx'
fi

# ---- more files ----
crawl --warc "$work/small" --warc-size 10KiB --out "$work/out2" "$url/site/3/200/0"
reads 'small files have no fault' "$work/small" "$work/out2"
holds 'a file ends once it has the size' test "$(ls "$work/small" | wc -l)" -gt 5
is 'all pages are in some file' "$(records 'response 200 - - .*/site/')" 200

# ---- killed ----
pages=1500
resume=
for round in 1 2 3; do
	: >"$log"
	# shellcheck disable=SC2086 # words
	"$oxbow" crawl --allow-net 127.0.0.0/8 --fast --quiet --run "$work/run" --warc "$work/killed" --warc-size 100KiB $resume \
		"$url/site/7/$pages/0" >"$work/out" 2>"$work/err" &
	crawl=$!
	pids="$pids $crawl"
	least=$((50 * round + $(date +%N | cut -c7-9 | sed "s/^0*//;s/^$/0/") % 200))
	until_ 60 sh -c "[ \$(wc -l <'$log') -ge $least ]" || fail "round $round gets going"
	kill -9 $crawl
	wait $crawl 2>/dev/null
	resume=--resume
done
# What no crash leaves by chance: half a member, and a file that the state does not know of.
last=$(ls "$work/killed" | tail -n 1)
head -c 100 "$work/killed/$last" >>"$work/killed/$last"
number=$(echo "$last" | sed 's/.*-0*\([0-9]*\)\.warc\.gz/\1/')
echo rubbish >"$work/killed/$(echo "$last" | sed 's/-[0-9]*\.warc\.gz//')-$(printf %05d $((number + 1))).warc.gz"
crawl --run "$work/run" --resume
is 'a crawl that has a WARC goes on with it only' $code 2
mkdir "$work/empty"
crawl --run "$work/run" --resume --warc "$work/empty"
is 'and with all of it' $code 5
has 'which is said' "$err" '*empty does not hold the WARC of this crawl so far*'
crawl --run "$work/run" --resume --warc "$work/killed" --warc-size 100KiB
is 'resumed: exit' $code 0
reads 'resumed: no fault, all pages are there, and once' "$work/killed" "$work/run/pages.jsonl"
is 'resumed: all pages' "$(records 're[a-z]* 200 [a-z-]* [a-z-]* .*/site/7/')" $pages
last=$(ls "$work/killed" | tail -n 1)
: >"$work/killed/$last"
crawl --run "$work/run" --resume --warc "$work/killed"
is 'a file that has lost something is not gone on with' $code 5

# ---- disks that are full ----
mkdir "$work/shut"
chmod a-w "$work/shut"
[ "$(id -u)" = 0 ] || { crawl --warc "$work/shut" "$url/p/1"; is 'a folder that cannot be written: exit' $code 5; }
chmod u+w "$work/shut"
crawl --warc "$work/out" "$url/p/1"
is 'a file in place of the folder: exit' $code 5
# A limit on the size of files stands for it; it is set once the workers are there, whose memory is a file too.
(trap '' XFSZ; exec "$oxbow" crawl --allow-net 127.0.0.0/8 --fast --quiet --warc "$work/full" --out /dev/null \
	"$url/site/5/20000/0" 2>"$work/err") &
crawl=$!
pids="$pids $crawl"
until_ 60 sh -c "ls '$work/full'/* >'$work/found' 2>/dev/null" || fail 'the crawl gets going'
prlimit --pid $crawl --fsize=65536
wait $crawl
is 'no room: exit' $? 5
has 'no room: message' "$(cat "$work/err")" 'oxbow: crawl: cannot write the WARC: File too large'
reads 'no room: what is there is whole' "$work/full"

# ---- usage ----
crawl --cache "$url/"
is '--cache without --run' $code 2
crawl --explain --warc "$work/w" "$url/"
is '--explain with --warc' $code 2
crawl --warc "$work/w" --warc-size 0 "$url/"
is '--warc-size 0' $code 2

exec 9>&-
wait "$server"
finish
