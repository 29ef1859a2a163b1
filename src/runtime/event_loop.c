/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event bases as all of the server's threads have them: without locks, since nobody but its thread
 * touches one (others write to its mailbox), and without epoll's changelist, which would tell epoll
 * of a socket's end after the socket was closed, when another thread may have its number already.
 */
#include "runtime/event_loop.h"

#include <event2/event.h>

#include "base/check.h"

struct event_base *event_loop_new(void)
{
    struct event_config *config = event_config_new();
    CHECK(config != NULL);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base != NULL);
    return base;
}
