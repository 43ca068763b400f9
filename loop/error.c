/* SPDX-License-Identifier: MIT */
/* Codes in words. The table is in base.h. */
#include <string.h>

#include <oxbow/base.h>

const char *ox_strerror(int code)
{
	const char *text;

	if (code >= 0)
		return "ok";
	switch (code) {
#define CASE(name, value, what) \
	case name:              \
		return what;
		OX_ERRORS(CASE)
#undef CASE
	}
	text = strerrordesc_np(-code);
	return text ? text : "unknown error";
}

const char *ox_strerror_name(int code)
{
	switch (code) {
#define CASE(name, value, what) \
	case name:              \
		return #name;
		OX_ERRORS(CASE)
#undef CASE
	}
	return NULL;
}

const char *ox_version(void)
{
	return OX_VERSION;
}
