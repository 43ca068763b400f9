/* SPDX-License-Identifier: MIT */
/* libcurl reads dates in all the forms that HTTP has had, whatever the locale. */
#include <curl/curl.h>

#include "loop/http/date.h"

bool oxi_http_date(const char *text, time_t *ret)
{
	time_t t = curl_getdate(text, NULL);

	if (t == -1)
		return false;
	*ret = t;
	return true;
}
