/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The x-consistent-hash exchange: every message goes to one destination, chosen by a hash of its
 * routing key, of a header or of a property; a binding's key is the destination's weight, the share
 * of the messages that it gets. When a destination comes or goes, only its share moves.
 *
 * This is weighted rendezvous hashing. Each destination has a number of its own for each value,
 * made of both hashes and uniform in (0, 1], and its score is -log(number) / weight: among
 * exponential variables of these rates, each is the least with a probability in proportion to its
 * rate. The least wins. Nothing depends on anything but the name and the weight of a destination:
 * not on the order of the bindings, not on a restart, not on what was bound before. A destination
 * that goes takes no other's least score away; that is why nothing else moves. The hashes have no
 * secret seed for the same reason. RabbitMQ's ring renumbers what stands behind the place that
 * becomes free, so more moves there than a share.
 *
 * A match looks at every destination. That is a few nanoseconds each, and a logarithm only where
 * weights differ; tables that find it at once (rings of many points) are uneven or depend on their
 * history.
 *
 * A destination counts once, with the weight of its oldest binding, as in RabbitMQ.
 */
#include "exchange/exchange_type.h"

#include <math.h>
#include <stdlib.h>

#include "amqp/erlang.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

/* What is hashed: the routing key where the exchange's arguments name nothing else. */
enum source {
    SOURCE_KEY,
    SOURCE_HEADER,
    SOURCE_CORRELATION_ID,
    SOURCE_MESSAGE_ID,
    SOURCE_TIMESTAMP
};

struct property {
    const char *name;
    enum source source;
};

static const struct property properties[] = {
    {"correlation_id", SOURCE_CORRELATION_ID},
    {"message_id", SOURCE_MESSAGE_ID},
    {"timestamp", SOURCE_TIMESTAMP},
};

/* One that messages may go to. */
struct member {
    struct hash_node by_name;
    uint64_t hash;        /* of the destination */
    double share;         /* 1 / weight */
    struct route *routes; /* all that lead there, the newest first; the oldest counts */
    struct route *oldest;
    size_t place; /* in the array of members */
};

struct consistent_hash {
    enum source source;
    struct bytes header;     /* SOURCE_HEADER: its name, a view into the arguments */
    struct hash_table names; /* struct member, by destination */
    struct member **members; /* owned, with the members */
    size_t count, capacity;
    bool is_weighed; /* is_even is up to date */
    bool is_even;    /* all weights are equal */
};

/* --- the exchange's arguments --- */

static const struct property *property_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (bytes_equal_text(name, properties[i].name))
            return &properties[i];
    }
    return NULL;
}

/* RabbitMQ dies of such a type, and the client sees 541. */
static bool check_is_text(const struct amqp_value *value, const char *name,
                          struct amqp_error *error)
{
    return value->type == AMQP_TYPE_LONGSTR ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED, "invalid type '%s' for arg '%s'",
                          amqp_value_type_name(value->type), name);
}

static bool consistent_hash_check_arguments(struct bytes arguments, struct amqp_error *error)
{
    struct amqp_value header, property;
    bool has_header = amqp_table_find(arguments, "hash-header", &header);
    bool has_property = amqp_table_find(arguments, "hash-property", &property);
    if (has_header && !check_is_text(&header, "hash-header", error))
        return false;
    if (has_property && !check_is_text(&property, "hash-property", error))
        return false;
    if (has_header && has_property)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                              "hash-header and hash-property are mutually exclusive");
    return !has_property || property_find(property.bytes) != NULL ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED, "Unsupported property: %.*s",
                          (int)property.bytes.size, (const char *)property.bytes.data);
}

static void *consistent_hash_new(uint64_t hash_seed, struct bytes arguments)
{
    struct consistent_hash *hash = xcalloc(1, sizeof *hash);
    struct amqp_value value;
    (void)hash_seed;
    hash_table_init(&hash->names);
    if (amqp_table_find(arguments, "hash-header", &value)) {
        hash->source = SOURCE_HEADER;
        hash->header = value.bytes;
    } else if (amqp_table_find(arguments, "hash-property", &value)) {
        hash->source = property_find(value.bytes)->source;
    }
    return hash;
}

/* --- a binding's weight --- */

/* The weight that a binding's key says, as Erlang reads integers: digits, with a sign or without.
 * false where it is no integer. */
static bool parse_weight(struct bytes key, double *weight)
{
    bool has_sign = key.size > 0 && (key.data[0] == '+' || key.data[0] == '-');
    double number = 0;
    if (key.size == (has_sign ? 1 : 0))
        return false;
    for (size_t i = has_sign ? 1 : 0; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9')
            return false;
        number = number * 10 + (key.data[i] - '0');
    }
    *weight = has_sign && key.data[0] == '-' ? -number : number;
    return true;
}

static bool refuse_weight(struct bytes key, struct amqp_error *error)
{
    struct buffer text = {0};
    erlang_append_binary(&text, key);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED, "The binding key must be an integer: %.*s",
                   (int)text.size, (const char *)text.data);
    buffer_fini(&text);
    return false;
}

/* Newer versions of RabbitMQ take at most 10,000, because there the weight is paid in memory. */
static bool consistent_hash_check(const void *state, const struct route *route,
                                  struct amqp_error *error)
{
    double weight;
    (void)state;
    if (!parse_weight(route->key, &weight))
        return refuse_weight(route->key, error);
    return weight > 0 || amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                                        "The binding key must be greater than 0");
}

static double share_of(const struct route *route)
{
    double weight = 0;
    CHECK(parse_weight(route->key, &weight) && weight > 0);
    return 1.0 / weight;
}

/* --- members --- */

static uint64_t destination_hash(const struct route *route)
{
    return bytes_hash(route->destination, route->target == ROUTE_TO_EXCHANGE);
}

static bool is_destination(const struct hash_node *node, const void *key)
{
    const struct route *route = container_of(node, struct member, by_name)->oldest;
    const struct route *wanted = key;
    return (route->target == ROUTE_TO_EXCHANGE) == (wanted->target == ROUTE_TO_EXCHANGE) &&
           bytes_equal(route->destination, wanted->destination);
}

static struct member *member_new(struct consistent_hash *hash, struct route *route)
{
    struct member *member = xcalloc(1, sizeof *member);
    member->hash = destination_hash(route);
    member->oldest = route;
    member->share = share_of(route);
    member->place = hash->count;
    hash->members = xgrow(hash->members, &hash->capacity, hash->count + 1, sizeof(struct member *));
    hash->members[hash->count++] = member;
    hash_table_insert(&hash->names, &member->by_name, member->hash);
    return member;
}

static void member_remove(struct consistent_hash *hash, struct member *member)
{
    struct member *last = hash->members[--hash->count];
    hash->members[member->place] = last;
    last->place = member->place;
    hash_table_remove(&hash->names, &member->by_name);
    free(member);
}

static void consistent_hash_free(void *state)
{
    struct consistent_hash *hash = state;
    while (hash->count > 0)
        member_remove(hash, hash->members[hash->count - 1]);
    hash_table_fini(&hash->names);
    free(hash->members);
    free(hash);
}

static void consistent_hash_add(void *state, struct route *route)
{
    struct consistent_hash *hash = state;
    struct hash_node *node =
        hash_table_find(&hash->names, destination_hash(route), is_destination, route);
    struct member *member =
        node != NULL ? container_of(node, struct member, by_name) : member_new(hash, route);
    route->index_entry = member;
    route_chain_add(&member->routes, route);
    hash->is_weighed = false;
}

static void consistent_hash_remove(void *state, struct route *route)
{
    struct consistent_hash *hash = state;
    struct member *member = route->index_entry;
    CHECK(member != NULL);
    route->index_entry = NULL;
    route_chain_remove(route);
    if (member->routes == NULL) {
        member_remove(hash, member);
    } else if (member->oldest == route) {
        for (member->oldest = member->routes; member->oldest->next != NULL;)
            member->oldest = member->oldest->next;
        member->share = share_of(member->oldest);
    }
    hash->is_weighed = false;
}

/* --- matching --- */

/* Integers of all widths that are equal hash alike; of an array its first value counts. */
static uint64_t hash_value(const struct amqp_value *value)
{
    struct buffer text = {0};
    struct amqp_value first;
    int64_t integer;
    if (value->type == AMQP_TYPE_LONGSTR || value->type == AMQP_TYPE_BINARY)
        return bytes_hash(value->bytes, 0);
    if (amqp_value_get_integer(value, &integer))
        return hash_u64((uint64_t)integer);
    if (value->type == AMQP_TYPE_ARRAY) {
        struct reader reader = reader_of(value->bytes);
        if (!amqp_array_next(&reader, &first))
            return 0;
        value = &first;
    }
    amqp_value_append_text(&text, value);
    uint64_t hash = bytes_hash(buffer_bytes(&text), value->type);
    buffer_fini(&text);
    return hash;
}

static uint64_t hash_header(struct bytes headers, struct bytes name)
{
    struct amqp_value value;
    return amqp_table_find_bytes(headers, name, &value) ? hash_value(&value) : 0;
}

static uint64_t hash_property(struct bytes raw, enum source source)
{
    struct amqp_properties parsed;
    if (!amqp_properties_parse(raw, &parsed))
        return 0;
    switch (source) {
    case SOURCE_CORRELATION_ID:
        return bytes_hash(parsed.correlation_id, 0);
    case SOURCE_MESSAGE_ID:
        return bytes_hash(parsed.message_id, 0);
    default:
        return hash_u64(parsed.timestamp_s);
    }
}

/* Messages that lack what is hashed all go the same way, as in RabbitMQ. */
static uint64_t hash_subject(const struct consistent_hash *hash,
                             const struct route_subject *subject)
{
    switch (hash->source) {
    case SOURCE_KEY:
        return bytes_hash(subject->keys[0], 0);
    case SOURCE_HEADER:
        return hash_header(subject->headers, hash->header);
    default:
        return hash_property(subject->properties, hash->source);
    }
}

static uint64_t number_of(const struct member *member, uint64_t hash)
{
    return hash_u64(member->hash ^ hash_u64(hash + 0x9e3779b97f4a7c15u));
}

/* Equal weights: the least logarithm is that of the largest number. */
static const struct member *choose_even(const struct consistent_hash *hash, uint64_t value)
{
    const struct member *chosen = hash->members[0];
    uint64_t chosen_number = number_of(chosen, value);
    for (size_t i = 1; i < hash->count; i++) {
        uint64_t number = number_of(hash->members[i], value);
        if (number > chosen_number) {
            chosen = hash->members[i];
            chosen_number = number;
        }
    }
    return chosen;
}

static double score_of(const struct member *member, uint64_t value)
{
    uint64_t number = number_of(member, value) >> 11; /* what a double holds exactly */
    return -log(((double)number + 1) / 0x1p53) * member->share;
}

static const struct member *choose_uneven(const struct consistent_hash *hash, uint64_t value)
{
    const struct member *chosen = hash->members[0];
    double chosen_score = score_of(chosen, value);
    for (size_t i = 1; i < hash->count; i++) {
        double score = score_of(hash->members[i], value);
        if (score < chosen_score) {
            chosen = hash->members[i];
            chosen_score = score;
        }
    }
    return chosen;
}

static void weigh(struct consistent_hash *hash)
{
    double share = hash->members[0]->share;
    hash->is_weighed = hash->is_even = true;
    for (size_t i = 1; i < hash->count && hash->is_even; i++)
        hash->is_even = hash->members[i]->share <= share && hash->members[i]->share >= share;
}

static void consistent_hash_match(void *state, const struct route_subject *subject,
                                  struct route_matches *matches)
{
    struct consistent_hash *hash = state;
    if (hash->count == 0)
        return;
    if (!hash->is_weighed)
        weigh(hash);
    uint64_t value = hash_subject(hash, subject);
    const struct member *chosen =
        hash->is_even ? choose_even(hash, value) : choose_uneven(hash, value);
    route_matches_push(matches, chosen->oldest);
}

const struct exchange_type exchange_consistent_hash = {
    .name = "x-consistent-hash",
    .routes_by_key = false,
    .check_arguments = consistent_hash_check_arguments,
    .new = consistent_hash_new,
    .free = consistent_hash_free,
    .check = consistent_hash_check,
    .add = consistent_hash_add,
    .remove = consistent_hash_remove,
    .match = consistent_hash_match,
};
