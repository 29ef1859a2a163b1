/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Erlang prints octets. Two forms occur in RabbitMQ's texts: the plain list of numbers, and the
 * pretty one that turns into a quoted string when every octet is a printable Latin-1 character. No
 * text has room for more than 255 octets, so no more than that many are looked at: what a peer sent
 * may be a hundred thousand.
 *
 * RabbitMQ sends the octets of a quoted string as they are. So it is here where they are UTF-8, as
 * every text on the wire should be; where they are not, each is taken as a Latin-1 character. Terms
 * are shown on terminals, where RabbitMQ takes every octet as such a character.
 */
#include "amqp/erlang.h"

#include <stdbool.h>

#include "amqp/table.h"
#include "base/utf8.h"

enum { shown_max = 256 };

static struct bytes shown(struct bytes octets)
{
    return bytes_of(octets.data, octets.size < shown_max ? octets.size : shown_max);
}

static void append_numbers(struct buffer *buffer, struct bytes octets)
{
    for (size_t i = 0; i < octets.size; i++)
        buffer_append_format(buffer, "%s%u", i > 0 ? "," : "", octets.data[i]);
}

void erlang_append_octets(struct buffer *buffer, struct bytes octets)
{
    buffer_append_bytes(buffer, bytes_of_text("<<"));
    append_numbers(buffer, shown(octets));
    buffer_append_bytes(buffer, bytes_of_text(">>"));
}

/* The control characters that a quoted string shows as an escape; NULL for all others. */
static const char *escape_of(uint8_t octet)
{
    static const char *const escapes[256] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\v'] = "\\v",  ['\f'] = "\\f",
        ['\r'] = "\\r", [27] = "\\e",   ['"'] = "\\\"", ['\\'] = "\\\\",
    };
    return escapes[octet];
}

static bool is_printable(uint8_t octet)
{
    return (octet >= 32 && octet < 127) || octet >= 160 || escape_of(octet) != NULL;
}

static bool all_printable(struct bytes octets)
{
    for (size_t i = 0; i < octets.size; i++) {
        if (!is_printable(octets.data[i]))
            return false;
    }
    return octets.size > 0;
}

static void append_character(struct buffer *buffer, uint8_t octet, bool is_utf8)
{
    if (escape_of(octet) != NULL) {
        buffer_append_bytes(buffer, bytes_of_text(escape_of(octet)));
    } else if (octet < 128 || is_utf8) {
        buffer_append_u8(buffer, octet);
    } else {
        buffer_append_u8(buffer, (uint8_t)(0xc0 | octet >> 6));
        buffer_append_u8(buffer, (uint8_t)(0x80 | (octet & 0x3f)));
    }
}

static void append_quoted(struct buffer *buffer, struct bytes octets, bool is_utf8)
{
    buffer_append_u8(buffer, '"');
    for (size_t i = 0; i < octets.size; i++)
        append_character(buffer, octets.data[i], is_utf8);
    buffer_append_u8(buffer, '"');
}

static void append_binary(struct buffer *buffer, struct bytes octets, bool is_utf8)
{
    struct bytes part = shown(octets);
    if (!all_printable(part)) {
        erlang_append_octets(buffer, part);
        return;
    }
    buffer_append_bytes(buffer, bytes_of_text("<<"));
    append_quoted(buffer, part, is_utf8);
    buffer_append_bytes(buffer, bytes_of_text(">>"));
}

void erlang_append_binary(struct buffer *buffer, struct bytes octets)
{
    append_binary(buffer, octets, utf8_is_valid(shown(octets)));
}

void erlang_append_string(struct buffer *buffer, struct bytes octets)
{
    struct bytes part = shown(octets);
    if (all_printable(part)) {
        append_quoted(buffer, part, utf8_is_valid(part));
        return;
    }
    buffer_append_u8(buffer, '[');
    append_numbers(buffer, part);
    buffer_append_u8(buffer, ']');
}

/* --- terms */

static bool is_character(const struct amqp_value *value)
{
    int64_t number;
    return amqp_value_get_integer(value, &number) && number >= 0 && number < 256 &&
           is_printable((uint8_t)number);
}

/* A list of numbers that are all characters is a string. */
static bool is_string(struct bytes array)
{
    struct reader reader = reader_of(array);
    struct amqp_value value;
    while (amqp_array_next(&reader, &value)) {
        if (!is_character(&value))
            return false;
    }
    return array.size > 0;
}

static void append_string(struct buffer *buffer, struct bytes array)
{
    struct reader reader = reader_of(array);
    struct amqp_value value;
    buffer_append_u8(buffer, '"');
    while (amqp_array_next(&reader, &value))
        append_character(buffer, (uint8_t)value.integer, false);
    buffer_append_u8(buffer, '"');
}

static void append_list(struct buffer *buffer, struct bytes array)
{
    struct reader reader = reader_of(array);
    struct amqp_value value;
    const char *separator = "";
    buffer_append_u8(buffer, '[');
    while (amqp_array_next(&reader, &value)) {
        buffer_append_bytes(buffer, bytes_of_text(separator));
        erlang_append_term(buffer, &value);
        separator = ",";
    }
    buffer_append_u8(buffer, ']');
}

static void append_map(struct buffer *buffer, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    const char *separator = "";
    buffer_append_bytes(buffer, bytes_of_text("#{"));
    while (amqp_table_next(&reader, &field)) {
        buffer_append_bytes(buffer, bytes_of_text(separator));
        append_binary(buffer, field.name, false);
        buffer_append_bytes(buffer, bytes_of_text(" => "));
        erlang_append_term(buffer, &field.value);
        separator = ",";
    }
    buffer_append_u8(buffer, '}');
}

void erlang_append_term(struct buffer *buffer, const struct amqp_value *value)
{
    switch (value->type) {
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        append_binary(buffer, value->bytes, false);
        break;
    case AMQP_TYPE_ARRAY:
        if (is_string(value->bytes))
            append_string(buffer, value->bytes);
        else
            append_list(buffer, value->bytes);
        break;
    case AMQP_TYPE_TABLE:
        append_map(buffer, value->bytes);
        break;
    case AMQP_TYPE_VOID:
        buffer_append_bytes(buffer, bytes_of_text("null"));
        break;
    default:
        amqp_value_append_text(buffer, value);
    }
}
