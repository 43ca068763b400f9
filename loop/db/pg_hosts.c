/* SPDX-License-Identifier: MIT */
/*
 * libpq looks host names up by itself, and blocks meanwhile. So each name is looked up here, and libpq gets
 * one host for each of its addresses, with the address as hostaddr and the name as host, which the password
 * file and the check of certificates want.
 *
 *	host=a,/run/postgresql,b port=5432,5433,5434
 *	becomes
 *	host=a,a,/run/postgresql,b hostaddr=10.0.0.1,fd00::1,,10.0.0.2 port=5432,5432,5433,5434
 *
 * Which hosts are meant is known to libpq alone: they may come from conninfo, the environment or a service
 * file. It tells when it is given a connection that it must refuse before it looks at the network: one with
 * an sslmode that does not exist.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include <oxbow/dns.h>

#include "loop/db/pg.h"
#include "loop/db/pg_hosts.h"

/* ---- lists with commas ---- */

/* A host, an address or a port of a list; of a shorter list none. */
struct item {
	const char *text;
	int len;
};

static size_t count(const char *list)
{
	size_t n = *list != '\0';

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static struct item item_of(const char *list, size_t i)
{
	for (; i > 0 && *list; list++)
		i -= *list == ',';
	return (struct item){ list, i == 0 ? (int)strcspn(list, ",") : 0 };
}

static int append(char **list, bool first, struct item what)
{
	size_t len = *list ? strlen(*list) : 0;
	char *grown = oxi_realloc(*list, len + (size_t)what.len + 2);

	if (grown == NULL)
		return OX_ENOMEM;
	sprintf(grown + len, "%s%.*s", first ? "" : ",", what.len, what.text);
	*list = grown;
	return 0;
}

static int add(struct oxi_pg_hosts *h, struct item name, struct item address, struct item port)
{
	bool first = h->names == NULL;
	int r = append(&h->names, first, name);

	if (r == 0)
		r = append(&h->addresses, first, address);
	return r == 0 ? append(&h->ports, first, port) : r;
}

void oxi_pg_hosts_free(struct oxi_pg_hosts *h)
{
	oxi_free(h->names);
	oxi_free(h->addresses);
	oxi_free(h->ports);
	*h = (struct oxi_pg_hosts){ 0 };
}

/* ---- looking up ---- */

/* A host that libpq would look up: neither a path of a Unix socket nor an address. */
static bool is_name(struct item host)
{
	char text[64];
	struct in6_addr address;

	if (host.len == 0 || host.text[0] == '/' || host.text[0] == '@')
		return false;
	if ((size_t)host.len >= sizeof(text))
		return true;
	snprintf(text, sizeof(text), "%.*s", host.len, host.text);
	return inet_pton(AF_INET, text, &address) != 1 && inet_pton(AF_INET6, text, &address) != 1;
}

static int look_up(struct oxi_pg_hosts *h, struct item name, struct item port)
{
	OX_AUTO_ADDRESSES *found = NULL;
	char host[256], address[128];
	int r;

	if ((size_t)snprintf(host, sizeof(host), "%.*s", name.len, name.text) >= sizeof(host))
		return OX_EDNS;
	r = ox_resolve(host, NULL, NULL, &found);
	for (size_t i = 0; r == 0 && i < found->len; i++) {
		const ox_address *a = &found->list[i];

		if (getnameinfo((const struct sockaddr *)&a->storage, a->len, address, sizeof(address), NULL,
		                0, NI_NUMERICHOST) == 0)
			r = add(h, name, (struct item){ address, (int)strlen(address) }, port);
	}
	return r;
}

struct lists {
	const char *hosts, *addresses, *ports;
};

static bool wants_look_up(const struct lists *l)
{
	for (size_t i = 0; i < count(l->hosts); i++)
		if (item_of(l->addresses, i).len == 0 && is_name(item_of(l->hosts, i)))
			return true;
	return false;
}

static int look_all_up(const struct lists *l, struct oxi_pg_hosts *h, char *error_text)
{
	int r = 0;

	for (size_t i = 0; i < count(l->hosts); i++) {
		struct item name = item_of(l->hosts, i), address = item_of(l->addresses, i);
		struct item port = item_of(l->ports, count(l->ports) > 1 ? i : 0);

		if (address.len > 0 || !is_name(name)) {
			bool numeric = address.len == 0 && name.len > 0 && strchr("/@", name.text[0]) == NULL;

			r = add(h, name, numeric ? name : address, port);
		} else {
			r = look_up(h, name, port);
			if (r == OX_EDNS && error_text)
				snprintf(error_text, 256, "the host name \"%.*s\" could not be resolved",
				         name.len, name.text);
			r = r == OX_EDNS ? 0 : r;       /* the others may do */
		}
		if (r < 0)
			return r;
	}
	return h->names ? 0 : OX_EDNS;
}

/* ---- what libpq means ---- */

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options && options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val ? options->val : "";
	return "";
}

int oxi_pg_hosts_find(const char *conninfo, struct oxi_pg_hosts *ret, char *error_text)
{
	PGconn *refused = oxi_pg_start((const char *[]){ "dbname", "sslmode", NULL },
	                               (const char *[]){ conninfo, "refuse", NULL });
	PQconninfoOption *options = PQconninfo(refused);
	struct lists l = { value_of(options, "host"), value_of(options, "hostaddr"),
		           value_of(options, "port") };
	int r = refused ? 0 : OX_ENOMEM, seconds = atoi(value_of(options, "connect_timeout"));

	ret->timeout = seconds > 0 ? OX_SEC(seconds) : OX_SEC(10);
	if (r == 0 && wants_look_up(&l))
		r = look_all_up(&l, ret, error_text);
	if (r < 0)
		oxi_pg_hosts_free(ret);
	PQconninfoFree(options);
	PQfinish(refused);
	return r;
}
