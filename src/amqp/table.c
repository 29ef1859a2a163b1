/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables stay the bytes that they are on the wire. Most tables are only stored and forwarded,
 * and a forwarded table must be the same, octet for octet, with types and order kept; what reads
 * one wants one or two fields of it. So nothing is unpacked: reading is a walk over the bytes,
 * writing appends to a buffer, and the length of something nested is put in front once it is known.
 *
 * How deep a peer may nest is bounded when a table comes in (amqp_table_is_valid, which itself does
 * not recurse). All that recurses here works on tables that have passed, so its stack is bounded.
 *
 * The tags are RabbitMQ's dialect, which differs from the specification's: s is a short integer, L
 * is signed as l is, x is a byte array.
 */
#include "amqp/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "amqp/erlang.h"
#include "amqp/error.h"
#include "amqp/write.h"
#include "base/check.h"

/* --- reading */

static double read_float(struct reader *reader)
{
    uint32_t bits = reader_u32(reader);
    float number;
    memcpy(&number, &bits, sizeof number);
    return (double)number;
}

static double read_double(struct reader *reader)
{
    uint64_t bits = reader_u64(reader);
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static struct bytes read_long(struct reader *reader)
{
    return reader_take(reader, reader_u32(reader));
}

static struct amqp_decimal read_decimal(struct reader *reader)
{
    uint8_t scale = reader_u8(reader);
    return (struct amqp_decimal){.scale = scale, .value = reader_u32(reader)};
}

static void read_value(struct reader *reader, struct amqp_value *value)
{
    value->type = reader_u8(reader);
    switch (value->type) {
    case AMQP_TYPE_BOOL:
        value->boolean = reader_u8(reader) != 0;
        break;
    case AMQP_TYPE_INT8:
        value->integer = (int8_t)reader_u8(reader);
        break;
    case AMQP_TYPE_UINT8:
        value->integer = reader_u8(reader);
        break;
    case AMQP_TYPE_INT16:
        value->integer = (int16_t)reader_u16(reader);
        break;
    case AMQP_TYPE_UINT16:
        value->integer = reader_u16(reader);
        break;
    case AMQP_TYPE_INT32:
        value->integer = (int32_t)reader_u32(reader);
        break;
    case AMQP_TYPE_UINT32:
        value->integer = reader_u32(reader);
        break;
    case AMQP_TYPE_INT64:
    case AMQP_TYPE_INT64_ALIAS:
        value->integer = (int64_t)reader_u64(reader);
        break;
    case AMQP_TYPE_FLOAT:
        value->number = read_float(reader);
        break;
    case AMQP_TYPE_DOUBLE:
        value->number = read_double(reader);
        break;
    case AMQP_TYPE_DECIMAL:
        value->decimal = read_decimal(reader);
        break;
    case AMQP_TYPE_TIMESTAMP:
        value->timestamp_s = reader_u64(reader);
        break;
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
    case AMQP_TYPE_ARRAY:
    case AMQP_TYPE_TABLE:
        value->bytes = read_long(reader);
        break;
    case AMQP_TYPE_VOID:
        break;
    default:
        reader->failed = true;
    }
}

bool amqp_table_next(struct reader *reader, struct amqp_field *field)
{
    if (reader_left(reader) == 0)
        return false;
    field->name = reader_take(reader, reader_u8(reader));
    read_value(reader, &field->value);
    return !reader->failed;
}

bool amqp_array_next(struct reader *reader, struct amqp_value *value)
{
    if (reader_left(reader) == 0)
        return false;
    read_value(reader, value);
    return !reader->failed;
}

bool amqp_table_find_bytes(struct bytes table, struct bytes name, struct amqp_value *value)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field)) {
        if (bytes_equal(field.name, name)) {
            *value = field.value;
            return true;
        }
    }
    return false;
}

bool amqp_table_find(struct bytes table, const char *name, struct amqp_value *value)
{
    return amqp_table_find_bytes(table, bytes_of_text(name), value);
}

/* One table or array that is being walked: where it ends, and which of the two it is. */
struct level {
    const uint8_t *end;
    bool is_array;
};

bool amqp_table_is_valid(struct bytes table, unsigned depth_max)
{
    struct level levels[AMQP_TABLE_DEPTH_MAX];
    CHECK(depth_max >= 1 && depth_max <= AMQP_TABLE_DEPTH_MAX);
    struct reader reader = reader_of(table);
    unsigned depth = 0;
    levels[0] = (struct level){reader.end, false};
    for (;;) {
        struct amqp_field field;
        bool is_array = levels[depth].is_array;
        reader.end = levels[depth].end;
        if (!(is_array ? amqp_array_next(&reader, &field.value)
                       : amqp_table_next(&reader, &field))) {
            if (reader.failed || depth == 0)
                return !reader.failed;
            depth--;
        } else if (field.value.type == AMQP_TYPE_TABLE || field.value.type == AMQP_TYPE_ARRAY) {
            if (++depth == depth_max)
                return false;
            reader.data = field.value.bytes.data;
            levels[depth] = (struct level){reader.data + field.value.bytes.size,
                                           field.value.type == AMQP_TYPE_ARRAY};
        }
    }
}

/* --- comparing */

enum value_class { NO_VALUE, BOOLEAN, NUMBER, DECIMAL, STRING, ARRAY, TABLE, VOID };

struct type {
    uint8_t class; /* enum value_class */
    const char *name;
};

static const struct type types[256] = {
    [AMQP_TYPE_BOOL] = {BOOLEAN, "bool"},           [AMQP_TYPE_INT8] = {NUMBER, "byte"},
    [AMQP_TYPE_UINT8] = {NUMBER, "unsignedbyte"},   [AMQP_TYPE_INT16] = {NUMBER, "short"},
    [AMQP_TYPE_UINT16] = {NUMBER, "unsignedshort"}, [AMQP_TYPE_INT32] = {NUMBER, "signedint"},
    [AMQP_TYPE_UINT32] = {NUMBER, "unsignedint"},   [AMQP_TYPE_INT64] = {NUMBER, "long"},
    [AMQP_TYPE_INT64_ALIAS] = {NUMBER, "long"},     [AMQP_TYPE_FLOAT] = {NUMBER, "float"},
    [AMQP_TYPE_DOUBLE] = {NUMBER, "double"},        [AMQP_TYPE_DECIMAL] = {DECIMAL, "decimal"},
    [AMQP_TYPE_LONGSTR] = {STRING, "longstr"},      [AMQP_TYPE_BINARY] = {STRING, "binary"},
    [AMQP_TYPE_ARRAY] = {ARRAY, "array"},           [AMQP_TYPE_TIMESTAMP] = {NUMBER, "timestamp"},
    [AMQP_TYPE_TABLE] = {TABLE, "table"},           [AMQP_TYPE_VOID] = {VOID, "void"},
};

const char *amqp_value_type_name(uint8_t type)
{
    return types[type].name != NULL ? types[type].name : "unknown";
}

static bool is_float(const struct amqp_value *value)
{
    return value->type == AMQP_TYPE_FLOAT || value->type == AMQP_TYPE_DOUBLE;
}

bool amqp_value_is_integer(const struct amqp_value *value)
{
    return types[value->type].class == NUMBER && !is_float(value) &&
           value->type != AMQP_TYPE_TIMESTAMP;
}

bool amqp_value_get_integer(const struct amqp_value *value, int64_t *integer)
{
    if (!amqp_value_is_integer(value))
        return false;
    *integer = value->integer;
    return true;
}

/* An integer or timestamp as a sign and a size. */
struct whole {
    bool is_negative;
    uint64_t size;
};

/* false where the number is no such: it has a fraction, or is too large. A double with no fraction
 * is exact, so nothing is lost on the way. */
static bool whole_of(const struct amqp_value *value, struct whole *whole)
{
    if (!is_float(value)) {
        bool is_negative = value->type != AMQP_TYPE_TIMESTAMP && value->integer < 0;
        uint64_t bits =
            value->type == AMQP_TYPE_TIMESTAMP ? value->timestamp_s : (uint64_t)value->integer;
        *whole = (struct whole){is_negative, is_negative ? -bits : bits};
        return true;
    }
    double size = value->number < 0 ? -value->number : value->number;
    if (!(size < 0x1p64) || (double)(uint64_t)size != size)
        return false;
    *whole = (struct whole){value->number < 0, (uint64_t)size};
    return true;
}

static bool numbers_equal(const struct amqp_value *a, const struct amqp_value *b)
{
    struct whole left, right;
    if (is_float(a) && is_float(b))
        return a->number == b->number;
    return whole_of(a, &left) && whole_of(b, &right) && left.is_negative == right.is_negative &&
           left.size == right.size;
}

static bool arrays_equal(struct bytes a, struct bytes b)
{
    struct reader a_reader = reader_of(a), b_reader = reader_of(b);
    struct amqp_value a_value, b_value;
    while (amqp_array_next(&a_reader, &a_value)) {
        if (!amqp_array_next(&b_reader, &b_value) || !amqp_value_equal(&a_value, &b_value))
            return false;
    }
    return reader_left(&b_reader) == 0;
}

static bool tables_equal(struct bytes a, struct bytes b)
{
    struct reader a_reader = reader_of(a), b_reader = reader_of(b);
    struct amqp_field a_field, b_field;
    while (amqp_table_next(&a_reader, &a_field)) {
        if (!amqp_table_next(&b_reader, &b_field) || !bytes_equal(a_field.name, b_field.name) ||
            !amqp_value_equal(&a_field.value, &b_field.value))
            return false;
    }
    return reader_left(&b_reader) == 0;
}

bool amqp_value_equal(const struct amqp_value *a, const struct amqp_value *b)
{
    enum value_class class = types[a->type].class;
    if (class != types[b->type].class)
        return false;
    switch (class) {
    case BOOLEAN:
        return a->boolean == b->boolean;
    case NUMBER:
        return numbers_equal(a, b);
    case DECIMAL:
        return a->decimal.scale == b->decimal.scale && a->decimal.value == b->decimal.value;
    case STRING:
        return bytes_equal(a->bytes, b->bytes);
    case ARRAY:
        return arrays_equal(a->bytes, b->bytes);
    case TABLE:
        return tables_equal(a->bytes, b->bytes);
    case VOID:
        return true;
    case NO_VALUE:
        break;
    }
    return false;
}

/* --- as text */

/* A number as digits: 0.DIGITS * 10^place. */
struct decimal {
    char digits[20];
    int count;
    int place;
};

/* The fewest digits that read back as the same number, which is finite and not below 0. */
static struct decimal shortest(double number)
{
    struct decimal decimal = {0};
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (*at != '.')
            decimal.digits[decimal.count++] = *at;
    }
    decimal.place = (int)strtol(at + 1, NULL, 10) + 1;
    while (decimal.count > 1 && decimal.digits[decimal.count - 1] == '0')
        decimal.count--;
    return decimal;
}

static void append_zeros(struct buffer *buffer, int count)
{
    for (; count > 0; count--)
        buffer_append_u8(buffer, '0');
}

static void append_plain(struct buffer *buffer, const struct decimal *decimal)
{
    int whole = decimal->place < decimal->count ? decimal->place : decimal->count;
    if (decimal->place <= 0) {
        buffer_append_format(buffer, "0.");
        append_zeros(buffer, -decimal->place);
        buffer_append(buffer, decimal->digits, (size_t)decimal->count);
        return;
    }
    buffer_append(buffer, decimal->digits, (size_t)whole);
    append_zeros(buffer, decimal->place - decimal->count);
    buffer_append_u8(buffer, '.');
    if (whole < decimal->count)
        buffer_append(buffer, decimal->digits + whole, (size_t)(decimal->count - whole));
    else
        buffer_append_u8(buffer, '0');
}

static void append_scientific(struct buffer *buffer, const struct decimal *decimal)
{
    buffer_append_format(buffer, "%c.", decimal->digits[0]);
    if (decimal->count > 1)
        buffer_append(buffer, decimal->digits + 1, (size_t)decimal->count - 1);
    else
        buffer_append_u8(buffer, '0');
    buffer_append_format(buffer, "e%d", decimal->place - 1);
}

/* As Erlang prints a float: the fewest digits, with an exponent where that is shorter, and from
 * 2^53 on, where a double no longer holds every integer, always. */
static void append_number(struct buffer *buffer, double number)
{
    struct buffer scientific = {0}, plain = {0};
    if (!isfinite(number)) {
        buffer_append_format(buffer, "%f", number);
        return;
    }
    if (signbit(number))
        buffer_append_u8(buffer, '-');
    struct decimal decimal = shortest(fabs(number));
    if (number == 0)
        decimal.place = 1;
    append_scientific(&scientific, &decimal);
    bool is_plain = fabs(number) < 0x1p53 && decimal.place > -8;
    if (is_plain)
        append_plain(&plain, &decimal);
    is_plain = is_plain && plain.size <= scientific.size;
    buffer_append_bytes(buffer, buffer_bytes(is_plain ? &plain : &scientific));
    buffer_fini(&scientific);
    buffer_fini(&plain);
}

static void append_term(struct buffer *buffer, const struct amqp_value *value);

void amqp_field_append_term(struct buffer *buffer, const struct amqp_field *field)
{
    buffer_append_u8(buffer, '{');
    erlang_append_binary(buffer, field->name);
    buffer_append_format(buffer, ",%s,", amqp_value_type_name(field->value.type));
    append_term(buffer, &field->value);
    buffer_append_u8(buffer, '}');
}

static void append_fields(struct buffer *buffer, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    const char *separator = "";
    while (amqp_table_next(&reader, &field)) {
        buffer_append_bytes(buffer, bytes_of_text(separator));
        amqp_field_append_term(buffer, &field);
        separator = ",";
    }
}

static void append_values(struct buffer *buffer, struct bytes array)
{
    struct reader reader = reader_of(array);
    struct amqp_value value;
    const char *separator = "{";
    while (amqp_array_next(&reader, &value)) {
        buffer_append_format(buffer, "%s%s,", separator, amqp_value_type_name(value.type));
        append_term(buffer, &value);
        buffer_append_u8(buffer, '}');
        separator = ",{";
    }
}

static void append_list(struct buffer *buffer, const struct amqp_value *value)
{
    buffer_append_u8(buffer, '[');
    if (value->type == AMQP_TYPE_TABLE)
        append_fields(buffer, value->bytes);
    else
        append_values(buffer, value->bytes);
    buffer_append_u8(buffer, ']');
}

static void append_term(struct buffer *buffer, const struct amqp_value *value)
{
    if (types[value->type].class == STRING)
        erlang_append_binary(buffer, value->bytes);
    else
        amqp_value_append_text(buffer, value);
}

static void append_scalar(struct buffer *buffer, const struct amqp_value *value)
{
    if (is_float(value))
        append_number(buffer, value->number);
    else if (value->type == AMQP_TYPE_TIMESTAMP)
        buffer_append_format(buffer, "%llu", (unsigned long long)value->timestamp_s);
    else
        buffer_append_format(buffer, "%lld", (long long)value->integer);
}

void amqp_value_append_text(struct buffer *buffer, const struct amqp_value *value)
{
    switch ((enum value_class)types[value->type].class) {
    case BOOLEAN:
        buffer_append_bytes(buffer, bytes_of_text(value->boolean ? "true" : "false"));
        break;
    case NUMBER:
        append_scalar(buffer, value);
        break;
    case DECIMAL:
        buffer_append_format(buffer, "{%u,%u}", value->decimal.scale, value->decimal.value);
        break;
    case STRING:
        buffer_append_bytes(buffer, value->bytes);
        break;
    case ARRAY:
    case TABLE:
        append_list(buffer, value);
        break;
    case VOID:
    case NO_VALUE:
        buffer_append_bytes(buffer, bytes_of_text("undefined"));
        break;
    }
}

/* --- writing */

static void write_float(struct buffer *buffer, double value)
{
    float number = (float)value;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    buffer_append_u32(buffer, bits);
}

static void write_double(struct buffer *buffer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    buffer_append_u64(buffer, bits);
}

static void write_value(struct buffer *buffer, const struct amqp_value *value)
{
    buffer_append_u8(buffer, value->type);
    switch ((enum amqp_type)value->type) {
    case AMQP_TYPE_BOOL:
        buffer_append_u8(buffer, value->boolean);
        break;
    case AMQP_TYPE_INT8:
    case AMQP_TYPE_UINT8:
        buffer_append_u8(buffer, (uint8_t)value->integer);
        break;
    case AMQP_TYPE_INT16:
    case AMQP_TYPE_UINT16:
        buffer_append_u16(buffer, (uint16_t)value->integer);
        break;
    case AMQP_TYPE_INT32:
    case AMQP_TYPE_UINT32:
        buffer_append_u32(buffer, (uint32_t)value->integer);
        break;
    case AMQP_TYPE_INT64:
    case AMQP_TYPE_INT64_ALIAS:
        buffer_append_u64(buffer, (uint64_t)value->integer);
        break;
    case AMQP_TYPE_FLOAT:
        write_float(buffer, value->number);
        break;
    case AMQP_TYPE_DOUBLE:
        write_double(buffer, value->number);
        break;
    case AMQP_TYPE_DECIMAL:
        buffer_append_u8(buffer, value->decimal.scale);
        buffer_append_u32(buffer, value->decimal.value);
        break;
    case AMQP_TYPE_TIMESTAMP:
        buffer_append_u64(buffer, value->timestamp_s);
        break;
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
    case AMQP_TYPE_ARRAY:
    case AMQP_TYPE_TABLE:
        amqp_write_longstr(buffer, value->bytes);
        break;
    case AMQP_TYPE_VOID:
        break;
    }
}

static size_t begin_nested(struct buffer *buffer, enum amqp_type type)
{
    buffer_append_u8(buffer, (uint8_t)type);
    return amqp_table_begin(buffer);
}

size_t amqp_table_begin(struct buffer *buffer)
{
    size_t begin = buffer->size;
    buffer_append_u32(buffer, 0);
    return begin;
}

void amqp_table_end(struct buffer *buffer, size_t begin)
{
    size_t size = buffer->size - begin - sizeof(uint32_t);
    CHECK(size <= UINT32_MAX);
    uint32_t swapped = __builtin_bswap32((uint32_t)size);
    memcpy(buffer->data + begin, &swapped, sizeof swapped);
}

size_t amqp_table_add_table_begin(struct buffer *buffer, const char *name)
{
    amqp_write_shortstr(buffer, bytes_of_text(name));
    return begin_nested(buffer, AMQP_TYPE_TABLE);
}

size_t amqp_table_add_array_begin(struct buffer *buffer, const char *name)
{
    amqp_write_shortstr(buffer, bytes_of_text(name));
    return begin_nested(buffer, AMQP_TYPE_ARRAY);
}

void amqp_table_add_field(struct buffer *buffer, const struct amqp_field *field)
{
    amqp_write_shortstr(buffer, field->name);
    write_value(buffer, &field->value);
}

void amqp_table_add_value(struct buffer *buffer, const char *name, const struct amqp_value *value)
{
    amqp_write_shortstr(buffer, bytes_of_text(name));
    write_value(buffer, value);
}

void amqp_table_add_longstr(struct buffer *buffer, const char *name, struct bytes value)
{
    struct amqp_value field = {.type = AMQP_TYPE_LONGSTR, .bytes = value};
    amqp_table_add_value(buffer, name, &field);
}

void amqp_table_add_text(struct buffer *buffer, const char *name, const char *value)
{
    amqp_table_add_longstr(buffer, name, bytes_of_text(value));
}

void amqp_table_add_bool(struct buffer *buffer, const char *name, bool value)
{
    struct amqp_value field = {.type = AMQP_TYPE_BOOL, .boolean = value};
    amqp_table_add_value(buffer, name, &field);
}

void amqp_table_add_int(struct buffer *buffer, const char *name, int64_t value)
{
    struct amqp_value field = {.type = AMQP_TYPE_INT64, .integer = value};
    amqp_table_add_value(buffer, name, &field);
}

void amqp_table_add_double(struct buffer *buffer, const char *name, double value)
{
    struct amqp_value field = {.type = AMQP_TYPE_DOUBLE, .number = value};
    amqp_table_add_value(buffer, name, &field);
}

void amqp_table_add_timestamp(struct buffer *buffer, const char *name, uint64_t timestamp_s)
{
    struct amqp_value field = {.type = AMQP_TYPE_TIMESTAMP, .timestamp_s = timestamp_s};
    amqp_table_add_value(buffer, name, &field);
}

void amqp_table_add_void(struct buffer *buffer, const char *name)
{
    struct amqp_value field = {.type = AMQP_TYPE_VOID};
    amqp_table_add_value(buffer, name, &field);
}

size_t amqp_array_add_table_begin(struct buffer *buffer)
{
    return begin_nested(buffer, AMQP_TYPE_TABLE);
}

size_t amqp_array_add_array_begin(struct buffer *buffer)
{
    return begin_nested(buffer, AMQP_TYPE_ARRAY);
}

void amqp_array_add_value(struct buffer *buffer, const struct amqp_value *value)
{
    write_value(buffer, value);
}

void amqp_array_add_longstr(struct buffer *buffer, struct bytes value)
{
    struct amqp_value element = {.type = AMQP_TYPE_LONGSTR, .bytes = value};
    amqp_array_add_value(buffer, &element);
}
