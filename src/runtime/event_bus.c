/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever has an event may be in the middle of anything: the holder of another vhost's gate, the
 * main thread with a change of users, a reactor with a login. None of them may wait for the vhost
 * that has the exchange, nor run it on its own stack, or two vhosts would be entered inside one
 * another. So messages are put into a list here, and the gate gets a note that there is something,
 * one note for however many: its next holder takes the whole list. Where nobody holds the gate, a
 * reactor is asked to.
 *
 * The list is first come first served. A gate posts the events of a run before the run's replies
 * leave, so whoever has a reply finds the event in front of everything that is asked of the vhost
 * with the exchange from then on.
 *
 * The list is bounded: a vhost that cannot keep up loses events, not memory. Locks are taken in the
 * order bus, gate, mailbox.
 */
#include "runtime/event_bus.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "queue/message.h"
#include "runtime/gate.h"

enum { waiting_max = 65536, waiting_bytes_max = 64 << 20 };

struct event_bus {
    _Atomic bool is_wanted;
    pthread_mutex_t mutex;
    struct gate *gate;         /* borrowed; NULL: there is no such vhost */
    struct message **messages; /* owned, with a reference each */
    size_t count, capacity;
    size_t bytes;
    uint64_t dropped_count;
    bool is_announced; /* the gate knows that there is something */
};

struct event_bus *event_bus_new(void)
{
    struct event_bus *bus = xcalloc(1, sizeof *bus);
    CHECK(pthread_mutex_init(&bus->mutex, NULL) == 0);
    return bus;
}

static void drop_all_locked(struct event_bus *bus)
{
    for (size_t i = 0; i < bus->count; i++)
        message_unref(bus->messages[i]);
    bus->count = 0;
    bus->bytes = 0;
}

void event_bus_free(struct event_bus *bus)
{
    drop_all_locked(bus);
    free(bus->messages);
    pthread_mutex_destroy(&bus->mutex);
    free(bus);
}

_Atomic bool *event_bus_interest(struct event_bus *bus)
{
    return &bus->is_wanted;
}

void event_bus_attach(struct event_bus *bus, struct gate *gate)
{
    pthread_mutex_lock(&bus->mutex);
    bus->gate = gate;
    bus->is_announced = false;
    pthread_mutex_unlock(&bus->mutex);
}

void event_bus_detach(struct event_bus *bus, const struct gate *gate)
{
    pthread_mutex_lock(&bus->mutex);
    if (bus->gate == gate) {
        bus->gate = NULL;
        drop_all_locked(bus);
        atomic_store_explicit(&bus->is_wanted, false, memory_order_release);
    }
    pthread_mutex_unlock(&bus->mutex);
}

/* --- handing over */

static void add_locked(struct event_bus *bus, struct message *message)
{
    if (bus->gate == NULL || bus->count >= waiting_max || bus->bytes >= waiting_bytes_max) {
        bus->dropped_count += bus->gate != NULL;
        message_unref(message);
        return;
    }
    bus->messages = xgrow(bus->messages, &bus->capacity, bus->count + 1, sizeof bus->messages[0]);
    bus->messages[bus->count++] = message;
    bus->bytes += message_footprint(message);
}

void event_bus_post(struct event_bus *bus, struct message **messages, size_t count)
{
    pthread_mutex_lock(&bus->mutex);
    for (size_t i = 0; i < count; i++)
        add_locked(bus, messages[i]);
    if (bus->count > 0 && !bus->is_announced) {
        bus->is_announced = true;
        gate_announce_events(bus->gate, bus);
    }
    pthread_mutex_unlock(&bus->mutex);
}

void event_bus_post_one(struct event_bus *bus, struct message *message)
{
    event_bus_post(bus, &message, 1);
}

size_t event_bus_take(struct event_bus *bus, const struct gate *gate, struct message ***messages)
{
    pthread_mutex_lock(&bus->mutex);
    if (bus->gate != gate) {
        pthread_mutex_unlock(&bus->mutex);
        *messages = NULL;
        return 0;
    }
    size_t count = bus->count;
    *messages = bus->messages;
    bus->messages = NULL;
    bus->count = bus->capacity = 0;
    bus->bytes = 0;
    bus->is_announced = false;
    pthread_mutex_unlock(&bus->mutex);
    return count;
}

uint64_t event_bus_dropped(struct event_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
    uint64_t count = bus->dropped_count;
    pthread_mutex_unlock(&bus->mutex);
    return count;
}
