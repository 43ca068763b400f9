/* SPDX-License-Identifier: MIT */
/*
 * Which inputs have crashed workers, and how often, for the jobs that have a crash_limit. Attempts of one job and jobs with
 * equal inputs count together: what is counted is (kind, length, SHA-256 of the input), made when a worker has died, never
 * on the way of a job that runs well. A submitter's input is looked at only when one of its kind and length is held.
 *
 *	crashed: suspect, 1 ──again──> 2 ... crash_limit: held ──> saved in quarantine_dir; fails when submitted
 *
 * The table is bounded: the suspect that crashed least recently makes room for a new one, a held one only when there is
 * nothing else. Workers that died for another reason (cancel, timeout, a limit, the spawner's death) do not count, nor do jobs
 * that read results of others: their input is not all that they are given.
 */
#include <string.h>
#include <openssl/evp.h>

#include "pool/parent.h"
#include "pool/saved.h"

enum { SUSPECTS = 1024, BUCKETS = 256 };

struct suspect {
	struct oxi_list link;           /* of its bucket */
	struct oxi_list age;            /* of all, the one that crashed last at the end */
	unsigned kind, crashes;
	bool held;
	size_t len;
	uint8_t digest[32];
	char *path;                     /* NULL: not saved */
};

struct oxi_quarantine {
	struct oxi_list bucket[BUCKETS], ages;
	unsigned count, held;
};

static bool digest_of(const void *in, size_t len, uint8_t ret[32])
{
	return EVP_Digest(in, len, ret, NULL, EVP_sha256(), NULL) == 1;
}

static struct oxi_list *bucket_of(struct oxi_quarantine *q, unsigned kind, size_t len)
{
	return &q->bucket[(len * 31 + kind) % BUCKETS];
}

static struct suspect *aged(struct oxi_list *age)
{
	return OXI_CONTAINER(age, struct suspect, age);
}

static void forget(struct oxi_quarantine *q, struct suspect *s)
{
	q->count--;
	q->held -= s->held;
	oxi_list_remove(&s->link);
	oxi_list_remove(&s->age);
	oxi_free(s->path);
	oxi_free(s);
}

static void make_room(struct oxi_quarantine *q)
{
	if (q->count < SUSPECTS)
		return;
	OXI_LIST_EACH(e, &q->ages)
		if (!aged(e)->held) {
			forget(q, aged(e));
			return;
		}
	forget(q, aged(q->ages.next));
}

static struct suspect *find(struct oxi_quarantine *q, unsigned kind, size_t len, const uint8_t digest[32])
{
	OXI_LIST_EACH(e, bucket_of(q, kind, len)) {
		struct suspect *s = OXI_CONTAINER(e, struct suspect, link);
		if (s->kind == kind && s->len == len && memcmp(s->digest, digest, 32) == 0)
			return s;
	}
	return NULL;
}

static struct suspect *add(struct oxi_quarantine *q, unsigned kind, size_t len, const uint8_t digest[32])
{
	struct suspect *s = oxi_alloc(sizeof *s);

	if (s == NULL)
		return NULL;
	make_room(q);
	s->kind = kind;
	s->len = len;
	memcpy(s->digest, digest, 32);
	oxi_list_append(bucket_of(q, kind, len), &s->link);
	oxi_list_append(&q->ages, &s->age);
	q->count++;
	return s;
}

static struct oxi_quarantine *quarantine(ox_pool *p)
{
	if (p->quarantine != NULL || (p->quarantine = oxi_alloc(sizeof *p->quarantine)) == NULL)
		return p->quarantine;
	oxi_list_init(&p->quarantine->ages);
	for (unsigned i = 0; i < BUCKETS; i++)
		oxi_list_init(&p->quarantine->bucket[i]);
	return p->quarantine;
}

static char *copy_text(const char *text)
{
	char *copy = oxi_alloc(strlen(text) + 1);

	return copy != NULL ? strcpy(copy, text) : NULL;
}

/* Holds it, and saves the input if there is a folder for it. */
static void hold(ox_pool *p, struct suspect *s, const struct ox_result *j)
{
	const ox_job *job = &p->kinds[s->kind].copy;
	struct oxi_crashed_input in = {
		.job = job, .data = j->input, .len = j->input_len, .digest = s->digest, .crashes = s->crashes,
		.number = oxi_job_number(j),
		.crash = p->obituary != NULL ? &p->obituary->crash : NULL,
	};
	char path[PATH_MAX];

	s->held = true;
	p->quarantine->held++;
	if (p->options.quarantine_dir == NULL) {
		oxi_log(OX_LOG_WARNING, "an input of %s is in quarantine: it has crashed %u workers", job->name, s->crashes);
		return;
	}
	int r = oxi_saved_write(p->options.quarantine_dir, &in, path);
	if (r < 0) {
		oxi_log(OX_LOG_ERROR, "an input of %s that has crashed %u workers cannot be saved in %s: %s", job->name, s->crashes,
		        p->options.quarantine_dir, ox_strerror(r));
		return;
	}
	s->path = copy_text(path);
	if (p->obituary != NULL) {
		p->obituary->saved = copy_text(path);
		p->obituary->crash.saved = p->obituary->saved;
	}
	oxi_log(OX_LOG_WARNING, "an input of %s is in quarantine: it has crashed %u workers; oxbow replay %s", job->name, s->crashes, path);
}

int oxi_quarantine_crashed(void *t, struct oxi_djob *dispatch)
{
	ox_pool *p = t;
	const struct ox_result *j = OXI_CONTAINER(dispatch, struct ox_result, dispatch);
	unsigned kind = dispatch->index, limit = p->kinds[kind].copy.crash_limit;
	uint8_t digest[32];

	const struct oxi_job_extra *x = oxi_job_extra(dispatch);
	if (limit == 0 || p->blameless || p->killed || (x != NULL && x->after != NULL))
		return 0;
	struct oxi_quarantine *q = quarantine(p);
	struct suspect *s = NULL;
	if (q != NULL && digest_of(j->input, j->input_len, digest)) {
		s = find(q, kind, j->input_len, digest);
		if (s == NULL)
			s = add(q, kind, j->input_len, digest);
	}
	if (s == NULL) {
		oxi_log(OX_LOG_WARNING, "a crash of %s is not counted: out of memory", p->kinds[kind].copy.name);
		return 0;
	}
	oxi_list_remove(&s->age);
	oxi_list_append(&q->ages, &s->age);
	if (++s->crashes < limit)
		return 0;
	if (!s->held)
		hold(p, s, j);
	return OX_EQUARANTINED;
}

bool oxi_quarantine_holds(const ox_pool *p, const struct oxi_kind *kind, const void *in, size_t len)
{
	struct oxi_quarantine *q = p->quarantine;
	unsigned index = (unsigned)(kind - p->kinds);
	uint8_t digest[32];
	bool held = false;

	if (q->held == 0)
		return false;
	OXI_LIST_EACH(e, bucket_of(q, index, len)) {
		const struct suspect *s = OXI_CONTAINER(e, struct suspect, link);
		held |= s->held && s->kind == index && s->len == len;
	}
	if (!held || !digest_of(in, len, digest))
		return false;
	const struct suspect *s = find(q, index, len, digest);
	return s != NULL && s->held;
}

void oxi_quarantine_free(struct oxi_quarantine *q)
{
	while (q != NULL && q->count > 0)
		forget(q, aged(q->ages.next));
	oxi_free(q);
}

/* ---- asking ---- */

size_t ox_quarantine_count(const ox_pool *p)
{
	if (oxi_forked())
		return 0;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	return p->quarantine != NULL ? p->quarantine->held : 0;
}

int ox_quarantine_get(const ox_pool *p, size_t i, ox_quarantined *ret)
{
	size_t size = ret->size;

	if (size == 0 || i >= ox_quarantine_count(p))
		return OX_EINVAL;
	struct suspect *s = NULL;
	OXI_LIST_EACH(e, &p->quarantine->ages)
		if (aged(e)->held && (s = aged(e), i-- == 0))
			break;
	ox_quarantined q = {
		.size = size, .job = p->kinds[s->kind].copy.name, .length = s->len, .crashes = s->crashes, .path = s->path,
	};
	memcpy(q.digest, s->digest, sizeof q.digest);
	memcpy(ret, &q, size < sizeof q ? size : sizeof q);
	return 0;
}

void ox_quarantine_clear(ox_pool *p)
{
	if (oxi_forked())
		return;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	oxi_quarantine_free(p->quarantine);
	p->quarantine = NULL;
}
