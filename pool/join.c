/* SPDX-License-Identifier: MIT */
#include "pool/join.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/lines.h"

#define FORMAT 1u
#define HEARTBEAT_MIN_MS 10u
#define HEARTBEAT_MAX_MS 3600000u

/* ---- writing ---- */

static size_t format(const struct oxi_join *j, char *data, size_t cap)
{
	struct oxi_text t = { .data = data, .cap = cap };

	oxi_text_add(&t, "# Who can read this file can work for the pool that wrote it: oxbow worker --join FILE\n");
	oxi_text_add(&t, "oxbow-join %u\n", FORMAT);
	for (unsigned i = 0; i < j->endpoints; i++)
		oxi_text_add(&t, "endpoint %s\n", j->endpoint[i]);
	oxi_text_add(&t, "server-key %s\n", j->server_key);
	oxi_text_add(&t, "client-key %s\nclient-secret %s\n", j->client.public_key, j->client.secret_key);
	oxi_text_add(&t, "epoch %u\nheartbeat %u\n", j->epoch, j->heartbeat_ms);
	return t.len;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int oxi_join_write(const char *path, const struct oxi_join *j)
{
	char text[OXI_JOIN_FILE], temporary[4096];
	size_t len = format(j, text, sizeof text);

	if ((size_t)snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid()) >= sizeof temporary)
		return -ENAMETOOLONG;
	unlink(temporary);              /* of a process that died, and had our pid */
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_all(fd, text, len);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temporary);
	return r;
}

/* ---- reading ---- */

struct reading {
	struct oxi_join *join;
	const char *problem;            /* with the line; NULL: none yet */
	unsigned seen;                  /* bit i: key i of KEYS */
};

static void take_number(struct reading *r, const char *value, uint64_t min, uint64_t max, uint64_t *ret)
{
	if (!oxi_number(value, max, ret) || *ret < min)
		r->problem = "the number is out of range";
}

static void take_format(struct reading *r, const char *value)
{
	uint64_t version = 0;

	take_number(r, value, 0, UINT32_MAX, &version);
	if (r->problem == NULL && version != FORMAT)
		r->problem = "written by another version of oxbow";
}

static void take_endpoint(struct reading *r, const char *value)
{
	struct oxi_join *j = r->join;

	if (j->endpoints == OXI_JOIN_ENDPOINTS)
		r->problem = "too many endpoints";
	else if (strncmp(value, "tcp://", 6) != 0 || strlen(value) >= OXI_ENDPOINT)
		r->problem = "give tcp://ADDRESS:PORT";
	else
		strcpy(j->endpoint[j->endpoints++], value);
}

static void take_key(struct reading *r, const char *value, char key[OXI_KEY])
{
	if (!oxi_key_valid(value))
		r->problem = "no key: 40 characters of Z85";
	else
		strcpy(key, value);
}

static void take_server_key(struct reading *r, const char *value)
{
	take_key(r, value, r->join->server_key);
}

static void take_client_key(struct reading *r, const char *value)
{
	take_key(r, value, r->join->client.public_key);
}

static void take_client_secret(struct reading *r, const char *value)
{
	take_key(r, value, r->join->client.secret_key);
}

static void take_epoch(struct reading *r, const char *value)
{
	uint64_t n = 0;

	take_number(r, value, 0, UINT32_MAX, &n);
	r->join->epoch = (uint32_t)n;
}

static void take_heartbeat(struct reading *r, const char *value)
{
	uint64_t n = 0;

	take_number(r, value, HEARTBEAT_MIN_MS, HEARTBEAT_MAX_MS, &n);
	r->join->heartbeat_ms = (unsigned)n;
}

static const struct {
	const char *name;
	void (*take)(struct reading *r, const char *value);
} KEYS[] = {
	{ "oxbow-join", take_format },
	{ "endpoint", take_endpoint },
	{ "server-key", take_server_key },
	{ "client-key", take_client_key },
	{ "client-secret", take_client_secret },
	{ "epoch", take_epoch },
	{ "heartbeat", take_heartbeat },
};
#define KEYS_LEN (sizeof KEYS / sizeof *KEYS)

static void take(struct reading *r, const struct oxi_line *l)
{
	if (r->seen == 0 && !oxi_line_is(l, KEYS[0].name)) {
		r->problem = "no join file: it would begin with oxbow-join";
		return;
	}
	for (unsigned i = 0; i < KEYS_LEN; i++) {
		if (!oxi_line_is(l, KEYS[i].name))
			continue;
		if ((r->seen & 1u << i) != 0 && KEYS[i].take != take_endpoint)
			r->problem = "said twice";
		else
			KEYS[i].take(r, l->value);
		r->seen |= 1u << i;
	}
}

int oxi_join_parse(const char *path, const void *text, size_t len, struct oxi_join *ret, char *error, size_t cap)
{
	struct reading r = { .join = ret };
	struct oxi_lines lines;
	struct oxi_line line;
	int n;

	*ret = (struct oxi_join){ .endpoints = 0 };
	oxi_lines_init(&lines, text, len);
	while (r.problem == NULL && (n = oxi_lines_next(&lines, &line)) != 0) {
		if (n < 0)
			r.problem = "no line of a key and a value";
		else
			take(&r, &line);
	}
	if (r.problem != NULL) {
		snprintf(error, cap, "%s:%u: %s", path, lines.line, r.problem);
		return OX_EPROTO;
	}
	for (unsigned i = 0; i < KEYS_LEN; i++)
		if ((r.seen & 1u << i) == 0) {
			snprintf(error, cap, "%s: the line '%s' is missing", path, KEYS[i].name);
			return OX_EPROTO;
		}
	return 0;
}

int oxi_join_read(const char *path, struct oxi_join *ret, char *error, size_t cap)
{
	char text[OXI_JOIN_FILE];
	struct stat st;
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : OX_EINVAL;

	if (r == 0 && (n = read(fd, text, sizeof text)) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	if (r < 0) {
		snprintf(error, cap, "%s: %s", path, r == OX_EINVAL ? "no regular file" : ox_strerror(r));
		return r;
	}
	if ((size_t)n == sizeof text) {
		snprintf(error, cap, "%s: too large for a join file", path);
		return OX_EPROTO;
	}
	return oxi_join_parse(path, text, (size_t)n, ret, error, cap);
}
