/* SPDX-License-Identifier: MIT */
/* Files of the HTTP server: conditions and ranges, asked by our own client and by curl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/http/peers.h"

#define BIG 300000

static struct {
	char folder[64], url[80];
	ox_http_server *server;
	char etag[80], modified[80];
} site;

static char byte_at(size_t i)
{
	return (char)('a' + (i * 7 + i / 251) % 26);
}

static int serve_folder(ox_request *q, void *arg)
{
	(void)arg;
	return ox_request_reply_file(q, site.folder);
}

static const char *at(const char *path)
{
	static char url[256];

	snprintf(url, sizeof(url), "%s%s", site.url, path);
	return url;
}

static ox_response *ask(const char *method, const char *path, const char *header, const char *second)
{
	const char *headers[] = { header, second, NULL };
	ox_response *res = NULL;

	EXPECT_EQ(ox_http_request(method, at(path), OX_HTTP_OPTIONS(.headers = headers), &res), 0);
	return res;
}

static void expect_status(const char *path, const char *header, const char *second, int status)
{
	ox_response *res = ask("GET", path, header, second);

	if (ox_response_status(res) != status)
		expect_failed(__FILE__, __LINE__, header, ox_response_status(res), status);
	ox_response_free(res);
}

static void expect_body(const char *path, const char *header, int status, const char *content_range, const char *body)
{
	ox_response *res = ask("GET", path, header, NULL);

	if (ox_response_status(res) != status || strcmp(ox_response_body(res).data, body) != 0)
		expect_failed(__FILE__, __LINE__, header, ox_response_status(res), status);
	if (content_range)
		EXPECT_STR(ox_response_header(res, "Content-Range"), content_range);
	else
		EXPECT(!ox_response_header(res, "Content-Range"));
	ox_response_free(res);
}

static const char *say(const char *name, const char *value)
{
	static char text[4][256];
	static unsigned next;
	char *t = text[next++ % 4];

	snprintf(t, sizeof(text[0]), "%s: %s", name, value);
	return t;
}

static void open_site(void)
{
	char *big = malloc(BIG);

	for (size_t i = 0; i < BIG; i++)
		big[i] = byte_at(i);
	file_write(site.folder, "ten.txt", "0123456789", 10);
	file_write(site.folder, "empty", "", 0);
	file_write(site.folder, "big.bin", big, BIG);
	free(big);
	EXPECT_EQ(ox_http_serve("127.0.0.1:0", serve_folder, NULL, &site.server), 0);
	ox_http_server_url(site.server, site.url, sizeof(site.url));
}

/* ---- conditions ---- */

static int try_conditions(void *arg)
{
	ox_response *res;
	char weak[100];

	(void)arg;
	open_site();
	res = ask("GET", "/ten.txt", NULL, NULL);
	snprintf(site.etag, sizeof(site.etag), "%s", ox_response_header(res, "ETag"));
	snprintf(site.modified, sizeof(site.modified), "%s", ox_response_header(res, "Last-Modified"));
	snprintf(weak, sizeof(weak), "\"x\", W/%s", site.etag);
	EXPECT_STR(ox_response_header(res, "Accept-Ranges"), "bytes");
	ox_response_free(res);

	expect_status("/ten.txt", say("If-None-Match", site.etag), NULL, 304);
	expect_status("/ten.txt", say("If-None-Match", weak), NULL, 304);
	expect_status("/ten.txt", say("If-None-Match", "*"), NULL, 304);
	expect_status("/ten.txt", say("If-None-Match", "\"other\""), say("If-Modified-Since", site.modified), 200);
	expect_status("/ten.txt", say("If-Modified-Since", site.modified), NULL, 304);
	expect_status("/ten.txt", say("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"), NULL, 304);
	expect_status("/ten.txt", say("If-Modified-Since", "Thu, 01 Jan 1970 00:00:10 GMT"), NULL, 200);
	expect_status("/ten.txt", say("If-Modified-Since", "yesterday or so"), NULL, 200);
	expect_status("/ten.txt", say("If-Match", site.etag), NULL, 200);
	expect_status("/ten.txt", say("If-Match", weak), NULL, 412);
	expect_status("/ten.txt", say("If-Match", "\"other\""), NULL, 412);
	expect_status("/ten.txt", say("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:10 GMT"), NULL, 412);
	expect_status("/ten.txt", say("If-Unmodified-Since", site.modified), NULL, 200);
	expect_status("/ten.txt", "Range: bytes=0-1", say("If-Range", site.etag), 206);
	expect_status("/ten.txt", "Range: bytes=0-1", say("If-Range", site.modified), 206);
	expect_status("/ten.txt", "Range: bytes=0-1", say("If-Range", "\"other\""), 200);
	expect_status("/ten.txt", "Range: bytes=99-", say("If-Range", "\"other\""), 200);

	res = ask("GET", "/ten.txt", say("If-None-Match", site.etag), NULL);
	EXPECT_EQ(ox_response_body(res).len, 0);
	EXPECT_STR(ox_response_header(res, "ETag"), site.etag);
	ox_response_free(res);

	file_write(site.folder, "ten.txt", "9876543210", 10);           /* another file of the same size */
	expect_status("/ten.txt", say("If-None-Match", site.etag), NULL, 200);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(conditions_are_answered_as_the_standard_orders_them)
{
	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	folder_make(site.folder);
	run_real(try_conditions, NULL);
	folder_remove(site.folder);
}
END_TEST

/* ---- ranges ---- */

static int try_ranges(void *arg)
{
	char many[512] = "Range: bytes=";
	ox_response *res;
	const char *body;

	(void)arg;
	open_site();
	expect_body("/ten.txt", "Range: bytes=2-4", 206, "bytes 2-4/10", "234");
	expect_body("/ten.txt", "Range: bytes=7-", 206, "bytes 7-9/10", "789");
	expect_body("/ten.txt", "Range: bytes=7-999999999999999999999999", 206, "bytes 7-9/10", "789");
	expect_body("/ten.txt", "Range: bytes=-3", 206, "bytes 7-9/10", "789");
	expect_body("/ten.txt", "Range: bytes=-30", 206, "bytes 0-9/10", "0123456789");
	expect_body("/ten.txt", "Range: bytes=0-0, 99-", 206, "bytes 0-0/10", "0");
	expect_body("/ten.txt", "Range: bytes=4-2", 200, NULL, "0123456789");
	expect_body("/ten.txt", "Range: bytes=", 200, NULL, "0123456789");
	expect_body("/ten.txt", "Range: lines=1-2", 200, NULL, "0123456789");
	expect_body("/ten.txt", "Range: bytes=1-2x", 200, NULL, "0123456789");
	expect_body("/ten.txt", "Range: bytes=0-8,1-9", 200, NULL, "0123456789");
	expect_status("/ten.txt", "Range: bytes=10-", NULL, 416);
	expect_status("/ten.txt", "Range: bytes=-0", NULL, 416);
	expect_status("/empty", "Range: bytes=0-0", NULL, 416);
	expect_status("/empty", "Range: bytes=-5", NULL, 416);
	for (int i = 0; i < 40; i++)
		strcat(many, "0-0,");
	expect_status("/big.bin", many, NULL, 200);

	res = ask("GET", "/ten.txt", "Range: bytes=10-", NULL);
	EXPECT_STR(ox_response_header(res, "Content-Range"), "bytes */10");
	ox_response_free(res);
	res = ask("HEAD", "/ten.txt", "Range: bytes=2-4", NULL);
	EXPECT_EQ(ox_response_status(res), 200);
	EXPECT_STR(ox_response_header(res, "Content-Length"), "10");
	ox_response_free(res);

	res = ask("GET", "/big.bin", "Range: bytes=100000-299999", NULL);       /* this much goes by sendfile() */
	EXPECT_EQ(ox_response_status(res), 206);
	EXPECT_EQ(ox_response_body(res).len, 200000);
	body = ox_response_body(res).data;
	for (size_t i = 0; i < 200000; i++)
		if (body[i] != byte_at(100000 + i)) {
			EXPECT(!"the range is of the file");
			break;
		}
	ox_response_free(res);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(a_range_is_sent_alone)
{
	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	folder_make(site.folder);
	run_real(try_ranges, NULL);
	folder_remove(site.folder);
}
END_TEST

/* The content of the part that has this Content-Range. */
static const char *part(const char *body, size_t len, const char *range, const char *boundary)
{
	char head[256];
	const char *at;

	snprintf(head, sizeof(head), "\r\n--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: %s\r\n\r\n", boundary, range);
	at = memmem(body, len, head, strlen(head));
	EXPECT(at != NULL);
	return at ? at + strlen(head) : body;
}

static int try_parts(void *arg)
{
	ox_response *res;
	ox_bytes body;
	const char *boundary, *p;
	char end[64];

	(void)arg;
	open_site();
	res = ask("GET", "/big.bin", "Range: bytes=5-9, 10000-109999 ,-2", NULL);
	EXPECT_EQ(ox_response_status(res), 206);
	EXPECT(!ox_response_header(res, "Content-Range"));
	boundary = strstr(ox_response_header(res, "Content-Type"), "multipart/byteranges; boundary=");
	EXPECT(boundary != NULL);
	boundary = strchr(boundary, '=') + 1;
	body = ox_response_body(res);
	p = part(body.data, body.len, "bytes 5-9/300000", boundary);
	for (size_t i = 0; i < 5; i++)
		EXPECT(p[i] == byte_at(5 + i));
	p = part(body.data, body.len, "bytes 10000-109999/300000", boundary);
	EXPECT(p[0] == byte_at(10000) && p[99999] == byte_at(109999));
	p = part(body.data, body.len, "bytes 299998-299999/300000", boundary);
	EXPECT(p[0] == byte_at(299998) && p[1] == byte_at(299999));
	snprintf(end, sizeof(end), "\r\n--%s--\r\n", boundary);
	EXPECT(strcmp(p + 2, end) == 0);
	ox_response_free(res);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(several_ranges_are_sent_as_parts)
{
	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	folder_make(site.folder);
	run_real(try_parts, NULL);
	folder_remove(site.folder);
}
END_TEST

static int resume_by_curl(void *arg)
{
	char out[128], url[128], *text;
	const char *first[] = { "curl", "-sS", "-r", "0-149999", "-o", out, url, NULL };
	const char *rest[] = { "curl", "-sS", "-C", "-", "-o", out, url, NULL };
	size_t len = 0;

	(void)arg;
	open_site();
	snprintf(out, sizeof(out), "%s/got", site.folder);
	strcpy(url, at("/big.bin"));
	EXPECT_EQ(program_run(first, site.folder, NULL), 0);
	EXPECT_EQ(program_run(rest, site.folder, NULL), 0);
	text = file_read(site.folder, "got", &len);
	EXPECT_EQ(len, BIG);
	for (size_t i = 0; i < len; i++)
		if (text[i] != byte_at(i)) {
			EXPECT(!"both halves are of the file");
			break;
		}
	free(text);
	ox_http_server_close(site.server);
	return 0;
}

START_TEST(curl_resumes_a_download)
{
	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	folder_make(site.folder);
	run_real(resume_by_curl, NULL);
	folder_remove(site.folder);
}
END_TEST

/* ---- memory ---- */

static int file_without_memory(void *arg)
{
	static const char *const headers[] = { "Range: bytes=0-1,5-100000", NULL };
	OX_AUTO_RESPONSE *res = NULL;
	char buf[1000];
	ssize_t n = 0;
	int r = ox_http_serve("127.0.0.1:0", serve_folder, NULL, &site.server);

	if (r < 0)
		return r;
	ox_http_server_url(site.server, site.url, sizeof(site.url));
	r = ox_http_open("GET", at(arg), OX_HTTP_OPTIONS(.headers = headers), &res);
	if (r == -ECONNRESET || (r == 0 && ox_response_status(res) >= 500))     /* the server's share of it */
		r = OX_ENOMEM;
	while (r == 0 && (n = ox_response_read(res, buf, sizeof(buf))) > 0)
		;
	ox_response_free(res);
	res = NULL;
	ox_http_server_close(site.server);
	return n < 0 ? (int)n : r;
}

static int post_without_memory(void *arg)
{
	OX_AUTO_RESPONSE *res = NULL;
	int r = ox_http_serve("127.0.0.1:0", serve_folder, NULL, &site.server);

	if (r < 0)
		return r;
	ox_http_server_url(site.server, site.url, sizeof(site.url));
	r = ox_http_post(at(arg), "x", 1, NULL, &res);
	if (r == -ECONNRESET || (r == 0 && ox_response_status(res) >= 500))
		r = OX_ENOMEM;
	if (r == 0)
		EXPECT_EQ(ox_response_status(res), 405);
	ox_response_free(res);
	res = NULL;
	ox_http_server_close(site.server);
	return r;
}

START_TEST(each_allocation_of_a_reply_with_a_file_fails_once)
{
	char sub[128];

	if (under_valgrind())
		SKIP("valgrind does not know openat2()");
	folder_make(site.folder);
	file_write(site.folder, "index.html", (char[200000]){ 0 }, 200000);
	fails_cleanly_real(file_without_memory, (void *)(uintptr_t) "/");
	fails_cleanly_real(file_without_memory, (void *)(uintptr_t) "/index.html");
	snprintf(sub, sizeof(sub), "%s/sub", site.folder);
	ck_assert_int_eq(mkdir(sub, 0755), 0);
	fails_cleanly_real(file_without_memory, (void *)(uintptr_t) "/sub?moved=1");
	fails_cleanly_real(post_without_memory, (void *)(uintptr_t) "/index.html");
	folder_remove(site.folder);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http files");
	TCase *c = new_case(s, "files", 120);

	forget_proxies();
	tcase_add_test(c, conditions_are_answered_as_the_standard_orders_them);
	tcase_add_test(c, a_range_is_sent_alone);
	tcase_add_test(c, several_ranges_are_sent_as_parts);
	tcase_add_test(c, curl_resumes_a_download);
	tcase_add_test(c, each_allocation_of_a_reply_with_a_file_fails_once);
	return run_suite(s);
}
