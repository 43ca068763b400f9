/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its corpus: replay FILE-OR-FOLDER..., or without arguments the folder that was compiled in. Each input
 * is copied to memory of exactly its size, so that AddressSanitizer and valgrind see one byte too many.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "include/oxbow/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t len;

	if (f == NULL || fstat(fileno(f), &st) < 0) {
		perror(path);
		return -1;
	}
	data = malloc((size_t)st.st_size + (st.st_size == 0));
	len = data != NULL ? fread(data, 1, (size_t)st.st_size, f) : 0;
	fclose(f);
	if (data == NULL || len != (size_t)st.st_size) {
		fprintf(stderr, "%s: could not be read\n", path);
		free(data);
		return -1;
	}
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 1;
}

static int replay_folder(const char *path, DIR *d)
{
	int n = 0;

	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		char *name;
		int r;

		if (e->d_name[0] == '.')
			continue;
		if (asprintf(&name, "%s/%s", path, e->d_name) < 0)
			return -1;
		r = replay_file(name);
		free(name);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

static int replay(const char *path)
{
	DIR *d = opendir(path);
	int n;

	if (d == NULL)
		return replay_file(path);
	n = replay_folder(path, d);
	closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc - 1 || i == 0; i++) {
		int r = replay(argc > 1 ? argv[i + 1] : OXI_CORPUS);

		if (r < 0)
			return EXIT_FAILURE;
		n += r;
	}
	printf("%d inputs\n", n);
	return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
