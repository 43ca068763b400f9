/* SPDX-License-Identifier: MIT */
/*
 * A pool's trace: Chrome's trace events, the JSON array format (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
 * The loop's thread formats events into one of two buffers, a thread of the trace writes the other one. When both are full
 * events are left out.
 *
 *	loop ──> filling ──swapped when there is something──> writing ──pwrite()──> file
 *
 * Each write ends the array, and the next one begins over that end: the file is JSON whenever nothing is being written.
 * A track is a thread to the viewer: its number is the worker's slot and 1; that of the pool itself is 0.
 */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/measure.h"
#include "pool/parent.h"

#define BUFFER  OX_KIB(256)
#define EVENT   1024u                   /* bytes of one, at most */
#define LIMIT   OX_MIB(64)
#define PAUSE   OX_MS(20)               /* what comes in that time is written at once */

static const char end_of_array[] = "\n]\n";

struct oxi_trace {
	int fd;
	pid_t pid;
	size_t limit;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* under the lock */
	char *filling;
	size_t len;
	bool closing;
	size_t promised;                /* bytes that the file will have, without the array's end */
	uint64_t dropped;
	/* the thread's, or after its end */
	char *writing;
	size_t at;                      /* where the array's end is in the file */
	int error;
};

/* ---- the thread ---- */

static void write_events(struct oxi_trace *t, size_t len)
{
	memcpy(t->writing + len, end_of_array, sizeof end_of_array - 1);
	len += sizeof end_of_array - 1;
	for (size_t done = 0; done < len && t->error == 0;) {
		ssize_t n = pwrite(t->fd, t->writing + done, len - done, (off_t)(t->at + done));
		if (n < 0 && errno != EINTR)
			t->error = -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	t->at += len - (sizeof end_of_array - 1);
}

static void *write_all(void *arg)
{
	struct oxi_trace *t = arg;
	struct timespec pause = { .tv_nsec = PAUSE };

	pthread_mutex_lock(&t->lock);
	while (t->len > 0 || !t->closing) {
		while (t->len == 0 && !t->closing)
			pthread_cond_wait(&t->more, &t->lock);
		bool hurry = t->closing || t->len > BUFFER / 2;
		if (!hurry) {
			pthread_mutex_unlock(&t->lock);
			nanosleep(&pause, NULL);
			pthread_mutex_lock(&t->lock);
		}
		char *full = t->filling;
		size_t len = t->len;
		t->filling = t->writing;
		t->writing = full;
		t->len = 0;
		pthread_mutex_unlock(&t->lock);
		if (len > 0 && t->error == 0)
			write_events(t, len);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* ---- events ---- */

__attribute__((format(printf, 3, 4)))
static int print(char *to, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(to, cap, format, args);
	va_end(args);
	return n >= 0 && (size_t)n < cap ? n : -1;
}

/* A JSON string, cut to what fits: names are text of the program's, and what is not ASCII becomes a question mark. */
static const char *quote(const char *s, char *to, size_t cap)
{
	size_t n = 0;

	for (; *s != '\0' && n + 3 < cap; s++) {
		if (*s == '"' || *s == '\\')
			to[n++] = '\\';
		to[n++] = (uint8_t)*s < 32 || (uint8_t)*s > 126 ? '?' : *s;
	}
	to[n] = '\0';
	return to;
}

/* The event's text, without the comma that comes before it. */
static void put_event(struct oxi_trace *t, const char *text, int len)
{
	pthread_mutex_lock(&t->lock);
	size_t size = (size_t)len + 2;
	if (len < 0 || t->len + size + sizeof end_of_array > BUFFER || t->promised + size + EVENT > t->limit) {
		t->dropped++;
	} else {
		if (t->len == 0)
			pthread_cond_signal(&t->more);
		t->len += (size_t)sprintf(t->filling + t->len, ",\n%s", text);
		t->promised += size;
	}
	pthread_mutex_unlock(&t->lock);
}

#define MICROSECONDS(ns) (long long)((ns) / 1000), (long long)((ns) % 1000)

void oxi_trace_job(struct oxi_trace *t, const struct oxi_trace_job *job)
{
	char text[EVENT], name[256];

	put_event(t, text, print(text, sizeof text,
	          "{\"name\":\"%s\",\"cat\":\"job\",\"ph\":\"X\",\"ts\":%lld.%03lld,\"dur\":%lld.%03lld,\"pid\":%d,\"tid\":%u,"
	          "\"args\":{\"status\":%d,\"bytes\":%zu}}",
	          quote(job->name, name, sizeof name), MICROSECONDS(job->begun), MICROSECONDS(job->run), (int)t->pid, job->slot + 1,
	          job->status, job->result_len));
}

void oxi_trace_event(struct oxi_trace *t, const char *name, unsigned slot, pid_t pid, int signal_number)
{
	char text[EVENT];
	ox_time now = oxi_pool_now();

	put_event(t, text, print(text, sizeof text,
	          "{\"name\":\"%s\",\"cat\":\"worker\",\"ph\":\"i\",\"s\":\"%s\",\"ts\":%lld.%03lld,\"pid\":%d,\"tid\":%u,"
	          "\"args\":{\"pid\":%d,\"signal\":%d}}",
	          name, slot == UINT_MAX ? "p" : "t", MICROSECONDS(now), (int)t->pid, slot + 1, (int)pid, signal_number));
}

/* ---- beginning and end ---- */

/* To the file at once: nothing else is written. */
static void write_now(struct oxi_trace *t, const char *text, int len)
{
	if (len < 0)
		return;
	memcpy(t->writing, text, (size_t)len);
	write_events(t, (size_t)len);
}

static void name_track(struct oxi_trace *t, const char *kind, unsigned track, const char *name)
{
	char text[EVENT], quoted[256];

	put_event(t, text, print(text, sizeof text, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":\"%s\"}}", kind,
	                         (int)t->pid, track, quote(name, quoted, sizeof quoted)));
}

static void name_tracks(struct oxi_trace *t, const ox_pool *p)
{
	char name[32];

	name_track(t, "thread_name", 0, "pool");
	for (unsigned i = 0; i < p->seat_count; i++) {
		snprintf(name, sizeof name, "worker %u", i);
		name_track(t, "thread_name", i + 1, name);
	}
}

static int open_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || ftruncate(fd, 0) < 0) {
		close(fd);
		return -ESPIPE;
	}
	return fd;
}

/* A thread with all signals blocked: they are the program's. */
static int start_thread(struct oxi_trace *t)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&t->thread, NULL, write_all, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void free_trace(struct oxi_trace *t)
{
	if (t->fd >= 0)
		close(t->fd);
	oxi_free(t->filling);
	oxi_free(t->writing);
	oxi_free(t);
}

static int open_trace(const ox_pool *p, const char *path, size_t limit, struct oxi_trace **ret)
{
	char text[EVENT], name[256];
	struct oxi_trace *t = oxi_alloc(sizeof *t);

	if (t == NULL)
		return OX_ENOMEM;
	t->pid = getpid();
	t->limit = limit > 0 ? limit : LIMIT;
	t->fd = -1;
	t->filling = oxi_alloc(BUFFER);
	t->writing = oxi_alloc(BUFFER);
	int r = t->filling == NULL || t->writing == NULL ? OX_ENOMEM : open_file(path);
	if (r >= 0) {
		t->fd = r;
		write_now(t, text, print(text, sizeof text, "[\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"%s\"}}",
		                         (int)t->pid, quote(p->options.name != NULL ? p->options.name : "pool", name, sizeof name)));
		t->promised = t->at;
		pthread_mutex_init(&t->lock, NULL);
		pthread_cond_init(&t->more, NULL);
		r = t->error < 0 ? t->error : start_thread(t);
	}
	if (r < 0) {
		free_trace(t);
		return r;
	}
	*ret = t;
	return 0;
}

void oxi_trace_close(struct oxi_trace *t)
{
	char text[EVENT];

	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	pthread_cond_signal(&t->more);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	if (t->dropped > 0 && t->error == 0)
		write_now(t, text, print(text, sizeof text, ",\n{\"name\":\"events left out\",\"ph\":\"i\",\"s\":\"p\",\"ts\":%lld.%03lld,\"pid\":%d,"
		                         "\"tid\":0,\"args\":{\"count\":%llu}}", MICROSECONDS(oxi_pool_now()), (int)t->pid,
		                         (unsigned long long)t->dropped));
	if (t->error < 0)
		oxi_log(OX_LOG_WARNING, "a pool's trace could not be written: %s", ox_strerror(t->error));
	pthread_cond_destroy(&t->more);
	pthread_mutex_destroy(&t->lock);
	free_trace(t);
}

int ox_pool_trace(ox_pool *p, const char *path, size_t limit)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if (path == NULL) {
		oxi_trace_close(p->trace);
		p->trace = NULL;
		return 0;
	}
	if (p->trace != NULL)
		return OX_EBUSY;
	int r = open_trace(p, path, limit, &p->trace);
	if (r == 0)
		name_tracks(p->trace, p);
	return r;
}
