/* SPDX-License-Identifier: MIT */
/* The inside of a queue, for channels, whose ends wait in its lists with clauses of their own. */
#ifndef OXBOW_LOOP_QUEUE_H
#define OXBOW_LOOP_QUEUE_H

#include <oxbow/queue.h>

#include "loop/select.h"
#include "loop/store.h"

struct ox_queue {
	uint64_t magic;
	struct oxi_store store;
	size_t capacity;
	size_t unfinished;              /* put and not yet task_done */
	struct oxi_list putters;        /* clauses; item is what they put */
	struct oxi_list getters;        /* clauses; ret is where it goes */
	struct oxi_list joiners;        /* waits */
	bool shut;
};

#endif
