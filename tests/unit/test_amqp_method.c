/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Methods. The test has a table of its own, the fields of every method as letters, and builds
 * frames from it octet by octet: decoding and encoding again must give the same octets, every
 * shorter or longer run of them must be refused. That proves the layout; which member a field lands
 * in is shown by methods written out by hand.
 */
#include "amqp_test.h"

#include "amqp/method.h"
#include "amqp/table.h"

struct known {
    uint16_t class_id;
    uint16_t method_id;
    const char *name;
    const char
        *fields; /* o octet, w short, l long, L longlong, s shortstr, S longstr, T table, 1 bit */
    bool is_from_client;
    bool has_content;
};

/* clang-format off */
static const struct known known[] = {
    {10, 10, "connection.start", "ooTSS", false, false},
    {10, 11, "connection.start-ok", "TsSs", true, false},
    {10, 20, "connection.secure", "S", false, false},
    {10, 21, "connection.secure-ok", "S", true, false},
    {10, 30, "connection.tune", "wlw", false, false},
    {10, 31, "connection.tune-ok", "wlw", true, false},
    {10, 40, "connection.open", "ss1", true, false},
    {10, 41, "connection.open-ok", "s", false, false},
    {10, 50, "connection.close", "wsww", true, false},
    {10, 51, "connection.close-ok", "", true, false},
    {10, 60, "connection.blocked", "s", false, false},
    {10, 61, "connection.unblocked", "", false, false},
    {10, 70, "connection.update-secret", "Ss", true, false},
    {10, 71, "connection.update-secret-ok", "", false, false},
    {20, 10, "channel.open", "s", true, false},
    {20, 11, "channel.open-ok", "S", false, false},
    {20, 20, "channel.flow", "1", true, false},
    {20, 21, "channel.flow-ok", "1", true, false},
    {20, 40, "channel.close", "wsww", true, false},
    {20, 41, "channel.close-ok", "", true, false},
    {30, 10, "access.request", "s11111", true, false},
    {30, 11, "access.request-ok", "w", false, false},
    {40, 10, "exchange.declare", "wss11111T", true, false},
    {40, 11, "exchange.declare-ok", "", false, false},
    {40, 20, "exchange.delete", "ws11", true, false},
    {40, 21, "exchange.delete-ok", "", false, false},
    {40, 30, "exchange.bind", "wsss1T", true, false},
    {40, 31, "exchange.bind-ok", "", false, false},
    {40, 40, "exchange.unbind", "wsss1T", true, false},
    {40, 51, "exchange.unbind-ok", "", false, false},
    {50, 10, "queue.declare", "ws11111T", true, false},
    {50, 11, "queue.declare-ok", "sll", false, false},
    {50, 20, "queue.bind", "wsss1T", true, false},
    {50, 21, "queue.bind-ok", "", false, false},
    {50, 30, "queue.purge", "ws1", true, false},
    {50, 31, "queue.purge-ok", "l", false, false},
    {50, 40, "queue.delete", "ws111", true, false},
    {50, 41, "queue.delete-ok", "l", false, false},
    {50, 50, "queue.unbind", "wsssT", true, false},
    {50, 51, "queue.unbind-ok", "", false, false},
    {60, 10, "basic.qos", "lw1", true, false},
    {60, 11, "basic.qos-ok", "", false, false},
    {60, 20, "basic.consume", "wss1111T", true, false},
    {60, 21, "basic.consume-ok", "s", false, false},
    {60, 30, "basic.cancel", "s1", true, false},
    {60, 31, "basic.cancel-ok", "s", true, false},
    {60, 40, "basic.publish", "wss11", true, true},
    {60, 50, "basic.return", "wsss", false, true},
    {60, 60, "basic.deliver", "sL1ss", false, true},
    {60, 70, "basic.get", "ws1", true, false},
    {60, 71, "basic.get-ok", "L1ssl", false, true},
    {60, 72, "basic.get-empty", "s", false, false},
    {60, 80, "basic.ack", "L1", true, false},
    {60, 90, "basic.reject", "L1", true, false},
    {60, 100, "basic.recover-async", "1", true, false},
    {60, 110, "basic.recover", "1", true, false},
    {60, 111, "basic.recover-ok", "", false, false},
    {60, 120, "basic.nack", "L11", true, false},
    {85, 10, "confirm.select", "1", true, false},
    {85, 11, "confirm.select-ok", "", false, false},
    {90, 10, "tx.select", "", true, false},
    {90, 11, "tx.select-ok", "", false, false},
    {90, 20, "tx.commit", "", true, false},
    {90, 21, "tx.commit-ok", "", false, false},
    {90, 30, "tx.rollback", "", true, false},
    {90, 31, "tx.rollback-ok", "", false, false},
};
/* clang-format on */

enum { known_count = sizeof known / sizeof *known };

static uint32_t id_of(const struct known *method)
{
    return AMQP_METHOD_ID(method->class_id, method->method_id);
}

/* Appends a number of size octets, all different, so that no two can be taken for each other. */
static void append_number(struct buffer *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buffer_append_u8(buffer, (uint8_t)(0x80 + buffer->size));
}

static void append_string(struct buffer *buffer, size_t length_size, size_t size)
{
    for (size_t i = 1; i < length_size; i++)
        buffer_append_u8(buffer, 0);
    buffer_append_u8(buffer, (uint8_t)size);
    for (size_t i = 0; i < size; i++)
        buffer_append_u8(buffer, (uint8_t)('A' + (buffer->size + i) % 26));
}

static void append_table(struct buffer *buffer)
{
    static const uint8_t table[] = {0, 0, 0, 4, 1, 'k', 'B', 7};
    buffer_append(buffer, table, sizeof table);
}

/* Fields with every second bit set, starting with first_bit. */
static void append_fields(struct buffer *buffer, const char *fields, bool first_bit)
{
    unsigned bits = 0;
    for (; *fields != '\0'; fields++) {
        if (*fields != '1')
            bits = 0;
        switch (*fields) {
        case 'o':
            append_number(buffer, 1);
            break;
        case 'w':
            append_number(buffer, 2);
            break;
        case 'l':
            append_number(buffer, 4);
            break;
        case 'L':
            append_number(buffer, 8);
            break;
        case 's':
            append_string(buffer, 1, 3);
            break;
        case 'S':
            append_string(buffer, 4, 5);
            break;
        case 'T':
            append_table(buffer);
            break;
        default:
            if (bits % 8 == 0)
                buffer_append_u8(buffer, 0);
            if ((bits % 2 == 0) == first_bit)
                buffer->data[buffer->size - 1] |= (uint8_t)(1u << bits % 8);
            bits++;
        }
    }
}

static void build(struct buffer *buffer, const struct known *method, bool first_bit)
{
    buffer_clear(buffer);
    buffer_append_u16(buffer, method->class_id);
    buffer_append_u16(buffer, method->method_id);
    append_fields(buffer, method->fields, first_bit);
}

static void every_method_round_trips(void **state)
{
    (void)state;
    struct buffer wire = {0}, again = {0};
    for (int i = 0; i < 2 * known_count; i++) {
        struct amqp_method method;
        struct amqp_error error;
        memset(&method, 0x55, sizeof method);
        build(&wire, &known[i / 2], i % 2 == 0);
        assert_true(amqp_method_decode(&method, buffer_bytes(&wire), &error));
        assert_int_equal(method.id, id_of(&known[i / 2]));
        buffer_clear(&again);
        amqp_method_encode(&again, &method);
        assert_bytes_equal(buffer_bytes(&again), buffer_bytes(&wire));
    }
    buffer_fini(&wire);
    buffer_fini(&again);
}

static void no_method_is_decoded_from_fewer_octets(void **state)
{
    (void)state;
    struct buffer wire = {0};
    for (int i = 0; i < known_count; i++) {
        build(&wire, &known[i], true);
        for (size_t size = 4; size < wire.size; size++) {
            struct amqp_method method;
            struct amqp_error error;
            uint8_t *part = malloc(size); /* its own allocation, so that a read too far is seen */
            memcpy(part, wire.data, size);
            assert_false(amqp_method_decode(&method, bytes_of(part, size), &error));
            assert_int_equal(error.code, AMQP_FRAME_ERROR);
            assert_int_equal(error.class_id, known[i].class_id);
            assert_int_equal(error.method_id, known[i].method_id);
            free(part);
        }
    }
    buffer_fini(&wire);
}

static void no_method_is_decoded_from_more_octets(void **state)
{
    (void)state;
    struct buffer wire = {0};
    for (int i = 0; i < known_count; i++) {
        struct amqp_method method;
        struct amqp_error error;
        build(&wire, &known[i], true);
        buffer_append_u8(&wire, 0);
        assert_false(amqp_method_decode(&method, buffer_bytes(&wire), &error));
        assert_int_equal(error.code, AMQP_FRAME_ERROR);
    }
    buffer_fini(&wire);
}

static const struct known *find_known(uint32_t id)
{
    for (int i = 0; i < known_count; i++) {
        if (id_of(&known[i]) == id)
            return &known[i];
    }
    return NULL;
}

/* Every id of classes and methods up to 130, and some far away. */
static void exactly_the_known_methods_exist(void **state)
{
    (void)state;
    for (uint32_t class_id = 0; class_id <= 130; class_id++) {
        for (uint32_t method_id = 0; method_id <= 130; method_id++) {
            uint32_t id = AMQP_METHOD_ID(class_id, method_id);
            const struct known *method = find_known(id);
            assert_string_equal(amqp_method_name(id), method ? method->name : "unknown");
            assert_int_equal(amqp_method_is_from_client(id), method && method->is_from_client);
            assert_int_equal(amqp_method_has_content(id), method && method->has_content);
        }
    }
    assert_string_equal(amqp_method_name(UINT32_MAX), "unknown");
    assert_string_equal(amqp_method_name(AMQP_QUEUE_DECLARE + 128), "unknown");
}

static void queue_declare_is_decoded(void **state)
{
    (void)state;
    struct amqp_method method;
    struct amqp_error error;
    assert_true(amqp_method_decode(&method,
                                   BYTES("\0\x32\0\x0a\0\x07\x05"
                                         "tasks\x0a\0\0\0\x04\x01kt\x01"),
                                   &error));
    assert_int_equal(method.id, AMQP_QUEUE_DECLARE);
    assert_int_equal(method.queue_declare.reserved_1, 7);
    assert_bytes_equal(method.queue_declare.queue, BYTES("tasks"));
    assert_false(method.queue_declare.passive);
    assert_true(method.queue_declare.durable);
    assert_false(method.queue_declare.exclusive);
    assert_true(method.queue_declare.auto_delete);
    assert_false(method.queue_declare.no_wait);
    assert_bytes_equal(method.queue_declare.arguments, BYTES("\x01kt\x01"));
}

static void basic_publish_is_decoded_into_views(void **state)
{
    (void)state;
    struct amqp_method method;
    struct amqp_error error;
    struct bytes wire = BYTES("\0\x3c\0\x28\0\0\x03"
                              "amq\x04"
                              "a.bc\x02");
    assert_true(amqp_method_decode(&method, wire, &error));
    assert_ptr_equal(method.basic_publish.exchange.data, wire.data + 7);
    assert_bytes_equal(method.basic_publish.exchange, BYTES("amq"));
    assert_bytes_equal(method.basic_publish.routing_key, BYTES("a.bc"));
    assert_false(method.basic_publish.mandatory);
    assert_true(method.basic_publish.immediate);
}

static void connection_tune_is_encoded(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct amqp_method method = {.id = AMQP_CONNECTION_TUNE, .connection_tune = {2047, 131072, 60}};
    amqp_method_encode(&buffer, &method);
    assert_bytes_equal(buffer_bytes(&buffer), BYTES("\0\x0a\0\x1e\x07\xff\0\x02\0\0\0\x3c"));
    buffer_fini(&buffer);
}

static void basic_nack_is_encoded(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct amqp_method method = {
        .id = AMQP_BASIC_NACK,
        .basic_nack = {.delivery_tag = 0x0102030405060708, .multiple = false, .requeue = true}};
    amqp_method_encode(&buffer, &method);
    assert_bytes_equal(buffer_bytes(&buffer),
                       BYTES("\0\x3c\0\x78\x01\x02\x03\x04\x05\x06\x07\x08\x02"));
    buffer_fini(&buffer);
}

static struct amqp_error error_of(struct bytes wire)
{
    struct amqp_method method;
    struct amqp_error error = {0};
    assert_false(amqp_method_decode(&method, wire, &error));
    return error;
}

static void undecodable_fields_are_shown_as_octets(void **state)
{
    (void)state;
    assert_amqp_error(error_of(BYTES("\0\x32\0\x0a\0\0\xff")), 501, 50, 10,
                      "FRAME_ERROR - cannot decode <<0,0,255>>");
    assert_amqp_error(error_of(BYTES("\0\x32\0\x0a")), 501, 50, 10,
                      "FRAME_ERROR - cannot decode <<>>");
    assert_amqp_error(error_of(BYTES("\0\x5a\0\x0axx")), 501, 90, 10,
                      "FRAME_ERROR - cannot decode <<120,120>>");
}

static void a_long_payload_is_cut_in_the_text(void **state)
{
    (void)state;
    struct buffer wire = {0};
    buffer_append_bytes(&wire, BYTES("\0\x32\0\x0a\0\0\xc8"));
    for (int i = 0; i < 200; i++)
        buffer_append_u8(&wire, 'q');
    struct amqp_error error = error_of(buffer_bytes(&wire));
    assert_int_equal(strlen(error.text), 255);
    assert_string_equal(error.text + 255 - 13, "113,113,11...");
    buffer_fini(&wire);
}

static void malformed_utf8_is_refused(void **state)
{
    (void)state;
    assert_amqp_error(error_of(BYTES("\0\x32\0\x0a\0\0\x02\xff\xfe\0\0\0\0\0")), 501, 0, 0,
                      "FRAME_ERROR - Malformed UTF-8 in shortstr");
}

static void malformed_tables_are_refused(void **state)
{
    (void)state;
    assert_amqp_error(error_of(BYTES("\0\x32\0\x0a\0\0\x01q\0\0\0\0\x06\x01kZabc")), 501, 50, 10,
                      "FRAME_ERROR - cannot decode <<0,0,1,113,0,0,0,0,6,1,107,90,97,98,99>>");
    assert_int_equal(error_of(BYTES("\0\x32\0\x0a\0\0\x01q\0\0\0\0\x04\x01kI\0")).code, 501);
}

static void unknown_methods_have_their_own_code(void **state)
{
    (void)state;
    assert_amqp_error(error_of(BYTES("\0\x32\0\x63")), 503, 50, 99,
                      "COMMAND_INVALID - unknown method 99 of class 50");
    assert_int_equal(error_of(BYTES("\0\0\0\0")).code, 503);
    assert_int_equal(error_of(BYTES("\0\x32")).code, 501);
    assert_int_equal(error_of(BYTES("")).code, 501);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_round_trips),
        cmocka_unit_test(no_method_is_decoded_from_fewer_octets),
        cmocka_unit_test(no_method_is_decoded_from_more_octets),
        cmocka_unit_test(exactly_the_known_methods_exist),
        cmocka_unit_test(queue_declare_is_decoded),
        cmocka_unit_test(basic_publish_is_decoded_into_views),
        cmocka_unit_test(connection_tune_is_encoded),
        cmocka_unit_test(basic_nack_is_encoded),
        cmocka_unit_test(undecodable_fields_are_shown_as_octets),
        cmocka_unit_test(a_long_payload_is_cut_in_the_text),
        cmocka_unit_test(malformed_utf8_is_refused),
        cmocka_unit_test(malformed_tables_are_refused),
        cmocka_unit_test(unknown_methods_have_their_own_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
