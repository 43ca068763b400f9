/* SPDX-License-Identifier: MIT */
/* A job that crashes on one input, as a plugin. */
#include "tests/cli/poison.h"

OX_API OX_JOB(poison_job, poison, .crash_limit = 1);
