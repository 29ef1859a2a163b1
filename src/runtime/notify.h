/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_NOTIFY_H
#define LEVERET_RUNTIME_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* What a service manager is told, by the protocol of sd_notify. Where nobody asked for it, by
 * NOTIFY_SOCKET in the environment, all of this does nothing. */

/* Reads the environment; once, before other threads. */
void notify_open(void);
void notify_close(void);

/* One or several lines VARIABLE=value. Any thread; never waits. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A start or an end goes on: the manager is to have some more patience. Said once in a second at
 * most. */
void notify_extend(const char *status);

/* How often the manager wants to be told that the server lives; 0: not at all. */
uint64_t notify_watchdog_us(void);

#endif
