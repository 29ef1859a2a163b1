/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange types that send a message to one of their destinations: x-consistent-hash, x-random,
 * x-local-random, x-modulus-hash. Shares are compared with what the weights promise, over many
 * keys; what moves when a destination comes or goes is counted key by key.
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

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_type.h"

enum { names_max = 64, keys_count = 20000 };

/* --- an exchange with bindings to queues q0, q1, ... --- */

struct exchange {
    const struct exchange_type *type;
    void *state; /* owned */
    struct buffer arguments;
    struct route routes[names_max];
    char names[names_max][8];
    char keys[names_max][8];
    struct route_matches matches;
};

static struct exchange *exchange_with(const struct exchange_type *type, struct buffer arguments)
{
    struct exchange *exchange = xcalloc(1, sizeof *exchange);
    struct amqp_error error;
    exchange->type = type;
    exchange->arguments = arguments;
    assert_true(type->check_arguments(buffer_bytes(&arguments), &error));
    exchange->state = type->new (42, buffer_bytes(&exchange->arguments));
    return exchange;
}

static struct exchange *exchange_of(const struct exchange_type *type)
{
    return exchange_with(type, (struct buffer){0});
}

static void exchange_free(struct exchange *exchange)
{
    exchange->type->free(exchange->state);
    route_matches_fini(&exchange->matches);
    buffer_fini(&exchange->arguments);
    free(exchange);
}

/* Adds binding number `at` to the queue of a number. */
static void bind_to(struct exchange *exchange, size_t at, size_t queue, const char *key)
{
    struct amqp_error error;
    struct route *route = &exchange->routes[at];
    snprintf(exchange->names[at], sizeof exchange->names[at], "q%zu", queue);
    snprintf(exchange->keys[at], sizeof exchange->keys[at], "%s", key);
    *route = (struct route){.key = bytes_of_text(exchange->keys[at]),
                            .destination = bytes_of_text(exchange->names[at])};
    assert_true(exchange->type->check(exchange->state, route, &error));
    exchange->type->add(exchange->state, route);
}

static void bind_queue(struct exchange *exchange, size_t at, const char *key)
{
    bind_to(exchange, at, at, key);
}

static void unbind(struct exchange *exchange, size_t at)
{
    exchange->type->remove(exchange->state, &exchange->routes[at]);
}

static size_t choose(struct exchange *exchange, const struct route_subject *subject)
{
    exchange->matches.count = 0;
    exchange->type->match(exchange->state, subject, &exchange->matches);
    assert_int_equal(exchange->matches.count, 1);
    return (size_t)(exchange->matches.routes[0] - exchange->routes);
}

static size_t choose_key(struct exchange *exchange, unsigned number)
{
    char key[16];
    snprintf(key, sizeof key, "key-%u", number);
    struct bytes keys[] = {bytes_of_text(key)};
    struct route_subject subject = {.keys = keys, .key_count = 1};
    return choose(exchange, &subject);
}

/* Where every key goes. */
static void map_keys(struct exchange *exchange, uint8_t *map)
{
    for (unsigned i = 0; i < keys_count; i++)
        map[i] = (uint8_t)choose_key(exchange, i);
}

/* Is the share of binding `at` that of its weight? Five standard deviations are never passed by
 * chance, and the choices are the same in every run. */
static void assert_share(const uint8_t *map, size_t at, double share)
{
    double expected = share * keys_count, count = 0;
    for (size_t i = 0; i < keys_count; i++)
        count += map[i] == at;
    double variance = expected * (1 - share);
    if ((count - expected) * (count - expected) > 25 * variance)
        fail_msg("binding %zu: %.0f messages instead of %.0f", at, count, expected);
}

/* --- x-consistent-hash: shares --- */

static void equal_weights_share_equally(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    for (size_t i = 0; i < 10; i++)
        bind_queue(exchange, i, "1");
    map_keys(exchange, map);
    for (size_t i = 0; i < 10; i++)
        assert_share(map, i, 0.1);
    exchange_free(exchange);
}

static void shares_follow_weights(void **state)
{
    static const char *const weights[] = {"1", "2", "+3", "04", "10", "80"};
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    for (size_t i = 0; i < 6; i++)
        bind_queue(exchange, i, weights[i]);
    map_keys(exchange, map);
    for (size_t i = 0; i < 6; i++)
        assert_share(map, i, strtod(weights[i], NULL) / 100);
    exchange_free(exchange);
}

static void weights_may_be_huge(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    bind_queue(exchange, 0, "3000000");
    bind_queue(exchange, 1, "1000000");
    map_keys(exchange, map);
    assert_share(map, 0, 0.75);
    exchange_free(exchange);
}

/* --- x-consistent-hash: what moves --- */

static void check_leaving(size_t count, size_t leaving, const char *(*weight_of)(size_t))
{
    static uint8_t before[keys_count], after[keys_count];
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    for (size_t i = 0; i < count; i++)
        bind_queue(exchange, i, weight_of(i));
    map_keys(exchange, before);
    unbind(exchange, leaving);
    map_keys(exchange, after);
    for (size_t i = 0; i < keys_count; i++) {
        assert_true(before[i] == after[i] || before[i] == leaving);
        assert_true(after[i] != leaving);
    }
    bind_queue(exchange, leaving, weight_of(leaving));
    map_keys(exchange, after);
    assert_memory_equal(before, after, sizeof before);
    exchange_free(exchange);
}

static const char *weight_equal(size_t i)
{
    (void)i;
    return "7";
}

static const char *weight_different(size_t i)
{
    static const char *const weights[] = {"1", "5", "2", "10", "3"};
    return weights[i % 5];
}

/* The first, one in the middle, the last: only its share moves, and comes back with it. */
static void only_the_share_of_a_queue_that_leaves_moves(void **state)
{
    (void)state;
    for (size_t leaving = 0; leaving < 10; leaving += 3) {
        check_leaving(10, leaving, weight_equal);
        check_leaving(10, leaving, weight_different);
    }
    check_leaving(2, 0, weight_equal);
}

/* Also where the one that leaves was the only one of another weight. */
static const char *weight_of_one(size_t i)
{
    return i == 2 ? "9" : "3";
}

static void weights_that_become_equal_move_nothing_else(void **state)
{
    (void)state;
    check_leaving(5, 2, weight_of_one);
}

/* What leaves spreads over all others, in proportion. */
static void the_share_of_a_queue_that_leaves_is_shared(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    for (size_t i = 0; i < 4; i++)
        bind_queue(exchange, i, i == 3 ? "2" : "1");
    unbind(exchange, 0);
    map_keys(exchange, map);
    assert_share(map, 1, 0.25);
    assert_share(map, 2, 0.25);
    assert_share(map, 3, 0.5);
    exchange_free(exchange);
}

/* A restart makes the bindings in another order, with another seed. */
static void a_key_goes_the_same_way_whatever_the_order(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *there = exchange_of(&exchange_consistent_hash);
    struct exchange *back = exchange_of(&exchange_consistent_hash);
    back->type->free(back->state);
    back->state = back->type->new (4711, buffer_bytes(&back->arguments));
    for (size_t i = 0; i < 20; i++)
        bind_queue(there, i, weight_different(i));
    for (size_t i = 20; i-- > 0;)
        bind_queue(back, i, weight_different(i));
    map_keys(there, map);
    for (unsigned i = 0; i < keys_count; i++)
        assert_int_equal(choose_key(back, i), map[i]);
    exchange_free(there);
    exchange_free(back);
}

/* A queue that is bound twice has the weight of its first binding, until that goes. */
static void a_queue_counts_once(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *exchange = exchange_of(&exchange_consistent_hash);
    bind_to(exchange, 0, 0, "1");
    bind_to(exchange, 1, 1, "1");
    bind_to(exchange, 2, 1, "3");
    map_keys(exchange, map);
    assert_share(map, 0, 0.5);
    assert_share(map, 1, 0.5);
    unbind(exchange, 1);
    map_keys(exchange, map);
    assert_share(map, 0, 0.25);
    assert_share(map, 2, 0.75);
    exchange_free(exchange);
}

/* --- x-consistent-hash: what is hashed --- */

static struct buffer one_argument(const char *name, const char *value)
{
    struct buffer table = {0};
    amqp_table_add_text(&table, name, value);
    return table;
}

static struct exchange *exchange_hashing(const char *argument, const char *value)
{
    struct exchange *exchange =
        exchange_with(&exchange_consistent_hash, one_argument(argument, value));
    for (size_t i = 0; i < 50; i++)
        bind_queue(exchange, i, "1");
    return exchange;
}

static size_t choose_header(struct exchange *exchange, const char *key, const char *name,
                            const struct amqp_value *value)
{
    struct buffer headers = {0};
    struct bytes keys[] = {bytes_of_text(key)};
    amqp_table_add_value(&headers, name, value);
    struct route_subject subject = {
        .keys = keys, .key_count = 1, .headers = buffer_bytes(&headers)};
    size_t chosen = choose(exchange, &subject);
    buffer_fini(&headers);
    return chosen;
}

static struct amqp_value text_value(const char *text)
{
    return (struct amqp_value){.type = AMQP_TYPE_LONGSTR, .bytes = bytes_of_text(text)};
}

static struct amqp_value integer_value(enum amqp_type type, int64_t integer)
{
    return (struct amqp_value){.type = (uint8_t)type, .integer = integer};
}

static void a_header_decides_and_not_the_key(void **state)
{
    (void)state;
    struct exchange *exchange = exchange_hashing("hash-header", "customer");
    size_t different = 0;
    for (int64_t i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof text, "c-%d", (int)i);
        struct amqp_value value = text_value(text);
        size_t chosen = choose_header(exchange, "a", "customer", &value);
        assert_int_equal(choose_header(exchange, "b", "customer", &value), chosen);
        struct amqp_value narrow = integer_value(AMQP_TYPE_INT8, i);
        struct amqp_value wide = integer_value(AMQP_TYPE_INT64, i);
        assert_int_equal(choose_header(exchange, "a", "customer", &narrow),
                         choose_header(exchange, "a", "customer", &wide));
        different += choose_header(exchange, "a", "customer", &wide) != chosen;
    }
    assert_in_range(different, 80, 100);
    exchange_free(exchange);
}

static void messages_without_the_header_go_one_way(void **state)
{
    (void)state;
    struct exchange *exchange = exchange_hashing("hash-header", "customer");
    struct amqp_value value = text_value("x");
    size_t chosen = choose_header(exchange, "a", "other", &value);
    assert_int_equal(choose_header(exchange, "b", "another", &value), chosen);
    assert_int_equal(choose_key(exchange, 1), chosen);
    exchange_free(exchange);
}

static size_t choose_properties(struct exchange *exchange, const struct amqp_properties *properties)
{
    struct buffer raw = {0};
    struct bytes keys[] = {bytes_of_text("k")};
    amqp_properties_encode(&raw, properties);
    struct route_subject subject = {.keys = keys, .key_count = 1, .properties = buffer_bytes(&raw)};
    size_t chosen = choose(exchange, &subject);
    buffer_fini(&raw);
    return chosen;
}

/* Every value of the property that the exchange is told goes its own way; the others do nothing. */
static void a_property_decides(void **state)
{
    static const char *const names[] = {"correlation_id", "message_id", "timestamp"};
    (void)state;
    for (size_t name = 0; name < 3; name++) {
        struct exchange *exchange = exchange_hashing("hash-property", names[name]);
        size_t moved[3] = {0};
        for (unsigned i = 0; i < 100; i++) {
            char text[16];
            snprintf(text, sizeof text, "id-%u", i);
            struct amqp_properties all[3] = {
                {.flags = AMQP_PROPERTY_CORRELATION_ID, .correlation_id = bytes_of_text(text)},
                {.flags = AMQP_PROPERTY_MESSAGE_ID, .message_id = bytes_of_text(text)},
                {.flags = AMQP_PROPERTY_TIMESTAMP, .timestamp_s = 1700000000 + i}};
            struct amqp_properties none = {0};
            for (size_t p = 0; p < 3; p++)
                moved[p] +=
                    choose_properties(exchange, &all[p]) != choose_properties(exchange, &none);
        }
        for (size_t p = 0; p < 3; p++)
            assert_in_range(moved[p], p == name ? 80 : 0, p == name ? 100 : 0);
        exchange_free(exchange);
    }
}

/* --- x-consistent-hash: errors, seen on RabbitMQ 3.10 --- */

static void assert_binding_refused(const struct exchange_type *type, const struct route *route,
                                   const char *text)
{
    struct amqp_error error = {0};
    void *state = type->new (1, bytes_of(NULL, 0));
    assert_false(type->check(state, route, &error));
    assert_int_equal(error.code, AMQP_PRECONDITION_FAILED);
    assert_string_equal(error.text, text);
    type->free(state);
}

static void assert_weight_refused(const char *key, const char *text)
{
    struct route route = {.key = bytes_of_text(key)};
    assert_binding_refused(&exchange_consistent_hash, &route, text);
}

static void a_weight_is_a_positive_integer(void **state)
{
    static const char zero[] = "PRECONDITION_FAILED - The binding key must be greater than 0";
    (void)state;
    assert_weight_refused("0", zero);
    assert_weight_refused("-1", zero);
    assert_weight_refused("-0", zero);
    assert_weight_refused("x",
                          "PRECONDITION_FAILED - The binding key must be an integer: <<\"x\">>");
    assert_weight_refused(" 5",
                          "PRECONDITION_FAILED - The binding key must be an integer: <<\" 5\">>");
    assert_weight_refused("1.5",
                          "PRECONDITION_FAILED - The binding key must be an integer: <<\"1.5\">>");
    assert_weight_refused("", "PRECONDITION_FAILED - The binding key must be an integer: <<>>");
    assert_weight_refused("+",
                          "PRECONDITION_FAILED - The binding key must be an integer: <<\"+\">>");
}

static void assert_arguments_refused(struct buffer arguments, const char *text)
{
    struct amqp_error error = {0};
    assert_false(exchange_consistent_hash.check_arguments(buffer_bytes(&arguments), &error));
    assert_int_equal(error.code, AMQP_PRECONDITION_FAILED);
    assert_string_equal(error.text, text);
    buffer_fini(&arguments);
}

static void arguments_name_one_source(void **state)
{
    (void)state;
    struct buffer both = one_argument("hash-header", "a");
    amqp_table_add_text(&both, "hash-property", "message_id");
    assert_arguments_refused(
        both, "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive");
    assert_arguments_refused(one_argument("hash-property", "nope"),
                             "PRECONDITION_FAILED - Unsupported property: nope");
    assert_arguments_refused(one_argument("hash-property", ""),
                             "PRECONDITION_FAILED - Unsupported property: ");
    struct buffer number = {0};
    amqp_table_add_int(&number, "hash-header", 5);
    assert_arguments_refused(number,
                             "PRECONDITION_FAILED - invalid type 'long' for arg 'hash-header'");
}

/* --- x-random and x-local-random --- */

static void chance_is_fair(void **state)
{
    static const struct exchange_type *const types[] = {&exchange_random, &exchange_local_random};
    static uint8_t map[keys_count];
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        struct exchange *exchange = exchange_of(types[t]);
        for (size_t i = 0; i < 8; i++)
            bind_queue(exchange, i, "");
        unbind(exchange, 2);
        for (size_t i = 0; i < keys_count; i++)
            map[i] = (uint8_t)choose_key(exchange, 1);
        for (size_t i = 0; i < 8; i++)
            assert_share(map, i, i == 2 ? 0 : 1.0 / 7);
        exchange_free(exchange);
    }
}

static void x_local_random_takes_classic_queues_with_an_empty_key(void **state)
{
    struct route route = {.destination = bytes_of_text("q")};
    struct amqp_error error;
    (void)state;
    assert_true(exchange_local_random.check(NULL, &route, &error));
    route.key = bytes_of_text("k");
    assert_binding_refused(&exchange_local_random, &route,
                           "PRECONDITION_FAILED - Non empty binding 'k' key not permitted");
    route.key = bytes_of_text("");
    route.target = ROUTE_TO_EXCHANGE;
    assert_binding_refused(&exchange_local_random, &route,
                           "PRECONDITION_FAILED - Destination not found");
    route.target = ROUTE_TO_QUORUM_QUEUE;
    assert_binding_refused(&exchange_local_random, &route,
                           "PRECONDITION_FAILED - Queue type rabbit_quorum_queue not valid for "
                           "this exchange type");
    route.target = ROUTE_TO_STREAM;
    assert_binding_refused(&exchange_local_random, &route,
                           "PRECONDITION_FAILED - Queue type rabbit_stream_queue not valid for "
                           "this exchange type");
}

/* --- x-modulus-hash --- */

static void a_modulus_is_fair_and_stays(void **state)
{
    static uint8_t map[keys_count];
    (void)state;
    struct exchange *there = exchange_of(&exchange_modulus_hash);
    struct exchange *back = exchange_of(&exchange_modulus_hash);
    for (size_t i = 0; i < 5; i++)
        bind_queue(there, i, "any");
    for (size_t i = 5; i-- > 0;)
        bind_queue(back, i, "other");
    map_keys(there, map);
    for (size_t i = 0; i < 5; i++)
        assert_share(map, i, 0.2);
    for (unsigned i = 0; i < keys_count; i++)
        assert_int_equal(choose_key(back, i), map[i]);
    exchange_free(there);
    exchange_free(back);
}

/* --- all of them --- */

static const struct exchange_type *const all_types[] = {
    &exchange_consistent_hash, &exchange_random, &exchange_local_random, &exchange_modulus_hash};
enum { types_count = sizeof all_types / sizeof all_types[0] };

static void one_of_several_keys_counts(void **state)
{
    struct bytes keys[] = {bytes_of_text("a"), bytes_of_text("b"), bytes_of_text("c")};
    (void)state;
    for (size_t t = 0; t < types_count; t++) {
        struct exchange *exchange = exchange_of(all_types[t]);
        struct route_subject subject = {.keys = keys, .key_count = 3};
        exchange->type->match(exchange->state, &subject, &exchange->matches);
        assert_int_equal(exchange->matches.count, 0);
        for (size_t i = 0; i < 10; i++)
            bind_queue(exchange, i, all_types[t] == &exchange_consistent_hash ? "1" : "");
        choose(exchange, &subject);
        exchange_free(exchange);
    }
}

static void bindings_that_are_gone_leave_no_memory(void **state)
{
    (void)state;
    for (size_t t = 0; t < types_count; t++) {
        struct exchange *exchange = exchange_of(all_types[t]);
        const char *key = all_types[t] == &exchange_consistent_hash ? "1" : "";
        for (size_t i = 0; i < names_max; i++)
            bind_queue(exchange, i, key);
        size_t used_bytes = mallinfo2().uordblks;
        for (size_t n = 0; n < 10000; n++) {
            unbind(exchange, n * 7 % names_max);
            bind_queue(exchange, n * 7 % names_max, key);
            choose_key(exchange, (unsigned)n);
        }
        assert_in_range(mallinfo2().uordblks, 0, used_bytes + 4096);
        exchange_free(exchange);
    }
}

static void types_are_found_by_name(void **state)
{
    (void)state;
    for (size_t t = 0; t < types_count; t++)
        assert_ptr_equal(exchange_type_find(bytes_of_text(all_types[t]->name)), all_types[t]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_weights_share_equally),
        cmocka_unit_test(shares_follow_weights),
        cmocka_unit_test(weights_may_be_huge),
        cmocka_unit_test(only_the_share_of_a_queue_that_leaves_moves),
        cmocka_unit_test(weights_that_become_equal_move_nothing_else),
        cmocka_unit_test(the_share_of_a_queue_that_leaves_is_shared),
        cmocka_unit_test(a_key_goes_the_same_way_whatever_the_order),
        cmocka_unit_test(a_queue_counts_once),
        cmocka_unit_test(a_header_decides_and_not_the_key),
        cmocka_unit_test(messages_without_the_header_go_one_way),
        cmocka_unit_test(a_property_decides),
        cmocka_unit_test(a_weight_is_a_positive_integer),
        cmocka_unit_test(arguments_name_one_source),
        cmocka_unit_test(chance_is_fair),
        cmocka_unit_test(x_local_random_takes_classic_queues_with_an_empty_key),
        cmocka_unit_test(a_modulus_is_fair_and_stays),
        cmocka_unit_test(one_of_several_keys_counts),
        cmocka_unit_test(bindings_that_are_gone_leave_no_memory),
        cmocka_unit_test(types_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
