/* SPDX-License-Identifier: MIT */
/*
 * Connecting: PQconnectPoll() tells what to wait for. Between two of its steps the socket may be another one
 * (the next host, or the same one without TLS), so here each wait stands by itself; the watch comes with the
 * connection.
 *
 * libpq gives a failed connect no code, only a text. Our codes come out of that text: the SQLSTATE, which
 * PQERRORS_VERBOSE adds when it was the server who refused, or strerror()'s words, which libpq takes from the
 * same place as we do.
 *
 * What libpq does here reads files, asks the system who the user is, shakes hands for TLS: it runs on the
 * thread's own stack.
 */
#include <stdio.h>
#include <sys/socket.h>

#include <oxbow/thread.h>

#include "loop/db/pg.h"
#include "loop/db/pg_hosts.h"

#define ERROR_TEXT 256u

void ox_pg_options_init(ox_pg_options *o)
{
	*o = *OX_PG_OPTIONS(.size = sizeof(*o));
}

/* ---- what went wrong ---- */

/* The five characters between "FATAL:  " and ": ", in whatever language; NULL: none. The last one counts. */
static const char *find_sqlstate(const char *text)
{
	const char *found = NULL;

	for (const char *p = text; (p = strstr(p, ":  ")); p++)
		if (strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && p[8] == ':')
			found = p + 3;
	return found;
}

static int system_error(const char *text)
{
	static const int codes[] = {
		ECONNREFUSED, ENOENT, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT, EACCES, ECONNRESET, EADDRNOTAVAIL,
		EMFILE, ENFILE, ENAMETOOLONG,
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *words = strerrordesc_np(codes[i]);

		if (words && strstr(text, words))
			return -codes[i];
	}
	return 0;
}

static int what_failed(PGconn *conn)
{
	const char *text = PQerrorMessage(conn), *state = find_sqlstate(text);
	int r = system_error(text);

	if (state)
		return strncmp(state, "28", 2) == 0 ? OX_EAUTH : OX_EDB;
	if (PQconnectionNeedsPassword(conn) || PQconnectionUsedPassword(conn))
		return OX_EAUTH;
	if (r < 0)
		return r;
	return strcasestr(text, "ssl") || strstr(text, "certificate") ? OX_ETLS : -ECONNRESET;
}

/* libpq's text without the line that says where in the server's source it was, and without the newline. */
static void tell(char *to, const char *text)
{
	const char *location;
	size_t len;

	if (to == NULL)
		return;
	location = strstr(text, "\nLOCATION:");
	len = location ? (size_t)(location - text) : strlen(text);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	snprintf(to, ERROR_TEXT, "%.*s", (int)(len < ERROR_TEXT ? len : ERROR_TEXT), text);
}

/* ---- connecting ---- */

static void log_notice(void *arg, const PGresult *res)
{
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	(void)arg;
	oxi_log(severity && strcmp(severity, "WARNING") == 0 ? OX_LOG_WARNING : OX_LOG_INFO,
	        "postgresql: %s: %s", severity ? severity : "NOTICE",
	        message ? message : PQresultErrorMessage(res));
}

struct start {
	const char *const *keywords, *const *values;
};

static void *start_here(void *arg)
{
	const struct start *s = arg;

	return PQconnectStartParams(s->keywords, s->values, 1);
}

PGconn *oxi_pg_start(const char *const *keywords, const char *const *values)
{
	return ox_run_on_big_stack(start_here, &(struct start){ keywords, values });
}

static void *poll_here(void *conn)
{
	return (void *)(uintptr_t)PQconnectPoll(conn);
}

/*
 * Waits for libpq's next step. An address that has not answered at all for so long is given up by ending its
 * socket: libpq finds it broken and goes on to the next.
 */
static int wait_for_step(PGconn *conn, PostgresPollingStatusType next, ox_time each)
{
	bool answered = PQstatus(conn) != CONNECTION_STARTED;
	ox_scope s;
	int r;

	ox_scope_enter(&s, answered ? OX_NEVER : each);
	r = ox_wait_fd(PQsocket(conn), next == PGRES_POLLING_READING ? OX_READABLE : OX_WRITABLE);
	r = ox_scope_leave(&s, r);
	if (r != OX_ETIMEDOUT)
		return r;
	shutdown(PQsocket(conn), SHUT_RDWR);
	return 0;
}

static int poll_until_connected(PGconn *conn, ox_time each)
{
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
		int r = wait_for_step(conn, next, each);

		if (r < 0)
			return r;
		next = (PostgresPollingStatusType)(uintptr_t)ox_run_on_big_stack(poll_here, conn);
	}
	return next == PGRES_POLLING_OK ? 0 : what_failed(conn);
}

static int start(const char *conninfo, char *error_text, PGconn **ret, ox_time *ret_each)
{
	struct oxi_pg_hosts hosts = { 0 };
	int r = oxi_pg_hosts_find(conninfo, &hosts, error_text);

	if (r < 0)
		return r;
	*ret = oxi_pg_start((const char *[]){ "dbname", "host", "hostaddr", "port", NULL },
	                    (const char *[]){ conninfo, hosts.names, hosts.addresses, hosts.ports, NULL });
	*ret_each = hosts.timeout;
	oxi_pg_hosts_free(&hosts);
	if (*ret == NULL)
		return OX_ENOMEM;
	PQsetErrorVerbosity(*ret, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(*ret, log_notice, NULL);
	if (PQstatus(*ret) == CONNECTION_BAD) {
		r = system_error(PQerrorMessage(*ret));
		return r < 0 ? r : OX_EINVAL;
	}
	return 0;
}

/* Makes a connection of a PGconn, which is given. */
static int make(PGconn *conn, const ox_pg_options *o, ox_pg **ret)
{
	ox_pg *db = oxi_alloc(sizeof(*db));
	int r;

	if (db == NULL) {
		PQfinish(conn);
		return OX_ENOMEM;
	}
	db->magic = OXI_PG_MAGIC;
	db->conn = conn;
	db->cancel_limit = o->cancel_limit ? o->cancel_limit : OX_SEC(5);
	db->made = oxi_now();
	oxi_list_init(&db->link);
	oxi_pg_set_error(db, NULL, NULL);
	PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	r = PQsetnonblocking(conn, 1) < 0 ? OX_ENOMEM : oxi_pg_watch(db);
	if (r < 0)
		oxi_pg_destroy(db);
	else
		*ret = db;
	return r;
}

int oxi_pg_connect(const char *conninfo, const ox_pg_options *o, ox_pg **ret)
{
	PGconn *conn = NULL;
	const char *why;
	ox_time each;
	ox_scope s;
	int r;

	ox_scope_enter(&s, o->connect_timeout ? o->connect_timeout : OX_SEC(30));
	r = ox_scope_expired(&s) ? OX_ENOMEM : 0;       /* no memory to keep time with */
	if (r == 0)
		r = start(conninfo, o->error_text, &conn, &each);
	if (r == 0)
		r = poll_until_connected(conn, each);
	r = ox_scope_leave(&s, r);
	if (r == 0)
		return make(conn, o, ret);
	why = PQerrorMessage(conn);
	if (conn == NULL || r == OX_ECANCELED || r == OX_ETIMEDOUT)
		why = ox_strerror(r);
	if (r != OX_EDNS)               /* which has been told */
		tell(o->error_text, why);
	PQfinish(conn);
	return r;
}

int ox_pg_connect(const char *conninfo, const ox_pg_options *o, ox_pg **ret)
{
	int r = oxi_checkpoint();

	if (r == 0 && conninfo == NULL)
		r = OX_EINVAL;
	return r < 0 ? r : oxi_pg_connect(conninfo, o ? o : OX_PG_OPTIONS(.size = sizeof(*o)), ret);
}
