/* SPDX-License-Identifier: MIT */
/*
 * Happy Eyeballs (RFC 8305): the addresses of one host race. They are tried in order, families alternating
 * (section 4); the next attempt begins when the one before has failed, or 250 ms after it began (section 5),
 * and does not end it. The first connection wins, the other attempts are cancelled.
 *
 * Each attempt is a coroutine of one group: closing the group is what ends the losers.
 *
 * If all fail, the error is the first of those that tell something about the host: "connection refused" and
 * not the "network unreachable" of a machine without IPv6.
 */
#include "loop/io/socket.h"

#define ATTEMPT_DELAY OX_MS(250)

struct race {
	const ox_connect_options *o;
	ox_stream *winner;
	int error;                      /* the one to tell if there is no winner */
};

struct attempt {
	struct race *race;
	const ox_address *address;
};

static bool about_ourselves(int error)
{
	return error == -ENETUNREACH || error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT || error == -EACCES ||
	       error == -EPERM || error == -EINVAL;
}

static void failed(struct race *race, int error)
{
	if (race->error == 0 || (about_ourselves(race->error) && !about_ourselves(error)))
		race->error = error;
}

static int attempt(void *arg)
{
	struct attempt *a = arg;
	ox_stream *s;
	int r = oxi_connect_one(a->address, a->race->o, &s);

	if (r < 0)
		failed(a->race, r);
	else if (a->race->winner)
		ox_stream_abort(s);
	else
		a->race->winner = s;
	return 0;
}

/* 1: an attempt has ended; 0: none is under way; OX_ETIMEDOUT: it is time for the next; OX_ECANCELED. */
static int wait_attempt(ox_group *g, ox_time delay)
{
	ox_future *done;
	ox_scope scope;
	int r;

	ox_scope_enter(&scope, delay);
	r = ox_group_next(g, &done);
	return ox_scope_leave(&scope, r);
}

static int run_race(struct race *race, struct attempt *attempts, size_t n)
{
	ox_group *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "connect"));
	ox_time delay = race->o->attempt_delay > 0 ? race->o->attempt_delay : ATTEMPT_DELAY;
	size_t begun = 0;
	int r = g ? 1 : OX_ENOMEM;

	while (race->winner == NULL && (r == 1 || r == OX_ETIMEDOUT || (r == 0 && begun < n))) {
		if (begun < n) {
			ox_future *f = ox_spawn(g, attempt, &attempts[begun++]);

			if (ox_future_done(f))
				failed(race, ox_future_status(f));
		}
		r = wait_attempt(g, begun < n ? delay : OX_NEVER);
	}
	ox_group_close(g);
	return race->winner ? 0 : r < 0 ? r : race->error;
}

/*
 * The order of the attempts: families in turns as long as both have some left, each in the order of the list. It
 * begins with the list's first.
 */
static void line_up(struct race *race, const ox_address *list, size_t n, struct attempt *ret)
{
	const sa_family_t first = list[0].storage.ss_family;
	size_t next[2] = { 0, 0 };      /* of the first family, and of the other one */

	for (size_t i = 0; i < n; i++)
		for (size_t turn = i; turn < i + 2; turn++) {
			size_t *k = &next[turn % 2];

			while (*k < n && (list[*k].storage.ss_family == first) != (turn % 2 == 0))
				++*k;
			if (*k < n) {
				ret[i] = (struct attempt){ race, &list[(*k)++] };
				break;
			}
		}
}

int oxi_connect_race(const ox_address *list, size_t n, const ox_connect_options *o, ox_stream **ret)
{
	struct race race = { .o = o };
	struct attempt *attempts;
	int r;

	if (n == 1)
		return oxi_connect_one(list, o, ret);
	attempts = oxi_alloc(n * sizeof(*attempts));
	if (attempts == NULL)
		return OX_ENOMEM;
	line_up(&race, list, n, attempts);
	r = run_race(&race, attempts, n);
	oxi_free(attempts);
	if (r == 0)
		*ret = race.winner;
	return r;
}
