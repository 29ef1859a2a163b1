/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables. A table that is valid can be walked to its end, is the same octets when it is
 * written field by field, equals itself and has a text; one that is not can be walked until it
 * fails. Every level of nesting is looked at, which is quadratic in their number, so that only
 * tables of a few kilobytes and levels go through all of it.
 */
#include "amqp/table.h"
#include "base/check.h"
#include "fuzz.h"

const char fuzz_name[] = "table";

static void check_table(struct bytes table, unsigned depth_max);

static void check_value(const struct amqp_value *value, unsigned depth_max)
{
    struct buffer text = {0};
    bool is_nan = (value->type == AMQP_TYPE_FLOAT || value->type == AMQP_TYPE_DOUBLE) &&
                  value->number != value->number;
    if (value->type == AMQP_TYPE_TABLE)
        check_table(value->bytes, depth_max - 1);
    bool is_flat = value->type != AMQP_TYPE_TABLE && value->type != AMQP_TYPE_ARRAY;
    CHECK(!is_flat || amqp_value_equal(value, value) == !is_nan);
    amqp_value_append_text(&text, value);
    CHECK(amqp_value_type_name(value->type)[0] != '\0');
    buffer_fini(&text);
}

static void check_table(struct bytes table, unsigned depth_max)
{
    struct buffer copy = {0};
    struct reader reader = reader_of(table);
    struct amqp_field field;
    struct amqp_value found;
    CHECK(amqp_table_is_valid(table, depth_max));
    while (amqp_table_next(&reader, &field)) {
        amqp_table_add_field(&copy, &field);
        check_value(&field.value, depth_max);
        CHECK(amqp_table_find_bytes(table, field.name, &found));
    }
    CHECK(!reader.failed && copy.size == table.size);
    buffer_fini(&copy);
}

static void walk(struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field))
        CHECK(field.name.size <= table.size);
    CHECK(reader.failed || reader_left(&reader) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes table = bytes_of(data, size);
    walk(table);
    if (size < 4096 && amqp_table_is_valid(table, 16))
        check_table(table, 16);
    if (amqp_table_is_valid(table, 1))
        CHECK(amqp_table_is_valid(table, AMQP_TABLE_DEPTH_MAX));
    return 0;
}
