/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_EVENT_LOOP_H
#define LEVERET_RUNTIME_EVENT_LOOP_H

struct event_base;

/* An event base for one thread alone; the caller's. */
struct event_base *event_loop_new(void);

#endif
