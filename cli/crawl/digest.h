/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_DIGEST_H
#define OXBOW_CLI_DIGEST_H

#include <stddef.h>

#define OXI_DIGEST_LEN 32

/* SHA-256 (FIPS 180-4), as bytes, and as 64 hex digits and a NUL. */
void oxi_digest(const void *data, size_t len, unsigned char ret[OXI_DIGEST_LEN]);
void oxi_digest_hex(const void *data, size_t len, char ret[2 * OXI_DIGEST_LEN + 1]);

#endif
