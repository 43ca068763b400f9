/* SPDX-License-Identifier: MIT */
/* The hosts of a connection string, with their names looked up. */
#ifndef OXBOW_LOOP_DB_PG_HOSTS_H
#define OXBOW_LOOP_DB_PG_HOSTS_H

#include <oxbow/base.h>

/*
 * Lists with commas, for libpq's host, hostaddr and port; all NULL: conninfo names no host that has to be
 * looked up.
 */
struct oxi_pg_hosts {
	char *names, *addresses, *ports;
	ox_time timeout;                /* how long each address may be silent: conninfo's, or 10 s */
};

/*
 * @error_text: NULL, or 256 bytes, written on failure. Returns: 0; OX_EDNS: none of the hosts could be looked
 * up; OX_ECANCELED, OX_ENOMEM.
 */
int oxi_pg_hosts_find(const char *conninfo, struct oxi_pg_hosts *ret, char *error_text);
void oxi_pg_hosts_free(struct oxi_pg_hosts *h);

#endif
