/* SPDX-License-Identifier: MIT */
/* What several crawls know of hosts together (--hosts-db): their robots.txt, and when they may be asked again. Yields. */
#ifndef OXBOW_CLI_HOSTS_H
#define OXBOW_CLI_HOSTS_H

#include <oxbow/base.h>

#include "cli/buffer.h"

struct oxi_hosts;

#define OXI_HOSTS_WAIT_MAX OX_SEC(3600) /* a time that lies further ahead was written by a clock that is wrong */

/* @error_text: 256 bytes. Returns: 0; OX_EDB and what else ox_sqlite_open() says. */
int oxi_hosts_open(const char *path, char *error_text, struct oxi_hosts **ret);
void oxi_hosts_close(struct oxi_hosts *s);      /* takes NULL */

/* What SQLite said last. */
const char *oxi_hosts_error(const struct oxi_hosts *s);

/*
 * The robots.txt of a host ("host:port") for one scheme; an empty body: it has none.
 * @ret_age: since it was fetched. Returns: 1; 0: nobody knows; negative.
 */
int oxi_hosts_robots(struct oxi_hosts *s, const char *host, bool tls, struct oxi_buffer *ret_body, ox_time *ret_age);
int oxi_hosts_put_robots(struct oxi_hosts *s, const char *host, bool tls, ox_bytes body);

/*
 * Takes the host's next request, if nobody has taken it: nobody else may ask then for so long as delay.
 * @ret_wait: 0: it is the caller's; else how long to wait before trying again.
 */
int oxi_hosts_claim(struct oxi_hosts *s, const char *host, ox_time delay, ox_time *ret_wait);

/* Nobody may ask the host for so long, if not longer. */
int oxi_hosts_hold(struct oxi_hosts *s, const char *host, ox_time wait);

#endif
