/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x-federation-upstream, which a federation link declares at its upstream, between the exchange and
 * the queue from which it consumes: a fanout that keeps back what has come too far or has been
 * where the link leads. Each link adds a table to the header x-received-from; the arguments say how
 * many of them there may be, less one, and who stands at the other end.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "base/reader.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

struct federation_upstream {
    void *fanout; /* owned */
    int64_t max_hops;
    struct bytes cluster, vhost; /* at the other end; data NULL where the link does not tell */
};

static bool check_arguments(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, "x-max-hops", &value))
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "Argument x-max-hops missing");
    return value.type == AMQP_TYPE_INT64 || value.type == AMQP_TYPE_INT64_ALIAS ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "Argument x-max-hops must be of type long");
}

/* The text of that name, with data NULL where there is none. */
static struct bytes text_of(struct bytes table, const char *name)
{
    struct amqp_value value;
    bool is_text = amqp_table_find(table, name, &value) && value.type == AMQP_TYPE_LONGSTR;
    return is_text ? value.bytes : (struct bytes){0};
}

static void *new_upstream(uint64_t hash_seed, struct bytes arguments)
{
    struct amqp_value hops;
    struct federation_upstream *upstream = xcalloc(1, sizeof *upstream);
    upstream->fanout = exchange_fanout_new(hash_seed, arguments);
    upstream->cluster = text_of(arguments, "x-downstream-name");
    upstream->vhost = text_of(arguments, "x-downstream-vhost");
    if (amqp_table_find(arguments, "x-max-hops", &hops))
        upstream->max_hops = hops.integer;
    return upstream;
}

static void free_upstream(void *state)
{
    struct federation_upstream *upstream = state;
    exchange_fanout_free(upstream->fanout);
    free(upstream);
}

static void add_route(void *state, struct route *route)
{
    struct federation_upstream *upstream = state;
    exchange_fanout_add(upstream->fanout, route);
}

static void remove_route(void *state, struct route *route)
{
    struct federation_upstream *upstream = state;
    exchange_fanout_remove(upstream->fanout, route);
}

static bool is_same(struct bytes a, struct bytes b)
{
    return a.data != NULL && b.data != NULL && bytes_equal(a, b);
}

static bool may_go_on(const struct federation_upstream *upstream, struct bytes headers)
{
    struct amqp_value received, hop;
    if (headers.size == 0 || !amqp_table_find(headers, "x-received-from", &received) ||
        received.type != AMQP_TYPE_ARRAY)
        return true;
    int64_t hops = 0;
    struct reader reader = reader_of(received.bytes);
    while (amqp_array_next(&reader, &hop)) {
        hops++;
        if (hop.type == AMQP_TYPE_TABLE &&
            is_same(text_of(hop.bytes, "cluster-name"), upstream->cluster) &&
            is_same(text_of(hop.bytes, "vhost"), upstream->vhost))
            return false;
    }
    return hops < upstream->max_hops;
}

static void match(void *state, const struct route_subject *subject, struct route_matches *matches)
{
    const struct federation_upstream *upstream = state;
    if (may_go_on(upstream, subject->headers))
        exchange_fanout_match(upstream->fanout, subject, matches);
}

const struct exchange_type exchange_federation_upstream = {
    .name = "x-federation-upstream",
    .routes_by_key = false,
    .check_arguments = check_arguments,
    .new = new_upstream,
    .free = free_upstream,
    .check = exchange_takes_any_binding,
    .add = add_route,
    .remove = remove_route,
    .match = match,
};
