/* SPDX-License-Identifier: MIT */
/*
 * The join file: what a host has to know to work for a pool. The pool writes it, readable by its owner alone, for who
 * has it may join.
 *
 *	oxbow-join 1                    the format's version
 *	endpoint tcp://10.0.0.1:40123   one or more, tried in order
 *	server-key KEY                  Z85, 40 characters: the pool proves that it has the other half
 *	client-key KEY                  the pair that is let in
 *	client-secret KEY
 *	epoch N                         of the pool
 *	heartbeat N                     ms without a word after which either end takes the other for lost
 */
#ifndef OXBOW_POOL_JOIN_H
#define OXBOW_POOL_JOIN_H

#include "ipc/channel.h"

#define OXI_JOIN_ENDPOINTS 8u
#define OXI_JOIN_FILE      OX_KIB(16)   /* bytes, at most */

struct oxi_join {
	char endpoint[OXI_JOIN_ENDPOINTS][OXI_ENDPOINT];
	unsigned endpoints;
	char server_key[OXI_KEY];
	struct oxi_keys client;
	uint32_t epoch;
	unsigned heartbeat_ms;
};

/* Replaces path by a new file of mode 0600. 0; -errno. */
int oxi_join_write(const char *path, const struct oxi_join *j);
/* 0; -errno, OX_EPROTO, and in error ("FILE:LINE: what", cut) what is wrong. */
int oxi_join_read(const char *path, struct oxi_join *ret, char *error, size_t error_cap);
/* The same of text that was read already; path is for the error. */
int oxi_join_parse(const char *path, const void *text, size_t len, struct oxi_join *ret, char *error, size_t error_cap);

#endif
