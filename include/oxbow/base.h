/* SPDX-License-Identifier: MIT */
/*
 * What every other header stands on: time, errors, and a few marks for the compiler and the eye.
 *
 * Conventions of the whole library:
 * - A call returns 0 or a count on success and a negative code on failure. System errors are -errno, Oxbow's own
 *   lie below -4096; both are printed by ox_strerror().
 * - Parameters named ret_ are written on success only, unless their text says otherwise.
 * - OX_YIELDS stands before each call that may suspend the calling coroutine. Such a call fails with OX_ECANCELED
 *   while the coroutine is inside a cancelled scope, and with OX_ESTATE outside of a coroutine.
 * - Options are structs whose first member is their size: write OX_..._OPTIONS(.member = value), or in C++ call the
 *   ox_..._options_init() beside it. A zero member means its default. Members are only ever added at the end.
 */
#ifndef OXBOW_BASE_H
#define OXBOW_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OX_VERSION "0.1.0"

#ifdef __cplusplus
#define OX_BEGIN extern "C" {
#define OX_END }
#else
#define OX_BEGIN
#define OX_END
#endif

#define OX_API __attribute__((visibility("default")))
#define OX_YIELDS                       /* the eye's `async def`: this call may suspend the caller */

OX_BEGIN

/** A point or a span of time: nanoseconds on the monotonic clock. */
typedef int64_t ox_time;
#define OX_NS(n)   ((ox_time)(n))
#define OX_US(n)   ((ox_time)((n) * 1000LL))
#define OX_MS(n)   ((ox_time)((n) * 1000000LL))
#define OX_SEC(n)  ((ox_time)((n) * 1000000000LL))
#define OX_NEVER   INT64_MAX

#define OX_KIB(n)  ((size_t)(n) << 10)
#define OX_MIB(n)  ((size_t)(n) << 20)
#define OX_GIB(n)  ((size_t)(n) << 30)

/** Bytes that somebody else owns. */
typedef struct ox_bytes {
	const void *data;
	size_t len;
} ox_bytes;

/*
 * The one table of errors: name, value, text. The first five are the system's; the others are ours. New ones
 * go to the end, values never change.
 */
#define OX_ERRORS(X)                                                                            \
	X(OX_ECANCELED,    -ECANCELED, "canceled")                                              \
	X(OX_ETIMEDOUT,    -ETIMEDOUT, "timed out")                                             \
	X(OX_ENOMEM,       -ENOMEM,    "out of memory")                                         \
	X(OX_EINVAL,       -EINVAL,    "invalid argument")                                      \
	X(OX_EBUSY,        -EBUSY,     "busy: someone else is using it")                        \
	X(OX_ECLOSED,      -4097,      "closed")                                                \
	X(OX_EINCOMPLETE,  -4098,      "ended before all of it came")                           \
	X(OX_EOVERRUN,     -4099,      "limit reached before the separator")                    \
	X(OX_ESTATE,       -4100,      "not possible in this state")                            \
	X(OX_ECRASHED,     -4101,      "the worker process died")                               \
	X(OX_EOOM,         -4102,      "the worker process went over its memory limit")         \
	X(OX_ESTUCK,       -4103,      "the worker process made no progress")                   \
	X(OX_EQUARANTINED, -4104,      "this input has crashed too many workers")               \
	X(OX_ETOOBIG,      -4105,      "larger than the limit")                                 \
	X(OX_ELOST,        -4106,      "the worker was lost")                                   \
	X(OX_EPROTO,       -4107,      "protocol error")                                        \
	X(OX_EVERSION,     -4108,      "the other side speaks another version")                 \
	X(OX_EAUTH,        -4109,      "not authorised")                                        \
	X(OX_EINIT,        -4110,      "no new worker could be set up")                \
	X(OX_ENOJOB,       -4111,      "the pool does not know this job")                       \
	X(OX_EFORKED,      -4112,      "called in a forked child of the process that owns it")  \
	X(OX_ESANDBOX,     -4113,      "forbidden by the sandbox")                              \
	X(OX_EDNS,         -4114,      "the host name could not be resolved")                   \
	X(OX_ETLS,         -4115,      "TLS failed")                                            \
	X(OX_EDB,          -4116,      "the database reported an error")                        \
	X(OX_EDEPENDENCY,  -4117,      "a job that it was to come after has failed")            \
	X(OX_EDEPTH,       -4118,      "too many jobs stand in one another")

enum {
#define OX_ERROR_ENUM_(name, value, text) name = value,
	OX_ERRORS(OX_ERROR_ENUM_)
#undef OX_ERROR_ENUM_
};

/**
 * Says in words what a code means.
 *
 * @code: any result of a call; 0 and more are "ok".
 * Returns: a static text, never NULL.
 * Call from: anywhere. Threads: any. After fork: yes. Since: 0.1
 */
OX_API const char *ox_strerror(int code);

/**
 * Gives the symbol of one of Oxbow's codes, "OX_ECRASHED" for instance.
 *
 * Returns: a static text; NULL for a code that is not in the table.
 * Call from: anywhere. Threads: any. After fork: yes. Since: 0.1
 */
OX_API const char *ox_strerror_name(int code);

/** The version of the library that is linked: compare it with OX_VERSION. Since: 0.1 */
OX_API const char *ox_version(void);

/** The file and line of a call, as "file.c:12". */
#define OX_SITE_TEXT_(line) #line
#define OX_SITE_LINE_(line) OX_SITE_TEXT_(line)
#define OX_SITE __FILE__ ":" OX_SITE_LINE_(__LINE__)

OX_END

#endif
