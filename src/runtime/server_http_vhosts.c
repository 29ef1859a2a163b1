/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the handlers of the management API, and leveretctl, ask about single objects of a vhost. The
 * main thread asks the core through its gate and waits for the answer; lists are made elsewhere, in
 * slices.
 */
#include "runtime/gate.h"
#include "runtime/server_internal.h"

struct lookup {
    struct bytes name;
    bool is_there;
    struct server_queue_facts facts; /* of a queue */
};

static void find_queue(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct lookup *lookup = context;
    struct queue_status status;
    (void)now_ms;
    lookup->is_there = vhost_queue_status(vhost, lookup->name, &status);
    if (lookup->is_there)
        lookup->facts = (struct server_queue_facts){status.type, status.ready};
}

static void find_exchange(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct lookup *lookup = context;
    (void)now_ms;
    lookup->is_there = vhost_has_exchange(vhost, lookup->name);
}

static bool look_up(struct server *server, const char *vhost, gate_function *find,
                    struct lookup *lookup)
{
    struct gate *gate = server_find_gate(server, bytes_of_text(vhost));
    if (gate == NULL)
        return false;
    gate_ask(gate, find, lookup);
    server_release_gate(server, gate);
    return lookup->is_there;
}

bool server_has_vhost(void *context, const char *vhost)
{
    struct gate *gate = server_find_gate(context, bytes_of_text(vhost));
    if (gate != NULL)
        server_release_gate(context, gate);
    return gate != NULL;
}

bool server_has_queue(void *context, const char *vhost, const char *queue)
{
    struct lookup lookup = {.name = bytes_of_text(queue)};
    return look_up(context, vhost, find_queue, &lookup);
}

bool server_queue_facts(struct server *server, const char *vhost, const char *queue,
                        struct server_queue_facts *facts)
{
    struct lookup lookup = {.name = bytes_of_text(queue)};
    bool is_there = look_up(server, vhost, find_queue, &lookup);
    *facts = lookup.facts;
    return is_there;
}

bool server_has_exchange(void *context, const char *vhost, const char *exchange)
{
    struct lookup lookup = {.name = bytes_of_text(exchange)};
    return look_up(context, vhost, find_exchange, &lookup);
}
