/* SPDX-License-Identifier: MIT */
/* Inputs of oxbow run: sources and how they are combined, filtered and packed (batch cases 1, 14, 15), and values of options. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/arguments.h"
#include "cli/batch/shuffle.h"
#include "cli/options.h"
#include "tests/support/support.h"

/* ---- what is read, and how ---- */

/* A case: options as (letter, value) pairs, words behind the command, what the pipe on descriptor 0 says, and what is expected. */
struct wanted {
	const char *options[12];        /* "-a", "FILE", ... */
	char *words[16];
	const char *text;               /* of standard input; NULL: none */
	size_t len;
	char *template[6];              /* the command; {NULL}: its words are the values */
	const char *expected;           /* jobs, words separated by |, jobs by a newline */
	int end;                        /* what the last call is to return */
	const char *why;                /* what it is to say, or NULL */
	unsigned jobs;
	uint64_t total;                 /* UINT64_MAX: do not look */
};

static int option_id(const char *name)
{
	static const struct oxi_option options[] = { OXI_INPUT_OPTIONS, { 0 } };
	for (const struct oxi_option *o = options; o->name; o++) {
		if (strcmp(name, o->name) == 0)
			return o->id;
	}
	ck_abort_msg("no option %s", name);
}

static void collect(struct oxi_input *in, const struct oxi_template *t, struct oxi_buffer *got, int *ret)
{
	struct oxi_buffer words = { 0 };
	for (uint64_t seq = 1; (*ret = oxi_input_next(in)) == 1; seq++) {
		words.len = 0;
		struct oxi_values v = { .value = in->value, .n = in->n, .seq = seq, .slot = 1 };
		oxi_template_expand(t, &v, &words);
		for (size_t i = 0; i + 1 < words.len; i++)
			words.data[i] = words.data[i] ? words.data[i] : '|';
		if (words.len)
			words.data[words.len - 1] = '\n';
		oxi_buffer_add(got, words.data, words.len);
	}
	oxi_buffer_free(&words);
	oxi_buffer_add_char(got, '\0');
}

static int stages(const struct wanted *w, struct oxi_arguments *a, struct oxi_input *in, struct oxi_template *t,
                  struct oxi_buffer *got)
{
	size_t n = 0, words = 0;
	while (w->template[n])
		n++;
	while (w->words[words])
		words++;
	a->input.jobs = w->jobs ? w->jobs : 1;
	int r = 0;
	for (size_t i = 0; w->options[i] && r >= 0; i += 2)
		r = oxi_arguments_option(a, option_id(w->options[i]), w->options[i + 1]);
	bool usage;
	if (r >= 0)
		r = oxi_arguments_lists(a, (char **)w->words, words);
	if (r >= 0)
		r = oxi_arguments_end(a);
	if (r >= 0)
		r = oxi_input_open(in, &a->input);
	if (r >= 0)
		r = oxi_template_words(t, w->template, n, true, &in->names, &in->why);
	if (r >= 0)
		r = oxi_input_begin(in, t, &usage);
	if (r >= 0)
		r = oxi_input_complete(in, t);
	if (r >= 0 && w->total != UINT64_MAX)
		EXPECT_EQ(oxi_input_total(in), w->total);
	if (r >= 0)
		collect(in, t, got, &r);
	return r;
}

static int read_all(void *arg)
{
	const struct wanted *w = arg;
	struct oxi_arguments a = { 0 };
	struct oxi_input in = { 0 };
	struct oxi_template t = { 0 };
	struct oxi_buffer got = { 0 };
	int r = stages(w, &a, &in, &t, &got);
	oxi_buffer_add_char(&in.why, '\0');
	if (w->why && !strstr(in.why.data, w->why))
		ck_abort_msg("says '%s', expected '%s'", in.why.data, w->why);
	if (r != w->end)
		ck_abort_msg("ends with %d (%s), expected %d", r, in.why.data, w->end);
	if (w->expected)
		ck_assert_str_eq(got.data ? got.data : "", w->expected);
	oxi_buffer_free(&got);
	oxi_template_free(&t);
	oxi_input_close(&in);
	oxi_arguments_free(&a);
	return 0;
}

/* Standard input is a pipe that holds the text. */
static void give_input(const char *text, size_t len)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], text, len), (ssize_t)len);
	close(fds[1]);
	ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
}

static void assert_jobs(struct wanted w)
{
	if (w.text)
		give_input(w.text, w.len ? w.len : strlen(w.text));
	run_real(read_all, &w);
}
#define JOBS(...) assert_jobs((struct wanted){ .total = UINT64_MAX, __VA_ARGS__ })
#define LIST(...) .words = { __VA_ARGS__ }
#define TEXT(string) .text = string, .len = sizeof(string) - 1

static const char *file(const char *text)
{
	static char paths[8][32];
	static int n;
	char *path = paths[n++ % 8];
	strcpy(path, "/tmp/oxbow-input-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

/* ---- lists ---- */

START_TEST(several_lists_are_a_product_case_1)
{
	JOBS(LIST(":::", "A", "B", ":::", "1", "2", "3"), .template = { "{1}{2}" }, .expected = "A1\nA2\nA3\nB1\nB2\nB3\n", .total = 6);
	JOBS(LIST(":::", "a", "b"), .expected = "a\nb\n", .total = 2);
}
END_TEST

START_TEST(linked_lists_go_in_step_and_the_shortest_ends_them_case_1)
{
	JOBS(LIST(":::", "A", "B", ":::+", "1", "2", "3"), .expected = "A|1\nB|2\n", .total = 2);
	JOBS(LIST(":::", "A", "B", ":::+", "1", "2", ":::", "x", "y"), .expected = "A|1|x\nA|1|y\nB|2|x\nB|2|y\n", .total = 4);
	JOBS(LIST(":::", "x", "y", ":::", "A", "B", ":::+", "1", "2"), .expected = "x|A|1\nx|B|2\ny|A|1\ny|B|2\n", .total = 4);
}
END_TEST

START_TEST(with_link_all_are_in_step_and_short_ones_begin_again)
{
	JOBS(.options = { "link", NULL }, LIST(":::", "a", "b", ":::", "c", "d", "e", ":::", "f"),
	     .expected = "a|c|f\nb|d|f\na|e|f\n", .total = 3);
	JOBS(.options = { "link", NULL }, LIST(":::", "a", "b", ":::", "c", "d"), .expected = "a|c\nb|d\n", .total = 2);
	JOBS(.options = { "link", NULL }, LIST("::::", "-", ":::", "c", "d", "e"), TEXT("1\n2\n"), .expected = "1|c\n2|d\n1|e\n");
	JOBS(.options = { "link", NULL }, LIST(":::", "a", ":::"), .expected = "", .total = 0);
}
END_TEST

START_TEST(an_empty_list_gives_no_job_case_14)
{
	JOBS(LIST(":::"), .expected = "");
	JOBS(LIST(":::", "a", ":::"), .expected = "");
	JOBS(LIST(":::", ":::", "a"), .expected = "");
	JOBS(TEXT(""), .expected = "");
	JOBS(.options = { "arg-file", "-" }, LIST(":::", "a"), TEXT(""), .expected = "");
}
END_TEST

START_TEST(files_are_lists_of_their_lines_and_read_again_for_each_turn)
{
	const char *f = file("1\n2\n"), *g = file("x\ny");
	JOBS(.options = { "arg-file", f, "arg-file", g }, .expected = "1|x\n1|y\n2|x\n2|y\n");
	JOBS(.options = { "arg-file", f }, LIST(":::", "a", "b"), .expected = "1|a\n1|b\n2|a\n2|b\n");
	JOBS(LIST("::::", (char *)f, (char *)g), .expected = "1|x\n1|y\n2|x\n2|y\n");
	JOBS(LIST("::::", (char *)f, "::::+", (char *)g), .expected = "1|x\n2|y\n");
	JOBS(LIST(":::", "a", "b", ":::", "c", "d", "::::", (char *)f),
	     .expected = "a|c|1\na|c|2\na|d|1\na|d|2\nb|c|1\nb|c|2\nb|d|1\nb|d|2\n");
	unlink(f);
	unlink(g);
}
END_TEST

START_TEST(a_pipe_that_is_needed_again_is_kept)
{
	JOBS(LIST(":::", "a", "b", "c", "::::", "-"), TEXT("1\n2\n"), .expected = "a|1\na|2\nb|1\nb|2\nc|1\nc|2\n");
	JOBS(LIST(":::", "a", "b", "c", ":::", "x", "y", "::::+", "-"), TEXT("1\n2\n3\n"),
	     .expected = "a|x|1\na|y|2\nb|x|1\nb|y|2\nc|x|1\nc|y|2\n");
	setenv("TMPDIR", "/nonexistent", 1);
	JOBS(LIST(":::", "a", "::::", "-"), TEXT("1\n2\n"), .end = -ENOENT, .why = "stdin: cannot be kept in TMPDIR");
	JOBS(LIST("::::", "-", ":::", "a"), TEXT("1\n2\n"), .expected = "1|a\n2|a\n");
	unsetenv("TMPDIR");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
	JOBS(.options = { "arg-file", "/nonexistent" }, .end = -ENOENT, .why = "/nonexistent: No such file");
	JOBS(.options = { "arg-file", "/tmp" }, .end = -EISDIR, .why = "/tmp: cannot be read: Is a directory");
	JOBS(LIST("::::", "-", "-"), TEXT(""), .end = OX_EINVAL, .why = "standard input can be read as one list only");
}
END_TEST

START_TEST(an_array_is_Slurms_and_takes_no_memory)
{
	JOBS(.options = { "array", "1-7:2,20,30-31%4" }, .expected = "1\n3\n5\n7\n20\n30\n31\n", .total = 7);
	JOBS(.options = { "array", "0-1" }, LIST(":::", "a"), .expected = "0|a\n1|a\n", .total = 2);
	struct oxi_array a;
	const char *bad;
	ck_assert_int_eq(oxi_array_parse("1-1000000000000,5%3", &a, &bad), 0);
	ck_assert_uint_eq(a.count, 1000000000001);
	ck_assert_uint_eq(a.limit, 3);
	ck_assert_uint_eq(oxi_array_at(&a, 999999999999), 1000000000000);
	ck_assert_uint_eq(oxi_array_at(&a, 1000000000000), 5);
	oxi_array_free(&a);
	static const struct {
		const char *text;
		size_t at;
	} wrong[] = {
		{ "", 0 }, { "a", 0 }, { "1,", 2 }, { "1-", 2 }, { "5-1", 2 }, { "1-5:0", 4 }, { "1-5:", 4 }, { "1%0", 2 }, { "1%", 2 },
		{ "1%4x", 2 }, { "1;2", 1 }, { "99999999999999999999", 0 }, { "-1", 0 },
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(oxi_array_parse(wrong[i].text, &a, &bad), OX_EINVAL);
		ck_assert_msg((size_t)(bad - wrong[i].text) == wrong[i].at, "%s: at %zu", wrong[i].text, (size_t)(bad - wrong[i].text));
	}
}
END_TEST

/* ---- lines ---- */

START_TEST(lines_end_with_a_newline_or_the_file)
{
	JOBS(TEXT("a\nb c\n\nd"), .expected = "a\nb c\n\nd\n");
	JOBS(TEXT("\n"), .expected = "\n");
}
END_TEST

START_TEST(bytes_pass_unchanged_between_NULs_case_15)
{
	JOBS(.options = { "null", NULL }, TEXT("a\377b\0c d\0"), .expected = "a\377b\nc d\n");
	JOBS(.options = { "null", NULL }, TEXT("a\nb\0"), .expected = "a\nb\n");
}
END_TEST

START_TEST(a_delimiter_is_any_text)
{
	JOBS(.options = { "delimiter", "," }, TEXT("a,b\n"), .expected = "a\nb\n\n");
	JOBS(.options = { "delimiter", "::" }, TEXT("a::b:c::"), .expected = "a\nb:c\n");
	JOBS(.options = { "delimiter", "\\t\\x2c\\054" }, TEXT("a\t,,b"), .expected = "a\nb\n");
	JOBS(.options = { "delimiter", "\\0" }, TEXT("a\0b"), .expected = "a\nb\n");
}
END_TEST

START_TEST(a_NUL_in_a_line_is_an_error)
{
	JOBS(TEXT("ok\nx\0y\nz\n"), .expected = "ok\n", .end = OX_EINVAL, .why = "stdin:2: holds a NUL byte");
	JOBS(.options = { "delimiter", "," }, TEXT("ok,x\0y"), .expected = "ok\n", .end = OX_EINVAL, .why = "stdin:item 2: holds a NUL");
}
END_TEST

START_TEST(a_line_that_is_no_argument_is_an_error)
{
	static char text[OXI_ARG_MAX + 8] = "ok\n";
	memset(text + 3, 'x', OXI_ARG_MAX + 1);
	const char *f = file(text);
	JOBS(.options = { "arg-file", f }, .expected = "ok\n", .end = OX_EINVAL, .why = ":2: has 131072 bytes, and the system passes at most 131071");
	JOBS(.options = { "arg-file", f, "colsep", "y", "filter", "0" }, .expected = "");
	unlink(f);
}
END_TEST

static int write_long_line(void *arg)
{
	static char piece[4096];
	memset(piece, 'x', sizeof(piece));
	for (size_t n = 0; n < OXI_LINE_MAX + OX_KIB(256); n += sizeof(piece)) {
		int r = ox_wait_fd(*(int *)arg, OX_WRITABLE);
		if (r < 0 || write(*(int *)arg, piece, sizeof(piece)) < 0)
			break;
	}
	close(*(int *)arg);
	return 0;
}

static int read_long_line(void *arg)
{
	int *fds = arg;
	struct wanted w = { .total = UINT64_MAX, .expected = "", .end = OX_ETOOBIG, .why = "stdin:1: longer than 2 MiB" };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_spawn(g, write_long_line, &fds[1]);
	read_all(&w);
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);        /* the reader goes */
	dup2(nothing, STDIN_FILENO);
	close(nothing);
	return ox_group_join(g);
}

START_TEST(a_line_without_end_is_refused_before_it_fills_memory)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	run_real(read_long_line, fds);
}
END_TEST

/* ---- columns ---- */

START_TEST(columns_are_cut_by_an_expression_and_trimmed)
{
	JOBS(.options = { "colsep", "," }, TEXT("x, y ,z\n1,2\n"), .template = { "[{1}][{2}][{3}][{4}]" }, .expected = "[x][y][z][]\n[1][2][][]\n");
	JOBS(.options = { "colsep", "\\s+" }, TEXT("a b\t\tc\n"), .expected = "a|b|c\n");
	JOBS(.options = { "colsep", "," }, LIST(":::", "a,b", "c,,"), .expected = "a|b\nc||\n");
	JOBS(.options = { "colsep", "," }, TEXT("a,b\n"), LIST("::::", "-", ":::", "x,y"), .template = { "{4}{3}{2}{1}{-1}{-4}" }, .expected = "yxbaya\n");
}
END_TEST

START_TEST(a_header_names_the_columns)
{
	JOBS(.options = { "header", NULL, "colsep", "," }, TEXT("k,v.x\n1,2\n3\n"), .template = { "{v.x}-{k}-{k%1}" }, .expected = "2-1-\n-3-3\n");
	JOBS(.options = { "header", NULL }, LIST(":::", "a", "1", "2", ":::", "b", "3"), .template = { "{b}{a}" }, .expected = "31\n32\n", .total = 2);
	JOBS(.options = { "header", NULL, "csv", NULL }, TEXT("\xef\xbb\xbf" "first name,n\r\n\"x, y\",1\r\n\r\nz,2\r\n"),
	     .template = { "{first name}/{n}" }, .expected = "x, y/1\nz/2\n");
	JOBS(.options = { "header", NULL }, TEXT("a\n"), .template = { "{b}" }, .end = OX_EINVAL, .why = "did you mean {a}?");
	JOBS(.options = { "header", NULL }, TEXT(""), .end = OX_EINVAL, .why = "stdin: is empty, and --header");
	JOBS(.options = { "header", NULL, "csv", NULL }, TEXT("a,a\n"), .end = -EEXIST, .why = "stdin:1: the name 'a' is there twice");
	JOBS(.options = { "header", NULL, "colsep", "," }, TEXT("a\n1,2\n"), .end = OX_EINVAL, .why = "stdin:2: has 2 columns, and the first row has 1");
	JOBS(.options = { "header", NULL, "csv", NULL }, LIST(":::", "q", "1", "2", "::::", "-"), TEXT("a,b\nx,y\n"), .template = { "{q}{b}" },
	     .expected = "1y\n2y\n");
}
END_TEST

START_TEST(CSV_is_RFC_4180_and_faults_have_a_place)
{
	JOBS(.options = { "csv", NULL }, TEXT("a,\"b,\"\"c\"\"\"\n\"x\ny\",\n"), .template = { "<{1}><{2}>" }, .expected = "<a><b,\"c\">\n<x\ny><>\n");
	JOBS(.options = { "csv", NULL, "colsep", "\\t" }, TEXT("a\tb,c\n"), .expected = "a|b,c\n");
	JOBS(.options = { "csv", NULL }, TEXT("a,b\n\"x\ny\",1\nc\n"), .expected = "a|b\nx\ny|1\n", .end = OX_EINVAL, .why = "stdin:4: has 1 columns, and the first row has 2");
	JOBS(.options = { "csv", NULL }, TEXT("a\nb\"c\n"), .expected = "a\n", .end = OX_EINVAL, .why = "stdin:2:2: a quote inside");
	JOBS(.options = { "csv", NULL }, TEXT("a\n\"b\n\"c\n"), .end = OX_EINVAL, .why = "stdin:3:2: text behind a closing quote");
	JOBS(.options = { "csv", NULL }, TEXT("a\n\"b\nc\n"), .end = OX_EINVAL, .why = "stdin:2:1: this quote is never closed");
	JOBS(.options = { "csv", NULL }, TEXT("a\nb\0c\n"), .end = OX_EINVAL, .why = "stdin:2:2: a NUL byte");
	JOBS(.options = { "csv", NULL }, TEXT("a,b\n"), .template = { "{3}" }, .end = OX_EINVAL, .why = "stdin:1: {3} is not there: the row has 2 columns");
}
END_TEST

START_TEST(rows_of_JSON_have_paths)
{
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"user\":{\"name\":\"x y\"},\"n\":1}\n\n{\"user\":{\"name\":\"\\u00e9\"},\"n\":-2.50}\r\n"),
	     .template = { "{user.name}:{n}" }, .expected = "x y:1\n\303\251:-2.5\n");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"a\":[1,{\"b.c\":null,\"d\":true}]}"), .template = { "[{a.1.b.c}]{a.1.d}{a.0}{a}" },
	     .expected = "[]true1[1,{\"b.c\":null,\"d\":true}]\n");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"f\":\"d/a.b\"}"), .template = { "{f.}{f/}{f//}{f/.}{f%.b}" }, .expected = "d/aa.bdad/a\n");
	JOBS(.options = { "jsonl", NULL }, TEXT(" {\"a\": 1}\n"), .expected = " {\"a\": 1}\n");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"a\":1}\n{\"a\":2}\n"), LIST("::::", "-", ":::", "x", "y"), .template = { "{a}{2}" },
	     .expected = "1x\n1y\n2x\n2y\n");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"name\":1}\n{\"a\":2}\n"), .template = { "{name}" }, .expected = "1\n", .end = -ENOENT, .why = "stdin:2: {name} is not there");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"name\":1}\n"), .template = { "{nmae}" }, .end = -ENOENT, .why = "did you mean 'name'?");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"name\":{\"x\":1}}\n"), .template = { "{name.x.y}" }, .end = -ENOENT, .why = "'name.x' is neither an object nor");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"a\":1}\n{\"a\":}\n"), .end = OX_EINVAL, .why = "stdin:2:6: ");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"a\":1,\"a\":2}\n"), .end = OX_EINVAL, .why = "stdin:1:10: duplicate object key");
	JOBS(.options = { "jsonl", NULL }, TEXT("{\"a\":\"\\u0000\"}\n"), .end = OX_EINVAL, .why = "stdin:1:");
	JOBS(.options = { "jsonl", NULL }, TEXT("[1]\n"), .end = OX_EINVAL, .why = "stdin:1: a row is to be a JSON object");
	JOBS(.options = { "jsonl", NULL }, LIST(":::", "1"), .template = { "{a}" }, .end = -ENOENT, .why = "{a}: no list has rows of JSON");
}
END_TEST

START_TEST(JSON_that_is_nested_too_deep_is_refused_before_the_stack_is_full)
{
	static char text[200000];
	memset(text, '[', sizeof(text) - 1);
	memcpy(text, "{\"a\":", 5);
	const char *f = file(text);
	JOBS(.options = { "jsonl", NULL, "arg-file", f }, .end = OX_EINVAL, .why = ":1:105: nested deeper than 100 levels");
	unlink(f);
}
END_TEST

/* ---- several values a job ---- */

START_TEST(N_values_are_one_job_as_in_GNU_parallel)
{
	JOBS(.options = { "max-args", "2" }, LIST(":::", "a", "b", "c"), .template = { "p{}q" }, .expected = "pa|bq\npcq\n");
	JOBS(.options = { "max-args", "2" }, LIST(":::", "a", "b", "c"), .expected = "a|b\nc\n");
	JOBS(.options = { "max-args", "2" }, LIST(":::", "a", "b", "c"), .template = { "{1}-{2}" }, .expected = "a-b\nc-\n");
	JOBS(.options = { "max-replace-args", "2" }, LIST(":::", "a", "b", "c"), .template = { "{1}-{2}", "p{}q" }, .expected = "a-b|paq|pbq\nc-|pcq\n");
	JOBS(.options = { "max-args", "3" }, LIST(":::", "a", "b", ":::", "1", "2"), .expected = "a|1|a|2|b|1\nb|2\n");
	JOBS(.options = { "max-replace-args", "2", "colsep", "," }, LIST(":::", "a,b", "c,d", "e,f"), .template = { "{1}{2}{3}{4}" }, .expected = "abcd\nef\n");
	JOBS(.options = { "max-args", "0" }, LIST(":::", "a", "b"), .template = { "x", "{}" }, .expected = "x\nx\n");
	JOBS(.options = { "max-replace-args", "2" }, LIST(":::", "a"), .template = { "{3}" }, .end = OX_EINVAL, .why = "there are 2");
	JOBS(.options = { "max-args", "2", "header", NULL }, LIST(":::", "a", "1"), .template = { "{a}" }, .end = OX_EINVAL, .why = "values have numbers and no names");
}
END_TEST

START_TEST(as_many_as_fit_are_spread_over_the_slots_at_the_end)
{
	JOBS(.options = { "context-replace", NULL }, .jobs = 2, LIST(":::", "a", "b", "c", "d", "e"), .template = { "p{}q", "x" },
	     .expected = "paq|pbq|pcq|x\npdq|peq|x\n");
	JOBS(.options = { "many", NULL }, .jobs = 2, LIST(":::", "a", "b", "c", "d", "e"), .template = { "p{}q" }, .expected = "pa|b|cq\npd|eq\n");
	JOBS(.options = { "context-replace", NULL }, .jobs = 3, LIST(":::", "1", "2", "3", "4", "5", "6", "7"), .expected = "1|2|3\n4|5|6\n7\n");
	JOBS(.options = { "context-replace", NULL, "max-args", "4" }, .jobs = 2, LIST(":::", "1", "2", "3", "4", "5", "6", "7", "8"),
	     .expected = "1|2|3|4\n5|6\n7|8\n");
	JOBS(.options = { "many", NULL }, .jobs = 8, LIST(":::", "1", "2"), .expected = "1\n2\n");
}
END_TEST

/* ---- which jobs, and in what order ---- */

START_TEST(a_filter_leaves_out_jobs_and_they_are_counted_without)
{
	JOBS(.options = { "filter", "{1} < {2}" }, LIST(":::", "1", "2", "3", ":::", "1", "2", "3"), .template = { "{1}{2}:{#}/{##}" },
	     .expected = "12:1/3\n13:2/3\n23:3/3\n", .total = 3);
	JOBS(.options = { "filter", "{n} % 2 == 0", "jsonl", NULL }, TEXT("{\"n\":1,\"f\":\"a\"}\n{\"n\":2,\"f\":\"b\"}\n"), .template = { "{f}" }, .expected = "b\n");
	JOBS(.options = { "filter", "{} > 1", "max-args", "2" }, LIST(":::", "1", "2", "3", "4"), .expected = "2|3\n4\n");
	JOBS(.options = { "filter", "{1} - 1" }, LIST(":::", "2", "x"), .expected = "2\n", .end = OX_EINVAL, .why = "value 2 of a list: --filter: 'x' is no number");
	JOBS(.options = { "filter", "{1} >" }, LIST(":::", "2"), .end = OX_EINVAL, .why = "--filter: at character 6: something is missing");
}
END_TEST

START_TEST(the_total_is_counted_only_for_who_asks)
{
	JOBS(TEXT("a\nb\n"), .expected = "a\nb\n", .total = 0);
	JOBS(TEXT("a\nb\n"), .template = { "{}{##}" }, .expected = "a2\nb2\n", .total = 2);
	JOBS(.options = { "array", "1-12" }, .template = { "{0#}" }, .expected = "01\n02\n03\n04\n05\n06\n07\n08\n09\n10\n11\n12\n", .total = 12);
	JOBS(.options = { "many", NULL, "max-args", "2" }, TEXT("a\nb\nc\n"), .template = { "{##}", "{}" }, .expected = "2|a|b\n2|c\n", .total = 2);
}
END_TEST

START_TEST(a_shuffle_is_a_permutation_given_by_its_seed)
{
	unsigned orders = 0;
	for (uint64_t seed = 0; seed < 200; seed++) {
		uint64_t p[3];
		for (uint64_t i = 0; i < 3; i++)
			p[i] = oxi_shuffle(i, 3, seed);
		ck_assert(p[0] != p[1] && p[1] != p[2] && p[0] != p[2] && p[0] + p[1] + p[2] == 3);
		orders |= 1u << (p[0] * 2 + (p[1] > p[2]));
	}
	ck_assert_uint_eq(orders, 0x3f);
	static bool seen[1000];
	for (uint64_t i = 0; i < 1000; i++)
		seen[oxi_shuffle(i, 1000, 7)] = true;
	for (size_t i = 0; i < 1000; i++)
		ck_assert(seen[i]);
	ck_assert_uint_eq(oxi_shuffle(0, 1, 7), 0);
	ck_assert_uint_lt(oxi_shuffle(12345, UINT64_MAX, 7), UINT64_MAX);
}
END_TEST

static int count_shuffled(void *arg)
{
	struct oxi_arguments a = { 0 };
	struct oxi_input in;
	struct oxi_template t;
	bool usage, seen[6] = { false };
	char *words[] = { ":::", "0", "3", "::::", arg };
	ck_assert_int_eq(oxi_arguments_option(&a, OXI_IN_SHUFFLE, NULL), 1);
	ck_assert_int_eq(oxi_arguments_lists(&a, words, 5), 0);
	ck_assert_int_eq(oxi_arguments_option(&a, OXI_IN_CSV, NULL), 1);
	ck_assert_int_eq(oxi_arguments_end(&a), 0);
	a.input.jobs = 1;
	ck_assert_int_eq(oxi_input_open(&in, &a.input), 0);
	ck_assert_int_eq(oxi_template_words(&t, words, 0, true, &in.names, &in.why), 0);
	ck_assert_int_eq(oxi_input_begin(&in, &t, &usage), 0);
	EXPECT_EQ(oxi_input_total(&in), 6);
	while (oxi_input_next(&in) == 1) {
		EXPECT_EQ(in.n, 2);
		size_t i = strtoul(in.value[0].data, NULL, 10) + (size_t)(((const char *)in.value[1].data)[0] - 'a');
		EXPECT(i < 6 && !seen[i]);
		seen[i] = true;
	}
	for (size_t i = 0; i < 6; i++)
		EXPECT(seen[i]);
	oxi_template_free(&t);
	oxi_input_close(&in);
	oxi_arguments_free(&a);
	return 0;
}

START_TEST(a_shuffle_of_a_product_of_pipe_and_list_has_each_job_once)
{
	give_input("a\n\"b\nb\"\nc\n", 10);
	run_real(count_shuffled, "-");
	const char *f = file("a\n\"b\nb\"\nc\n");
	run_real(count_shuffled, (char *)f);
	unlink(f);
	JOBS(.options = { "shuf", "3", "link", NULL }, LIST(":::", "a", "b", "c", ":::", "1"), .template = { "{2}" }, .expected = "1\n1\n1\n", .total = 3);
	JOBS(.options = { "shuf", "3" }, LIST(":::", "a", ":::"), .expected = "");
}
END_TEST

/* ---- values of options ---- */

START_TEST(times_and_sizes_have_units)
{
	ox_time t = 0;
	size_t n = 0;
	ck_assert_int_eq(oxi_value_time("60s", &t), 0);
	ck_assert_int_eq(t, OX_SEC(60));
	ck_assert_int_eq(oxi_value_time("500ms", &t), 0);
	ck_assert_int_eq(t, OX_MS(500));
	ck_assert_int_eq(oxi_value_time("2", &t), 0);
	ck_assert_int_eq(t, OX_SEC(2));
	ck_assert_int_eq(oxi_value_time("-1s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_time("1 s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_time("99999999999999999999s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_size("8MiB", &n), 0);
	ck_assert_uint_eq(n, OX_MIB(8));
	ck_assert_int_eq(oxi_value_size("1kB", &n), 0);
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(oxi_value_size("8MeB", &n), OX_EINVAL);
	ck_assert_int_eq(oxi_value_size("", &n), OX_EINVAL);
}
END_TEST

START_TEST(jobs_are_a_number_or_a_share_of_the_CPUs)
{
	unsigned n = 0, all = 0;
	ck_assert_int_eq(oxi_value_jobs("100%", &all), 0);
	ck_assert_uint_ge(all, 1);
	ck_assert_int_eq(oxi_value_jobs("1%", &n), 0);
	ck_assert_uint_ge(n, 1);
	ck_assert_int_eq(oxi_value_jobs("4", &n), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(oxi_value_jobs("0", &n), OX_EINVAL);
	ck_assert_int_eq(oxi_value_jobs("4x", &n), OX_EINVAL);
}
END_TEST

START_TEST(the_nearest_name_is_found_only_when_it_is_near)
{
	const char *const names[] = { "run", "crawl", "help" };
	ck_assert_str_eq(oxi_nearest("craw", names, sizeof(names[0]), 3), "crawl");
	ck_assert_str_eq(oxi_nearest("rum", names, sizeof(names[0]), 3), "run");
	ck_assert_ptr_null(oxi_nearest("frobnicate", names, sizeof(names[0]), 3));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input");
	TCase *c = new_case(s, "input", 20);
	tcase_add_test(c, several_lists_are_a_product_case_1);
	tcase_add_test(c, linked_lists_go_in_step_and_the_shortest_ends_them_case_1);
	tcase_add_test(c, with_link_all_are_in_step_and_short_ones_begin_again);
	tcase_add_test(c, an_empty_list_gives_no_job_case_14);
	tcase_add_test(c, files_are_lists_of_their_lines_and_read_again_for_each_turn);
	tcase_add_test(c, a_pipe_that_is_needed_again_is_kept);
	tcase_add_test(c, what_cannot_be_read_is_said);
	tcase_add_test(c, an_array_is_Slurms_and_takes_no_memory);
	tcase_add_test(c, lines_end_with_a_newline_or_the_file);
	tcase_add_test(c, bytes_pass_unchanged_between_NULs_case_15);
	tcase_add_test(c, a_delimiter_is_any_text);
	tcase_add_test(c, a_NUL_in_a_line_is_an_error);
	tcase_add_test(c, a_line_that_is_no_argument_is_an_error);
	tcase_add_test(c, a_line_without_end_is_refused_before_it_fills_memory);
	tcase_add_test(c, columns_are_cut_by_an_expression_and_trimmed);
	tcase_add_test(c, a_header_names_the_columns);
	tcase_add_test(c, CSV_is_RFC_4180_and_faults_have_a_place);
	tcase_add_test(c, rows_of_JSON_have_paths);
	tcase_add_test(c, JSON_that_is_nested_too_deep_is_refused_before_the_stack_is_full);
	tcase_add_test(c, N_values_are_one_job_as_in_GNU_parallel);
	tcase_add_test(c, as_many_as_fit_are_spread_over_the_slots_at_the_end);
	tcase_add_test(c, a_filter_leaves_out_jobs_and_they_are_counted_without);
	tcase_add_test(c, the_total_is_counted_only_for_who_asks);
	tcase_add_test(c, a_shuffle_is_a_permutation_given_by_its_seed);
	tcase_add_test(c, a_shuffle_of_a_product_of_pipe_and_list_has_each_job_once);
	tcase_add_test(c, times_and_sizes_have_units);
	tcase_add_test(c, jobs_are_a_number_or_a_share_of_the_CPUs);
	tcase_add_test(c, the_nearest_name_is_found_only_when_it_is_near);
	return run_suite(s);
}
