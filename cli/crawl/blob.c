/* SPDX-License-Identifier: MIT */
/*
 * Blobs are files called by their SHA-256: what two pages give alike is there once, and a page that is done again
 * after a crash finds its own. One is whole before it has its name, and has it before the result that names it is
 * written. Memory: they lie in the reply of the page's job until then.
 */
#include <fcntl.h>
#include <oxbow/file.h>
#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/crawl/digest.h"
#include "cli/json.h"

static int write_whole(const char *path, ox_bytes data)
{
	ox_file *f;
	int r = ox_file_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666, &f);
	if (r < 0)
		return r;
	ssize_t n = 0;
	for (size_t at = 0; n >= 0 && at < data.len; at += (size_t)n) {
		n = ox_file_write(f, (const char *)data.data + at, data.len - at);
		if (n < 0)
			break;
	}
	r = ox_file_close(f);
	return n < 0 ? (int)n : r;
}

/* Whether it is there, and whole: a machine that failed may have left less. */
static bool is_there(const char *path, size_t len)
{
	struct stat st;
	return ox_path_stat(path, 0, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len;
}

static int keep_one(struct oxi_crawl *c, const char *digest, ox_bytes data)
{
	char path[4096], part[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", c->blobs, digest);
	if ((size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	snprintf(part, sizeof(part), "%s/.%d-%llu", c->blobs, (int)getpid(), (unsigned long long)c->blobs_made);
	int r = c->blobs_made++ == 0 ? ox_path_mkdirs(c->blobs, 0777) : 0;
	if (r < 0 || is_there(path, data.len))
		return r;
	r = write_whole(part, data);
	if (r == 0)
		r = ox_path_rename(part, path);
	if (r < 0)
		unlink(part);
	return r;
}

int oxi_blobs_keep(struct oxi_crawl *c, ox_bytes blobs, struct oxi_record *record)
{
	struct oxi_json j = { .out = &record->blobs };
	ox_bytes name, data;
	if (blobs.len == 0)
		return 0;
	int r = c->blobs ? 1 : OX_EPROTO;
	oxi_json_begin(&j, NULL, '[');
	while (r > 0 && (r = oxi_page_blob_next(&blobs, &name, &data)) > 0) {
		char digest[2 * OXI_DIGEST_LEN + 1];
		oxi_digest_hex(data.data, data.len, digest);
		int kept = keep_one(c, digest, data);
		if (kept < 0) {
			r = kept;
			break;
		}
		oxi_json_begin(&j, NULL, '{');
		oxi_json_string(&j, "name", name.data, name.len);
		oxi_json_text(&j, "sha256", digest);
		oxi_json_int(&j, "bytes", (int64_t)data.len);
		oxi_json_end(&j);
	}
	oxi_json_end(&j);
	if (r == 0)
		return record->blobs.failed ? OX_ENOMEM : 0;
	record->blobs.len = 0;
	return r == OX_EPROTO ? r : oxi_crawl_fail(c, OXI_EXIT_OUTPUT, c->blobs, r);
}
