/* SPDX-License-Identifier: MIT */
/* --events: what happens in a run or a crawl, a line of JSON each (oxbow-events.schema.json). */
#ifndef OXBOW_CLI_EVENTS_H
#define OXBOW_CLI_EVENTS_H

#include <oxbow/sync.h>

#include "cli/batch/job.h"
#include "cli/json.h"

struct oxi_events {
	struct oxi_sink sink;
	ox_lock *lock;                  /* of the sink */
	uint64_t n;                     /* of the event written last */
	bool on;
};

/* "FILE" or "fd:N", before any process is started. Returns: a descriptor that no program inherits; OX_EINVAL, -errno. */
int oxi_events_open(const char *where);

/* Takes fd over, inside the loop. Returns: 0; OX_ENOMEM. */
int oxi_events_begin(struct oxi_events *e, int fd);
void oxi_events_close(struct oxi_events *e);

/* Each of these writes a line. Returns: 0; -EPIPE and the like, OX_ECANCELED, OX_ENOMEM. Does nothing when off. */
OX_YIELDS int oxi_events_run(struct oxi_events *e, const char *id, char *const *argv, uint64_t jobs);
OX_YIELDS int oxi_events_start(struct oxi_events *e, const struct oxi_job *j, unsigned slot, pid_t pid);
OX_YIELDS int oxi_events_finish(struct oxi_events *e, const struct oxi_job *j);
OX_YIELDS int oxi_events_retry(struct oxi_events *e, const struct oxi_job *j, ox_time wait);
OX_YIELDS int oxi_events_halt(struct oxi_events *e, const char *mode, const char *why);
OX_YIELDS int oxi_events_fetch(struct oxi_events *e, const char *url, bool robots, unsigned attempt);
OX_YIELDS int oxi_events_result(struct oxi_events *e, const char *url, int status, const char *error, unsigned attempt, ox_time took,
                                size_t bytes);
OX_YIELDS int oxi_events_again(struct oxi_events *e, const char *url, unsigned attempt, ox_time wait, const char *why);
OX_YIELDS int oxi_events_end(struct oxi_events *e, const struct oxi_tally *t, uint64_t skipped, int exit);

/* What is known about a finished job, as members of the object that is open in json. */
void oxi_record_members(struct oxi_json *json, const struct oxi_job *j);

/* Seconds since 1970 of a CLOCK_MONOTONIC time. */
double oxi_wall_clock(ox_time t);

#endif
