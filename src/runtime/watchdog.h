/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_WATCHDOG_H
#define LEVERET_RUNTIME_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox;

/* Whether threads with a mailbox get on: each is asked, and what counts is that it answers. */
struct watchdog;

/* The mailboxes, an array, are borrowed; their owners must have ended before watchdog_free. */
struct watchdog *watchdog_new(struct mailbox *mailboxes, size_t count);
void watchdog_free(struct watchdog *watchdog);

/* Have all answered since the last call? Then all are asked again; else those that have not are
 * waited for. The first call is true. */
bool watchdog_ask(struct watchdog *watchdog);

#endif
