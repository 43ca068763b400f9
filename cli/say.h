/* SPDX-License-Identifier: MIT */
/* What oxbow itself has to say goes to standard error, a line a write. */
#ifndef OXBOW_CLI_SAY_H
#define OXBOW_CLI_SAY_H

#include <stdbool.h>

/* "oxbow: COMMAND: text" and a newline; command NULL: "oxbow: text". */
void oxi_say(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What messages are about from here on, between the command's name and the text: a file and line, say. Borrowed; NULL: nothing. */
void oxi_say_about(const char *what);

/* Colour on that descriptor: a terminal that is not dumb, and NO_COLOR is not set (https://no-color.org). */
bool oxi_colour(int fd);

#endif
