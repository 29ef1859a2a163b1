/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erlang's phash2, which its documentation promises to be the same in all versions and on all
 * machines: RabbitMQ names bindings by it, and so tools have it in what they keep.
 *
 * A term is hashed in the order of its parts, each of which is mixed into the hash so far by Bob
 * Jenkins' function of 1996 (lookup2) with a constant of its kind: multiples of the golden ratio's
 * fraction. Here are the kinds of which arguments are made; a list is its elements and then the
 * empty list, a tuple its size and then its elements.
 */
#include "amqp/erlang_hash.h"

#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/xmalloc.h"

#define GOLDEN 0x9e3779b9U

/* Kinds, as factors of the constant. */
enum kind {
    KIND_SMALL = 1,
    KIND_NIL = 2,
    KIND_ATOM = 3,
    KIND_TUPLE = 9,
    KIND_NEGATIVE = 10,
    KIND_POSITIVE = 11,
    KIND_FLOAT = 12,
    KIND_BINARY = 13,
};

/* What an empty list is mixed in as. */
enum { NIL_VALUE = 2 };

/* Integers below in size are mixed in as one word. */
#define SMALL_END (1 << 27)

struct mix {
    uint32_t a, b, c;
};

static void mix(struct mix *m)
{
    m->a = (m->a - m->b - m->c) ^ (m->c >> 13);
    m->b = (m->b - m->c - m->a) ^ (m->a << 8);
    m->c = (m->c - m->a - m->b) ^ (m->b >> 13);
    m->a = (m->a - m->b - m->c) ^ (m->c >> 12);
    m->b = (m->b - m->c - m->a) ^ (m->a << 16);
    m->c = (m->c - m->a - m->b) ^ (m->b >> 5);
    m->a = (m->a - m->b - m->c) ^ (m->c >> 3);
    m->b = (m->b - m->c - m->a) ^ (m->a << 10);
    m->c = (m->c - m->a - m->b) ^ (m->b >> 15);
}

static uint32_t add_words(uint32_t hash, uint32_t first, uint32_t second, enum kind kind)
{
    uint32_t constant = GOLDEN * (uint32_t)kind;
    struct mix m = {constant + first, constant + second, hash};
    mix(&m);
    return m.c;
}

static uint32_t add_word(uint32_t hash, uint32_t word, enum kind kind)
{
    return add_words(hash, word, 0, kind);
}

/* --- terms */

static uint32_t word_at(const uint8_t *data, size_t size)
{
    uint32_t word = 0;
    for (size_t i = 0; i < size && i < 4; i++)
        word |= (uint32_t)data[i] << (8 * i);
    return word;
}

static uint32_t add_binary(uint32_t hash, struct bytes bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    uint32_t start = GOLDEN * KIND_BINARY + hash;
    struct mix m = {GOLDEN, GOLDEN, start};
    if (bytes.size == 0)
        return start;
    for (; left >= 12; at += 12, left -= 12) {
        m.a += word_at(at, 4);
        m.b += word_at(at + 4, 4);
        m.c += word_at(at + 8, 4);
        mix(&m);
    }
    m.a += word_at(at, left);
    m.b += left > 4 ? word_at(at + 4, left - 4) : 0;
    m.c += left > 8 ? word_at(at + 8, left - 8) << 8 : 0; /* its first byte is for the size */
    m.c += (uint32_t)bytes.size;
    mix(&m);
    return m.c;
}

/* An atom has a hash of its own: hashpjw, of its ASCII name. */
static uint32_t add_atom(uint32_t hash, const char *name)
{
    uint32_t own = 0;
    for (size_t i = 0; name[i] != '\0'; i++) {
        own = (own << 4) + (uint8_t)name[i];
        uint32_t high = own & 0xf0000000U;
        own ^= high >> 24 ^ high;
    }
    return add_word(hash, own, KIND_ATOM);
}

static uint32_t add_integer(uint32_t hash, bool is_negative, uint64_t size)
{
    if (size < SMALL_END + (uint64_t)is_negative) {
        uint32_t word = (uint32_t)size;
        if (!is_negative)
            return add_word(hash, word, KIND_SMALL);
        return add_word(add_word(hash, word, KIND_SMALL), -word, KIND_SMALL);
    }
    return add_words(hash, (uint32_t)size, (uint32_t)(size >> 32),
                     is_negative ? KIND_NEGATIVE : KIND_POSITIVE);
}

static uint32_t add_float(uint32_t hash, double number)
{
    uint64_t bits;
    double positive = number + 0.0; /* of 0 the sign does not count */
    memcpy(&bits, &positive, sizeof bits);
    return add_words(hash, (uint32_t)(bits >> 32), (uint32_t)bits, KIND_FLOAT);
}

static uint32_t add_tuple(uint32_t hash, uint32_t arity)
{
    return add_word(hash, arity, KIND_TUPLE);
}

static uint32_t add_end(uint32_t hash)
{
    return add_word(hash, NIL_VALUE, KIND_NIL);
}

/* --- values */

static uint32_t add_fields(uint32_t hash, struct bytes table);
static uint32_t add_items(uint32_t hash, struct bytes array);

static uint32_t add_value(uint32_t hash, const struct amqp_value *value)
{
    switch ((enum amqp_type)value->type) {
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        return add_binary(hash, value->bytes);
    case AMQP_TYPE_BOOL:
        return add_atom(hash, value->boolean ? "true" : "false");
    case AMQP_TYPE_VOID:
        return add_atom(hash, "undefined");
    case AMQP_TYPE_FLOAT:
    case AMQP_TYPE_DOUBLE:
        return add_float(hash, value->number);
    case AMQP_TYPE_TIMESTAMP:
        return add_integer(hash, false, value->timestamp_s);
    case AMQP_TYPE_DECIMAL: /* {Scale, Value} */
        hash = add_integer(add_tuple(hash, 2), false, value->decimal.scale);
        return add_integer(hash, false, value->decimal.value);
    case AMQP_TYPE_TABLE:
        return add_fields(hash, value->bytes);
    case AMQP_TYPE_ARRAY:
        return add_items(hash, value->bytes);
    default: {
        uint64_t bits = (uint64_t)value->integer;
        return add_integer(hash, value->integer < 0, value->integer < 0 ? -bits : bits);
    }
    }
}

static uint32_t add_items(uint32_t hash, struct bytes array)
{
    struct reader reader = reader_of(array);
    struct amqp_value value;
    while (amqp_array_next(&reader, &value)) {
        hash = add_atom(add_tuple(hash, 2), amqp_value_type_name(value.type));
        hash = add_value(hash, &value);
    }
    return add_end(hash);
}

static uint32_t add_field(uint32_t hash, const struct amqp_field *field)
{
    hash = add_binary(add_tuple(hash, 3), field->name);
    hash = add_atom(hash, amqp_value_type_name(field->value.type));
    return add_value(hash, &field->value);
}

/* Inner tables are in the order in which they came. */
static uint32_t add_fields(uint32_t hash, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field))
        hash = add_field(hash, &field);
    return add_end(hash);
}

/* By name; what has the same name stays in its order, which is that of the names' places. */
static int compare(const void *a, const void *b)
{
    const struct amqp_field *x = a, *y = b;
    int order = bytes_compare(x->name, y->name);
    return order != 0 ? order : (x->name.data > y->name.data) - (x->name.data < y->name.data);
}

uint32_t erlang_hash_table(struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field, *fields = NULL;
    size_t count = 0, capacity = 0;
    uint32_t hash = 0;
    while (amqp_table_next(&reader, &field)) {
        fields = xgrow(fields, &capacity, count + 1, sizeof fields[0]);
        fields[count++] = field;
    }
    if (count > 1)
        qsort(fields, count, sizeof fields[0], compare);
    for (size_t i = 0; i < count; i++)
        hash = add_field(hash, &fields[i]);
    free(fields);
    return add_end(hash);
}
