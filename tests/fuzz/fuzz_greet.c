/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target of the texts between a pool and its hosts. The first byte says which: j the join file, h HELLO, w WELCOME, s the
 * story of a death. Whatever follows, the readers must stay inside it, and what they accept must be within its limits.
 *
 * With clang: -fsanitize=fuzzer,address. With any compiler: replay.c runs the corpus.
 */
#include <string.h>

#include "include/private/check.h"
#include "pool/greet.h"
#include "pool/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t names;

static void on_name(void *arg, const char *name)
{
	(void)arg;
	names += strlen(name);
}

static int on_slot(void *arg, unsigned slot)
{
	(void)arg;
	OXI_CHECK(slot <= UINT16_MAX);
	return 0;
}

static int on_job(void *arg, const char *name, uint64_t max_result)
{
	(void)max_result;
	on_name(arg, name);
	return 0;
}

static void check_join(const uint8_t *text, size_t len)
{
	struct oxi_join j;
	char error[64];

	if (oxi_join_parse("f", text, len, &j, error, sizeof error) < 0) {
		OXI_CHECK(memchr(error, '\0', sizeof error) != NULL);
		return;
	}
	OXI_CHECK(j.endpoints > 0 && j.endpoints <= OXI_JOIN_ENDPOINTS && oxi_key_valid(j.server_key));
	OXI_CHECK(oxi_key_valid(j.client.public_key) && oxi_key_valid(j.client.secret_key) && j.heartbeat_ms > 0);
}

static void check_hello(const uint8_t *text, size_t len)
{
	struct oxi_hello h;

	if (oxi_hello_read(text, len, &h, on_name, NULL) == 0)
		OXI_CHECK(h.slots > 0 && h.slots <= UINT16_MAX && memchr(h.host, '\0', sizeof h.host) != NULL);
}

static void check_story(const uint8_t *text, size_t len)
{
	struct oxi_story s;

	if (oxi_story_hear(text, len, &s) == 0)
		OXI_CHECK(s.crash.backtrace_len <= OXI_FRAMES && s.crash.user_time >= 0 && memchr(s.host, '\0', sizeof s.host) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct oxi_welcome_ops ops = { on_slot, on_job };
	struct oxi_welcome w;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 'j':
		check_join(data + 1, len - 1);
		break;
	case 'h':
		check_hello(data + 1, len - 1);
		break;
	case 'w':
		oxi_welcome_read(data + 1, len - 1, &w, &ops, NULL);
		break;
	case 's':
		check_story(data + 1, len - 1);
		break;
	default:
		break;
	}
	return 0;
}
