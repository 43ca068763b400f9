/* SPDX-License-Identifier: MIT */
#include "cli/batch/identity.h"

#define XXH_STATIC_LINKING_ONLY         /* the state on the stack */
#include <xxhash.h>

struct oxi_identity oxi_identity_of(const struct oxi_identity *of, const ox_bytes *piece, size_t n)
{
	struct oxi_identity ret;
	XXH3_state_t state;
	XXH128_canonical_t bytes;
	XXH3_128bits_reset(&state);
	if (of)
		XXH3_128bits_update(&state, of->byte, sizeof(of->byte));
	for (size_t i = 0; i < n; i++) {
		uint64_t len = piece[i].len;
		XXH3_128bits_update(&state, &len, sizeof(len));
		if (len)
			XXH3_128bits_update(&state, piece[i].data, len);
	}
	XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(&state));
	_Static_assert(sizeof(bytes) == sizeof(ret), "128 bits");
	__builtin_memcpy(&ret, &bytes, sizeof(ret));
	return ret;
}
