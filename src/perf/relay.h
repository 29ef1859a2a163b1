/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_RELAY_H
#define LEVERET_PERF_RELAY_H

#include <sys/types.h>

/* Starts a process that stands in for a broker on a free loopback port, which is returned, for one
 * publisher and one consumer. It ends by itself when they say goodbye. */
unsigned relay_start(pid_t *process);

/* Waits for its end. */
void relay_join(pid_t process);

#endif
