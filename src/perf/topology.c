/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues, the exchange and the bindings of a run, and their removal afterwards.
 *
 * A queue's name and a routing key end in a number of fixed width. Therefore a publisher with
 * several queues, or several bindings of one, can turn one encoded message into that for another by
 * overwriting six digits, without moving anything that stands behind them.
 *
 * However many bindings there are, each routing key is taken by exactly one, so that what is to be
 * delivered is known. Those of a topic exchange are of three kinds in turn: without wildcards, with
 * a star, with a hash. Bindings are sent without waiting for each answer: there may be many.
 */
#include "perf/topology.h"

#include "perf/fail.h"

#include <stdio.h>

enum { DURABLE = 2, NO_WAIT = 16, DELETE_NO_WAIT = 4, BINDINGS_AT_ONCE = 500 };

const char topology_header[] = "perf-key";

static const char *const exchange_types[] = {"", "direct", "fanout", "topic", "headers"};
static const char *const topic_words[] = {"event", "*", "#"};

void topology_queue_name(const struct options *options, unsigned queue, char name[])
{
    int length =
        snprintf(name, TOPOLOGY_NAME_BYTES, "%s.%0*u", options->name, TOPOLOGY_DIGITS, queue);
    if (length >= TOPOLOGY_NAME_BYTES)
        fail("--name is too long");
}

static void put_key(const struct options *options, const char *word, unsigned number, char key[])
{
    int length = snprintf(key, TOPOLOGY_NAME_BYTES, "%s.%s.%0*u", options->name, word,
                          TOPOLOGY_DIGITS, number);
    if (length >= TOPOLOGY_NAME_BYTES)
        fail("--name is too long");
}

static void put_binding_key(const struct options *options, unsigned number, char key[])
{
    const unsigned words = sizeof topic_words / sizeof topic_words[0];
    bool is_topic = options->exchange_type == EXCHANGE_TOPIC;
    put_key(options, topic_words[is_topic ? number % words : 0], number, key);
}

void topology_routing_key(const struct options *options, unsigned number, char key[])
{
    if (options->exchange_type == EXCHANGE_DEFAULT)
        topology_queue_name(options, number, key);
    else
        put_key(options, topic_words[0], number, key);
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

void topology_put_declare(struct frames *request, const struct options *options, const char *queue,
                          bool is_waited_for)
{
    frames_begin_method(request, PEER_CHANNEL, QUEUE_DECLARE);
    frames_put_u16(request, 0);
    frames_put_short_string(request, queue);
    frames_put_u8(request,
                  (uint8_t)((options->is_durable ? DURABLE : 0) | (is_waited_for ? 0 : NO_WAIT)));
    frames_put_u32(request, 0);
    frames_end(request);
}

static uint64_t declare_queue(struct peer *peer, const struct options *options, const char *name)
{
    struct frames request = {0};
    topology_put_declare(&request, options, name, true);
    struct frame reply = peer_call(peer, &request, QUEUE_DECLARE_OK);
    frames_fini(&request);
    if (reply.payload_bytes < 13)
        fail("queue.declare-ok is cut short");
    return load_u32(reply.payload + reply.payload_bytes - 8);
}

static void put_binding_arguments(struct frames *request, const struct options *options,
                                  const char *key)
{
    struct frames table = {0};
    if (options->exchange_type == EXCHANGE_HEADERS) {
        frames_put_text_field(&table, "x-match", "all");
        frames_put_text_field(&table, topology_header, key);
    }
    frames_put_long_string(request, table.data, table.bytes);
    frames_fini(&table);
}

static void put_binding(struct frames *request, const struct options *options, uint32_t method,
                        unsigned queue, const char *key)
{
    char exchange[TOPOLOGY_NAME_BYTES], name[TOPOLOGY_NAME_BYTES];
    topology_exchange_name(options, exchange);
    topology_queue_name(options, queue, name);
    frames_begin_method(request, PEER_CHANNEL, method);
    frames_put_u16(request, 0);
    frames_put_short_string(request, name);
    frames_put_short_string(request, exchange);
    frames_put_short_string(request, key);
}

void topology_put_bind(struct frames *request, const struct options *options, unsigned number,
                       bool is_waited_for)
{
    char key[TOPOLOGY_NAME_BYTES];
    put_binding_key(options, number, key);
    put_binding(request, options, QUEUE_BIND, number % options->queues, key);
    frames_put_u8(request, is_waited_for ? 0 : 1);
    put_binding_arguments(request, options, key);
    frames_end(request);
}

void topology_put_unbind(struct frames *request, const struct options *options, unsigned number)
{
    char key[TOPOLOGY_NAME_BYTES];
    put_binding_key(options, number, key);
    put_binding(request, options, QUEUE_UNBIND, number % options->queues, key);
    put_binding_arguments(request, options, key);
    frames_end(request);
}

static void bind_queues(struct peer *peer, const struct options *options)
{
    struct frames request = {0};
    const unsigned keys = options_keys(options);
    for (unsigned i = 0; i < keys; i++) {
        bool is_waited_for = i + 1 == keys || (i + 1) % BINDINGS_AT_ONCE == 0;
        topology_put_bind(&request, options, i, is_waited_for);
        if (is_waited_for)
            peer_call(peer, &request, QUEUE_BIND_OK);
    }
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
    }
    if (has_exchange)
        bind_queues(peer, options);
    return standing;
}

void topology_put_delete(struct frames *request, const char *queue, bool is_waited_for)
{
    frames_begin_method(request, PEER_CHANNEL, QUEUE_DELETE);
    frames_put_u16(request, 0);
    frames_put_short_string(request, queue);
    frames_put_u8(request, is_waited_for ? 0 : DELETE_NO_WAIT);
    frames_end(request);
}

static void put_exchange_delete(struct frames *request, const char *exchange)
{
    frames_begin_method(request, PEER_CHANNEL, EXCHANGE_DELETE);
    frames_put_u16(request, 0);
    frames_put_short_string(request, exchange);
    frames_put_u8(request, 0);
    frames_end(request);
}

void topology_delete(struct peer *peer, const struct options *options)
{
    char name[TOPOLOGY_NAME_BYTES];
    struct frames request = {0};
    for (unsigned i = 0; i < options->queues; i++) {
        topology_queue_name(options, i, name);
        topology_put_delete(&request, name, true);
        peer_call(peer, &request, QUEUE_DELETE_OK);
    }
    topology_exchange_name(options, name);
    if (name[0] != '\0') {
        put_exchange_delete(&request, name);
        peer_call(peer, &request, EXCHANGE_DELETE_OK);
    }
    frames_fini(&request);
}
