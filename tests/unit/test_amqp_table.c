/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: every type from octets and back, malformed ones, nesting, comparison by value and
 * the text of values.
 */
#include "amqp_test.h"

#include "amqp/erlang_hash.h"
#include "amqp/table.h"

/* The value of the only field ("k") of a table that was written out as tag and value. */
static struct amqp_value value_of(struct bytes tagged)
{
    static uint8_t table[300];
    struct amqp_value value;
    table[0] = 1;
    table[1] = 'k';
    memcpy(table + 2, tagged.data, tagged.size);
    assert_true(amqp_table_is_valid(bytes_of(table, tagged.size + 2), AMQP_TABLE_DEPTH_MAX));
    assert_true(amqp_table_find(bytes_of(table, tagged.size + 2), "k", &value));
    if (value.type == AMQP_TYPE_LONGSTR || value.type == AMQP_TYPE_BINARY ||
        value.type == AMQP_TYPE_TABLE || value.type == AMQP_TYPE_ARRAY)
        value.bytes.data = tagged.data + 5; /* the literal outlives the next call */
    return value;
}

static int64_t integer_of(struct bytes tagged)
{
    struct amqp_value value = value_of(tagged);
    int64_t integer = 0;
    assert_true(amqp_value_get_integer(&value, &integer));
    return integer;
}

static void integers_of_all_widths_are_read(void **state)
{
    (void)state;
    assert_int_equal(integer_of(BYTES("b\x80")), -128);
    assert_int_equal(integer_of(BYTES("B\x80")), 128);
    assert_int_equal(integer_of(BYTES("s\x80\0")), -32768);
    assert_int_equal(integer_of(BYTES("u\x80\0")), 32768);
    assert_int_equal(integer_of(BYTES("I\x80\0\0\0")), INT32_MIN);
    assert_int_equal(integer_of(BYTES("i\x80\0\0\0")), 2147483648);
    assert_true(integer_of(BYTES("l\x80\0\0\0\0\0\0\0")) == INT64_MIN);
    assert_int_equal(integer_of(BYTES("L\xff\xff\xff\xff\xff\xff\xff\xfe")), -2);
}

static void other_values_are_read(void **state)
{
    (void)state;
    assert_true(value_of(BYTES("t\1")).boolean);
    assert_false(value_of(BYTES("t\0")).boolean);
    assert_true(value_of(BYTES("f\x3f\xc0\0\0")).number == 1.5);
    assert_true(value_of(BYTES("d\xc0\0\0\0\0\0\0\0")).number == -2.0);
    assert_true(value_of(BYTES("T\xff\0\0\0\0\0\0\1")).timestamp_s == 0xff00000000000001);
    assert_int_equal(value_of(BYTES("D\2\0\0\1\0")).decimal.scale, 2);
    assert_int_equal(value_of(BYTES("D\2\0\0\1\0")).decimal.value, 256);
    assert_bytes_equal(value_of(BYTES("S\0\0\0\2hi")).bytes, BYTES("hi"));
    assert_bytes_equal(value_of(BYTES("x\0\0\0\2\0\xff")).bytes, BYTES("\0\xff"));
    assert_bytes_equal(value_of(BYTES("F\0\0\0\4\1at\1")).bytes, BYTES("\1at\1"));
    assert_bytes_equal(value_of(BYTES("A\0\0\0\2t\1")).bytes, BYTES("t\1"));
    assert_int_equal(value_of(BYTES("V")).type, AMQP_TYPE_VOID);
}

static void only_integer_types_are_integers(void **state)
{
    (void)state;
    int64_t integer;
    struct amqp_value number = value_of(BYTES("f\x3f\x80\0\0"));
    struct amqp_value time = value_of(BYTES("T\0\0\0\0\0\0\0\1"));
    struct amqp_value text = value_of(BYTES("S\0\0\0\1"
                                            "1"));
    assert_false(amqp_value_get_integer(&number, &integer));
    assert_false(amqp_value_get_integer(&time, &integer));
    assert_false(amqp_value_get_integer(&text, &integer));
}

/* A table with a field of every type, written with the writer. */
static void write_all(struct buffer *buffer)
{
    struct amqp_value decimal = {.type = AMQP_TYPE_DECIMAL, .decimal = {.scale = 1, .value = 25}};
    amqp_table_add_text(buffer, "text", "value");
    amqp_table_add_bool(buffer, "bool", true);
    amqp_table_add_int(buffer, "int", -5);
    amqp_table_add_double(buffer, "double", 0.5);
    amqp_table_add_timestamp(buffer, "time", 1700000000);
    amqp_table_add_void(buffer, "void");
    amqp_table_add_value(buffer, "decimal", &decimal);
    size_t table = amqp_table_add_table_begin(buffer, "table");
    amqp_table_add_bool(buffer, "inner", false);
    size_t array = amqp_table_add_array_begin(buffer, "array");
    amqp_array_add_longstr(buffer, BYTES("first"));
    amqp_table_end(buffer, amqp_array_add_table_begin(buffer));
    amqp_table_end(buffer, amqp_array_add_array_begin(buffer));
    amqp_table_end(buffer, array);
    amqp_table_end(buffer, table);
    amqp_table_add_text(buffer, "last", "");
}

static void what_is_written_is_these_octets(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    write_all(&buffer);
    assert_bytes_equal(buffer_bytes(&buffer),
                       BYTES("\4textS\0\0\0\5value"
                             "\4boolt\1"
                             "\3intl\xff\xff\xff\xff\xff\xff\xff\xfb"
                             "\6doubled\x3f\xe0\0\0\0\0\0\0"
                             "\4timeT\0\0\0\0\x65\x53\xf1\0"
                             "\4voidV"
                             "\7decimalD\1\0\0\0\x19"
                             "\5tableF\0\0\0\x27"
                             "\5innert\0"
                             "\5arrayA\0\0\0\x14S\0\0\0\5firstF\0\0\0\0A\0\0\0\0"
                             "\4lastS\0\0\0\0"));
    assert_true(amqp_table_is_valid(buffer_bytes(&buffer), 4));
    buffer_fini(&buffer);
}

static void a_table_with_its_length_in_front(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    size_t begin = amqp_table_begin(&buffer);
    amqp_table_add_bool(&buffer, "k", true);
    amqp_table_end(&buffer, begin);
    assert_bytes_equal(buffer_bytes(&buffer), BYTES("\0\0\0\4\1kt\1"));
    buffer_fini(&buffer);
}

static void fields_copied_one_by_one_are_the_same_octets(void **state)
{
    (void)state;
    struct bytes table = BYTES("\1bb\xff\1BB\xff\1ss\xff\0\1uu\xff\0\1II\xff\0\0\0\1ii\xff\0\0\0"
                               "\1ll\1\2\3\4\5\6\7\x08\1LL\1\2\3\4\5\6\7\x08\1ff\x3f\xc0\0\0"
                               "\1dd\x3f\xe0\0\0\0\0\0\0\1DD\3\0\0\0\1\1xx\0\0\0\1\0\1VV\0t\1");
    struct buffer copy = {0};
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field))
        amqp_table_add_field(&copy, &field);
    assert_false(reader.failed);
    assert_bytes_equal(buffer_bytes(&copy), table);
    buffer_fini(&copy);
}

static void find_gives_the_first_of_that_name(void **state)
{
    (void)state;
    struct bytes table = BYTES("\1aB\1\1bB\2\1bB\3\2bbB\4");
    struct amqp_value value;
    assert_true(amqp_table_find(table, "b", &value));
    assert_int_equal(value.integer, 2);
    assert_true(amqp_table_find_bytes(table, BYTES("bb"), &value));
    assert_int_equal(value.integer, 4);
    assert_false(amqp_table_find(table, "c", &value));
    assert_false(amqp_table_find(bytes_of(NULL, 0), "c", &value));
}

static void arrays_are_walked(void **state)
{
    (void)state;
    struct reader reader = reader_of(BYTES("t\1S\0\0\0\1xV"));
    struct amqp_value value;
    assert_true(amqp_array_next(&reader, &value) && value.boolean);
    assert_true(amqp_array_next(&reader, &value));
    assert_bytes_equal(value.bytes, BYTES("x"));
    assert_true(amqp_array_next(&reader, &value) && value.type == AMQP_TYPE_VOID);
    assert_false(amqp_array_next(&reader, &value));
    assert_false(reader.failed);
}

static void every_cut_of_a_table_is_malformed(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct reader reader;
    struct amqp_field field;
    size_t ends[16] = {0}; /* a cut behind a field leaves a table */
    size_t count = 1;
    write_all(&buffer);
    reader = reader_of(buffer_bytes(&buffer));
    while (amqp_table_next(&reader, &field))
        ends[count++] = (size_t)(reader.data - buffer.data);
    for (size_t size = 0, next = 0; size <= buffer.size; size++) {
        bool is_end = next < count && ends[next] == size;
        uint8_t *part = malloc(size + 1);
        memcpy(part, buffer.data, size);
        assert_int_equal(amqp_table_is_valid(bytes_of(part, size), 8), is_end);
        next += is_end;
        free(part);
    }
    assert_int_equal(count, 10);
    buffer_fini(&buffer);
}

static void malformed_nested_values_are_found(void **state)
{
    (void)state;
    assert_false(amqp_table_is_valid(BYTES("\1kZ"), 8));                  /* no such tag */
    assert_false(amqp_table_is_valid(BYTES("\1kF\0\0\0\2\1a"), 8));       /* field without tag */
    assert_false(amqp_table_is_valid(BYTES("\1kF\0\0\0\4\1aB\1\1b"), 8)); /* tail */
    assert_false(
        amqp_table_is_valid(BYTES("\1kA\0\0\0\1S\0\0\0\0"), 8)); /* runs out of the array */
    assert_false(amqp_table_is_valid(BYTES("\1kA\0\0\0\6F\0\0\0\1\1"), 8)); /* two levels down */
    assert_false(amqp_table_is_valid(BYTES("\1kS\xff\xff\xff\xff"), 8));
    struct reader reader = reader_of(BYTES("\1aV\1bZ"));
    struct amqp_field field;
    assert_true(amqp_table_next(&reader, &field));
    assert_false(amqp_table_next(&reader, &field));
    assert_true(reader.failed);
}

/* A table in a table in a table, depth deep in all; tables and arrays take turns. */
static void write_nested(struct buffer *buffer, unsigned depth)
{
    size_t begins[AMQP_TABLE_DEPTH_MAX + 1];
    for (unsigned i = 1; i < depth; i++)
        begins[i] = i % 2 == 1 ? amqp_table_add_array_begin(buffer, "n")
                               : amqp_array_add_table_begin(buffer);
    for (unsigned i = depth - 1; i >= 1; i--)
        amqp_table_end(buffer, begins[i]);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= AMQP_TABLE_DEPTH_MAX + 1; depth++) {
        struct buffer buffer = {0};
        write_nested(&buffer, depth);
        bool fits = depth <= AMQP_TABLE_DEPTH_MAX;
        assert_int_equal(amqp_table_is_valid(buffer_bytes(&buffer), AMQP_TABLE_DEPTH_MAX), fits);
        if (fits)
            assert_true(amqp_table_is_valid(buffer_bytes(&buffer), depth));
        if (depth > 1)
            assert_false(amqp_table_is_valid(buffer_bytes(&buffer), depth - 1));
        buffer_fini(&buffer);
    }
}

static bool equal(struct bytes a, struct bytes b)
{
    struct amqp_value first = value_of(a), second = value_of(b);
    bool result = amqp_value_equal(&first, &second);
    assert_int_equal(amqp_value_equal(&second, &first), result);
    return result;
}

/* What RabbitMQ 3.10's headers exchange matched, and what not. */
static void values_are_compared_as_the_headers_exchange_does(void **state)
{
    (void)state;
    struct bytes one = BYTES("I\0\0\0\1"), one_and_half = BYTES("d\x3f\xf8\0\0\0\0\0\0");
    assert_true(equal(one, BYTES("b\1")));
    assert_true(equal(one, BYTES("l\0\0\0\0\0\0\0\1")));
    assert_true(equal(one, BYTES("d\x3f\xf0\0\0\0\0\0\0")));
    assert_true(equal(one, BYTES("T\0\0\0\0\0\0\0\1")));
    assert_true(equal(BYTES("f\x3f\xc0\0\0"), one_and_half));
    assert_true(equal(BYTES("S\0\0\0\1a"), BYTES("x\0\0\0\1a")));
    assert_true(equal(BYTES("l\xff\xff\xff\xff\xff\xff\xff\xff"), BYTES("b\xff")));
    assert_true(equal(BYTES("V"), BYTES("V")));
    assert_false(equal(one, BYTES("b\2")));
    assert_false(equal(one, one_and_half));
    assert_false(equal(one, BYTES("D\0\0\0\0\1")));
    assert_false(equal(BYTES("D\0\0\0\0\1"), BYTES("D\1\0\0\0\x0a")));
    assert_false(equal(BYTES("t\1"), BYTES("S\0\0\0\4true")));
    assert_false(equal(one, BYTES("S\0\0\0\1"
                                  "1")));
    assert_false(equal(BYTES("b\xff"), BYTES("B\xff")));
    assert_false(equal(BYTES("V"), BYTES("S\0\0\0\0")));
}

static void large_numbers_are_compared_exactly(void **state)
{
    (void)state;
    struct bytes two_to_53 = BYTES("d\x43\x40\0\0\0\0\0\0");
    assert_true(equal(two_to_53, BYTES("l\0\x20\0\0\0\0\0\0")));
    assert_false(equal(two_to_53, BYTES("l\0\x20\0\0\0\0\0\1")));
    assert_false(equal(BYTES("l\xff\xff\xff\xff\xff\xff\xff\xff"),
                       BYTES("T\xff\xff\xff\xff\xff\xff\xff\xff")));
}

static void nested_values_are_compared(void **state)
{
    (void)state;
    assert_true(equal(BYTES("A\0\0\0\4b\1t\1"), BYTES("A\0\0\0\5s\0\1t\1")));
    assert_false(equal(BYTES("A\0\0\0\2b\1"), BYTES("A\0\0\0\4b\1b\2")));
    assert_false(equal(BYTES("A\0\0\0\2b\1"), BYTES("A\0\0\0\0")));
    assert_true(equal(BYTES("F\0\0\0\4\1ab\1"), BYTES("F\0\0\0\5\1as\0\1")));
    assert_false(equal(BYTES("F\0\0\0\4\1ab\1"), BYTES("F\0\0\0\4\1bb\1")));
    assert_false(equal(BYTES("F\0\0\0\4\1ab\1"), BYTES("F\0\0\0\0")));
    assert_false(equal(BYTES("F\0\0\0\0"), BYTES("A\0\0\0\0")));
}

static void types_have_rabbitmqs_names(void **state)
{
    (void)state;
    static const char tags[] = "tbBsuIilLfdDSxATFV";
    static const char *const names[] = {
        "bool",        "byte",   "unsignedbyte", "short",     "unsignedshort", "signedint",
        "unsignedint", "long",   "long",         "float",     "double",        "decimal",
        "longstr",     "binary", "array",        "timestamp", "table",         "void"};
    for (size_t i = 0; tags[i] != '\0'; i++)
        assert_string_equal(amqp_value_type_name((uint8_t)tags[i]), names[i]);
    assert_string_equal(amqp_value_type_name('U'), "unknown");
}

static void assert_text(struct bytes tagged, const char *expected)
{
    struct amqp_value value = value_of(tagged);
    struct buffer buffer = {0};
    amqp_value_append_text(&buffer, &value);
    assert_bytes_equal(buffer_bytes(&buffer), bytes_of_text(expected));
    buffer_fini(&buffer);
}

static void values_have_a_text(void **state)
{
    (void)state;
    assert_text(BYTES("t\1"), "true");
    assert_text(BYTES("I\xff\xff\xff\xff"), "-1");
    assert_text(BYTES("S\0\0\0\5hello"), "hello");
    assert_text(BYTES("d\x3f\xf8\0\0\0\0\0\0"), "1.5");
    assert_text(BYTES("d\x40\0\0\0\0\0\0\0"), "2.0");
    assert_text(BYTES("d\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1");
    assert_text(BYTES("T\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
    assert_text(BYTES("D\2\0\0\0\5"), "{2,5}");
    assert_text(BYTES("V"), "undefined");
    assert_text(BYTES("A\0\0\0\x0bI\0\0\0\1S\0\0\0\1a"), "[{signedint,1},{longstr,<<\"a\">>}]");
    assert_text(BYTES("F\0\0\0\x0b\1kt\1\1vF\0\0\0\0"),
                "[{<<\"k\">>,bool,true},{<<\"v\">>,table,[]}]");
}

static void assert_number_text(double number, const char *expected)
{
    struct amqp_value value = {.type = AMQP_TYPE_DOUBLE, .number = number};
    struct buffer buffer = {0};
    amqp_value_append_text(&buffer, &value);
    assert_bytes_equal(buffer_bytes(&buffer), bytes_of_text(expected));
    buffer_fini(&buffer);
}

static void floats_are_written_as_erlang_writes_them(void **state)
{
    (void)state;
    assert_number_text(0, "0.0");
    assert_number_text(-0.0, "-0.0");
    assert_number_text(100, "100.0");
    assert_number_text(1000, "1.0e3");
    assert_number_text(-1234.5, "-1234.5");
    assert_number_text(123000, "1.23e5");
    assert_number_text(0.0001, "0.0001");
    assert_number_text(0.00015, "1.5e-4");
    assert_number_text(0.1, "0.1");
    assert_number_text(9007199254740991, "9007199254740991.0");
    assert_number_text(9007199254740992, "9.007199254740992e15");
    assert_number_text(1e20, "1.0e20");
    assert_number_text(1.7976931348623157e308, "1.7976931348623157e308");
    assert_number_text(5e-324, "5.0e-324");
}

/* Hashes from Erlang's own phash2, such as erlang:phash2([{<<"a">>,long,1}], 1 bsl 32). */
static void tables_have_erlangs_hash(void **state)
{
    static const struct {
        struct bytes table;
        uint32_t hash;
    } cases[] = {
#define CASE(table, hash) {{(const uint8_t *)(table), sizeof(table) - 1}, hash}
        CASE("\1aS\0\0\0\1b", 673430984U),
        CASE("\1al\0\0\0\0\0\0\0\1", 37137917U),
        CASE("\1al\377\377\377\377\377\377\377\377", 307586660U),
        CASE("\1al\0\0\0\0\007\377\377\377", 2890050621U),
        CASE("\1al\0\0\0\0\010\0\0\0", 1878799901U),
        CASE("\1al\377\377\377\377\370\0\0\0", 2848721854U),
        CASE("\1al\377\377\377\377\367\377\377\377", 1441918508U),
        CASE("\1al\200\0\0\0\0\0\0\0", 3568775212U),
        CASE("\1al\177\377\377\377\377\377\377\377", 3174272260U),
        CASE("\1aI\377\377\377\373", 3168892464U),
        CASE("\1at\1", 1802062121U),
        CASE("\1at\0", 2371499032U),
        CASE("\1aV", 972185960U),
        CASE("\1ad\077\370\0\0\0\0\0\0", 3398307074U),
        CASE("\1ad\200\0\0\0\0\0\0\0", 1914965849U),
        CASE("\1aT\0\0\0\0\145\123\361\0", 3135102134U),
        CASE("\1aT\377\377\377\377\377\377\377\377", 3207428295U),
        CASE("\1aD\2\0\0\1\072", 2016928084U),
        CASE("\1aF\0\0\0\014\1yS\0\0\0\0011\1xt\1", 72873571U),
        CASE("\1aA\0\0\0\024S\0\0\0\1vl\0\0\0\0\0\0\0\007A\0\0\0\0", 3284280221U),
        /* In the order of names, whatever the order of fields. */
        CASE("\007x-matchS\0\0\0\035all-with-x and more than that\1aS\0\0\0\0", 3878342034U),
#undef CASE
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(amqp_table_is_valid(cases[i].table, AMQP_TABLE_DEPTH_MAX));
        assert_int_equal(erlang_hash_table(cases[i].table), cases[i].hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_of_all_widths_are_read),
        cmocka_unit_test(other_values_are_read),
        cmocka_unit_test(only_integer_types_are_integers),
        cmocka_unit_test(what_is_written_is_these_octets),
        cmocka_unit_test(a_table_with_its_length_in_front),
        cmocka_unit_test(fields_copied_one_by_one_are_the_same_octets),
        cmocka_unit_test(find_gives_the_first_of_that_name),
        cmocka_unit_test(arrays_are_walked),
        cmocka_unit_test(every_cut_of_a_table_is_malformed),
        cmocka_unit_test(malformed_nested_values_are_found),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(values_are_compared_as_the_headers_exchange_does),
        cmocka_unit_test(large_numbers_are_compared_exactly),
        cmocka_unit_test(nested_values_are_compared),
        cmocka_unit_test(types_have_rabbitmqs_names),
        cmocka_unit_test(values_have_a_text),
        cmocka_unit_test(floats_are_written_as_erlang_writes_them),
        cmocka_unit_test(tables_have_erlangs_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
