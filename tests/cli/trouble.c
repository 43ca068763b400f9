/* SPDX-License-Identifier: MIT */
/* A plugin that does to a worker what the page's address asks for: batch and crawl case 16. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <oxbow/crunch.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT ox_crunch_fn trouble;

int trouble(const ox_page *page, ox_page_reply *out)
{
	printf("what a plugin prints is no result\n");
	fflush(stdout);
	if (strstr(page->url, "crash"))
		raise(SIGSEGV);
	if (strstr(page->url, "loop"))
		for (volatile unsigned i = 0;; i++)
			;
	if (strstr(page->url, "eat"))
		for (size_t n = 0; n < 4096; n++) {
			char *p = malloc(1 << 20);
			if (p)
				memset(p, 1, 1 << 20);
		}
	if (strstr(page->url, "exit"))
		exit(3);
	if (strstr(page->url, "fail"))
		return -1;
	if (strstr(page->url, "socket"))
		ox_page_put_bool(out, "socket", socket(AF_INET, SOCK_STREAM, 0) >= 0);
	ox_page_put_int(out, "text", (int64_t)page->text.len);
	return 0;
}
