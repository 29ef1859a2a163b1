/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_METHOD_H
#define LEVERET_AMQP_METHOD_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/error.h"
#include "base/buffer.h"
#include "base/bytes.h"

/* The methods of AMQP 0-9-1 with RabbitMQ's extensions. An id is the class and the method as they
 * stand on the wire, in one number. */
#define AMQP_METHOD_ID(class_id, method_id) ((uint32_t)(class_id) << 16 | (method_id))

enum amqp_method_id {
    AMQP_CONNECTION_START = AMQP_METHOD_ID(10, 10),
    AMQP_CONNECTION_START_OK = AMQP_METHOD_ID(10, 11),
    AMQP_CONNECTION_SECURE = AMQP_METHOD_ID(10, 20),
    AMQP_CONNECTION_SECURE_OK = AMQP_METHOD_ID(10, 21),
    AMQP_CONNECTION_TUNE = AMQP_METHOD_ID(10, 30),
    AMQP_CONNECTION_TUNE_OK = AMQP_METHOD_ID(10, 31),
    AMQP_CONNECTION_OPEN = AMQP_METHOD_ID(10, 40),
    AMQP_CONNECTION_OPEN_OK = AMQP_METHOD_ID(10, 41),
    AMQP_CONNECTION_CLOSE = AMQP_METHOD_ID(10, 50),
    AMQP_CONNECTION_CLOSE_OK = AMQP_METHOD_ID(10, 51),
    AMQP_CONNECTION_BLOCKED = AMQP_METHOD_ID(10, 60),
    AMQP_CONNECTION_UNBLOCKED = AMQP_METHOD_ID(10, 61),
    AMQP_CONNECTION_UPDATE_SECRET = AMQP_METHOD_ID(10, 70),
    AMQP_CONNECTION_UPDATE_SECRET_OK = AMQP_METHOD_ID(10, 71),

    AMQP_CHANNEL_OPEN = AMQP_METHOD_ID(20, 10),
    AMQP_CHANNEL_OPEN_OK = AMQP_METHOD_ID(20, 11),
    AMQP_CHANNEL_FLOW = AMQP_METHOD_ID(20, 20),
    AMQP_CHANNEL_FLOW_OK = AMQP_METHOD_ID(20, 21),
    AMQP_CHANNEL_CLOSE = AMQP_METHOD_ID(20, 40),
    AMQP_CHANNEL_CLOSE_OK = AMQP_METHOD_ID(20, 41),

    AMQP_ACCESS_REQUEST = AMQP_METHOD_ID(30, 10),
    AMQP_ACCESS_REQUEST_OK = AMQP_METHOD_ID(30, 11),

    AMQP_EXCHANGE_DECLARE = AMQP_METHOD_ID(40, 10),
    AMQP_EXCHANGE_DECLARE_OK = AMQP_METHOD_ID(40, 11),
    AMQP_EXCHANGE_DELETE = AMQP_METHOD_ID(40, 20),
    AMQP_EXCHANGE_DELETE_OK = AMQP_METHOD_ID(40, 21),
    AMQP_EXCHANGE_BIND = AMQP_METHOD_ID(40, 30),
    AMQP_EXCHANGE_BIND_OK = AMQP_METHOD_ID(40, 31),
    AMQP_EXCHANGE_UNBIND = AMQP_METHOD_ID(40, 40),
    AMQP_EXCHANGE_UNBIND_OK = AMQP_METHOD_ID(40, 51),

    AMQP_QUEUE_DECLARE = AMQP_METHOD_ID(50, 10),
    AMQP_QUEUE_DECLARE_OK = AMQP_METHOD_ID(50, 11),
    AMQP_QUEUE_BIND = AMQP_METHOD_ID(50, 20),
    AMQP_QUEUE_BIND_OK = AMQP_METHOD_ID(50, 21),
    AMQP_QUEUE_PURGE = AMQP_METHOD_ID(50, 30),
    AMQP_QUEUE_PURGE_OK = AMQP_METHOD_ID(50, 31),
    AMQP_QUEUE_DELETE = AMQP_METHOD_ID(50, 40),
    AMQP_QUEUE_DELETE_OK = AMQP_METHOD_ID(50, 41),
    AMQP_QUEUE_UNBIND = AMQP_METHOD_ID(50, 50),
    AMQP_QUEUE_UNBIND_OK = AMQP_METHOD_ID(50, 51),

    AMQP_BASIC_QOS = AMQP_METHOD_ID(60, 10),
    AMQP_BASIC_QOS_OK = AMQP_METHOD_ID(60, 11),
    AMQP_BASIC_CONSUME = AMQP_METHOD_ID(60, 20),
    AMQP_BASIC_CONSUME_OK = AMQP_METHOD_ID(60, 21),
    AMQP_BASIC_CANCEL = AMQP_METHOD_ID(60, 30),
    AMQP_BASIC_CANCEL_OK = AMQP_METHOD_ID(60, 31),
    AMQP_BASIC_PUBLISH = AMQP_METHOD_ID(60, 40),
    AMQP_BASIC_RETURN = AMQP_METHOD_ID(60, 50),
    AMQP_BASIC_DELIVER = AMQP_METHOD_ID(60, 60),
    AMQP_BASIC_GET = AMQP_METHOD_ID(60, 70),
    AMQP_BASIC_GET_OK = AMQP_METHOD_ID(60, 71),
    AMQP_BASIC_GET_EMPTY = AMQP_METHOD_ID(60, 72),
    AMQP_BASIC_ACK = AMQP_METHOD_ID(60, 80),
    AMQP_BASIC_REJECT = AMQP_METHOD_ID(60, 90),
    AMQP_BASIC_RECOVER_ASYNC = AMQP_METHOD_ID(60, 100),
    AMQP_BASIC_RECOVER = AMQP_METHOD_ID(60, 110),
    AMQP_BASIC_RECOVER_OK = AMQP_METHOD_ID(60, 111),
    AMQP_BASIC_NACK = AMQP_METHOD_ID(60, 120),

    AMQP_CONFIRM_SELECT = AMQP_METHOD_ID(85, 10),
    AMQP_CONFIRM_SELECT_OK = AMQP_METHOD_ID(85, 11),

    AMQP_TX_SELECT = AMQP_METHOD_ID(90, 10),
    AMQP_TX_SELECT_OK = AMQP_METHOD_ID(90, 11),
    AMQP_TX_COMMIT = AMQP_METHOD_ID(90, 20),
    AMQP_TX_COMMIT_OK = AMQP_METHOD_ID(90, 21),
    AMQP_TX_ROLLBACK = AMQP_METHOD_ID(90, 30),
    AMQP_TX_ROLLBACK_OK = AMQP_METHOD_ID(90, 31),
};

enum amqp_class_id {
    AMQP_CLASS_CONNECTION = 10,
    AMQP_CLASS_CHANNEL = 20,
    AMQP_CLASS_ACCESS = 30,
    AMQP_CLASS_EXCHANGE = 40,
    AMQP_CLASS_QUEUE = 50,
    AMQP_CLASS_BASIC = 60,
    AMQP_CLASS_CONFIRM = 85,
    AMQP_CLASS_TX = 90,
};

static inline uint16_t amqp_method_class(uint32_t id)
{
    return (uint16_t)(id >> 16);
}

static inline uint16_t amqp_method_number(uint32_t id)
{
    return (uint16_t)id;
}

/* One struct per method that has fields, in wire order. struct bytes is a view of a short string
 * unless a comment says otherwise; a table is its bytes without the length in front (see table.h)
 * and is valid once decoded. */
struct amqp_connection_start {
    uint8_t version_major;
    uint8_t version_minor;
    struct bytes server_properties; /* table */
    struct bytes mechanisms;        /* longstr */
    struct bytes locales;           /* longstr */
};

struct amqp_connection_start_ok {
    struct bytes client_properties; /* table */
    struct bytes mechanism;
    struct bytes response; /* longstr */
    struct bytes locale;
};

struct amqp_connection_secure {
    struct bytes challenge; /* longstr */
};

struct amqp_connection_secure_ok {
    struct bytes response; /* longstr */
};

struct amqp_connection_tune {
    uint16_t channel_max;
    uint32_t frame_max;
    uint16_t heartbeat;
};

struct amqp_connection_tune_ok {
    uint16_t channel_max;
    uint32_t frame_max;
    uint16_t heartbeat;
};

struct amqp_connection_open {
    struct bytes virtual_host;
    struct bytes reserved_1;
    bool reserved_2;
};

struct amqp_connection_open_ok {
    struct bytes reserved_1;
};

struct amqp_connection_close {
    uint16_t reply_code;
    struct bytes reply_text;
    uint16_t class_id;
    uint16_t method_id;
};

struct amqp_connection_blocked {
    struct bytes reason;
};

struct amqp_connection_update_secret {
    struct bytes new_secret; /* longstr */
    struct bytes reason;
};

struct amqp_channel_open {
    struct bytes reserved_1;
};

struct amqp_channel_open_ok {
    struct bytes reserved_1; /* longstr */
};

struct amqp_channel_flow {
    bool active;
};

struct amqp_channel_flow_ok {
    bool active;
};

struct amqp_channel_close {
    uint16_t reply_code;
    struct bytes reply_text;
    uint16_t class_id;
    uint16_t method_id;
};

struct amqp_access_request {
    struct bytes realm;
    bool exclusive;
    bool passive;
    bool active;
    bool write;
    bool read;
};

struct amqp_access_request_ok {
    uint16_t ticket;
};

struct amqp_exchange_declare {
    uint16_t reserved_1;
    struct bytes exchange;
    struct bytes type;
    bool passive;
    bool durable;
    bool auto_delete;
    bool internal;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_exchange_delete {
    uint16_t reserved_1;
    struct bytes exchange;
    bool if_unused;
    bool no_wait;
};

struct amqp_exchange_bind {
    uint16_t reserved_1;
    struct bytes destination;
    struct bytes source;
    struct bytes routing_key;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_exchange_unbind {
    uint16_t reserved_1;
    struct bytes destination;
    struct bytes source;
    struct bytes routing_key;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_queue_declare {
    uint16_t reserved_1;
    struct bytes queue;
    bool passive;
    bool durable;
    bool exclusive;
    bool auto_delete;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_queue_declare_ok {
    struct bytes queue;
    uint32_t message_count;
    uint32_t consumer_count;
};

struct amqp_queue_bind {
    uint16_t reserved_1;
    struct bytes queue;
    struct bytes exchange;
    struct bytes routing_key;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_queue_purge {
    uint16_t reserved_1;
    struct bytes queue;
    bool no_wait;
};

struct amqp_queue_purge_ok {
    uint32_t message_count;
};

struct amqp_queue_delete {
    uint16_t reserved_1;
    struct bytes queue;
    bool if_unused;
    bool if_empty;
    bool no_wait;
};

struct amqp_queue_delete_ok {
    uint32_t message_count;
};

struct amqp_queue_unbind {
    uint16_t reserved_1;
    struct bytes queue;
    struct bytes exchange;
    struct bytes routing_key;
    struct bytes arguments; /* table */
};

struct amqp_basic_qos {
    uint32_t prefetch_size;
    uint16_t prefetch_count;
    bool global;
};

struct amqp_basic_consume {
    uint16_t reserved_1;
    struct bytes queue;
    struct bytes consumer_tag;
    bool no_local;
    bool no_ack;
    bool exclusive;
    bool no_wait;
    struct bytes arguments; /* table */
};

struct amqp_basic_consume_ok {
    struct bytes consumer_tag;
};

struct amqp_basic_cancel {
    struct bytes consumer_tag;
    bool no_wait;
};

struct amqp_basic_cancel_ok {
    struct bytes consumer_tag;
};

struct amqp_basic_publish {
    uint16_t reserved_1;
    struct bytes exchange;
    struct bytes routing_key;
    bool mandatory;
    bool immediate;
};

struct amqp_basic_return {
    uint16_t reply_code;
    struct bytes reply_text;
    struct bytes exchange;
    struct bytes routing_key;
};

struct amqp_basic_deliver {
    struct bytes consumer_tag;
    uint64_t delivery_tag;
    bool redelivered;
    struct bytes exchange;
    struct bytes routing_key;
};

struct amqp_basic_get {
    uint16_t reserved_1;
    struct bytes queue;
    bool no_ack;
};

struct amqp_basic_get_ok {
    uint64_t delivery_tag;
    bool redelivered;
    struct bytes exchange;
    struct bytes routing_key;
    uint32_t message_count;
};

struct amqp_basic_get_empty {
    struct bytes reserved_1;
};

struct amqp_basic_ack {
    uint64_t delivery_tag;
    bool multiple;
};

struct amqp_basic_reject {
    uint64_t delivery_tag;
    bool requeue;
};

struct amqp_basic_recover_async {
    bool requeue;
};

struct amqp_basic_recover {
    bool requeue;
};

struct amqp_basic_nack {
    uint64_t delivery_tag;
    bool multiple;
    bool requeue;
};

struct amqp_confirm_select {
    bool no_wait;
};

struct amqp_method {
    uint32_t id; /* enum amqp_method_id */
    union {
        struct amqp_connection_start connection_start;
        struct amqp_connection_start_ok connection_start_ok;
        struct amqp_connection_secure connection_secure;
        struct amqp_connection_secure_ok connection_secure_ok;
        struct amqp_connection_tune connection_tune;
        struct amqp_connection_tune_ok connection_tune_ok;
        struct amqp_connection_open connection_open;
        struct amqp_connection_open_ok connection_open_ok;
        struct amqp_connection_close connection_close;
        struct amqp_connection_blocked connection_blocked;
        struct amqp_connection_update_secret connection_update_secret;
        struct amqp_channel_open channel_open;
        struct amqp_channel_open_ok channel_open_ok;
        struct amqp_channel_flow channel_flow;
        struct amqp_channel_flow_ok channel_flow_ok;
        struct amqp_channel_close channel_close;
        struct amqp_access_request access_request;
        struct amqp_access_request_ok access_request_ok;
        struct amqp_exchange_declare exchange_declare;
        struct amqp_exchange_delete exchange_delete;
        struct amqp_exchange_bind exchange_bind;
        struct amqp_exchange_unbind exchange_unbind;
        struct amqp_queue_declare queue_declare;
        struct amqp_queue_declare_ok queue_declare_ok;
        struct amqp_queue_bind queue_bind;
        struct amqp_queue_purge queue_purge;
        struct amqp_queue_purge_ok queue_purge_ok;
        struct amqp_queue_delete queue_delete;
        struct amqp_queue_delete_ok queue_delete_ok;
        struct amqp_queue_unbind queue_unbind;
        struct amqp_basic_qos basic_qos;
        struct amqp_basic_consume basic_consume;
        struct amqp_basic_consume_ok basic_consume_ok;
        struct amqp_basic_cancel basic_cancel;
        struct amqp_basic_cancel_ok basic_cancel_ok;
        struct amqp_basic_publish basic_publish;
        struct amqp_basic_return basic_return;
        struct amqp_basic_deliver basic_deliver;
        struct amqp_basic_get basic_get;
        struct amqp_basic_get_ok basic_get_ok;
        struct amqp_basic_get_empty basic_get_empty;
        struct amqp_basic_ack basic_ack;
        struct amqp_basic_reject basic_reject;
        struct amqp_basic_recover_async basic_recover_async;
        struct amqp_basic_recover basic_recover;
        struct amqp_basic_nack basic_nack;
        struct amqp_confirm_select confirm_select;
    };
};

/* Decodes the payload of a method frame; the views point into payload. Short strings are UTF-8 and
 * tables are valid (at most AMQP_TABLE_DEPTH_MAX deep) when it succeeds. Otherwise false and *error
 * is set: 503 for a method that does not exist (and only then), 501 for everything else, with class
 * and method of the method where it is known. */
bool amqp_method_decode(struct amqp_method *method, struct bytes payload, struct amqp_error *error)
    __attribute__((warn_unused_result));
/* The same with tables at most depth_max deep, from 1 to AMQP_TABLE_DEPTH_MAX; 501 says so. */
bool amqp_method_decode_limited(struct amqp_method *method, struct bytes payload,
                                unsigned depth_max, struct amqp_error *error)
    __attribute__((warn_unused_result));

/* Appends what stands in a method frame: the id and the fields. Short strings are at most
 * AMQP_SHORTSTR_MAX bytes (checked). */
void amqp_method_encode(struct buffer *buffer, const struct amqp_method *method);

/* The connection.close that tells of `error`, whose text is borrowed. */
struct amqp_method amqp_method_connection_close(const struct amqp_error *error);

/* "queue.declare"; "unknown" for an id that does not exist. */
const char *amqp_method_name(uint32_t id);

/* Is the method followed by a content header and a body (basic.publish, .return, .deliver,
 * .get-ok)?
 */
bool amqp_method_has_content(uint32_t id);

/* Is it a method that a client may send to a server? */
bool amqp_method_is_from_client(uint32_t id);

#endif
