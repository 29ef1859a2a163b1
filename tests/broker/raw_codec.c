/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format once more, for the tests alone.
 *
 * A test that encoded with the broker's own codec would agree with each of its mistakes. This one
 * is written from the specification and the known RabbitMQ extensions, is as small as the tests
 * allow, and favours a compact call over speed: a method is one line with a format string, so that
 * a table of cases stays a table.
 *
 * Writing past a buffer is a mistake of the test and aborts. Reading past the end is what a broken
 * broker would cause: it sets a sticky flag, which the caller turns into a failure of the test.
 */
#include "raw_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void raw_write_bytes(struct raw_writer *w, const void *data, size_t bytes)
{
    if (bytes > w->bytes_max - w->bytes) {
        fprintf(stderr, "raw_codec: %zu bytes do not fit the buffer\n", bytes);
        abort();
    }
    if (bytes > 0)
        memcpy(w->data + w->bytes, data, bytes);
    w->bytes += bytes;
    w->bit_count = 0;
}

static void write_number(struct raw_writer *w, uint64_t value, unsigned octets)
{
    uint8_t data[8];

    for (unsigned i = 0; i < octets; i++)
        data[i] = (uint8_t)(value >> (8 * (octets - 1 - i)));
    raw_write_bytes(w, data, octets);
}

static void write_short_string(struct raw_writer *w, const char *text)
{
    size_t bytes = strlen(text);

    write_number(w, bytes & 0xff, 1);
    raw_write_bytes(w, text, bytes & 0xff);
}

static void write_long_string(struct raw_writer *w, const void *data, size_t bytes)
{
    write_number(w, bytes, 4);
    raw_write_bytes(w, data, bytes);
}

static void write_bit(struct raw_writer *w, int value)
{
    unsigned bit = w->bit_count % 8;
    unsigned count = w->bit_count;

    if (bit == 0)
        write_number(w, 0, 1);
    if (value)
        w->data[w->bytes - 1] = (uint8_t)(w->data[w->bytes - 1] | (1u << bit));
    w->bit_count = count + 1;
}

static void write_table(struct raw_writer *w, const struct raw_table *table)
{
    if (table == NULL)
        write_number(w, 0, 4);
    else
        write_long_string(w, table->data, table->bytes);
}

/* One field of a method or of a property list. The list is passed by address so that it advances.
 */
static void write_field(struct raw_writer *w, char letter, va_list *list)
{
    switch (letter) {
    case 'o':
        write_number(w, (uint64_t)va_arg(*list, int), 1);
        break;
    case 'w':
        write_number(w, (uint64_t)va_arg(*list, int), 2);
        break;
    case 'l':
        write_number(w, va_arg(*list, unsigned), 4);
        break;
    case 'L':
        write_number(w, va_arg(*list, uint64_t), 8);
        break;
    case 's':
        write_short_string(w, va_arg(*list, const char *));
        break;
    case 'S': {
        const char *text = va_arg(*list, const char *);
        write_long_string(w, text, strlen(text));
        break;
    }
    case '1':
        write_bit(w, va_arg(*list, int));
        break;
    case 'T':
        write_table(w, va_arg(*list, const struct raw_table *));
        break;
    default:
        fprintf(stderr, "raw_codec: no field letter '%c'\n", letter);
        abort();
    }
}

void raw_write_list(struct raw_writer *w, const char *format, va_list list)
{
    va_list copy;

    va_copy(copy, list);
    for (; *format != '\0'; format++)
        write_field(w, *format, &copy);
    va_end(copy);
}

void raw_write(struct raw_writer *w, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    raw_write_list(w, format, list);
    va_end(list);
}

static void write_float(struct raw_writer *w, double value)
{
    float narrow = (float)value;
    uint32_t image;

    memcpy(&image, &narrow, sizeof image);
    write_number(w, image, 4);
}

static void write_double(struct raw_writer *w, double value)
{
    uint64_t image;

    memcpy(&image, &value, sizeof image);
    write_number(w, image, 8);
}

static unsigned fixed_octets(char type)
{
    static const struct {
        const char *types;
        unsigned octets;
    } widths[] = {{"tbB", 1}, {"su", 2}, {"Iif", 4}, {"lLTd", 8}, {"D", 5}, {"V", 0}};

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (strchr(widths[i].types, type) != NULL)
            return widths[i].octets;
    return UINT32_MAX;
}

static void write_value(struct raw_writer *w, char type, va_list *list)
{
    if (type == 'V')
        return;
    if (type == 'S' || type == 'x') {
        const char *text = va_arg(*list, const char *);
        write_long_string(w, text, strlen(text));
    } else if (type == 'F' || type == 'A') {
        write_table(w, va_arg(*list, const struct raw_table *));
    } else if (type == 'f') {
        write_float(w, va_arg(*list, double));
    } else if (type == 'd') {
        write_double(w, va_arg(*list, double));
    } else if (type == 'D') {
        write_number(w, (uint64_t)va_arg(*list, int), 1);
        write_number(w, va_arg(*list, unsigned), 4);
    } else if (fixed_octets(type) == 8) {
        write_number(w, (uint64_t)va_arg(*list, int64_t), 8);
    } else {
        write_number(w, (uint64_t)(int64_t)va_arg(*list, int), fixed_octets(type));
    }
}

struct raw_table raw_table(const char *types, ...)
{
    struct raw_table table;
    struct raw_writer w = {.data = table.data, .bytes_max = sizeof table.data};
    va_list list;

    va_start(list, types);
    for (; *types != '\0'; types++) {
        write_short_string(&w, va_arg(list, const char *));
        write_number(&w, (uint8_t)*types, 1);
        write_value(&w, *types, &list);
    }
    va_end(list);
    table.bytes = w.bytes;
    return table;
}

struct raw_table raw_array(const char *types, ...)
{
    struct raw_table table;
    struct raw_writer w = {.data = table.data, .bytes_max = sizeof table.data};
    va_list list;

    va_start(list, types);
    for (; *types != '\0'; types++) {
        write_number(&w, (uint8_t)*types, 1);
        write_value(&w, *types, &list);
    }
    va_end(list);
    table.bytes = w.bytes;
    return table;
}

struct raw_properties raw_properties(const char *letters, ...)
{
    static const struct {
        char letter;
        char field;
        uint16_t flag;
    } known[] = {
        {'c', 's', 1u << 15}, {'e', 's', 1u << 14}, {'h', 'T', 1u << 13}, {'d', 'o', 1u << 12},
        {'p', 'o', 1u << 11}, {'i', 's', 1u << 10}, {'r', 's', 1u << 9},  {'x', 's', 1u << 8},
        {'m', 's', 1u << 7},  {'t', 'L', 1u << 6},  {'y', 's', 1u << 5},  {'u', 's', 1u << 4},
        {'a', 's', 1u << 3},  {'k', 's', 1u << 2},
    };
    struct raw_properties properties = {.flags = 0};
    struct raw_writer w = {.data = properties.data, .bytes_max = sizeof properties.data};
    va_list list;

    va_start(list, letters);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (*letters != known[i].letter)
            continue;
        properties.flags = (uint16_t)(properties.flags | known[i].flag);
        write_field(&w, known[i].field, &list);
        letters++;
    }
    va_end(list);
    if (*letters != '\0') {
        fprintf(stderr, "raw_codec: properties out of order at '%s'\n", letters);
        abort();
    }
    properties.bytes = w.bytes;
    return properties;
}

static struct raw_slice take(struct raw_reader *r, size_t bytes)
{
    struct raw_slice slice = {r->data + r->at, bytes};

    r->bit_count = 0;
    if (r->failed || bytes > r->bytes - r->at) {
        r->failed = true;
        slice.bytes = 0;
        return slice;
    }
    r->at += bytes;
    return slice;
}

static uint64_t read_number(struct raw_reader *r, unsigned octets)
{
    struct raw_slice slice = take(r, octets);
    uint64_t value = 0;

    for (size_t i = 0; i < slice.bytes; i++)
        value = value << 8 | slice.data[i];
    return value;
}

static bool read_bit(struct raw_reader *r)
{
    unsigned bit = r->bit_count % 8;
    unsigned count = r->bit_count;

    if (bit == 0)
        read_number(r, 1);
    r->bit_count = count + 1;
    return !r->failed && (r->data[r->at - 1] & (1u << bit)) != 0;
}

static void read_short_string(struct raw_reader *r, char *text)
{
    struct raw_slice slice = take(r, read_number(r, 1));

    if (text == NULL)
        return;
    memcpy(text, slice.data, slice.bytes);
    text[slice.bytes] = '\0';
}

#define STORE(list, type, value)                                                                   \
    do {                                                                                           \
        type *target_ = va_arg(*(list), type *);                                                   \
        type value_ = (type)(value);                                                               \
        if (target_ != NULL)                                                                       \
            *target_ = value_;                                                                     \
    } while (0)

static void read_field(struct raw_reader *r, char letter, va_list *list)
{
    switch (letter) {
    case 'o':
        STORE(list, uint8_t, read_number(r, 1));
        break;
    case 'w':
        STORE(list, uint16_t, read_number(r, 2));
        break;
    case 'l':
        STORE(list, uint32_t, read_number(r, 4));
        break;
    case 'L':
        STORE(list, uint64_t, read_number(r, 8));
        break;
    case 's':
        read_short_string(r, va_arg(*list, char *));
        break;
    case '1':
        STORE(list, bool, read_bit(r));
        break;
    case 'S':
    case 'T': {
        struct raw_slice *target = va_arg(*list, struct raw_slice *);
        struct raw_slice slice = take(r, read_number(r, 4));
        if (target != NULL)
            *target = slice;
        break;
    }
    default:
        fprintf(stderr, "raw_codec: no field letter '%c'\n", letter);
        abort();
    }
}

bool raw_read_list(struct raw_reader *r, const char *format, va_list list)
{
    va_list copy;

    va_copy(copy, list);
    for (; *format != '\0'; format++)
        read_field(r, *format, &copy);
    va_end(copy);
    return !r->failed;
}

bool raw_read(struct raw_reader *r, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    bool whole = raw_read_list(r, format, list);
    va_end(list);
    return whole;
}

static struct raw_slice read_value(struct raw_reader *r, char type)
{
    if (type != '\0' && strchr("SxFA", type) != NULL)
        return take(r, read_number(r, 4));
    unsigned octets = type == '\0' ? UINT32_MAX : fixed_octets(type);
    return take(r, octets);
}

char raw_table_find(struct raw_slice table, const char *key, struct raw_slice *value)
{
    struct raw_reader r = {.data = table.data, .bytes = table.bytes};

    while (r.at < r.bytes && !r.failed) {
        struct raw_slice name = take(&r, read_number(&r, 1));
        char type = (char)read_number(&r, 1);
        struct raw_slice found = read_value(&r, type);
        if (!r.failed && raw_slice_equals(name, key)) {
            if (value != NULL)
                *value = found;
            return type;
        }
    }
    return 0;
}

bool raw_table_is_valid(struct raw_slice table)
{
    struct raw_reader r = {.data = table.data, .bytes = table.bytes};

    while (r.at < r.bytes && !r.failed) {
        take(&r, read_number(&r, 1));
        char type = (char)read_number(&r, 1);
        struct raw_slice value = read_value(&r, type);
        if (type == 'F' && !raw_table_is_valid(value))
            return false;
    }
    return !r.failed;
}

bool raw_slice_equals(struct raw_slice slice, const char *text)
{
    return slice.bytes == strlen(text) && memcmp(slice.data, text, slice.bytes) == 0;
}
