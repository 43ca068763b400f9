/* SPDX-License-Identifier: MIT */
/*
 * What happens and has nobody to be told to: an error of a task that nobody asks any more, a server that
 * cannot accept for lack of descriptors, a coroutine that holds up the loop. The library never prints; it
 * calls this hook, and is silent where none is set.
 */
#ifndef OXBOW_LOG_H
#define OXBOW_LOG_H

#include <oxbow/base.h>

OX_BEGIN

typedef enum ox_log_level { OX_LOG_ERROR, OX_LOG_WARNING, OX_LOG_INFO, OX_LOG_DEBUG } ox_log_level;

/** Takes one message: UTF-8, without a newline at its end, valid during the call. Must not yield. */
typedef void ox_log_fn(void *arg, ox_log_level level, const char *text);

/**
 * Sets the hook of the process.
 *
 * @fn: NULL for none, which it is at first. It is called on the thread where the thing happened.
 * Call from: anywhere, before the first loop runs. Threads: not while another one may log. Since: 0.1
 */
OX_API void ox_log_set(ox_log_fn *fn, void *arg);

/** A hook ready to use: a line on standard error, "oxbow: warning: ...". Since: 0.1 */
OX_API void ox_log_stderr(void *arg, ox_log_level level, const char *text);

OX_END

#endif
