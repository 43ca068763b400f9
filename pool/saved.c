/* SPDX-License-Identifier: MIT */
/*
 * Saved inputs: written by the main process when a job is quarantined, read by whoever replays them. The file is written
 * under a name with a dot in front and renamed, so a name that is there stands for a whole file; its name says job and
 * digest, so the same input is kept once. It is not forced to the disk: the loop waits for it as it is.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "loop/loop.h"
#include "pool/saved.h"

/* ---- identity ---- */

struct build {
	uintptr_t fn;
	char *hex;
};

static void copy_hex(char *to, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(to + 2 * i, "%02x", bytes[i]);
}

static void read_notes(const uint8_t *at, size_t len, char *hex)
{
	while (len >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)at;
		size_t name = (n->n_namesz + 3u) & ~3u, size = sizeof *n + name + ((n->n_descsz + 3u) & ~3u);
		if (size > len)
			return;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && memcmp(at + sizeof *n, "GNU", 4) == 0 &&
		    n->n_descsz <= (OXI_BUILD_ID - 1) / 2)
			copy_hex(hex, at + sizeof *n + name, n->n_descsz);
		at += size;
		len -= size;
	}
}

static int look_for_build(struct dl_phdr_info *o, size_t size, void *arg)
{
	struct build *b = arg;
	bool is_it = false;
	(void)size;

	for (unsigned i = 0; i < o->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &o->dlpi_phdr[i];
		is_it |= h->p_type == PT_LOAD && b->fn >= o->dlpi_addr + h->p_vaddr && b->fn < o->dlpi_addr + h->p_vaddr + h->p_memsz;
	}
	for (unsigned i = 0; is_it && i < o->dlpi_phnum; i++)
		if (o->dlpi_phdr[i].p_type == PT_NOTE)
			read_notes((const uint8_t *)(o->dlpi_addr + o->dlpi_phdr[i].p_vaddr), o->dlpi_phdr[i].p_memsz, b->hex);
	return is_it;
}

void oxi_build_id(const void *fn, char ret[OXI_BUILD_ID])
{
	struct build b = { (uintptr_t)fn, ret };

	strcpy(ret, "none");
	dl_iterate_phdr(look_for_build, &b);
}

/* ---- writing ---- */

struct header {
	char *text;                     /* OXI_SAVED_HEADER bytes, and as many to work in */
	size_t len;
	bool full;
};

static void put_value(struct header *h, const char *value, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)value[i];
		bool plain = c >= 32 && c != 127 && c != '%';
		if (h->len + 4 > OXI_SAVED_HEADER) {
			h->full = true;
			return;
		}
		h->len += (size_t)sprintf(h->text + h->len, plain ? "%c" : "%%%02X", c);
	}
}

static void put(struct header *h, const char *name, const char *value)
{
	if (h->len + strlen(name) + 4 > OXI_SAVED_HEADER) {
		h->full = true;
		return;
	}
	h->len += (size_t)sprintf(h->text + h->len, "%s: ", name);
	put_value(h, value, strlen(value));
	h->text[h->len++] = '\n';
}

__attribute__((format(printf, 3, 4)))
static void putf(struct header *h, const char *name, const char *format, ...)
{
	char value[512];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof value, format, args);
	va_end(args);
	put(h, name, value);
}

/* Where this program is and how it was called, so that it can be run again. */
static void put_program(struct header *h, const ox_job *job)
{
	char *words = h->text + OXI_SAVED_HEADER, path[PATH_MAX], build[OXI_BUILD_ID];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n > 0) {
		path[n] = '\0';
		put(h, "program", path);
	}
	if (getcwd(path, sizeof path) != NULL)
		put(h, "directory", path);
	oxi_build_id((const void *)job->fn, build);
	put(h, "build-id", build);
	OXI_AUTO_FD fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, words, OXI_SAVED_HEADER - OX_KIB(4)) : 0;
	if (n <= 0 || words[n - 1] != '\0')
		return;                 /* it has more than we keep: then none, rather than other ones */
	for (ssize_t i = 0; i < n && !h->full; i += (ssize_t)strlen(words + i) + 1)
		put(h, "argument", words + i);
}

static void put_story(struct header *h, const ox_crash *c)
{
	if (c == NULL)
		return;
	putf(h, "signal", "%d", c->signal);
	putf(h, "exit-code", "%d", c->exit_code);
	putf(h, "address", "%p", c->address);
	if (c->signal != 0)
		putf(h, "story", "worker %d was ended by signal %d (%s)", (int)c->pid, c->signal, strsignal(c->signal));
	else
		putf(h, "story", "worker %d exited with %d", (int)c->pid, c->exit_code);
	for (size_t i = 0; i < c->backtrace_len; i++) {
		Dl_info o;
		if (dladdr(c->backtrace[i], &o) != 0 && o.dli_fname != NULL)
			putf(h, "story", "%s+%#tx", o.dli_fname, (char *)c->backtrace[i] - (char *)o.dli_fbase);
		else
			putf(h, "story", "%p", c->backtrace[i]);
	}
}

static void put_time(struct header *h)
{
	char text[32];
	struct tm tm;
	time_t now = time(NULL);

	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	put(h, "time", text);
}

static int write_all(int fd, const void *data, size_t len)
{
	for (const char *at = data; len > 0;) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_file(const char *path, const struct header *h, const struct oxi_crashed_input *in)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int r = write_all(fd, h->text, h->len);
	if (r == 0)
		r = write_all(fd, "\n", 1);
	if (r == 0)
		r = write_all(fd, in->data, in->len);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	return r;
}

/* "score_job-0123456789abcdef.oxin" in dir, and the same with a dot before it. */
static int make_paths(const char *dir, const struct oxi_crashed_input *in, char path[PATH_MAX], char temporary[PATH_MAX])
{
	char name[65], digest[17];

	snprintf(name, sizeof name, "%s", in->job->name);
	for (char *c = name; *c != '\0'; c++)
		if (strchr("/.", *c) != NULL || (uint8_t)*c <= 32 || (uint8_t)*c >= 127)
			*c = '_';
	copy_hex(digest, in->digest, 8);
	if (snprintf(temporary, PATH_MAX, "%s/.%s-%s.%d", dir, name, digest, (int)getpid()) >= PATH_MAX ||
	    snprintf(path, PATH_MAX, "%s/%s-%s.oxin", dir, name, digest) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static void put_all(struct header *h, const struct oxi_crashed_input *in)
{
	char digest[65];

	h->len = (size_t)sprintf(h->text, OXI_SAVED_MAGIC " 1\n");
	copy_hex(digest, in->digest, 32);
	put(h, "job", in->job->name);
	putf(h, "length", "%zu", in->len);
	put(h, "sha256", digest);
	putf(h, "crashes", "%u", in->crashes);
	putf(h, "number", "%llu", (unsigned long long)in->number);
	put_time(h);
	put_story(h, in->crash);
	put_program(h, in->job);
}

int oxi_saved_write(const char *dir, const struct oxi_crashed_input *in, char path[PATH_MAX])
{
	char temporary[PATH_MAX];
	struct header h = { .text = oxi_alloc(2 * OXI_SAVED_HEADER) };
	int r = h.text != NULL ? make_paths(dir, in, path, temporary) : OX_ENOMEM;

	if (r == 0) {
		put_all(&h, in);
		r = h.full ? OX_ETOOBIG : write_file(temporary, &h, in);
	}
	if (r == 0 && rename(temporary, path) < 0) {
		r = -errno;
		unlink(temporary);
	}
	oxi_free(h.text);
	return r;
}

/* ---- reading ---- */

struct field {
	const char *name, *value;
};

struct ox_saved {
	char *file;                     /* as it was read, cut into strings */
	uint8_t *copy;                  /* of the input, aligned; NULL: it lies well in the file */
	ox_bytes input;
	size_t count;
	struct field field[];
};

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes a string in place, which makes it no longer. */
static int decode(char *value)
{
	char *to = value;

	for (const char *from = value; *from != '\0'; from++) {
		*to++ = *from;
		if (*from != '%')
			continue;
		int high = hex(from[1]), low = high >= 0 ? hex(from[2]) : -1;
		if (low < 0 || high + low == 0)
			return OX_EPROTO;
		to[-1] = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return 0;
}

/* The bytes of a regular file with room for a NUL behind them. */
static int load(const char *path, char **ret, size_t *ret_len)
{
	struct stat st;
	OXI_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return OX_EPROTO;
	char *data = oxi_alloc((size_t)st.st_size + 1);
	if (data == NULL)
		return OX_ENOMEM;
	while (len < (size_t)st.st_size && n > 0) {
		n = read(fd, data + len, (size_t)st.st_size - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		int r = -errno;
		oxi_free(data);
		return r;
	}
	*ret = data;
	*ret_len = len;
	return 0;
}

/* Ends the next line's string; NULL: there is none. */
static char *cut_line(char **at, char *end)
{
	char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line));

	if (newline == NULL || memchr(line, '\0', (size_t)(newline - line)) != NULL)
		return NULL;
	*newline = '\0';
	*at = newline + 1;
	return line;
}

/* How many fields there may be in len bytes, which start with the magic: lines until the empty one. 0: no header. */
static size_t count_lines(const char *data, size_t len)
{
	const char *empty = memmem(data, len < OXI_SAVED_HEADER ? len : OXI_SAVED_HEADER + 1, "\n\n", 2);
	size_t n = 0;

	for (const char *c = data; empty != NULL && c <= empty; c++)
		n += *c == '\n';
	return n;
}

static int parse(struct ox_saved *s, char *at, char *end)
{
	char *line = cut_line(&at, end), *rest;

	if (line == NULL || strncmp(line, OXI_SAVED_MAGIC " ", strlen(OXI_SAVED_MAGIC) + 1) != 0)
		return OX_EPROTO;
	if (strcmp(line + strlen(OXI_SAVED_MAGIC) + 1, "1") != 0)
		return OX_EVERSION;
	while ((line = cut_line(&at, end)) != NULL && *line != '\0') {
		char *value = strstr(line, ": ");
		if (value == NULL || decode(value + 2) < 0)
			return OX_EPROTO;
		*value = '\0';
		s->field[s->count++] = (struct field){ line, value + 2 };
	}
	const char *length = ox_saved_field(s, "length", 0);
	if (line == NULL || length == NULL || ox_saved_field(s, "job", 0) == NULL)
		return OX_EPROTO;
	s->input = (ox_bytes){ at, (size_t)(end - at) };
	return *length >= '0' && *length <= '9' && strtoull(length, &rest, 10) == s->input.len && *rest == '\0' ? 0 : OX_EPROTO;
}

/* The input to where it is aligned as a job may expect it. */
static int align(struct ox_saved *s)
{
	size_t gap = (16 - (uintptr_t)s->input.data % 16) % 16;

	if (gap == 0)
		return 0;
	uint8_t *copy = oxi_alloc(s->input.len + 16);
	if (copy == NULL)
		return OX_ENOMEM;
	s->copy = copy;
	s->input.data = memcpy(copy, s->input.data, s->input.len);
	return 0;
}

int ox_saved_read(const char *path, ox_saved **ret)
{
	char *data = NULL;
	size_t len = 0;
	int r = load(path, &data, &len);

	if (r < 0)
		return r;
	size_t lines = count_lines(data, len);
	struct ox_saved *s = lines > 0 ? oxi_alloc(sizeof *s + lines * sizeof *s->field) : NULL;
	if (s == NULL) {
		oxi_free(data);
		return lines > 0 ? OX_ENOMEM : OX_EPROTO;
	}
	s->file = data;
	r = parse(s, data, data + len);
	if (r == 0)
		r = align(s);
	if (r < 0)
		ox_saved_free(s);
	else
		*ret = s;
	return r;
}

const char *ox_saved_field(const ox_saved *s, const char *name, size_t i)
{
	for (size_t k = 0; s != NULL && k < s->count; k++)
		if (strcmp(s->field[k].name, name) == 0 && i-- == 0)
			return s->field[k].value;
	return NULL;
}

ox_bytes ox_saved_input(const ox_saved *s)
{
	return s != NULL ? s->input : (ox_bytes){ NULL, 0 };
}

void ox_saved_free(ox_saved *s)
{
	if (s == NULL)
		return;
	oxi_free(s->copy);
	oxi_free(s->file);
	oxi_free(s);
}
