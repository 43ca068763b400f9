/* SPDX-License-Identifier: MIT */
/*
 * Names. getaddrinfo() and getnameinfo() do the work, in threads of their own kind: a resolver that does not
 * answer holds up other lookups, but no file. A lookup cannot be stopped, so a cancelled caller abandons it;
 * the query owns copies of all it needs.
 *
 * A host and port of numbers ask nobody: they are read at once, on the thread's own stack.
 *
 * Rejected: a resolver of our own (c-ares and others), which would not see what the system's configuration
 * says.
 */
#include <oxbow/dns.h>

#include <netdb.h>
#include <string.h>

#include "loop/io/socket.h"
#include "loop/io/thread.h"

struct query {
	struct addrinfo hints, *found;
	int result, error;              /* of getaddrinfo(), and errno with EAI_SYSTEM */
	char *service;                  /* behind host; or NULL */
	char host[];
};

static int code_of(int gai, int error)
{
	switch (gai) {
	case 0:
		return 0;
	case EAI_MEMORY:
		return OX_ENOMEM;
	case EAI_SYSTEM:
		return error ? -error : OX_EDNS;
	case EAI_OVERFLOW:
		return OX_ETOOBIG;
	case EAI_SERVICE:
	case EAI_FAMILY:
		return OX_EINVAL;
	default:
		return OX_EDNS;
	}
}

/* ---- forward ---- */

static void look_up(void *arg)
{
	struct query *q = arg;

	q->result = getaddrinfo(q->host, q->service, &q->hints, &q->found);
	q->error = errno;
}

static void query_free(void *arg)
{
	struct query *q = arg;

	if (q->found)
		freeaddrinfo(q->found);
	oxi_free(q);
}

static struct query *query_new(const char *host, const char *service)
{
	size_t len = strlen(host) + 1, service_len = service ? strlen(service) + 1 : 0;
	struct query *q = oxi_alloc(sizeof(*q) + len + service_len);

	if (q) {
		memcpy(q->host, host, len);
		q->service = service ? memcpy(q->host + len, service, service_len) : NULL;
		q->hints.ai_socktype = SOCK_STREAM;     /* or each address would come once for each type */
	}
	return q;
}

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

static void *look_here(void *arg)
{
	look_up(arg);
	return NULL;
}

/* Without asking anybody: true if host and service are numbers, and q has what they say. */
static bool read_numbers(struct query *q)
{
	if (q->service && !is_number(q->service))
		return false;
	q->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	ox_run_on_big_stack(look_here, q);
	q->hints.ai_flags = 0;
	return q->result != EAI_NONAME;
}

static bool wanted(const struct addrinfo *a, int family)
{
	return (a->ai_family == AF_INET || a->ai_family == AF_INET6) && (family == 0 || a->ai_family == family);
}

static bool has(const ox_address *list, size_t len, const struct addrinfo *a)
{
	for (size_t i = 0; i < len; i++)
		if (list[i].len == a->ai_addrlen && memcmp(&list[i].storage, a->ai_addr, a->ai_addrlen) == 0)
			return true;
	return false;
}

static size_t copy_list(const struct addrinfo *found, const ox_resolve_options *o, ox_address *list)
{
	size_t n = 0, limit = o->limit ? o->limit : SIZE_MAX;

	for (const struct addrinfo *a = found; a && n < limit; a = a->ai_next) {
		if (!wanted(a, o->family) || has(list, n, a))
			continue;
		memcpy(&list[n].storage, a->ai_addr, a->ai_addrlen);
		list[n++].len = a->ai_addrlen;
	}
	return n;
}

/* 0 addresses: those that there are belong to another family. */
static int addresses_new(const struct addrinfo *found, const ox_resolve_options *o, ox_addresses **ret)
{
	size_t n = 0;
	ox_addresses *as;

	for (const struct addrinfo *a = found; a; a = a->ai_next)
		n++;
	as = oxi_alloc(sizeof(*as) + n * sizeof(*as->list));
	if (as == NULL)
		return EAI_MEMORY;
	as->list = (const ox_address *)(as + 1);
	as->len = copy_list(found, o, (ox_address *)(as + 1));
	if (as->len == 0) {
		oxi_free(as);
		return EAI_ADDRFAMILY;
	}
	*ret = as;
	return 0;
}

void ox_resolve_options_init(ox_resolve_options *o)
{
	*o = *OX_RESOLVE_OPTIONS(.size = sizeof(*o));
}

int ox_resolve(const char *host, const char *service, const ox_resolve_options *opts, ox_addresses **ret)
{
	const ox_resolve_options *o = opts ? opts : OX_RESOLVE_OPTIONS(.size = sizeof(*o));
	struct query *q;
	int r = oxi_checkpoint(), gai;

	if (r < 0)
		return r;
	if (host == NULL || *host == '\0' || (service && is_number(service) && oxi_port_parse(service) < 0))
		return OX_EINVAL;
	q = query_new(host, service);
	if (q == NULL)
		return OX_ENOMEM;
	if (!read_numbers(q)) {
		q->hints.ai_family = o->family;
		r = oxi_thread_run(OXI_THREAD_DNS, look_up, q, query_free, "resolve");
	}
	if (r == OX_ECANCELED)
		return r;
	gai = r < 0 || q->result ? q->result : addresses_new(q->found, o, ret);
	if (r == 0)
		r = code_of(gai, q->error);
	if (r == OX_EDNS && o->ret_gai)
		*o->ret_gai = gai;
	query_free(q);
	return r;
}

void ox_addresses_free(ox_addresses *a)
{
	oxi_free(a);
}

/* ---- back ---- */

struct reverse {
	ox_address address;
	int result, error;
	char host[NI_MAXHOST];
};

static void look_back(void *arg)
{
	struct reverse *q = arg;

	q->result = getnameinfo((struct sockaddr *)&q->address.storage, q->address.len, q->host, sizeof(q->host), NULL, 0,
	                        NI_NAMEREQD);
	q->error = errno;
}

int ox_resolve_reverse(const ox_address *a, char *ret_host, size_t cap)
{
	struct reverse *q;
	size_t len;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	if (a->storage.ss_family != AF_INET && a->storage.ss_family != AF_INET6)
		return OX_EINVAL;
	q = oxi_alloc(sizeof(*q));
	if (q == NULL)
		return OX_ENOMEM;
	q->address = *a;
	r = oxi_thread_run(OXI_THREAD_DNS, look_back, q, oxi_free, "resolve");
	if (r == OX_ECANCELED)
		return r;
	if (r == 0)
		r = code_of(q->result, q->error);
	len = strlen(q->host) + 1;
	if (r == 0 && len > cap)
		r = OX_ETOOBIG;
	if (r == 0)
		memcpy(ret_host, q->host, len);
	oxi_free(q);
	return r;
}
