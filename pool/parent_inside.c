/* SPDX-License-Identifier: MIT */
/*
 * What jobs send while they run. A worker has one thread, so it asks one thing at a time and waits for the one answer; a
 * job that was told to end gets OX_ECANCELED for whatever it asks, and so does one that nobody waits for any more. A worker
 * that sends what no job can send is killed: its memory is not what it should be.
 */
#include <string.h>

#include "pool/parent_inside.h"

/* ---- the struct ---- */

struct oxi_inside *oxi_inside_of(struct ox_result *j)
{
	struct oxi_story *s = oxi_job_story(j);

	if (s == NULL || s->inside != NULL)
		return s != NULL ? s->inside : NULL;
	struct oxi_inside *in = oxi_alloc(sizeof *in);
	if (in == NULL)
		return NULL;
	in->job = j;
	oxi_list_init(&in->parts);
	oxi_list_init(&in->children);
	oxi_list_init(&in->sibling);
	s->inside = in;
	return in;
}

void oxi_inside_free(struct oxi_inside *in)
{
	if (in == NULL)
		return;
	OXI_CHECK(in->live == 0 && in->asks == OXI_ASKS_NOTHING);
	oxi_emit_free(in);
	oxi_free(in);
}

struct oxi_seat *oxi_inside_seat(const struct oxi_inside *in)
{
	return &in->job->pool->seats[in->job->dispatch.slot];
}

void oxi_seat_reject(ox_pool *p, struct oxi_seat *s)
{
	p->rejected++;
	oxi_seat_kill(s);
}

/* ---- questions and answers ---- */

void oxi_inside_no_answer(struct oxi_inside *in)
{
	ox_pool *p = in->job->pool;

	if (in->asks == OXI_ASKS_JOB)
		p->awaiting--;
	if (oxi_inside_seat(in)->asking == in)  /* else the worker is dead, and perhaps another one sits there */
		oxi_inside_seat(in)->asking = NULL;
	in->asks = OXI_ASKS_NOTHING;
}

static void say(ox_pool *p, struct oxi_seat *s, uint64_t lease, int status, const void *data, size_t len, const struct oxi_inside *in)
{
	struct oxi_record r = { .lease = lease, .status = status, .length = len };

	if (in != NULL) {
		r.job = in->untaken;
		r.time = (int64_t)in->untaken_bytes;
	}
	if (len > 0 && oxi_memory_inside(p, data)) {
		r.flags = OXI_RECORD_ARENA;
		r.place = (uint64_t)((const uint8_t *)data - p->arena.base);
	}
	if (oxi_transport_tell(p, s, OXI_ANSWER, &r, data) < 0)
		oxi_seat_kill(s);       /* it would wait for ever */
}

void oxi_inside_answer(struct oxi_inside *in, int status, const void *data, size_t len)
{
	ox_pool *p = in->job->pool;

	oxi_inside_no_answer(in);
	if (status < 0)
		len = 0;
	if (len > OXI_INLINE && !oxi_memory_inside(p, data)) {
		data = in->answer = oxi_memory_copy(p, data, len);
		if (data == NULL) {
			status = OX_ENOMEM;
			len = 0;
		}
	}
	say(p, oxi_inside_seat(in), in->job->dispatch.lease, status, data, len, in);
}

static bool was_told(const struct oxi_inside *in)
{
	const struct oxi_slot *slot = oxi_inside_seat(in)->shared;

	for (; in != NULL; in = in->job->dispatch.nesting & OXI_INNER ? in->parent : NULL)
		if (oxi_slot_told(slot, in->job->dispatch.lease))
			return true;
	return false;
}

/* The job does not wait any more. */
static void give_up_question(struct oxi_inside *in)
{
	if (in->asks == OXI_ASKS_CALL)
		oxi_call_forget(in);
	oxi_inside_no_answer(in);
}

void oxi_inside_told(ox_pool *p, struct oxi_seat *s)
{
	struct oxi_inside *in = s->asking;

	if (in == NULL || !was_told(in))
		return;
	give_up_question(in);
	say(p, s, in->job->dispatch.lease, OX_ECANCELED, NULL, 0, in);
}

void oxi_inside_forget_answer(struct oxi_inside *in)
{
	if (in->answer != NULL)
		oxi_memory_put(in->job->pool, in->answer);
	in->answer = NULL;
	if (in->held != NULL)
		oxi_nested_drop(in->held->story->inside);
	in->held = NULL;
}

/* ---- ends ---- */

static void end_attempt(struct oxi_inside *in)
{
	give_up_question(in);
	oxi_inside_forget_answer(in);
	oxi_nested_drop_all(in);
	in->no_memory = false;
}

void oxi_inside_again(struct oxi_inside *in)
{
	end_attempt(in);
	oxi_emit_again(in);
}

bool oxi_inside_ended(struct oxi_inside *in, enum oxi_end how, int status)
{
	end_attempt(in);
	in->ending = in->live > 0;
	in->how = how;
	in->status = status;
	return !in->ending;
}

void oxi_inside_one_less(struct oxi_inside *in)
{
	if (--in->live > 0 || !in->ending)
		return;
	in->ending = false;
	oxi_job_finish(in->job, in->how, in->status);
}

void oxi_inside_finish(struct oxi_inside *in, int status)
{
	oxi_emit_finish(in, status);
}

/* ---- messages ---- */

/* Text from a worker for a person's eyes: what would move the cursor is not in it. */
static void make_plain(char *text)
{
	for (; *text != '\0'; text++)
		if ((uint8_t)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static void log_line(const ox_pool *p, struct oxi_seat *s, const struct oxi_record *r, const void *payload, const char *job)
{
	char text[OXI_LOG_LINE + 1];
	size_t len = payload == NULL ? 0 : r->length < OXI_LOG_LINE ? (size_t)r->length : OXI_LOG_LINE;
	ox_log_level level = r->status >= OX_LOG_ERROR && r->status <= OX_LOG_DEBUG ? (ox_log_level)r->status : OX_LOG_ERROR;
	const char *name = p->options.name != NULL ? p->options.name : "";

	atomic_fetch_add_explicit(&s->shared->logged, 1, memory_order_relaxed);
	if (r->time > 0)
		oxi_log(OX_LOG_WARNING, "pool %s: job %s (worker %d): %lld lines for the log were lost", name, job, (int)s->pid,
		        (long long)r->time);
	if (len == 0 && r->time > 0)
		return;
	if (len > 0)
		memcpy(text, payload, len);
	text[len] = '\0';
	make_plain(text);
	oxi_log(level, "pool %s: job %s (worker %d): %s", name, job, (int)s->pid, text);
}

/* What came with a message, checked. False: it is not what it says. */
static bool take_load(const ox_pool *p, struct oxi_seat *s, const struct oxi_record *r, const void *payload, struct oxi_load *ret)
{
	*ret = (struct oxi_load){ .data = payload, .len = (size_t)r->length, .in_arena = (r->flags & OXI_RECORD_ARENA) != 0 };
	if (!ret->in_arena)
		return payload != NULL && r->length <= OXI_INLINE;
	ret->data = p->arena.base + r->place;
	return oxi_grant_take(s, r->lease, (size_t)r->place, (size_t)r->length);
}

static void handle_question(ox_pool *p, struct oxi_seat *s, enum oxi_message type, const struct oxi_record *r,
                            const struct oxi_load *load, struct oxi_inside *in)
{
	s->asking = in;
	if (type == OXI_FULL) {
		in->asks = OXI_ASKS_ROOM;
		oxi_emit_full(in);
		return;
	}
	if (type == OXI_CALL) {
		oxi_inside_forget_answer(in);
		in->asks = OXI_ASKS_CALL;
		oxi_call_start(in, r->index, load);
		return;
	}
	in->asks = OXI_ASKS_JOB;
	p->awaiting++;
	oxi_nested_await(in, r->job);
}

void oxi_inside_message(ox_pool *p, struct oxi_seat *s, const struct oxi_received *m)
{
	enum oxi_message type = (enum oxi_message)m->header.type;
	struct oxi_load load;
	struct oxi_record r;
	const void *payload;

	if (oxi_body_record(m->body, m->len, m->header.count, 0, &r, &payload) < 0 || s->asking != NULL) {
		oxi_seat_reject(p, s);
		return;
	}
	struct oxi_djob *d = oxi_dispatch_peek(p->dispatch, s->slot, r.lease);
	struct ox_result *j = d != NULL ? OXI_CONTAINER(d, struct ox_result, dispatch) : NULL;
	if (type == OXI_LOG) {
		log_line(p, s, &r, payload, d != NULL ? p->kinds[d->index].copy.name : "that is over");
		return;
	}
	struct oxi_inside *in = j != NULL ? oxi_inside_of(j) : NULL;
	bool loaded = type == OXI_CALL || type == OXI_SUBMIT;
	if (loaded && j != NULL && !take_load(p, s, &r, payload, &load)) {
		oxi_seat_reject(p, s);
		return;
	}
	if (type == OXI_SUBMIT && in != NULL)
		oxi_nested_submit(in, r.index, r.job, &load);
	else if (type != OXI_SUBMIT && in != NULL && !was_told(in))
		handle_question(p, s, type, &r, &load, in);
	else if (type != OXI_SUBMIT)
		say(p, s, r.lease, in == NULL && j != NULL ? OX_ENOMEM : OX_ECANCELED, NULL, 0, in);
	if (loaded && j != NULL && load.in_arena)
		oxi_memory_put(p, load.data);
}

/* ---- progress and note ---- */

static const struct oxi_said *read_said(const ox_future *f, struct oxi_said *ret)
{
	const struct ox_result *j = oxi_job_of(f);

	if (j == NULL)
		return NULL;
	if (j->dispatch.state == OXI_LEASED)
		return oxi_report_read(j->pool->seats[j->dispatch.slot].shared->report, j->dispatch.lease, ret) ? ret : NULL;
	return ox_future_done(f) && j->story != NULL && j->story->crashed ? &j->story->said : NULL;
}

int ox_future_progress(const ox_future *f, uint64_t *ret_done, uint64_t *ret_total)
{
	struct oxi_said now;
	const struct oxi_said *said = read_said(f, &now);

	if (said == NULL || (said->done == 0 && said->total == 0))
		return 0;
	*ret_done = said->done;
	*ret_total = said->total;
	return 1;
}

size_t ox_future_note(const ox_future *f, char *buf, size_t cap)
{
	struct oxi_said now;
	const struct oxi_said *said = read_said(f, &now);

	if (cap == 0)
		return 0;
	size_t len = said != NULL ? strnlen(said->note, cap - 1) : 0;
	if (len > 0)
		memcpy(buf, said->note, len);
	buf[len] = '\0';
	make_plain(buf);
	return len;
}

/* Each job that was running: they stand in the levels from the first on, and behind them are those of jobs that are over. */
void oxi_inside_last_words(ox_pool *p, struct oxi_seat *s)
{
	for (unsigned i = 0; i < OXI_DEPTH; i++) {
		uint64_t lease = atomic_load(&s->shared->report[i].lease);
		struct oxi_djob *d = oxi_dispatch_peek(p->dispatch, s->slot, lease);
		struct oxi_said said;

		if (d == NULL || !oxi_report_read(s->shared->report, lease, &said))
			continue;
		struct oxi_story *story = oxi_job_story(OXI_CONTAINER(d, struct ox_result, dispatch));
		if (story == NULL)
			continue;
		story->said = said;
		make_plain(story->said.note);
	}
}
