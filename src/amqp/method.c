/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods, decoded and encoded from one table: what a method is called, who sends it, and where
 * each of its fields lies in the struct. There is one loop for reading and one for writing, so a
 * new method is a struct and a row, and the two directions cannot disagree.
 *
 * Rows are found without a search: slot() maps every id to a place of its own. A new method may
 * collide with another; the compiler then warns of an overridden initializer, and two other factors
 * have to be found. A row is self-contained (offsets, no pointers), so that decoding a method
 * touches one or two cache lines of it.
 *
 * Consecutive bits share an octet, from the lowest up. Octets that follow the last field are
 * refused, as RabbitMQ does.
 */
#include "amqp/method.h"

#include <stddef.h>

#include "amqp/erlang.h"
#include "amqp/table.h"
#include "amqp/write.h"
#include "base/check.h"
#include "base/reader.h"
#include "base/utf8.h"

enum field_type { U8, U16, U32, U64, BIT, SHORTSTR, LONGSTR, TABLE };

enum { FROM_CLIENT = 1, FROM_SERVER = 2, HAS_CONTENT = 4 };

enum { fields_max = 9, name_size_max = 28, slot_count = 128 };

struct field {
    uint8_t type; /* enum field_type */
    uint8_t offset;
};

struct row {
    uint32_t id;
    uint8_t flags;
    uint8_t field_count;
    struct field fields[fields_max];
    char name[name_size_max];
};

#define SLOT(id) (((id) / 65536 * 4 + (id) % 65536 * 25) % slot_count)
#define FIELD(method, name, type)                                                                  \
    {                                                                                              \
        type, offsetof(struct amqp_method, method.name)                                            \
    }
#define COUNT(...) (sizeof((struct field[]){__VA_ARGS__}) / sizeof(struct field))
#define METHOD(constant, name, flags, ...)                                                         \
    [SLOT(AMQP_##constant)] = {AMQP_##constant, flags, COUNT(__VA_ARGS__), {__VA_ARGS__}, name}

/* clang-format off */
static const struct row rows[slot_count] = {
    METHOD(CONNECTION_START, "connection.start", FROM_SERVER,
           FIELD(connection_start, version_major, U8),
           FIELD(connection_start, version_minor, U8),
           FIELD(connection_start, server_properties, TABLE),
           FIELD(connection_start, mechanisms, LONGSTR),
           FIELD(connection_start, locales, LONGSTR)),
    METHOD(CONNECTION_START_OK, "connection.start-ok", FROM_CLIENT,
           FIELD(connection_start_ok, client_properties, TABLE),
           FIELD(connection_start_ok, mechanism, SHORTSTR),
           FIELD(connection_start_ok, response, LONGSTR),
           FIELD(connection_start_ok, locale, SHORTSTR)),
    METHOD(CONNECTION_SECURE, "connection.secure", FROM_SERVER,
           FIELD(connection_secure, challenge, LONGSTR)),
    METHOD(CONNECTION_SECURE_OK, "connection.secure-ok", FROM_CLIENT,
           FIELD(connection_secure_ok, response, LONGSTR)),
    METHOD(CONNECTION_TUNE, "connection.tune", FROM_SERVER,
           FIELD(connection_tune, channel_max, U16),
           FIELD(connection_tune, frame_max, U32),
           FIELD(connection_tune, heartbeat, U16)),
    METHOD(CONNECTION_TUNE_OK, "connection.tune-ok", FROM_CLIENT,
           FIELD(connection_tune_ok, channel_max, U16),
           FIELD(connection_tune_ok, frame_max, U32),
           FIELD(connection_tune_ok, heartbeat, U16)),
    METHOD(CONNECTION_OPEN, "connection.open", FROM_CLIENT,
           FIELD(connection_open, virtual_host, SHORTSTR),
           FIELD(connection_open, reserved_1, SHORTSTR),
           FIELD(connection_open, reserved_2, BIT)),
    METHOD(CONNECTION_OPEN_OK, "connection.open-ok", FROM_SERVER,
           FIELD(connection_open_ok, reserved_1, SHORTSTR)),
    METHOD(CONNECTION_CLOSE, "connection.close", FROM_CLIENT | FROM_SERVER,
           FIELD(connection_close, reply_code, U16),
           FIELD(connection_close, reply_text, SHORTSTR),
           FIELD(connection_close, class_id, U16),
           FIELD(connection_close, method_id, U16)),
    METHOD(CONNECTION_CLOSE_OK, "connection.close-ok", FROM_CLIENT | FROM_SERVER),
    METHOD(CONNECTION_BLOCKED, "connection.blocked", FROM_SERVER,
           FIELD(connection_blocked, reason, SHORTSTR)),
    METHOD(CONNECTION_UNBLOCKED, "connection.unblocked", FROM_SERVER),
    METHOD(CONNECTION_UPDATE_SECRET, "connection.update-secret", FROM_CLIENT,
           FIELD(connection_update_secret, new_secret, LONGSTR),
           FIELD(connection_update_secret, reason, SHORTSTR)),
    METHOD(CONNECTION_UPDATE_SECRET_OK, "connection.update-secret-ok", FROM_SERVER),
    METHOD(CHANNEL_OPEN, "channel.open", FROM_CLIENT,
           FIELD(channel_open, reserved_1, SHORTSTR)),
    METHOD(CHANNEL_OPEN_OK, "channel.open-ok", FROM_SERVER,
           FIELD(channel_open_ok, reserved_1, LONGSTR)),
    METHOD(CHANNEL_FLOW, "channel.flow", FROM_CLIENT | FROM_SERVER,
           FIELD(channel_flow, active, BIT)),
    METHOD(CHANNEL_FLOW_OK, "channel.flow-ok", FROM_CLIENT | FROM_SERVER,
           FIELD(channel_flow_ok, active, BIT)),
    METHOD(CHANNEL_CLOSE, "channel.close", FROM_CLIENT | FROM_SERVER,
           FIELD(channel_close, reply_code, U16),
           FIELD(channel_close, reply_text, SHORTSTR),
           FIELD(channel_close, class_id, U16),
           FIELD(channel_close, method_id, U16)),
    METHOD(CHANNEL_CLOSE_OK, "channel.close-ok", FROM_CLIENT | FROM_SERVER),
    METHOD(ACCESS_REQUEST, "access.request", FROM_CLIENT,
           FIELD(access_request, realm, SHORTSTR),
           FIELD(access_request, exclusive, BIT),
           FIELD(access_request, passive, BIT),
           FIELD(access_request, active, BIT),
           FIELD(access_request, write, BIT),
           FIELD(access_request, read, BIT)),
    METHOD(ACCESS_REQUEST_OK, "access.request-ok", FROM_SERVER,
           FIELD(access_request_ok, ticket, U16)),
    METHOD(EXCHANGE_DECLARE, "exchange.declare", FROM_CLIENT,
           FIELD(exchange_declare, reserved_1, U16),
           FIELD(exchange_declare, exchange, SHORTSTR),
           FIELD(exchange_declare, type, SHORTSTR),
           FIELD(exchange_declare, passive, BIT),
           FIELD(exchange_declare, durable, BIT),
           FIELD(exchange_declare, auto_delete, BIT),
           FIELD(exchange_declare, internal, BIT),
           FIELD(exchange_declare, no_wait, BIT),
           FIELD(exchange_declare, arguments, TABLE)),
    METHOD(EXCHANGE_DECLARE_OK, "exchange.declare-ok", FROM_SERVER),
    METHOD(EXCHANGE_DELETE, "exchange.delete", FROM_CLIENT,
           FIELD(exchange_delete, reserved_1, U16),
           FIELD(exchange_delete, exchange, SHORTSTR),
           FIELD(exchange_delete, if_unused, BIT),
           FIELD(exchange_delete, no_wait, BIT)),
    METHOD(EXCHANGE_DELETE_OK, "exchange.delete-ok", FROM_SERVER),
    METHOD(EXCHANGE_BIND, "exchange.bind", FROM_CLIENT,
           FIELD(exchange_bind, reserved_1, U16),
           FIELD(exchange_bind, destination, SHORTSTR),
           FIELD(exchange_bind, source, SHORTSTR),
           FIELD(exchange_bind, routing_key, SHORTSTR),
           FIELD(exchange_bind, no_wait, BIT),
           FIELD(exchange_bind, arguments, TABLE)),
    METHOD(EXCHANGE_BIND_OK, "exchange.bind-ok", FROM_SERVER),
    METHOD(EXCHANGE_UNBIND, "exchange.unbind", FROM_CLIENT,
           FIELD(exchange_unbind, reserved_1, U16),
           FIELD(exchange_unbind, destination, SHORTSTR),
           FIELD(exchange_unbind, source, SHORTSTR),
           FIELD(exchange_unbind, routing_key, SHORTSTR),
           FIELD(exchange_unbind, no_wait, BIT),
           FIELD(exchange_unbind, arguments, TABLE)),
    METHOD(EXCHANGE_UNBIND_OK, "exchange.unbind-ok", FROM_SERVER),
    METHOD(QUEUE_DECLARE, "queue.declare", FROM_CLIENT,
           FIELD(queue_declare, reserved_1, U16),
           FIELD(queue_declare, queue, SHORTSTR),
           FIELD(queue_declare, passive, BIT),
           FIELD(queue_declare, durable, BIT),
           FIELD(queue_declare, exclusive, BIT),
           FIELD(queue_declare, auto_delete, BIT),
           FIELD(queue_declare, no_wait, BIT),
           FIELD(queue_declare, arguments, TABLE)),
    METHOD(QUEUE_DECLARE_OK, "queue.declare-ok", FROM_SERVER,
           FIELD(queue_declare_ok, queue, SHORTSTR),
           FIELD(queue_declare_ok, message_count, U32),
           FIELD(queue_declare_ok, consumer_count, U32)),
    METHOD(QUEUE_BIND, "queue.bind", FROM_CLIENT,
           FIELD(queue_bind, reserved_1, U16),
           FIELD(queue_bind, queue, SHORTSTR),
           FIELD(queue_bind, exchange, SHORTSTR),
           FIELD(queue_bind, routing_key, SHORTSTR),
           FIELD(queue_bind, no_wait, BIT),
           FIELD(queue_bind, arguments, TABLE)),
    METHOD(QUEUE_BIND_OK, "queue.bind-ok", FROM_SERVER),
    METHOD(QUEUE_PURGE, "queue.purge", FROM_CLIENT,
           FIELD(queue_purge, reserved_1, U16),
           FIELD(queue_purge, queue, SHORTSTR),
           FIELD(queue_purge, no_wait, BIT)),
    METHOD(QUEUE_PURGE_OK, "queue.purge-ok", FROM_SERVER,
           FIELD(queue_purge_ok, message_count, U32)),
    METHOD(QUEUE_DELETE, "queue.delete", FROM_CLIENT,
           FIELD(queue_delete, reserved_1, U16),
           FIELD(queue_delete, queue, SHORTSTR),
           FIELD(queue_delete, if_unused, BIT),
           FIELD(queue_delete, if_empty, BIT),
           FIELD(queue_delete, no_wait, BIT)),
    METHOD(QUEUE_DELETE_OK, "queue.delete-ok", FROM_SERVER,
           FIELD(queue_delete_ok, message_count, U32)),
    METHOD(QUEUE_UNBIND, "queue.unbind", FROM_CLIENT,
           FIELD(queue_unbind, reserved_1, U16),
           FIELD(queue_unbind, queue, SHORTSTR),
           FIELD(queue_unbind, exchange, SHORTSTR),
           FIELD(queue_unbind, routing_key, SHORTSTR),
           FIELD(queue_unbind, arguments, TABLE)),
    METHOD(QUEUE_UNBIND_OK, "queue.unbind-ok", FROM_SERVER),
    METHOD(BASIC_QOS, "basic.qos", FROM_CLIENT,
           FIELD(basic_qos, prefetch_size, U32),
           FIELD(basic_qos, prefetch_count, U16),
           FIELD(basic_qos, global, BIT)),
    METHOD(BASIC_QOS_OK, "basic.qos-ok", FROM_SERVER),
    METHOD(BASIC_CONSUME, "basic.consume", FROM_CLIENT,
           FIELD(basic_consume, reserved_1, U16),
           FIELD(basic_consume, queue, SHORTSTR),
           FIELD(basic_consume, consumer_tag, SHORTSTR),
           FIELD(basic_consume, no_local, BIT),
           FIELD(basic_consume, no_ack, BIT),
           FIELD(basic_consume, exclusive, BIT),
           FIELD(basic_consume, no_wait, BIT),
           FIELD(basic_consume, arguments, TABLE)),
    METHOD(BASIC_CONSUME_OK, "basic.consume-ok", FROM_SERVER,
           FIELD(basic_consume_ok, consumer_tag, SHORTSTR)),
    METHOD(BASIC_CANCEL, "basic.cancel", FROM_CLIENT | FROM_SERVER,
           FIELD(basic_cancel, consumer_tag, SHORTSTR),
           FIELD(basic_cancel, no_wait, BIT)),
    METHOD(BASIC_CANCEL_OK, "basic.cancel-ok", FROM_CLIENT | FROM_SERVER,
           FIELD(basic_cancel_ok, consumer_tag, SHORTSTR)),
    METHOD(BASIC_PUBLISH, "basic.publish", FROM_CLIENT | HAS_CONTENT,
           FIELD(basic_publish, reserved_1, U16),
           FIELD(basic_publish, exchange, SHORTSTR),
           FIELD(basic_publish, routing_key, SHORTSTR),
           FIELD(basic_publish, mandatory, BIT),
           FIELD(basic_publish, immediate, BIT)),
    METHOD(BASIC_RETURN, "basic.return", FROM_SERVER | HAS_CONTENT,
           FIELD(basic_return, reply_code, U16),
           FIELD(basic_return, reply_text, SHORTSTR),
           FIELD(basic_return, exchange, SHORTSTR),
           FIELD(basic_return, routing_key, SHORTSTR)),
    METHOD(BASIC_DELIVER, "basic.deliver", FROM_SERVER | HAS_CONTENT,
           FIELD(basic_deliver, consumer_tag, SHORTSTR),
           FIELD(basic_deliver, delivery_tag, U64),
           FIELD(basic_deliver, redelivered, BIT),
           FIELD(basic_deliver, exchange, SHORTSTR),
           FIELD(basic_deliver, routing_key, SHORTSTR)),
    METHOD(BASIC_GET, "basic.get", FROM_CLIENT,
           FIELD(basic_get, reserved_1, U16),
           FIELD(basic_get, queue, SHORTSTR),
           FIELD(basic_get, no_ack, BIT)),
    METHOD(BASIC_GET_OK, "basic.get-ok", FROM_SERVER | HAS_CONTENT,
           FIELD(basic_get_ok, delivery_tag, U64),
           FIELD(basic_get_ok, redelivered, BIT),
           FIELD(basic_get_ok, exchange, SHORTSTR),
           FIELD(basic_get_ok, routing_key, SHORTSTR),
           FIELD(basic_get_ok, message_count, U32)),
    METHOD(BASIC_GET_EMPTY, "basic.get-empty", FROM_SERVER,
           FIELD(basic_get_empty, reserved_1, SHORTSTR)),
    METHOD(BASIC_ACK, "basic.ack", FROM_CLIENT | FROM_SERVER,
           FIELD(basic_ack, delivery_tag, U64),
           FIELD(basic_ack, multiple, BIT)),
    METHOD(BASIC_REJECT, "basic.reject", FROM_CLIENT,
           FIELD(basic_reject, delivery_tag, U64),
           FIELD(basic_reject, requeue, BIT)),
    METHOD(BASIC_RECOVER_ASYNC, "basic.recover-async", FROM_CLIENT,
           FIELD(basic_recover_async, requeue, BIT)),
    METHOD(BASIC_RECOVER, "basic.recover", FROM_CLIENT,
           FIELD(basic_recover, requeue, BIT)),
    METHOD(BASIC_RECOVER_OK, "basic.recover-ok", FROM_SERVER),
    METHOD(BASIC_NACK, "basic.nack", FROM_CLIENT | FROM_SERVER,
           FIELD(basic_nack, delivery_tag, U64),
           FIELD(basic_nack, multiple, BIT),
           FIELD(basic_nack, requeue, BIT)),
    METHOD(CONFIRM_SELECT, "confirm.select", FROM_CLIENT,
           FIELD(confirm_select, no_wait, BIT)),
    METHOD(CONFIRM_SELECT_OK, "confirm.select-ok", FROM_SERVER),
    METHOD(TX_SELECT, "tx.select", FROM_CLIENT),
    METHOD(TX_SELECT_OK, "tx.select-ok", FROM_SERVER),
    METHOD(TX_COMMIT, "tx.commit", FROM_CLIENT),
    METHOD(TX_COMMIT_OK, "tx.commit-ok", FROM_SERVER),
    METHOD(TX_ROLLBACK, "tx.rollback", FROM_CLIENT),
    METHOD(TX_ROLLBACK_OK, "tx.rollback-ok", FROM_SERVER),
};
/* clang-format on */

_Static_assert(sizeof(struct amqp_method) <= UINT8_MAX, "offsets are one octet");

static const struct row *find_row(uint32_t id)
{
    const struct row *row = &rows[SLOT(id)];
    return row->id == id && id != 0 ? row : NULL;
}

/* --- decoding */

/* What is wrong with the values themselves; too few octets is the reader's to remember. */
struct faults {
    unsigned depth_max;
    bool utf8;
    bool table;
    bool depth; /* the tables are well formed, but nested too deep */
};

static struct bytes read_shortstr(struct reader *reader, struct faults *faults)
{
    struct bytes text = reader_take(reader, reader_u8(reader));
    faults->utf8 |= !utf8_is_valid(text);
    return text;
}

static struct bytes read_table(struct reader *reader, struct faults *faults)
{
    struct bytes table = reader_take(reader, reader_u32(reader));
    if (table.size == 0 || amqp_table_is_valid(table, faults->depth_max))
        return table;
    if (amqp_table_is_valid(table, AMQP_TABLE_DEPTH_MAX))
        faults->depth = true;
    else
        faults->table = true;
    return table;
}

/* bits holds what is left of the octet of bits being read, above a 1 that marks its end. */
static bool read_bit(struct reader *reader, unsigned *bits)
{
    if (*bits <= 1)
        *bits = 0x100u | reader_u8(reader);
    bool bit = *bits & 1;
    *bits >>= 1;
    return bit;
}

static void read_field(struct reader *reader, enum field_type type, void *place,
                       struct faults *faults)
{
    switch (type) {
    case U8:
        *(uint8_t *)place = reader_u8(reader);
        break;
    case U16:
        *(uint16_t *)place = reader_u16(reader);
        break;
    case U32:
        *(uint32_t *)place = reader_u32(reader);
        break;
    case U64:
        *(uint64_t *)place = reader_u64(reader);
        break;
    case SHORTSTR:
        *(struct bytes *)place = read_shortstr(reader, faults);
        break;
    case LONGSTR:
        *(struct bytes *)place = reader_take(reader, reader_u32(reader));
        break;
    case TABLE:
        *(struct bytes *)place = read_table(reader, faults);
        break;
    case BIT:
        break;
    }
}

static void read_fields(struct reader *reader, const struct row *row, struct amqp_method *method,
                        struct faults *faults)
{
    unsigned bits = 1;
    for (unsigned i = 0; i < row->field_count; i++) {
        enum field_type type = row->fields[i].type;
        void *place = (uint8_t *)method + row->fields[i].offset;
        if (type == BIT) {
            *(bool *)place = read_bit(reader, &bits);
        } else {
            read_field(reader, type, place, faults);
            bits = 1;
        }
    }
}

static bool unknown_method(uint32_t id, struct amqp_error *error)
{
    amqp_error_set(error, AMQP_COMMAND_INVALID, "unknown method %u of class %u",
                   amqp_method_number(id), amqp_method_class(id));
    error->class_id = amqp_method_class(id);
    error->method_id = amqp_method_number(id);
    return false;
}

static bool cannot_decode(uint32_t id, struct bytes fields, struct amqp_error *error)
{
    struct buffer text = {0};
    erlang_append_octets(&text, fields);
    amqp_error_set(error, AMQP_FRAME_ERROR, "cannot decode %.*s", (int)text.size,
                   (const char *)text.data);
    buffer_fini(&text);
    error->class_id = amqp_method_class(id);
    error->method_id = amqp_method_number(id);
    return false;
}

static bool too_deep(uint32_t id, unsigned depth_max, struct amqp_error *error)
{
    amqp_error_set(error, AMQP_FRAME_ERROR,
                   "arguments are nested deeper than the configured maximum %u", depth_max);
    error->class_id = amqp_method_class(id);
    error->method_id = amqp_method_number(id);
    return false;
}

bool amqp_method_decode(struct amqp_method *method, struct bytes payload, struct amqp_error *error)
{
    return amqp_method_decode_limited(method, payload, AMQP_TABLE_DEPTH_MAX, error);
}

bool amqp_method_decode_limited(struct amqp_method *method, struct bytes payload,
                                unsigned depth_max, struct amqp_error *error)
{
    struct reader reader = reader_of(payload);
    struct faults faults = {.depth_max = depth_max};
    method->id = reader_u32(&reader);
    const struct row *row = find_row(method->id);
    if (row == NULL)
        return reader.failed ? cannot_decode(0, payload, error) : unknown_method(method->id, error);
    read_fields(&reader, row, method, &faults);
    if (reader.failed || faults.table || reader_left(&reader) > 0)
        return cannot_decode(method->id, bytes_of(payload.data + 4, payload.size - 4), error);
    if (faults.depth)
        return too_deep(method->id, depth_max, error);
    if (faults.utf8)
        return amqp_error_set(error, AMQP_FRAME_ERROR, "Malformed UTF-8 in shortstr");
    return true;
}

/* --- encoding */

/* index: how many bits stand in front of this one in a row. */
static void write_bit(struct buffer *buffer, unsigned index, bool bit)
{
    if (index % 8 == 0)
        buffer_append_u8(buffer, 0);
    if (bit)
        buffer->data[buffer->size - 1] |= (uint8_t)(1u << index % 8);
}

static void write_field(struct buffer *buffer, enum field_type type, const void *place)
{
    switch (type) {
    case U8:
        buffer_append_u8(buffer, *(const uint8_t *)place);
        break;
    case U16:
        buffer_append_u16(buffer, *(const uint16_t *)place);
        break;
    case U32:
        buffer_append_u32(buffer, *(const uint32_t *)place);
        break;
    case U64:
        buffer_append_u64(buffer, *(const uint64_t *)place);
        break;
    case SHORTSTR:
        amqp_write_shortstr(buffer, *(const struct bytes *)place);
        break;
    case LONGSTR:
    case TABLE:
        amqp_write_longstr(buffer, *(const struct bytes *)place);
        break;
    case BIT:
        break;
    }
}

void amqp_method_encode(struct buffer *buffer, const struct amqp_method *method)
{
    const struct row *row = find_row(method->id);
    CHECK(row != NULL);
    buffer_append_u32(buffer, method->id);
    unsigned bit_count = 0;
    for (unsigned i = 0; i < row->field_count; i++) {
        enum field_type type = row->fields[i].type;
        const void *place = (const uint8_t *)method + row->fields[i].offset;
        if (type == BIT) {
            write_bit(buffer, bit_count++, *(const bool *)place);
        } else {
            write_field(buffer, type, place);
            bit_count = 0;
        }
    }
}

struct amqp_method amqp_method_connection_close(const struct amqp_error *error)
{
    return (struct amqp_method){
        .id = AMQP_CONNECTION_CLOSE,
        .connection_close = {.reply_code = error->code,
                             .reply_text = bytes_of_text(error->text),
                             .class_id = error->class_id,
                             .method_id = error->method_id},
    };
}

/* --- what is known about methods */

const char *amqp_method_name(uint32_t id)
{
    const struct row *row = find_row(id);
    return row != NULL ? row->name : "unknown";
}

bool amqp_method_has_content(uint32_t id)
{
    const struct row *row = find_row(id);
    return row != NULL && (row->flags & HAS_CONTENT) != 0;
}

bool amqp_method_is_from_client(uint32_t id)
{
    const struct row *row = find_row(id);
    return row != NULL && (row->flags & FROM_CLIENT) != 0;
}
