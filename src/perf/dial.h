/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_DIAL_H
#define LEVERET_PERF_DIAL_H

#include "perf/options.h"

/* A socket that is connected, or with is_nonblocking on its way there. Connections of different
 * numbers may come from different addresses. Ends the process when nobody listens. Only the first
 * call, which has to be a blocking one, looks the host up. */
int dial(const struct options *options, unsigned number, bool is_nonblocking);

/* For a socket inside this machine. Some systems' congestion control paces what is sent, with a
 * timer for each 64 KiB; there it would find out nothing, and the timers would be what is measured.
 */
void dial_avoid_pacing(int fd);

#endif
