/* SPDX-License-Identifier: MIT */
/*
 * libcurl's multi_socket interface on Oxbow's reactor: one multi handle per client, made at its first
 * request, so that all coroutines share the kept connections, the DNS cache and the TLS sessions. Each loop
 * has a client of its own, for requests that name none; it lives until the loop ends.
 *
 * libcurl tells which descriptors it wants watched (on_socket_wanted) and when it wants to be called at the
 * latest (on_timer_wanted); the reactor's events go back by curl_multi_socket_action(). A transfer that
 * libcurl reports as done, or that is cancelled, is taken out of the multi handle and its coroutine woken.
 *
 *	QUEUED ──work()──> RUNNING ──libcurl: done──────────────> DONE
 *	   │                  │                                    ^
 *	   └──cancelled, freed┴──────────> ENDING ──work()─────────┘
 *
 * Invariant: libcurl runs on the thread's own stack only. It needs more than a small coroutine has (a TLS
 * handshake 13 KiB, the resolver more), so coroutines only put transfers into lists and arm the work hook,
 * which runs at the end of the turn. This also means that libcurl is never entered from one of its own
 * callbacks. Rejected: calling curl_multi_add_handle() in the coroutine and perform in the reactor; removing
 * a transfer may shut TLS down, so the deep part would be on the small stack all the same.
 *
 * Invariant: at the end of a turn no cancelled transfer is left: its connection is closed (or, with HTTP/2,
 * its stream reset). libcurl would wait for a look-up that is under way when a transfer is removed;
 * CURLOPT_QUICK_EXIT (set in transfer.c) makes it leave the look-up to its thread, which frees everything
 * when it ends.
 *
 * Limits on connections are libcurl's own: a transfer that would be one too many waits in its multi handle.
 */
#include "loop/http/client.h"

#include <pthread.h>
#include <string.h>

#define KEPT 256L                       /* idle connections */

#define CLIENT_MAGIC 0x636c69656e746f78ull

struct ox_http_client {
	uint64_t magic;
	ox_http_client_options limits;
	CURLM *multi;                   /* from the first start on */
	struct oxi_timer timer;
	struct oxi_hook work;           /* armed while starts, ends, flows or broken want it */
	struct oxi_hook end;
	struct oxi_list starts, running, ends, flows;
	size_t users;                   /* requests that may still start a transfer */
	int broken;                     /* the reactor refused libcurl something: all transfers fail with this */
	bool closed;                    /* by its owner: its transfers end in this turn, and it with its last user */
};

static const char client_key;

/* ---- the end of a transfer ---- */

static void finish(struct ox_response *res, int result)
{
	struct ox_http_client *c = res->client;

	if (res->added)
		curl_multi_remove_handle(c->multi, res->easy);
	oxi_list_remove(&res->link);
	oxi_list_remove(&res->flow);
	oxi_loop_hold(-1);
	res->client = NULL;
	res->state = OXI_TRANSFER_DONE;
	res->result = result;
	oxi_upload_stop(res);
	if (res->orphan)
		oxi_response_destroy(res);
	else
		oxi_transfer_wake(res, result);
}

static void finish_list(struct oxi_list *l, int result)
{
	while (!oxi_list_empty(l))
		finish(OXI_CONTAINER(l->next, struct ox_response, link), result);
}

static void finish_done(struct ox_http_client *c)
{
	struct CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		struct ox_response *res = NULL;
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&res);
		finish(res, oxi_transfer_result(res, code));
	}
}

static void finish_ending(struct ox_http_client *c)
{
	while (!oxi_list_empty(&c->ends)) {
		struct ox_response *res = OXI_CONTAINER(c->ends.next, struct ox_response, link);

		finish(res, res->result);
	}
}

/* ---- backpressure ---- */

/*
 * Pausing is done here and not by CURL_WRITEFUNC_PAUSE: that would make libcurl keep what it decodes of the
 * chunk in a buffer of its own, out of reach of max_body.
 */
static int wanted_pause(const struct ox_response *res)
{
	bool was = res->paused & CURLPAUSE_RECV;
	bool receive = res->streaming && !res->upload && res->body.len >= (was ? OXI_HTTP_LOW : OXI_HTTP_HIGH);
	bool send = res->upload && res->upload->wanted;

	return (receive ? CURLPAUSE_RECV : 0) | (send ? CURLPAUSE_SEND : 0);
}

static void regulate(struct ox_response *res)
{
	int pause = wanted_pause(res);

	if (pause == res->paused)
		return;
	CURLcode code = curl_easy_pause(res->easy, pause);

	if (code == CURLE_OK)
		res->paused = pause;
	else if (code != CURLE_BAD_FUNCTION_ARGUMENT)           /* that one: no connection, nothing to pause */
		finish(res, oxi_transfer_result(res, code));
}

static void regulate_flows(struct ox_http_client *c)
{
	struct oxi_list *e;

	while ((e = oxi_list_shift(&c->flows))) {
		struct ox_response *res = OXI_CONTAINER(e, struct ox_response, flow);

		if (res->state == OXI_TRANSFER_RUNNING)
			regulate(res);
	}
}

/* After each call that let libcurl work: it may have finished or filled some transfers. */
static void settle(struct ox_http_client *c)
{
	finish_done(c);
	regulate_flows(c);
}

/* ---- libcurl and the reactor ---- */

/* In a callback of libcurl nothing can be taken out: the hook does it, before anything is waited for again. */
static void break_all(struct ox_http_client *c, int why)
{
	c->broken = why;
	oxi_hook_arm(&c->work);
}

static void act(struct ox_http_client *c, curl_socket_t fd, int events)
{
	int running;

	if (curl_multi_socket_action(c->multi, fd, events, &running) != CURLM_OK)
		break_all(c, OX_ENOMEM);
	settle(c);
}

static void on_ready(void *arg, int fd, unsigned events)
{
	act(arg, fd, (events & OX_READABLE ? CURL_CSELECT_IN : 0) | (events & OX_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void on_time(struct oxi_timer *t)
{
	act(OXI_CONTAINER(t, struct ox_http_client, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct ox_http_client *c = arg;
	struct oxi_watch *w = socket_arg;
	int r;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		oxi_watch_free(w);
		return 0;
	}
	if (!w) {
		w = oxi_watch_new(fd, on_ready, c);
		if (!w) {
			break_all(c, OX_ENOMEM);
			return 0;
		}
		curl_multi_assign(c->multi, fd, w);
	}
	r = oxi_watch_set(w, (what & CURL_POLL_IN ? OX_READABLE : 0) | (what & CURL_POLL_OUT ? OX_WRITABLE : 0));
	if (r < 0)
		break_all(c, r);
	return 0;
}

static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
	struct ox_http_client *c = arg;
	int r;

	(void)multi;
	if (ms < 0) {
		oxi_timer_clear(&c->timer);
		return 0;
	}
	r = oxi_timer_set(&c->timer, oxi_now() + OX_MS(ms));
	if (r < 0)
		break_all(c, r);
	return 0;
}

static CURLcode global_code;

static void global_init(void)
{
	global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int oxi_curl_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, global_init);
	return global_code == CURLE_OK ? 0 : OX_ENOMEM;
}

static int open_multi(struct ox_http_client *c)
{
	if (oxi_curl_init() < 0 || !(c->multi = curl_multi_init()))
		return OX_ENOMEM;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, c->limits.max_idle ? (long)c->limits.max_idle : KEPT);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->limits.max_connections);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->limits.max_per_host);
	return 0;
}

/* ---- the hook ---- */

static int start(struct ox_http_client *c, struct ox_response *res)
{
	int r = c->multi ? 0 : open_multi(c);

	if (r < 0)
		return r;
	r = oxi_transfer_prepare(res);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(c->multi, res->easy) != CURLM_OK)
		return OX_ENOMEM;
	res->added = true;
	oxi_list_remove(&res->link);
	oxi_list_append(&c->running, &res->link);
	res->state = OXI_TRANSFER_RUNNING;
	return 0;
}

static void end_all(struct ox_http_client *c, int why)
{
	finish_list(&c->starts, why);
	finish_list(&c->running, why);
	finish_ending(c);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	c->multi = NULL;
	oxi_timer_clear(&c->timer);
}

static void destroy(struct ox_http_client *c)
{
	oxi_hook_disarm(&c->work);
	oxi_hook_disarm(&c->end);
	c->magic = 0;
	oxi_free(c);
}

static void work(struct oxi_hook *h)
{
	struct ox_http_client *c = OXI_CONTAINER(h, struct ox_http_client, work);

	if (c->closed) {
		end_all(c, OX_ECLOSED);
		if (c->users == 0)
			destroy(c);
		return;
	}
	finish_ending(c);
	while (!oxi_list_empty(&c->starts)) {
		struct ox_response *res = OXI_CONTAINER(c->starts.next, struct ox_response, link);
		int r = start(c, res);

		if (r < 0)
			finish(res, r);
	}
	if (c->multi)
		settle(c);
	if (c->broken) {
		finish_list(&c->running, c->broken);
		c->broken = 0;
	}
}

static void end(struct oxi_hook *h)
{
	struct ox_http_client *c = OXI_CONTAINER(h, struct ox_http_client, end);

	if (oxi_loop_get(&client_key) == c)
		oxi_loop_put(&client_key, NULL);
	end_all(c, OX_ECANCELED);
	destroy(c);
}

/* ---- clients ---- */

static struct ox_http_client *client_new(const ox_http_client_options *limits)
{
	struct ox_http_client *c = oxi_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->magic = CLIENT_MAGIC;
	c->limits = *limits;
	oxi_list_init(&c->starts);
	oxi_list_init(&c->running);
	oxi_list_init(&c->ends);
	oxi_list_init(&c->flows);
	oxi_timer_init(&c->timer, on_time);
	oxi_hook_init(&c->work, work);
	oxi_hook_init(&c->end, end);
	return c;
}

int oxi_http_client_get(struct ox_http_client **ret)
{
	struct ox_http_client *c = oxi_loop_get(&client_key);
	int r;

	if (c) {
		*ret = c;
		return 0;
	}
	c = client_new(OX_HTTP_CLIENT_OPTIONS(0));
	if (!c)
		return OX_ENOMEM;
	r = oxi_loop_put(&client_key, c);
	if (r < 0) {
		oxi_free(c);
		return r;
	}
	oxi_hook_at_end(&c->end);
	*ret = c;
	return 0;
}

void ox_http_client_options_init(ox_http_client_options *o)
{
	*o = (ox_http_client_options){ .size = sizeof(*o) };
}

int ox_http_client_open(const ox_http_client_options *o, ox_http_client **ret)
{
	ox_http_client_options with = { .size = sizeof(with) };
	struct ox_http_client *c;

	if (oxi_forked())
		return OX_EFORKED;
	if (!ox_task_name())
		return OX_ESTATE;
	if (o)
		memcpy(&with, o, o->size < sizeof(with) ? o->size : sizeof(with));
	if (with.max_connections < 0 || with.max_per_host < 0 || with.max_idle < 0)
		return OX_EINVAL;
	c = client_new(&with);
	if (!c)
		return OX_ENOMEM;
	oxi_hook_at_end(&c->end);
	*ret = c;
	return 0;
}

/* Its connections may have TLS to shut down: on the thread's own stack, at the end of this turn. */
void ox_http_client_close(ox_http_client *c)
{
	if (!c || oxi_forked())
		return;
	OXI_CHECK_OBJECT(c, CLIENT_MAGIC);
	OXI_CHECK(!c->closed);
	c->closed = true;
	oxi_hook_arm(&c->work);
}

/* ---- for the calls of coroutines ---- */

void oxi_http_client_ref(struct ox_http_client *c)
{
	OXI_CHECK_OBJECT(c, CLIENT_MAGIC);
	c->users++;
}

void oxi_http_client_unref(struct ox_http_client *c)
{
	if (--c->users == 0 && c->closed)
		oxi_hook_arm(&c->work);
}

void oxi_http_client_start(struct ox_http_client *c, struct ox_response *res)
{
	res->client = c;
	res->state = OXI_TRANSFER_QUEUED;
	oxi_list_append(&c->starts, &res->link);
	oxi_loop_hold(1);
	oxi_hook_arm(&c->work);
}

void oxi_http_client_end(struct ox_response *res, int result)
{
	if (res->state == OXI_TRANSFER_ENDING)
		return;
	oxi_list_remove(&res->link);
	oxi_list_append(&res->client->ends, &res->link);
	res->state = OXI_TRANSFER_ENDING;
	res->result = result;
	oxi_hook_arm(&res->client->work);
}

void oxi_http_client_flow(struct ox_response *res)
{
	oxi_list_remove(&res->flow);
	oxi_list_append(&res->client->flows, &res->flow);
	oxi_hook_arm(&res->client->work);
}
