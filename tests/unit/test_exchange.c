/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routing rules of the exchange types, one table of cases per rule. Every case of topic and
 * headers was seen on RabbitMQ 3.10. Tables are written NAME:TYPE:VALUE with AMQP's type letters.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_type.h"

/* --- tables --- */

static struct amqp_value parse_value(char type, const char *text)
{
    struct amqp_value value = {.type = (uint8_t)type};
    switch (type) {
    case AMQP_TYPE_BOOL:
        value.boolean = strcmp(text, "true") == 0;
        break;
    case AMQP_TYPE_FLOAT:
    case AMQP_TYPE_DOUBLE:
        value.number = strtod(text, NULL);
        break;
    case AMQP_TYPE_TIMESTAMP:
        value.timestamp_s = strtoull(text, NULL, 10);
        break;
    case AMQP_TYPE_LONGSTR:
    case AMQP_TYPE_BINARY:
        value.bytes = bytes_of_text(text);
        break;
    case AMQP_TYPE_ARRAY:
    case AMQP_TYPE_TABLE:
    case AMQP_TYPE_VOID:
        break;
    default:
        value.integer = strtoll(text, NULL, 10);
        assert_true(amqp_value_is_integer(&value));
    }
    return value;
}

/* "a:S:text b:I:1": the fields of a table. */
static struct buffer table_of(const char *text)
{
    struct buffer table = {0};
    char *copy = xstrdup(text);
    char *rest = NULL;
    for (char *field = strtok_r(copy, " ", &rest); field; field = strtok_r(NULL, " ", &rest)) {
        char *type = strchr(field, ':');
        assert_non_null(type);
        *type++ = '\0';
        struct amqp_value value = parse_value(type[0], type[1] == ':' ? type + 2 : "");
        amqp_table_add_value(&table, field, &value);
    }
    free(copy);
    return table;
}

/* --- an exchange --- */

struct exchange {
    const struct exchange_type *type;
    void *state; /* owned */
    struct route_matches matches;
};

static struct exchange exchange_of(const struct exchange_type *type)
{
    return (struct exchange){.type = type, .state = type->new (42, bytes_of(NULL, 0))};
}

static void exchange_fini(struct exchange *exchange)
{
    exchange->type->free(exchange->state);
    route_matches_fini(&exchange->matches);
}

static size_t count_matches(struct exchange *exchange, const char *key)
{
    struct bytes keys[] = {bytes_of_text(key)};
    struct route_subject subject = {.keys = keys, .key_count = 1};
    exchange->matches.count = 0;
    exchange->type->match(exchange->state, &subject, &exchange->matches);
    return exchange->matches.count;
}

static bool is_matched(const struct exchange *exchange, const struct route *route)
{
    for (size_t i = 0; i < exchange->matches.count; i++) {
        if (exchange->matches.routes[i] == route)
            return true;
    }
    return false;
}

static bool key_matches(const struct exchange_type *type, const char *binding_key, const char *key)
{
    struct exchange exchange = exchange_of(type);
    struct route route = {.key = bytes_of_text(binding_key)};
    struct amqp_error error;
    assert_true(type->check(exchange.state, &route, &error));
    type->add(exchange.state, &route);
    bool matches = count_matches(&exchange, key) == 1;
    type->remove(exchange.state, &route);
    assert_int_equal(count_matches(&exchange, key), 0);
    exchange_fini(&exchange);
    return matches;
}

struct key_case {
    const char *binding_key;
    const char *key;
    bool matches;
};

static void check_key_cases(const struct exchange_type *type, const struct key_case *cases,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool matches = key_matches(type, cases[i].binding_key, cases[i].key);
        if (matches != cases[i].matches)
            fail_msg("binding '%s', key '%s': %s", cases[i].binding_key, cases[i].key,
                     matches ? "matches" : "does not match");
    }
}

#define CHECK_KEY_CASES(type, cases)                                                               \
    check_key_cases(&(type), cases, sizeof(cases) / sizeof((cases)[0]))

/* --- all types --- */

static void types_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(exchange_type_find(bytes_of_text("direct")), &exchange_direct);
    assert_ptr_equal(exchange_type_find(bytes_of_text("fanout")), &exchange_fanout);
    assert_ptr_equal(exchange_type_find(bytes_of_text("topic")), &exchange_topic);
    assert_ptr_equal(exchange_type_find(bytes_of_text("headers")), &exchange_headers);
    assert_null(exchange_type_find(bytes_of_text("")));
    assert_null(exchange_type_find(bytes_of_text("Direct")));
    assert_null(exchange_type_find(bytes_of_text("directly")));
}

static void all_but_headers_route_by_key(void **state)
{
    (void)state;
    assert_true(exchange_direct.routes_by_key);
    assert_true(exchange_fanout.routes_by_key);
    assert_true(exchange_topic.routes_by_key);
    assert_false(exchange_headers.routes_by_key);
}

static const struct exchange_type *const all_types[] = {&exchange_direct, &exchange_fanout,
                                                        &exchange_topic, &exchange_headers};
enum { types_count = sizeof all_types / sizeof all_types[0] };

/* Routes of one key leave from the middle, the ends and last of all, in every order of three. */
static void routes_of_one_key_leave_in_any_order(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    (void)state;
    for (size_t i = 0; i < types_count * 6; i++) {
        struct exchange exchange = exchange_of(all_types[i / 6]);
        struct route routes[3] = {
            {.key = bytes_of_text("a")}, {.key = bytes_of_text("a")}, {.key = bytes_of_text("a")}};
        for (size_t r = 0; r < 3; r++)
            exchange.type->add(exchange.state, &routes[r]);
        for (size_t r = 0; r < 3; r++) {
            assert_int_equal(count_matches(&exchange, "a"), 3 - r);
            struct route *leaving = &routes[orders[i % 6][r]];
            assert_true(is_matched(&exchange, leaving));
            exchange.type->remove(exchange.state, leaving);
        }
        assert_int_equal(count_matches(&exchange, "a"), 0);
        exchange_fini(&exchange);
    }
}

static void an_exchange_is_freed_with_routes_inside(void **state)
{
    (void)state;
    for (size_t i = 0; i < types_count; i++) {
        struct exchange exchange = exchange_of(all_types[i]);
        struct buffer table = table_of("a:S:1");
        struct route routes[2] = {
            {.key = bytes_of_text("a.*.#"), .arguments = buffer_bytes(&table)},
            {.key = bytes_of_text("a.b")}};
        exchange.type->add(exchange.state, &routes[0]);
        exchange.type->add(exchange.state, &routes[1]);
        exchange_fini(&exchange);
        buffer_fini(&table);
    }
}

static void matches_are_added_to_what_is_there(void **state)
{
    (void)state;
    struct exchange direct = exchange_of(&exchange_direct);
    struct exchange topic = exchange_of(&exchange_topic);
    struct route by_direct = {.key = bytes_of_text("k")}, by_topic = {.key = bytes_of_text("#")};
    struct bytes keys[] = {bytes_of_text("k")};
    struct route_subject subject = {.keys = keys, .key_count = 1};
    direct.type->add(direct.state, &by_direct);
    topic.type->add(topic.state, &by_topic);
    direct.type->match(direct.state, &subject, &direct.matches);
    topic.type->match(topic.state, &subject, &direct.matches);
    assert_int_equal(direct.matches.count, 2);
    assert_ptr_equal(direct.matches.routes[0], &by_direct);
    assert_ptr_equal(direct.matches.routes[1], &by_topic);
    exchange_fini(&direct);
    exchange_fini(&topic);
}

/* Many keys come and go: what stays behind is a constant (buckets), not something per key. */
static void keys_that_are_gone_leave_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < types_count; i++) {
        struct exchange exchange = exchange_of(all_types[i]);
        struct route kept = {.key = bytes_of_text("reply.kept")};
        exchange.type->add(exchange.state, &kept);
        size_t used_bytes = mallinfo2().uordblks;
        for (unsigned n = 0; n < 10000; n++) {
            char key[64];
            snprintf(key, sizeof key, "reply.%u.*.#.%u", n, n);
            struct route route = {.key = bytes_of_text(key)};
            exchange.type->add(exchange.state, &route);
            exchange.type->remove(exchange.state, &route);
        }
        assert_in_range(mallinfo2().uordblks, 0, used_bytes + 4096);
        exchange.type->remove(exchange.state, &kept);
        exchange_fini(&exchange);
    }
}

/* --- direct and fanout --- */

static void direct_compares_whole_keys(void **state)
{
    static const struct key_case cases[] = {
        {"a", "a", true},   {"a", "A", false},   {"a", "ab", false},
        {"ab", "a", false}, {"", "", true},      {"", "a", false},
        {"a", "", false},   {"#", "a", false},   {"a.b", "a.b", true},
        {"*", "*", true},   {"a.b", "a", false}, {"\xc3\xa9", "\xc3\xa9", true},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_direct, cases);
}

static void direct_finds_one_key_of_many(void **state)
{
    enum { count = 10000 };
    (void)state;
    struct exchange exchange = exchange_of(&exchange_direct);
    struct route *routes = xcalloc(count, sizeof *routes);
    char(*keys)[16] = xcalloc(count, sizeof *keys);
    for (unsigned i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%u", i);
        routes[i].key = bytes_of_text(keys[i]);
        exchange_direct.add(exchange.state, &routes[i]);
    }
    for (unsigned i = 0; i < count; i += 2)
        exchange_direct.remove(exchange.state, &routes[i]);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(count_matches(&exchange, keys[i]), i % 2);
        assert_true(i % 2 == 0 || exchange.matches.routes[0] == &routes[i]);
    }
    exchange_fini(&exchange);
    free(keys);
    free(routes);
}

static void fanout_ignores_the_key(void **state)
{
    static const struct key_case cases[] = {{"", "a", true}, {"a", "", true}, {"a", "b", true}};
    (void)state;
    CHECK_KEY_CASES(exchange_fanout, cases);
}

/* --- x-federation-upstream --- */

/* Does a message pass that came over these clusters, "a b", to a link of at most hops to "end"? */
static bool passes_upstream(int64_t hops, const char *clusters)
{
    struct bytes keys[] = {bytes_of_text("key")};
    struct buffer arguments = {0}, headers = {0};
    struct route route = {.key = keys[0]};
    struct route_matches matches = {0};
    struct amqp_error error;
    char *copy = xstrdup(clusters), *rest = NULL;
    amqp_table_add_int(&arguments, "x-max-hops", hops);
    amqp_table_add_text(&arguments, "x-downstream-name", "end");
    amqp_table_add_text(&arguments, "x-downstream-vhost", "/");
    size_t array = amqp_table_add_array_begin(&headers, "x-received-from");
    for (char *name = strtok_r(copy, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        size_t hop = amqp_array_add_table_begin(&headers);
        amqp_table_add_text(&headers, "cluster-name", name);
        amqp_table_add_text(&headers, "vhost", "/");
        amqp_table_end(&headers, hop);
    }
    amqp_table_end(&headers, array);
    const struct exchange_type *type = &exchange_federation_upstream;
    assert_true(type->check_arguments(buffer_bytes(&arguments), &error));
    void *state = type->new (42, buffer_bytes(&arguments));
    struct route_subject subject = {keys, 1, buffer_bytes(&headers), bytes_of(NULL, 0)};
    type->add(state, &route);
    type->match(state, &subject, &matches);
    size_t count = matches.count;
    type->remove(state, &route);
    type->free(state);
    route_matches_fini(&matches);
    buffer_fini(&arguments);
    buffer_fini(&headers);
    free(copy);
    return count == 1;
}

static void federation_keeps_back_what_came_too_far(void **state)
{
    (void)state;
    assert_true(passes_upstream(1, ""));
    assert_false(passes_upstream(1, "a"));
    assert_true(passes_upstream(2, "a"));
    assert_false(passes_upstream(2, "a b"));
    assert_false(passes_upstream(9, "end"));
    assert_false(passes_upstream(9, "a end b"));
    assert_true(passes_upstream(9, "a b"));
}

/* --- topic --- */

static void topic_star_is_exactly_one_word(void **state)
{
    static const struct key_case cases[] = {
        {"*", "a", true},     {"*", "a.b", false},      {"*", "", false},
        {"a.*", "a", false},  {"a.*", "a.b", true},     {"*.b", "a.b", true},
        {"*.b", "b", false},  {"a.*.c", "a.b.c", true}, {"a.*.c", "a.c", false},
        {"*.*", "a.b", true}, {"*.*", "a", false},      {"a.*", "a.b.c", false},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_hash_is_any_number_of_words(void **state)
{
    static const struct key_case cases[] = {
        {"#", "", true},           {"#", "a", true},
        {"#", "a.b.c", true},      {"a.#", "a", true},
        {"a.#", "a.b.c", true},    {"a.#", "b", false},
        {"#.a", "a.b.a", true},    {"#.a", "a.b", false},
        {"a.#.b", "a.b", true},    {"a.#.b", "a.x.y.b", true},
        {"a.#.b", "a.b.c", false}, {"#.#", "", true},
        {"#.b.#", "..b..", true},  {"#.*", "a", true},
        {"#.*", "", false},        {"*.#", "", false},
        {"*.#.*", "a", false},     {"*.#.*", "a.b", true},
        {"*.a.#", "x.a", true},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_empty_key_has_no_words(void **state)
{
    static const struct key_case cases[] = {
        {"", "", true},   {"", "a", false}, {"", ".", false},
        {"a", "", false}, {".", "", false}, {"*", "", false},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_words_may_be_empty(void **state)
{
    static const struct key_case cases[] = {
        {"a.*", "a.", true}, {"a.", "a.", true}, {"a", "a.", false},      {".", ".", true},
        {"*.*", ".", true},  {"..", ".", false}, {".*", ".", true},       {"*", ".", false},
        {"*", " ", true},    {"", " ", false},   {"a.#.b", "a..b", true},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_wildcards_are_whole_words_of_bindings(void **state)
{
    static const struct key_case cases[] = {
        {"a*", "a*", true},    {"a*", "ab", false}, {"##", "x", false}, {"##", "##", true},
        {"*", "#", true},      {"#", "*", true},    {"a", "*", false},  {"a", "#", false},
        {"a.b", "*.#", false}, {"*", "*", true},    {"#", "#", true},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_compares_words_byte_by_byte(void **state)
{
    static const struct key_case cases[] = {
        {"A", "a", false},
        {"\xc3\xa9.*", "\xc3\xa9.b", true},
        {"a.b", "a.bb", false},
    };
    (void)state;
    CHECK_KEY_CASES(exchange_topic, cases);
}

static void topic_finds_few_of_many(void **state)
{
    enum { count = 10000 };
    (void)state;
    struct exchange exchange = exchange_of(&exchange_topic);
    struct route *routes = xcalloc(count, sizeof *routes);
    char(*keys)[32] = xcalloc(count, sizeof *keys);
    for (unsigned i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], i % 2 == 0 ? "device.%u.*" : "#.%u.alarm", i / 2);
        routes[i].key = bytes_of_text(keys[i]);
        exchange_topic.add(exchange.state, &routes[i]);
    }
    assert_int_equal(count_matches(&exchange, "device.1234.alarm"), 2);
    assert_true(is_matched(&exchange, &routes[2468]));
    assert_true(is_matched(&exchange, &routes[2469]));
    assert_int_equal(count_matches(&exchange, "device.1234.state"), 1);
    assert_int_equal(count_matches(&exchange, "device.5000.alarm"), 0);
    exchange_fini(&exchange);
    free(keys);
    free(routes);
}

/* --- headers --- */

struct headers_case {
    const char *arguments;
    const char *headers;
    bool matches;
};

static bool headers_match(const char *arguments, const char *headers)
{
    struct exchange exchange = exchange_of(&exchange_headers);
    struct buffer pattern = table_of(arguments), table = table_of(headers);
    struct route route = {.arguments = buffer_bytes(&pattern)};
    struct bytes keys[] = {bytes_of_text("ignored")};
    struct route_subject subject = {.keys = keys, .key_count = 1, .headers = buffer_bytes(&table)};
    struct amqp_error error;
    assert_true(exchange_headers.check(exchange.state, &route, &error));
    exchange_headers.add(exchange.state, &route);
    exchange_headers.match(exchange.state, &subject, &exchange.matches);
    bool matches = exchange.matches.count == 1;
    exchange_headers.remove(exchange.state, &route);
    exchange_fini(&exchange);
    buffer_fini(&pattern);
    buffer_fini(&table);
    return matches;
}

static void check_headers_cases(const struct headers_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool matches = headers_match(cases[i].arguments, cases[i].headers);
        if (matches != cases[i].matches)
            fail_msg("binding {%s}, headers {%s}: %s", cases[i].arguments, cases[i].headers,
                     matches ? "matches" : "does not match");
    }
}

#define CHECK_HEADERS_CASES(cases) check_headers_cases(cases, sizeof(cases) / sizeof((cases)[0]))

static void headers_all_needs_every_field(void **state)
{
    static const struct headers_case cases[] = {
        {"a:I:1 b:I:2", "a:I:1 b:I:2", true},
        {"a:I:1 b:I:2", "b:I:2 a:I:1 c:I:3", true},
        {"a:I:1 b:I:2", "a:I:1", false},
        {"a:I:1 b:I:2", "a:I:1 b:I:3", false},
        {"x-match:S:all b:I:2 a:I:1", "a:I:1 b:I:2", true},
        {"x-match:S:all a:I:1", "", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_any_needs_one_field(void **state)
{
    static const struct headers_case cases[] = {
        {"x-match:S:any a:I:1 b:I:2", "b:I:2", true},
        {"x-match:S:any a:I:1 b:I:2", "a:I:9 b:I:2", true},
        {"x-match:S:any a:I:1 b:I:2", "a:I:2 b:I:1", false},
        {"x-match:S:any a:I:1 b:I:2", "c:I:1", false},
        {"x-match:S:any a:I:1", "", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_without_fields_all_matches_and_any_does_not(void **state)
{
    static const struct headers_case cases[] = {
        {"", "", true},
        {"", "a:I:1", true},
        {"x-match:S:all", "a:I:1", true},
        {"x-match:S:all-with-x", "", true},
        {"x-match:S:any", "", false},
        {"x-match:S:any", "a:I:1", false},
        {"x-match:S:any-with-x", "a:I:1", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_fields_that_begin_with_x_count_only_with_x(void **state)
{
    static const struct headers_case cases[] = {
        {"x-match:S:all x-a:I:1", "", true},
        {"x-a:I:1 a:I:2", "a:I:2", true},
        {"x-match:S:any x-a:I:1", "x-a:I:1", false},
        {"x-match:S:all-with-x x-a:I:1", "", false},
        {"x-match:S:all-with-x x-a:I:1", "x-a:I:1", true},
        {"x-match:S:any-with-x x-a:I:1", "x-a:I:1", true},
        {"x-match:S:any-with-x x-a:I:1 b:I:1", "x-a:I:2", false},
        {"x-:I:1", "", true},
        {"x:I:1", "", false},
        {"X-a:I:1", "", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_x_match_is_never_a_field(void **state)
{
    static const struct headers_case cases[] = {
        {"x-match:S:any-with-x", "x-match:S:any-with-x", false},
        {"x-match:S:all-with-x", "x-match:S:other", true},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_void_asks_for_presence(void **state)
{
    static const struct headers_case cases[] = {
        {"a:V", "a:I:1", true}, {"a:V", "a:V", true},    {"a:V", "b:I:1", false},
        {"a:V", "", false},     {"a:I:1", "a:V", false}, {"x-match:S:any a:V b:I:1", "a:I:0", true},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_compare_by_value(void **state)
{
    static const struct headers_case cases[] = {
        {"a:I:1", "a:l:1", true},
        {"a:b:-1", "a:l:-1", true},
        {"a:I:1", "a:I:2", false},
        {"a:I:1", "a:d:1.0", true},
        {"a:d:1.0", "a:I:1", true},
        {"a:f:0.5", "a:d:0.5", true},
        {"a:I:1", "a:d:1.5", false},
        {"a:S:s", "a:x:s", true},
        {"a:x:s", "a:S:s", true},
        {"a:S:s", "a:S:S", false},
        {"a:t:true", "a:t:true", true},
        {"a:t:true", "a:t:false", false},
        {"a:t:true", "a:I:1", false},
        {"a:I:1", "a:S:1", false},
        {"a:S:true", "a:t:true", false},
        {"a:T:5", "a:T:5", true},
        {"a:T:5", "a:T:6", false},
        {"a:T:5", "a:I:5", true},
        {"a:A", "a:A", true},
        {"a:S:", "a:A", false},
        {"a:l:9007199254740992", "a:d:9007199254740992", true},
        {"a:l:9007199254740993", "a:d:9007199254740992", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_names_are_compared_byte_by_byte(void **state)
{
    static const struct headers_case cases[] = {
        {"A:I:1", "a:I:1", false},
        {"a:I:1", "aa:I:1", false},
        {"aa:I:1", "a:I:1", false},
        {":I:1", ":I:1", true},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void headers_names_that_come_twice_pair_off(void **state)
{
    static const struct headers_case cases[] = {
        {"a:I:1 a:I:2", "a:I:1 a:I:2", true}, {"a:I:1 a:I:2", "a:I:2 a:I:1", false},
        {"a:I:1 a:I:2", "a:I:1", false},      {"a:I:1", "a:I:1 a:I:2", true},
        {"a:I:2", "a:I:1 a:I:2", false},
    };
    (void)state;
    CHECK_HEADERS_CASES(cases);
}

static void check_refused(const char *arguments, const char *text)
{
    struct buffer table = table_of(arguments);
    struct route route = {.arguments = buffer_bytes(&table)};
    struct amqp_error error = {0};
    assert_false(exchange_headers.check(NULL, &route, &error));
    assert_int_equal(error.code, AMQP_PRECONDITION_FAILED);
    assert_string_equal(error.text, text);
    buffer_fini(&table);
}

static void headers_refuse_another_x_match(void **state)
{
    (void)state;
    check_refused("x-match:S:foo", "PRECONDITION_FAILED - Invalid x-match field value <<\"foo\">>; "
                                   "expected all, any, all-with-x, or any-with-x");
    check_refused("x-match:S:ALL", "PRECONDITION_FAILED - Invalid x-match field value <<\"ALL\">>; "
                                   "expected all, any, all-with-x, or any-with-x");
    check_refused("x-match:S:", "PRECONDITION_FAILED - Invalid x-match field value <<>>; "
                                "expected all, any, all-with-x, or any-with-x");
}

static void headers_refuse_an_x_match_of_another_type(void **state)
{
    static const struct {
        const char *arguments, *type, *value;
    } cases[] = {
        {"x-match:I:1", "signedint", "1"},
        {"x-match:l:-1", "long", "-1"},
        {"x-match:t:true", "bool", "true"},
        {"x-match:V", "void", "undefined"},
        {"x-match:d:1.5", "double", "1.5"},
        {"x-match:x:all", "binary", "<<\"all\">>"},
        {"x-match:A", "array", "[]"},
        {"x-match:F", "table", "[]"},
        {"x-match:T:1577836800", "timestamp", "1577836800"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "PRECONDITION_FAILED - Invalid x-match field type %s (value %s); expected longstr",
                 cases[i].type, cases[i].value);
        check_refused(cases[i].arguments, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found_by_name),
        cmocka_unit_test(all_but_headers_route_by_key),
        cmocka_unit_test(routes_of_one_key_leave_in_any_order),
        cmocka_unit_test(an_exchange_is_freed_with_routes_inside),
        cmocka_unit_test(matches_are_added_to_what_is_there),
        cmocka_unit_test(keys_that_are_gone_leave_no_memory),
        cmocka_unit_test(direct_compares_whole_keys),
        cmocka_unit_test(direct_finds_one_key_of_many),
        cmocka_unit_test(fanout_ignores_the_key),
        cmocka_unit_test(federation_keeps_back_what_came_too_far),
        cmocka_unit_test(topic_star_is_exactly_one_word),
        cmocka_unit_test(topic_hash_is_any_number_of_words),
        cmocka_unit_test(topic_empty_key_has_no_words),
        cmocka_unit_test(topic_words_may_be_empty),
        cmocka_unit_test(topic_wildcards_are_whole_words_of_bindings),
        cmocka_unit_test(topic_compares_words_byte_by_byte),
        cmocka_unit_test(topic_finds_few_of_many),
        cmocka_unit_test(headers_all_needs_every_field),
        cmocka_unit_test(headers_any_needs_one_field),
        cmocka_unit_test(headers_without_fields_all_matches_and_any_does_not),
        cmocka_unit_test(headers_fields_that_begin_with_x_count_only_with_x),
        cmocka_unit_test(headers_x_match_is_never_a_field),
        cmocka_unit_test(headers_void_asks_for_presence),
        cmocka_unit_test(headers_compare_by_value),
        cmocka_unit_test(headers_names_are_compared_byte_by_byte),
        cmocka_unit_test(headers_names_that_come_twice_pair_off),
        cmocka_unit_test(headers_refuse_another_x_match),
        cmocka_unit_test(headers_refuse_an_x_match_of_another_type),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
