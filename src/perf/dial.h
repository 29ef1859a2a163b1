/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_DIAL_H
#define LEVERET_PERF_DIAL_H

#include "perf/options.h"

/* A socket that is connected, or with is_nonblocking on its way there. Connections of different
 * numbers may come from different addresses. Ends the process when nobody listens. Only the first
 * call, which has to be a blocking one, looks the host up. */
int dial(const struct options *options, unsigned number, bool is_nonblocking);

#endif
