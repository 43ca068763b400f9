/* SPDX-License-Identifier: MIT */
/* One source of records: words of the command line, an index array, or a file in some format. */
#ifndef OXBOW_CLI_SOURCE_H
#define OXBOW_CLI_SOURCE_H

#include "cli/batch/array.h"
#include "cli/batch/jsonl.h"
#include "cli/batch/names.h"
#include "cli/batch/reader.h"
#include "cli/batch/row.h"

#define OXI_ARG_MAX ((size_t)131071)    /* bytes of one argument (execve(2): MAX_ARG_STRLEN, less its NUL) */

/* How files are cut into records, and records into columns. */
struct oxi_format {
	ox_bytes separator;             /* what ends a record: a newline, a NUL, or what -d says */
	struct oxi_regex *columns;      /* NULL: a record is one value; words are cut too */
	char csv;                       /* the separator of RFC 4180; 0: no CSV */
	bool jsonl;
	bool header;                    /* the first record names the columns */
};

enum oxi_source_kind { OXI_WORDS, OXI_FILE, OXI_ARRAY };

/* What it is opened with. */
struct oxi_source_arg {
	enum oxi_source_kind kind;
	bool linked;                    /* goes in step with the source before it (:::+, ::::+) */
	const char *text;               /* a file's name, "-" for standard input; an array's text */
	char **word;                    /* n of them; borrowed */
	size_t n;
};

struct oxi_mark {
	off_t at;
	uint64_t line;
};

struct oxi_source {
	enum oxi_source_kind kind;
	bool linked;
	const char *name;               /* of a file, for messages */
	const struct oxi_format *format;
	char **word;
	struct oxi_array array;
	char number[24];                /* an index, as text */
	uint64_t count;                 /* records: of words and arrays, and of indexed files */
	uint64_t at;                    /* the record that comes next */
	struct oxi_reader reader;
	struct oxi_mark first, now;     /* behind the header; of the record that was given last */
	uint64_t line;                  /* of the byte that comes next */
	bool indexed;
	struct oxi_mark *mark;          /* of all records, count of them, once it is indexed */
	size_t columns;                 /* of every record; OXI_ANY: of the row at hand */
	struct oxi_row row;             /* the record that was given last */
	struct oxi_jsonl *json;         /* and its object */
};

/*
 * Opens it, and reads the header if there is one: it adds names. Returns: 0; a negative code, and *why says what is
 * wrong unless it is OX_ENOMEM. Blocks: while a pipe's header has not come.
 */
int oxi_source_open(struct oxi_source *s, const struct oxi_source_arg *arg, const struct oxi_format *format,
                    struct oxi_names *names, struct oxi_buffer *why);

/* Has it remember what it reads. Before the first record is read. As oxi_source_open. */
int oxi_source_keep(struct oxi_source *s, struct oxi_buffer *why);

/*
 * The next record, in s->row, until the next call. Returns: 1; 0 at the end; OX_ECANCELED, OX_ENOMEM; another negative
 * code, and *why says what is wrong and where. Yields: as oxi_reader_more.
 */
OX_YIELDS int oxi_source_next(struct oxi_source *s, struct oxi_buffer *why);

/* Back to the first record. Of a source that is kept. */
void oxi_source_rewind(struct oxi_source *s);

/* Reads it to its end and remembers where each record is: 16 bytes a record. Of a source that is kept. As oxi_source_open. */
int oxi_source_index(struct oxi_source *s, struct oxi_buffer *why);

/* Makes record i < count the next one. Of an indexed source. */
void oxi_source_seek(struct oxi_source *s, uint64_t i);

/* Adds "FILE:LINE: " or what else says where the last record came from. */
void oxi_source_where(const struct oxi_source *s, size_t column, struct oxi_buffer *why);

void oxi_source_close(struct oxi_source *s);

#endif
