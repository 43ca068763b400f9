/* SPDX-License-Identifier: MIT */
/* What holds back the start of the next job: a rate, a delay, the load, free memory, pressure. */
#ifndef OXBOW_CLI_THROTTLE_H
#define OXBOW_CLI_THROTTLE_H

#include <oxbow/base.h>

struct oxi_throttle_options {
	double rate;                    /* starts per second; 0: any */
	ox_time delay;                  /* between two starts */
	double load;                    /* of one minute; 0: any */
	size_t memfree;                 /* bytes available; 0: any */
	double psi[3];                  /* percent of the last 10 s in which something waited for it: see OXI_PSI; 0: any */
};

enum oxi_psi { OXI_PSI_CPU, OXI_PSI_IO, OXI_PSI_MEMORY, OXI_PSIS };

/* "50/s", "10/m", "3/h"; no unit: a second. 0, or OX_EINVAL. */
int oxi_rate_parse(const char *text, double *ret);

/* "4", "1.5", "200%" of the CPUs. 0, or OX_EINVAL. */
int oxi_load_parse(const char *text, double *ret);

/* "cpu<60,io<20,memory<10". 0; OX_EINVAL; -errno: this kernel does not tell. */
int oxi_psi_parse(const char *text, double psi[OXI_PSIS]);

struct oxi_throttle {
	struct oxi_throttle_options o;
	double tokens;                  /* of the bucket */
	ox_time filled;                 /* when tokens was right; 0: no start yet */
	ox_time next;                   /* no start before this, by the delay */
	ox_time looked;                 /* at the machine */
	const char *busy;               /* what it was short of then; NULL: nothing */
};

/* True if there is anything to ask. */
bool oxi_throttle_any(const struct oxi_throttle_options *o);

/* How long the next start has to wait for rate and delay; 0: it may be now, and is counted. No I/O. */
ox_time oxi_throttle_take(struct oxi_throttle *t, ox_time now);

/* What the machine is short of, "load", "memory" or "pressure"; NULL: nothing. Looks once a second at most. */
const char *oxi_throttle_busy(struct oxi_throttle *t, ox_time now);

#endif
