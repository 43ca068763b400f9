/* SPDX-License-Identifier: MIT */
#include "cli/crawl/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

void oxi_digest(const void *data, size_t len, unsigned char ret[OXI_DIGEST_LEN])
{
	SHA256(data, len, ret);
}

void oxi_digest_hex(const void *data, size_t len, char ret[2 * OXI_DIGEST_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[OXI_DIGEST_LEN];
	oxi_digest(data, len, digest);
	for (size_t i = 0; i < OXI_DIGEST_LEN; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[2 * OXI_DIGEST_LEN] = '\0';
}

struct oxi_sha1 oxi_sha1_begin(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	return (struct oxi_sha1){ ctx, ctx && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) };
}

void oxi_sha1_add(struct oxi_sha1 *s, const void *data, size_t len)
{
	s->ok = s->ok && EVP_DigestUpdate(s->ctx, data, len);
}

static void base32(const unsigned char digest[20], char ret[OXI_SHA1_MAX])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	for (int i = 0; i < 32; i++) {
		int bit = 5 * i, at = bit / 8;
		unsigned two = (unsigned)digest[at] << 8 | (at < 19 ? digest[at + 1] : 0u);
		ret[i] = digits[two >> (11 - bit % 8) & 31];
	}
	ret[32] = '\0';
}

int oxi_sha1_end(struct oxi_sha1 *s, char ret[OXI_SHA1_MAX])
{
	unsigned char digest[20];
	bool ok = s->ok && EVP_DigestFinal_ex(s->ctx, digest, NULL);
	EVP_MD_CTX_free(s->ctx);
	if (!ok)
		return OX_ENOMEM;
	base32(digest, ret);
	return 0;
}
