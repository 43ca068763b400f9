/* SPDX-License-Identifier: MIT */
/* The parser of socket addresses on any bytes: what it takes can be written and read again, and nothing is written past its room. */
#include <stdlib.h>
#include <string.h>

#include <oxbow/address.h>

#include "include/private/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_address(const ox_address *a)
{
	char text[OX_ADDRESS_TEXT];
	ox_address again;
	size_t need;

	OXI_CHECK(a->len > 0 && a->len <= sizeof(a->storage));
	OXI_CHECK(ox_address_format(a, text, sizeof(text)) == 0);
	OXI_CHECK(ox_address_parse(text, &again) == 0);
	OXI_CHECK(again.len == a->len && memcmp(&again.storage, &a->storage, a->len) == 0);
	need = strlen(text) + 1;
	for (size_t cap = 0; cap <= need; cap++) {
		char *tight = malloc(cap + (cap == 0));

		OXI_CHECK(tight != NULL && ox_address_format(a, tight, cap) == (cap < need ? OX_ETOOBIG : 0));
		free(tight);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	ox_address a;

	OXI_CHECK(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	if (ox_address_parse(text, &a) == 0)
		check_address(&a);
	free(text);
	return 0;
}
