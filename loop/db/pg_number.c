/* SPDX-License-Identifier: MIT */
/*
 * Numbers as PostgreSQL writes and reads them: with a point, whatever the program's locale has. The thread's
 * locale is changed for the moment of the conversion, for there is no snprintf_l().
 */
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/db/pg.h"

static locale_t plain;

static void make_plain(void)
{
	plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);       /* glibc's "C" takes no memory */
}

static locale_t enter_plain(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_plain);
	return uselocale(plain);
}

void oxi_pg_write_real(char text[OXI_PG_NUMBER_LEN], double value)
{
	locale_t before = enter_plain();

	snprintf(text, OXI_PG_NUMBER_LEN, "%.17g", isnan(value) ? (double)NAN : value);         /* no type knows "-nan" */
	uselocale(before);
}

double oxi_pg_read_real(const char *text)
{
	locale_t before = enter_plain();
	double value = strtod(text, NULL);

	uselocale(before);
	return value;
}
