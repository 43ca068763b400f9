/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_DIGEST_H
#define OXBOW_CLI_DIGEST_H

#include <oxbow/base.h>

#define OXI_DIGEST_LEN 32

/* SHA-256 (FIPS 180-4), as bytes, and as 64 hex digits and a NUL. */
void oxi_digest(const void *data, size_t len, unsigned char ret[OXI_DIGEST_LEN]);
void oxi_digest_hex(const void *data, size_t len, char ret[2 * OXI_DIGEST_LEN + 1]);

/* SHA-1 in base32, as WARC has it, piece by piece. Lack of memory is remembered to the end, which frees. 0; OX_ENOMEM. */
#define OXI_SHA1_MAX 33

struct oxi_sha1 {
	struct evp_md_ctx_st *ctx;
	bool ok;
};

struct oxi_sha1 oxi_sha1_begin(void);
void oxi_sha1_add(struct oxi_sha1 *s, const void *data, size_t len);
int oxi_sha1_end(struct oxi_sha1 *s, char ret[OXI_SHA1_MAX]);

#endif
