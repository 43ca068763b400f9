/* SPDX-License-Identifier: MIT */
/* What is measured of each kind of job, in memory that is made when the pool opens: a result costs three additions. */
#include "pool/measure.h"
#include "pool/parent.h"

struct oxi_measured *oxi_measured_new(unsigned kinds)
{
	return oxi_alloc(kinds * sizeof(struct oxi_measured));
}

void oxi_measured_add(struct oxi_measured *m, const struct oxi_times *t)
{
	ox_histogram_add(&m->time[OX_JOB_QUEUE], t->begun - t->queued);
	ox_histogram_add(&m->time[OX_JOB_RUN], t->run);
	ox_histogram_add(&m->time[OX_JOB_ROUND_TRIP], t->now - t->queued);
}

int ox_pool_get_histogram(const ox_pool *p, const ox_job *job, ox_job_time which, ox_histogram *ret)
{
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	if ((int)which < 0 || which > OX_JOB_ROUND_TRIP || job == NULL)
		return OX_EINVAL;
	const struct oxi_kind *kind = oxi_pool_find_kind(p, job);
	if (kind == NULL)
		return OX_ENOJOB;
	if (p->measured == NULL)
		return OX_ESTATE;
	*ret = p->measured[kind - p->kinds].time[which];
	return 0;
}
