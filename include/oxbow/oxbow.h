/* SPDX-License-Identifier: MIT */
/*
 * Oxbow: coroutines on an event loop, and a pool of worker processes, with one vocabulary. This header takes
 * in all of liboxbow; <oxbow/http.h> and <oxbow/http_server.h> belong to liboxbow-http, <oxbow/pg.h> to
 * liboxbow-pg, <oxbow/sqlite.h> to liboxbow-sqlite.
 */
#ifndef OXBOW_OXBOW_H
#define OXBOW_OXBOW_H

#include <oxbow/base.h>
#include <oxbow/actor.h>
#include <oxbow/address.h>
#include <oxbow/broadcast.h>
#include <oxbow/callback.h>
#include <oxbow/channel.h>
#include <oxbow/dir.h>
#include <oxbow/dns.h>
#include <oxbow/embed.h>
#include <oxbow/file.h>
#include <oxbow/future.h>
#include <oxbow/group.h>
#include <oxbow/inspect.h>
#include <oxbow/job.h>
#include <oxbow/log.h>
#include <oxbow/metrics.h>
#include <oxbow/nested.h>
#include <oxbow/pool.h>
#include <oxbow/process.h>
#include <oxbow/quarantine.h>
#include <oxbow/queue.h>
#include <oxbow/report.h>
#include <oxbow/run.h>
#include <oxbow/scope.h>
#include <oxbow/select.h>
#include <oxbow/server.h>
#include <oxbow/shared.h>
#include <oxbow/signal.h>
#include <oxbow/snapshot.h>
#include <oxbow/stdio.h>
#include <oxbow/stream.h>
#include <oxbow/sync.h>
#include <oxbow/task.h>
#include <oxbow/thread.h>
#include <oxbow/tls.h>
#include <oxbow/udp.h>
#include <oxbow/watch.h>
#include <oxbow/worker.h>

#endif
