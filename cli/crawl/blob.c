/* SPDX-License-Identifier: MIT */
/*
 * Blobs are files called by their SHA-256: what two pages give alike is there once, and a page that is done again
 * after a crash finds its own. One is whole before it has its name, and has it before the result that names it is
 * written. Memory: they lie in the reply of the page's job until then.
 */
#include <oxbow/file.h>
#include <oxbow/run.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/crawl/crawl.h"
#include "cli/crawl/digest.h"
#include "cli/json.h"

/* Whether it is there, and whole: a machine that failed may have left less. */
static bool is_there(const char *path, size_t len)
{
	struct stat st;
	return ox_path_stat(path, 0, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len;
}

static int keep_one(struct oxi_crawl *c, const char *digest, ox_bytes data)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", c->blobs, digest);
	if ((size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int r = c->blobs_made ? 0 : ox_path_mkdirs(c->blobs, 0777);
	c->blobs_made |= r == 0;
	return r < 0 || is_there(path, data.len) ? r : ox_file_save(path, data.data, data.len, 0);
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
