/* SPDX-License-Identifier: MIT */
/*
 * What the sanitizers and valgrind must be told, in one place, so that the code that tells them has no #ifdef.
 */
#ifndef OXBOW_PRIVATE_SANITIZE_H
#define OXBOW_PRIVATE_SANITIZE_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define OXI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OXI_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define OXI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define OXI_TSAN 1
#endif
#endif

#ifdef OXI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define OXI_POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define OXI_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define OXI_POISON(p, n)   ((void)(p), (void)(n))
#define OXI_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* A function that reads stacks which are not its own. */
#define OXI_NO_SANITIZE __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

#ifdef OXI_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(HAVE_VALGRIND_VALGRIND_H) && !defined(OXI_ASAN) && !defined(OXI_TSAN)
#include <valgrind/valgrind.h>
#define OXI_VALGRIND 1
#endif

#endif
