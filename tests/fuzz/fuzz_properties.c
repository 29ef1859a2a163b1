/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Basic properties. The check, the parser and the single getters are three readings of the same
 * octets and have to agree; encoding what was parsed gives the octets again, but for the one flag
 * that means nothing.
 */
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "fuzz.h"

const char fuzz_name[] = "properties";

static void check_getter(bool is_found, struct bytes found, const struct amqp_properties *p,
                         enum amqp_property property, struct bytes parsed)
{
    CHECK(is_found == amqp_properties_has(p, property));
    CHECK(!is_found || (found.size == parsed.size && found.data == parsed.data));
}

static void check_getters(struct bytes raw, const struct amqp_properties *p)
{
    struct bytes value = {0};
    CHECK(amqp_properties_delivery_mode(raw) == p->delivery_mode);
    CHECK(amqp_properties_priority(raw) == p->priority);
    check_getter(amqp_properties_headers(raw, &value), value, p, AMQP_PROPERTY_HEADERS, p->headers);
    check_getter(amqp_properties_reply_to(raw, &value), value, p, AMQP_PROPERTY_REPLY_TO,
                 p->reply_to);
    check_getter(amqp_properties_expiration(raw, &value), value, p, AMQP_PROPERTY_EXPIRATION,
                 p->expiration);
    check_getter(amqp_properties_message_id(raw, &value), value, p, AMQP_PROPERTY_MESSAGE_ID,
                 p->message_id);
    check_getter(amqp_properties_user_id(raw, &value), value, p, AMQP_PROPERTY_USER_ID, p->user_id);
}

static void check_encoding(struct bytes raw, const struct amqp_properties *p)
{
    struct buffer again = {0};
    amqp_properties_encode(&again, p);
    CHECK(again.size == raw.size);
    CHECK(memcmp(again.data + 2, raw.data + 2, raw.size - 2) == 0);
    CHECK(amqp_properties_is_valid(buffer_bytes(&again), AMQP_TABLE_DEPTH_MAX));
    buffer_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes raw = bytes_of(data, size);
    struct amqp_properties p;
    bool is_parsed = amqp_properties_parse(raw, &p);
    bool is_valid = amqp_properties_is_valid(raw, AMQP_TABLE_DEPTH_MAX);
    CHECK(is_valid == (is_parsed && amqp_table_is_valid(p.headers, AMQP_TABLE_DEPTH_MAX)));
    if (is_parsed)
        check_getters(raw, &p);
    if (is_valid && size > 0)
        check_encoding(raw, &p);
    return 0;
}
