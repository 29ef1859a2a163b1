/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One timer for all gates: the earliest time that any of them asked for. A gate asks when it is
 * given up, under its own mutex; the loop is woken only where the earliest time came closer.
 */
#include "runtime/wake.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/mailbox.h"

enum { late_max_ms = 500 }; /* the wall clock may be set: look again after so long at the latest */

struct wake {
    struct mailbox *mailbox; /* borrowed */
    struct event *timer;
    pthread_mutex_t mutex; /* taken after a gate's; guards what follows */
    struct heap due;       /* struct wake_node */
};

struct rearm {
    struct task task;
    struct wake *wake;
};

static void arm(struct wake *wake)
{
    pthread_mutex_lock(&wake->mutex);
    const struct heap_node *first = heap_first(&wake->due);
    uint64_t due_ms = first != NULL ? first->key : UINT64_MAX;
    pthread_mutex_unlock(&wake->mutex);
    if (due_ms == UINT64_MAX) {
        event_del(wake->timer);
        return;
    }
    uint64_t now_ms = clock_wall_ms();
    uint64_t left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
    if (left_ms > late_max_ms)
        left_ms = late_max_ms;
    struct timeval left = {.tv_usec = (suseconds_t)left_ms * 1000};
    CHECK(event_add(wake->timer, &left) == 0);
}

static void run_rearm(struct task *task)
{
    struct rearm *rearm = container_of(task, struct rearm, task);
    arm(rearm->wake);
    free(rearm);
}

/* The next gate that is due, or NULL. */
static struct gate *take_due(struct wake *wake, uint64_t now_ms)
{
    struct gate *gate = NULL;
    pthread_mutex_lock(&wake->mutex);
    struct heap_node *first = heap_first(&wake->due);
    if (first != NULL && first->key <= now_ms) {
        gate = container_of(first, struct wake_node, heap_node)->gate;
        heap_remove(&wake->due, first);
    }
    pthread_mutex_unlock(&wake->mutex);
    return gate;
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct wake *wake = context;
    struct gate *gate;
    (void)fd, (void)what;
    uint64_t now_ms = clock_wall_ms();
    while ((gate = take_due(wake, now_ms)) != NULL)
        gate_tick(gate);
    arm(wake);
}

struct wake *wake_new(struct event_base *base, struct mailbox *mailbox)
{
    struct wake *wake = xcalloc(1, sizeof *wake);
    wake->mailbox = mailbox;
    wake->timer = event_new(base, -1, 0, on_timer, wake);
    CHECK(wake->timer != NULL);
    CHECK(pthread_mutex_init(&wake->mutex, NULL) == 0);
    return wake;
}

void wake_free(struct wake *wake)
{
    if (wake == NULL)
        return;
    CHECK(heap_first(&wake->due) == NULL);
    event_free(wake->timer);
    heap_fini(&wake->due);
    pthread_mutex_destroy(&wake->mutex);
    free(wake);
}

void wake_at(struct wake *wake, struct wake_node *node, struct gate *gate, uint64_t due_ms)
{
    pthread_mutex_lock(&wake->mutex);
    bool is_closer = false;
    if (!heap_node_is_set(&node->heap_node) || due_ms < node->heap_node.key) {
        node->gate = gate;
        heap_set(&wake->due, &node->heap_node, due_ms);
        is_closer = heap_first(&wake->due) == &node->heap_node;
    }
    pthread_mutex_unlock(&wake->mutex);
    if (!is_closer)
        return;
    struct rearm *rearm = xmalloc(sizeof *rearm);
    *rearm = (struct rearm){{.run = run_rearm}, wake};
    mailbox_post_task(wake->mailbox, &rearm->task);
}

void wake_forget(struct wake *wake, struct wake_node *node)
{
    pthread_mutex_lock(&wake->mutex);
    heap_remove(&wake->due, &node->heap_node);
    pthread_mutex_unlock(&wake->mutex);
}
