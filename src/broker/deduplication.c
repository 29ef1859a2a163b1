/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x-message-deduplication, as RabbitMQ's community plug-in has it: a message whose header
 * x-deduplication-header has a value that went through the exchange before is not routed. The
 * exchange knows at most x-cache-size values; the one that came first makes room for the next (the
 * plug-in takes any). A value is forgotten after the time that the message's header x-cache-ttl
 * says, else the exchange's argument; what has run out is looked at when its value comes again, or
 * its turn to make room. With x-cache-persistence "disk" values are kept over a restart.
 */
#include "broker/deduplication.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/vhost_internal.h"

struct known {
    struct hash_node by_key;
    struct list_node by_age;
    uint64_t expiry_ms; /* 0 = never */
    uint64_t position;  /* in the store */
    size_t key_size;
    uint8_t key[];
};

struct deduplication {
    struct vhost *vhost;     /* borrowed: it outlives its exchanges */
    struct hash_table known; /* struct known, by key */
    struct list ages;        /* struct known, the oldest first */
    uint64_t lane;
    uint64_t position_next;
    uint64_t size_max, ttl_ms;                 /* in force; ttl 0 = never */
    uint64_t arguments_size, arguments_ttl_ms; /* what the arguments say */
    struct buffer key;                         /* scratch */
};

/* --- keys --- */

/* Integers of all widths that are equal are one value, and so are a string and the same bytes. */
static bool append_key(const struct amqp_value *value, struct buffer *key)
{
    int64_t integer;
    if (amqp_value_get_integer(value, &integer)) {
        buffer_append_u8(key, AMQP_TYPE_INT64);
        buffer_append_u64(key, (uint64_t)integer);
        return true;
    }
    switch (value->type) {
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        buffer_append_u8(key, AMQP_TYPE_LONGSTR);
        buffer_append_bytes(key, value->bytes);
        return true;
    case AMQP_TYPE_TABLE:
    case AMQP_TYPE_ARRAY:
        return false;
    case AMQP_TYPE_FLOAT:
    case AMQP_TYPE_DOUBLE:
        buffer_append_u8(key, AMQP_TYPE_DOUBLE);
        break;
    default:
        buffer_append_u8(key, value->type);
    }
    amqp_value_append_text(key, value);
    return true;
}

static bool find_header(const struct message *message, const char *name, struct amqp_value *value)
{
    struct bytes headers;
    return amqp_properties_headers(message_properties(message), &headers) &&
           amqp_table_find(headers, name, value);
}

bool deduplication_key(const struct message *message, struct buffer *key)
{
    struct amqp_value value;
    return find_header(message, "x-deduplication-header", &value) && append_key(&value, key);
}

/* --- what is known --- */

static bool has_key(const struct hash_node *node, const void *key)
{
    const struct known *known = container_of(node, struct known, by_key);
    return bytes_equal(bytes_of(known->key, known->key_size), *(const struct bytes *)key);
}

static uint64_t hash_of(const struct deduplication *deduplication, struct bytes key)
{
    return bytes_hash(key, deduplication->vhost->config.hash_seed);
}

static struct known *known_find(const struct deduplication *deduplication, struct bytes key)
{
    struct hash_node *node =
        hash_table_find(&deduplication->known, hash_of(deduplication, key), has_key, &key);
    return node != NULL ? container_of(node, struct known, by_key) : NULL;
}

static struct known *known_add(struct deduplication *deduplication, struct bytes key,
                               uint64_t expiry_ms)
{
    struct known *known = xcalloc(1, sizeof *known + key.size);
    known->expiry_ms = expiry_ms;
    known->key_size = key.size;
    memcpy(known->key, key.data, key.size);
    hash_table_insert(&deduplication->known, &known->by_key, hash_of(deduplication, key));
    list_push_back(&deduplication->ages, &known->by_age);
    return known;
}

static void known_free(struct deduplication *deduplication, struct known *known)
{
    hash_table_remove(&deduplication->known, &known->by_key);
    list_remove(&known->by_age);
    free(known);
}

static void known_forget(struct deduplication *deduplication, struct known *known)
{
    if (deduplication->lane != 0)
        vhost_store(deduplication->vhost, (struct store_operation){.kind = STORE_DEDUP_REMOVE,
                                                                   .lane = deduplication->lane,
                                                                   .position = known->position,
                                                                   .count = 1});
    known_free(deduplication, known);
}

static struct known *known_oldest(const struct deduplication *deduplication)
{
    struct list_node *node = list_front(&deduplication->ages);
    return node != NULL ? list_entry(node, struct known, by_age) : NULL;
}

static bool is_over(const struct deduplication *deduplication, const struct known *known)
{
    return known->expiry_ms != 0 && known->expiry_ms <= deduplication->vhost->now_ms;
}

/* At most so many are looked at for one message: what a policy made too many goes bit by bit. */
static void make_room(struct deduplication *deduplication, uint64_t size_max)
{
    enum { forget_max = 16 };
    struct known *oldest;
    for (int i = 0; i < forget_max && (oldest = known_oldest(deduplication)) != NULL; i++) {
        if (deduplication->known.count <= size_max && !is_over(deduplication, oldest))
            return;
        known_forget(deduplication, oldest);
    }
}

/* --- messages --- */

static uint64_t expiry_of(const struct deduplication *deduplication, const struct message *message)
{
    struct amqp_value value;
    int64_t ttl_ms;
    if (find_header(message, "x-cache-ttl", &value) && amqp_value_get_integer(&value, &ttl_ms) &&
        ttl_ms >= 0)
        return deduplication->vhost->now_ms + (uint64_t)ttl_ms;
    return deduplication->ttl_ms != 0 ? deduplication->vhost->now_ms + deduplication->ttl_ms : 0;
}

static void learn(struct deduplication *deduplication, struct bytes key, uint64_t expiry_ms)
{
    make_room(deduplication, deduplication->size_max - 1);
    struct known *known = known_add(deduplication, key, expiry_ms);
    known->position = deduplication->position_next++;
    if (deduplication->lane != 0)
        vhost_store(deduplication->vhost, (struct store_operation){.kind = STORE_DEDUP_PUT,
                                                                   .lane = deduplication->lane,
                                                                   .position = known->position,
                                                                   .expiry_ms = expiry_ms,
                                                                   .definition = store_key(key)});
}

bool deduplication_pass(struct deduplication *deduplication, const struct message *message)
{
    deduplication->key.size = 0;
    if (!deduplication_key(message, &deduplication->key))
        return true;
    struct bytes key = buffer_bytes(&deduplication->key);
    struct known *known = known_find(deduplication, key);
    if (known != NULL && !is_over(deduplication, known))
        return false;
    if (known != NULL)
        known_forget(deduplication, known);
    learn(deduplication, key, expiry_of(deduplication, message));
    return true;
}

bool deduplication_knows(struct deduplication *deduplication, const struct message *message)
{
    deduplication->key.size = 0;
    if (!deduplication_key(message, &deduplication->key))
        return false;
    const struct known *known = known_find(deduplication, buffer_bytes(&deduplication->key));
    return known != NULL && !is_over(deduplication, known);
}

void deduplication_resize(struct deduplication *deduplication, uint64_t size_max, uint64_t ttl_ms)
{
    deduplication->size_max = size_max != 0 ? size_max : deduplication->arguments_size;
    deduplication->ttl_ms = ttl_ms != 0 ? ttl_ms : deduplication->arguments_ttl_ms;
}

/* --- coming and going --- */

static uint64_t number_of(struct bytes arguments, const char *name)
{
    struct amqp_value value;
    int64_t number;
    return amqp_table_find(arguments, name, &value) && exchange_positive_argument(&value, &number)
               ? (uint64_t)number
               : 0;
}

bool deduplication_is_persistent(struct bytes arguments)
{
    struct amqp_value value;
    return amqp_table_find(arguments, "x-cache-persistence", &value) &&
           value.type == AMQP_TYPE_LONGSTR && bytes_equal_text(value.bytes, "disk");
}

struct deduplication *deduplication_new(struct vhost *vhost, struct bytes arguments, uint64_t lane)
{
    struct deduplication *deduplication = xcalloc(1, sizeof *deduplication);
    deduplication->vhost = vhost;
    deduplication->lane = lane;
    deduplication->position_next = 1;
    deduplication->arguments_size = number_of(arguments, "x-cache-size");
    deduplication->arguments_ttl_ms = number_of(arguments, "x-cache-ttl");
    CHECK(deduplication->arguments_size > 0);
    deduplication_resize(deduplication, 0, 0);
    hash_table_init(&deduplication->known);
    list_init(&deduplication->ages);
    return deduplication;
}

void deduplication_free(struct deduplication *deduplication)
{
    struct known *known;
    while ((known = known_oldest(deduplication)) != NULL)
        known_free(deduplication, known);
    hash_table_fini(&deduplication->known);
    buffer_fini(&deduplication->key);
    free(deduplication);
}

void deduplication_restore(struct deduplication *deduplication,
                           const struct store_operation *operation)
{
    struct known *known =
        known_add(deduplication, operation->definition->name, operation->expiry_ms);
    known->position = operation->position;
}

void deduplication_restore_end(struct deduplication *deduplication,
                               const struct store_delay_state *state)
{
    if (state->end > deduplication->position_next)
        deduplication->position_next = state->end;
}
