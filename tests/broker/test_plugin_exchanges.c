/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of exchange that RabbitMQ's users install as plug-ins: x-consistent-hash, x-random,
 * x-modulus-hash, x-recent-history, x-jms-topic; and of Leveret alone, because Debian's RabbitMQ
 * has no such plug-in, x-local-random, x-delayed-message, x-message-deduplication.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

/* Both clocks count whole milliseconds. */
enum { queues_max = 4, messages_count = 400, clock_step_ms = 2 };

static void queue_name(char name[32], size_t number)
{
    snprintf(name, 32, "x-plugin-%zu", number);
}

/* Declares the exchange, and queues that are bound with these keys; NULL ends them. */
static void bind_queues(struct raw_client *c, const char *type, const struct raw_table *args,
                        const char *const *keys)
{
    step_exchange(c, 1, "x-plugin", type, 0, args);
    for (size_t i = 0; i < queues_max && keys[i] != NULL; i++) {
        char name[32];
        queue_name(name, i);
        step_declare(c, 1, name, QUEUE_EXCLUSIVE, NULL);
        step_bind(c, 1, name, "x-plugin", keys[i], NULL);
    }
}

/* Publishes and waits until the broker has it in the queues. */
static void publish_confirmed(struct raw_client *c, const char *key,
                              const struct raw_properties *properties)
{
    step_confirm_select(c, 2);
    for (uint64_t i = 1; i <= messages_count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%s%d", key, (int)i % 100);
        step_publish_with(c, 2, "x-plugin", text, 0, properties, text, strlen(text));
    }
    step_confirms(c, 2, 1, messages_count);
}

static void count_ready(struct raw_client *c, uint32_t *counts, size_t queue_count)
{
    for (size_t i = 0; i < queue_count; i++) {
        char name[32];
        uint32_t consumers;
        queue_name(name, i);
        step_counts(c, 1, name, &counts[i], &consumers);
    }
}

/* --- those that choose one */

struct choice_row {
    const char *name;
    const char *type;
    const char *keys[queues_max + 1];
    struct raw_table args;
    bool is_spread; /* every queue gets some; else one gets all */
};

static struct choice_row choices[12];
static size_t choice_count;

static void choice(const char *name, const char *type, const char *keys, bool is_spread,
                   struct raw_table args)
{
    struct choice_row *row = &choices[choice_count++];
    assert_true(choice_count <= ARRAY_COUNT(choices));
    *row = (struct choice_row){.name = name, .type = type, .args = args, .is_spread = is_spread};
    for (size_t i = 0; i < queues_max; i++)
        row->keys[i] = keys;
}

static void every_message_goes_to_one_queue(const void *row)
{
    const struct choice_row *r = row;
    struct raw_client *c = raw_open();
    uint32_t counts[queues_max], sum = 0;
    size_t used = 0;
    raw_open_channel(c, 2);
    bind_queues(c, r->type, &r->args, r->keys);
    publish_confirmed(c, "key", NULL);
    count_ready(c, counts, queues_max);
    for (size_t i = 0; i < queues_max; i++) {
        sum += counts[i];
        used += counts[i] > 0;
    }
    assert_int_equal(sum, messages_count);
    assert_int_equal(used, r->is_spread ? queues_max : 1);
    step_exchange_delete(c, 1, "x-plugin");
}

static void fill_choices(void)
{
    choice("consistent_hash_spreads_keys", "x-consistent-hash", "10", true, raw_table(""));
    choice("consistent_hash_of_a_header_ignores_keys", "x-consistent-hash", "1", false,
           raw_table("S", "hash-header", "h"));
    choice("consistent_hash_of_a_property_ignores_keys", "x-consistent-hash", "1", false,
           raw_table("S", "hash-property", "message_id"));
    choice("random_spreads_whatever_the_keys", "x-random", "any", true, raw_table(""));
    choice("modulus_hash_spreads_keys", "x-modulus-hash", "any", true, raw_table(""));
}

/* The hundred keys came four times each: always the same way. */
static void a_key_goes_one_way(const void *row)
{
    static const char *const types[] = {"x-consistent-hash", "x-modulus-hash"};
    static const char *const keys[] = {"1", "1", "1", "1"};
    (void)row;
    for (size_t t = 0; t < ARRAY_COUNT(types); t++) {
        struct raw_client *c = raw_open();
        uint32_t counts[queues_max];
        raw_open_channel(c, 2);
        bind_queues(c, types[t], NULL, keys);
        publish_confirmed(c, "k", NULL);
        count_ready(c, counts, queues_max);
        for (size_t i = 0; i < queues_max; i++)
            assert_int_equal(counts[i] % 4, 0);
        step_exchange_delete(c, 1, "x-plugin");
        raw_close(c);
    }
}

static void weights_are_shares(const void *row)
{
    static const char *const keys[] = {"1", "9", NULL};
    struct raw_client *c = raw_open();
    uint32_t counts[queues_max];
    (void)row;
    raw_open_channel(c, 2);
    bind_queues(c, "x-consistent-hash", NULL, keys);
    publish_confirmed(c, "k", NULL);
    count_ready(c, counts, 2);
    assert_int_equal(counts[0] + counts[1], messages_count);
    assert_true(counts[0] > 0 && counts[0] * 3 < counts[1]);
    step_exchange_delete(c, 1, "x-plugin");
}

/* --- x-recent-history */

static void publish_history(struct raw_client *c)
{
    struct raw_table no_store = raw_table("t", "x-recent-history-no-store", 1);
    struct raw_properties properties = raw_properties("h", &no_store);
    step_confirm_select(c, 2);
    step_publish(c, 2, "x-plugin", "a", "1");
    step_publish(c, 2, "x-plugin", "b", "2");
    step_publish(c, 2, "x-plugin", "c", "3");
    step_publish_with(c, 2, "x-plugin", "d", 0, &properties, "4", 1);
    step_confirms(c, 2, 1, 4);
}

static void a_new_queue_gets_the_history(const void *row)
{
    struct raw_table args = raw_table("I", "x-recent-history-length", 2);
    struct raw_client *c = raw_open();
    (void)row;
    raw_open_channel(c, 2);
    step_exchange(c, 1, "x-plugin", "x-recent-history", 0, &args);
    publish_history(c);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin", "whatever", NULL);
    step_await_ready(c, 1, "x-plugin-0", 2);
    step_get_no_ack(c, 1, "x-plugin-0", "2");
    step_get_no_ack(c, 1, "x-plugin-0", "3");
    step_bind(c, 1, "x-plugin-0", "x-plugin", "whatever", NULL);
    step_get_empty(c, 1, "x-plugin-0");
    step_exchange_delete(c, 1, "x-plugin");
}

/* Each message is routed by the exchange that is bound, the newest first. */
static void a_new_exchange_gets_the_history(const void *row)
{
    struct raw_client *c = raw_open();
    (void)row;
    raw_open_channel(c, 2);
    step_exchange(c, 1, "x-plugin-2", "fanout", 0, NULL);
    step_exchange(c, 1, "x-plugin", "x-recent-history", 0, NULL);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin-2", "b", NULL);
    publish_history(c);
    step_exchange_bind(c, 1, "x-plugin-2", "x-plugin", "k");
    step_await_ready(c, 1, "x-plugin-0", 3);
    step_get_no_ack(c, 1, "x-plugin-0", "3");
    step_get_no_ack(c, 1, "x-plugin-0", "2");
    step_get_no_ack(c, 1, "x-plugin-0", "1");
    step_exchange_delete(c, 1, "x-plugin");
    step_exchange_delete(c, 1, "x-plugin-2");
}

/* --- x-jms-topic */

struct selector_row {
    const char *name;
    const char *selector;
    bool is_routed;
};

/* As RabbitMQ's JMS client compiles them. */
static const struct selector_row selectors[] = {
    {"jms_equal", "{'=',{'ident',<<\"colour\">>},<<\"blue\">>}.", true},
    {"jms_unequal", "{'<>',{'ident',<<\"colour\">>},<<\"blue\">>}.", false},
    {"jms_and", "{'and',{'>',{'ident',<<\"weight\">>},2500},{'ident',<<\"fast\">>}}.", true},
    {"jms_or", "{'or',{'ident',<<\"missing\">>},{'<',{'ident',<<\"weight\">>},2500}}.", false},
    {"jms_not", "{'not',{'ident',<<\"fast\">>}}.", false},
    {"jms_unknown_is_not_true", "{'not',{'=',{'ident',<<\"missing\">>},1}}.", false},
    {"jms_null", "{'is_null',{'ident',<<\"missing\">>}}.", true},
    {"jms_not_null", "{'not_null',{'ident',<<\"colour\">>}}.", true},
    {"jms_between", "{'between',{'ident',<<\"weight\">>},2501,2501}.", true},
    {"jms_not_between", "{'not_between',{'ident',<<\"weight\">>},1,9}.", true},
    {"jms_in", "{'in',{'ident',<<\"colour\">>},[<<\"red\">>,<<\"blue\">>]}.", true},
    {"jms_not_in", "{'not_in',{'ident',<<\"colour\">>},[<<\"red\">>,<<\"blue\">>]}.", false},
    {"jms_like", "{'like',{'ident',<<\"colour\">>},<<\"b_u%\">>,no_escape}.", true},
    {"jms_like_escaped", "{'like',{'ident',<<\"code\">>},<<\"a!_%\">>,<<\"!\">>}.", true},
    {"jms_not_like", "{'not_like',{'ident',<<\"colour\">>},<<\"b%\">>,no_escape}.", false},
    {"jms_arithmetic", "{'=',{'*',{'+',{'ident',<<\"weight\">>},-1},2},5000}.", true},
    {"jms_double", "{'<',{'ident',<<\"speed\">>},{'/',7,2}}.", true},
    {"jms_true", "'true'.", true},
    {"jms_unlike_types", "{'>',{'ident',<<\"colour\">>},{'ident',<<\"weight\">>}}.", true},
};

static void publish_car(struct raw_client *c)
{
    struct raw_table headers = raw_table("SItSd", "colour", "blue", "weight", 2501, "fast", 1,
                                         "code", "a_b", "speed", 3.25);
    struct raw_properties properties = raw_properties("h", &headers);
    step_confirm_select(c, 2);
    step_publish_with(c, 2, "x-plugin", "another key", 0, &properties, "car", 3);
    step_confirms(c, 2, 1, 1);
}

static void check_selector(const char *selector, bool is_routed)
{
    struct raw_table args = raw_table("S", "rjms_erlang_selector", selector);
    struct raw_client *c = raw_open();
    raw_open_channel(c, 2);
    step_exchange(c, 1, "x-plugin", "x-jms-topic", 0, NULL);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin", "k", &args);
    publish_car(c);
    if (is_routed)
        step_get_no_ack(c, 1, "x-plugin-0", "car");
    step_get_empty(c, 1, "x-plugin-0");
    step_exchange_delete(c, 1, "x-plugin");
    raw_close(c);
}

static void selects(const void *row)
{
    const struct selector_row *r = row;
    check_selector(r->selector, r->is_routed);
}

static void need_leveret(const char *reason)
{
    if (!broker_test_is_leveret())
        broker_test_skip(reason);
}

static void sql_selects(const void *row)
{
    (void)row;
    need_leveret("RabbitMQ takes compiled selectors only");
    check_selector(
        "colour = 'blue' AND weight BETWEEN 2500 AND 3000 AND code LIKE 'a!_%' ESCAPE '!'", true);
    check_selector("colour IN ('red') OR missing IS NOT NULL", false);
}

/* --- x-local-random, x-delayed-message, x-message-deduplication */

static void local_random_takes_queues_with_an_empty_key(const void *row)
{
    struct raw_client *c;
    (void)row;
    need_leveret("x-local-random came with RabbitMQ 4.0");
    c = raw_open();
    step_exchange(c, 1, "x-plugin", "x-local-random", EXCHANGE_AUTO_DELETE, NULL);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin", "", NULL);
    step_publish(c, 1, "x-plugin", "any", "m");
    step_get_no_ack(c, 1, "x-plugin-0", "m");
    step_send_bind(c, 1, "x-plugin-0", "x-plugin", "k", NULL);
    raw_expect_channel_close(
        c, 1, 406, "PRECONDITION_FAILED - Non empty binding 'k' key not permitted", 50, 20);
}

static void publish_delayed(struct raw_client *c, const char *body, int delay_ms)
{
    struct raw_table headers = raw_table("SI", "before", "kept", "x-delay", delay_ms);
    struct raw_properties properties = raw_properties("hd", &headers, 2);
    step_publish_with(c, 2, "x-plugin", "k", PUBLISH_MANDATORY, &properties, body, strlen(body));
}

/* Confirmed long before, never returned, in the order in which they are due. */
static void delayed_messages_come_later(const void *row)
{
    struct raw_table args = raw_table("S", "x-delayed-type", "direct");
    struct raw_client *c;
    (void)row;
    need_leveret("Debian's RabbitMQ has no x-delayed-message");
    c = raw_open();
    raw_open_channel(c, 2);
    step_exchange(c, 1, "x-plugin", "x-delayed-message", EXCHANGE_DURABLE, &args);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin", "k", NULL);
    step_confirm_select(c, 2);
    int64_t begin_ms = raw_now_ms();
    publish_delayed(c, "second", 600);
    publish_delayed(c, "first", 300);
    publish_delayed(c, "never", 86400000);
    step_confirms(c, 2, 1, 3);
    step_consume(c, 1, "x-plugin-0", "t", CONSUME_NO_ACK, NULL);
    step_deliver(c, 1, "t", "first");
    assert_true(raw_now_ms() - begin_ms >= 300 - clock_step_ms);
    step_deliver(c, 1, "t", "second");
    assert_true(raw_now_ms() - begin_ms >= 600 - clock_step_ms);
    step_exchange_delete(c, 1, "x-plugin");
}

static void publish_numbered(struct raw_client *c, const char *body, int number)
{
    struct raw_table headers = raw_table("I", "x-deduplication-header", number);
    struct raw_properties properties = raw_properties("h", &headers);
    step_publish_with(c, 1, "x-plugin", "k", 0, &properties, body, strlen(body));
}

static void repetitions_are_dropped(const void *row)
{
    struct raw_table args = raw_table("I", "x-cache-size", 10);
    struct raw_client *c;
    (void)row;
    need_leveret("Debian's RabbitMQ has no x-message-deduplication");
    c = raw_open();
    step_exchange(c, 1, "x-plugin", "x-message-deduplication", 0, &args);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_bind(c, 1, "x-plugin-0", "x-plugin", "other", NULL);
    publish_numbered(c, "a", 1);
    publish_numbered(c, "b", 1);
    publish_numbered(c, "c", 2);
    step_get_no_ack(c, 1, "x-plugin-0", "a");
    step_get_no_ack(c, 1, "x-plugin-0", "c");
    step_get_empty(c, 1, "x-plugin-0");
    step_exchange_delete(c, 1, "x-plugin");
}

static void publish_to_queue(struct raw_client *c, const char *body, int number)
{
    struct raw_table headers = raw_table("I", "x-deduplication-header", number);
    struct raw_properties properties = raw_properties("h", &headers);
    step_publish_with(c, 2, "", "x-plugin-0", 0, &properties, body, strlen(body));
}

/* The publisher is told of a repetition by a nack. */
static void a_queue_has_one_message_of_a_value(const void *row)
{
    struct raw_table args = raw_table("t", "x-message-deduplication", 1);
    struct raw_client *c;
    (void)row;
    need_leveret("Debian's RabbitMQ has no x-message-deduplication");
    c = raw_open();
    raw_open_channel(c, 2);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, &args);
    step_confirm_select(c, 2);
    publish_to_queue(c, "a", 1);
    step_confirms(c, 2, 1, 1);
    publish_to_queue(c, "b", 1);
    raw_expect(c, 2, 60, 120);
    publish_to_queue(c, "c", 2);
    step_confirms(c, 2, 3, 3);
    step_get_no_ack(c, 1, "x-plugin-0", "a");
    publish_to_queue(c, "d", 1);
    step_confirms(c, 2, 4, 4);
    step_get_no_ack(c, 1, "x-plugin-0", "c");
    step_get_no_ack(c, 1, "x-plugin-0", "d");
    step_get_empty(c, 1, "x-plugin-0");
}

/* --- errors */

static void send_weight(struct raw_client *c, const char *key)
{
    step_exchange(c, 1, "x-plugin", "x-consistent-hash", EXCHANGE_AUTO_DELETE, NULL);
    step_declare(c, 1, "x-plugin-0", QUEUE_EXCLUSIVE, NULL);
    step_send_bind(c, 1, "x-plugin-0", "x-plugin", key, NULL);
}

static void send_declare(struct raw_client *c, const char *type, struct raw_table args)
{
    raw_method(c, 1, 40, 20, "ws11", 0, "x-plugin", 0, 0);
    raw_expect(c, 1, 40, 21);
    step_send_exchange(c, 1, "x-plugin", type, 0, &args);
}

#define LENGTH "PRECONDITION_FAILED - Invalid argument "
#define POSITIVE ", 'x-recent-history-length' must be a positive integer"

SENDER(send_weight_zero, send_weight(c, "0"))
SENDER(send_weight_negative, send_weight(c, "-3"))
SENDER(send_weight_text, send_weight(c, "heavy"))
SENDER(send_weight_empty, send_weight(c, ""))
SENDER(send_both_sources,
       send_declare(c, "x-consistent-hash",
                    raw_table("SS", "hash-header", "a", "hash-property", "message_id")))
SENDER(send_unknown_property,
       send_declare(c, "x-consistent-hash", raw_table("S", "hash-property", "nope")))
SENDER(send_length_zero,
       send_declare(c, "x-recent-history", raw_table("I", "x-recent-history-length", 0)))
SENDER(send_length_text,
       send_declare(c, "x-recent-history", raw_table("S", "x-recent-history-length", "5")))
SENDER(send_length_bool,
       send_declare(c, "x-recent-history", raw_table("t", "x-recent-history-length", 1)))

static const struct error_row errors[] = {
    {"weight_zero", send_weight_zero, 406,
     "PRECONDITION_FAILED - The binding key must be greater than 0", 50, 20},
    {"weight_negative", send_weight_negative, 406,
     "PRECONDITION_FAILED - The binding key must be greater than 0", 50, 20},
    {"weight_text", send_weight_text, 406,
     "PRECONDITION_FAILED - The binding key must be an integer: <<\"heavy\">>", 50, 20},
    {"weight_empty", send_weight_empty, 406,
     "PRECONDITION_FAILED - The binding key must be an integer: <<>>", 50, 20},
    {"hash_header_and_property", send_both_sources, 406,
     "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive", 40, 10},
    {"hash_property_unknown", send_unknown_property, 406,
     "PRECONDITION_FAILED - Unsupported property: nope", 40, 10},
    {"history_length_zero", send_length_zero, 406, LENGTH "0" POSITIVE, 40, 10},
    {"history_length_text", send_length_text, 406, LENGTH "<<\"5\">>" POSITIVE, 40, 10},
    {"history_length_bool", send_length_bool, 406, LENGTH "true" POSITIVE, 40, 10},
};

int main(int argc, char **argv)
{
    fill_choices();
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    for (size_t i = 0; i < choice_count; i++)
        broker_test_add(choices[i].name, every_message_goes_to_one_queue, &choices[i]);
    BROKER_TEST(a_key_goes_one_way);
    BROKER_TEST(weights_are_shares);
    BROKER_TEST(a_new_queue_gets_the_history);
    BROKER_TEST(a_new_exchange_gets_the_history);
    for (size_t i = 0; i < ARRAY_COUNT(selectors); i++)
        broker_test_add(selectors[i].name, selects, &selectors[i]);
    BROKER_TEST(sql_selects);
    BROKER_TEST(local_random_takes_queues_with_an_empty_key);
    BROKER_TEST(delayed_messages_come_later);
    BROKER_TEST(repetitions_are_dropped);
    BROKER_TEST(a_queue_has_one_message_of_a_value);
    return broker_test_run("plugin_exchanges", argc, argv);
}
