/* SPDX-License-Identifier: MIT */
#ifndef OXBOW_CLI_FOLDER_H
#define OXBOW_CLI_FOLDER_H

/* Makes a folder and those above it, where they are not there. path is as it was afterwards. 0; -errno. */
int oxi_folders_make(char *path);

#endif
