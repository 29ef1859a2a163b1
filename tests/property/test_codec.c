/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format against models, with seeded random inputs: a stream of frames reads the same
 * however the network cuts it up, and the contents in it come out whole; a random tree of values
 * written as a table reads back as that tree, and no table with a wrong length passes. A failure
 * prints its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/content.h"
#include "amqp/frame.h"
#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/hash_table.h"

static uint64_t random_state;

static void seed_random(unsigned seed)
{
    random_state = hash_u64(seed + 1);
}

static size_t random_below(size_t limit)
{
    random_state += 0x9e3779b97f4a7c15u;
    return (size_t)(hash_u64(random_state) % limit);
}

/* Mostly short, sometimes the longest that a short string may be. */
static struct bytes random_name(void)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
                                  "0123456789_abcdefghijklmnopqrstuvwxyz"
                                  "abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
                                  "0123456789_abcdefghijklmnopqrstuvwxyz"
                                  "abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
                                  "0123456789_abcdefghijklmnopqrstuvwxyz";
    size_t size = random_below(8) == 0 ? 255 : random_below(20);
    return bytes_of(letters + random_below(sizeof letters - 1 - 255), size);
}

static void require(bool condition, const char *what, unsigned seed)
{
    if (!condition)
        fail_msg("%s (seed %u)", what, seed);
}

/* --- frames */

enum { frame_max = 64, messages_max = 40, body_max = 300 };

struct message {
    struct bytes exchange;
    struct bytes routing_key;
    struct bytes correlation_id;
    uint8_t body[body_max];
    size_t body_size;
};

static struct message messages[messages_max];

static void random_message(struct message *message)
{
    message->exchange = random_name();
    message->routing_key = random_name();
    message->correlation_id = random_name();
    message->body_size = random_below(3) == 0 ? 0 : random_below(body_max);
    for (size_t i = 0; i < message->body_size; i++)
        message->body[i] = (uint8_t)random_below(256);
}

static void write_message(struct buffer *stream, const struct message *message)
{
    struct buffer raw = {0};
    struct amqp_method method = {
        .id = AMQP_BASIC_PUBLISH,
        .basic_publish = {.exchange = message->exchange, .routing_key = message->routing_key}};
    struct amqp_properties properties = {.flags = AMQP_PROPERTY_CORRELATION_ID,
                                         .correlation_id = message->correlation_id};
    amqp_properties_encode(&raw, &properties);
    amqp_frame_write_method(stream, 1, &method);
    amqp_frame_write_header(stream, 1, message->body_size, buffer_bytes(&raw));
    amqp_frame_write_body(stream, 1, bytes_of(message->body, message->body_size), frame_max);
    buffer_fini(&raw);
}

static void write_stream(struct buffer *stream, size_t message_count)
{
    for (size_t i = 0; i < message_count; i++) {
        random_message(&messages[i]);
        if (random_below(4) == 0)
            amqp_frame_write_heartbeat(stream);
        write_message(stream, &messages[i]);
    }
}

/* A connection's receiving side: unread input, one channel's content, the body so far. */
struct receiver {
    struct buffer input;
    struct amqp_content content;
    struct buffer body;
    size_t message_count;
    unsigned seed;
};

static void on_message(struct receiver *receiver)
{
    const struct message *sent = &messages[receiver->message_count++];
    const struct amqp_content *content = &receiver->content;
    struct amqp_method method;
    struct amqp_properties properties;
    struct amqp_error error;
    unsigned seed = receiver->seed;
    require(amqp_method_decode(&method, content->method, &error), "decode", seed);
    require(bytes_equal(method.basic_publish.exchange, sent->exchange), "exchange", seed);
    require(bytes_equal(method.basic_publish.routing_key, sent->routing_key), "routing key", seed);
    require(amqp_properties_parse(content->properties, &properties), "properties", seed);
    require(bytes_equal(properties.correlation_id, sent->correlation_id), "correlation id", seed);
    require(bytes_equal(buffer_bytes(&receiver->body), bytes_of(sent->body, sent->body_size)),
            "body", seed);
    buffer_clear(&receiver->body);
}

static void on_frame(struct receiver *receiver, const struct amqp_frame *frame)
{
    struct amqp_error error;
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return;
    if (amqp_content_is_idle(&receiver->content)) {
        require(frame->type == AMQP_FRAME_METHOD, "a method", receiver->seed);
        amqp_content_expect(&receiver->content, AMQP_BASIC_PUBLISH, frame->payload);
        return;
    }
    enum amqp_content_result result = amqp_content_on_frame(&receiver->content, frame, &error);
    require(result != AMQP_CONTENT_INVALID, "valid content", receiver->seed);
    if (frame->type == AMQP_FRAME_BODY)
        buffer_append_bytes(&receiver->body, frame->payload);
    if (result == AMQP_CONTENT_COMPLETE)
        on_message(receiver);
}

/* Reads what is complete and moves the rest to the front, as a read buffer does. */
static void on_input(struct receiver *receiver)
{
    struct bytes left = buffer_bytes(&receiver->input);
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed;
    enum amqp_frame_result result;
    while ((result = amqp_frame_read(left, 4096, &frame, &consumed, &error)) ==
           AMQP_FRAME_COMPLETE) {
        left = bytes_of(left.data + consumed, left.size - consumed);
        on_frame(receiver, &frame);
    }
    require(result == AMQP_FRAME_INCOMPLETE, "a valid frame", receiver->seed);
    amqp_content_keep(&receiver->content);
    struct buffer rest = {0};
    buffer_append_bytes(&rest, left);
    memset(receiver->input.data, 0xee, receiver->input.size);
    buffer_fini(&receiver->input);
    receiver->input = rest;
}

static void receive_in_pieces(unsigned seed)
{
    struct buffer stream = {0};
    struct receiver receiver = {.seed = seed};
    seed_random(seed);
    amqp_content_init(&receiver.content);
    size_t message_count = 1 + random_below(messages_max);
    size_t piece_max = random_below(4) == 0 ? 3 : 1 + random_below(2000);
    write_stream(&stream, message_count);
    for (size_t at = 0; at < stream.size;) {
        size_t size = 1 + random_below(piece_max);
        size = size < stream.size - at ? size : stream.size - at;
        buffer_append(&receiver.input, stream.data + at, size);
        on_input(&receiver);
        at += size;
    }
    require(receiver.message_count == message_count, "all messages", seed);
    require(receiver.input.size == 0, "nothing left", seed);
    buffer_fini(&receiver.input);
    buffer_fini(&receiver.body);
    amqp_content_fini(&receiver.content);
    buffer_fini(&stream);
}

static void a_stream_reads_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 300; seed++)
        receive_in_pieces(seed);
}

/* --- tables */

enum { children_max = 4, depth_max = 5 };

/* A value and, where it is a table or an array, what is in it. */
struct tree {
    struct bytes name;
    struct amqp_value value;
    struct tree *children; /* owned */
    size_t child_count;
};

static bool is_nested(const struct tree *tree)
{
    return tree->value.type == AMQP_TYPE_TABLE || tree->value.type == AMQP_TYPE_ARRAY;
}

/* Within what the type holds. */
static int64_t random_integer(uint8_t type)
{
    static const struct {
        char type;
        uint8_t bits;
        bool is_signed;
    } widths[] = {{'b', 8, true},  {'B', 8, false},  {'s', 16, true}, {'u', 16, false},
                  {'I', 32, true}, {'i', 32, false}, {'l', 64, true}, {'L', 64, true}};
    uint64_t value = hash_u64(random_below(SIZE_MAX));
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        if (widths[i].type == (char)type) {
            value >>= 64 - widths[i].bits;
            uint64_t sign = (uint64_t)1 << (widths[i].bits - 1);
            return (int64_t)(widths[i].is_signed ? (value ^ sign) - sign : value);
        }
    }
    return 0;
}

static void random_value(struct amqp_value *value, bool may_nest)
{
    static const char types[] = "tbBsuIilLfdDSxTVFA";
    value->type = (uint8_t)types[random_below(sizeof types - (may_nest ? 1 : 3))];
    switch (value->type) {
    case 't':
        value->boolean = random_below(2) == 1;
        break;
    case 'f':
    case 'd':
        value->number = (double)random_below(1000) / 8;
        break;
    case 'D':
        value->decimal = (struct amqp_decimal){.scale = (uint8_t)random_below(256),
                                               .value = (uint32_t)random_below(UINT32_MAX)};
        break;
    case 'S':
    case 'x':
        value->bytes = random_name();
        break;
    case 'T':
        value->timestamp_s = hash_u64(random_below(SIZE_MAX));
        break;
    default:
        value->integer = random_integer(value->type);
    }
}

/* Gives the number of levels. */
static unsigned grow(struct tree *tree, unsigned depth_left)
{
    unsigned deepest = 0;
    tree->child_count = random_below(children_max + 1);
    tree->children = calloc(children_max, sizeof *tree->children);
    for (size_t i = 0; i < tree->child_count; i++) {
        struct tree *child = &tree->children[i];
        child->name = random_name();
        random_value(&child->value, depth_left > 1);
        unsigned below = is_nested(child) ? grow(child, depth_left - 1) : 0;
        deepest = below > deepest ? below : deepest;
    }
    return deepest + 1;
}

static void fell(struct tree *tree)
{
    for (size_t i = 0; i < tree->child_count; i++)
        fell(&tree->children[i]);
    free(tree->children);
}

static void write_children(struct buffer *buffer, const struct tree *tree);

static void write_child(struct buffer *buffer, const struct tree *child, bool in_array)
{
    char name[256] = {0};
    memcpy(name, child->name.data, child->name.size);
    if (!is_nested(child)) {
        if (in_array)
            amqp_array_add_value(buffer, &child->value);
        else
            amqp_table_add_value(buffer, name, &child->value);
        return;
    }
    bool is_table = child->value.type == AMQP_TYPE_TABLE;
    size_t begin = is_table   ? in_array ? amqp_array_add_table_begin(buffer)
                                         : amqp_table_add_table_begin(buffer, name)
                     : in_array ? amqp_array_add_array_begin(buffer)
                              : amqp_table_add_array_begin(buffer, name);
    write_children(buffer, child);
    amqp_table_end(buffer, begin);
}

static void write_children(struct buffer *buffer, const struct tree *tree)
{
    for (size_t i = 0; i < tree->child_count; i++)
        write_child(buffer, &tree->children[i], tree->value.type == AMQP_TYPE_ARRAY);
}

static void compare_children(struct bytes raw, const struct tree *tree, unsigned seed);

static void compare_value(const struct amqp_value *read, const struct tree *tree, unsigned seed)
{
    require(read->type == tree->value.type, "type", seed);
    if (is_nested(tree))
        compare_children(read->bytes, tree, seed);
    else
        require(amqp_value_equal(read, &tree->value), "value", seed);
}

static void compare_children(struct bytes raw, const struct tree *tree, unsigned seed)
{
    struct reader reader = reader_of(raw);
    for (size_t i = 0; i < tree->child_count; i++) {
        struct amqp_field field;
        if (tree->value.type == AMQP_TYPE_ARRAY) {
            require(amqp_array_next(&reader, &field.value), "a value", seed);
        } else {
            require(amqp_table_next(&reader, &field), "a field", seed);
            require(bytes_equal(field.name, tree->children[i].name), "name", seed);
        }
        compare_value(&field.value, &tree->children[i], seed);
    }
    require(reader_left(&reader) == 0 && !reader.failed, "the end", seed);
}

static void write_and_read_tree(unsigned seed)
{
    struct tree tree = {.value.type = AMQP_TYPE_TABLE};
    struct buffer buffer = {0};
    seed_random(seed);
    unsigned depth = grow(&tree, depth_max);
    write_children(&buffer, &tree);
    struct bytes raw = buffer_bytes(&buffer);
    compare_children(raw, &tree, seed);
    require(amqp_table_is_valid(raw, depth), "valid", seed);
    require(depth == 1 || !amqp_table_is_valid(raw, depth - 1), "as deep as it is", seed);
    struct amqp_value value = {.type = AMQP_TYPE_TABLE, .bytes = raw};
    require(amqp_value_equal(&value, &value), "equal to itself", seed);
    buffer_fini(&buffer);
    fell(&tree);
}

static void a_written_tree_reads_back(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 3000; seed++)
        write_and_read_tree(seed);
}

/* The last field ends the table in its own way: one octet less is always malformed. */
static void a_table_that_lacks_its_last_octet_is_malformed(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 3000; seed++) {
        struct tree tree = {.value.type = AMQP_TYPE_TABLE};
        struct buffer buffer = {0};
        seed_random(seed);
        grow(&tree, depth_max);
        write_children(&buffer, &tree);
        if (buffer.size > 0)
            require(!amqp_table_is_valid(bytes_of(buffer.data, buffer.size - 1), depth_max),
                    "malformed", seed);
        buffer_fini(&buffer);
        fell(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_reads_the_same_however_it_is_cut),
        cmocka_unit_test(a_written_tree_reads_back),
        cmocka_unit_test(a_table_that_lacks_its_last_octet_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
