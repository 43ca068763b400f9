/* SPDX-License-Identifier: MIT */
/*
 * The path of a socket may have 107 bytes, that of a folder has no such limit. So both sides open the folder and name the socket
 * /proc/self/fd/N/socket, whatever the folder is called.
 *
 * Who may steer is decided twice: by the socket's mode, 0600 from its first moment (the mode of the descriptor before bind() is that
 * of the file), and by the user that the kernel says the peer is, for a folder may be handed on with all that is in it.
 * A runner that was killed leaves its socket behind; connecting to that is refused, and the next runner replaces it.
 */
#include "cli/batch/control.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <oxbow/scope.h>
#include <oxbow/server.h>

#include "cli/options.h"

#define PEERS_MAX 16
static const ox_time PATIENCE = OX_SEC(30);     /* with a peer that says nothing */
static const int ANSWER_SECONDS = 10;
#define ANSWER_MAX OX_MIB(64)

/* ---- commands ---- */

__attribute__((format(printf, 2, 3))) static int wrong(struct oxi_buffer *why, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	oxi_buffer_add_text(why, text);
	return OX_EINVAL;
}

static const struct word {
	const char *name, *value;       /* what stands behind =; NULL: nothing does */
	enum oxi_order_kind kind;
} WORDS[] = {
	{ "jobs", "a number from 1, or as -j of oxbow run", OXI_ORDER_JOBS },
	{ "pause", NULL, OXI_ORDER_PAUSE },
	{ "resume", NULL, OXI_ORDER_RESUME },
	{ "cancel", "the number or name of a job", OXI_ORDER_CANCEL },
	{ "priority", "a whole number", OXI_ORDER_PRIORITY },
	{ "status", NULL, OXI_ORDER_STATUS },
	{ "output", "two numbers of bytes and a job", OXI_ORDER_OUTPUT },
};
#define WORDS_LEN (sizeof(WORDS) / sizeof(WORDS[0]))

static int parse_priority(const char *text, int *ret)
{
	bool less = *text == '-';
	uint64_t n;
	if (oxi_value_count(text + less, 0, INT32_MAX, &n) < 0)
		return OX_EINVAL;
	*ret = less ? -(int)n : (int)n;
	return 0;
}

static int parse_output(const char *text, struct oxi_order *ret)
{
	int at = 0;
	if (sscanf(text, "%" SCNu64 ",%" SCNu64 ",%n", &ret->from[0], &ret->from[1], &at) < 2 || at == 0 || !text[at])
		return OX_EINVAL;
	ret->job = text + at;
	return 0;
}

static int parse_value(const struct word *w, const char *value, struct oxi_order *ret)
{
	switch (w->kind) {
	case OXI_ORDER_JOBS: return oxi_value_jobs(value, &ret->jobs);
	case OXI_ORDER_PRIORITY: return parse_priority(value, &ret->priority);
	case OXI_ORDER_OUTPUT: return parse_output(value, ret);
	case OXI_ORDER_CANCEL: ret->job = value; return *value ? 0 : OX_EINVAL;
	default: return 0;
	}
}

static int unknown(const char *text, size_t len, struct oxi_buffer *why)
{
	char word[32] = "";
	if (len < sizeof(word))
		memcpy(word, text, len);
	const char *near = oxi_nearest(word, &WORDS->name, sizeof(*WORDS), WORDS_LEN);
	if (near)
		return wrong(why, "'%s' is not known: did you mean %s?", word, near);
	return wrong(why, "'%.*s' is not known: give jobs=N, pause, resume, cancel=JOB, priority=N or status",
	             (int)(len < 100 ? len : 100), text);
}

int oxi_order_parse(const char *text, struct oxi_order *ret, struct oxi_buffer *why)
{
	size_t len = strcspn(text, "="), i = 0;
	while (i < WORDS_LEN && (strlen(WORDS[i].name) != len || strncmp(text, WORDS[i].name, len) != 0))
		i++;
	if (i == WORDS_LEN)
		return unknown(text, len, why);
	const struct word *w = &WORDS[i];
	struct oxi_order o = { .kind = w->kind };
	if (!w->value && text[len])
		return wrong(why, "%s takes no value", w->name);
	if (w->value && (!text[len] || parse_value(w, text + len + 1, &o) < 0))
		return wrong(why, "%s=%.100s: give %s", w->name, text[len] ? text + len + 1 : "", w->value);
	*ret = o;
	return 0;
}

static int carry_out(const struct oxi_control *c, const struct oxi_order *o, struct oxi_buffer *text)
{
	switch (o->kind) {
	case OXI_ORDER_JOBS: return c->ops->set_jobs(c->arg, o->jobs, text);
	case OXI_ORDER_PAUSE: return c->ops->pause(c->arg, text);
	case OXI_ORDER_RESUME: return c->ops->resume(c->arg, text);
	case OXI_ORDER_CANCEL: return c->ops->cancel(c->arg, o->job, text);
	case OXI_ORDER_PRIORITY: return c->ops->set_priority(c->arg, o->priority, text);
	default: return c->ops->status(c->arg, text);
	}
}

/* ---- the runner's side ---- */

/* A line's answer: one line, whatever is in the text. */
static int answer(ox_stream *s, const char *head, struct oxi_buffer *text)
{
	struct oxi_buffer line = { 0 };
	oxi_buffer_add_text(&line, head);
	for (size_t i = 0; i < text->len; i++)
		oxi_buffer_add_char(&line, text->data[i] == '\n' ? ' ' : text->data[i]);
	oxi_buffer_add_char(&line, '\n');
	ssize_t n = line.failed || text->failed ? OX_ENOMEM : ox_write(s, line.data, line.len);
	oxi_buffer_free(&line);
	return n < 0 ? (int)n : ox_flush(s);
}

static int send_output(const struct oxi_control *c, ox_stream *s, const struct oxi_order *o)
{
	struct oxi_written w = { 0 };
	char head[96];
	int r = c->ops->output(c->arg, o->job, o->from, &w);
	if (r == 0 && (w.data[0].failed || w.data[1].failed))
		r = OX_ENOMEM;
	int n = snprintf(head, sizeof(head), "output %u %zu %zu\n", w.attempt, w.data[0].len, w.data[1].len);
	ssize_t sent = r < 0 ? r : ox_write(s, head, (size_t)n);
	for (int i = 0; i < 2 && sent >= 0; i++)
		sent = ox_write(s, w.data[i].data, w.data[i].len);
	oxi_buffer_free(&w.data[0]);
	oxi_buffer_free(&w.data[1]);
	return sent < 0 ? (int)sent : ox_flush(s);
}

/* line ends with a NUL. */
static int take_command(const struct oxi_control *c, ox_stream *s, const char *line)
{
	struct oxi_order o;
	struct oxi_buffer text = { 0 };
	int r = oxi_order_parse(line, &o, &text);
	if (r == 0 && o.kind == OXI_ORDER_OUTPUT)
		return send_output(c, s, &o);
	if (r == 0)
		r = carry_out(c, &o, &text);
	if (r < 0 && text.len == 0)
		oxi_buffer_add_text(&text, ox_strerror(r));
	r = answer(s, r < 0 ? "error: " : o.kind == OXI_ORDER_STATUS ? "" : "ok", &text);
	oxi_buffer_free(&text);
	return r;
}

static int next_command(const struct oxi_control *c, ox_stream *s)
{
	ox_bytes line;
	char text[OXI_CONTROL_LINE + 1];
	int r = ox_read_line(s, OXI_CONTROL_LINE, &line);
	if (r == 0 && memchr(line.data, '\0', line.len))
		r = OX_EPROTO;
	if (r < 0)
		return r;
	memcpy(text, line.data, line.len);
	text[line.len] = '\0';
	return take_command(c, s, text);
}

static bool may_steer(ox_stream *s)
{
	ox_credentials peer;
	return ox_stream_credentials(s, &peer) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static int serve_peer(ox_stream *s, void *arg)
{
	const struct oxi_control *c = arg;
	int r = may_steer(s) ? 0 : OX_EAUTH;
	while (r == 0) {
		ox_scope limit;
		ox_scope_enter(&limit, PATIENCE);
		r = next_command(c, s);
		r = ox_scope_leave(&limit, r);
	}
	if (r == OX_EAUTH || r == OX_EOVERRUN || r == OX_EPROTO) {
		struct oxi_buffer text = { 0 };
		oxi_buffer_add_text(&text, r == OX_EAUTH ? "this run is another user's" : "this is no command");
		answer(s, "error: ", &text);
		oxi_buffer_free(&text);
	}
	ox_close_within(s, OX_SEC(1));
	return 0;
}

int oxi_control_run(void *arg)
{
	struct oxi_control *c = arg;
	return ox_serve(c->listener, serve_peer, c, OX_SERVE_OPTIONS(.max_connections = PEERS_MAX, .name = "control"));
}

static struct sockaddr_un address_in(int folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" OXI_CONTROL_NAME, folder);
	return a;
}

/* What a dead runner has left is removed; what is no socket is not ours, and then the name is in use. */
static void remove_stale(int folder)
{
	struct stat st;
	if (fstatat(folder, OXI_CONTROL_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
		unlinkat(folder, OXI_CONTROL_NAME, 0);
}

/* A listening socket; -errno. */
static int make_socket(int folder)
{
	struct sockaddr_un a = address_in(folder);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	remove_stale(folder);
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, PEERS_MAX) < 0) {
		int e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

int oxi_control_open(const char *dir, const struct oxi_control_ops *ops, void *arg, struct oxi_control *ret)
{
	*ret = (struct oxi_control){ .ops = ops, .arg = arg, .folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	if (ret->folder < 0)
		return -errno;
	int fd = make_socket(ret->folder);
	int r = fd < 0 ? fd : ox_listener_adopt(fd, &ret->listener);
	if (r < 0) {
		if (fd >= 0)
			remove_stale(ret->folder);
		close(ret->folder);
		ret->listener = NULL;
	}
	return r;
}

void oxi_control_close(struct oxi_control *c)
{
	if (!c->listener)
		return;
	remove_stale(c->folder);
	ox_listener_close(c->listener);
	close(c->folder);
	c->listener = NULL;
}

/* ---- the asker's side ---- */

int oxi_control_connect(const char *dir)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -errno;
	struct sockaddr_un a = address_in(folder);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), e = 0;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		e = -errno;
	if (e < 0 && fd >= 0)
		close(fd);
	close(folder);
	return e < 0 ? e : fd;
}

static int send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Who refuses us says so and closes, perhaps before we have sent anything: then the answer is there all the same. */
static int send_command(int fd, const char *command)
{
	int r = send_all(fd, command, strlen(command));
	if (r == 0)
		r = send_all(fd, "\n", 1);
	return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}

/* Adds what has come. Returns: how much; -EPIPE: the end; -errno; OX_ENOMEM. */
static ssize_t receive(int fd, struct oxi_buffer *to)
{
	for (;;) {
		char *room = to->len < ANSWER_MAX ? oxi_buffer_room(to, 4096) : NULL;
		if (!room)
			return to->failed ? OX_ENOMEM : -EMSGSIZE;
		ssize_t n = recv(fd, room, 4096, 0);
		if (n > 0)
			return to->len += (size_t)n, n;
		if (n == 0 || errno == ECONNRESET)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
}

int oxi_control_ask(int fd, const char *command, struct oxi_buffer *reply)
{
	ssize_t r = send_command(fd, command);
	while (r >= 0 && (r == 0 || reply->data[reply->len - 1] != '\n'))
		r = receive(fd, reply);
	if (r < 0)
		return (int)r;
	reply->len--;
	return 0;
}

/* The bytes behind the first line, so many of them as it says. 1: not even that has come. */
static int take_output(int fd, struct oxi_buffer *reply, struct oxi_written *ret)
{
	size_t len[2];
	const char *end = reply->len ? memchr(reply->data, '\n', reply->len) : NULL;
	if (!end)
		return 1;
	size_t at = (size_t)(end - reply->data) + 1;
	reply->data[at - 1] = '\0';
	if (sscanf(reply->data, "output %u %zu %zu", &ret->attempt, &len[0], &len[1]) < 3)
		return OX_EPROTO;
	for (ssize_t n = 0; reply->len - at < len[0] + len[1];) {
		n = receive(fd, reply);
		if (n < 0)
			return (int)n;
	}
	oxi_buffer_add(&ret->data[0], reply->data + at, len[0]);
	oxi_buffer_add(&ret->data[1], reply->data + at + len[0], len[1]);
	return ret->data[0].failed || ret->data[1].failed ? OX_ENOMEM : 0;
}

int oxi_control_output(int fd, const char *job, const uint64_t from[2], struct oxi_written *ret)
{
	struct oxi_buffer text = { 0 }, reply = { 0 };
	*ret = (struct oxi_written){ 0 };
	oxi_buffer_add_format(&text, "output=%" PRIu64 ",%" PRIu64 ",%s", from[0], from[1], job);
	oxi_buffer_add_char(&text, '\0');
	ssize_t r = text.failed ? OX_ENOMEM : send_command(fd, text.data);
	for (bool more = r == 0; more; more = r > 0) {
		r = receive(fd, &reply);
		if (r > 0)
			r = take_output(fd, &reply, ret);
	}
	oxi_buffer_free(&text);
	oxi_buffer_free(&reply);
	return (int)r;
}
