/* SPDX-License-Identifier: MIT */
#include "cli/crawl/digest.h"

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
