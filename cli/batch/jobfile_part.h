/* SPDX-License-Identifier: MIT */
/* What the parts of the job file's reader share. */
#ifndef OXBOW_CLI_JOBFILE_PART_H
#define OXBOW_CLI_JOBFILE_PART_H

#include "cli/batch/jobfile.h"

/* ---- text -> nodes. 0; OX_EINVAL, and *why says what is wrong and where; OX_ENOMEM ---- */

/* A line of JSON, which has to be an object. */
int oxi_jobfile_json(const struct oxi_jobfile *f, ox_bytes line, uint32_t number, struct oxi_arena *a, struct oxi_node **ret,
                     struct oxi_buffer *why);

/* A YAML document. *ret: NULL if it is empty. */
int oxi_jobfile_yaml(const struct oxi_jobfile *f, ox_bytes text, struct oxi_arena *a, struct oxi_node **ret, struct oxi_buffer *why);

/* ---- nodes -> values ---- */

struct oxi_taker {
	const struct oxi_jobfile *f;
	struct oxi_arena *memory;       /* for what is taken */
	struct oxi_buffer *why;
	const struct oxi_node *bad;     /* what is wrong, when a take refuses without a word; NULL: it was said */
};

/* A member of a map in the file: its key, and what makes a value of it. */
struct oxi_member {
	const char *name;
	int (*take)(struct oxi_taker *t, const struct oxi_node *value, void *to);       /* 0; OX_EINVAL with t->bad; OX_ENOMEM */
	const char *form;               /* what is expected: "give ..." */
	unsigned is;
};

enum {
	OXI_M_NEEDED = 1,               /* the map must have it */
	OXI_M_ONE = 2,                  /* it must have just one of these */
	OXI_M_CHOICE = 4,               /* it may have one of these */
	OXI_M_OWN = 8,                  /* is no default */
	OXI_M_LINE = 16,                /* of a line of JSON only */
	OXI_M_FILE = 32,                /* of YAML only */
	OXI_M_PROCESS = 64,             /* of run and sh only */
};

struct oxi_members {
	const char *what;               /* they are of: "a job" */
	const struct oxi_member *row;
	size_t n;
};

/* Takes all members of a map; those that are one of `without` are not known in it. As the take of a member. */
int oxi_take_map(struct oxi_taker *t, const struct oxi_members *m, unsigned without, const struct oxi_node *map, void *to);

/* Says what is wrong, and returns OX_EINVAL. */
int oxi_taker_fault(struct oxi_taker *t, struct oxi_spot spot, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Refuses a node without a word: OX_EINVAL. */
int oxi_taker_refuse(struct oxi_taker *t, const struct oxi_node *bad);

/* Text that is not empty, or {"$b64": ...}. room: bytes left free before it. */
int oxi_take_text(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret);

/* The same, and it may be empty; it is a word, and a command may have it. */
int oxi_take_word(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret);

/* A list of words or texts. */
typedef int oxi_take_fn(struct oxi_taker *t, const struct oxi_node *value, size_t room, struct oxi_text *ret);
int oxi_take_list(struct oxi_taker *t, const struct oxi_node *list, oxi_take_fn *take, struct oxi_text **ret, size_t *ret_n);

/* Of an entry or, own false, of defaults: a map. */
int oxi_take_entry(struct oxi_taker *t, const struct oxi_node *map, bool own, struct oxi_entry *e);

/* What stands before the entries of a file: *ret_jobs is the map of them, or NULL. */
int oxi_take_head(struct oxi_jobfile *f, const struct oxi_node *map, const struct oxi_node **ret_jobs, struct oxi_buffer *why);

/* Whether text may be the name of an entry. */
bool oxi_entry_name_ok(const char *text, size_t len);

#endif
