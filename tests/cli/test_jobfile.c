/* SPDX-License-Identifier: MIT */
/*
 * Job files: the same entries from YAML and from lines of JSON, plain commands, what is refused and where it says so, streams,
 * and lack of memory (batch cases 14 and 15).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/batch/jobfile.h"
#include "cli/batch/source.h"
#include "tests/support/support.h"

/* ---- lack of memory: the allocator of the whole process, libraries too, can be told to fail once ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static size_t made, failing;            /* while failing is not 0 */
static long live;                       /* blocks */

static bool refuses(void)
{
	return failing && ++made == failing;
}

OX_API void *malloc(size_t size)
{
	void *p = refuses() ? NULL : __libc_malloc(size);
	live += p != NULL;
	return p;
}

OX_API void *calloc(size_t n, size_t size)
{
	void *p = refuses() ? NULL : __libc_calloc(n, size);
	live += p != NULL;
	return p;
}

OX_API void *realloc(void *old, size_t size)
{
	void *p = refuses() ? NULL : __libc_realloc(old, size);
	live += !old && p;
	return p;
}

OX_API void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}
#endif

/* ---- an entry as text ---- */

static void add_texts(struct oxi_buffer *out, const char *name, const struct oxi_text *text, size_t n)
{
	if (n == 0)
		return;
	oxi_buffer_add_format(out, " %s", name);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(text[i].len, strlen(text[i].data));
		ck_assert_uint_gt(text[i].spot.line, 0);
		oxi_buffer_add_char(out, i ? '|' : '=');
		oxi_buffer_add(out, text[i].data, text[i].len);
	}
}

static void add_text(struct oxi_buffer *out, const char *name, const struct oxi_text *text)
{
	add_texts(out, name, text, text->data != NULL);
}

static void add_axes(struct oxi_buffer *out, const struct oxi_entry *e)
{
	static const char *const kinds[] = { "values", "glob", "lines", "csv", "jsonl", "array" };
	for (size_t i = 0; i < e->axes; i++) {
		oxi_buffer_add_format(out, " axis:%s", e->axis[i].name.data ? e->axis[i].name.data : "");
		add_texts(out, kinds[e->axis[i].kind], e->axis[i].value, e->axis[i].n);
	}
}

static void add_order(struct oxi_buffer *out, const struct oxi_entry *e)
{
	static const char *const conditions[] = { "ok", "any", "fail" };
	for (size_t i = 0; i < e->afters; i++)
		oxi_buffer_add_format(out, " after:%s=%s", e->after[i].name.data, conditions[e->after[i].when]);
	for (size_t i = 0; i < e->needs; i++)
		oxi_buffer_add_format(out, " need:%s=%llu", e->need[i].name.data, (unsigned long long)e->need[i].amount);
}

static void add_how(struct oxi_buffer *out, const struct oxi_entry *e)
{
	static const char *const inputs[] = { "none", "file", "text" };
	add_texts(out, "env", e->env, e->envs);
	add_text(out, "cwd", &e->cwd);
	if (e->input.data)
		add_text(out, inputs[e->input_kind], &e->input);
	if (e->retry_given)
		oxi_buffer_add_format(out, " retry=%u,%lld..%lld,%d%d%d", e->retry.tries, (long long)(e->retry.backoff.base / OX_MS(1)),
		                      (long long)(e->retry.backoff.max / OX_MS(1)), e->retry.on.exits[1], e->retry.on.signals[9],
		                      e->retry.on.timeout);
	if (e->timeout_given)
		oxi_buffer_add_format(out, " timeout=%lld,%llu%%", (long long)(e->timeout.fixed / OX_MS(1)),
		                      (unsigned long long)e->timeout.percent);
	if (e->priority || e->nice)
		oxi_buffer_add_format(out, " priority=%d nice=%d", e->priority, e->nice);
}

static void dump(struct oxi_buffer *out, const struct oxi_entry *e)
{
	static const char *const kinds[] = { "run", "sh", "call", "fetch" };
	oxi_buffer_add_format(out, "%s:", e->name.data ? e->name.data : "-");
	add_texts(out, kinds[e->kind], e->word, e->words);
	if (e->fetch_max)
		oxi_buffer_add_format(out, " max=%zu", e->fetch_max);
	add_axes(out, e);
	add_text(out, "foreach", &e->foreach);
	add_order(out, e);
	add_texts(out, "in", e->in, e->ins);
	add_texts(out, "out", e->out, e->outs);
	add_how(out, e);
	oxi_buffer_add_char(out, '\n');
}

/* ---- files ---- */

static const char *file(const void *text, size_t len)
{
	static char path[64];
	strcpy(path, "/tmp/oxbow-jobs-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	close(fd);
	return path;
}

/* All entries as text, or what is wrong, without the name of the file. */
static int read_file(const char *path, struct oxi_buffer *got, enum oxi_jobfile_format *ret_format)
{
	struct oxi_jobfile f;
	struct oxi_entry e;
	struct oxi_buffer why = { 0 };
	int r = oxi_jobfile_open(&f, path, &why);
	if (r == 0) {
		while ((r = oxi_jobfile_next(&f, &e, &why)) == 1) {
			dump(got, &e);
			oxi_entry_free(&e);
		}
	}
	*ret_format = f.format;
	if (why.len && strncmp(why.data, path, strlen(path)) == 0)
		oxi_buffer_add(got, why.data + strlen(path), why.len - strlen(path));
	else if (why.len)
		oxi_buffer_add(got, why.data, why.len);
	oxi_buffer_add_char(got, '\0');
	oxi_buffer_free(&why);
	oxi_jobfile_close(&f);
	return r;
}

static void gives_bytes(enum oxi_jobfile_format format, const void *text, size_t len, int end, const char *expected)
{
	const char *path = file(text, len);
	struct oxi_buffer got = { 0 };
	enum oxi_jobfile_format is;
	int r = read_file(path, &got, &is);
	unlink(path);
	ck_assert_msg(strcmp(got.data, expected) == 0, "%.*s\n gives\n%s\n and not\n%s", (int)len, (const char *)text, got.data, expected);
	ck_assert_int_eq(r, end);
	ck_assert_int_eq(is, format);
	oxi_buffer_free(&got);
}

#define LIST(text, expected)  gives_bytes(OXI_JOBFILE_LIST, text, sizeof(text) - 1, 0, expected)
#define LINES(text, expected) gives_bytes(OXI_JOBFILE_JSONL, text, sizeof(text) - 1, 0, expected)
#define YAML(text, expected)  gives_bytes(OXI_JOBFILE_YAML, text, sizeof(text) - 1, 0, expected)
#define BAD_LIST(text, expected)  gives_bytes(OXI_JOBFILE_LIST, text, sizeof(text) - 1, OX_EINVAL, expected)
#define BAD_LINES(text, expected) gives_bytes(OXI_JOBFILE_JSONL, text, sizeof(text) - 1, OX_EINVAL, expected)
#define BAD_YAML(text, expected)  gives_bytes(OXI_JOBFILE_YAML, text, sizeof(text) - 1, OX_EINVAL, expected)

/* ---- the same in both ---- */

/* Members of an entry as YAML in braces, as JSON, and what they give. */
static const struct {
	const char *yaml, *json, *expected;
} KEYS[] = {
	{ "run: [cc, -c, a.c]", "\"run\": [\"cc\", \"-c\", \"a.c\"]", "run=cc|-c|a.c" },
	{ "run: [echo, no, 1e3, 012, 1.10, true, ~, '']", "\"run\": [\"echo\", \"no\", 1e3, \"012\", 1.10, true, \"~\", \"\"]",
	  "run=echo|no|1e3|012|1.10|true|~|" },
	{ "sh: 'a | b'", "\"sh\": \"a | b\"", "sh=a | b" },
	{ "call: {plugin: ./w.so, fn: count}", "\"call\": {\"plugin\": \"./w.so\", \"fn\": \"count\"}", "call=./w.so|count" },
	{ "call: {arg: '{x}', fn: f, plugin: p}", "\"call\": {\"arg\": \"{x}\", \"fn\": \"f\", \"plugin\": \"p\"}", "call=p|f|{x}" },
	{ "fetch: {url: '{u}'}", "\"fetch\": {\"url\": \"{u}\"}", "fetch={u}" },
	{ "fetch: {url: u, max: 8MiB}", "\"fetch\": {\"url\": \"u\", \"max\": \"8MiB\"}", "fetch=u max=8388608" },
	{ "sh: x, each: [1, b]", "\"sh\": \"x\", \"each\": [1, \"b\"]", "sh=x axis: values=1|b" },
	{ "sh: x, each: {values: [1, '']}", "\"sh\": \"x\", \"each\": {\"values\": [1, \"\"]}", "sh=x axis: values=1|" },
	{ "sh: x, each: []", "\"sh\": \"x\", \"each\": []", "sh=x axis:" },
	{ "sh: x, each: {jsonl: a.jsonl}", "\"sh\": \"x\", \"each\": {\"jsonl\": \"a.jsonl\"}", "sh=x axis: jsonl=a.jsonl" },
	{ "sh: x, each: {csv: a.csv}", "\"sh\": \"x\", \"each\": {\"csv\": \"a.csv\"}", "sh=x axis: csv=a.csv" },
	{ "sh: x, each: {lines: '-'}", "\"sh\": \"x\", \"each\": {\"lines\": \"-\"}", "sh=x axis: lines=-" },
	{ "sh: x, each: {glob: '*.c'}", "\"sh\": \"x\", \"each\": {\"glob\": \"*.c\"}", "sh=x axis: glob=*.c" },
	{ "sh: x, each: {array: '1-9:2,20%4'}", "\"sh\": \"x\", \"each\": {\"array\": \"1-9:2,20%4\"}", "sh=x axis: array=1-9:2,20%4" },
	{ "sh: x, each: {array: 7}", "\"sh\": \"x\", \"each\": {\"array\": 7}", "sh=x axis: array=7" },
	{ "sh: x, matrix: {size: [64, 128], img: {glob: '*.png'}}",
	  "\"sh\": \"x\", \"matrix\": {\"size\": [64, 128], \"img\": {\"glob\": \"*.png\"}}", "sh=x axis:size values=64|128 axis:img glob=*.png" },
	{ "sh: x, foreach: pages", "\"sh\": \"x\", \"foreach\": \"pages\"", "sh=x foreach=pages" },
	{ "sh: x, after: a", "\"sh\": \"x\", \"after\": \"a\"", "sh=x after:a=ok" },
	{ "sh: x, after: [a, b]", "\"sh\": \"x\", \"after\": [\"a\", \"b\"]", "sh=x after:a=ok after:b=ok" },
	{ "sh: x, after: {a: any, b: ok, c: fail}", "\"sh\": \"x\", \"after\": {\"a\": \"any\", \"b\": \"ok\", \"c\": \"fail\"}",
	  "sh=x after:a=any after:b=ok after:c=fail" },
	{ "sh: x, after: []", "\"sh\": \"x\", \"after\": []", "sh=x" },
	{ "sh: x, in: a, out: [b, '{c}']", "\"sh\": \"x\", \"in\": \"a\", \"out\": [\"b\", \"{c}\"]", "sh=x in=a out=b|{c}" },
	{ "sh: x, need: {cpu: 2, mem: 1G, gpu: 1}", "\"sh\": \"x\", \"need\": {\"cpu\": 2, \"mem\": \"1G\", \"gpu\": 1}",
	  "sh=x need:cpu=2000 need:mem=1073741824 need:gpu=1" },
	{ "sh: x, need: {cpu: 0.5}", "\"sh\": \"x\", \"need\": {\"cpu\": 0.5}", "sh=x need:cpu=500" },
	{ "sh: x, need: {cpu: 1.125}", "\"sh\": \"x\", \"need\": {\"cpu\": 1.125}", "sh=x need:cpu=1125" },
	{ "sh: x, env: {A: no, B: ''}", "\"sh\": \"x\", \"env\": {\"A\": \"no\", \"B\": \"\"}", "sh=x env=A=no|B=" },
	{ "sh: x, cwd: /x", "\"sh\": \"x\", \"cwd\": \"/x\"", "sh=x cwd=/x" },
	{ "sh: x, stdin: a.txt", "\"sh\": \"x\", \"stdin\": \"a.txt\"", "sh=x file=a.txt" },
	{ "sh: x, stdin: '=some text'", "\"sh\": \"x\", \"stdin\": \"=some text\"", "sh=x text=some text" },
	{ "sh: x, stdin: '='", "\"sh\": \"x\", \"stdin\": \"=\"", "sh=x text=" },
	{ "sh: x, stdin: none", "\"sh\": \"x\", \"stdin\": \"none\"", "sh=x" },
	{ "sh: x, retries: 3", "\"sh\": \"x\", \"retries\": 3", "sh=x retry=3,0..0,111" },
	{ "sh: x, backoff: 1s..5s", "\"sh\": \"x\", \"backoff\": \"1s..5s\"", "sh=x retry=1,1000..5000,111" },
	{ "sh: x, retry-on: 'exit:1 timeout'", "\"sh\": \"x\", \"retry-on\": \"exit:1 timeout\"", "sh=x retry=1,0..0,101" },
	{ "sh: x, timeout: 1.5", "\"sh\": \"x\", \"timeout\": 1.5", "sh=x timeout=1500,0%" },
	{ "sh: x, timeout: 300%", "\"sh\": \"x\", \"timeout\": \"300%\"", "sh=x timeout=0,300%" },
	{ "sh: x, priority: -5, nice: 10", "\"sh\": \"x\", \"priority\": -5, \"nice\": 10", "sh=x priority=-5 nice=10" },
	{ "run: [x, {$b64: Yf9i}]", "\"run\": [\"x\", {\"$b64\": \"Yf9i\"}]", "run=x|a\377b" },
	{ "run: [x, {$b64: ''}]", "\"run\": [\"x\", {\"$b64\": \"\"}]", "run=x|" },
	{ "sh: {$b64: gA==}, env: {A: {$b64: gYI=}}", "\"sh\": {\"$b64\": \"gA==\"}, \"env\": {\"A\": {\"$b64\": \"gYI=\"}}", "sh=\200 env=A=\201\202" },
};
#define KEYS_LEN (sizeof(KEYS) / sizeof(KEYS[0]))

START_TEST(each_key_gives_the_same_from_yaml_and_json)
{
	char text[512], expected[512];
	snprintf(text, sizeof(text), "jobs: {n: {%s}}\n", KEYS[_i].yaml);
	snprintf(expected, sizeof(expected), "n: %s\n", KEYS[_i].expected);
	gives_bytes(OXI_JOBFILE_YAML, text, strlen(text), 0, expected);
	snprintf(text, sizeof(text), "{\"id\": \"n\", %s}\n", KEYS[_i].json);
	gives_bytes(OXI_JOBFILE_JSONL, text, strlen(text), 0, expected);
	/* JSON is YAML as well. */
	snprintf(text, sizeof(text), "---\n{\"jobs\": {\"n\": {%s}}}\n", KEYS[_i].json);
	gives_bytes(OXI_JOBFILE_YAML, text, strlen(text), 0, expected);
}
END_TEST

START_TEST(defaults_stand_behind_what_an_entry_says)
{
	const char *expected = "a: sh=x need:cpu=2000 env=A=1|B=2 cwd=/d retry=3,1000..60000,111 timeout=0,300% priority=1 nice=2\n"
			       "b: sh=y need:gpu=1 env=A=1|B=3|C=4 cwd=/e retry=5,1000..60000,111 timeout=2000,0% priority=1 nice=2\n"
			       "c: fetch=u need:cpu=2000 env=A=1|B=2 cwd=/d retry=3,1000..60000,111 timeout=0,300% priority=1 nice=2\n";
	YAML("jobs:\n"
	     "  a: {sh: x}\n"
	     "  b: {sh: y, env: {B: 3, C: 4}, cwd: /e, retries: 5, timeout: 2s, need: {gpu: 1}}\n"
	     "  c: {fetch: {url: u}}\n"
	     "defaults: {retries: 3, backoff: 1s..60s, timeout: 300%, env: {A: 1, B: 2}, cwd: /d, need: {cpu: 2}, priority: 1, nice: 2}\n",
	     expected);
	LINES("\n# a comment\n"
	      "{\"oxbow\": 1, \"defaults\": {\"retries\": 3, \"backoff\": \"1s..60s\", \"timeout\": \"300%\", \"env\": {\"A\": 1, \"B\": 2},"
	      " \"cwd\": \"/d\", \"need\": {\"cpu\": 2}, \"priority\": 1, \"nice\": 2}}\n"
	      "{\"id\": \"a\", \"sh\": \"x\"}\n\n"
	      "{\"id\": \"b\", \"sh\": \"y\", \"env\": {\"B\": 3, \"C\": 4}, \"cwd\": \"/e\", \"retries\": 5, \"timeout\": \"2s\", \"need\": {\"gpu\": 1}}\n"
	      "{\"id\": \"c\", \"fetch\": {\"url\": \"u\"}}",
	      expected);
	YAML("defaults: {stdin: a}\njobs: {a: {sh: x, stdin: none}, b: {sh: x, stdin: =t}, c: {sh: x}}\n",
	     "a: sh=x\nb: sh=x text=t\nc: sh=x file=a\n");
}
END_TEST

static void check_limits(const char *text)
{
	struct oxi_jobfile f;
	struct oxi_buffer why = { 0 };
	const char *path = file(text, strlen(text));
	ck_assert_int_eq(oxi_jobfile_open(&f, path, &why), 0);
	unlink(path);
	const struct oxi_jobfile_limits *l = oxi_jobfile_limits(&f);
	ck_assert_uint_eq(l->jobs, 7);
	ck_assert_str_eq(l->jobs_text.data, "7");
	ck_assert(l->rate == 50);
	ck_assert(l->deadline == OX_SEC(7200));
	ck_assert(l->halt_given && l->halt.when == OXI_HALT_SOON && l->halt.percent && l->halt.n == 5);
	ck_assert_uint_eq(l->pools, 2);
	ck_assert_str_eq(l->pool[0].name.data, "gpu");
	ck_assert_uint_eq(l->pool[0].n, 2);
	ck_assert_str_eq(l->pool[0].index[0].data, "0");
	ck_assert_str_eq(l->pool[0].index[1].data, "a");
	ck_assert_str_eq(l->pool[1].name.data, "db");
	ck_assert_uint_eq(l->pool[1].n, 4);
	ck_assert_ptr_null(l->pool[1].index);
	ck_assert(!oxi_jobfile_is_stream(&f));
	oxi_jobfile_close(&f);
}

START_TEST(limits_are_known_once_it_is_open)
{
	check_limits("oxbow: 1\nlimits: {jobs: 7, pools: {gpu: [0, a], db: 4}, rate: 50/s, deadline: 2h, halt: \"soon,fail=5%\"}\n");
	check_limits("{\"oxbow\": 1, \"limits\": {\"jobs\": 7, \"pools\": {\"gpu\": [0, \"a\"], \"db\": 4}, \"rate\": \"50/s\","
		     " \"deadline\": \"2h\", \"halt\": \"soon,fail=5%\"}}\n");
}
END_TEST

START_TEST(nothing_is_no_job_case_14)
{
	LIST("", "");
	LIST("\n\n# only comments\n  \t\n", "");
	LIST("\xef\xbb\xbf", "");
	YAML("jobs: {}\n", "");
	YAML("oxbow: 1\n", "");
	YAML("---\n", "");
	YAML("# c\n\njobs:\n  {}\n", "");
	YAML("%YAML 1.1\n---\njobs: {}\n", "");
	YAML("\"jobs\": {}\n", "");
	YAML(" 'jobs':\r\n  {}\r\n", "");
	LINES("{\"oxbow\": 1}\n", "");
}
END_TEST

START_TEST(plain_commands_are_a_list_case_15)
{
	LIST("echo a\n\n# no\n  # no\n\t echo  b # c\nlast", "-: sh=echo a\n-: sh=\t echo  b # c\n-: sh=last\n");
	LIST("\xef\xbb\xbf#!x\necho \377\n", "-: sh=echo \377\n");
	LIST("PATH=x make\n: nothing\n", "-: sh=PATH=x make\n-: sh=: nothing\n");
	LIST("http://x/ y\n", "-: sh=http://x/ y\n");
	LIST("'a' : b\n", "-: sh='a' : b\n");
	LIST("'a b': c\n", "-: sh='a b': c\n");
	LIST("---x\n", "-: sh=---x\n");
	LIST("a\n{\"run\": [\"x\"]}\njobs:\n", "-: sh=a\n-: sh={\"run\": [\"x\"]}\n-: sh=jobs:\n");
	BAD_LIST("a\n\xc3\xa9 \0c\n", "-: sh=a\n:2:3: a NUL byte, which no command can hold");
}
END_TEST

START_TEST(aliases_and_merges_are_written_out)
{
	YAML("jobs:\n  a: &a {sh: x, env: &e {A: 1}}\n  b: *a\n  c: {<<: *a, sh: y}\n  d: {sh: z, env: {<<: *e, B: 2}}\n",
	     "a: sh=x env=A=1\nb: sh=x env=A=1\nc: sh=y env=A=1\nd: sh=z env=B=2|A=1\n");
	YAML("jobs:\n  a: &a {sh: x, cwd: p, in: q}\n  b: {<<: [*a, {cwd: r, out: s}], nice: 1}\n",
	     "a: sh=x in=q cwd=p\nb: sh=x in=q out=s cwd=p priority=0 nice=1\n");
	YAML("jobs:\n  &n a: {sh: x}\n  b: {sh: x, after: *n}\n", "a: sh=x\nb: sh=x after:a=ok\n");
}
END_TEST

/* ---- what is refused, and where ---- */

#define ENTRY_KEYS "run sh call fetch each matrix foreach after in out need env cwd stdin retries backoff retry-on timeout priority nice"

START_TEST(a_key_that_is_unknown_has_a_near_one)
{
	BAD_YAML("oxbow: 1\njob: {}\n", ":2:1: unknown key 'job' of a job file: did you mean 'jobs'?");
	BAD_YAML("oxbow: 1\nfrobnicate: 2\n", ":2:1: unknown key 'frobnicate' of a job file: there are oxbow limits defaults jobs");
	BAD_YAML("limits:\n  job: 2\n", ":2:3: unknown key 'job' of limits: did you mean 'jobs'?");
	BAD_YAML("defaults: {retry: 2}\n", ":1:12: unknown key 'retry' of defaults: there are need env cwd stdin retries backoff retry-on "
		 "timeout priority nice");
	BAD_YAML("jobs:\n  a:\n    sh: x\n    time-out: 3\n", ":4:5: unknown key 'time-out' of an entry: did you mean 'timeout'?");
	BAD_YAML("jobs: {a: {frobnicate: x}}\n", ":1:12: unknown key 'frobnicate' of an entry: there are " ENTRY_KEYS);
	BAD_YAML("jobs: {a: {call: {plugin: p, func: f}}}\n", ":1:30: unknown key 'func' of a call: did you mean 'fn'?");
	BAD_YAML("jobs: {a: {fetch: {ulr: p}}}\n", ":1:20: unknown key 'ulr' of a fetch: there are url max");
	BAD_YAML("jobs: {a: {sh: x, each: {line: p}}}\n", ":1:26: unknown key 'line' of a set of values: did you mean 'lines'?");
	BAD_LINES("{\"id\": \"é\", \"runn\": [\"x\"]}\n", ":1:13: unknown key 'runn' of an entry: did you mean 'run'?");
	BAD_LINES("{\"sh\": \"a\"}\n\n  {\"sh\":\"b\",\"call\" : {\"plugin\":1, \"f\":2}}", "-: sh=a\n:3:13: 'call' and 'sh' exclude each other");
	BAD_LINES("{\"call\" : {\"plugin\":1, \"f\":2}}", ":1:24: unknown key 'f' of a call: did you mean 'fn'?");
	BAD_LINES("{\"oxbow\":1,\"jobs\":{}}", ":1:12: 'jobs' is no key of a job file here");
	BAD_LINES("{\"sh\":\"a\"}\n{\"oxbow\":1}", "-: sh=a\n:2:2: unknown key 'oxbow' of an entry: there are id " ENTRY_KEYS);
	BAD_YAML("jobs: {a: {id: x}}\n", ":1:12: 'id' is no key of an entry here");
	BAD_YAML("defaults: {run: x}\n", ":1:12: 'run' is no key of defaults here");
	BAD_LIST("\n job:\n", ":2:2: unknown key 'job' of a job file: did you mean 'jobs'?");
	BAD_LIST("'version': 3\n", ":1:1: unknown key 'version' of a job file: there are oxbow limits defaults jobs");
}
END_TEST

START_TEST(an_entry_is_one_thing_done_in_one_way)
{
	static const char *const kinds[] = { "run: [x]", "sh: x", "call: {plugin: p, fn: f}", "fetch: {url: u}" };
	static const char *const sets[] = { "each: [1]", "matrix: {a: [1]}", "foreach: b" };
	char text[256], expected[256];
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 4; k++) {
			if (i == k)
				continue;
			int at = snprintf(text, sizeof(text), "jobs: {a: {%s, ", kinds[i]);
			snprintf(text + at, sizeof(text) - (size_t)at, "%s}}\n", kinds[k]);
			snprintf(expected, sizeof(expected), ":1:%d: '%.*s' and '%.*s' exclude each other", at + 1, (int)strcspn(kinds[k], ":"), kinds[k],
				 (int)strcspn(kinds[i], ":"), kinds[i]);
			gives_bytes(OXI_JOBFILE_YAML, text, strlen(text), OX_EINVAL, expected);
		}
	}
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 3; k++) {
			if (i == k)
				continue;
			int at = snprintf(text, sizeof(text), "jobs: {a: {%s, ", sets[i]);
			snprintf(text + at, sizeof(text) - (size_t)at, "%s, sh: x}}\n", sets[k]);
			snprintf(expected, sizeof(expected), ":1:%d: '%.*s' and '%.*s' exclude each other", at + 1, (int)strcspn(sets[k], ":"), sets[k],
				 (int)strcspn(sets[i], ":"), sets[i]);
			gives_bytes(OXI_JOBFILE_YAML, text, strlen(text), OX_EINVAL, expected);
		}
	}
	BAD_YAML("jobs: {a: {each: [1]}}\n", ":1:11: an entry has none of run, sh, call, fetch");
	BAD_LINES("{}\n", ":1:1: an entry has none of run, sh, call, fetch");
	BAD_YAML("jobs: {a: {call: {fn: f}}}\n", ":1:18: a call has no 'plugin'");
	BAD_YAML("jobs: {a: {call: {plugin: p}}}\n", ":1:18: a call has no 'fn'");
	BAD_YAML("jobs: {a: {fetch: {}}}\n", ":1:19: a fetch has no 'url'");
	BAD_YAML("jobs: {a: {sh: x, each: {}}}\n", ":1:25: a set of values has none of values, glob, lines, csv, jsonl, array");
	BAD_YAML("jobs: {a: {sh: x, each: {csv: a, glob: b}}}\n", ":1:34: 'glob' and 'csv' exclude each other");
	BAD_YAML("jobs: {a: {fetch: {url: u}, cwd: x}}\n", ":1:29: 'cwd' is for run and sh, and a fetch has no process of its own");
	BAD_YAML("jobs: {a: {stdin: x, call: {plugin: p, fn: f}}}\n", ":1:12: 'stdin' is for run and sh, and a call has no process of its own");
}
END_TEST

/* Members of an entry that are wrong, where in the YAML line that begins with "jobs: {n: {sh: x, ", and what is said. */
static const struct {
	const char *yaml;
	int column;
	const char *expected;
} WRONG[] = {
	{ "after: {a: sometimes}", 30, "after: give the name of an entry, a list of names, or a map of them to ok, any or fail, not 'sometimes'" },
	{ "after: [[a]]", 27, "after: give the name of an entry, a list of names, or a map of them to ok, any or fail, not a list" },
	{ "after: ", 26, "after: give the name of an entry, a list of names, or a map of them to ok, any or fail, not nothing" },
	{ "foreach: [a]", 28, "foreach: give the name of an entry, not a list" },
	{ "foreach: 'a[1]'", 28, "foreach: give the name of an entry, not 'a[1]'" },
	{ "each: a", 25, "each: give a list of values, or a map like {glob: \"*.png\"}, not 'a'" },
	{ "each: [{a: b}]", 26, "each: give a list of values, or a map like {glob: \"*.png\"}, not a map" },
	{ "each: {values: a}", 34, "values: give a list of values, not 'a'" },
	{ "each: {glob: [a]}", 32, "glob: give a pattern of paths, not a list" },
	{ "each: {csv: ''}", 31, "csv: give a path, not ''" },
	{ "each: {array: 1-5x}", 33, "array: '1-5x' is wrong at 'x' (like 1-100:2,200%8)" },
	{ "each: {array: [1]}", 33, "array: give ranges of numbers, 1-100:2,200, not a list" },
	{ "matrix: {}", 27, "matrix: give a map of names to values, {size: [64, 128], img: {glob: \"*.png\"}}, not an empty map" },
	{ "matrix: {a: b}", 31, "matrix: give a map of names to values, {size: [64, 128], img: {glob: \"*.png\"}}, not 'b'" },
	{ "in: {a: b}", 23, "in: give a path or a list of paths, not a map" },
	{ "out: [a, '']", 28, "out: give a path or a list of paths, not ''" },
	{ "need: 2", 25, "need: give a map of amounts, {cpu: 2, mem: 1G, gpu: 1}, not '2'" },
	{ "need: {cpu: 1.2345}", 31, "need: give a map of amounts, {cpu: 2, mem: 1G, gpu: 1}, not '1.2345'" },
	{ "need: {mem: 1.5G}", 31, "need: give a map of amounts, {cpu: 2, mem: 1G, gpu: 1}, not '1.5G'" },
	{ "need: {gpu: -1}", 31, "need: give a map of amounts, {cpu: 2, mem: 1G, gpu: 1}, not '-1'" },
	{ "env: [A=b]", 24, "env: give a map of variables, {NAME: value}, not a list" },
	{ "env: {A: }", 28, "env: give a map of variables, {NAME: value}, not nothing" },
	{ "env: {A=: b}", 25, "env: give a map of variables, {NAME: value}, not 'A='" },
	{ "env: {'': b}", 25, "env: give a map of variables, {NAME: value}, not ''" },
	{ "cwd: ''", 24, "cwd: give a path, not ''" },
	{ "stdin: ''", 26, "stdin: give none, a path, or =TEXT, not ''" },
	{ "retries: -1", 28, "retries: give a number of tries, from 0, not '-1'" },
	{ "retries: 1e3", 28, "retries: give a number of tries, from 0, not '1e3'" },
	{ "backoff: 2s..1s", 28, "backoff: give a time or two, 1s..60s, not '2s..1s'" },
	{ "retry-on: exit:x", 29, "retry-on: give a list as in 'exit:1,75 signal timeout', not 'exit:x'" },
	{ "timeout: 5 parsecs", 28, "timeout: give a time, 30s, or a share of the median, 200%, not '5 parsecs'" },
	{ "timeout: [1]", 28, "timeout: give a time, 30s, or a share of the median, 200%, not a list" },
	{ "priority: 1.5", 29, "priority: give a whole number, not '1.5'" },
	{ "priority: 2147483648", 29, "priority: give a whole number, not '2147483648'" },
	{ "nice: 40", 25, "nice: give a number from -39 to 39, not '40'" },
	{ "cwd: {$b64: '!'}", 31, "'!' is not base64" },
	{ "cwd: {$b64: YQ=}", 31, "'YQ=' is not base64" },
	{ "cwd: {$b64: YR==}", 31, "'YR==' is not base64" },
	{ "cwd: {$b64: YQD/Yg==}", 31, "there is a NUL byte in it" },
	{ "cwd: {$b64: [a]}", 31, "cwd: give a path, not a list" },
	{ "cwd: {b64: YQ==}", 24, "cwd: give a path, not a map" },
	{ "cwd: \"a\\0b\"", 24, "there is a NUL byte in it" },
	{ "sh: y", 19, "the key 'sh' is there already, in line 1" },
	{ "cwd: !!str x", 24, "a tag: what a value is, its key says" },
	{ "cwd: *a", 24, "there is no such anchor before this alias" },
	{ "env: &a {A: *a}", 31, "this alias stands inside of what it repeats" },
	{ "[a]: b", 19, "a key is to be text" },
	{ "<<: x", 23, "<< merges maps, and this is none" },
	{ "<<: {}, <<: {}", 27, "<< is there already: merge a list of maps" },
};
#define WRONG_LEN (sizeof(WRONG) / sizeof(WRONG[0]))

START_TEST(a_value_that_is_wrong_is_named_with_its_place)
{
	char text[256], expected[256];
	snprintf(text, sizeof(text), "jobs: {n: {sh: x, %s}}\n", WRONG[_i].yaml);
	snprintf(expected, sizeof(expected), ":1:%d: %s", WRONG[_i].column, WRONG[_i].expected);
	gives_bytes(OXI_JOBFILE_YAML, text, strlen(text), OX_EINVAL, expected);
}
END_TEST

START_TEST(other_values_that_are_wrong)
{
	BAD_YAML("oxbow: 2\n", ":1:8: oxbow: give 1, the version of this format, not '2'");
	BAD_YAML("---\n[]\n", ":2:1: a job file is a map of oxbow, limits, defaults and jobs");
	BAD_YAML("jobs: [a]\n", ":1:7: jobs: give a map of names to entries, not a list");
	BAD_YAML("jobs:\n", ":1:6: jobs: give a map of names to entries, not nothing");
	BAD_YAML("jobs:\n  a: x\n", ":2:6: an entry is a map, {run: [cp, a, b]}");
	BAD_YAML("jobs:\n  'a[1]': {sh: x}\n", ":2:3: 'a[1]' is no name: 1 to 255 bytes without control characters and []{}");
	BAD_YAML("jobs: {a: {run: x}}\n", ":1:17: run: give a list of words, [cp, a, b] (text for a shell is sh), not 'x'");
	BAD_YAML("jobs: {a: {run: []}}\n", ":1:17: run: give a list of words, [cp, a, b] (text for a shell is sh), not an empty list");
	BAD_YAML("jobs: {a: {sh: [x]}}\n", ":1:16: sh: give text for a shell (a list of words is run), not a list");
	BAD_YAML("jobs: {a: {call: x}}\n", ":1:18: call: give a map, {plugin: ./words.so, fn: count}, not 'x'");
	BAD_YAML("jobs: {a: {call: {plugin: '', fn: f}}}\n", ":1:27: plugin: give a path, not ''");
	BAD_YAML("jobs: {a: {fetch: u}}\n", ":1:19: fetch: give a map, {url: \"https://...\"}, not 'u'");
	BAD_YAML("jobs: {a: {fetch: {url: u, max: 8Q}}}\n", ":1:33: max: give a size above 0, 8MiB, not '8Q'");
	BAD_YAML("jobs: {a: {fetch: {url: u, max: 0}}}\n", ":1:33: max: give a size above 0, 8MiB, not '0'");
	BAD_YAML("limits: 4\n", ":1:9: limits: give a map, {jobs: 100%, rate: 50/s}, not '4'");
	BAD_YAML("limits: {jobs: 0}\n", ":1:16: jobs: give a number, or a share of the CPUs, 100%, not '0'");
	BAD_YAML("limits: {rate: x}\n", ":1:16: rate: give a rate, 50/s, 10/m or 3/h, not 'x'");
	BAD_YAML("limits: {deadline: 0}\n", ":1:20: deadline: give a time above 0, 2h, not '0'");
	BAD_YAML("limits: {halt: later}\n", ":1:16: halt: give never, or as in soon,fail=5%, not 'later'");
	BAD_YAML("limits: {pools: {gpu: 0}}\n", ":1:23: pools: give a map of names to a number or a list of indexes, {db: 4, gpu: [0, 1]}, not '0'");
	BAD_YAML("limits: {pools: 2}\n", ":1:17: pools: give a map of names to a number or a list of indexes, {db: 4, gpu: [0, 1]}, not '2'");
	BAD_YAML("limits: {pools: {gpu: []}}\n",
		 ":1:23: pools: give a map of names to a number or a list of indexes, {db: 4, gpu: [0, 1]}, not an empty list");
	BAD_YAML("limits: {pools: {gpu: [0, 0]}}\n", ":1:27: '0' is in this pool already");
	BAD_YAML("limits: {pools: {cpu: 4}}\n", ":1:18: pools: cpu is the machine's, see need");
	BAD_YAML("limits: {pools: {a-b: 4}}\n", ":1:18: pools: 'a-b' is to be a name of letters, digits and _");
	BAD_YAML("defaults: {timeout: x}\n", ":1:21: timeout: give a time, 30s, or a share of the median, 200%, not 'x'");
	BAD_LINES("{\"run\": null}", ":1:9: run: give a list of words, [cp, a, b] (text for a shell is sh), not nothing");
	BAD_LINES("{\"sh\": \"a\", \"timeout\": \"\\u00e9\\\"x\", \"nice\": 1}", ":1:24: timeout: give a time, 30s, or a share of the median, 200%, not 'é\"x'");
	BAD_LINES("{\"id\": \"\", \"sh\": \"a\"}", ":1:8: id: give a name: 1 to 255 bytes without control characters and []{}, not ''");
}
END_TEST

START_TEST(what_is_no_yaml_or_json_has_a_place)
{
	BAD_YAML("jobs:\n  a:\n\trun: [x]\n", ":3:1: a tab: YAML is indented by spaces");
	BAD_YAML("jobs: {a: {run: [x}}\n", ":1:19: did not find expected ',' or ']', while parsing a flow sequence in line 1");
	BAD_YAML("jobs:\n  a: b: c\n", ":2:7: mapping values are not allowed in this context");
	BAD_YAML("jobs: {a: {sh: \"\xc3\xa9\xff\"}}\n", ":1:18: invalid leading UTF-8 octet");
	BAD_YAML("jobs: {a: {sh: \xc3\xa9 \0}}\n", ":1:18: a NUL byte");
	BAD_YAML("jobs:\n  a: {sh: \x01}\n", ":2:11: control characters are not allowed (0x01)");
	BAD_YAML("jobs:\n  ? \n  : {sh: x}\n", ":2:4: a key is to be text");
	BAD_YAML("jobs: {a: {sh: x}}\n---\njobs: {}\n", ":2:1: a second document: a job file is one");
	BAD_YAML("jobs:\n  a: {sh: x}\n  b: {sh: y}\n  a: {sh: z}\n", ":4:3: the key 'a' is there already, in line 2");
	BAD_LINES("{\"sh\": \"a\"}\n{\"sh\": tru}\n", "-: sh=a\n:2:10: invalid token near 'tru'");
	BAD_LINES("{\"sh\": \"a\", \"sh\": \"b\"}\n", ":1:16: duplicate object key near '\"sh\"'");
	BAD_LINES("{\"sh\": \"\xff\"}\n", ":1:8: unable to decode byte 0xff near '\"'");
	BAD_LINES("{\"sh\": \"a\\u0000b\"}\n", ":1:17: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000b\"'");
	BAD_LINES("{ \n  \"sh\": \"a\"}\n", ":1:2: string or '}' expected near end of file; each entry is one line");
	BAD_LINES("{\"sh\": \"a\"}\n[1]\n", "-: sh=a\n:2:1: a row is to be a JSON object, {\"name\": value, ...}");
}
END_TEST

/* ---- limits ---- */

static void add_times(struct oxi_buffer *b, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		oxi_buffer_add_text(b, text);
}

static void gives(enum oxi_jobfile_format format, struct oxi_buffer *text, int end, const char *expected)
{
	ck_assert(!text->failed);
	gives_bytes(format, text->data, text->len, end, expected);
	oxi_buffer_free(text);
}

START_TEST(a_word_is_no_longer_than_the_system_takes)
{
	struct oxi_buffer text = { 0 }, expected = { 0 };
	add_times(&text, OXI_ARG_MAX, "x");
	add_times(&expected, 1, "-: sh=");
	oxi_buffer_add(&expected, text.data, text.len);
	oxi_buffer_add(&expected, "\n", 2);
	gives(OXI_JOBFILE_LIST, &text, 0, expected.data);
	oxi_buffer_free(&expected);
	add_times(&text, OXI_ARG_MAX + 1, "x");
	gives(OXI_JOBFILE_LIST, &text, OX_EINVAL, ":1:1: has 131072 bytes, and the system passes at most 131071 in an argument");
	add_times(&text, 1, "jobs: {a: {run: [x, ");
	add_times(&text, OXI_ARG_MAX + 1, "x");
	add_times(&text, 1, "]}}\n");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":1:21: has 131072 bytes, and the system passes at most 131071 in an argument");
	add_times(&text, 1, "jobs: {a: {sh: x, env: {A: ");
	add_times(&text, OXI_ARG_MAX - 1, "x");
	add_times(&text, 1, "}}}\n");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":1:28: has 131072 bytes, and the system passes at most 131071 in an argument");
}
END_TEST

START_TEST(a_line_without_an_end_does_not_fill_memory)
{
	struct oxi_buffer text = { 0 };
	add_times(&text, 1, "a\n\n");
	add_times(&text, OXI_LINE_MAX + OX_KIB(128), "x");
	gives(OXI_JOBFILE_LIST, &text, OX_ETOOBIG, "-: sh=a\n:3: longer than 2 MiB");
	add_times(&text, 1, "{\"sh\": \"a\"}\n{\"sh\": \"");
	add_times(&text, OXI_LINE_MAX + OX_KIB(128), "x");
	gives(OXI_JOBFILE_JSONL, &text, OX_ETOOBIG, "-: sh=a\n:2: longer than 2 MiB");
	/* Between lines there is no limit, and none in YAML. */
	add_times(&text, 1, "jobs: {a: {sh: x}} #");
	add_times(&text, OXI_LINE_MAX + OX_KIB(128), "x");
	add_times(&text, 1, "\n");
	gives(OXI_JOBFILE_LIST, &text, OX_ETOOBIG, ":1: longer than 2 MiB");
	add_times(&text, 1, "jobs: {a: {sh: x}}\n#");
	add_times(&text, OXI_LINE_MAX + OX_KIB(128), "x");
	gives(OXI_JOBFILE_YAML, &text, 0, "a: sh=x\n");
}
END_TEST

START_TEST(nesting_and_repetition_have_an_end)
{
	struct oxi_buffer text = { 0 };
	add_times(&text, 1, "jobs: ");
	add_times(&text, 31, "[");
	add_times(&text, 31, "]");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":1:7: jobs: give a map of names to entries, not a list");
	add_times(&text, 1, "jobs: ");
	add_times(&text, 32, "[");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":1:38: nested deeper than 32 levels");
	add_times(&text, 1, "{\"a\":");
	add_times(&text, 100, "[");
	add_times(&text, 100, "]");
	add_times(&text, 1, "}");
	gives(OXI_JOBFILE_JSONL, &text, OX_EINVAL, ":1:105: nested deeper than 100 levels");
	/* Ten nodes each; 999 aliases of them and what they repeat is just not too much. */
	for (int i = 0; i < 2; i++) {
		add_times(&text, 1, "jobs: {a: {sh: x, each: [");
		add_times(&text, 1, "&a [0,1,2,3,4,5,6,7,8]");
		add_times(&text, 1000 + (size_t)i, ",*a");
		add_times(&text, 1, "]}}\n");
		gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, i ? ":1:3049: aliases repeat more than 10000 nodes"
		                                            : ":1:26: each: give a list of values, or a map like {glob: \"*.png\"}, not a list");
	}
	/* A billion of them in ten lines. */
	add_times(&text, 1, "jobs: {}\nlimits:\n  a: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++)
		oxi_buffer_add_format(&text, "  a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1,
		                      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":6:40: aliases repeat more than 10000 nodes");
	add_times(&text, 1, "jobs:\n  a: [");
	add_times(&text, 10001, "&a x,");
	add_times(&text, 1, "]\n");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":2:50007: more than 10000 anchors");
}
END_TEST

START_TEST(a_key_is_found_twice_among_many)
{
	struct oxi_buffer text = { 0 }, expected = { 0 };
	add_times(&text, 1, "jobs:\n");
	for (int i = 0; i < 60000; i++) {
		oxi_buffer_add_format(&text, "  j%d: {sh: x}\n", i);
		oxi_buffer_add_format(&expected, "j%d: sh=x\n", i);
	}
	oxi_buffer_add_char(&expected, '\0');
	gives_bytes(OXI_JOBFILE_YAML, text.data, text.len, 0, expected.data);
	add_times(&text, 1, "  j77: {sh: x}\n");
	gives(OXI_JOBFILE_YAML, &text, OX_EINVAL, ":60002:3: the key 'j77' is there already, in line 79");
	oxi_buffer_free(&expected);
}
END_TEST

/* ---- files that cannot be read ---- */

START_TEST(a_file_that_cannot_be_read_is_named)
{
	struct oxi_jobfile f;
	struct oxi_buffer why = { 0 };
	ck_assert_int_eq(oxi_jobfile_open(&f, "/nonexistent/jobs", &why), -ENOENT);
	oxi_buffer_add_char(&why, '\0');
	ck_assert_str_eq(why.data, "/nonexistent/jobs: No such file or directory");
	oxi_jobfile_close(&f);
	why.len = 0;
	ck_assert_int_eq(oxi_jobfile_open(&f, "/", &why), -EISDIR);
	oxi_buffer_add_char(&why, '\0');
	ck_assert_str_eq(why.data, "/: cannot be read: Is a directory");
	oxi_jobfile_close(&f);
	oxi_buffer_free(&why);
}
END_TEST

/* ---- streams ---- */

static int pipe_in;                     /* its writing end; the reading one is standard input */

static void open_pipe(void)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[0], 0), 0);
	close(fds[0]);
	pipe_in = fds[1];
}

static void say(const char *text)
{
	EXPECT_EQ(write(pipe_in, text, strlen(text)), (ssize_t)strlen(text));
}

struct reading {
	struct oxi_jobfile f;
	struct oxi_buffer got, why;
	int entries, result;
};

static int read_stream(void *arg)
{
	struct reading *r = arg;
	struct oxi_entry e;
	while ((r->result = oxi_jobfile_next(&r->f, &e, &r->why)) == 1) {
		dump(&r->got, &e);
		oxi_entry_free(&e);
		r->entries++;
	}
	return 0;
}

/* Each line is answered by an entry before the next one is written. */
static int feed(void *arg)
{
	const char *const *lines = arg;
	struct reading r = { 0 };
	say(lines[0]);
	EXPECT_EQ(oxi_jobfile_open(&r.f, "-", &r.why), 0);
	EXPECT(oxi_jobfile_is_stream(&r.f));
	ox_group *g = ox_group_open();
	ox_spawn(g, read_stream, &r);
	for (int i = 0; lines[i]; i++) {
		if (i)
			say(lines[i]);
		while (r.entries <= i && r.result >= 0)
			ox_sleep(OX_MS(1));
	}
	close(pipe_in);
	int err = ox_group_join(g);
	ox_group_close(g);
	EXPECT_EQ(r.result, 0);
	EXPECT_EQ(r.entries, 3);
	oxi_jobfile_close(&r.f);
	oxi_buffer_free(&r.got);
	oxi_buffer_free(&r.why);
	return err;
}

START_TEST(a_pipe_that_is_kept_open_gives_entries_as_they_come)
{
	static const char *const json[] = { "{\"oxbow\": 1}\n{\"sh\": \"a\"}\n", "{\"sh\": \"b\"}\n", "{\"sh\": \"c\"}\n", NULL };
	static const char *const list[] = { "a\n", "\n#\nb\n", "c\n", NULL };
	open_pipe();
	run_real(feed, (void *)json);
	open_pipe();
	run_real(feed, (void *)list);
}
END_TEST

static int read_own_input(void *arg)
{
	struct reading r = { 0 };
	(void)arg;
	int err = oxi_jobfile_open(&r.f, "-", &r.why);
	EXPECT_EQ(err, 0);
	read_stream(&r);
	EXPECT_EQ(r.result, OX_EINVAL);
	oxi_buffer_add_char(&r.why, '\0');
	EXPECT(strcmp(r.why.data, "stdin:1:33: standard input is the job file itself") == 0);
	oxi_jobfile_close(&r.f);
	oxi_buffer_free(&r.got);
	oxi_buffer_free(&r.why);
	return 0;
}

START_TEST(standard_input_is_not_read_twice)
{
	open_pipe();
	say("jobs: {a: {sh: x, each: {lines: '-'}}}\n");
	close(pipe_in);
	run_real(read_own_input, NULL);
}
END_TEST

/* ---- memory ---- */

#if OWN_MALLOC
static int try_one(const char *path)
{
	struct oxi_jobfile f;
	struct oxi_entry e;
	struct oxi_buffer why = { 0 };
	int r = oxi_jobfile_open(&f, path, &why);
	while (r >= 0 && (r = oxi_jobfile_next(&f, &e, &why)) == 1)
		oxi_entry_free(&e);
	oxi_jobfile_close(&f);
	oxi_buffer_free(&why);
	return r;
}

static void fails_each_time(const char *text, int end)
{
	const char *path = file(text, strlen(text));
	ck_assert_int_eq(try_one(path), end);
	for (size_t n = 1;; n++) {
		long before = live;
		made = 0;
		failing = n;
		int r = try_one(path);
		failing = 0;
		ck_assert_msg(live == before, "allocation %zu failing leaves %ld blocks of '%s'", n, live - before, text);
		if (made < n)
			break;
		ck_assert_msg(r == OX_ENOMEM || r == end, "allocation %zu failing: %s: %s", n, ox_strerror(r), text);
		ck_assert_int_lt((int)n, 10000);
	}
	unlink(path);
}
#endif

START_TEST(lack_of_memory_is_reported_wherever_it_is_met)
{
#if OWN_MALLOC
	if (under_valgrind())
		SKIP("valgrind has an allocator of its own");
	fails_each_time("a\nb\n", 0);
	fails_each_time("oxbow: 1\nlimits: {jobs: 2, pools: {a: [1, 2]}}\ndefaults: {env: {A: 1}, timeout: 5s}\n"
			"jobs:\n  a: &a {run: [a, b], after: {b: any}, need: {cpu: 1}, env: {B: 2}}\n"
			"  b: {<<: *a, matrix: {x: [1, 2], y: {array: 1-5}}}\n  c: {call: {plugin: p, fn: f}}\n  d: {fetch: {url: u}}\n",
			0);
	fails_each_time("jobs:\n  a: {sh: x, j1: x, j2: x, j3: x, j4: x, j5: x, j6: x, j7: x, j8: x, j9: x, k1: x, k2: x, k3: x, k4: x, k5: x,"
			" k6: x, k7: x, k8: x}\n",
			OX_EINVAL);
	fails_each_time("{\"oxbow\": 1, \"defaults\": {\"env\": {\"A\": 1}}}\n{\"run\": [\"a\", {\"$b64\": \"gA==\"}], \"each\": {\"array\": \"1-3,5\"}}\n", 0);
	fails_each_time("jobs: {a: x}\n", OX_EINVAL);
#else
	SKIP("the sanitizer has an allocator of its own");
#endif
}
END_TEST

/* ---- the manual ---- */

/* A line of the manual's source, as it is read. */
static void add_line(struct oxi_buffer *out, const char *line)
{
	static const struct {
		const char *escape, *text;
	} escapes[] = { { "\\&", "" }, { "\\e", "\\" } };
	while (*line) {
		size_t i = 0;
		while (i < 2 && strncmp(line, escapes[i].escape, 2) != 0)
			i++;
		if (i < 2)
			oxi_buffer_add_text(out, escapes[i].text);
		else
			oxi_buffer_add_char(out, *line);
		line += i < 2 ? 2 : 1;
	}
}

static size_t count_entries(const struct oxi_buffer *text)
{
	const char *path = file(text->data, text->len);
	struct oxi_jobfile f;
	struct oxi_entry e;
	struct oxi_buffer why = { 0 };
	size_t n = 0;
	int r = oxi_jobfile_open(&f, path, &why);
	for (; r >= 0 && (r = oxi_jobfile_next(&f, &e, &why)) == 1; n++)
		oxi_entry_free(&e);
	ck_assert_msg(r == 0, "%.*s", (int)why.len, why.data);
	oxi_jobfile_close(&f);
	oxi_buffer_free(&why);
	unlink(path);
	return n;
}

START_TEST(the_examples_of_the_manual_are_right)
{
	static const size_t entries[] = { 4, 3, 2, 3, 2 };
	char line[512];
	struct oxi_buffer text = { 0 };
	FILE *page = fopen(OXI_MANUAL, "r");
	bool inside = false;
	size_t n = 0;
	ck_assert_ptr_nonnull(page);
	while (fgets(line, sizeof(line), page)) {
		if (strcmp(line, ".Ed\n") == 0) {
			ck_assert_uint_lt(n, 5);
			ck_assert_uint_eq(count_entries(&text), entries[n]);
			n++;
			text.len = 0;
		}
		inside = strcmp(line, ".Bd -literal\n") == 0 || (inside && strcmp(line, ".Ed\n") != 0);
		if (inside && line[0] != '.')
			add_line(&text, line);
	}
	fclose(page);
	oxi_buffer_free(&text);
	ck_assert_uint_eq(n, 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jobfile");
	TCase *c = new_case(s, "entries", 60);
	tcase_add_loop_test(c, each_key_gives_the_same_from_yaml_and_json, 0, KEYS_LEN);
	tcase_add_test(c, defaults_stand_behind_what_an_entry_says);
	tcase_add_test(c, limits_are_known_once_it_is_open);
	tcase_add_test(c, nothing_is_no_job_case_14);
	tcase_add_test(c, plain_commands_are_a_list_case_15);
	tcase_add_test(c, aliases_and_merges_are_written_out);
	tcase_add_test(c, the_examples_of_the_manual_are_right);
	c = new_case(s, "faults", 60);
	tcase_add_test(c, a_key_that_is_unknown_has_a_near_one);
	tcase_add_test(c, an_entry_is_one_thing_done_in_one_way);
	tcase_add_loop_test(c, a_value_that_is_wrong_is_named_with_its_place, 0, WRONG_LEN);
	tcase_add_test(c, other_values_that_are_wrong);
	tcase_add_test(c, what_is_no_yaml_or_json_has_a_place);
	tcase_add_test(c, a_file_that_cannot_be_read_is_named);
	c = new_case(s, "limits", 60);
	tcase_add_test(c, a_word_is_no_longer_than_the_system_takes);
	tcase_add_test(c, a_line_without_an_end_does_not_fill_memory);
	tcase_add_test(c, nesting_and_repetition_have_an_end);
	tcase_add_test(c, a_key_is_found_twice_among_many);
	tcase_add_test(c, lack_of_memory_is_reported_wherever_it_is_met);
	c = new_case(s, "streams", 60);
	tcase_add_test(c, a_pipe_that_is_kept_open_gives_entries_as_they_come);
	tcase_add_test(c, standard_input_is_not_read_twice);
	return run_suite(s);
}
