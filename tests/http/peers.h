/* SPDX-License-Identifier: MIT */
/* What the HTTP tests need beside tests/support: folders, programs, and servers that misbehave. */
#ifndef OXBOW_TESTS_HTTP_PEERS_H
#define OXBOW_TESTS_HTTP_PEERS_H

#include <oxbow/http.h>
#include <oxbow/http_server.h>

#include "tests/support/support.h"

#define EXPECT_STR(a, b)                                                        \
	do {                                                                    \
		const char *a_ = (a);                                           \
		if (!a_ || strcmp(a_, (b)) != 0)                                \
			expect_failed(__FILE__, __LINE__, #a " is " #b, 0, 0);  \
	} while (0)

/* Forgets the proxies of the environment. */
void forget_proxies(void);

/* A folder of its own for the test; removed, with all that is in it, by folder_remove(). */
void folder_make(char path[64]);
void folder_remove(const char *path);
void file_write(const char *folder, const char *name, const void *data, size_t len);
/* Reads a whole file; free() it. NULL: none. */
char *file_read(const char *folder, const char *name, size_t *ret_len);

/* Starts a program (searched in PATH); out: where its output goes, in the folder; NULL: nowhere. -1 if it cannot. */
pid_t program_start(const char *const *argv, const char *folder, const char *out);
/* Waits for its end, in a coroutine: the exit status, or 128 + signal. */
int program_wait(pid_t pid);
/* Both. Outside of a loop it blocks. */
int program_run(const char *const *argv, const char *folder, const char *out);

/* A listening socket on 127.0.0.1, and its port. */
int port_open(unsigned *ret_port);

/* ---- a server of raw bytes, for what no proper server does ---- */

struct raw_server {
	ox_listener *listener;
	ox_group *group;
	int (*serve)(struct raw_server *s, ox_stream *stream);  /* one connection */
	char url[64];
	int connections;                /* accepted so far */
	int requests;                   /* read so far by raw_request() */
	bool saw_end;                   /* a serve function saw the peer close */
	size_t written;
	const void *data;
	size_t len;
};

void raw_open(struct raw_server *s, int (*serve)(struct raw_server *, ox_stream *));
void raw_close(struct raw_server *s);
/* Reads a request's headers. 0; as ox_read_until(). */
int raw_request(struct raw_server *s, ox_stream *stream);
int raw_say(ox_stream *stream, const char *text);
/* Waits until the peer closes. */
void raw_wait_end(struct raw_server *s, ox_stream *stream);

#endif
