/* SPDX-License-Identifier: MIT */
/* Things that are due at a time: a heap, so that ten thousand that wait cost nothing but their memory. */
#ifndef OXBOW_CLI_ALARM_H
#define OXBOW_CLI_ALARM_H

#include <oxbow/base.h>

/* Part of what is due; all-zero: not set. */
struct oxi_alarm {
	ox_time at;
	size_t place;                   /* in the heap, from 1; 0: not set */
};

struct oxi_alarms {
	struct oxi_alarm **heap;        /* the earliest first; heap[i] is not later than heap[2i + 1] and heap[2i + 2] */
	size_t n, cap;
};

/* Sets an alarm, or moves one that is set. Returns: 0; OX_ENOMEM, which moving never does. */
int oxi_alarm_set(struct oxi_alarms *s, struct oxi_alarm *a, ox_time at);
void oxi_alarm_clear(struct oxi_alarms *s, struct oxi_alarm *a);        /* also of one that is not set */

/* Takes out the earliest that is due at now. NULL: none is. */
struct oxi_alarm *oxi_alarms_due(struct oxi_alarms *s, ox_time now);

/* When the earliest is due; OX_NEVER: there is none. */
ox_time oxi_alarms_next(const struct oxi_alarms *s);

void oxi_alarms_free(struct oxi_alarms *s);

#endif
