/* SPDX-License-Identifier: MIT */
/*
 * A jar of cookies is libcurl's share object: it knows domains, paths and public suffixes. A response refers
 * to the jar of its request, because libcurl does until the handle is gone.
 *
 * The file is written here and not by libcurl, which does not say when it could not.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/http/client.h"

ox_cookies *ox_cookies_new(void)
{
	struct ox_cookies *jar = oxi_curl_init() < 0 ? NULL : oxi_alloc(sizeof(*jar));

	if (!jar)
		return NULL;
	jar->magic = OXI_COOKIES_MAGIC;
	jar->users = 1;
	jar->share = curl_share_init();
	if (!jar->share || curl_share_setopt(jar->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) != CURLSHE_OK) {
		ox_cookies_free(jar);
		return NULL;
	}
	return jar;
}

void oxi_cookies_ref(struct ox_cookies *jar)
{
	if (!jar)
		return;
	OXI_CHECK_OBJECT(jar, OXI_COOKIES_MAGIC);
	jar->users++;
}

void ox_cookies_free(ox_cookies *jar)
{
	if (!jar)
		return;
	OXI_CHECK_OBJECT(jar, OXI_COOKIES_MAGIC);
	if (--jar->users > 0)
		return;
	curl_share_cleanup(jar->share);
	jar->magic = 0;
	oxi_free(jar);
}

/* A handle to ask libcurl about the jar. NULL: memory. */
static CURL *open_jar(struct ox_cookies *jar)
{
	CURL *easy = curl_easy_init();

	if (easy && curl_easy_setopt(easy, CURLOPT_SHARE, jar->share) != CURLE_OK) {
		curl_easy_cleanup(easy);
		easy = NULL;
	}
	return easy;
}

static int load(CURL *easy, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	int r = 0;

	while (r == 0 && getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\r\n")] = 0;
		if (strchr(line, '\t') && curl_easy_setopt(easy, CURLOPT_COOKIELIST, line) == CURLE_OUT_OF_MEMORY)
			r = OX_ENOMEM;
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	free(line);
	return r;
}

int ox_cookies_load(ox_cookies *jar, const char *path)
{
	CURL *easy;
	FILE *f;
	int r = OX_ENOMEM;

	OXI_CHECK_OBJECT(jar, OXI_COOKIES_MAGIC);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	easy = open_jar(jar);
	if (easy)
		r = load(easy, f);
	curl_easy_cleanup(easy);
	fclose(f);
	return r;
}

static int write_lines(FILE *f, const struct curl_slist *lines)
{
	bool good = fputs("# Netscape HTTP Cookie File\n", f) >= 0;

	for (; good && lines; lines = lines->next)
		good = fprintf(f, "%s\n", lines->data) >= 0;
	return good && fflush(f) == 0 ? 0 : -errno;
}

/* A file beside it first, so that nobody ever finds half of one. */
static int replace(const char *path, const struct curl_slist *lines)
{
	size_t size = strlen(path) + sizeof(".XXXXXX");
	char *beside = oxi_alloc(size);
	FILE *f = NULL;
	int fd, r = 0;

	if (!beside)
		return OX_ENOMEM;
	snprintf(beside, size, "%s.XXXXXX", path);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0 || !(f = fdopen(fd, "w")))
		r = -errno;
	if (r == 0)
		r = write_lines(f, lines);
	if (f ? fclose(f) != 0 && r == 0 : fd >= 0 && close(fd) != 0)
		r = -errno;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0 && fd >= 0)
		unlink(beside);
	oxi_free(beside);
	return r;
}

int ox_cookies_save(ox_cookies *jar, const char *path)
{
	struct curl_slist *lines = NULL;
	CURL *easy;
	int r = OX_ENOMEM;

	OXI_CHECK_OBJECT(jar, OXI_COOKIES_MAGIC);
	easy = open_jar(jar);
	if (easy && curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &lines) == CURLE_OK)
		r = replace(path, lines);
	curl_slist_free_all(lines);
	curl_easy_cleanup(easy);
	return r;
}
