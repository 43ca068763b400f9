/* SPDX-License-Identifier: MIT */
#include "cli/folder.h"

#include <errno.h>
#include <sys/stat.h>

int oxi_folders_make(char *path)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		int r = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
		*p = '/';
		if (r < 0)
			return r;
	}
	return mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
}
