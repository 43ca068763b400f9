#!/bin/sh
# SPDX-License-Identifier: MIT
# oxbow batch from outside: job files of all kinds, what comes after what, rows and pipelines, and what is wrong with a file.
. "$(dirname "$0")/lib.sh"
labour=$build/.libs/labour.so
cd "$work" || exit 1

# batch ARG...: as run, without a record
batch() {
	run batch --ephemeral "$@"
}

# file NAME: a job file of what stands on standard input
file() {
	cat >"$work/$1"
}

# wrong PATTERN [ARG...]: the job file bad.yaml, or the words, are refused with one line, exit 3, and nothing runs
wrong() {
	pattern=$1
	shift
	[ $# -gt 0 ] || set -- bad.yaml
	batch -j1 "$@"
	is "$pattern: exit" "$code" 3
	has "$pattern: message" "$err" "oxbow: batch: $pattern"
	holds "$pattern: one line" one_line "$err"
	is "$pattern: nothing ran" "$out" ''
}

# event NAME FIELD: that field of the events of that name in the file events, in their order
event() {
	python3 - "$1" "$2" <<'PY'
import json, sys
print(*[e.get(sys.argv[2]) for e in map(json.loads, open('events')) if e['ev'] == sys.argv[1]])
PY
}

# ---- three ways to write it ----
file a.yaml <<'EOF'
# comments may stand before the first key
jobs:
  words:
    run: [printf, '%s|', "it's", 'a b', '$HOME', no, 012, 1e3]
  text: {sh: 'echo "$((1 + 1))"; echo seen >&2'}
EOF
batch -k a.yaml
is 'YAML' "$code:$out:$err" "0:it's|a b|\$HOME|no|012|1e3|2:seen"
file a.jsonl <<'EOF'
{"oxbow": 1, "defaults": {"env": {"WHO": "you"}}}
{"id": "w", "run": ["printf", "%s|", "it's", 12, true, "a b"]}

# a comment
{"sh": "echo $WHO"}
EOF
batch -k a.jsonl
is 'JSONL' "$code:$out" "0:it's|12|true|a b|you"
printf '{"run":["printf","%%s",{"$b64":"Yf9i"}]}\n' >bytes.jsonl
batch bytes.jsonl
is 'JSONL: bytes that are not UTF-8' "$(od -An -tx1 <"$work/out" | tr -d ' \n')" 61ff62
file commands <<'EOF'
# what xargs and launcher users have
echo one; echo "two words"
cd / && pwd
EOF
batch -k commands
is 'a list of commands' "$code:$(echo "$out" | tr '\n' ,)" '0:one,two words,/,'
"$oxbow" batch --ephemeral -k - <commands >"$work/out" 2>"$work/err"
is 'a list of commands on standard input' "$?:$(tr '\n' , <"$work/out")" '0:one,two words,/,'
"$oxbow" batch --ephemeral -k - <a.yaml >"$work/out" 2>"$work/err"
is 'YAML on standard input' "$?:$(cat "$work/out")" "0:it's|a b|\$HOME|no|012|1e3|2"
batch -k a.yaml a.jsonl commands
is 'several files are one run' "$code:$(echo "$out" | tr '\n' ,)" "0:it's|a b|\$HOME|no|012|1e3|2,it's|12|true|a b|you,one,two words,/,"

# Case 14: no jobs.
echo 'jobs: {}' >none.yaml
: >none
echo '# nothing' >comment
for f in none.yaml none comment /dev/null; do
	batch $f
	is "case 14: $f" "$code:$out$err" 0:
done
batch a-folder-that-is/not-there
has 'a file that is not there' "$code:$err" '3:oxbow: batch: a-folder-that-is/not-there*No such file*'

# What comes through a pipe runs before the pipe is closed, and may name what came before.
mkfifo pipe
"$oxbow" batch --ephemeral -j2 - <pipe >piped 2>"$work/err" &
runner=$!
pids="$pids $runner"
exec 3>pipe
echo '{"id":"first","run":["touch","first"]}' >&3
until_ 30 test -e first || fail 'a job from a pipe runs while the pipe is open'
holds 'the runner waits for more' kill -0 $runner
echo '{"id":"second","run":["touch","second"],"after":"first"}' >&3
until_ 30 test -e second || fail 'a job may come after one that is over already'
echo '{"id":"third","run":["false"]}' >&3
echo '{"run":["echo","sorry"],"after":{"third":"fail"}}' >&3
echo '{"run":["echo","never"],"after":"third"}' >&3
exec 3>&-
wait $runner
is 'pipe: exit' $? 1
is 'pipe: output' "$(cat piped)" sorry
{ echo 'touch listed'; until_ 30 test -e listed && echo 'echo $PWD'; } | "$oxbow" batch --ephemeral - >"$work/out" 2>"$work/err"
is 'commands from a pipe run as they come' "$?:$(cat "$work/out")" "0:$work"
{ echo '{"run":["echo","1"]}'; echo '{"run":["echo","2"],"aftr":"x"}'; echo '{"run":["echo","3"]}'; } |
	"$oxbow" batch --ephemeral -j1 - >"$work/out" 2>"$work/err"
is 'a wrong line in a pipe: exit; what came before it has run' "$?:$(cat "$work/out")" 3:1
has 'a wrong line in a pipe: message' "$(cat "$work/err")" "oxbow: batch: *:2:21: *'aftr'*did you mean 'after'?"
yes 'echo x' | head -3000 | "$oxbow" batch --ephemeral - 2>"$work/err" | wc -l >"$work/out"
is 'many commands' "$(cat "$work/out")" 3000

# ---- what comes after what ----
# Case 17: a circle.
file circle.yaml <<'EOF'
jobs:
  ready: {run: [touch, ran]}
  a: {after: c, run: [touch, ran]}
  b: {after: a, run: [touch, ran]}
  c: {after: [b, ready], run: [touch, ran]}
EOF
batch circle.yaml
is 'case 17: exit' $code 3
has 'case 17: the circle in order' "$err" 'oxbow: batch: circle.yaml:5:3: a circle*: c (line 5) -> a (line 3) -> b (line 4) -> c (line 5)'
holds 'case 17: nothing ran' test ! -e ran
printf 'jobs:\n  self: {run: ["true"], after: self}\n' >bad.yaml
wrong 'bad.yaml:2:3: a circle*: self (line 2) -> self (line 2)'
printf 'jobs:\n  x: {run: ["true"], foreach: y}\n  y: {run: ["true"], foreach: x}\n' >bad.yaml
wrong 'bad.yaml:2:3: a circle*: x (line 2) -> y (line 3) -> x (line 2)'

# Case 18: what becomes of those after one that fails.
file after.yaml <<'EOF'
jobs:
  A: {run: ["false"]}
  B: {after: A, run: [echo, B]}
  C: {after: {A: any}, run: [echo, C]}
  D: {after: {A: fail}, run: [echo, D]}
  E: {run: [echo, E]}
  F: {after: B, run: [echo, F]}
  G: {after: {B: any}, run: [echo, G]}
  H: {after: {E: fail}, run: [echo, H]}
  I: {after: [C, E], run: [echo, I]}
EOF
batch --events events --joblog log after.yaml
is 'case 18: exit' $code 1
is 'case 18: who runs' "$(sort "$work/out" | tr '\n' ' ')" 'C D E G I '
has 'case 18: message' "$err" '*1 of *jobs failed*3 skipped*'
is 'case 18: the end, in the events' "$(event end ok) $(event end failed) $(event end skipped)" '5 1 3'
is 'case 18: the job log has those that ran' "$(sed 1d log | cut -f9 | sort | tr '\n' ' ')" 'echo C echo D echo E echo G echo I false '
cat >unmade.yaml <<EOF
jobs:
  A: {run: ["false"]}
  B: {after: A, matrix: {n: [1, 2]}, run: [echo, "{n}"]}
  C: {after: A, each: {csv: that-A-makes.csv}, run: [echo, "{name}"]}
  D: {foreach: C, run: [echo, "{name} {C.body}"]}
  E: {after: A, each: [x], call: {plugin: $labour, fn: greet_job}}
  F: {after: {D: any, E: any}, run: [echo, F]}
EOF
batch unmade.yaml
is 'what is skipped is not looked for' "$code:$out" 1:F
file order.yaml <<'EOF'
jobs:
  last: {after: {mid: ok}, sh: 'cat >>order', stdin: "=last\n"}
  mid: {after: first, each: [1, 2, 3], sh: 'echo mid >>order'}
  first: {sh: 'sleep 0.2; echo first >>order'}
EOF
batch -j4 order.yaml
is 'after waits for all jobs of an entry' "$code:$(tr '\n' ' ' <order)" '0:first mid mid mid last '
file some.yaml <<'EOF'
jobs:
  some: {each: [0, 1, 0], sh: 'exit $1'}
  sorry: {after: {some: fail}, run: [echo, sorry]}
  fine: {after: some, run: [echo, fine]}
EOF
batch some.yaml
is 'one failure of several is a failure' "$code:$out" 1:sorry
file priority.yaml <<'EOF'
jobs:
  low: {run: [echo, low]}
  high: {priority: 5, run: [echo, high]}
  mid: {priority: 2, run: [echo, mid]}
EOF
batch -j1 priority.yaml
is 'priority' "$(echo $out)" 'high mid low'

# ---- how often ----
printf 'name,n\n"A, ""B""",1\nc,2\n' >t.csv
printf '{"url":"u1","deep":{"x":[7,8]}}\n{"url":"u 2","deep":{"x":[9]}}\n' >t.jsonl
printf 'first line\nsecond\n' >t.lines
mkdir in
touch in/a.txt in/b.txt in/c.dat
# each SET PLACES EXPECTED
each() {
	printf 'jobs:\n  e: {each: %s, run: [echo, "%s"]}\n' "$1" "$2" >each.yaml
	batch -k -j2 each.yaml
	is "each: $1" "$code:$(echo "$out" | tr '\n' ,)$err" "0:$3"
}
each '{csv: t.csv}' '{name}={n}={2}={#}' 'A, "B"=1=1=1,c=2=2=2,'
each '{jsonl: t.jsonl}' '{url}:{deep.x.0}' 'u1:7,u 2:9,'
each '{lines: t.lines}' '<{}>' '<first line>,<second>,'
each '{glob: "in/*.txt"}' '{} {/.}' 'in/a.txt a,in/b.txt b,'
each '{glob: "in/*.png"}' '{}' ','
each '{array: "1-9:4,20"}' '{}' '1,5,9,20,'
each '[x, "y z"]' '{}!' 'x!,y z!,'
each '{values: [no, 012, ~]}' '{}' 'no,012,~,'
each '{lines: /dev/null}' '{}' ','
printf '1\n2\n' >rows
printf 'jobs:\n  e: {each: {lines: "-"}, run: [echo, "{}"]}\n' >each.yaml
"$oxbow" batch --ephemeral -k each.yaml <rows >"$work/out"
is 'each: lines of standard input' "$(tr '\n' , <"$work/out")" '1,2,'
file matrix.yaml <<'EOF'
jobs:
  m:
    matrix: {size: [64, 128], img: {glob: "in/*.txt"}, n: {array: 1-2}}
    run: [echo, "{size}-{img/.}-{n}"]
EOF
batch -k matrix.yaml
is 'matrix: the last one changes fastest' "$(echo $out)" '64-a-1 64-a-2 64-b-1 64-b-2 128-a-1 128-a-2 128-b-1 128-b-2'
file late.yaml <<'EOF'
jobs:
  rows: {after: make, each: {csv: made.csv}, run: [echo, "{a}+{b}"]}
  make: {sh: 'printf "a,b\n1,2\n3,4\n" >made.csv'}
EOF
batch -k late.yaml
is 'rows of a file that an earlier job makes' "$code:$(echo $out)" '0:1+2 3+4'
file late-chain.yaml <<'EOF'
jobs:
  make: {sh: 'printf "a,b\n1,2\n3,4\n" >made.csv'}
  rows: {after: make, each: {csv: made.csv}, run: [echo, "{a}+{b}"]}
  sums: {foreach: rows, run: [echo, "{b} {rows.exit} {a}"]}
EOF
batch -k late-chain.yaml
is 'and what is made from their jobs' "$code:$(sort "$work/out" | tr '\n' ,)" '0:1+2,2 0 1,3+4,4 0 3,'

# ---- foreach ----
file chain.yaml <<'EOF'
jobs:
  src: {each: {csv: t.csv}, sh: 'echo "body of $1"; exit $((0))', retries: 1}
  mid: {foreach: src, sh: 'printf "{n} %s %s: " {src.exit} {src.status}; cat {src.body}'}
  end: {foreach: mid, run: [sh, -c, 'cat "$0"; echo "$1 $2"', "{mid.body}", "{name}", "{src.exit}"]}
EOF
run batch -k --run chain chain.yaml
is 'foreach chain' "$code:$(grep -v '^body' "$work/out" | sort -u)" '0:1 0 ok: body of A, "B"
2 0 ok: body of c
A, "B" 0
c 0'
batch -k chain.yaml
is 'foreach: .body without a record' "$code:$(grep -c body "$work/out")" 0:6
is 'foreach: no file is left of it' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
file fails.yaml <<'EOF'
jobs:
  src: {each: [0, 1, 0, 3], sh: 'exit $1'}
  got: {foreach: src, run: [echo, "got {} {src.job}"]}
  all: {after: got, run: [echo, all]}
EOF
batch -k fails.yaml
is 'foreach: only those that succeed' "$code:$(echo "$out" | sort | tr '\n' ,)" '1:all,got 0 1,got 0 3,'
file flow.yaml <<'EOF'
jobs:
  src: {each: {array: 1-2}, sh: 'test $1 = 1 || until test -e begun; do sleep 0.02; done'}
  got: {foreach: src, run: [touch, begun]}
EOF
batch -j2 --timeout 60 flow.yaml
is 'foreach: starts as soon as the first is there' $code 0

file list.yaml <<'EOF'
jobs:
  a: {run: [true]}
  b: {after: a, run: [cat], stdin: "{a[*].job}"}
EOF
batch list.yaml
has 'a list of what jobs do not give' "$code:$err" '3:*list.yaml:3:*{a[[][*][]].value}*'

# ---- calls ----
printf 'jobs:\n  hi: {call: {plugin: %s, fn: greet_job, arg: "you"}}\n' "$labour" >call.yaml
batch call.yaml
is 'call' "$code:$out:$err" '0:hello you:'
cat >calls.yaml <<EOF
jobs:
  m: {each: [abc, "d e"], call: {plugin: $labour, fn: measure_job}}
  v: {foreach: m, run: [echo, "{} {m.value.bytes} {m.value.text} {m.value}"]}
  g: {foreach: m, call: {plugin: $labour, fn: greet_job}}
EOF
batch -k calls.yaml
is 'call: the value goes on, and the reply itself' "$code:$(printf '%s' "$out" | sed 's/}/&;/g' | tr '\n' ';' | tr ';' '\n' | grep . | sort)" \
	"0:$(printf '%s\n' '{"bytes":3,"text":"abc"}' '{"bytes":3,"text":"d e"}' 'abc 3 abc {"bytes":3,"text":"abc"}' \
	'd e 3 d e {"bytes":3,"text":"d e"}' 'hello {"bytes":3,"text":"abc"}' 'hello {"bytes":3,"text":"d e"}' | sort)"
cat >fragile.yaml <<EOF
jobs:
  f: {each: [a, boom, b, exit, loop, c], timeout: 2s, call: {plugin: $labour, fn: fragile_job}}
  r: {run: [echo, ran]}
EOF
batch -j2 -k --events events fragile.yaml
is 'a crash costs its job: exit' $code 1
is 'a crash costs its job: the others' "$(sort "$work/out" | tr '\n' ' ')" 'fine fine fine ran '
is 'a crash costs its job: how they end' "$(event finish status | tr ' ' '\n' | sort | uniq -c | tr -s ' \n' ' ')" ' 2 failed 4 ok 1 timeout '
has 'a crash costs its job: message' "$err" '*3 of 7 jobs failed*signal 11: 1*'
has 'what a function prints' "$err" '*about to see*'
cat >again.yaml <<EOF
jobs:
  f: {retries: 3, backoff: 10ms, call: {plugin: $labour, fn: fragile_job, arg: boom}}
EOF
batch --events events again.yaml
is 'a call is tried again' "$code:$(event finish attempt)" '1:1 2 3'
{ sleep 0.1; printf '{"call":{"plugin":"%s","fn":"greet_job","arg":"x"}}\n' "$labour"; } |
	"$oxbow" batch --ephemeral --plugin "$labour" - >"$work/out" 2>"$work/err"
is 'calls from a pipe, with --plugin' "$?:$(cat "$work/out")" '0:hello x'
{ printf '{"call":{"plugin":"%s","fn":"greet_job","arg":"x"}}\n' "$labour"; } | "$oxbow" batch --ephemeral - >"$work/out" 2>"$work/err"
has 'calls from a pipe, without' "$?:$(cat "$work/err")" '3:oxbow: batch: *:1:*--plugin*'
nonce=n$$
OXBOW_NONCE=$nonce "$oxbow" batch --ephemeral -j1 fragile.yaml >/dev/null 2>&1
holds 'no worker is left' until_ 10 nobody_with "$nonce"

# ---- fetches ----
if [ -x "$build/docserver" ]; then
	mkdir site
	echo 'one two three' >site/a.txt
	echo 'four five' >site/b.txt
	serve site
	printf '{"url":"%s","id":%d}\n' "$url/a.txt" 1 "$url/b.txt" 2 "$url/none" 3 >urls.jsonl
	cat >pipeline.yaml <<EOF
jobs:
  pages:
    each: {jsonl: urls.jsonl}
    fetch: {url: "{url}", max: 1MiB}
  words:
    foreach: pages
    call: {plugin: $build/.libs/count.so, fn: count}
  show:
    foreach: words
    run: [echo, "{id} {pages.status} {pages.url} {words.value.words} {words.value.bytes}"]
EOF
	batch -k --events events pipeline.yaml
	is 'fetch, call, run: exit' $code 1
	is 'fetch, call, run' "$(grep http "$work/out" | sort)" "1 200 $url/a.txt 3 14
2 200 $url/b.txt 2 10"
	has 'fetch: a page that is not there' "$err" "*$url/none*404*1 of 7 jobs failed*"
	cat >fetch.yaml <<EOF
jobs:
  page: {each: [a, b], fetch: {url: "$url/{}.txt"}}
  body: {foreach: page, sh: 'tr a-z A-Z <{page.body}'}
EOF
	batch -k fetch.yaml
	is 'fetch: the body' "$(echo "$out" | sort | tr '\n' ,)" 'FOUR FIVE,ONE TWO THREE,four five,one two three,'
	printf 'jobs:\n  p: {fetch: {url: "%s", max: 5}}\n' "$url/a.txt" >fetch.yaml
	batch fetch.yaml
	has 'fetch: max' "$code:$out:$err" '1::*1 of 1 jobs failed*'
	printf 'jobs:\n  p: {retries: 2, backoff: 10ms, fetch: {url: "http://127.0.0.1:1/"}}\n' >fetch.yaml
	batch --events events fetch.yaml
	is 'fetch: tried again' "$code:$(event finish attempt)" '1:1 2'
else
	echo 'SKIP: built without HTTP, so fetches are not tested'
fi

# ---- how ----
cat >how.yaml <<EOF
oxbow: 1
defaults: {env: {A: 1, B: 2}, cwd: in, nice: 3}
jobs:
  env: {run: [sh, -c, 'echo \$A\$B\$C'], env: {B: b, C: "{#}"}}
  cwd: {run: [pwd]}
  other: {run: [pwd], cwd: "/", nice: 0}
  stdin: {run: [cat], stdin: "=text {#}\n"}
  file: {run: [cat], stdin: rows}
  none: {run: [wc, -c]}
  nice: {sh: 'nice'}
  seq: {sh: 'echo \$OXBOW_SEQ \$OXBOW_ATTEMPT'}
EOF
batch -k -j2 how.yaml
is 'env, cwd, stdin, nice' "$code:$(echo "$out" | tr '\n' ,)" "0:1b1,$work/in,/,text 4,1,2,0,$(($(nice) + 3)),8 1,"
file tries.yaml <<'EOF'
defaults: {retries: 3, backoff: 1ms}
jobs:
  t: {sh: 'echo $OXBOW_ATTEMPT; test $OXBOW_ATTEMPT = 3'}
  once: {retries: 1, sh: 'echo once $OXBOW_ATTEMPT; false'}
  on: {retry-on: 'exit:7', each: [7, 8], sh: 'echo on $1 $OXBOW_ATTEMPT; exit $1'}
  late: {retries: 1, timeout: 100ms, run: [sleep, 60]}
EOF
batch -k -j2 tries.yaml
is 'retries of an entry' "$code:$(echo "$out" | tr '\n' ,)" '1:3,once 1,on 7 3,on 8 1,'
has 'retries: message' "$err" '*4 of 5 jobs failed*timeout: 1*'
printf 'jobs:\n  o: {sh: "echo $X$Y; test $OXBOW_ATTEMPT = 2", env: {Y: y}}\n' >option.yaml
batch --retries 2 --backoff 1ms --env X=x --env Y=z option.yaml
is 'options of the command line hold where the file says nothing' "$code:$out" 0:xy

# ---- limits ----
file limits.yaml <<'EOF'
limits: {jobs: 1}
jobs:
  l: {each: {array: 1-4}, sh: 'test -z "$(ls busy* 2>/dev/null)" || echo TWO; touch busy$1; sleep 0.05; rm busy$1; echo {%}'}
EOF
batch limits.yaml
is 'limits: jobs' "$code:$(echo $out)" '0:1 1 1 1'
printf 'limits: {jobs: 1, halt: "soon,fail=1"}\njobs:\n  h: {each: [1, 2, 3], sh: "echo $1; false"}\n' >limits.yaml
batch limits.yaml
is 'limits: halt' "$code:$(echo $out)" 4:1
batch --halt never limits.yaml
is 'limits: the command line comes first' "$code:$(echo $out)" '1:1 2 3'
printf 'limits: {jobs: 2, deadline: 300ms}\njobs:\n  h: {each: [1, 2, 3], run: [sleep, 60]}\n' >limits.yaml
batch limits.yaml
is 'limits: deadline' "$code" 4
printf 'limits: {jobs: 1, rate: 36000/h}\njobs:\n  h: {each: [1, 2, 3], run: [echo, "{}"]}\n' >limits.yaml
batch limits.yaml
is 'limits: rate' "$code:$(echo $out)" '0:1 2 3'

# ---- options of the command line ----
cat >dry.yaml <<EOF
jobs:
  e: {each: [a, "b c"], run: [touch, dry, "{}"]}
  s: {sh: 'touch "dry"'}
  c: {call: {plugin: $labour, fn: greet_job, arg: "x y"}}
EOF
batch -k --dry-run dry.yaml
is '--dry-run' "$code:$out" "0:touch dry a
touch dry 'b c'
sh -c 'touch \"dry\"' sh
call greet_job 'x y'"
holds '--dry-run runs nothing' test ! -e dry
batch --dry-run after.yaml
is '--dry-run: all succeed' "$code" 0
file keep.yaml <<'EOF'
jobs:
  slow: {sh: 'until test -e quick; do sleep 0.02; done; echo slow'}
  quick: {sh: 'echo quick; touch quick'}
EOF
batch -j2 -k keep.yaml
is '-k: the order of the file' "$(echo $out)" 'slow quick'
rm quick
batch -j2 keep.yaml
is 'without -k: as they end' "$(echo $out)" 'quick slow'
file two.yaml <<'EOF'
jobs:
  two: {each: [x, y], sh: 'echo out $1; echo err $1 >&2; test $1 = x'}
EOF
batch -k -j1 --joblog log --results res --events events --tag two.yaml
is '--tag' "$(echo "$out" | tr '\t\n' '| ')" 'x|out x y|out y '
is '--joblog' "$(cut -f1,7,8 log | tr '\t\n' ': ')" 'Seq:Exitval:Signal 1:0:0 2:1:0 '
is '--results' "$(cat res/1/stdout res/2/stderr)" "$(printf 'out x\nerr y')"
is '--events' "$(event start values | tr -d ' ') $(event finish status)" "['x']['y'] ok failed"
schema=$here/../../cli/oxbow-events.schema.json
batch --events events after.yaml
if python3 -c 'import jsonschema' 2>/dev/null; then
	holds 'the events keep to their schema' python3 - "$schema" <<'PY'
import json, jsonschema, sys
schema = json.load(open(sys.argv[1]))
for line in open('events'):
    jsonschema.validate(json.loads(line), schema)
PY
fi
mkdir own
(cd own && "$oxbow" batch ../a.yaml >/dev/null 2>&1)
is 'a record in .oxbow of its own' "$(find own/.oxbow -name run.db | wc -l)" 1
(cd own && "$oxbow" batch --ephemeral ../a.yaml >/dev/null 2>&1)
is '--ephemeral leaves none' "$(find own/.oxbow -name run.db | wc -l)" 1
{ "$oxbow" batch --ephemeral commands; echo $? >code; } 2>"$work/err" | :
is 'the reader goes' "$(cat code):$(cat "$work/err")" 141:

# ---- what is wrong ----
# bad TEXT PATTERN: of a file of that text
bad() {
	printf '%b\n' "$1" >bad.yaml
	wrong "bad.yaml:$2"
}
bad 'jobs:\n  a: {rum: [x]}' "2:7: *'rum'*did you mean 'run'?"
bad 'jobs:\n  a: {run: [x], aftr: b}' "2:17: *'aftr'*did you mean 'after'?"
bad 'jbos:\n  a: {run: [x]}' "1:*'jbos'*did you mean 'jobs'?"
bad 'jobs:\n  a: {run: [x], after: aa}\n  ab: {run: [x]}' "2:24: after 'aa': there is no such job; did you mean a?"
bad 'jobs:\n  a: {run: [x], foreach: zzzzz}' "2:26: foreach 'zzzzz': there is no such job"
bad 'jobs:\n  a: {run: [x]}\n  a: {run: [y]}' '3:3: *'
bad 'jobs:\n  a: {run: [x], timeout: soon}' '2:26: *'
bad 'jobs:\n  a: {run: [x], retries: x}' '2:26: *'
bad 'jobs:\n  a: {run: [x], sh: y}' '2:*'
bad 'jobs:\n  a: {each: [1], foreach: a, run: [x]}' '2:*'
bad 'jobs:\n  a: {each: [1], run: [echo, "{nmae}"]}' '2:*{nmae}*'
bad 'jobs:\n  a: {each: [1]}' '2:*'
bad 'jobs:\n  a:\n\trun: [x]' '3:*'
bad 'jobs:\n  a: {call: {plugin: ./nowhere.so, fn: x}}' '2:22: *nowhere.so*'
bad "jobs:\n  a: {call: {plugin: $labour, fn: greet_jab}}" '2:*has no job *greet_jab*did you mean greet_job?'
bad 'jobs:\n  a: {run: [x]}\n  b: {foreach: a, run: [echo, "{a.bdoy}"]}' '3:*{a.bdoy}*'
bad 'jobs:\n  a: {run: [x], need: {mem: lots}}' '2:*'
bad 'limits: {halt: maybe}\njobs: {}' '1:16: *'
bad '{"run": ["x"], "colour": 1}' "1:*'colour'*"
bad '{"run": ["x"]' '1:*'
printf 'echo \0x\n' >bad.yaml
wrong 'bad.yaml:1:*'
printf 'jobs:\n  a: {each: {csv: missing.csv}, run: [x]}\n' >bad.yaml
wrong '*missing.csv*No such file*'
batch
has 'no file' "$code:$err" '2:oxbow: batch: which job file?*'
batch --fetches 0 a.yaml
has '--fetches' "$code:$err" '2:oxbow: batch: --fetches 0: give a number*'
batch --plugin ./nowhere.so a.yaml
has '--plugin' "$code:$err" '2:oxbow: batch: *nowhere.so*'
batch --joob a.yaml
has 'an unknown option' "$code:$err" "2:oxbow: batch: unknown option '--joob'*"

is 'temporary files' "$(ls "$TMPDIR")" "$(printf 'spill\nwork')"
finish
