/* SPDX-License-Identifier: MIT */
/*
 * Each record is a gzip member of its own (WARC 1.1 annex D), so that a reader can begin at any of them, and so
 * that a file cut between two is whole. An exchange is three: response (or revisit), request, metadata; the
 * last two refer to the first by WARC-Concurrent-To. Each file begins with a warcinfo.
 *
 * Bodies are written as they came over the wire. WARC-Block-Digest is of all of it, WARC-Payload-Digest of what
 * is left without chunks: see exchange.c.
 *
 * Compressing takes longer than anything else that the crawl's process does for a page, so it happens in a
 * thread, and the keeper waits for it. Besides the exchange, 64 KiB and zlib's own 256 KiB are in memory.
 */
#include "cli/crawl/warc.h"

#include <errno.h>
#include <fcntl.h>
#include <oxbow/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/command.h"
#include "cli/say.h"

#define PIECE    OX_KIB(64)
#define UUID_MAX 48

struct oxi_warc {
	int fd;
	char *dir, *about;
	uint64_t file_max;
	struct oxi_warc_place at;
	z_stream z;
	unsigned char piece[PIECE];
};

struct record {
	const char *type, *media;       /* media: its Content-Type; NULL: of an HTTP response */
	const char *date;
	char id[UUID_MAX];
	ox_bytes part[2];               /* its block */
	struct oxi_buffer fields;       /* further ones, each a line */
};

/* ---- the file ---- */

static int write_all(struct oxi_warc *w, const unsigned char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(w->fd, p, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
		w->at.len += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

static int deflate_all(struct oxi_warc *w, const void *data, size_t len, int flush)
{
	int r;
	w->z.next_in = (Bytef *)(uintptr_t)data;
	w->z.avail_in = (uInt)len;      /* bodies have at most 1 GiB */
	do {
		w->z.next_out = w->piece;
		w->z.avail_out = PIECE;
		deflate(&w->z, flush);
		r = write_all(w, w->piece, PIECE - w->z.avail_out);
	} while (r == 0 && w->z.avail_out == 0);
	return r;
}

static int write_member(struct oxi_warc *w, const struct oxi_buffer *head, const ox_bytes part[2])
{
	deflateReset(&w->z);
	int r = deflate_all(w, head->data, head->len, Z_NO_FLUSH);
	for (int i = 0; r == 0 && i < 2; i++)
		r = part[i].len ? deflate_all(w, part[i].data, part[i].len, Z_NO_FLUSH) : 0;
	return r < 0 ? r : deflate_all(w, "\r\n\r\n", 4, Z_FINISH);
}

/* ---- records ---- */

/* RFC 9562 section 5.4. */
static int make_id(char ret[UUID_MAX])
{
	unsigned char b[16];
	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -errno;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(ret, UUID_MAX, "urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
	         b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

static void add_field(struct record *r, const char *name, const char *value)
{
	if (value && *value)
		oxi_buffer_add_format(&r->fields, "%s: %s\r\n", name, value);
}

/* Gives it its frame and writes it. What it refers to stays the caller's, its fields are freed. */
static int write_record(struct oxi_warc *w, struct record *r)
{
	char digest[OXI_SHA1_MAX];
	struct oxi_buffer head = { 0 };
	struct oxi_sha1 sum = oxi_sha1_begin();
	for (int i = 0; i < 2; i++)
		oxi_sha1_add(&sum, r->part[i].data, r->part[i].len);
	int code = oxi_sha1_end(&sum, digest);
	oxi_buffer_add_format(&head, "WARC/1.1\r\nWARC-Type: %s\r\nWARC-Record-ID: <%s>\r\nWARC-Date: %s\r\n", r->type, r->id, r->date);
	oxi_buffer_add(&head, r->fields.data, r->fields.len);
	oxi_buffer_add_format(&head, "WARC-Block-Digest: sha1:%s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", digest, r->media,
	                      r->part[0].len + r->part[1].len);
	if (code == 0)
		code = head.failed || r->fields.failed ? OX_ENOMEM : write_member(w, &head, r->part);
	oxi_buffer_free(&head);
	oxi_buffer_free(&r->fields);
	return code;
}

static int write_warcinfo(struct oxi_warc *w, const char *name)
{
	char date[OXI_DATE_MAX];
	oxi_date_now(date);
	struct record r = { .type = "warcinfo", .media = "application/warc-fields", .date = date, .part[0] = { w->about, strlen(w->about) } };
	int code = make_id(r.id);
	add_field(&r, "WARC-Filename", name);
	return code < 0 ? code : write_record(w, &r);
}

/* Which part of the payload is not there, or where it is. */
static void add_payload(struct record *r, const struct oxi_exchange *x)
{
	static const char *const profiles[] = { NULL, "identical-payload-digest", "server-not-modified" };
	if (x->payload[0] && x->revisit != OXI_REVISIT_NOT_MODIFIED)
		oxi_buffer_add_format(&r->fields, "WARC-Payload-Digest: sha1:%s\r\n", x->payload);
	if (x->revisit != OXI_REVISIT_NONE) {
		oxi_buffer_add_format(&r->fields, "WARC-Profile: http://netpreserve.org/warc/1.1/revisit/%s\r\n", profiles[x->revisit]);
		add_field(r, "WARC-Refers-To-Target-URI", x->origin_url.data);
		add_field(r, "WARC-Refers-To-Date", x->origin_date);
	}
	add_field(r, "WARC-Truncated", x->revisit == OXI_REVISIT_SAME_PAYLOAD ? "length" : x->cut);
}

static int write_response(struct oxi_warc *w, const struct oxi_exchange *x, struct record *r)
{
	bool revisits = x->revisit != OXI_REVISIT_NONE;
	*r = (struct record){ .type = revisits ? "revisit" : "response", .media = "application/http;msgtype=response", .date = x->date,
	                      .part[0] = { x->head.data, x->head.len } };
	if (!revisits)
		r->part[1] = (ox_bytes){ x->body.data, x->body.len };
	int code = make_id(r->id);
	add_field(r, "WARC-Target-URI", x->url.data);
	add_field(r, "WARC-IP-Address", x->ip);
	add_field(r, "WARC-Protocol", x->http2 ? "h2" : NULL);
	add_payload(r, x);
	return code < 0 ? code : write_record(w, r);
}

/* A record that goes with the response. */
static int write_with(struct oxi_warc *w, const struct oxi_exchange *x, const struct record *response, struct record *r)
{
	int code = make_id(r->id);
	r->date = x->date;
	add_field(r, "WARC-Target-URI", x->url.data);
	oxi_buffer_add_format(&r->fields, "WARC-Concurrent-To: <%s>\r\n", response->id);
	return code < 0 ? code : write_record(w, r);
}

static void add_time(struct oxi_buffer *out, const char *name, ox_time t)
{
	if (t > 0)
		oxi_buffer_add_format(out, "%s: %.3f\r\n", name, (double)t / 1e6);
}

static int write_metadata(struct oxi_warc *w, const struct oxi_exchange *x, const struct record *response)
{
	struct oxi_buffer text = { 0 };
	if (x->via.len)
		oxi_buffer_add_format(&text, "via: %s\r\n", x->via.data);
	oxi_buffer_add_format(&text, "depth: %u\r\n", x->depth);
	add_time(&text, "fetchTimeMs", x->times.total);
	add_time(&text, "firstByteTimeMs", x->times.first_byte);
	add_time(&text, "dnsTimeMs", x->times.dns);
	add_time(&text, "connectTimeMs", x->times.connect);
	add_time(&text, "tlsTimeMs", x->times.tls);
	struct record r = { .type = "metadata", .media = "application/warc-fields", .part[0] = { text.data, text.len } };
	int code = text.failed ? OX_ENOMEM : write_with(w, x, response, &r);
	oxi_buffer_free(&text);
	return code;
}

static int write_exchange(struct oxi_warc *w, const struct oxi_exchange *x)
{
	struct record response;
	int r = write_response(w, x, &response);
	if (r < 0)
		return r;
	struct record request = { .type = "request", .media = "application/http;msgtype=request",
	                          .part[0] = { x->request.data, x->request.len } };
	r = write_with(w, x, &response, &request);
	return r < 0 ? r : write_metadata(w, x, &response);
}

/* ---- files ---- */

static int path_of(const struct oxi_warc *w, uint64_t number, char ret[4096])
{
	int n = snprintf(ret, 4096, "%s/oxbow-%014llu-%llu-%05llu.warc.gz", w->dir, (unsigned long long)w->at.stamp,
	                 (unsigned long long)w->at.serial, (unsigned long long)number);
	return n < 4096 ? 0 : -ENAMETOOLONG;
}

/* Cuts the file to what counts of it; a new one begins with its warcinfo. */
static int open_file(struct oxi_warc *w, const char *path)
{
	struct stat st;
	w->fd = open(path, O_RDWR | O_CLOEXEC | (w->at.len ? 0 : O_CREAT), 0666);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < w->at.len)
		return OX_ESTATE;
	if (ftruncate(w->fd, (off_t)w->at.len) < 0 || lseek(w->fd, (off_t)w->at.len, SEEK_SET) < 0)
		return -errno;
	return w->at.len ? 0 : write_warcinfo(w, strrchr(path, '/') + 1);
}

static int roll_over(struct oxi_warc *w)
{
	char path[4096];
	int r = close(w->fd) < 0 ? -errno : 0;
	w->fd = -1;
	w->at.number++;
	w->at.len = 0;
	if (r == 0)
		r = path_of(w, w->at.number, path);
	return r < 0 ? r : open_file(w, path);
}

/* Files that were begun after the place was noted have nothing that counts. */
static void remove_later(const struct oxi_warc *w)
{
	char path[4096];
	for (uint64_t n = w->at.number + 1; path_of(w, n, path) == 0 && unlink(path) == 0; n++)
		continue;
}

struct oxi_warc_place oxi_warc_begin(void)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32];
	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &tm);
	return (struct oxi_warc_place){ .stamp = strtoull(stamp, NULL, 10), .serial = (uint64_t)getpid(), .number = 1 };
}

const struct oxi_warc_place *oxi_warc_place(const struct oxi_warc *w)
{
	return w ? &w->at : NULL;
}

static int open_place(struct oxi_warc *w, const char *dir, const char *about)
{
	char path[4096];
	w->dir = strdup(dir);
	w->about = strdup(about);
	if (!w->dir || !w->about || deflateInit2(&w->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return OX_ENOMEM;
	if (mkdir(dir, 0777) < 0 && errno != EEXIST)
		return -errno;
	int r = path_of(w, w->at.number, path);
	return r < 0 ? r : open_file(w, path);
}

int oxi_warc_open(const char *dir, uint64_t file_max, const struct oxi_warc_place *at, const char *about, struct oxi_warc **ret)
{
	struct oxi_warc *w = calloc(1, sizeof(*w));
	int r = OX_ENOMEM;
	if (w) {
		w->fd = -1;
		w->at = *at;
		w->file_max = file_max;
		r = open_place(w, dir, about);
	}
	if (r == 0) {
		remove_later(w);
		*ret = w;
		return 0;
	}
	oxi_warc_close(w);
	if (r == OX_ESTATE || (r == -ENOENT && at->len))
		oxi_say("crawl", "%s does not hold the WARC of this crawl so far", dir);
	else
		oxi_say("crawl", "%s: %s", dir, ox_strerror(r));
	return OXI_EXIT_OUTPUT;
}

int oxi_warc_close(struct oxi_warc *w)
{
	if (!w)
		return 0;
	int r = w->fd >= 0 && close(w->fd) < 0 ? -errno : 0;
	deflateEnd(&w->z);
	free(w->dir);
	free(w->about);
	free(w);
	return r;
}

/* ---- in the thread ---- */

struct addition {
	struct oxi_warc *w;
	const struct oxi_exchange *x;
	int result;
};

/* What could not be written whole is taken back. */
static void *add(void *arg)
{
	struct addition *a = arg;
	struct oxi_warc *w = a->w;
	int r = w->at.len >= w->file_max ? roll_over(w) : 0;
	uint64_t begin = w->at.len;
	if (r == 0)
		r = write_exchange(w, a->x);
	if (r < 0 && w->fd >= 0 && ftruncate(w->fd, (off_t)begin) == 0 && lseek(w->fd, (off_t)begin, SEEK_SET) >= 0)
		w->at.len = begin;
	a->result = r;
	return NULL;
}

int oxi_warc_add(struct oxi_warc *w, const struct oxi_exchange *x)
{
	struct addition a = { w, x, 0 };
	int r = ox_thread_call(add, &a, NULL);
	return r < 0 ? r : a.result;
}
