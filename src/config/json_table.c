/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON is a tree, a field table the bytes of one: going down writes fields, coming up puts the
 * length in front. Keys are taken in order, because RabbitMQ keeps objects as maps, whose keys it
 * prints in order; so both print the same definitions.
 */
#include "config/json_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/erlang.h"
#include "amqp/error.h"
#include "base/utf8.h"
#include "base/xmalloc.h"

/* --- to a table */

static bool append_fields(const json_t *object, struct buffer *table, unsigned depth);

static bool append_items(const json_t *array, struct buffer *table, unsigned depth);

/* An array's items have no names. */
static bool append_item(const json_t *value, struct buffer *table, unsigned depth)
{
    struct amqp_value item = {.type = AMQP_TYPE_VOID};
    size_t begin;
    bool is_right;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        begin = amqp_array_add_table_begin(table);
        is_right = append_fields(value, table, depth + 1);
        amqp_table_end(table, begin);
        return is_right;
    case JSON_ARRAY:
        begin = amqp_array_add_array_begin(table);
        is_right = append_items(value, table, depth + 1);
        amqp_table_end(table, begin);
        return is_right;
    case JSON_STRING:
        item.type = AMQP_TYPE_LONGSTR;
        item.bytes = bytes_of(json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        item.type = AMQP_TYPE_INT64;
        item.integer = json_integer_value(value);
        break;
    case JSON_REAL:
        item.type = AMQP_TYPE_DOUBLE;
        item.number = json_real_value(value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        item.type = AMQP_TYPE_BOOL;
        item.boolean = json_is_true(value);
        break;
    case JSON_NULL:
        break;
    }
    amqp_array_add_value(table, &item);
    return true;
}

static bool append_items(const json_t *array, struct buffer *table, unsigned depth)
{
    bool is_right = depth < AMQP_TABLE_DEPTH_MAX;
    for (size_t i = 0; is_right && i < json_array_size(array); i++)
        is_right = append_item(json_array_get(array, i), table, depth);
    return is_right;
}

static const char **sorted_names(const json_t *object)
{
    size_t count = 0;
    const char **names = xcalloc(json_object_size(object) + 1, sizeof names[0]);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) names[count++] = name;
    bytes_sort_texts(names, count);
    return names;
}

/* A field is its name and then what would be an item. */
static bool append_fields(const json_t *object, struct buffer *table, unsigned depth)
{
    bool is_right = depth < AMQP_TABLE_DEPTH_MAX;
    size_t count = json_object_size(object);
    const char **names = sorted_names(object);
    for (size_t i = 0; is_right && i < count; i++) {
        size_t size = strlen(names[i]);
        is_right = size <= AMQP_SHORTSTR_MAX;
        if (!is_right)
            break;
        buffer_append_u8(table, (uint8_t)size);
        buffer_append(table, names[i], size);
        is_right = append_item(json_object_get(object, names[i]), table, depth);
    }
    free(names);
    return is_right;
}

bool json_to_table(const json_t *object, struct buffer *table)
{
    return append_fields(object, table, 1);
}

/* --- from a table */

static json_t *json_of_bytes(struct bytes text)
{
    struct buffer latin = {0};
    if (utf8_is_valid(text))
        return json_stringn(text.size > 0 ? (const char *)text.data : "", text.size);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 0x80)
            buffer_append_u8(&latin, (uint8_t)(0xc0 | text.data[i] >> 6));
        buffer_append_u8(&latin, text.data[i] < 0x80 ? text.data[i]
                                                     : (uint8_t)(0x80 | (text.data[i] & 0x3f)));
    }
    json_t *json = json_stringn((const char *)latin.data, latin.size);
    buffer_fini(&latin);
    return json;
}

static json_t *json_of_array(struct bytes array)
{
    json_t *json = json_array();
    struct reader reader = reader_of(array);
    struct amqp_value value;
    while (amqp_array_next(&reader, &value))
        json_array_append_new(json, json_of_value(&value));
    return json;
}

json_t *json_of_table(struct bytes table)
{
    json_t *json = json_object();
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field)) {
        char *name = bytes_to_text(field.name);
        json_object_set_new(json, name, json_of_value(&field.value));
        free(name);
    }
    return json;
}

json_t *json_of_value(const struct amqp_value *value)
{
    int64_t number;
    if (amqp_value_get_integer(value, &number))
        return json_integer((json_int_t)number);
    switch (value->type) {
    case AMQP_TYPE_BOOL:
        return json_boolean(value->boolean);
    case AMQP_TYPE_FLOAT:
    case AMQP_TYPE_DOUBLE: {
        json_t *real = json_real(value->number);
        return real != NULL ? real : json_null(); /* infinity is none in JSON */
    }
    case AMQP_TYPE_TIMESTAMP:
        return json_integer((json_int_t)value->timestamp_s);
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        return json_of_bytes(value->bytes);
    case AMQP_TYPE_ARRAY:
        return json_of_array(value->bytes);
    case AMQP_TYPE_TABLE:
        return json_of_table(value->bytes);
    default:
        return json_null();
    }
}

/* --- texts */

void json_append_term(struct buffer *text, const json_t *value)
{
    struct buffer items = {0};
    struct amqp_value term;
    struct reader reader;
    if (append_item(value, &items, 1)) {
        reader = reader_of(buffer_bytes(&items));
        if (amqp_array_next(&reader, &term))
            erlang_append_term(text, &term);
    }
    buffer_fini(&items);
}

json_t *json_parse(const char *text)
{
    return json_loads(text, JSON_DECODE_ANY, NULL);
}

static int append_piece(const char *piece, size_t size, void *text)
{
    buffer_append(text, piece, size);
    return 0;
}

void json_append(struct buffer *text, const json_t *value)
{
    json_dump_callback(value, append_piece, text, JSON_COMPACT | JSON_ENCODE_ANY);
}

char *json_print(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    return text != NULL ? text : xstrdup("null");
}
