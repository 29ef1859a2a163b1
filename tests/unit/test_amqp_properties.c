/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic properties: all of them at once from known octets, each of them alone beside every other
 * combination, and malformed ones.
 */
#include "amqp_test.h"

#include "amqp/properties.h"

#define ALL_OF_THEM                                                                                \
    "\xff\xfc"                                                                                     \
    "\2ct\2ce\0\0\0\4\1hB\7\2\x05\2co\2re\2ex\2me\0\0\0\0\x65\x53\xf1\0\2ty\2us\2ap\2cl"

static void all_are_parsed(void **state)
{
    (void)state;
    struct amqp_properties p;
    assert_true(amqp_properties_is_valid(BYTES(ALL_OF_THEM), 1));
    assert_true(amqp_properties_parse(BYTES(ALL_OF_THEM), &p));
    assert_int_equal(p.flags, 0xfffc);
    assert_bytes_equal(p.content_type, BYTES("ct"));
    assert_bytes_equal(p.content_encoding, BYTES("ce"));
    assert_bytes_equal(p.headers, BYTES("\1hB\7"));
    assert_int_equal(p.delivery_mode, AMQP_DELIVERY_MODE_PERSISTENT);
    assert_int_equal(p.priority, 5);
    assert_bytes_equal(p.correlation_id, BYTES("co"));
    assert_bytes_equal(p.reply_to, BYTES("re"));
    assert_bytes_equal(p.expiration, BYTES("ex"));
    assert_bytes_equal(p.message_id, BYTES("me"));
    assert_int_equal(p.timestamp_s, 1700000000);
    assert_bytes_equal(p.type, BYTES("ty"));
    assert_bytes_equal(p.user_id, BYTES("us"));
    assert_bytes_equal(p.app_id, BYTES("ap"));
    assert_bytes_equal(p.cluster_id, BYTES("cl"));
}

/* All properties with only these flags. */
static void build(struct buffer *buffer, uint16_t flags)
{
    struct amqp_properties p;
    assert_true(amqp_properties_parse(BYTES(ALL_OF_THEM), &p));
    p.flags = flags;
    buffer_clear(buffer);
    amqp_properties_encode(buffer, &p);
}

static void assert_getter(bool (*get)(struct bytes, struct bytes *), struct bytes raw,
                          bool is_there, struct bytes expected)
{
    struct bytes value = BYTES("untouched");
    assert_int_equal(get(raw, &value), is_there);
    assert_bytes_equal(value, is_there ? expected : BYTES("untouched"));
}

static void assert_getters(struct bytes raw, uint16_t flags)
{
    bool is_persistent = (flags & AMQP_PROPERTY_DELIVERY_MODE) != 0;
    assert_int_equal(amqp_properties_flags(raw), flags);
    assert_int_equal(amqp_properties_delivery_mode(raw), is_persistent ? 2 : 0);
    assert_int_equal(amqp_properties_is_persistent(raw), is_persistent);
    assert_int_equal(amqp_properties_priority(raw), flags & AMQP_PROPERTY_PRIORITY ? 5 : 0);
    assert_getter(amqp_properties_headers, raw, flags & AMQP_PROPERTY_HEADERS, BYTES("\1hB\7"));
    assert_getter(amqp_properties_reply_to, raw, flags & AMQP_PROPERTY_REPLY_TO, BYTES("re"));
    assert_getter(amqp_properties_expiration, raw, flags & AMQP_PROPERTY_EXPIRATION, BYTES("ex"));
    assert_getter(amqp_properties_message_id, raw, flags & AMQP_PROPERTY_MESSAGE_ID, BYTES("me"));
    assert_getter(amqp_properties_user_id, raw, flags & AMQP_PROPERTY_USER_ID, BYTES("us"));
}

static void every_combination_round_trips(void **state)
{
    (void)state;
    struct buffer wire = {0}, again = {0};
    for (unsigned flags = 0; flags <= 0xfffc; flags += 4) {
        struct amqp_properties p;
        build(&wire, (uint16_t)flags);
        assert_true(amqp_properties_is_valid(buffer_bytes(&wire), 1));
        assert_true(amqp_properties_parse(buffer_bytes(&wire), &p));
        buffer_clear(&again);
        amqp_properties_encode(&again, &p);
        assert_bytes_equal(buffer_bytes(&again), buffer_bytes(&wire));
        assert_getters(buffer_bytes(&wire), (uint16_t)flags);
    }
    buffer_fini(&wire);
    buffer_fini(&again);
}

static void members_that_are_not_there_are_zero(void **state)
{
    (void)state;
    struct amqp_properties p;
    memset(&p, 0x55, sizeof p);
    assert_true(amqp_properties_parse(BYTES("\x10\0\1"), &p));
    assert_true(amqp_properties_has(&p, AMQP_PROPERTY_DELIVERY_MODE));
    assert_false(amqp_properties_has(&p, AMQP_PROPERTY_PRIORITY));
    assert_int_equal(p.delivery_mode, 1);
    assert_int_equal(p.priority, 0);
    assert_int_equal(p.headers.size + p.user_id.size + p.timestamp_s, 0);
    assert_false(amqp_properties_is_persistent(BYTES("\x10\0\1")));
}

static void no_octets_are_no_properties(void **state)
{
    (void)state;
    struct amqp_properties p;
    struct bytes none = bytes_of(NULL, 0), value;
    assert_true(amqp_properties_is_valid(none, 1));
    assert_true(amqp_properties_parse(none, &p));
    assert_int_equal(p.flags, 0);
    assert_false(amqp_properties_is_persistent(none));
    assert_false(amqp_properties_headers(none, &value));
}

static void assert_malformed(struct bytes raw)
{
    struct amqp_properties p;
    assert_false(amqp_properties_is_valid(raw, 8));
    assert_false(amqp_properties_parse(raw, &p));
}

static void every_cut_is_malformed(void **state)
{
    (void)state;
    for (size_t size = 1; size < sizeof ALL_OF_THEM - 1; size++) {
        uint8_t *part = malloc(size);
        memcpy(part, ALL_OF_THEM, size);
        assert_malformed(bytes_of(part, size));
        free(part);
    }
}

static void what_does_not_fit_is_malformed(void **state)
{
    (void)state;
    assert_malformed(BYTES("\0\0x"));               /* something behind the last value */
    assert_malformed(BYTES("\x80\1\1a"));           /* more flags */
    assert_malformed(BYTES("\x20\0\0\0\0\x05\1k")); /* headers longer than what is there */
}

static void headers_have_to_be_valid_to_a_depth(void **state)
{
    (void)state;
    struct amqp_properties p;
    struct bytes bad_tag = BYTES("\x20\0\0\0\0\3\1kZ");
    struct bytes nested = BYTES("\x20\0\0\0\0\7\1kF\0\0\0\0");
    assert_false(amqp_properties_is_valid(bad_tag, 8));
    assert_true(amqp_properties_parse(bad_tag, &p));
    assert_false(amqp_properties_is_valid(nested, 1));
    assert_true(amqp_properties_is_valid(nested, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_parsed),
        cmocka_unit_test(every_combination_round_trips),
        cmocka_unit_test(members_that_are_not_there_are_zero),
        cmocka_unit_test(no_octets_are_no_properties),
        cmocka_unit_test(every_cut_is_malformed),
        cmocka_unit_test(what_does_not_fit_is_malformed),
        cmocka_unit_test(headers_have_to_be_valid_to_a_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
