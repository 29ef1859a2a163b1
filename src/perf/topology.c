/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues, the exchange and the bindings of a run, and their removal afterwards.
 *
 * A queue's name ends in a number of fixed width, and its routing key is its name. Therefore a
 * publisher with several queues can turn one encoded message into that for another queue by
 * overwriting six digits, without moving anything that stands behind them.
 */
#include "perf/topology.h"

#include "perf/fail.h"

#include <stdio.h>

enum { DURABLE = 2 };

static const char *const exchange_types[] = {"", "direct", "fanout", "topic"};

void topology_queue_name(const struct options *options, unsigned queue, char name[])
{
    int length =
        snprintf(name, TOPOLOGY_NAME_BYTES, "%s.%0*u", options->name, TOPOLOGY_DIGITS, queue);
    if (length >= TOPOLOGY_NAME_BYTES)
        fail("--name is too long");
}

void topology_exchange_name(const struct options *options, char name[])
{
    bool is_default = options->exchange_type == EXCHANGE_DEFAULT;
    snprintf(name, TOPOLOGY_NAME_BYTES, "%s%s", is_default ? "" : options->name,
             is_default ? "" : ".exchange");
}

static void declare_exchange(struct peer *peer, const struct options *options)
{
    char name[TOPOLOGY_NAME_BYTES];
    struct frames request = {0};
    topology_exchange_name(options, name);
    frames_begin_method(&request, PEER_CHANNEL, EXCHANGE_DECLARE);
    frames_put_u16(&request, 0);
    frames_put_short_string(&request, name);
    frames_put_short_string(&request, exchange_types[options->exchange_type]);
    frames_put_u8(&request, options->is_durable ? DURABLE : 0);
    frames_put_u32(&request, 0);
    frames_end(&request);
    peer_call(peer, &request, EXCHANGE_DECLARE_OK);
    frames_fini(&request);
}

static uint64_t declare_queue(struct peer *peer, const struct options *options, const char *name)
{
    struct frames request = {0};
    frames_begin_method(&request, PEER_CHANNEL, QUEUE_DECLARE);
    frames_put_u16(&request, 0);
    frames_put_short_string(&request, name);
    frames_put_u8(&request, options->is_durable ? DURABLE : 0);
    frames_put_u32(&request, 0);
    frames_end(&request);
    struct frame reply = peer_call(peer, &request, QUEUE_DECLARE_OK);
    frames_fini(&request);
    if (reply.payload_bytes < 13)
        fail("queue.declare-ok is cut short");
    return load_u32(reply.payload + reply.payload_bytes - 8);
}

static void bind_queue(struct peer *peer, const struct options *options, const char *queue)
{
    char exchange[TOPOLOGY_NAME_BYTES];
    struct frames request = {0};
    topology_exchange_name(options, exchange);
    frames_begin_method(&request, PEER_CHANNEL, QUEUE_BIND);
    frames_put_u16(&request, 0);
    frames_put_short_string(&request, queue);
    frames_put_short_string(&request, exchange);
    frames_put_short_string(&request, queue);
    frames_put_u8(&request, 0);
    frames_put_u32(&request, 0);
    frames_end(&request);
    peer_call(peer, &request, QUEUE_BIND_OK);
    frames_fini(&request);
}

uint64_t topology_declare(struct peer *peer, const struct options *options)
{
    uint64_t standing = 0;
    bool has_exchange = options->exchange_type != EXCHANGE_DEFAULT;
    if (has_exchange)
        declare_exchange(peer, options);
    for (unsigned i = 0; i < options->queues; i++) {
        char name[TOPOLOGY_NAME_BYTES];
        topology_queue_name(options, i, name);
        standing += declare_queue(peer, options, name);
        if (has_exchange)
            bind_queue(peer, options, name);
    }
    return standing;
}

static void remove_from(struct peer *peer, uint32_t method, const char *name, uint32_t reply)
{
    struct frames request = {0};
    frames_begin_method(&request, PEER_CHANNEL, method);
    frames_put_u16(&request, 0);
    frames_put_short_string(&request, name);
    frames_put_u8(&request, 0);
    frames_end(&request);
    peer_call(peer, &request, reply);
    frames_fini(&request);
}

void topology_delete(struct peer *peer, const struct options *options)
{
    char name[TOPOLOGY_NAME_BYTES];
    for (unsigned i = 0; i < options->queues; i++) {
        topology_queue_name(options, i, name);
        remove_from(peer, QUEUE_DELETE, name, QUEUE_DELETE_OK);
    }
    topology_exchange_name(options, name);
    if (name[0] != '\0')
        remove_from(peer, EXCHANGE_DELETE, name, EXCHANGE_DELETE_OK);
}
