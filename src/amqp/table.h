/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_TABLE_H
#define LEVERET_AMQP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/reader.h"

/* Field tables and arrays, read and written as raw bytes: a table is its fields without the length
 * in front of them, an array its values likewise. Nothing is ever unpacked into a tree. */

enum { AMQP_TABLE_DEPTH_MAX = 128 };

/* The type tags, in RabbitMQ's reading of them. */
enum amqp_type {
    AMQP_TYPE_BOOL = 't',
    AMQP_TYPE_INT8 = 'b',
    AMQP_TYPE_UINT8 = 'B',
    AMQP_TYPE_INT16 = 's',
    AMQP_TYPE_UINT16 = 'u',
    AMQP_TYPE_INT32 = 'I',
    AMQP_TYPE_UINT32 = 'i',
    AMQP_TYPE_INT64 = 'l',
    AMQP_TYPE_INT64_ALIAS = 'L',
    AMQP_TYPE_FLOAT = 'f',
    AMQP_TYPE_DOUBLE = 'd',
    AMQP_TYPE_DECIMAL = 'D',
    AMQP_TYPE_LONGSTR = 'S',
    AMQP_TYPE_BINARY = 'x',
    AMQP_TYPE_ARRAY = 'A',
    AMQP_TYPE_TIMESTAMP = 'T',
    AMQP_TYPE_TABLE = 'F',
    AMQP_TYPE_VOID = 'V',
};

struct amqp_decimal {
    uint32_t value; /* the number is value / 10^scale */
    uint8_t scale;
};

struct amqp_value {
    uint8_t type; /* enum amqp_type: says which member holds the value */
    union {
        bool boolean;
        int64_t integer;      /* every integer type */
        double number;        /* float, double */
        uint64_t timestamp_s; /* seconds since 1970 */
        struct amqp_decimal decimal;
        struct bytes bytes; /* longstr, binary, and the contents of an array or a table */
    };
};

struct amqp_field {
    struct bytes name;
    struct amqp_value value;
};

/* --- reading */

/* The next field of a table, from a reader over its bytes. False at the end, and where a field is
 * malformed (then the reader has failed). Nested tables and arrays are not looked into. */
bool amqp_table_next(struct reader *reader, struct amqp_field *field);

/* The next value of an array, likewise. */
bool amqp_array_next(struct reader *reader, struct amqp_value *value);

/* The first field of that name; false where there is none. */
bool amqp_table_find(struct bytes table, const char *name, struct amqp_value *value);
bool amqp_table_find_bytes(struct bytes table, struct bytes name, struct amqp_value *value);

/* Are all fields, nested ones too, well formed, and nested at most depth_max deep (1: only plain
 * values)? depth_max is at most AMQP_TABLE_DEPTH_MAX. */
bool amqp_table_is_valid(struct bytes table, unsigned depth_max);

/* --- values */

bool amqp_value_is_integer(const struct amqp_value *value);

/* The number in *integer where the value has an integer type of any width. */
bool amqp_value_get_integer(const struct amqp_value *value, int64_t *integer);

/* Equal by value, as the headers exchange and re-declarations compare: integers of all widths,
 * floats and timestamps are numbers, a longstr equals a binary of the same bytes, a decimal only a
 * decimal. Tables and arrays are valid ones; they are equal with equal fields in the same order. */
bool amqp_value_equal(const struct amqp_value *a, const struct amqp_value *b);

/* The type as RabbitMQ's messages name it: "longstr", "signedint", ...; "unknown" for no type. */
const char *amqp_value_type_name(uint8_t type);

/* Appends the value as it stands in RabbitMQ's messages: a string as it is, true, 1000, 1.5; tables
 * and arrays (valid ones) as Erlang terms. */
void amqp_value_append_text(struct buffer *buffer, const struct amqp_value *value);

/* Appends the field as the term that it is in Erlang: {<<"x-max-length">>,signedint,5}. */
void amqp_field_append_term(struct buffer *buffer, const struct amqp_field *field);

/* --- writing: fields are appended to a buffer; names are at most AMQP_SHORTSTR_MAX bytes (checked)
 *
 * Nested ones stand between a begin and amqp_table_end with what begin returned. amqp_table_begin
 * and amqp_table_end alone write a table with its length in front. */

size_t amqp_table_begin(struct buffer *buffer);
void amqp_table_end(struct buffer *buffer, size_t begin);

size_t amqp_table_add_table_begin(struct buffer *buffer, const char *name);
size_t amqp_table_add_array_begin(struct buffer *buffer, const char *name);
void amqp_table_add_longstr(struct buffer *buffer, const char *name, struct bytes value);
void amqp_table_add_text(struct buffer *buffer, const char *name, const char *value);
void amqp_table_add_bool(struct buffer *buffer, const char *name, bool value);
void amqp_table_add_int(struct buffer *buffer, const char *name, int64_t value); /* type l */
void amqp_table_add_double(struct buffer *buffer, const char *name, double value);
void amqp_table_add_timestamp(struct buffer *buffer, const char *name, uint64_t timestamp_s);
void amqp_table_add_void(struct buffer *buffer, const char *name);
void amqp_table_add_value(struct buffer *buffer, const char *name, const struct amqp_value *value);
/* A field as it was read. */
void amqp_table_add_field(struct buffer *buffer, const struct amqp_field *field);

size_t amqp_array_add_table_begin(struct buffer *buffer);
size_t amqp_array_add_array_begin(struct buffer *buffer);
void amqp_array_add_longstr(struct buffer *buffer, struct bytes value);
void amqp_array_add_value(struct buffer *buffer, const struct amqp_value *value);

#endif
